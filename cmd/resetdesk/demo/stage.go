package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/firstrun"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/panel"
	"github.com/resetdesk/resetdesk/ui"
)

const (
	brand   = "Example Hosting"
	support = "support@hosting.example" // where customers write to
	phoneNo = "+44 20 7946 0000"        // a number reserved for fiction (Ofcom)
)

// A stage is the running demo.
type stage struct {
	Options
	name                           string // in place of the digits of the listeners
	guideLine, panelLine, deskLine net.Listener
	ends                           []func() error

	imap    *mailtest.IMAP
	smtp    *mailtest.SMTP
	sent    atomic.Int64 // letters that the SMTP server took
	zone    zone
	desk    *review.Desk
	watcher *mailbox.Watcher
	postman *mailbox.Postman

	accounts  []*account
	staff     []reviewer
	phones    phones
	sessions  sessions
	pages     *pages
	factor    *panel.Pages  // the panel's pages of the second factor
	challenge http.Handler  // its question for the code
	key       review.APIKey // with which the panel writes accounts to the desk
	adding    sync.Mutex    // a user
	deskPages http.Handler
}

// atEnd has f run when the demo ends, the last one first.
func (s *stage) atEnd(f func() error) { s.ends = append(s.ends, f) }

func (s *stage) end() error {
	var errs []error
	for len(s.ends) > 0 {
		last := len(s.ends) - 1
		errs = append(errs, s.ends[last]())
		s.ends = s.ends[:last]
	}
	return errors.Join(errs...)
}

// build makes everything ready. What it opened, end closes.
func (s *stage) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		func(context.Context) error { return s.listen() },
		func(context.Context) error { return s.openDir() },
		func(context.Context) error { return s.openMail() },
		s.openDesk, s.openPages, s.invite, s.equip,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) openDir() error {
	if s.Dir == "" {
		dir, err := os.MkdirTemp("", "resetdesk-demo-")
		if err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		s.Dir = dir
		s.atEnd(func() error { return os.RemoveAll(dir) })
		return nil
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if _, err := os.Stat(s.database()); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already: the demo begins anew each time, give it an empty directory", s.database())
	}
	return nil
}

func (s *stage) database() string { return filepath.Join(s.Dir, "demo.db") }

// openMail starts the two mail servers, each on a loopback port of its own.
func (s *stage) openMail() (err error) {
	if s.imap, err = mailtest.NewIMAP(mailtest.IMAPOptions{User: support, Password: "mailbox"}); err != nil {
		return err
	}
	s.atEnd(s.imap.Close)
	if s.smtp, err = mailtest.NewSMTP(mailtest.SMTPOptions{Keep: 200}); err != nil {
		return err
	}
	s.atEnd(s.smtp.Close)
	s.smtp.OnMail(func(mailtest.Delivered) { s.sent.Add(1) })
	return nil
}

// openDesk opens the desk with its two arms into the post.
func (s *stage) openDesk(ctx context.Context) error {
	var err error
	if s.accounts, err = readAccounts(); err != nil {
		return err
	}
	if s.zone, err = newZone(s.accounts); err != nil {
		return err
	}
	keys, err := totp.NewKeyring()
	if err != nil {
		return err
	}
	if err := keys.Write(filepath.Join(s.Dir, "demo.keys")); err != nil {
		return err
	}
	text, err := chain.NewKey(s.deskLine.Addr().String())
	if err != nil {
		return err
	}
	auditKey, err := chain.ParseKey(text)
	if err != nil {
		return err
	}
	inHost, inPort := hostPort(s.imap.Addr())
	outHost, outPort := hostPort(s.smtp.Addr())
	s.postman = &mailbox.Postman{Log: s.Log, Config: mailbox.PostmanConfig{Host: outHost, Port: outPort, Security: mailbox.Plain}}
	s.desk, err = review.Open(ctx, review.Config{
		Path: s.database(), Keys: keys, AuditKey: auditKey, Log: s.Log, Policy: s.policy(), Brand: brand, Phone: phoneNo,
		BaseURL: s.deskURL(), Panel: s.panelURL(), From: mail.Address{Name: brand + " Support", Address: support},
		Addresses: []string{support}, Resolver: s.zone, LettersReady: s.postman.Kick,
		TOTP: totp.Policy{Issuer: brand, MandatoryFrom: time.Now().AddDate(0, 0, 14)},
	})
	if err != nil {
		return err
	}
	s.atEnd(s.desk.Close)
	s.postman.Outbox = s.desk
	s.watcher = &mailbox.Watcher{Inbox: s.desk, Log: s.Log, Config: mailbox.WatcherConfig{
		Mailbox: support, Host: inHost, Port: inPort, Security: mailbox.Plain, User: support, Poll: 5 * time.Second,
		Password: func(context.Context) (string, error) { return "mailbox", nil }}}
	if s.key, _, err = s.desk.AddAPIKey(ctx, review.APIKey{Name: "control panel", Scopes: []review.Scope{review.AccountsWrite, review.CasesWrite}}); err != nil {
		return err
	}
	return s.importAccounts(ctx)
}

