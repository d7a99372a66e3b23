package ui

import (
	"net/http"
	"slices"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/letters"
)

type lettersPage struct {
	Letters []review.LetterPreview
	Locales []string
	Here    string
}

// showLetters shows every letter as it would go out, in one language.
func (s *site) showLetters(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	p := lettersPage{Locales: letters.Locales(), Here: r.URL.Query().Get("in")}
	if !slices.Contains(p.Locales, p.Here) {
		p.Here = p.Locales[0]
	}
	var err error
	if p.Letters, err = s.Desk.PreviewLetters(p.Here); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "letters", view{Title: "Letters", Body: p})
}

var languages = map[string]string{"en": "English", "de": "Deutsch", "nl": "Nederlands", "fr": "Français", "es": "Español"}

// Name is the name of a language in it.
func (p lettersPage) Name(locale string) string {
	if name, ok := languages[locale]; ok {
		return name
	}
	return locale
}
