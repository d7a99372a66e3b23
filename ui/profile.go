package ui

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp/panel"
)

func (s *site) profileRoutes() []route {
	return []route{
		{"GET", "/profile", looks, s.showProfile},
		{"POST", "/profile/display", looks, s.saveDisplay},
		{"GET", "/profile/password", looks, s.showPassword},
		{"POST", "/profile/password", looks, s.changePassword},
		{"GET", "/profile/factor", looks, s.ownFactor},
		{"GET", "/profile/factor/*", looks, s.ownFactor},
		{"POST", "/profile/factor/*", looks, s.ownFactor},
		{"GET", "/profile/passkeys/new", looks, s.showNewPasskey},
		{"POST", "/profile/passkeys/new", looks, s.addPasskey},
		{"GET", "/profile/passkeys/options", looks, s.askNewPasskey},
		{"GET", "/profile/passkeys/{id}/remove", looks, s.showRemovePasskey},
		{"POST", "/profile/passkeys/{id}/remove", looks, s.removePasskey},
		{"POST", "/profile/sessions/end", looks, s.endOwnSessions},
		{"POST", "/profile/sessions/{session}/end", looks, s.endOwnSession},
		{"POST", "/profile/reset/stop", looks, s.stopOwnReset},
		{"GET", "/step-up/passkey", owes, s.askStepUp},
	}
}

// A profilePage is the reviewer's own page, or one of its forms.
type profilePage struct {
	Form    string
	Person  review.Person
	Key     review.Passkey // of a form
	Typed   string
	Made    string // a passkey that the browser made and the desk may still take
	Refused *review.Error
}

// Wrong returns the refusal's sentence if it is about this field.
func (p profilePage) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

// A sessionList is what the table of sessions needs.
type sessionList struct {
	Sessions []review.SessionRow
	End      string
	May      bool
}

// Own lists the reviewer's sessions.
func (p profilePage) Own() sessionList {
	return sessionList{p.Person.Sessions, "/profile/sessions", true}
}

func (s *site) renderProfile(w http.ResponseWriter, r *http.Request, who review.Session, status int, title string, p profilePage) error {
	var err error
	if p.Person, err = s.Desk.Profile(r.Context(), who); err != nil {
		return err
	}
	return s.render(w, r, status, "profile", view{Title: title, Body: p})
}

// back goes to a page with a sentence.
func (s *site) back(w http.ResponseWriter, r *http.Request, to, said string) error {
	s.say(w, said)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// refused renders a form again with what was wrong, and returns every other error.
func refusedForm(w http.ResponseWriter, err error, again func(status int, refused *review.Error) error) error {
	var refused *review.Error
	if !errors.As(err, &refused) || refused.Kind == review.NotFound {
		return err
	}
	retryAfter(w, err)
	return again(statusOf(refused.Kind), refused)
}

func (s *site) showProfile(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderProfile(w, r, who, http.StatusOK, "Your profile", profilePage{})
}

func (s *site) showPassword(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderProfile(w, r, who, http.StatusOK, "Change your password", profilePage{Form: "password"})
}

func (s *site) changePassword(w http.ResponseWriter, r *http.Request, who review.Session) error {
	f := r.PostForm
	var err error = &review.Error{Kind: review.Invalid, Field: "password", Message: "The two passwords are not the same."}
	if f.Get("password") == f.Get("again") {
		err = s.Desk.ChangePassword(r.Context(), who, f.Get("old"), f.Get("password"), f.Get("code"))
	}
	if err == nil {
		return s.back(w, r, "/profile", "Your password is changed. Your other sessions have ended.")
	}
	return refusedForm(w, err, func(status int, refused *review.Error) error {
		return s.renderProfile(w, r, who, status, "Change your password", profilePage{Form: "password", Refused: refused})
	})
}

// ownFactor mounts the pages of the second factor for the reviewer who is signed
// in. Each change there asks for a code, and none turns the factor off.
func (s *site) ownFactor(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.factorPages(w, r, who.Reviewer, "/profile/factor", "/profile")
}

// firstFactor are the same pages for somebody whom single sign-on brought and who
// has none yet: there is nothing else to do before.
func (s *site) firstFactor(w http.ResponseWriter, r *http.Request, who review.Session) error {
	status, err := s.Desk.Book().Status(r.Context(), who.Reviewer.Holder)
	if err != nil {
		return err
	}
	// Whoever has a factor gives it. What is left to somebody who set it up a moment
	// ago is the end of the page with the backup codes.
	if status.Enrolled && (r.Method != http.MethodPost || !slices.Contains([]string{"/sign-in/enroll/finish", "/sign-in/enroll/codes.txt", "/sign-in/enroll/confirm"}, r.URL.Path)) {
		http.Redirect(w, r, "/sign-in/factor", http.StatusSeeOther)
		return nil
	}
	if !status.Enrolled {
		if err := s.Desk.MayEnroll(r.Context(), who); err != nil {
			return err
		}
	}
	return s.factorPages(w, r, who.Reviewer, "/sign-in/enroll", "/sign-in/factor")
}

func (s *site) factorPages(w http.ResponseWriter, r *http.Request, who review.Reviewer, path, done string) error {
	pages, err := panel.New(panel.Config{
		Book: s.Desk.Book(), Path: path, Done: done, AlwaysOn: true, Personal: true,
		Identify: func(*http.Request) (panel.User, bool) {
			return panel.User{ID: who.Holder, Account: who.Email, Locale: "en"}, true
		},
		ClientIP: ip, Brand: s.Brand, Banner: s.Banner, Log: s.Log,
	})
	if err != nil {
		return err
	}
	pages.ServeHTTP(w, r)
	return nil
}

func (s *site) showNewPasskey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderProfile(w, r, who, http.StatusOK, "Add a passkey", profilePage{Form: "newkey"})
}

