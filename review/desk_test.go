package review_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A house is a desk on a real database with three accounts, one reviewer with a
// phone, and a user with a phone.
type house struct {
	t     testing.TB
	path  string
	keys  *totp.Keyring
	desk  *review.Desk
	cfg   review.Config
	uid   uint32
	phone map[string]string // holder -> base32 secret
	rita  review.Session
	sam   review.Session

	plain     *sql.DB // of sql, for plainPath
	plainPath string
}

const accountsFile = `account_id,account_name,locale,user_id,login,email,role,api_only,notify,full_name
A-1001,ACME GmbH,de,U-1,anna,anna@acme.example,admin,0,it@acme.example;boss@acme.example,Anna Admin
A-1001,ACME GmbH,de,U-2,jane,jane@acme.example,user,0,,Jane Doe
A-2002,Beta BV,nl,U-3,piet,piet@beta.example,admin,0,,Piet Beheer
A-2002,Beta BV,nl,U-4,sanne,sanne@beta.example,user,0,,Sanne de Wit
A-3003,Gamma Ltd,en,U-5,info,owner@gamma.example,admin,0,,Olive Owner
A-3004,Gamma Two Ltd,en,U-6,olive,owner@gamma.example,admin,0,,Olive Owner
`

// noDNS answers that no name exists: nothing is signed in these tests.
type noDNS struct{}

func (noDNS) LookupTXT(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func instant(p review.Policy) review.Policy {
	p.Low.Wait, p.Medium.Wait, p.High.Wait = 0, 0, 0
	p.Low.Approvals, p.Medium.Approvals, p.High.Approvals = 1, 1, 1
	return p
}

// inHouse runs f in a bubble of its own, where time stands still but for sleeps,
// with the real database.
func inHouse(t *testing.T, change func(*review.Config), f func(t *testing.T, h *house)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, movedIn(t, dir, change)) })
}

// builtHouse is a house as every bubble begins: time is the same in all of them,
// so the work of building it (above all Argon2) is done once.
var builtHouse struct {
	house
	bytes []byte
}

