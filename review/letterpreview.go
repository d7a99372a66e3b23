package review

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review/letters"
)

// A LetterPreview is a letter as it would look, with names that are examples.
type LetterPreview struct{ Kind, Subject, Text string }

// PreviewLetters renders every letter in a language, as the templates and the
// configuration stand.
func (d *Desk) PreviewLetters(locale string) ([]LetterPreview, error) {
	var all []LetterPreview
	for _, kind := range letters.Kinds {
		p, err := d.previewLetter(locale, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (d *Desk) previewLetter(locale, kind string) (LetterPreview, error) {
	w := letters.Sample(kind, locale)
	w.Brand, w.Phone, w.Panel = d.cfg.Brand, d.cfg.Phone, d.cfg.Panel
	subject, text, _, err := d.cfg.Letters.Write(locale, kind, w)
	return LetterPreview{kind, subject, text}, err
}

// maxTests is how many letters a reviewer may send to himself within an hour.
const maxTests = 10

// SendTest sends a letter as it would look to the reviewer's own address, as the
// reviewer's row has it: mail goes to stored addresses only. It is marked as a test.
func (d *Desk) SendTest(ctx context.Context, s Session, locale, kind string) error {
	if !slices.Contains(letters.Kinds, kind) || !slices.Contains(letters.Locales(), locale) {
		return invalid("kind", "Choose a letter of the list.")
	}
	p, err := d.previewLetter(locale, kind)
	if err != nil {
		return err
	}
	err = d.update(ctx, "send test", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		now := time.Now()
		var email string
		var sent int
		err := tx.QueryRowContext(ctx, `SELECT email, (SELECT count(*) FROM letter WHERE reviewer_id = r.id AND kind = 'test' AND queued_at > $2)
			FROM reviewer r WHERE id = $1`, s.Reviewer.ID, micros(now.Add(-time.Hour))).Scan(&email, &sent)
		if err != nil {
			return fmt.Errorf("read reviewer: %w", err)
		}
		if sent >= maxTests {
			return fail(TooMany, "You sent yourself "+counted(maxTests, "letter")+" within an hour. Wait a little.")
		}
		seq, err := record(ctx, tx, now, s.actor(), "letter.tested", s.actor(), map[string]string{"kind": kind, "locale": locale})
		if err != nil {
			return err
		}
		o := owed{kind: "test", locale: locale, to: recipient{address: email}, reviewer: s.Reviewer.ID, serial: 1,
			topic: "audit:" + strconv.FormatInt(seq, 10), about: "desk"}
		return d.post(ctx, tx, o, "TEST "+p.Subject, "*** A test that you sent to yourself. Names are examples, links lead nowhere. ***\n\n"+p.Text, "", now)
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

// write writes a letter and remembers a template that failed.
func (d *Desk) write(locale, kind string, w letters.Words) (subject, text string, err error) {
	subject, text, broken, err := d.cfg.Letters.Write(locale, kind, w)
	if broken != "" {
		d.log.Error("a template was passed over for the built-in one", "reason", broken)
		d.broken.Store(&broken)
	}
	return subject, text, err
}

// brokenTemplate is why the last template was passed over, "" if none was since
// the start.
func (d *Desk) brokenTemplate() string {
	if b := d.broken.Load(); b != nil {
		return *b
	}
	return ""
}
