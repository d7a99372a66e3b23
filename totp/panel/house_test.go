package panel_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/panel"
	_ "modernc.org/sqlite"
)

const (
	jane = "U-17"
	base = "https://panel.example"
	path = "/account/2fa"
)

// A house is a panel with the pages in it, over a real database, inside a bubble
// whose clock stands still but for sleeps.
type house struct {
	*testing.T
	db     *sql.DB
	keys   *totp.Keyring
	book   *totp.Book
	log    bytes.Buffer
	config panel.Config
	user   panel.User // who is signed in; none: nobody
	phone  string     // base32
	passed []totp.Result
	proved int
}

func inHouse(t *testing.T, test func(h *house)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(newHouse(t, dir)) })
}

func newHouse(t *testing.T, dir string) *house {
	t.Helper()
	h := &house{T: t, user: panel.User{ID: jane, Account: "jane@acme.example", Locale: "en"}}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)", "foreign_keys(1)", "recursive_triggers(1)", "busy_timeout(5000)"}}
	var err error
	h.db, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "panel.db")+"?"+q.Encode())
	h.must(err)
	h.db.SetMaxOpenConns(1)
	t.Cleanup(func() { h.db.Close() })
	_, err = h.db.Exec(resetdesk.Schema)
	h.must(err)
	h.keys, err = totp.NewKeyring()
	h.must(err)
	h.policy(totp.Policy{})
	h.register(jane, false)
	h.config = panel.Config{Book: h.book, Path: path, Done: "/account", Brand: "Example Host", Support: "support@host.example",
		Identify: func(*http.Request) (panel.User, bool) { return h.user, h.user.ID != "" },
		Proved:   func(http.ResponseWriter, *http.Request, panel.User) { h.proved++ },
		Log:      slog.New(slog.NewTextHandler(&h.log, nil))}
	return h
}

// policy opens the book with another policy. Browsers that are open keep the old.
func (h *house) policy(p totp.Policy) {
	h.Helper()
	p.Issuer = "Example Host"
	var err error
	h.book, err = totp.Open(h.db, h.keys, p)
	h.must(err)
	h.config.Book = h.book
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) tx(do func(tx *sql.Tx) error) {
	h.Helper()
	tx, err := h.db.Begin()
	h.must(err)
	defer tx.Rollback()
	h.must(do(tx))
	h.must(tx.Commit())
}

func (h *house) register(user string, apiOnly bool) {
	h.Helper()
	h.tx(func(tx *sql.Tx) error { return totp.Register(h.Context(), tx, user, apiOnly) })
}

// script runs a file of the library's testdata for case and reset 1.
func (h *house) script(tx *sql.Tx, name string, at time.Time) error {
	text, err := os.ReadFile(filepath.Join("..", "testdata", name))
	h.must(err)
	_, err = tx.Exec(strings.NewReplacer("{{n}}", "1", "{{generation}}", "1",
		"{{at}}", strconv.FormatInt(at.UnixMicro(), 10), "{{user}}", jane).Replace(string(text)))
	return err
}

// reset clears jane's factor as the desk does and returns the pass.
func (h *house) reset() (pass string) {
	h.Helper()
	now := time.Now()
	h.tx(func(tx *sql.Tx) (err error) {
		h.must(h.script(tx, "desk.sql", now))
		h.must(h.script(tx, "reset.sql", now))
		h.must(totp.Clear(h.Context(), tx, jane, 1, totp.Reason{At: now, HoldUntil: now.Add(time.Hour)}))
		pass, _, err = h.book.IssuePass(h.Context(), tx, jane, 1, now)
		h.must(err)
		return h.script(tx, "cleared.sql", now)
	})
	return pass
}