func (s *site) askNewPasskey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	options, err := s.Desk.AskNewPasskey(r.Context(), who)
	if err != nil {
		return err
	}
	return writeJSON(w, r, options)
}

func (s *site) askStepUp(w http.ResponseWriter, r *http.Request, who review.Session) error {
	options, err := s.Desk.AskStepUp(r.Context(), who)
	if err != nil {
		return err
	}
	return writeJSON(w, r, options)
}

func (s *site) addPasskey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	f := r.PostForm
	err := s.Desk.AddPasskey(r.Context(), who, f.Get("name"), f.Get("answer"), f.Get("code"))
	if err == nil {
		return s.back(w, r, "/profile", "The passkey is added.")
	}
	return refusedForm(w, err, func(status int, refused *review.Error) error {
		p := profilePage{Form: "newkey", Typed: f.Get("name"), Refused: refused}
		if refused.Field == "code" || refused.Field == "name" { // or the device would keep one that nobody knows
			p.Made = f.Get("answer")
		}
		return s.renderProfile(w, r, who, status, "Add a passkey", p)
	})
}

// ownKey finds the passkey that the path names.
func (s *site) ownKey(r *http.Request, who review.Session) (review.Passkey, error) {
	p, err := s.Desk.Profile(r.Context(), who)
	if err != nil {
		return review.Passkey{}, err
	}
	i := slices.IndexFunc(p.Keys, func(k review.Passkey) bool { return strconv.FormatInt(k.ID, 10) == r.PathValue("id") })
	if i < 0 {
		return review.Passkey{}, errNoPage
	}
	return p.Keys[i], nil
}

func (s *site) showRemovePasskey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	k, err := s.ownKey(r, who)
	if err != nil {
		return err
	}
	return s.renderProfile(w, r, who, http.StatusOK, "Remove the passkey "+k.Name, profilePage{Form: "removekey", Key: k})
}

func (s *site) removePasskey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	k, err := s.ownKey(r, who)
	if err != nil {
		return err
	}
	if err = s.Desk.RemovePasskey(r.Context(), who, k.ID, r.PostForm.Get("code")); err == nil {
		return s.back(w, r, "/profile", "The passkey is removed.")
	}
	return refusedForm(w, err, func(status int, refused *review.Error) error {
		return s.renderProfile(w, r, who, status, "Remove the passkey "+k.Name, profilePage{Form: "removekey", Key: k, Refused: refused})
	})
}

func (s *site) endOwnSession(w http.ResponseWriter, r *http.Request, who review.Session) error {
	if err := s.Desk.EndSession(r.Context(), who, who.Reviewer.ID, r.PathValue("session")); err != nil {
		return err
	}
	return s.back(w, r, "/profile", "The session has ended.")
}

func (s *site) endOwnSessions(w http.ResponseWriter, r *http.Request, who review.Session) error {
	if err := s.Desk.EndSessions(r.Context(), who, who.Reviewer.ID); err != nil {
		return err
	}
	return s.back(w, r, "/profile", "All your other sessions have ended.")
}

func (s *site) stopOwnReset(w http.ResponseWriter, r *http.Request, who review.Session) error {
	if err := s.Desk.StopReset(r.Context(), who, who.Reviewer.ID); err != nil {
		return err
	}
	return s.back(w, r, "/profile", "The reset is stopped. Ask the one who wanted it why.")
}
