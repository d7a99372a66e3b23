package review

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/bounce"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// TokenPlace stands in a bounce address for the token of the letter.
const TokenPlace = "{token}"

// short is 80 bits of a MAC in letters that survive any mail server.
func (d *Desk) short(purpose string, parts ...[]byte) string {
	sum := d.cfg.Keys.MAC(purpose, parts...)
	return strings.ToLower(base32.NewEncoding(crockford).EncodeToString(sum[:10]))
}

// returnPath is the envelope sender of a letter. Without a bounce address it is
// the null reverse-path: nobody's vacation program answers (RFC 3834 3.3), and
// nobody can tell us that the letter did not arrive. With a token in it, only
// those who carried the letter know the address.
func (d *Desk) returnPath(letter int64, messageID string) string {
	return strings.Replace(d.cfg.BounceAddress, TokenPlace, "b"+strconv.FormatInt(letter, 10)+"-"+d.short("return path", []byte(messageID)), 1)
}

// mark is the value of the header field by which a letter of ours is known when
// it comes back, even with another Message-ID and another sender
// (sender-verification 7). It proves that we wrote the letter, and nothing of who
// sends it now.
func (d *Desk) mark(messageID string) string {
	return messageID + " " + d.short("loop mark", []byte(messageID))
}

// A sentLetter is a letter that something came in about.
type sentLetter struct {
	id                    int64
	caseID                int64
	user, kind, recipient string
	messageID, state      string
	uncertain             int
}

// hear takes a report of a mail server about a letter of ours, or the letter
// itself come back. It has given the mail its fate if heard is true.
//
// A report is believed on what only those know who carried the letter: its
// Message-ID, the mark in its header, or the token of its return path. Believed
// means that a person looks; nothing goes forward because of it.
func (d *Desk) hear(ctx context.Context, tx *sql.Tx, r *reading) (heard bool, err error) {
	if r.fromRegistered() {
		return false, nil
	}
	automated := r.verdict.State() == sender.Automated
	if r.bounced { // whatever the sender check says: Postfix writes a From field that programs read differently
		person := false
		if !automated { // who attaches a report, or types its subject, may object
			if person, err = isContact(ctx, tx, r.writer()); err != nil {
				return false, err
			}
		}
		if !person {
			return true, d.hearBounce(ctx, tx, r)
		}
	}
	if !automated {
		return false, nil
	}
	l, err := d.ownLetter(ctx, tx, r.message.MessageID, bounce.Marks(r.raw))
	if err != nil || l.id == 0 {
		return false, err
	}
	reason := "Our own letter (" + l.name() + ") came back. Nobody answers it."
	if settled, err := d.settleLetter(ctx, tx, l, "seen in the watched mailbox"); err != nil {
		return false, err
	} else if settled {
		reason = "Our own letter (" + l.name() + ") is in the mailbox: so it was sent, which the server's answer had left open."
	}
	return true, d.drop(ctx, tx, r, reason)
}

// isContact reports whether an address is one of an account, or was until lately.
func isContact(ctx context.Context, tx *sql.Tx, address string) (is bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM address WHERE lookup = $1 AND (until IS NULL OR until > $2))`,
		address, micros(time.Now().Add(-30*24*time.Hour))).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("read contact: %w", err)
	}
	return is, nil
}

// drop gives a mail its fate and forgets its bytes: a report can hold the whole
// letter, with what only its recipient may see.
func (d *Desk) drop(ctx context.Context, tx *sql.Tx, r *reading, reason string) error {
	if err := setFate(ctx, tx, r.id, "automatic", reason); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE inbound SET raw = NULL WHERE id = $1`, r.id)
	return err
}

// name says which letter it is, in words for staff.
func (l sentLetter) name() string {
	if name, ok := letterNames[l.kind]; ok {
		return name + " to " + maskAddress(l.recipient)
	}
	return "letter to " + maskAddress(l.recipient)
}

