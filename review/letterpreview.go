package review

import "time"

// A LetterPreview is a letter as it would look, with names that are examples.
type LetterPreview struct{ Kind, Subject, Text string }

// LetterKinds are the letters that we write, in the order of a case and then of a
// factor.
var LetterKinds = []string{"acknowledgement", "notice", "cleared", "pass", "rejected", "undone",
	"enrolled", "replaced", "device_added", "device_removed", "turned_off", "codes_renewed", "code_used", "codes_low", "code_repeated", "locked", "alarm", "reminder"}

// LetterLocales are the languages that letters are written in.
func LetterLocales() []string { return append([]string(nil), locales...) }

// PreviewLetters renders every letter in a language, as the templates and the
// configuration stand.
func (d *Desk) PreviewLetters(locale string) ([]LetterPreview, error) {
	now := time.Now()
	w := words{Brand: d.cfg.Brand, Phone: d.cfg.Phone, Panel: d.cfg.Panel, Number: "RST-8K2M4Q", Account: "ACME GmbH", AccountID: "A-1001",
		User: "jane", UserAddress: maskAddress("jane@acme.example"), Requester: "anna@acme.example", Requested: when(now.Add(-time.Hour), locale),
		Link: d.cfg.BaseURL + "/r/…", LinkUntil: when(now.Add(d.cfg.Policy.LinkLifetime), locale), When: when(now, locale),
		HoldUntil: when(now.Add(d.cfg.Policy.Hold), locale), Pass: "XXXX-XXXX-XXXX-X", PassUntil: when(now.Add(72*time.Hour), locale),
		Reference: "XXXX-XXXX", IP: "192.0.2.7", Device: "Firefox", Left: "3", Day: dayOfMonth(now.AddDate(0, 0, 7), locale), Stage: "7", Own: true}
	var all []LetterPreview
	for _, kind := range LetterKinds {
		subject, text, err := render(locale, kind, w)
		if err != nil {
			return nil, err
		}
		all = append(all, LetterPreview{kind, subject, text})
	}
	return all, nil
}
