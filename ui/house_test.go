package ui_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/ui"
	"github.com/resetdesk/resetdesk/ui/api"
	"github.com/resetdesk/resetdesk/ui/sso"
)

const (
	base     = "https://reset.example"
	password = "correct horse battery"
)

const accountsFile = `account_id,account_name,locale,user_id,login,email,role,api_only
A-1001,ACME GmbH,de,U-1,anna,anna@acme.example,admin,0
A-1001,ACME GmbH,de,U-2,jane,jane@acme.example,user,0
A-2002,Beta BV,nl,U-3,piet,piet@beta.example,admin,0
A-2002,Beta BV,nl,U-4,sanne,sanne@beta.example,user,0
`

// A house is the pages over a real desk on a real database, inside a bubble
// whose clock stands still but for sleeps.
type house struct {
	t       *testing.T
	path    string
	config  review.Config
	desk    *review.Desk
	pages   http.Handler
	sso     *sso.Provider // for those who want it
	log     *bytes.Buffer
	uid     uint32
	phone   map[string]string // holder -> base32 secret
	letters []letter
}

type letter struct{ to, text string }

func inHouse(t *testing.T, f func(t *testing.T, h *house), change ...func(*review.Config)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, newHouse(t, dir, change...)) })
}

func newHouse(t *testing.T, dir string, change ...func(*review.Config)) *house {
	t.Helper()
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, path: filepath.Join(dir, "desk.db"), log: &bytes.Buffer{}, phone: map[string]string{}}
	policy := review.Balanced
	for _, tier := range []*review.Tier{&policy.Low, &policy.Medium, &policy.High} {
		*tier = review.Tier{Approvals: 1}
	}
	c := review.Config{Path: h.path, Keys: keys, Policy: policy, Brand: "Example", BaseURL: base,
		Phone: "+49 30 1234567", From: mail.Address{Address: "support@host.example"}, Addresses: []string{"support@host.example"}, Resolver: noDNS{},
		Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}}
	for _, f := range change {
		f(&c)
	}
	h.open(c)
	h.importFile(accountsFile)
	return h
}

// reopen closes the desk and opens it again with another configuration.
func (h *house) reopen(change func(*review.Config)) {
	h.t.Helper()
	if err := h.desk.Close(); err != nil {
		h.t.Fatal(err)
	}
	c := h.config
	change(&c)
	h.open(c)
}

func (h *house) open(c review.Config) {
	h.t.Helper()
	desk, err := review.Open(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.config, h.desk = c, desk
	h.t.Cleanup(func() { desk.Close() })
	programs, err := api.New(api.Config{Desk: h.desk, BaseURL: base})
	if err != nil {
		h.t.Fatal(err)
	}
	h.pages, err = ui.New(ui.Config{API: programs, Desk: h.desk, BaseURL: base, SSO: h.sso, Brand: "Example", Log: slog.New(slog.NewTextHandler(h.log, nil)),
		Status: func() []ui.Line { return []ui.Line{{OK: true, Text: "Mailbox connected"}} }})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) importFile(file string) {
	h.t.Helper()
	rows, err := review.ReadAccounts(strings.NewReader(file))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.desk.Import(h.t.Context(), rows, "test", false, false); err != nil {
		h.t.Fatal(err)
	}
}

// A browser keeps cookies and follows nothing by itself.
type browser struct {
	t      *testing.T
	client *http.Client
	base   string
}

// direct hands requests to a handler without a socket, so that it can run in
// the bubble.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.RemoteAddr = "192.0.2.7:4711"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func newBrowser(t *testing.T, h http.Handler) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, base: base, client: &http.Client{Transport: direct{h}, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (h *house) browser() *browser { return newBrowser(h.t, h.pages) }

// An answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (b *browser) request(method, path string, form url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(b.request("GET", path, nil))
}

// post sends a form, given as name and value in turn.
func (b *browser) post(path string, form ...string) answer {
	b.t.Helper()
	return b.do(b.request("POST", path, pairs(form)))
}

func pairs(form []string) url.Values {
	v := url.Values{}
	for i := 0; i < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return v
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)"`)

// hiddenFields are the hidden inputs of a page as post takes them.
func hiddenFields(a answer) []string {
	var out []string
	for _, m := range hiddenInput.FindAllStringSubmatch(a.body, -1) {
		out = append(out, m[1], m[2])
	}
	return out
}

// main is what a failure prints of a page.
func (a answer) main() string {
	_, body, ok := strings.Cut(a.body, "<main")
	if !ok {
		body = a.body
	}
	return body[:min(len(body), 2500)]
}

func (a answer) want(t *testing.T, status int, texts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.main())
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Fatalf("no %q in %s", text, a.main())
		}
	}
	return a
}

func (a answer) leads(t *testing.T, to string) {
	t.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != to {
		t.Fatalf("%d to %q, want 303 to %q: %s", a.status, a.header.Get("Location"), to, a.main())
	}
}

func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	return codeOf(t, secret, at, otp.DigitsSix, 30)
}