// dump is a hash of every row of every table.
func (h *house) dump() string {
	h.Helper()
	sum := sha256.New()
	var names []string
	rows, err := h.db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	h.must(err)
	for rows.Next() {
		var name string
		h.must(rows.Scan(&name))
		names = append(names, name)
	}
	h.must(rows.Err())
	for _, name := range names {
		rows, err := h.db.Query(`SELECT * FROM "` + name + `"`)
		h.must(err)
		columns, err := rows.Columns()
		h.must(err)
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			h.must(rows.Scan(into...))
			fmt.Fprintf(sum, "%s %q\n", name, values)
		}
		h.must(rows.Err())
		rows.Close()
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// A browser keeps cookies and follows nothing by itself.
type browser struct {
	h      *house
	client *http.Client
}

// direct hands requests to a handler without a socket, so that it can run in
// the bubble.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.RemoteAddr = r.URL.Host, "192.0.2.7:4711"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// browser opens a browser on a panel: the pages at their path, the question for
// the code at /code.
func (h *house) browser() *browser {
	h.Helper()
	pages, err := panel.New(h.config)
	h.must(err)
	challenge, err := pages.Challenge(panel.Challenge{Elsewhere: "/sign-in",
		Waiting: func(*http.Request) (panel.User, bool) { return h.user, h.user.ID != "" },
		Passed: func(w http.ResponseWriter, r *http.Request, _ panel.User, res totp.Result) {
			h.passed = append(h.passed, res)
			http.Redirect(w, r, "/account", http.StatusSeeOther)
		}})
	h.must(err)
	mux := http.NewServeMux()
	mux.Handle("/code", challenge)
	mux.Handle("/", pages)
	jar, err := cookiejar.New(nil)
	h.must(err)
	return &browser{h, &http.Client{Transport: direct{mux}, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// An answer is a response read to its end.
type answer struct {
	h      *house
	status int
	header http.Header
	body   string
}

func (b *browser) do(r *http.Request) answer {
	b.h.Helper()
	res, err := b.client.Do(r)
	b.h.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	b.h.must(err)
	return answer{b.h, res.StatusCode, res.Header, string(body)}
}

func (b *browser) request(method, at string, form url.Values) *http.Request {
	b.h.Helper()
	r, err := http.NewRequest(method, base+at, strings.NewReader(form.Encode()))
	b.h.must(err)
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func (b *browser) get(at string) answer {
	b.h.Helper()
	return b.do(b.request("GET", at, nil))
}

// post sends a form, given as name and value in turn.
func (b *browser) post(at string, form ...string) answer {
	b.h.Helper()
	v := url.Values{}
	for i := 0; i < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return b.do(b.request("POST", at, v))
}

// want stops the test if the answer is not like that.
func (a answer) want(status int, texts ...string) answer {
	a.h.Helper()
	if a.status != status {
		a.h.Fatalf("status %d to %q, want %d: %s", a.status, a.header.Get("Location"), status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.h.Fatalf("no %q in %s", text, a.body)
		}
	}
	return a
}

func (a answer) leads(to string) answer {
	a.h.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != to {
		a.h.Fatalf("%d to %q, want 303 to %q: %s", a.status, a.header.Get("Location"), to, a.body)
	}
	return a
}

var (
	shownKey  = regexp.MustCompile(`id="tfa-key"[^>]*>([A-Z2-7 ]+)<`)
	shownCode = regexp.MustCompile(`<li>([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]+)</li>`)
	carried   = regexp.MustCompile(`<input type="hidden" name="backup" value="([^"]*)"`)
)

// key returns the key on a page.
func (a answer) key() string {
	a.h.Helper()
	m := shownKey.FindStringSubmatch(a.body)
	if m == nil {
		a.h.Fatalf("no key on %s", a.body)
	}
	return strings.ReplaceAll(m[1], " ", "")
}

// codes returns the backup codes on a page.
func (a answer) codes() []string {
	var all []string
	for _, m := range shownCode.FindAllStringSubmatch(a.body, -1) {
		all = append(all, m[1])
	}
	return all
}

// hidden are the fields of the codes as post takes them.
func (a answer) hidden() []string {
	var all []string
	for _, m := range carried.FindAllStringSubmatch(a.body, -1) {
		all = append(all, "backup", m[1])
	}
	return all
}

// showing is the code that an authenticator with the key shows: an independent one.
func showing(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	c, err := potp.GenerateCodeCustom(secret, at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fresh waits for the next time step and returns its code.
func (h *house) fresh() string {
	h.Helper()
	time.Sleep(30 * time.Second)
	return showing(h, h.phone, time.Now())
}

// wrong is a code that the phone has in no step near now.
func (h *house) wrong() string {
	h.Helper()
	var near []string
	for i := range 400 {
		near = append(near, showing(h, h.phone, time.Now().Add(time.Duration(i-200)*30*time.Second)))
	}
	for i := 0; ; i++ {
		if c := fmt.Sprintf("%06d", i); !slices.Contains(near, c) {
			return c
		}
	}
}

// enroll sets up a phone through the pages and returns the page with the codes.
func (h *house) enroll(b *browser, begin ...string) answer {
	h.Helper()
	b.post(path+"/start", begin...).leads(path + "/setup")
	h.phone = b.get(path + "/setup").want(200).key()
	return b.post(path+"/confirm", "code", showing(h, h.phone, time.Now())).want(200)
}
