package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

const (
	north = "support@north.example"
	south = "support@south.example"
	away  = "away@gone.example" // a vacation program answers here that has never heard of RFC 3834
	kind  = "kind@kind.example" // one that has
	jane  = "jane@nowhere.example"
)

// TestLoop wires two resetdesks to each other, each the registered address of an
// account of the other, and to two vacation programs, whose addresses are contacts
// of both. Whatever sets something off, nobody gets more than one mail of anybody,
// for two days (promises, row 17). The letters are worded as requests, and all mail
// is signed, so that only the signs of automatic mail stand in the way; relays that
// take some of these away must not matter.
func TestLoop(t *testing.T) {
	strip := func(names ...string) func(raw []byte) []byte {
		return func(raw []byte) []byte {
			for _, n := range names {
				raw = regexp.MustCompile(`(?im)^`+n+`:.*\r\n([ \t].*\r\n)*`).ReplaceAll(raw, nil)
			}
			return raw
		}
	}
	for _, relay := range []struct {
		name  string
		strip func([]byte) []byte
		path  bool   // the delivering server writes Return-Path
		back  string // bounce address; {host} is the domain
		span  time.Duration
	}{
		{"nothing is lost on the way", strip(), true, "", 16 * time.Hour},
		{"a bounce address with tokens", strip(), true, "support+{token}@{host}", 2 * time.Hour},
		{"only Auto-Submitted is left", strip("X-[a-z-]*", "Precedence"), false, "", 2 * time.Hour},
		{"only the mark is left", strip("Auto-Submitted", "X-Auto-Response-Suppress"), false, "", 2 * time.Hour},
		{"only the return path is left", strip("Auto-Submitted", "X-[a-z-]*"), true, "", 2 * time.Hour},
	} {
		t.Run(relay.name, func(t *testing.T) {
			dir, err := os.MkdirTemp(memory(), "resetdesk")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			synctest.Test(t, func(t *testing.T) {
				s := &street{t: t, dir: dir, zone: sendertest.Zone{}, strip: relay.strip, path: relay.path, back: relay.back, span: relay.span, signatures: map[string]*mailbox.Signature{},
					sent: map[string]int{}, answered: map[string]time.Time{}}
				for _, d := range []string{"north.example", "south.example", "gone.example", "kind.example"} {
					s.signature(d)
				}
				s.north, s.south = s.open(north, south), s.open(south, north)
				defer s.close()
				s.live()
			})
		})
	}
}

// A street is all that is wired together.
type street struct {
	t            *testing.T
	dir          string
	zone         sendertest.Zone
	strip        func([]byte) []byte
	path         bool
	back         string
	span         time.Duration // from one trigger to the next
	signatures   map[string]*mailbox.Signature
	north, south *host
	programs     sync.WaitGroup // of vacation

	mu       sync.Mutex
	serial   int
	sent     map[string]int       // "from > to", since the last trigger
	answered map[string]time.Time // by the honest program
}

