package simulation

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/prepared"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/ui"
	"github.com/resetdesk/resetdesk/ui/sso/ssotest"
	_ "modernc.org/sqlite" // for plain SQL
)

const (
	base     = "http://localhost:1" // a name: passkeys want one
	password = "correct horse battery"
	accounts = 5
)

// A home is the database that every course begins with: made once, for in every
// bubble it is the same moment.
type home struct {
	db      []byte
	keys    *totp.Keyring
	secrets map[string]string // holder -> base32
	steps   map[string]int64  // secret -> time step whose code was accepted last
	signers []*mailbox.Signature
	zone    sendertest.Zone
	backup  []string // backup codes that were shown
}

var homeOnce struct {
	sync.Once
	home
}

func homeOf(t *testing.T) home {
	homeOnce.Do(func() {
		dir := t.TempDir()
		var domains []string
		for i := range accounts {
			domains = append(domains, fmt.Sprintf("company%d.example", i))
		}
		signers, zone := signers(t, append(domains, "stranger.example")...)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(age)
			keys, err := totp.NewKeyring()
			if err != nil {
				t.Fatal(err)
			}
			w := &town{t: t, approvals: 1, path: filepath.Join(dir, "desk.db"), home: home{keys: keys, secrets: map[string]string{}, steps: map[string]int64{}, signers: signers, zone: zone}}
			desk, err := review.Open(t.Context(), w.config(nil))
			if err != nil {
				t.Fatal(err)
			}
			w.populate(desk)
			if err := desk.Close(); err != nil {
				t.Fatal(err)
			}
			if w.db, err = os.ReadFile(w.path); err != nil {
				t.Fatal(err)
			}
			homeOnce.home = w.home
		})
	})
	return homeOnce.home
}

