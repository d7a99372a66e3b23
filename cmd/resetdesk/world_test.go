package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A world is what stands around the real program: a real Dovecot, Postfix's
// smtp-sink, users with phones, and reviewers who are signed in.
type world struct {
	t         *testing.T
	dir       string
	bin       string
	config    string
	base      string // of the pages
	dovecot   *mailtest.Dovecot
	sink      *mailtest.SMTPSink
	cmd       *exec.Cmd
	log       *os.File
	deaths    []span // of the program and of the SMTP server
	reviewers []*person
	secrets   map[string]string // user id -> base32
}

// A person is a reviewer with an authenticator and a session.
type person struct {
	email  string
	holder string
	secret string
	token  string
	step   int64 // the last time step that was used
}

const passphrase = "correct horse battery"

// newWorld builds the program, starts the servers, and enrolls that many users,
// each the only one of its account, and reviewers.
func newWorld(t *testing.T, users, reviewers int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), secrets: map[string]string{}}
	w.bin = filepath.Join(w.dir, "resetdesk")
	if out, err := exec.Command("go", "build", "-o", w.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var err error
	if w.dovecot, err = mailtest.StartDovecot(filepath.Join(w.dir, "dovecot")); err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { w.dovecot.Stop() })
	if w.sink, err = mailtest.StartSMTPSink(filepath.Join(w.dir, "sink")); err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { w.sink.Stop() })
	w.configure()
	w.populate(users, reviewers)
	if w.log, err = os.Create(filepath.Join(w.dir, "serve.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.kill()
		w.log.Close()
	})
	return w
}

// missing ends a test that needs a server which is not installed.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// emptyDNS starts a name server that knows no names, and returns its address. A
// dead one would put off every mail whose domain's policy could decide.
func emptyDNS(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	server := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg)
		a.SetRcode(q, dns.RcodeNameError)
		w.WriteMsg(a)
	})}
	go server.ActivateAndServe()
	<-ready
	t.Cleanup(func() { server.Shutdown() })
	return conn.LocalAddr().String()
}

