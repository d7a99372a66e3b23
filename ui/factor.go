package ui

import (
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

type factorPage struct {
	Enrolled      bool
	Next, Problem string
}

// showFactor asks for the second factor that a session owes.
func (s *site) showFactor(w http.ResponseWriter, r *http.Request, who review.Session) error {
	if who.Proved {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return s.renderFactor(w, r, who, http.StatusOK, factorPage{Next: ourPath(r.URL.Query().Get("next"))})
}

func (s *site) renderFactor(w http.ResponseWriter, r *http.Request, who review.Session, status int, p factorPage) error {
	standing, err := s.Desk.Book().Status(r.Context(), who.Reviewer.Holder)
	if err != nil {
		return err
	}
	p.Enrolled = standing.Enrolled
	return s.render(w, r, status, "factor", view{Title: "Your second factor", Body: p})
}

func (s *site) giveFactor(w http.ResponseWriter, r *http.Request, who review.Session) error {
	next := ourPath(r.PostForm.Get("next"))
	err := s.Desk.GiveFactor(r.Context(), who, r.PostForm.Get("code"))
	if err == nil {
		s.sayNews(w, r, who)
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	return refusedForm(w, err, func(status int, refused *review.Error) error {
		return s.renderFactor(w, r, who, status, factorPage{Next: next, Problem: refused.Message})
	})
}