func (w *town) populate(desk *review.Desk) {
	ctx := w.t.Context()
	file := "account_id,account_name,locale,user_id,login,email,role,api_only,notify\n"
	for i := range accounts {
		file += fmt.Sprintf("A-%d,Company %d,en,U-%d,user%d,admin@company%d.example,admin,0,notify@company%d.example\n", i, i, i, i, i, i)
	}
	rows, err := review.ReadAccounts(strings.NewReader(file))
	if err == nil {
		_, err = desk.Import(ctx, rows, "test", false, false)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	enroll := func(holder string) {
		e, err := desk.Book().Begin(ctx, holder, strings.ReplaceAll(holder, ":", "-"), totp.Proof{})
		if err == nil {
			w.secrets[holder] = e.Key.Secret().Base32()
			var codes []string
			codes, err = desk.Book().Confirm(ctx, holder, e.ID, code(w.t, w.secrets[holder], time.Now()))
			w.backup = append(w.backup, codes...)
			w.accepted(w.secrets[holder])
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range accounts {
		enroll(fmt.Sprintf("U-%d", i))
	}
	roles := map[string]review.Role{"rita": review.Lead, "sam": review.Lead, "ada": review.Admin}
	for _, name := range []string{"rita", "sam", "ada"} {
		token, err := desk.Invite(ctx, "host", name+"@host.example", name, roles[name])
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := desk.AcceptInvitation(ctx, token, password)
		if err != nil {
			w.t.Fatal(err)
		}
		enroll(r.Holder)
		w.secrets[name] = r.Holder
		if err := desk.FinishInvitation(ctx, token); err != nil {
			w.t.Fatal(err)
		}
	}
}

func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	c, err := potp.GenerateCodeCustom(secret, at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A town is one course: the program, its servers, and what the people in it know.
type town struct {
	t    *testing.T
	home // secrets and steps are a copy
	rng  *rand.Rand
	path string

	shelf     *prepared.Shelf // nil: every run opens the database anew
	approvals int             // that a reset needs
	wait      time.Duration   // from the notices to a reset
	whole     bool            // the whole file is looked through at the end

	imapLink, smtpLink *link
	imap               *mailtest.IMAP
	smtp               *mailtest.SMTP
	names              names
	prog               *program // nil: it does not run
	plain              *sql.DB
	log                bytes.Buffer
	logMu              sync.Mutex

	trace    []string
	began    time.Time
	from     *situation
	mails    []*sentMail
	arrived  []letter          // that the server took
	parsed   int               // how many of them in this course
	sessions map[string]string // reviewer -> token
	shown    map[string]int64  // holder -> the time step whose code was read off last
	said     map[string]bool   // links that were answered
	enrolled map[string]bool   // passes that were used
	voted    map[string]string // approval acknowledged: case number + reviewer -> evidence hash
	heads    map[int64]string  // audit events as they were seen
	gens     map[string]int64  // generations as they were seen
	checked  int64             // the state of the database that was checked last
	crashes  int
	faults   int
	again    int
	marked   map[uint32]bool
	journal  *journal  // nil: the program is a process of its own
	setBack  bool      // the course began before its situation
	location string    // where the last answer led to
	notes    *notebook // of a worker
}

// A sentMail is one in the mailbox, and what has to become of it.
type sentMail struct {
	uid     uint32
	raw     []byte
	forged  bool   // must never open a case
	signed  bool   // by its own server, in this course
	returns string // the Message-ID of the letter that it says came back
	gone    bool   // a colleague took it away
}

// newTown goes on from a situation, so much later, with the database at path.
func newTown(t *testing.T, rng *rand.Rand, from *situation, later time.Duration, path string, shelf *prepared.Shelf) *town {
	w := &town{t: t, rng: rng, path: path, shelf: shelf, from: from, began: time.Now(), imapLink: newLink(), smtpLink: newLink()}
	w.remember(from)
	w.names.zone = w.zone
	time.Sleep(from.at + later)
	var err error
	if w.imap, err = mailtest.NewIMAP(mailtest.IMAPOptions{Listener: w.imapLink}); err != nil {
		t.Fatal(err)
	}
	if w.smtp, err = mailtest.NewSMTP(mailtest.SMTPOptions{Listener: w.smtpLink, Keep: 10000}); err != nil {
		t.Fatal(err)
	}
	w.onMail(nil)
	w.smtp.OnAnswer(w.journal.answered)
	w.refill()
	if w.plain, err = shelf.Open("file:"+w.path+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)", 100); err != nil {
		t.Fatal(err)
	}
	w.plain.SetMaxOpenConns(1)
	return w
}

func (w *town) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8s  ", time.Since(w.began).Round(time.Second))+fmt.Sprintf(format, args...))
}

// Write takes the program's log.
func (w *town) Write(p []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(p)
}

func (w *town) config(ready func()) review.Config {
	policy := review.Balanced
	policy.Low.Wait, policy.Medium.Wait, policy.High.Wait = w.wait, w.wait, w.wait
	policy.Low.Approvals, policy.Medium.Approvals, policy.High.Approvals = w.approvals, w.approvals, w.approvals
	return review.Config{Path: w.path, Shelf: w.shelf, Keys: w.keys, Log: slog.New(slog.NewTextHandler(w, nil)), Policy: policy, Brand: "Example", BaseURL: base,
		From: mail.Address{Name: "Example Support", Address: "support@host.example"}, Addresses: []string{"support@host.example"}, BounceAddress: "support+" + review.TokenPlace + "@host.example",
		Resolver: &w.names, LettersReady: ready, UncertainWait: 15 * time.Second, Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}}
}

// A program is one run of it.
type program struct {
	desk  *review.Desk
	gate  *gate
	pages http.Handler
	id    *ssotest.Provider // of a worker
	stop  context.CancelFunc
	all   sync.WaitGroup
}

func (w *town) start() {
	if w.prog != nil {
		return
	}
	p := &program{}
	postman := &mailbox.Postman{Log: slog.New(slog.NewTextHandler(w, nil)), Dial: w.smtpLink.dial, Config: mailbox.PostmanConfig{Host: "127.0.0.1",
		Security: mailbox.Plain, Poll: 5 * time.Second, Command: 20 * time.Second, AfterDot: 30 * time.Second, UncertainWait: 15 * time.Second,
		Backoff: func(int) time.Duration { return 5 * time.Second }}}
	var err error
	if p.desk, err = review.Open(w.t.Context(), w.config(postman.Kick)); err != nil {
		w.t.Fatalf("open: %v", err)
	}
	if p.pages, err = ui.New(ui.Config{Desk: p.desk, BaseURL: base, Brand: "Example"}); err != nil {
		w.t.Fatal(err)
	}
	p.gate = &gate{Desk: p.desk, journal: w.journal, dieAt: -1}
	w.onMail(nil)
	postman.Outbox = p.gate
	watcher := &mailbox.Watcher{Inbox: p.gate, Log: postman.Log, Dial: w.imapLink.dial, Config: mailbox.WatcherConfig{Mailbox: "support", Host: "127.0.0.1",
		Security: mailbox.Plain, User: w.imap.User, Poll: 15 * time.Second, Command: 20 * time.Second, Body: 20 * time.Second, Greeting: 10 * time.Second,
		Password: func(context.Context) (string, error) { return w.imap.Password, nil },
		Backoff:  func(int) time.Duration { return 3 * time.Second }, Unfetchable: []time.Duration{10 * time.Second, 20 * time.Second, 20 * time.Second}}}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(w.t.Context())
	for _, run := range []func(context.Context) error{postman.Run, watcher.Run, p.desk.Run} {
		p.all.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.t.Errorf("run: %v", err)
			}
		})
	}
	w.prog = p
}

// crash ends the program where it stands: what it would still write or say is
// lost, its connections break.
func (w *town) crash() {
	if w.prog == nil {
		return
	}
	p := w.prog
	p.gate.kill()
	p.stop()
	w.imap.CutAll()
	w.smtp.CutAll()
	p.all.Wait()
	if err := p.desk.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
	w.prog = nil
	w.crashes++
}

func (w *town) heal() {
	w.imapLink.set(false)
	w.smtpLink.set(false)
	w.names.breakFor(0)
	w.imap.CutAfter(0)
	w.imap.SilentAfter(0)
	w.smtp.CutAfter(0)
	w.smtp.Heal()
	w.start()
	w.prog.gate.heal()
}

func (w *town) end() {
	if w.prog != nil {
		w.crash()
	}
	_ = w.imapLink.Close()
	_ = w.smtpLink.Close()
	if err := errors.Join(w.imap.Close(), w.smtp.Close(), w.plain.Close()); err != nil {
		w.t.Error(err)
	}
}
