package ui

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
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
var undoable = regexp.MustCompile(`^(/views|/cases/RST-[0-9A-Z]{6}/(release|claim|resume))$`)

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
	if plain && (strings.HasPrefix(next, "/cases/") || strings.HasPrefix(next, "/mails/") || next == "/audit" || next == "/setup" || strings.HasPrefix(next, "/setup/") || next == "/profile" || strings.HasPrefix(next, "/settings/")) {
		return next
	}
	return "/"
}

type signInPage struct {
	Email, Next, Problem string
	SSO                  string // what the provider of single sign-on is called, "" if there is none
	Only                 bool   // nobody signs in otherwise
}

// renewing gives the browser the new token of a session that a step-up renewed,
// whatever the page answers.
type renewing struct {
	http.ResponseWriter
	site *site
	who  review.Session
	told bool
}

func (w *renewing) tell() {
	if token := w.who.Renewed(); token != "" && !w.told {
		w.told = true
		http.SetCookie(w.ResponseWriter, w.site.cookie(sessionCookie, token, 0))
	}
}

func (w *renewing) WriteHeader(status int) {
	w.tell()
	w.ResponseWriter.WriteHeader(status)
}

func (w *renewing) Write(b []byte) (int, error) {
	w.tell()
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *renewing) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *site) showSignIn(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return s.renderSignIn(w, r, http.StatusOK, signInPage{Next: ourPath(r.URL.Query().Get("next"))})
}

// signIn answers with one sentence whatever was wrong. The token is new each
// time, so a planted one is worth nothing.
func (s *site) signIn(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	email := strings.TrimSpace(r.PostForm.Get("email"))
	token, err := s.Desk.SignIn(r.Context(), review.SignIn{
		Email: email, Password: r.PostForm.Get("password"), Code: r.PostForm.Get("code"),
		IP: ip(r), Agent: clip(200, r.UserAgent()), Old: s.token(r),
	})
	next := ourPath(r.PostForm.Get("next"))
	if err == nil {
		return s.enter(w, r, token, next)
	}
	return s.notIn(w, r, err, signInPage{Email: clip(254, email), Next: next})
}

// enter gives the browser its session and goes on, with what an admin has to hear.
func (s *site) enter(w http.ResponseWriter, r *http.Request, token, next string) error {
	http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	if who, err := s.Desk.Authenticate(r.Context(), token); err == nil && who.Proved {
		s.sayNews(w, r, who)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// sayNews is no reason to keep anybody out.
func (s *site) sayNews(w http.ResponseWriter, r *http.Request, who review.Session) {
	news, err := s.Desk.News(r.Context(), who)
	if err != nil {
		s.Log.Error("news were not told", "error", err)
	}
	s.say(w, news)
}

// notIn shows the sign-in again with one sentence, and how long to wait where it
// comes to that.
func (s *site) notIn(w http.ResponseWriter, r *http.Request, err error, p signInPage) error {
	known := explain(err)
	if known == nil {
		return err
	}
	if known.status != http.StatusTooManyRequests {
		known.status = http.StatusUnauthorized
	}
	retryAfter(w, err)
	p.Problem = known.text
	return s.renderSignIn(w, r, known.status, p)
}

func (s *site) renderSignIn(w http.ResponseWriter, r *http.Request, status int, p signInPage) error {
	if s.SSO != nil {
		p.SSO, p.Only = s.SSO.Name, s.Desk.OnlySSO()
	}
	return s.render(w, r, status, "signin", view{Title: "Sign in", Body: p})
}

// retryAfter says in a header how long to wait, if err does (RFC 9110 10.2.3).
func retryAfter(w http.ResponseWriter, err error) {
	var desk *review.Error
	if errors.As(err, &desk) && desk.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((desk.Wait+time.Second-1)/time.Second)))
	}
}

// askPasskey hands out the options of a sign-in with a passkey. Nothing is kept.
func (s *site) askPasskey(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	options, err := s.Desk.AskPasskey()
	if err != nil {
		return err
	}
	return writeJSON(w, r, options)
}

func writeJSON(w http.ResponseWriter, r *http.Request, text []byte) error {
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodHead {
		w.Write(text) // an error here is a reader who left
	}
	return nil
}

func (s *site) signInByPasskey(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	next := ourPath(r.PostForm.Get("next"))
	token, err := s.Desk.SignInByPasskey(r.Context(), r.PostForm.Get("answer"), s.entry(r))
	if err == nil {
		return s.enter(w, r, token, next)
	}
	return s.notIn(w, r, err, signInPage{Next: next})
}

func (s *site) entry(r *http.Request) review.Entry {
	return review.Entry{IP: ip(r), Agent: clip(200, r.UserAgent()), Old: s.token(r)}
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request, who review.Session) error {
	if err := s.Desk.SignOut(r.Context(), who); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(sessionCookie, "", -1))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