func (s *street) signature(domain string) {
	key, err := mailbox.NewSignatureKey("ed25519")
	file := filepath.Join(s.dir, domain+".pem")
	if err == nil {
		err = os.WriteFile(file, key, 0o600)
	}
	if err == nil {
		s.signatures[domain], err = mailbox.LoadSignature(domain, "s1", file)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.zone[s.signatures[domain].Name()] = []string{s.signatures[domain].Record()}
}

// A host is one resetdesk with its mail servers.
type host struct {
	address            string
	desk               *review.Desk
	imap               *mailtest.IMAP
	smtp               *mailtest.SMTP
	imapLink, smtpLink *link
	stop               context.CancelFunc
	all                sync.WaitGroup
}

// open starts the desk at address, with accounts whose admins are peer and away.
func (s *street) open(address, peer string) *host {
	t := s.t
	_, domain, _ := strings.Cut(address, "@")
	h := &host{address: address, imapLink: newLink(), smtpLink: newLink()}
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	if h.imap, err = mailtest.NewIMAP(mailtest.IMAPOptions{Listener: h.imapLink}); err != nil {
		t.Fatal(err)
	}
	if h.smtp, err = mailtest.NewSMTP(mailtest.SMTPOptions{Listener: h.smtpLink}); err != nil {
		t.Fatal(err)
	}
	h.smtp.OnMail(func(m mailtest.Delivered) { s.carry(m.From, address, m.To, m.Raw) })
	postman := &mailbox.Postman{Dial: h.smtpLink.dial, Config: mailbox.PostmanConfig{Host: "127.0.0.1", Security: mailbox.Plain, Poll: 10 * time.Minute}}
	h.desk, err = review.Open(t.Context(), review.Config{Path: filepath.Join(s.dir, domain+".db"), Keys: keys, Log: slog.New(slog.DiscardHandler), Brand: "Example",
		BaseURL: "https://reset." + domain, From: mail.Address{Name: "Support", Address: address}, Addresses: []string{address}, Resolver: s.zone,
		BounceAddress: strings.Replace(s.back, "{host}", domain, 1), Signature: s.signatures[domain], Letters: s.pleading(), LettersReady: postman.Kick,
		Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := review.ReadAccounts(strings.NewReader("account_id,account_name,locale,user_id,login,email,role,api_only,notify\n" +
		"A-1,Peer Ltd,en,U-1,peer," + peer + ",admin,0," + kind + "\nA-1,Peer Ltd,en,U-2,boss," + away + ",admin,0,\nA-1,Peer Ltd,en,U-3,jane," + jane + ",user,0,\n"))
	if err == nil {
		_, err = h.desk.Import(t.Context(), rows, "test", false, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := h.desk.Book().Begin(t.Context(), "U-3", "jane", totp.Proof{})
	if err == nil {
		_, err = h.desk.Book().Confirm(t.Context(), "U-3", e.ID, code(t, e.Key.Secret().Base32(), time.Now()))
	}
	if err != nil {
		t.Fatal(err)
	}
	postman.Outbox = h.desk
	watcher := &mailbox.Watcher{Inbox: h.desk, Dial: h.imapLink.dial, Config: mailbox.WatcherConfig{Mailbox: "support", Host: "127.0.0.1", Security: mailbox.Plain, Poll: time.Hour,
		User: h.imap.User, Password: func(context.Context) (string, error) { return h.imap.Password, nil }}}
	var ctx context.Context
	ctx, h.stop = context.WithCancel(t.Context())
	for _, run := range []func(context.Context) error{postman.Run, watcher.Run, h.desk.Run} {
		h.all.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("run: %v", err)
			}
		})
	}
	return h
}

// pleading are letters that ask for what they tell of.
func (s *street) pleading() *letters.Set {
	text, err := letters.File("en")
	if err != nil {
		s.t.Fatal(err)
	}
	dir := filepath.Join(s.dir, "letters")
	plea := regexp.MustCompile(`(\{\{define "[a-z]+\.text"\}\})`).ReplaceAll(text, []byte("${1}Hello, jane lost the phone and has no backup codes. Please reset the two-factor authentication of the user jane.\n\n"))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "en.tmpl"), plea, 0o644)); err != nil {
		s.t.Fatal(err)
	}
	set, err := letters.Load(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

func (s *street) close() {
	for _, h := range []*host{s.north, s.south} {
		h.stop()
		h.imap.CutAll()
		h.smtp.CutAll()
		h.all.Wait()
		_, _ = h.imapLink.Close(), h.smtpLink.Close()
		if err := errors.Join(h.desk.Close(), h.imap.Close(), h.smtp.Close()); err != nil {
			s.t.Error(err)
		}
	}
	s.programs.Wait()
}

// carry takes a mail from who wrote it to the mailbox of whom it is for.
func (s *street) carry(path, from, to string, raw []byte) {
	s.mu.Lock()
	s.sent[from+" > "+to]++
	s.mu.Unlock()
	raw = s.strip(raw)
	if s.path {
		raw = append([]byte("Return-Path: <"+path+">\r\n"), raw...)
	}
	local, domain, _ := strings.Cut(to, "@")
	bare, _, _ := strings.Cut(local, "+")
	switch bare + "@" + domain {
	case north:
		s.append(s.north, raw)
	case south:
		s.append(s.south, raw)
	case away:
		s.programs.Go(func() { s.rude(path, from, raw) })
	case kind:
		s.programs.Go(func() { s.honest(path, raw) })
	}
}

func (s *street) append(h *host, raw []byte) {
	if _, err := h.imap.Append("INBOX", raw); err != nil {
		s.t.Error(err)
	}
}

// rude answers everything, at the return path if there is one, with a fresh
// Message-ID and nothing that says what it is; it quotes the whole letter.
func (s *street) rude(path, from string, raw []byte) {
	time.Sleep(time.Minute)
	if path == "" {
		path = from
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		s.t.Error(err)
		return
	}
	_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	s.post(away, path, "Re: "+m.Header.Get("Subject"), "Content-Type: "+m.Header.Get("Content-Type")+"\r\n", strings.Replace(body, "Hello, ", "I am away until 5 December. You wrote: Hello, ", 1))
}

// honest answers as RFC 3834 wants it: no automatic mail, nobody twice in a week.
func (s *street) honest(path string, raw []byte) {
	time.Sleep(time.Minute)
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	again := time.Since(s.answered[path]) < 7*24*time.Hour
	if path != "" {
		s.answered[path] = time.Now()
	}
	s.mu.Unlock()
	if path == "" || again || m.Header.Get("Auto-Submitted") != "" || m.Header.Get("X-Auto-Response-Suppress") != "" {
		return
	}
	s.post(kind, path, "Auto: "+m.Header.Get("Subject"), "Auto-Submitted: auto-replied\r\nIn-Reply-To: "+m.Header.Get("Message-ID")+"\r\n", "I am away until 5 December.\r\n")
}

// post writes a mail, signs it as its server does, and sends it.
func (s *street) post(from, to, subject, more, text string) {
	s.mu.Lock()
	s.serial++
	id := s.serial
	s.mu.Unlock()
	_, domain, _ := strings.Cut(from, "@")
	raw := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d@mail.%s>\r\nMIME-Version: 1.0\r\n%s\r\n%s", from, to,
		strings.ReplaceAll(subject, "\r\n", ""), time.Now().Format(time.RFC1123Z), id, domain, more, text)
	signed, err := s.signatures[domain].Sign([]byte(raw))
	if err != nil {
		s.t.Error(err)
		return
	}
	s.carry(from, from, to, signed)
}

