package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/review"
)

// mixedMail is the n-th mail of a busy support mailbox.
func mixedMail(n int) []byte {
	who := n / 100 % 20
	head := func(from, subject, more string) string {
		return fmt.Sprintf("From: <%s>\nTo: <support@host.example>\nSubject: %s\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <books%d@elsewhere.example>\n%s\n", from, subject, n, more)
	}
	admin := fmt.Sprintf("admin@company%d.example", who)
	switch n % 100 {
	case 1:
		return []byte(head(admin, "Please reset 2FA", "") + fmt.Sprintf("Our user user%d lost the phone, please reset the two-factor authentication.\n", who))
	case 2:
		return []byte(head(admin, "Invoice", "") + "Thank you for the invoice.\n")
	case 3:
		return []byte(head(admin, "Out of office", "Auto-Submitted: auto-replied\n") + "I am away.\n")
	case 4:
		return []byte(head("stranger@elsewhere.example", "2FA reset", "") + "Please reset my 2FA.\n")
	case 5:
		if n%200 > 100 {
			return []byte("\x00\xff 2FA, and no mail at all")
		}
		return []byte(head(admin, "2FA reset", "From: <second@elsewhere.example>\n") + "Two say that they wrote this.\n")
	case 6:
		return []byte{}
	case 7:
		return append([]byte(head(admin, "log file", "")), bytes.Repeat([]byte("a line of a log that nobody needs to read\n"), 1+n%1000/500*32000)...)
	case 8:
		return []byte(head(admin, "Fwd: \u200b =?utf-8?B?////?=", "Content-Type: multipart/mixed; boundary=x\n") + "--x\n--x\n--x--\n")
	}
	return []byte(head(fmt.Sprintf("u%d@elsewhere.example", n), fmt.Sprintf("order %d", n), "") + strings.Repeat("An ordinary line.\n", n%40))
}

// A postbag puts mails into a Maildir as a delivery agent does.
type postbag struct {
	t *testing.T
	d *mailtest.Dovecot
	n int
}

// put delivers mail n; an unreadable one is there and cannot be opened.
func (b *postbag) put(folder string, n int, unreadable bool) {
	b.t.Helper()
	dir := b.d.MailDir
	if folder != "INBOX" {
		dir = filepath.Join(dir, "."+folder)
	}
	b.n++
	name := fmt.Sprintf("%d.M%d.host", 1_700_000_000+b.n, b.n)
	mode := os.FileMode(0o644)
	if unreadable {
		mode = 0
	}
	for _, sub := range []string{"tmp", "cur", "new"} {
		if _, err := os.Stat(filepath.Join(dir, sub)); err != nil {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				b.t.Fatal(err)
			}
			b.own(dir)
			b.own(filepath.Join(dir, sub))
		}
	}
	tmp := filepath.Join(dir, "tmp", name)
	if err := os.WriteFile(tmp, mixedMail(n), mode); err != nil {
		b.t.Fatal(err)
	}
	b.own(tmp)
	if err := os.Rename(tmp, filepath.Join(dir, "new", name)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *postbag) own(path string) {
	b.t.Helper()
	if err := b.d.Own(path); err != nil {
		b.t.Fatal(err)
	}
}

