package ui

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/resetdesk/resetdesk/review"
)

// The names of our cookies, without the prefix that https adds.
const (
	sessionCookie = "resetdesk"
	flashCookie   = "resetdesk-said"
)

// cookie builds a cookie of ours. Over https its name has the prefix __Host-, so
// that no neighbour under the same domain can plant it. SameSite is Lax and not
// Strict, so that a link to a case in a chat works.
func (s *site) cookie(name, value string, maxAge int) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if s.secure {
		c.Name, c.Secure = "__Host-"+name, true
	}
	return c
}

// read returns the value of a cookie of ours, "" if there is none.
func (s *site) read(r *http.Request, name string) string {
	if s.secure {
		name = "__Host-" + name
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *site) token(r *http.Request) string { return s.read(r, sessionCookie) }

// say leaves a sentence for the page that the browser loads next.
func (s *site) say(w http.ResponseWriter, text string) {
	if text != "" {
		http.SetCookie(w, s.cookie(flashCookie, base64.RawURLEncoding.EncodeToString([]byte(clip(600, text))), 60))
	}
}

// An undo is the form that takes back what was just done.
type undo struct {
	Path   string
	Fields url.Values
}

// undoable are the forms that Undo may send.
var undoable = regexp.MustCompile(`^(/views|/cases/RST-[0-9A-Z]{6}/(release|claim))$`)

// sayUndo is say for what can be taken back by a form.
func (s *site) sayUndo(w http.ResponseWriter, text, path string, fields url.Values) {
	value := clip(600, text) + "\x00" + path + "?" + fields.Encode()
	http.SetCookie(w, s.cookie(flashCookie, base64.RawURLEncoding.EncodeToString([]byte(value)), 60))
}

// takeFlash returns what was said and forgets it.
func (s *site) takeFlash(w http.ResponseWriter, r *http.Request) (string, *undo) {
	value := s.read(r, flashCookie)
	if value == "" {
		return "", nil
	}
	http.SetCookie(w, s.cookie(flashCookie, "", -1))
	said, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return "", nil
	}
	text, back, _ := strings.Cut(string(said), "\x00")
	path, query, _ := strings.Cut(back, "?")
	if fields, err := url.ParseQuery(query); err == nil && undoable.MatchString(path) {
		return visible(text), &undo{path, fields}
	}
	return visible(text), nil
}

// toSignIn sends somebody without a session to the sign-in page, and back after.
func (s *site) toSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/sign-in"
	if next := ourPath(r.URL.Path); next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// ourPath returns a path to go to after signing in: a page of the desk, or "/".
func ourPath(next string) string {
	plain := strings.IndexFunc(next, func(r rune) bool {
		return r > unicode.MaxASCII || !(unicode.IsLetter(r) || unicode.IsDigit(r) || r == '/' || r == '-' || r == '_')
	}) < 0
	if plain && (strings.HasPrefix(next, "/cases/") || strings.HasPrefix(next, "/mails/") || next == "/audit" || next == "/preferences" || next == "/settings/api" || next == "/settings/mail") {
		return next
	}
	return "/"
}

type signInPage struct {
	Email, Next, Problem string
}

func (s *site) showSignIn(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	body := signInPage{Next: ourPath(r.URL.Query().Get("next"))}
	return s.render(w, r, http.StatusOK, "signin", view{Title: "Sign in", Body: body})
}

// signIn answers with one sentence whatever was wrong. The token is new each
// time, so a planted one is worth nothing.
func (s *site) signIn(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	if err := readForm(r); err != nil {
		return err
	}
	email := strings.TrimSpace(r.PostForm.Get("email"))
	token, err := s.Desk.SignIn(r.Context(), review.SignIn{
		Email: email, Password: r.PostForm.Get("password"), Code: r.PostForm.Get("code"),
		IP: ip(r), Agent: clip(200, r.UserAgent()),
	})
	next := ourPath(r.PostForm.Get("next"))
	if err == nil {
		http.SetCookie(w, s.cookie(sessionCookie, token, 0))
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	known := explain(err)
	if known == nil {
		return err
	}
	if known.status != http.StatusTooManyRequests {
		known.status = http.StatusUnauthorized
	}
	return s.render(w, r, known.status, "signin",
		view{Title: "Sign in", Body: signInPage{Email: clip(254, email), Next: next, Problem: known.text}})
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request, who review.Session) error {
	if err := s.Desk.SignOut(r.Context(), who); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(sessionCookie, "", -1))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