var letterNames = map[string]string{"acknowledgement": "the confirm letter", "notice": "the notice of the request", "cleared": "the notice of the reset",
	"pass": "the enrollment pass", "rejected": "the letter about the rejection", "undone": "the notice that the reset was taken back", "reminder": "the reminder"}

const sentLetterColumns = `id, coalesce(case_id, 0), coalesce(user_id, ''), kind, recipient, message_id, state, uncertain`

// ownLetter finds the letter that was sent under one of ids, or that one of marks proves.
func (d *Desk) ownLetter(ctx context.Context, tx *sql.Tx, id string, marks []string) (sentLetter, error) {
	ids := []string{}
	if id != "" {
		ids = append(ids, id)
	}
	for _, m := range marks {
		if id, _, ok := strings.Cut(m, " "); ok && hmac.Equal([]byte(d.mark(id)), []byte(m)) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		l, err := findLetter(ctx, tx, `message_id = $1`, strings.ToLower(strings.Trim(id, "<>")))
		if err != nil || l.id != 0 {
			return l, err
		}
	}
	return sentLetter{}, nil
}

// findLetter reads one letter that may have gone out; id is 0 if there is none.
func findLetter(ctx context.Context, tx *sql.Tx, where string, arg any) (sentLetter, error) {
	var l sentLetter
	err := tx.QueryRowContext(ctx, `SELECT `+sentLetterColumns+` FROM letter WHERE (state IN ('dot', 'sent') OR uncertain > 0) AND `+where, arg).
		Scan(&l.id, &l.caseID, &l.user, &l.kind, &l.recipient, &l.messageID, &l.state, &l.uncertain)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return l, fmt.Errorf("find letter: %w", err)
	}
	return l, nil
}

// letterOf finds the letter that a report is about.
func (d *Desk) letterOf(ctx context.Context, tx *sql.Tx, b bounce.Report) (sentLetter, error) {
	for _, id := range append([]string{""}, b.IDs...) {
		l, err := d.ownLetter(ctx, tx, id, b.Marks)
		if err != nil || l.id != 0 {
			return l, err
		}
	}
	before, after, tokens := strings.Cut(strings.ToLower(d.cfg.BounceAddress), TokenPlace)
	for _, to := range b.To {
		token, ok := strings.CutPrefix(to, before)
		if token, found := strings.CutSuffix(token, after); tokens && ok && found {
			number, _, _ := strings.Cut(strings.TrimPrefix(token, "b"), "-")
			id, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				continue
			}
			l, err := findLetter(ctx, tx, `id = $1`, id)
			if err != nil || l.id != 0 && hmac.Equal([]byte(strings.ToLower(d.returnPath(id, l.messageID))), []byte(to)) {
				return l, err
			}
		}
	}
	return sentLetter{}, nil
}

// hearBounce records a report and does what it asks for.
func (d *Desk) hearBounce(ctx context.Context, tx *sql.Tx, r *reading) error {
	l, err := d.letterOf(ctx, tx, r.bounce)
	if err != nil {
		return err
	}
	if l.id == 0 {
		return d.drop(ctx, tx, r, "A mail server says that a mail did not arrive, but shows nothing of a letter of ours: it changes nothing, and its body was not kept.")
	}
	said := r.bounce.Worst()
	for _, c := range r.bounce.Recipients {
		if strings.EqualFold(c.Address, l.recipient) {
			said = c
		}
	}
	said.Words = maskWords(said.Words)
	now := time.Now()
	var first bool
	err = tx.QueryRowContext(ctx, `INSERT INTO bounce (letter_id, inbound_id, action, class, status, words, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING RETURNING 1`, l.id, r.id, string(said.Action), string(said.Class), clip(said.Status, 11), said.Words, micros(now)).Scan(&first)
	if errors.Is(err, sql.ErrNoRows) {
		return d.drop(ctx, tx, r, "One more report about "+l.name()+": it is known already that the letter did not arrive.")
	}
	if err != nil {
		return fmt.Errorf("record bounce: %w", err)
	}
	switch said.Action {
	case bounce.Delivered:
		if _, err := d.settleLetter(ctx, tx, l, "its server says that it arrived"); err != nil {
			return err
		}
		return d.drop(ctx, tx, r, "A mail server says that a letter of ours arrived: "+l.name()+".")
	case bounce.Delayed:
		if err := d.recordBounce(ctx, tx, l, "letter.delayed", r.bounce.Form, said, now); err != nil {
			return err
		}
		return d.drop(ctx, tx, r, "A mail server goes on trying to deliver a letter of ours: "+l.name()+".")
	}
	if err := d.recordBounce(ctx, tx, l, "letter.bounced", r.bounce.Form, said, now); err != nil {
		return err
	}
	if err := d.holdBounced(ctx, tx, l, said, now); err != nil {
		return err
	}
	return d.drop(ctx, tx, r, "A letter of ours did not arrive: "+l.name()+". "+bounceWords(said))
}

