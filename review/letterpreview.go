package review

import (
	"github.com/resetdesk/resetdesk/review/letters"
)

// A LetterPreview is a letter as it would look, with names that are examples.
type LetterPreview struct{ Kind, Subject, Text string }

// PreviewLetters renders every letter in a language, as the templates and the
// configuration stand.
func (d *Desk) PreviewLetters(locale string) ([]LetterPreview, error) {
	var all []LetterPreview
	for _, kind := range letters.Kinds {
		w := letters.Sample(kind, locale)
		w.Brand, w.Phone, w.Panel = d.cfg.Brand, d.cfg.Phone, d.cfg.Panel
		subject, text, _, err := d.cfg.Letters.Write(locale, kind, w)
		if err != nil {
			return nil, err
		}
		all = append(all, LetterPreview{kind, subject, text})
	}
	return all, nil
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
