package powercut

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

const (
	users     = 400
	reviewers = 12
	password  = "correct horse battery"
)

// A plan is what the worker is told.
type plan struct {
	Dir, Keys string
	Secrets   map[string]string // reviewer -> base32
	Tokens    map[string]string // reviewer -> session
	Holders   map[string]string // reviewer -> holder
	Plain     string            // instead of the desk: commits to a plain table with this setting of synchronous
}

func config(dir string, keys *totp.Keyring) review.Config {
	policy := review.Balanced
	policy.Low.Wait, policy.Medium.Wait, policy.High.Wait = 0, 0, 0
	policy.Low.Approvals, policy.Medium.Approvals, policy.High.Approvals = 1, 1, 1
	return review.Config{Path: filepath.Join(dir, "desk.db"), Keys: keys, Policy: policy, Brand: "Example", BaseURL: "https://reset.example",
		From: mail.Address{Name: "Example Support", Address: "support@host.example"}, Addresses: []string{"support@host.example"},
		Resolver: noDNS{}, UncertainWait: time.Minute, Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}}
}

// noDNS answers that no name exists.
type noDNS struct{}

func (noDNS) LookupTXT(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func code(secret string, at time.Time) string {
	c, err := potp.GenerateCodeCustom(secret, at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		panic(err)
	}
	return c
}

// furnish makes the database that every run begins with.
func furnish(t *testing.T, dir string) plan {
	t.Helper()
	p := plan{Keys: filepath.Join(dir, "desk.keys"), Secrets: map[string]string{}, Tokens: map[string]string{}, Holders: map[string]string{}}
	keys, err := totp.NewKeyring()
	if err == nil {
		err = keys.Write(p.Keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	d, err := review.Open(ctx, config(dir, keys))
	if err != nil {
		t.Fatal(err)
	}
	file := "account_id,account_name,locale,user_id,login,email,role,api_only,notify\n"
	for i := range users {
		file += fmt.Sprintf("A-%d,Company %d,en,U-%d,user%d,admin@company%d.example,admin,0,notify@company%d.example\n", i, i, i, i, i, i)
	}
	rows, err := review.ReadAccounts(strings.NewReader(file))
	if err == nil {
		_, err = d.Import(ctx, rows, "test", false, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	enroll := func(holder string) string {
		e, err := d.Book().Begin(ctx, holder, strings.ReplaceAll(holder, ":", "-"), totp.Proof{})
		if err == nil {
			_, err = d.Book().Confirm(ctx, holder, e.ID, code(e.Key.Secret().Base32(), time.Now().Add(-30*time.Second)))
		}
		if err != nil {
			t.Fatal(err)
		}
		return e.Key.Secret().Base32()
	}
	for i := range users / 10 {
		enroll(fmt.Sprintf("U-%d", i))
	}
	for i := range reviewers {
		email := fmt.Sprintf("reviewer%d@host.example", i)
		token, err := d.Invite(ctx, "host", email, "Reviewer", review.Lead)
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.AcceptInvitation(ctx, token, password)
		if err != nil {
			t.Fatal(err)
		}
		p.Secrets[email], p.Holders[email] = enroll(r.Holder), r.Holder
		if err := d.FinishInvitation(ctx, token); err != nil {
			t.Fatal(err)
		}
		if p.Tokens[email], err = d.SignIn(ctx, review.SignIn{Email: email, Password: password, Code: code(p.Secrets[email], time.Now()), IP: "127.0.0.1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWorker is the program under the power cut, in a process of its own: what it
// prints was acknowledged. Anything that fails ends it, as it would end serve.
func TestWorker(t *testing.T) {
	text := os.Getenv("RESETDESK_POWERCUT_PLAN")
	if text == "" {
		t.Skip("the other test starts it")
	}
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	work := workDesk
	if p.Plain != "" {
		work = workPlain
	}
	err := work(p)
	fmt.Println("\nended", err)
}

// ack says that something is done. A line that was cut off says nothing.
func ack(what string, id any) { fmt.Printf("\nack %s %v.\n", what, id) }

func workPlain(p plan) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.Dir, "desk.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous("+p.Plain+")")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, text TEXT)`); err != nil {
		return err
	}
	for i := 1; ; i++ {
		if _, err := db.Exec(`INSERT INTO plain (id, text) VALUES ($1, $2)`, i, strings.Repeat("x", 700)); err != nil {
			return err
		}
		ack("plain", i)
	}
}

var linkPattern = regexp.MustCompile(`https://reset\.example/r/([0-9A-Z]+)`)

// workDesk plays the story again and again: a mail, its case, the letters, the
// owner's yes, a vote, the reset.
func workDesk(p plan) error {
	ctx := context.Background()
	keys, err := totp.LoadKeyring(p.Keys)
	if err != nil {
		return err
	}
	d, err := review.Open(ctx, config(p.Dir, keys))
	if err != nil {
		return err
	}
	src := mailbox.Source{Mailbox: "support", Folder: "INBOX"}
	for i := range users / 10 {
		raw := fmt.Appendf(nil, "From: admin@company%d.example\r\nTo: support@host.example\r\nSubject: 2FA reset for user%d\r\nDate: %s\r\nMessage-ID: <m%d@x.example>\r\n\r\n"+
			"user%d lost the phone and has no backup codes. Please reset the two-factor authentication of user%d.\r\n", i, i, time.Now().Format(time.RFC1123Z), i, i, i)
		b := mailbox.Batch{Source: src, UIDValidity: 7, Through: uint32(i + 1), Mails: []mailbox.Mail{{UID: uint32(i + 1), InternalDate: time.Now(), Size: int64(len(raw)), Header: raw, Raw: raw}}}
		if err := d.Receive(ctx, b); err != nil {
			return err
		}
		ack("mail", i+1)
		if err := d.Work(ctx); err != nil {
			return err
		}
		link, err := carry(ctx, d)
		if err != nil {
			return err
		}
		if link == "" {
			return errors.New("no link")
		}
		if err := d.Answer(ctx, link, review.Reply{Yes: true, UserID: fmt.Sprintf("U-%d", i)}); err != nil {
			return err
		}
		ack("answer", fmt.Sprintf("U-%d", i))
		if err := p.vote(ctx, d, i); err != nil {
			return err
		}
		if _, err := carry(ctx, d); err != nil {
			return err
		}
	}
	return errors.New("nothing more to do")
}

// carry sends every letter and returns the link to confirm with.
func carry(ctx context.Context, d *review.Desk) (link string, err error) {
	for {
		l, ok, err := d.Claim(ctx)
		if err != nil || !ok {
			return link, errors.Join(err, d.Work(ctx))
		}
		if err := d.AtDot(ctx, l.ID, l.Attempt); err != nil {
			return "", err
		}
		ack("dot", l.ID)
		if err := d.Sent(ctx, l.ID, l.Attempt, "250 ok"); err != nil {
			return "", err
		}
		ack("sent", l.ID)
		text := strings.ReplaceAll(string(l.Raw), "=\r\n", "") // quoted-printable breaks lines
		if m := linkPattern.FindStringSubmatch(text); m != nil && strings.Contains(text, "confirm") && strings.HasPrefix(l.To, "admin@") {
			link = m[1]
		}
	}
}

// vote approves the newest case with the code of the next reviewer.
func (p plan) vote(ctx context.Context, d *review.Desk, i int) error {
	if i >= reviewers {
		return errors.New("no more unused codes")
	}
	email := fmt.Sprintf("reviewer%d@host.example", i)
	s, err := d.Authenticate(ctx, p.Tokens[email])
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.Dir, "desk.db")+"?_pragma=query_only(1)")
	if err != nil {
		return err
	}
	defer db.Close()
	var number string
	if err := db.QueryRow(`SELECT number FROM reset_case ORDER BY id DESC LIMIT 1`).Scan(&number); err != nil {
		return err
	}
	v, err := d.Case(ctx, s, number)
	if err != nil {
		return err
	}
	out, err := d.Approve(ctx, s, review.Approval{Number: number, Version: v.Version, EvidenceHash: v.EvidenceHash, Account: v.AccountID,
		Reason: "called", Code: code(p.Secrets[email], time.Now().Add(30*time.Second))})
	if err != nil {
		return err
	}
	ack("vote", number)
	if out.Cleared {
		ack("reset", number)
	}
	return nil
}