func (d *Desk) recordBounce(ctx context.Context, tx *sql.Tx, l sentLetter, event, form string, said bounce.Recipient, now time.Time) error {
	object := l.user
	if l.caseID != 0 {
		c, err := caseByID(ctx, tx, l.caseID)
		if err != nil {
			return err
		}
		object = c.number
	}
	_, err := record(ctx, tx, now, "desk", event, object, map[string]any{"kind": l.kind, "recipient": maskAddress(l.recipient), "class": string(said.Class),
		"status": said.Status, "form": form})
	return err
}

// holdBounced holds the open case whose owners cannot be told: once for a letter,
// since a letter fails once.
func (d *Desk) holdBounced(ctx context.Context, tx *sql.Tx, l sentLetter, said bounce.Recipient, now time.Time) error {
	if l.state == "queued" { // nobody could know whether it had arrived: it had not
		_, err := tx.ExecContext(ctx, `UPDATE letter SET state = 'failed', response = $2, changed_at = $3 WHERE id = $1 AND state = 'queued'`,
			l.id, clip(said.Words, 500), micros(now))
		if err != nil {
			return fmt.Errorf("letter came back: %w", err)
		}
	}
	if l.caseID == 0 || l.kind != "acknowledgement" && l.kind != "notice" {
		return nil
	}
	c, err := caseByID(ctx, tx, l.caseID)
	if err != nil || c.state != StateOpen {
		return err
	}
	name := l.name()
	why := strings.ToUpper(name[:1]) + name[1:] + " came back. " + bounceWords(said)
	if _, err := record(ctx, tx, now, "desk", "case.held", c.number, map[string]string{"reason": why}); err != nil {
		return err
	}
	return d.hold(ctx, tx, c, "bounce", why)
}

var addressInWords = regexp.MustCompile(`[^\s<>"'()]+@[^\s<>"'()]+`)

// maskWords hides the addresses in a server's words, and what it quotes of ours.
func maskWords(s string) string {
	return clip(addressInWords.ReplaceAllStringFunc(withoutSecrets(s), maskAddress), 300)
}

// bounceWords says why a letter failed, in our words and a few of the server's.
func bounceWords(said bounce.Recipient) string {
	why := map[bounce.Class]string{bounce.Unknown: "The address does not exist (any more).", bounce.Full: "The mailbox is full.",
		bounce.Closed: "The mailbox takes no mail.", bounce.Refused: "Its server refuses our mail.", bounce.Network: "Its server could not be reached."}[said.Class]
	if why == "" {
		why = "Its server gave up."
	}
	if words := clip(said.Words, 160); words != "" {
		why += ` The server wrote: "` + strings.ReplaceAll(words, `"`, "'") + `"`
	}
	return why
}