// TestConservation reads a mailbox of mixed mails in two folders from a real
// server that is killed five times meanwhile, into a real desk: received = sum of
// fates, each day and folder, and the server lists nothing that the desk does not
// know (promise 1). RESETDESK_MAILS is how many; the report is printed.
func TestConservation(t *testing.T) {
	mails := 1500
	if s := os.Getenv("RESETDESK_MAILS"); s != "" {
		var err error
		if mails, err = strconv.Atoi(s); err != nil || mails < 100 {
			t.Fatalf("RESETDESK_MAILS=%s: %v", s, err)
		}
	}
	p := newPractice(t)
	p.addAccounts(20)
	if err := p.dovecot.DeliverTo("Junk"); err != nil { // makes the folder
		t.Fatal(err)
	}
	t.Setenv("RESETDESK_MAILBOX_FOLDERS", "INBOX,Junk")
	bag := &postbag{t: t, d: p.dovecot}
	want := map[string]int{}
	deliver := func(from, to int) {
		for n := from; n <= to; n++ {
			folder := "INBOX"
			if n%10 == 9 {
				folder = "Junk"
			}
			bag.put(folder, n, n == mails/20 || n == mails/2)
			want[folder]++
			if n%100 == 1 && n%300 == 1 { // the same request in the other folder
				bag.put("Junk", n, false)
				want["Junk"]++
			}
		}
	}
	deliver(1, mails/10) // before the first look

	cfg, err := LoadConfig(p.config, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := openDesk(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer desk.Close()
	w := watchers(cfg, desk, slog.New(slog.DiscardHandler))[0]
	w.Config.Poll, w.Config.Backoff = 500*time.Millisecond, func(int) time.Duration { return 20 * time.Millisecond }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- w.Run(ctx) }()
	go func() { done <- desk.Run(ctx) }()
	defer func() {
		cancel()
		<-done
		<-done
	}()
	report := func() review.MailReport {
		t.Helper()
		r, err := review.ReadMailReport(t.Context(), cfg.Database.Path, 2)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	began := time.Now()
	rng := rand.New(rand.NewPCG(uint64(mails), 5))
	const reconnects = 5
	for i := range reconnects {
		deliver(mails/10+1+i*mails*9/10/reconnects, mails/10+(i+1)*mails*9/10/reconnects)
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		if err := p.dovecot.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := p.dovecot.Start(); err != nil {
			t.Fatal(err)
		}
	}
	total := want["INBOX"] + want["Junk"]
	var r review.MailReport
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if r = report(); r.Received >= total && r.Waiting == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d mails came, %d wait: %+v", r.Received, total, r.Waiting, w.Status())
		}
	}
	took := time.Since(began)
	w.Sweep()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if f := w.Status().Folders; !f[0].LastSweep.IsZero() && !f[1].LastSweep.IsZero() {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no sweep: %+v", w.Status())
		}
	}
	r = report()
	var text bytes.Buffer
	if err := printMailReport(&text, r, lateFolders(cfg, r.Looks, time.Now())); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d mails, %d times killed, %.1f s\n%s", total, reconnects, took.Seconds(), text.String())

	sum, perFolder := r.Waiting, map[string]int{}
	for _, d := range r.Days {
		day := d.Waiting
		for _, n := range d.Fates {
			day += n
		}
		if day != d.Received {
			t.Errorf("%s %s: %d received, %d have a fate", d.Day, d.Folder, d.Received, day)
		}
		perFolder[d.Folder] += d.Received
	}
	for _, f := range review.Fates {
		sum += r.Fates[f]
		if r.Fates[f] == 0 {
			t.Errorf("no mail has the fate %s", f)
		}
	}
	if !r.Balanced || r.Received != total || sum != total || perFolder["Junk"] != want["Junk"] {
		t.Errorf("%d delivered, %d received, %d have a fate, by folder %v of %v: %v", total, r.Received, sum, perFolder, want, r.Faults)
	}
	agree(t, &monitor{desk: desk, watching: []*mailbox.Watcher{w}, postman: &mailbox.Postman{}, log: slog.New(slog.DiscardHandler)}, r)
	for folder, n := range want { // the server's own list against ours
		g, err := mailbox.Peek(t.Context(), cfg.Mailbox.watcher(), folder, 0, nil)
		if err != nil || int(g.Mails) != n {
			t.Errorf("%s: the server lists %d mails, %d were delivered: %v", folder, g.Mails, n, err)
		}
		var uids []uint32
		for uid := uint32(1); uid <= g.Mails; uid++ {
			uids = append(uids, uid)
		}
		missing, err := desk.Missing(t.Context(), mailbox.Source{Mailbox: cfg.Mailbox.User, Folder: folder}, g.UIDValidity, uids)
		if err != nil || len(missing) > 0 {
			t.Errorf("%s: missing %v, %v", folder, missing, err)
		}
	}
}

// addAccounts registers more accounts than a practice has.
func (p *practice) addAccounts(n int) {
	p.t.Helper()
	cfg, err := LoadConfig(p.config, os.Environ())
	if err != nil {
		p.t.Fatal(err)
	}
	d, err := openDesk(p.t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer d.Close()
	csv := "account_id,account_name,locale,user_id,login,email,role,api_only,notify\n"
	for i := range n {
		csv += fmt.Sprintf("A-%d,Company %d,en,U-%d,user%d,admin@company%d.example,admin,0,notify@company%d.example\n", i, i, i, i, i, i)
	}
	rows, err := review.ReadAccounts(strings.NewReader(csv))
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := d.Import(p.t.Context(), rows, "test", true, false); err != nil {
		p.t.Fatal(err)
	}
}
