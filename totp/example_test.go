package totp_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/totp"
	_ "modernc.org/sqlite"
)

// A panel is a control panel reduced to its login. checkPassword is its own.
type panel struct {
	book          *totp.Book
	checkPassword func(login, password string) (user string, ok bool)

	mu       sync.Mutex
	sessions map[string]session
}

// A session begins with the password and is worth nothing before the code.
type session struct {
	user   string
	begun  time.Time
	proved bool // the second factor was asked and given
}

const cookieName = "panel"

func (p *panel) begin(w http.ResponseWriter, s session) {
	token := rand.Text()
	p.mu.Lock()
	p.sessions[token] = s
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (p *panel) session(r *http.Request) (session, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return session{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.sessions[c.Value]
	return s, ok
}

// logIn takes the password.
func (p *panel) logIn(w http.ResponseWriter, r *http.Request) {
	user, ok := p.checkPassword(r.PostFormValue("login"), r.PostFormValue("password"))
	if !ok {
		http.Error(w, "login or password is not right", http.StatusUnauthorized)
		return
	}
	p.begin(w, session{user: user, begun: time.Now()})
	fmt.Fprintln(w, "now the code")
}

// code takes the second factor. Only a nil error of Verify lets anybody go on.
func (p *panel) code(w http.ResponseWriter, r *http.Request) {
	s, ok := p.session(r)
	if !ok {
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	}
	res, err := p.book.Verify(r.Context(), s.user, r.PostFormValue("code"), totp.Web)
	var used *totp.UsedError
	var locked *totp.LockedError
	switch {
	case err == nil:
		p.begin(w, session{user: s.user, begun: time.Now(), proved: true}) // a new token
		fmt.Fprintf(w, "welcome, %d backup codes left\n", res.CodesLeft)
	case errors.As(err, &used): // right, but somebody used it: perhaps a shared login
		w.Header().Set("Retry-After", fmt.Sprint(int(used.RetryAfter.Seconds())))
		http.Error(w, "this code was just used, wait for the next one", http.StatusTooManyRequests)
	case errors.As(err, &locked):
		w.Header().Set("Retry-After", fmt.Sprint(int(locked.RetryAfter.Seconds())))
		http.Error(w, "too many wrong codes, wait", http.StatusTooManyRequests)
	case errors.Is(err, totp.ErrInvalidCode):
		http.Error(w, "that code is not right", http.StatusUnprocessableEntity)
	case errors.Is(err, totp.ErrFrozen):
		http.Error(w, "this user is locked, please call us", http.StatusForbidden)
	case errors.Is(err, totp.ErrPassRequired), errors.Is(err, totp.ErrNotEnrolled):
		http.Error(w, "set up two-factor authentication", http.StatusForbidden)
	default: // the database or the keyring: nobody gets in
		log.Print(err)
		http.Error(w, "please try again later", http.StatusServiceUnavailable)
	}
}

// inside lets a request through to page only while its session is whole. It
// asks at every request: a reset ends the sessions that began before it.
func (p *panel) inside(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := p.session(r)
		if !ok {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		st, err := p.book.Status(r.Context(), s.user)
		switch {
		case err != nil:
			log.Print(err)
			http.Error(w, "please try again later", http.StatusServiceUnavailable)
		case st.Frozen:
			http.Error(w, "this user is locked, please call us", http.StatusForbidden)
		case s.begun.Before(st.SessionsFrom):
			http.Error(w, "a reset ended this session, sign in again", http.StatusUnauthorized)
		case st.PassRequired, !st.Enrolled && st.Required:
			http.Error(w, "set up two-factor authentication", http.StatusForbidden)
		case st.Enrolled && !s.proved:
			http.Error(w, "now the code", http.StatusForbidden)
		default:
			page(w, r)
		}
	}
}

// transfer is something that an intruder would do first.
func (p *panel) transfer(w http.ResponseWriter, r *http.Request) {
	s, _ := p.session(r)
	err := p.book.Guard(r.Context(), s.user, totp.TransferDomain)
	var hold *totp.HoldError
	switch {
	case err == nil:
		fmt.Fprintln(w, "the domain may go")
	case errors.As(err, &hold):
		http.Error(w, "no transfer until "+hold.Until.Format(time.RFC1123), http.StatusConflict)
	default:
		http.Error(w, "not now", http.StatusForbidden)
	}
}

func (p *panel) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", p.logIn)
	mux.HandleFunc("POST /code", p.code)
	mux.HandleFunc("POST /transfer", p.inside(p.transfer))
	return http.NewCrossOriginProtection().Handler(mux)
}

// openDesk opens the tables. The parameters matter: a transaction of a Book
// begins immediately, and the rules of the schema need both kinds of triggers.
func openDesk(path string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "recursive_triggers(1)", "busy_timeout(5000)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// enroll is what the enrollment page does: it shows key.SVG and key.Grouped,
// takes the first code, and shows the backup codes this one time.
func enroll(ctx context.Context, book *totp.Book, phone func(secret string) string) (secret string, backup []string, err error) {
	e, err := book.Begin(ctx, "U-17", "jane@acme.example", totp.Proof{})
	if err != nil {
		return "", nil, err
	}
	secret = e.Key.Secret().Base32()
	backup, err = book.Confirm(ctx, "U-17", e.ID, phone(secret))
	return secret, backup, err
}

// A panel asks for the code after the password. Everything else it has to do
// for two-factor authentication is here too: ask Status at every request, and
// Guard before what an intruder does first.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "panel")
	check(err)
	defer os.RemoveAll(dir)
	db, err := openDesk(filepath.Join(dir, "desk.db"))
	check(err)
	defer db.Close()
	_, err = db.Exec(resetdesk.Schema) // resetdesk init does this for a real desk
	check(err)
	keys, err := totp.NewKeyring() // a real panel: totp.LoadKeyring("/etc/resetdesk/resetdesk.keys")
	check(err)
	book, err := totp.Open(db, keys, totp.Policy{Issuer: "Example"})
	check(err)
	tx, err := db.Begin()
	check(err)
	check(totp.Register(ctx, tx, "U-17", false)) // resetdesk accounts import does this too
	check(tx.Commit())

	phone := func(secret string, at time.Time) string {
		code, err := potp.GenerateCodeCustom(secret, at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix})
		check(err)
		return code
	}
	now := time.Now()
	secret, backup, err := enroll(ctx, book, func(secret string) string { return phone(secret, now) })
	check(err)

	p := &panel{book: book, sessions: map[string]session{}, checkPassword: func(login, password string) (string, bool) {
		return "U-17", login == "jane" && password == "correct horse"
	}}
	site := httptest.NewServer(p.routes())
	defer site.Close()
	post := func(c *http.Client, path string, form url.Values) {
		res, err := c.PostForm(site.URL+path, form)
		check(err)
		defer res.Body.Close()
		var text [200]byte
		n, _ := res.Body.Read(text[:])
		fmt.Printf("%s: %d %s", path, res.StatusCode, text[:n])
	}
	next := phone(secret, now.Add(30*time.Second)) // the code of the setup does not log in
	for _, code := range []string{next, next, backup[0]} {
		jar, err := cookiejar.New(nil)
		check(err)
		browser := &http.Client{Jar: jar}
		post(browser, "/login", url.Values{"login": {"jane"}, "password": {"correct horse"}})
		post(browser, "/transfer", nil)
		post(browser, "/code", url.Values{"code": {code}})
		post(browser, "/transfer", nil)
	}
	// Output:
	// /login: 200 now the code
	// /transfer: 403 now the code
	// /code: 200 welcome, 10 backup codes left
	// /transfer: 200 the domain may go
	// /login: 200 now the code
	// /transfer: 403 now the code
	// /code: 429 this code was just used, wait for the next one
	// /transfer: 403 now the code
	// /login: 200 now the code
	// /transfer: 403 now the code
	// /code: 200 welcome, 9 backup codes left
	// /transfer: 200 the domain may go
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
