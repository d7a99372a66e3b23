package ui

import (
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

// The names of the cookies of a browser's preferences.
const (
	themeCookie = "resetdesk-theme"
	keysCookie  = "resetdesk-keys"
)

// keepFor is how long a browser keeps its preferences, in seconds.
const keepFor = 365 * 24 * 60 * 60

// A dress is how a browser wants the pages.
type dress struct {
	Theme string // light, dark, or "" for that of the system
	Keys  bool   // single-key shortcuts (WCAG 2.1.4: there is an off switch)
}

func (s *site) dressOf(r *http.Request) dress {
	d := dress{Keys: s.read(r, keysCookie) != "off"}
	if t := s.read(r, themeCookie); t == "light" || t == "dark" {
		d.Theme = t
	}
	return d
}

func (s *site) showPreferences(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return s.render(w, r, http.StatusOK, "preferences", view{Title: "Display and keys"})
}

func (s *site) savePreferences(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	if err := readForm(r); err != nil {
		return err
	}
	theme, keys := r.PostForm.Get("theme"), r.PostForm.Get("keys")
	if theme != "light" && theme != "dark" {
		theme = "auto"
	}
	if keys != "off" {
		keys = "on"
	}
	http.SetCookie(w, s.cookie(themeCookie, theme, keepFor))
	http.SetCookie(w, s.cookie(keysCookie, keys, keepFor))
	s.say(w, "Kept for this browser.")
	http.Redirect(w, r, "/preferences", http.StatusSeeOther)
	return nil
}