// settleLetter marks a letter as sent that was uncertain: somebody has seen it
// (promises 3.3). Its case may go on.
func (d *Desk) settleLetter(ctx context.Context, tx *sql.Tx, l sentLetter, how string) (settled bool, err error) {
	res, err := tx.ExecContext(ctx, `UPDATE letter SET state = 'sent', response = $2, changed_at = $3
		WHERE id = $1 AND (state = 'queued' AND uncertain > 0 OR state = 'dot' AND epoch <> $4)`, l.id, how, micros(time.Now()), d.epoch)
	if err != nil {
		return false, fmt.Errorf("settle letter: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	_, err = d.wakeCase(ctx, tx, l.id, time.Now())
	return true, err
}

// A LetterTrouble is what staff must know of letters that do not get through.
type LetterTrouble struct {
	Passes []string  // cases whose enrollment pass came back: the user cannot get in
	Failed int       // other letters that came back or were refused within a day
	PutOff int       // letters that wait because a budget is used up
	Until  time.Time // when the first of them may go
	Broken string    // why a template of the operator was passed over, "" if none was
}

// LetterTrouble reads it. It costs by the trouble, not by the letters.
func (d *Desk) LetterTrouble(ctx context.Context) (t LetterTrouble, err error) {
	t.Broken = d.brokenTemplate()
	err = d.snapshot(ctx, "trouble with letters", func(tx *sql.Tx) error {
		now := time.Now()
		rows, err := tx.QueryContext(ctx, `SELECT DISTINCT c.number FROM (
				SELECT letter_id AS id FROM bounce WHERE action = 'failed' AND at > $1
				UNION SELECT id FROM letter WHERE state = 'failed' AND changed_at > $1) f
			JOIN letter l ON l.id = f.id JOIN reset_case c ON c.id = l.case_id
			WHERE l.kind = 'pass' AND c.state = 'cleared'
				AND NOT EXISTS (SELECT 1 FROM letter n WHERE n.reset_id = l.reset_id AND n.kind = 'pass' AND n.id > l.id)
				AND NOT EXISTS (SELECT 1 FROM credential WHERE user_id = c.user_id AND state = 'active')
			ORDER BY c.number LIMIT 20`, micros(now.Add(-14*24*time.Hour)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var number string
			if err := rows.Scan(&number); err != nil {
				return err
			}
			t.Passes = append(t.Passes, number)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, `SELECT count(*) FROM (
				SELECT letter_id AS id FROM bounce WHERE action = 'failed' AND at > $1
				UNION SELECT id FROM letter WHERE state = 'failed' AND changed_at > $1) f
			JOIN letter l ON l.id = f.id WHERE l.kind <> 'pass'`, micros(now.Add(-24*time.Hour))).Scan(&t.Failed)
		if err != nil {
			return err
		}
		var until sql.NullInt64
		err = tx.QueryRowContext(ctx, `SELECT count(*), min(next_at) FROM letter WHERE state = 'queued' AND tried_at IS NULL AND next_at > $1`, micros(now)).
			Scan(&t.PutOff, &until)
		if until.Valid {
			t.Until = fromMicros(until.Int64)
		}
		return err
	})
	return t, err
}

// Lines says it in words, nothing for no trouble.
func (t LetterTrouble) Lines() []string {
	var lines []string
	if len(t.Passes) > 0 {
		lines = append(lines, "An enrollment pass did not arrive, so the user cannot get in: "+strings.Join(t.Passes, ", ")+
			". Open the case, have the address put right in the panel, then send a new pass.")
	}
	if t.PutOff > 0 {
		lines = append(lines, fmt.Sprintf("Letters wait, because too many were set off within an hour: %d, the first until %s. If this is no attack, raise smtp.budget.",
			t.PutOff, t.Until.UTC().Format("15:04 UTC")))
	}
	if t.Failed > 0 {
		lines = append(lines, fmt.Sprintf("Letters that did not arrive since yesterday: %d. The audit names them (letter.bounced, letter.refused).", t.Failed))
	}
	if t.Broken != "" {
		lines = append(lines, "A letter went out in the built-in words: "+t.Broken)
	}
	return lines
}