// policy is the balanced preset with another clock.
func (s *stage) policy() review.Policy {
	p := review.Balanced
	p.Low.Wait, p.Medium.Wait, p.High.Wait = s.Wait, s.Wait, s.Wait
	return p
}

// openPages parses the demo's own pages and opens those of the product.
func (s *stage) openPages(context.Context) error {
	var err error
	if s.pages, err = openPages(); err != nil {
		return err
	}
	s.factor, err = panel.New(panel.Config{Book: s.desk.Book(), Identify: s.identify, Proved: s.proved, Path: factorPath,
		Done: "/account", Brand: brand, Support: support, Lost: "/lost", Frame: s.frame, Log: s.Log})
	if err != nil {
		return err
	}
	s.challenge, err = s.factor.Challenge(panel.Challenge{Waiting: s.waiting, Passed: s.passed, Elsewhere: "/"})
	if err != nil {
		return err
	}
	s.deskPages, err = ui.New(ui.Config{Desk: s.desk, BaseURL: s.deskURL(), Brand: brand, Log: s.Log, Status: s.lights, Banner: s.banner(), Connections: s.connections(), Guide: firstrun.Guide()})
	return err
}

// lights are the lamps of the desk's queue page.
func (s *stage) lights() []ui.Line {
	in, out := s.watcher.Status(), s.postman.Status()
	lines := []ui.Line{{OK: in.Connected, Text: "Mailbox connected", At: in.LastPoll}, {OK: out.LastError == "", Text: "Letters go out"}}
	if !in.Connected {
		lines[0].Text = "Mailbox not connected. " + in.LastError
	}
	if out.LastError != "" {
		lines[1].Text = "Letters wait. " + out.LastError
	}
	return lines
}

// connections are what an admin can try, against the demo's own servers.
func (s *stage) connections() []ui.Connection {
	return []ui.Connection{
		{Name: "Mailbox " + support, Where: s.imap.Addr(), Test: func(ctx context.Context) (ui.Found, error) {
			names, err := mailbox.Folders(ctx, s.watcher.Config)
			return ui.Found{Words: "signed in, and can read INBOX", Lines: []string{"Folders there: " + strings.Join(names, ", ")}}, err
		}},
		{Name: "Outgoing mail", Where: s.smtp.Addr(), Sends: true, Test: func(ctx context.Context) (ui.Found, error) {
			return ui.Found{Words: "the server answers"}, mailbox.TrySignIn(ctx, s.postman.Config)
		}},
	}
}

// host is where a listener is, with a name if one was asked for.
func (s *stage) host(l net.Listener) string {
	host, port := hostPort(l.Addr().String())
	return net.JoinHostPort(cmp.Or(s.name, host), strconv.Itoa(port))
}

func (s *stage) url(l net.Listener) string { return "http://" + s.host(l) }

func (s *stage) guideURL() string { return s.url(s.guideLine) }
func (s *stage) panelURL() string { return s.url(s.panelLine) }
func (s *stage) deskURL() string  { return s.url(s.deskLine) }

// banner is what stands on top of every page.
func (s *stage) banner() string {
	return fmt.Sprintf("Demo: invented people, real desk. The waiting period is %s instead of hours. Guide: %s", inWords(s.Wait), s.guideURL())
}

// inWords writes whole seconds and hours in words, anything else as Go does.
func inWords(d time.Duration) string {
	switch {
	case d == time.Second:
		return "1 second"
	case d%time.Second == 0 && d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " seconds"
	case d%time.Hour == 0 && d > time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	}
	return d.String()
}

// hostPort takes an address of our own listener apart.
func hostPort(address string) (string, int) {
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	return host, port
}

// programme is what is printed at the start.
func (s *stage) programme() string {
	return fmt.Sprintf(`resetdesk demo: a support desk, a control panel and their mail, all in this process.

  Begin here  %s   guide, mail, phone
  Panel       %s   where customers sign in       jane / %s
  Desk        %s   where support decides         %s / %s

In two minutes:
  1  Panel: sign in as jane and set up two-factor authentication with the pretend phone.
  2  Phone: lose it. The password alone does not let jane in any more.
  3  Mail: write to support as jane's admin, then open the link in the letter that comes back.
  4  Desk: sign in as Rita with the code of her phone, read the evidence, approve.
  5  Wait %s (hours in real life). The letters go out, one with jane's enrollment pass.
  6  Panel: sign in as jane, give the pass, set up a new phone. Domain transfers stay on hold.
  Then play the impostors on the mail page, and undo the reset from its letter.

Ctrl-C ends it.
`, s.guideURL(), s.panelURL(), s.accounts[0].user("jane").Password, s.deskURL(), s.staff[0].Email, s.staff[0].Password, inWords(s.Wait))
}
