package panel_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/panel"
	_ "modernc.org/sqlite"
)

// A controlPanel is what a panel has anyway, passwords and sessions, with the
// second factor mounted.
type controlPanel struct {
	book     *totp.Book
	mu       sync.Mutex
	sessions map[string]session
}

// A session is somebody who gave the right password.
type session struct {
	user   panel.User
	begun  time.Time
	proved bool // the second factor too
}

// handler mounts everything.
func (c *controlPanel) handler() (http.Handler, error) {
	pages, err := panel.New(panel.Config{
		Book: c.book, Path: "/account/2fa", Done: "/account", Brand: "Example Host", Support: "support@example.net",
		Identify: func(r *http.Request) (panel.User, bool) {
			s, at := c.where(r)
			return s.user, at == "/account" || at == "/account/2fa"
		},
		Proved: func(w http.ResponseWriter, r *http.Request, u panel.User) { c.begin(w, r, u, true) },
	})
	if err != nil {
		return nil, err
	}
	code, err := pages.Challenge(panel.Challenge{
		Waiting: func(r *http.Request) (panel.User, bool) { s, at := c.where(r); return s.user, at == "/code" },
		Passed: func(w http.ResponseWriter, r *http.Request, u panel.User, res totp.Result) {
			c.begin(w, r, u, true)
			http.Redirect(w, r, "/account", http.StatusSeeOther)
		},
		Elsewhere: "/",
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", c.logIn)
	mux.Handle("/code", code)
	mux.Handle("/account/2fa", pages)
	mux.Handle("/account/2fa/", pages)
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		if s, at := c.where(r); at == "/account" {
			fmt.Fprintf(w, "welcome, %s", s.user.Account)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if _, at := c.where(r); at != "/" {
			http.Redirect(w, r, at, http.StatusSeeOther)
			return
		}
		fmt.Fprint(w, `<form method="post" action="/login"><input name="login"><input name="password" type="password"><button>Sign in</button></form>`)
	})
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// where is the one rule: how far somebody with this session may go. It is asked
// at every request, so that a reset ends what was begun before it.
func (c *controlPanel) where(r *http.Request) (session, string) {
	cookie, err := r.Cookie("panel")
	if err != nil {
		return session{}, "/"
	}
	c.mu.Lock()
	s, ok := c.sessions[cookie.Value]
	c.mu.Unlock()
	if !ok {
		return session{}, "/"
	}
	st, err := c.book.Status(r.Context(), s.user.ID)
	switch {
	case err != nil, s.begun.Before(st.SessionsFrom):
		return session{}, "/" // nobody gets in when the database is away
	case st.Frozen:
		return s, "/account/2fa" // which says so
	case st.Enrolled && !s.proved:
		return s, "/code"
	case st.PassRequired, st.Required && !st.Enrolled:
		return s, "/account/2fa"
	}
	return s, "/account"
}

// begin makes a session under a new token: none survives a step up.
func (c *controlPanel) begin(w http.ResponseWriter, r *http.Request, u panel.User, proved bool) {
	token := rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, err := r.Cookie("panel"); err == nil {
		delete(c.sessions, old.Value)
	}
	c.sessions[token] = session{u, time.Now(), proved}
	http.SetCookie(w, &http.Cookie{Name: "panel", Value: token, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode})
}

// logIn checks the password, which is yours, and sends the user on.
func (c *controlPanel) logIn(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("login") != "jane" || r.PostFormValue("password") != "correct horse" {
		http.Error(w, "Login or password is not right.", http.StatusUnauthorized)
		return
	}
	c.begin(w, r, panel.User{ID: "U-17", Account: "jane@acme.example", Locale: "en"}, false)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// openBook opens the database of the desk and its keys.
func openBook(database, keyfile string) (*totp.Book, *sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "recursive_triggers(1)", "busy_timeout(5000)"}}
	db, err := sql.Open("sqlite", "file:"+database+"?"+q.Encode())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	keys, err := totp.LoadKeyring(keyfile)
	if err != nil {
		return nil, db, err
	}
	book, err := totp.Open(db, keys, totp.Policy{Issuer: "Example Host"})
	return book, db, err
}

// A panel with all pages of the second factor, and a user who sets it up and signs
// in with it. The database and its keys are made as "resetdesk init" makes them.
func Example() {
	dir, err := os.MkdirTemp("", "panel-")
	check(err)
	defer os.RemoveAll(dir)
	keys, err := totp.NewKeyring()
	check(err)
	check(keys.Write(filepath.Join(dir, "desk.keys")))
	book, db, err := openBook(filepath.Join(dir, "desk.db"), filepath.Join(dir, "desk.keys"))
	check(err)
	defer db.Close()
	_, err = db.Exec(resetdesk.Schema + "; INSERT INTO holder (id) VALUES ('U-17')")
	check(err)

	h, err := (&controlPanel{book: book, sessions: map[string]session{}}).handler()
	check(err)
	site := httptest.NewServer(h)
	defer site.Close()
	jar, err := cookiejar.New(nil)
	check(err)
	jane := &http.Client{Jar: jar}
	password := url.Values{"login": {"jane"}, "password": {"correct horse"}}

	fmt.Println(read(jane.PostForm(site.URL+"/login", password)))
	page := read(jane.PostForm(site.URL+"/account/2fa/start", nil))
	secret := strings.ReplaceAll(regexp.MustCompile(`id="tfa-key"[^>]*>([A-Z2-7 ]+)<`).FindStringSubmatch(page)[1], " ", "")
	code := func(at time.Time) url.Values { // of the authenticator
		c, err := potp.GenerateCode(secret, at)
		check(err)
		return url.Values{"code": {c}}
	}
	page = read(jane.PostForm(site.URL+"/account/2fa/confirm", code(time.Now())))
	fmt.Println(heading(page))
	fmt.Println(heading(read(jane.PostForm(site.URL+"/login", password))))
	fmt.Println(read(jane.PostForm(site.URL+"/code", code(time.Now().Add(30*time.Second)))))
	// Output:
	// welcome, jane@acme.example
	// Save your backup codes
	// Enter your code
	// welcome, jane@acme.example
}

func heading(page string) string {
	return regexp.MustCompile(`<h1[^>]*>([^<]*)`).FindStringSubmatch(page)[1]
}

func read(res *http.Response, err error) string {
	check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(err)
	return string(body)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
