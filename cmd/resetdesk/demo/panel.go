package demo

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// factorPath is where the panel mounts the pages of the second factor.
const factorPath = "/account/2fa"

// panelPages are a small control panel. What a panel developer has to do for
// two-factor authentication is all here: ask [totp.Book.Status] at every request
// (stand), mount the pages of the second factor and the question for the code, and
// ask [totp.Book.Guard] before what an intruder does first (transfer).
func (s *stage) panelPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showLogin)
	mux.HandleFunc("POST /login", s.logIn)
	mux.Handle("/code", s.challenge)
	mux.HandleFunc("GET /account", s.showAccount)
	mux.HandleFunc("POST /transfer", s.transfer)
	mux.HandleFunc("GET /lost", s.showLost)
	mux.HandleFunc("POST /lost", s.askReset)
	mux.HandleFunc("GET /users", s.showUsers)
	mux.HandleFunc("POST /users", s.addUser)
	mux.HandleFunc("GET /shared", s.showShared)
	mux.HandleFunc("POST /shared", s.signInTwice)
	mux.HandleFunc("GET /api-access", s.showAPI)
	mux.HandleFunc("POST /api-access", s.callAPI)
	mux.HandleFunc("GET "+apiPath, s.serveAPI)
	mux.HandleFunc("POST /logout", s.logOut)
	mux.HandleFunc("GET /static/{file}", s.static)
	mux.HandleFunc(factorPath, s.enter)
	mux.HandleFunc(factorPath+"/", s.enter)
	return harden(s.host(s.panelLine), mux)
}

// enter lets through to the pages of the second factor, and shows the way to those
// who open them without being signed in.
func (s *stage) enter(w http.ResponseWriter, r *http.Request) {
	static := strings.HasPrefix(r.URL.Path, factorPath+"/static/")
	if _, ok := s.identify(r); ok || static || r.Method != http.MethodGet {
		s.factor.ServeHTTP(w, r)
		return
	}
	s.whereTo(w, r)
}

// whereTo sends a visitor to the page of the standing.
func (s *stage) whereTo(w http.ResponseWriter, r *http.Request) {
	v, err := s.visitOf(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	switch v.standing {
	case locked:
		s.renderLocked(w, v)
	case asked:
		http.Redirect(w, r, "/code", http.StatusSeeOther)
	case bound:
		http.Redirect(w, r, factorPath, http.StatusSeeOther)
	case inside:
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	default:
		to := "/"
		if v.user != nil {
			s.sessions.end(w, v.token)
			to = "/?ended=1&user=" + v.user.Login
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

func (s *stage) renderLocked(w http.ResponseWriter, v visit) {
	s.render(w, http.StatusForbidden, "note", frame{Title: "Locked", Here: "panel", Who: v.user,
		Bad:  "This user is locked. Somebody told us that a reset of the second factor was not asked for, and we took it back.",
		Body: "The old second factor is in its place again, and nobody gets in before our support has spoken with you: " + phoneNo + ". (In this demo: Rita can unlock the user at the desk, in the undone case.)"})
}

type loginPage struct {
	Accounts []*account
	Chosen   *user
}

func (s *stage) showLogin(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := s.sessions.of(r); ok {
		s.whereTo(w, r)
		return
	}
	f := frame{}
	if r.FormValue("ended") == "1" {
		f.Bad = "You were signed out, because a reset changed the second factor of this user."
	}
	s.renderLogin(w, http.StatusOK, r.FormValue("user"), f)
}

func (s *stage) renderLogin(w http.ResponseWriter, status int, login string, f frame) {
	u := s.findUser(login)
	if u == nil {
		u = s.accounts[0].user("jane")
	}
	f.Title, f.Here, f.Body = "Sign in", "panel", loginPage{s.accounts, u}
	s.render(w, status, "login", f)
}

func (s *stage) logIn(w http.ResponseWriter, r *http.Request) {
	login := strings.TrimSpace(r.PostFormValue("login"))
	u := s.findUser(login)
	if u == nil || !same(u.Password, r.PostFormValue("password")) {
		s.renderLogin(w, http.StatusUnauthorized, login, frame{Bad: "Login or password is not right."})
		return
	}
	if u.APIOnly {
		s.renderLogin(w, http.StatusForbidden, login, frame{Bad: "This user is for the API only. There no second factor is asked, and the web is closed to it."})
		return
	}
	_, old, _ := s.sessions.of(r)
	s.sessions.begin(w, old, session{user: u, begun: time.Now()})
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// withStanding runs f for a visitor of that standing and sends everybody else
// where he belongs.
func (s *stage) withStanding(w http.ResponseWriter, r *http.Request, want standing, f func(visit)) {
	v, err := s.visitOf(r)
	switch {
	case err != nil:
		s.fail(w, err)
	case v.standing != want:
		s.whereTo(w, r)
	default:
		f(v)
	}
}

type accountPage struct {
	*user
	Status  totp.Status
	Domains []string
	Manage  string
	Due     string // from when two-factor authentication is a must, for who has none
	Since   string
	Hold    string // until when sensitive acts wait, "" if they do not
}

func (s *stage) showAccount(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) { s.renderAccount(w, http.StatusOK, v, frame{}) })
}

func (s *stage) renderAccount(w http.ResponseWriter, status int, v visit, f frame) {
	const day = "2 January 2006"
	p := accountPage{user: v.user, Status: v.status, Domains: v.user.Account.domains(), Manage: factorPath}
	if v.status.Enrolled {
		p.Since = v.status.Since.Format(day)
	} else if !v.status.RequiredFrom.IsZero() {
		p.Due = v.status.RequiredFrom.UTC().Format(day)
	}
	if v.status.HoldUntil.After(time.Now()) {
		p.Hold = v.status.HoldUntil.Format(day + ", 15:04 UTC")
	}
	f.Title, f.Here, f.Tab, f.Who, f.Body = "Account", "panel", "/account", v.user, p
	s.render(w, status, "account", f)
}

// transfer asks before a domain goes: within the hold after a reset it does not.
func (s *stage) transfer(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) {
		domain := r.PostFormValue("domain")
		mine := false
		for _, d := range v.user.Account.domains() {
			mine = mine || d == domain
		}
		if !mine {
			s.renderAccount(w, http.StatusNotFound, v, frame{Bad: "There is no such domain in this account."})
			return
		}
		err := s.desk.Book().Guard(r.Context(), v.user.ID, totp.TransferDomain)
		var hold *totp.HoldError
		switch {
		case err == nil:
			s.renderAccount(w, http.StatusOK, v, frame{Good: domain + " may go. (A real panel would now show the transfer code.)"})
		case errors.As(err, &hold):
			s.renderAccount(w, http.StatusConflict, v, frame{Bad: fmt.Sprintf(
				"%s stays. The second factor of this user was reset; until %s no domain is transferred, so that a wrong reset can be undone.",
				domain, hold.Until.UTC().Format("2 January 2006, 15:04 UTC"))})
		default:
			s.fail(w, err)
		}
	})
}

// same compares without telling how much of it was right.
func same(secret, given string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(given)) == 1
}

// peer is the address of whoever asks.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func (s *stage) logOut(w http.ResponseWriter, r *http.Request) {
	if _, token, ok := s.sessions.of(r); ok {
		s.sessions.end(w, token)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