func (w *world) configure() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	w.base = "http://" + listen
	_, imap, _ := net.SplitHostPort(w.dovecot.Addr())
	_, smtp, _ := net.SplitHostPort(w.sink.Addr())
	text := fmt.Sprintf(`[server]
listen = %q
base_url = %q
brand = "Example"
[database]
path = "desk.db"
[keys]
file = "desk.keys"
[mailbox]
host = "127.0.0.1"
port = %s
security = "plain"
user = %q
password_file = "password"
addresses = ["support@host.example"]
[smtp]
host = "127.0.0.1"
port = %s
security = "plain"
from = "Example Support <support@host.example>"
uncertain_wait = "1m"
budget = 100000
account_budget = 1000
[dns]
resolver = %q
[policy.waiting]
low = "0s"
medium = "0s"
high = "0s"
[policy.approvals]
low = 1
medium = 1
high = 1
`, listen, w.base, imap, w.dovecot.User, smtp, emptyDNS(w.t))
	w.config = filepath.Join(w.dir, "resetdesk.toml")
	for name, content := range map[string]string{w.config: text, filepath.Join(w.dir, "password"): w.dovecot.Password + "\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// populate fills the database through the desk itself, before the program runs.
func (w *world) populate(users, reviewers int) {
	w.t.Helper()
	ctx := w.t.Context()
	cfg, err := LoadConfig(w.config, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := writeKeys(cfg.Keys.File); err != nil {
		w.t.Fatal(err)
	}
	d, err := openDesk(ctx, cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer d.Close()
	csv := "account_id,account_name,locale,user_id,login,email,role,api_only,notify\n"
	for i := range users {
		csv += fmt.Sprintf("A-%d,Company %d,en,U-%d,user%d,admin@company%d.example,admin,0,notify@company%d.example\n", i, i, i, i, i, i)
	}
	rows, err := review.ReadAccounts(strings.NewReader(csv))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := d.Import(ctx, rows, "test", false, false); err != nil {
		w.t.Fatal(err)
	}
	for i := range users {
		w.secrets[fmt.Sprintf("U-%d", i)], _ = w.enroll(ctx, d, fmt.Sprintf("U-%d", i))
	}
	for i := range reviewers {
		w.reviewers = append(w.reviewers, w.hire(ctx, d, i))
	}
}

func (w *world) enroll(ctx context.Context, d *review.Desk, holder string) (secret string, step int64) {
	w.t.Helper()
	e, err := d.Book().Begin(ctx, holder, strings.ReplaceAll(holder, ":", "-"), totp.Proof{})
	if err != nil {
		w.t.Fatal(err)
	}
	secret = e.Key.Secret().Base32()
	for range 2 { // the second time if a step began in between
		step = time.Now().Unix()/30 - 1
		if _, err = d.Book().Confirm(ctx, holder, e.ID, codeAt(w.t, secret, step)); err == nil {
			return secret, step
		}
	}
	w.t.Fatal(err)
	return
}

func (w *world) hire(ctx context.Context, d *review.Desk, i int) *person {
	w.t.Helper()
	p := &person{email: fmt.Sprintf("reviewer%d@host.example", i)}
	invitation, err := d.Invite(ctx, "host", p.email, fmt.Sprintf("Reviewer %d", i), review.Lead)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := d.AcceptInvitation(ctx, invitation, passphrase)
	if err != nil {
		w.t.Fatal(err)
	}
	p.holder = r.Holder
	p.secret, p.step = w.enroll(ctx, d, r.Holder)
	if err := d.FinishInvitation(ctx, invitation); err != nil {
		w.t.Fatal(err)
	}
	code, _ := p.code(w.t)
	p.token, err = d.SignIn(ctx, review.SignIn{Email: p.email, Password: passphrase, Code: code, IP: "127.0.0.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func codeAt(t *testing.T, secret string, step int64) string {
	t.Helper()
	code, err := potp.GenerateCodeCustom(secret, time.Unix(step*30, 0), potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// code returns a code that was never used before; ok is false while there is
// none yet (one of the present window: the step before, this one, the next).
func (p *person) code(t *testing.T) (string, bool) {
	now := time.Now().Unix() / 30
	step := max(p.step+1, now-1)
	if step > now+1 {
		return "", false
	}
	p.step = step
	return codeAt(t, p.secret, step), true
}

// start runs the program; it does not wait for it to be ready.
func (w *world) start() {
	w.t.Helper()
	w.cmd = exec.Command(w.bin, "serve", "-config", w.config)
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
}

// kill ends the program as a crash would. One that has ended by itself is a finding:
// the next start would hide it.
func (w *world) kill() {
	w.t.Helper()
	if w.cmd == nil {
		return
	}
	began := time.Now()
	w.cmd.Process.Kill()
	w.cmd.Wait()
	w.deaths = append(w.deaths, span{began, time.Now()})
	if end, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && end.Signal() != syscall.SIGKILL {
		w.t.Errorf("serve ended by itself: %s\n%s", w.cmd.ProcessState, w.logTail())
	}
	w.cmd = nil
}

// A span is a time in which something died.
type span struct{ begin, end time.Time }

// killSink kills the SMTP server and starts it again.
func (w *world) killSink() error {
	began := time.Now()
	err := errors.Join(w.sink.Kill(), w.sink.Start())
	w.deaths = append(w.deaths, span{began, time.Now()})
	return err
}

// freeze stops the program for a while, as a machine does that has no time for it.
func (w *world) freeze(d time.Duration) error {
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return w.cmd.Process.Signal(syscall.SIGCONT)
}

// stop asks the program to end and wants it to do so well.
func (w *world) stop() {
	w.t.Helper()
	w.cmd.Process.Signal(os.Interrupt)
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("serve ended with %v\n%s", err, w.logTail())
	}
	w.cmd = nil
}

func (w *world) logTail() string {
	b, _ := os.ReadFile(w.log.Name())
	return string(b[max(0, len(b)-4000):])
}

// served is how many runs came so far that they served their pages, by their log.
func (w *world) served() int {
	b, err := os.ReadFile(w.log.Name())
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Count(string(b), "serving pages")
}

func (w *world) ready() {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if status, _, err := w.get("/healthz", nil); err == nil && status == http.StatusOK {
			return
		}
	}
	w.t.Fatalf("serve is not ready\n%s", w.logTail())
}

var client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (w *world) get(path string, p *person) (int, string, error) { return w.do("GET", path, nil, p) }

func (w *world) post(path string, form url.Values, p *person) (int, string, error) {
	return w.do("POST", path, form, p)
}

func (w *world) do(method, path string, form url.Values, p *person) (int, string, error) {
	req, err := http.NewRequest(method, w.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", w.base)
	}
	if p != nil {
		req.AddCookie(&http.Cookie{Name: "resetdesk", Value: p.token})
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if p != nil && c.Name == "resetdesk" {
			p.token = c.Value // a step-up renews it
		}
	}
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// signedIn is get for a person who signs in again when the session is over: a
// kill may take the answer that brought its new token.
func (w *world) signedIn(path string, p *person) (int, string, error) {
	status, page, err := w.get(path, p)
	if err != nil || status != http.StatusSeeOther {
		return status, page, err
	}
	code, ok := p.code(w.t)
	if !ok {
		return 0, "", errNoCode
	}
	status, _, err = w.post("/sign-in", url.Values{"email": {p.email}, "password": {passphrase}, "code": {code}}, p)
	if err != nil || status != http.StatusSeeOther {
		return 0, "", fmt.Errorf("sign in again: %d %w", status, err)
	}
	return w.get(path, p)
}

// A receipt is one letter as the sink has it.
type receipt struct {
	to, messageID, subject, text string
	raw                          string    // without the sink's own fields
	at                           time.Time // when the sink had it
}

// letters reads every whole letter that the sink has stored. One that was cut
// off by a crash has no closing boundary and was never accepted.
func (w *world) letters() []receipt {
	w.t.Helper()
	files, err := os.ReadDir(w.sinkDir())
	if err != nil {
		w.t.Fatal(err)
	}
	var all []receipt
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(w.sinkDir(), f.Name()))
		info, err2 := f.Info()
		if err := errors.Join(err, err2); errors.Is(err, fs.ErrNotExist) {
			continue // the sink takes back the file of a letter that was cut off
		} else if err != nil {
			w.t.Fatal(err)
		}
		if r, ok := readReceipt(raw); ok {
			r.at = info.ModTime()
			all = append(all, r)
		}
	}
	return all
}

// sinkDir is where the sink stores letters.
func (w *world) sinkDir() string { return filepath.Join(w.dir, "sink", "mails") }

func readReceipt(file []byte) (receipt, bool) {
	m, err := mail.ReadMessage(bytes.NewReader(file))
	if err != nil {
		return receipt{}, false
	}
	r := receipt{to: strings.Trim(m.Header.Get("X-Rcpt-Args"), "<> "), messageID: m.Header.Get("Message-Id")}
	r.subject, _ = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || !bytes.Contains(file, []byte("--"+params["boundary"]+"--")) {
		return receipt{}, false
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return receipt{}, false
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return receipt{}, false
	}
	r.text = string(text)
	var own []string
	for line := range strings.Lines(string(file)) {
		if !strings.HasPrefix(line, "X-") || strings.HasPrefix(line, "X-Auto-Response-Suppress") {
			own = append(own, line)
		}
	}
	r.raw = receivedField.ReplaceAllString(strings.Join(own, ""), "")
	return r, true
}

// receivedField is the trace field that the sink puts on top.
var receivedField = regexp.MustCompile(`(?m)^Received:.*\n(?:[ \t].*\n)*`)

var ownerLink = regexp.MustCompile(`/r/([0-9A-Z]{40,})`)

// await polls until f is true.
func await(t *testing.T, what string, limit time.Duration, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("waited %s for %s", limit, what)
}

// requestMail is a mail in which an admin asks for a reset.
func requestMail(i int, id string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf("From: Admin <admin@company%d.example>\nTo: support@host.example\nSubject: 2FA reset for user%d\nDate: %s\nMessage-ID: <%s>\nContent-Type: text/plain; charset=utf-8\n\nHello, user%d lost the phone and has no backup codes. Please reset the two-factor authentication of user%d.\n",
		i, i, time.Now().Format(time.RFC1123Z), id, i, i), "\n", "\r\n"))
}

var hidden = regexp.MustCompile(`name="(version|evidence|seen)" value="([^"]*)"`)

// errNoCode says that a reviewer has no unused code at the moment.
var errNoCode = errors.New("no unused code")

// approve does what a reviewer does in the browser: open the page, type the
// account number, a reason and a fresh code, and send it. Done is true when the
// program said so.
func (w *world) approve(p *person, number, account string) (done bool, err error) {
	path := "/cases/" + number + "/approve"
	status, page, err := w.get(path, p)
	if err != nil || status != http.StatusOK {
		return false, fmt.Errorf("approve page: %d %w", status, err)
	}
	form := url.Values{"account": {account}, "reason": {"called the number on file"}}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	if form.Get("evidence") == "" {
		return false, errors.New("the case cannot be approved")
	}
	code, ok := p.code(w.t)
	if !ok {
		return false, errNoCode
	}
	form.Set("code", code)
	status, page, err = w.post(path, form, p)
	if err != nil {
		return false, err
	}
	if status != http.StatusSeeOther {
		return false, fmt.Errorf("approve: %d %.300s", status, page)
	}
	return true, nil
}

// plainSQL opens the database past all of our code.
func (w *world) plainSQL() *sql.DB { return w.openSQL(w.dir) }

func (w *world) openSQL(dir string) *sql.DB {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "desk.db")+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	return db
}

// sqlOn returns the first value of a query on the database in dir, or the error
// in words.
func (w *world) sqlOn(dir, query string) string {
	w.t.Helper()
	db := w.openSQL(dir)
	defer db.Close()
	var s string
	if err := db.QueryRow(query).Scan(&s); err != nil {
		return err.Error()
	}
	return s
}