// live sets one thing off after another, and watches what comes of it.
func (s *street) live() {
	plea := "Hello, jane lost the phone and has no backup codes. Please reset the two-factor authentication of the user jane.\r\n"
	plain := "Content-Type: text/plain\r\n"
	for _, trigger := range []struct {
		name   string
		pull   func()
		expect []string
	}{
		{"south's staff ask north", func() { s.post(south, north, "2FA reset", plain, plea) },
			[]string{south + " > " + north, north + " > " + south, north + " > " + away, north + " > " + kind, north + " > " + jane, away + " > " + north}},
		{"north's staff ask south", func() { s.post(north, south, "2FA reset", plain, plea) },
			[]string{north + " > " + south, south + " > " + north, south + " > " + away, south + " > " + kind, south + " > " + jane, away + " > " + south}},
		{"who is away asks north", func() { s.post(away, north, "2FA reset", plain, strings.ReplaceAll(plea, "jane", "boss")) },
			[]string{away + " > " + north, north + " > " + away, north + " > " + south, north + " > " + kind}},
	} {
		time.Sleep(10 * time.Minute)
		s.mu.Lock()
		s.sent = map[string]int{}
		s.mu.Unlock()
		cases := s.cases()
		trigger.pull()
		time.Sleep(s.span - 10*time.Minute)
		synctest.Wait()
		s.judge(trigger.name, trigger.expect, s.cases()-cases)
	}
	s.fates(s.north, south)
	s.fates(s.south, north)
}

// judge counts who wrote to whom since the trigger. The answer of the rude program
// to a letter that it set off itself is its second mail, and ends there.
func (s *street) judge(name string, expect []string, cases int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	var said []string
	for way, n := range s.sent {
		total += n
		said = append(said, fmt.Sprintf("%s %d", way, n))
		most := 1
		if strings.HasPrefix(name, "who is away") && way == expect[0] {
			most = 2
		}
		bare := regexp.MustCompile(`\+b[^@]*@`).ReplaceAllString(way, "@")
		if n > most || !slices.Contains(expect, bare) {
			s.t.Errorf("%s: %s: %d mails, want at most %d", name, way, n, most)
		}
	}
	for _, way := range expect {
		n := 0
		for w, k := range s.sent {
			if regexp.MustCompile(`\+b[^@]*@`).ReplaceAllString(w, "@") == way {
				n += k
			}
		}
		if n == 0 {
			s.t.Errorf("%s: no mail %s: the wire is cut", name, way)
		}
	}
	slices.Sort(said)
	s.t.Logf("%s: %d mails in %s, %d cases: %s", name, total, s.span, cases, strings.Join(said, ", "))
	if cases > 1 {
		s.t.Errorf("%s: %d cases", name, cases)
	}
}

func (s *street) cases() (n int) {
	for _, h := range []*host{s.north, s.south} {
		_, domain, _ := strings.Cut(h.address, "@")
		db := plainSQL(s.t, filepath.Join(s.dir, domain+".db"))
		var k int
		if err := db.QueryRow(`SELECT count(*) FROM reset_case`).Scan(&k); err != nil {
			s.t.Fatal(err)
		}
		n += k
		db.Close()
	}
	return n
}

// fates: every letter of the other desk is automatic here, and nothing waits.
func (s *street) fates(h *host, peer string) {
	_, domain, _ := strings.Cut(h.address, "@")
	db := plainSQL(s.t, filepath.Join(s.dir, domain+".db"))
	defer db.Close()
	rows, err := db.Query(`SELECT coalesce(i.fate, 'none'), i.reason, coalesce(a.from_addr, ''), coalesce(a.subject, '') FROM inbound i LEFT JOIN assessment a ON a.inbound_id = i.id ORDER BY i.id`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var fate, reason, from, subject string
		if err := rows.Scan(&fate, &reason, &from, &subject); err != nil {
			s.t.Fatal(err)
		}
		if fate == "none" || from == peer && strings.HasPrefix(subject, "[") && fate != "automatic" {
			s.t.Errorf("%s: a mail of %s is %s: %s", h.address, from, fate, reason)
		}
	}
}
