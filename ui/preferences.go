package ui

import (
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

// Colours are of a browser, and a cookie keeps them: one person works at a bright
// desk and on a telephone at night. Keys and times go with the reviewer.
const themeCookie = "resetdesk-theme"

// keepFor is how long a browser keeps its colours, in seconds.
const keepFor = 365 * 24 * 60 * 60

func (s *site) themeOf(r *http.Request) string {
	if t := s.read(r, themeCookie); t == "light" || t == "dark" {
		return t
	}
	return ""
}

// saveDisplay keeps how a reviewer wants the pages.
func (s *site) saveDisplay(w http.ResponseWriter, r *http.Request, who review.Session) error {
	f := r.PostForm
	err := s.Desk.Prefer(r.Context(), who, review.Preferences{Keys: f.Get("keys") != "off", UTC: f.Get("times") == "utc"})
	if err != nil {
		return err
	}
	theme := f.Get("theme")
	if theme != "light" && theme != "dark" {
		theme = "auto"
	}
	http.SetCookie(w, s.cookie(themeCookie, theme, keepFor))
	return s.back(w, r, "/profile", "Kept. The colours are for this browser.")
}
