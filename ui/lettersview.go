package ui

import (
	"errors"
	"net/http"
	"slices"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/letters"
)

type lettersPage struct {
	Letters []review.LetterPreview
	Locales []string
	Here    string
	Own     string // the address of who looks
	Refused string
}

// showLetters shows every letter as it would go out, in one language.
func (s *site) showLetters(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderLetters(w, r, http.StatusOK, who, r.URL.Query().Get("in"), "")
}

// sendTest sends a letter to who asks, and to no other address.
func (s *site) sendTest(w http.ResponseWriter, r *http.Request, who review.Session) error {
	in := r.PostForm.Get("in")
	err := s.Desk.SendTest(r.Context(), who, in, r.PostForm.Get("kind"))
	var refused *review.Error
	switch {
	case errors.As(err, &refused):
		return s.renderLetters(w, r, statusOf(refused.Kind), who, in, refused.Message)
	case err != nil:
		return err
	}
	s.say(w, "The letter is on its way to "+who.Reviewer.Email+".")
	http.Redirect(w, r, setupOr(r, "/settings/letters?in="+in), http.StatusSeeOther)
	return nil
}

func (s *site) renderLetters(w http.ResponseWriter, r *http.Request, status int, who review.Session, in, refused string) error {
	p := lettersPage{Locales: letters.Locales(), Here: in, Own: who.Reviewer.Email, Refused: refused}
	if !slices.Contains(p.Locales, p.Here) {
		p.Here = p.Locales[0]
	}
	var err error
	if p.Letters, err = s.Desk.PreviewLetters(p.Here); err != nil {
		return err
	}
	return s.render(w, r, status, "letters", view{Title: "Letters", Body: p})
}

var languages = map[string]string{"en": "English", "de": "Deutsch", "nl": "Nederlands", "fr": "Français", "es": "Español"}

// Name is the name of a language in it.
func (p lettersPage) Name(locale string) string {
	if name, ok := languages[locale]; ok {
		return name
	}
	return locale
}