func movedIn(t *testing.T, dir string, change func(*review.Config)) *house {
	t.Helper()
	if builtHouse.bytes == nil {
		h := newHouse(t, t.TempDir(), nil)
		if err := errors.Join(h.plain.Close(), h.desk.Close()); err != nil {
			t.Fatal(err)
		}
		bytes, err := os.ReadFile(h.path)
		if err != nil {
			t.Fatal(err)
		}
		builtHouse.house, builtHouse.bytes = *h, bytes
	}
	h := builtHouse.house
	h.rita, h.sam = h.rita.Copy(), h.sam.Copy() // each house renews its own
	h.t, h.path, h.phone, h.plain = t, filepath.Join(dir, "desk.db"), maps.Clone(h.phone), nil
	h.cfg.Path = h.path
	if change != nil {
		change(&h.cfg)
	}
	if err := os.WriteFile(h.path, builtHouse.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	h.open()
	return &h
}

func newHouse(t testing.TB, dir string, change func(*review.Config)) *house {
	t.Helper()
	review.LongSessions()
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, path: filepath.Join(dir, "desk.db"), keys: keys, phone: map[string]string{}}
	h.cfg = review.Config{Path: h.path, Keys: keys, Policy: instant(review.Balanced), Brand: "Example", BaseURL: "https://reset.example",
		Panel: "https://panel.example", Phone: "+49 30 1234567", From: mail.Address{Name: "Example Support", Address: "support@host.example"},
		Addresses: []string{"support@host.example"}, Resolver: noDNS{}, UncertainWait: time.Minute,
		Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}}
	if change != nil {
		change(&h.cfg)
	}
	h.open()
	rows, err := review.ReadAccounts(strings.NewReader(accountsFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.desk.Import(t.Context(), rows, "test", false, false); err != nil {
		t.Fatal(err)
	}
	h.enroll("U-2", "")
	h.rita = h.reviewer("rita@host.example", "Rita", review.Admin)
	h.sam = h.reviewer("sam@host.example", "Sam", review.Decider)
	return h
}

func (h *house) open() {
	h.t.Helper()
	desk, err := review.Open(h.t.Context(), h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.desk = desk
	h.t.Cleanup(func() { desk.Close() })
}

func (h *house) reopen() {
	h.t.Helper()
	if err := h.desk.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
}

// sql runs plain SQL on the same file, past all of our code.
func (h *house) sql() *sql.DB {
	h.t.Helper()
	if h.plain != nil && h.plainPath == h.path {
		return h.plain
	}
	db, err := sql.Open("sqlite", "file:"+h.path+"?_txlock=immediate&_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	h.plain, h.plainPath = db, h.path
	return db
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	if err := h.sql().QueryRowContext(h.t.Context(), query, args...).Scan(&n); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// enroll gives a holder a phone. The code that proves it is the one of the last
// step, so that the present one can be used afterwards.
func (h *house) enroll(holder, pass string) []string {
	h.t.Helper()
	e, err := h.desk.Book().Begin(h.t.Context(), holder, strings.ReplaceAll(holder, ":", "-"), totp.Proof{Pass: pass})
	if err != nil {
		h.t.Fatalf("begin %s: %v", holder, err)
	}
	h.phone[holder] = e.Key.Secret().Base32()
	codes, err := h.desk.Book().Confirm(h.t.Context(), holder, e.ID, h.codeAt(holder, time.Now().Add(-30*time.Second)))
	if err != nil {
		h.t.Fatalf("confirm %s: %v", holder, err)
	}
	h.settle(holder)
	return codes
}

// settle takes the events of a holder's factor without telling anybody: most
// tests are about something else.
func (h *house) settle(holder string) {
	h.t.Helper()
	if _, err := h.sql().Exec(`UPDATE factor_event SET settled_at = at WHERE user_id = $1 AND settled_at IS NULL`, holder); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) codeAt(holder string, at time.Time) string {
	h.t.Helper()
	code, err := potp.GenerateCodeCustom(h.phone[holder], at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// fresh waits for the next time step, in the bubble's time, and returns its code.
func (h *house) fresh(holder string) string {
	time.Sleep(30 * time.Second)
	return h.codeAt(holder, time.Now())
}

func (h *house) reviewer(email, name string, role review.Role) review.Session {
	h.t.Helper()
	ctx := h.t.Context()
	token, err := h.desk.Invite(ctx, "host", email, name, role)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := h.desk.AcceptInvitation(ctx, token, "correct horse battery")
	if err != nil {
		h.t.Fatal(err)
	}
	h.enroll(r.Holder, "")
	if err := h.desk.FinishInvitation(ctx, token); err != nil {
		h.t.Fatal(err)
	}
	return h.signIn(email, r.Holder)
}

func (h *house) signIn(email, holder string) review.Session {
	h.t.Helper()
	token, err := h.desk.SignIn(h.t.Context(), review.SignIn{Email: email, Password: "correct horse battery", Code: h.codeAt(holder, time.Now()), IP: "127.0.0.1"})
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := h.desk.Authenticate(h.t.Context(), token)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// deliver puts mails into the inbox as the watcher would and lets the desk work.
func (h *house) deliver(mails ...string) {
	h.t.Helper()
	b := mailbox.Batch{Source: mailbox.Source{Mailbox: "support", Folder: "INBOX"}, UIDValidity: 7}
	for _, m := range mails {
		h.uid++
		raw := []byte(strings.ReplaceAll(m, "\n", "\r\n"))
		b.Mails = append(b.Mails, mailbox.Mail{UID: h.uid, InternalDate: time.Now(), Size: int64(len(raw)), Header: raw, Raw: raw})
	}
	b.Through = h.uid
	if err := h.desk.Receive(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
	h.work()
}

func (h *house) work() {
	h.t.Helper()
	if err := h.desk.Work(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

var mailSerial int

func request(from, subject, text string) string {
	mailSerial++
	return fmt.Sprintf("From: %s\nTo: support@host.example\nSubject: %s\nDate: %s\nMessage-ID: <m%d@example>\nContent-Type: text/plain; charset=utf-8\n\n%s\n",
		from, subject, time.Now().Format(time.RFC1123Z), mailSerial, text)
}

const lostPhone = "Hello, jane lost her phone and has no backup codes. Please reset the two-factor authentication of jane. Anna"

// A letter is one mail that went out.
type letter struct {
	to, subject, text string
	raw               []byte
}

// post sends every letter that is due, as the postman would.
func (h *house) post() []letter {
	h.t.Helper()
	var all []letter
	for {
		l, ok, err := h.desk.Claim(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if !ok {
			h.work()
			return all
		}
		if err := errors.Join(h.desk.AtDot(h.t.Context(), l.ID, l.Attempt), h.desk.Sent(h.t.Context(), l.ID, l.Attempt, "250 ok")); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, readLetter(h.t, l))
	}
}

func readLetter(t testing.TB, l mailbox.Letter) letter {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(l.Raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return letter{to: l.To, subject: subject, text: plainText(t, l.Raw), raw: l.Raw}
}

var linkPattern = regexp.MustCompile(`https://reset\.example/r/([0-9A-Z]+)`)

// token finds the link of the letter to an address.
func token(t testing.TB, letters []letter, to, subject string) string {
	t.Helper()
	for _, l := range letters {
		if l.to == to && strings.Contains(l.subject, subject) {
			if m := linkPattern.FindStringSubmatch(l.text); m != nil {
				return m[1]
			}
		}
	}
	t.Fatalf("no link to %s in %d letters %q", to, len(letters), letters)
	return ""
}

func (h *house) onlyCase() review.CaseView {
	h.t.Helper()
	var number string
	if err := h.sql().QueryRow(`SELECT number FROM reset_case ORDER BY id DESC LIMIT 1`).Scan(&number); err != nil {
		h.t.Fatal(err)
	}
	return h.view(number)
}

func (h *house) view(number string) review.CaseView {
	h.t.Helper()
	v, err := h.desk.Case(h.t.Context(), h.rita, number)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) approve(s review.Session, v review.CaseView) (review.Outcome, error) {
	h.t.Helper()
	return h.desk.Approve(h.t.Context(), s, review.Approval{Number: v.Number, Version: v.Version, EvidenceHash: v.EvidenceHash,
		Account: v.AccountID, Reason: "called the number on file", Code: h.fresh(s.Reviewer.Holder)})
}
