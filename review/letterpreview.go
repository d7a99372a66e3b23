package review

// A LetterPreview is a letter as it would look, with names that are examples.
type LetterPreview struct{ Kind, Subject, Text string }

// PreviewLetters renders every letter in a language, as the templates and the
// configuration stand.
func (d *Desk) PreviewLetters(locale string) ([]LetterPreview, error) {
	var all []LetterPreview
	for _, kind := range LetterKinds {
		w := samples(kind, locale)[0].w
		w.Brand, w.Phone, w.Panel = d.cfg.Brand, d.cfg.Phone, d.cfg.Panel
		subject, text, _, err := d.cfg.Letters.write(locale, kind, w)
		if err != nil {
			return nil, err
		}
		all = append(all, LetterPreview{kind, subject, text})
	}
	return all, nil
}