func codeOf(t *testing.T, secret string, at time.Time, digits otp.Digits, period uint) string {
	t.Helper()
	c, err := potp.GenerateCodeCustom(secret, at, potp.ValidateOpts{Period: period, Digits: digits, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fresh waits for the next time step and returns its code.
func (h *house) fresh(holder string) string {
	time.Sleep(30 * time.Second)
	return code(h.t, h.phone[holder], time.Now())
}

func (h *house) enroll(holder string) {
	h.t.Helper()
	e, err := h.desk.Book().Begin(h.t.Context(), holder, "x", totp.Proof{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.phone[holder] = e.Key.Secret().Base32()
	if _, err := h.desk.Book().Confirm(h.t.Context(), holder, e.ID, code(h.t, h.phone[holder], time.Now().Add(-30*time.Second))); err != nil {
		h.t.Fatal(err)
	}
}

// signIn makes a reviewer and signs in through the page.
func (h *house) signIn(name string, role review.Role) (*browser, review.Reviewer) {
	h.t.Helper()
	ctx, email := h.t.Context(), name+"@host.example"
	token, err := h.desk.Invite(ctx, "host", email, name, role)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := h.desk.AcceptInvitation(ctx, token, password)
	if err != nil {
		h.t.Fatal(err)
	}
	h.enroll(r.Holder)
	if err := h.desk.FinishInvitation(ctx, token); err != nil {
		h.t.Fatal(err)
	}
	b := h.browser()
	b.post("/sign-in", "email", email, "password", password, "code", h.fresh(r.Holder)).leads(h.t, "/")
	return b, r
}

// deliver puts a mail into the inbox as the watcher would, and lets the desk
// and the postman work.
func (h *house) deliver(from, subject, text string) {
	h.t.Helper()
	raw := strings.ReplaceAll(fmt.Sprintf("From: %s\nTo: support@host.example\nSubject: %s\nDate: %s\nMessage-ID: <m%d@example>\nContent-Type: text/plain; charset=utf-8\n\n%s\n",
		from, subject, time.Now().Format(time.RFC1123Z), h.uid+1, text), "\n", "\r\n")
	h.receive(raw)
}

// receive is deliver for the raw bytes of a mail.
func (h *house) receive(raw string) {
	h.t.Helper()
	h.uid++
	m := mailbox.Mail{UID: h.uid, InternalDate: time.Now(), Size: int64(len(raw)), Header: []byte(raw), Raw: []byte(raw)}
	b := mailbox.Batch{Source: mailbox.Source{Mailbox: "support", Folder: "INBOX"}, UIDValidity: 7, Mails: []mailbox.Mail{m}, Through: h.uid}
	if err := h.desk.Receive(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
	h.work()
}

func (h *house) work() {
	h.t.Helper()
	ctx := h.t.Context()
	if err := h.desk.Work(ctx); err != nil {
		h.t.Fatal(err)
	}
	for {
		l, ok, err := h.desk.Claim(ctx)
		if err != nil {
			h.t.Fatal(err)
		}
		if !ok {
			break
		}
		if err := errors.Join(h.desk.AtDot(ctx, l.ID, l.Attempt), h.desk.Sent(ctx, l.ID, l.Attempt, "250 ok")); err != nil {
			h.t.Fatal(err)
		}
		// quoted-printable may break a line inside a link
		h.letters = append(h.letters, letter{l.To, strings.ReplaceAll(string(l.Raw), "=\r\n", "")})
	}
	if err := h.desk.Work(ctx); err != nil {
		h.t.Fatal(err)
	}
}

var linkPattern = regexp.MustCompile(`https://reset\.example/r/([0-9A-Z]{20,})`)

// link returns the token of the newest letter to an address.
func (h *house) link(to string) string {
	h.t.Helper()
	for _, l := range slices.Backward(h.letters) {
		if m := linkPattern.FindStringSubmatch(l.text); m != nil && l.to == to {
			return m[1]
		}
	}
	h.t.Fatalf("no link to %s in %d letters", to, len(h.letters))
	return ""
}

const lostPhone = "Hello, jane lost her phone and has no backup codes. Please reset the two-factor authentication of jane. Anna"

// request lets the admin of ACME ask for jane, who has a phone, and returns the
// number of the case and the token of the confirm link.
func (h *house) request() (number, confirm string) {
	h.t.Helper()
	if h.phone["U-2"] == "" {
		h.enroll("U-2")
	}
	time.Sleep(time.Minute) // or the proof above would speak against the request
	h.deliver("Anna <anna@acme.example>", "2FA reset for jane", lostPhone)
	return h.text(`SELECT number FROM reset_case ORDER BY id DESC LIMIT 1`), h.link("anna@acme.example")
}

func (h *house) sql() *sql.DB {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.path+"?_pragma=busy_timeout(5000)&_pragma=query_only(on)")
	if err != nil {
		h.t.Fatal(err)
	}
	return db
}

func (h *house) sqlWriter() *sql.DB {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)")
	if err != nil {
		h.t.Fatal(err)
	}
	return db
}

func (h *house) text(query string) string {
	h.t.Helper()
	db := h.sql()
	defer db.Close()
	var s string
	if err := db.QueryRow(query).Scan(&s); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// dump is a hash of every row of every table.
func (h *house) dump() string {
	h.t.Helper()
	db := h.sql()
	defer db.Close()
	sum := sha256.New()
	for _, table := range column(h.t, db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		rows, err := db.Query(`SELECT * FROM "` + table + `"`)
		if err != nil {
			h.t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			h.t.Fatal(err)
		}
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				h.t.Fatal(err)
			}
			fmt.Fprintf(sum, "%s %q\n", table, values)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			h.t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
