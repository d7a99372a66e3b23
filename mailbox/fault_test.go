package mailbox_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// TestPoisonMail has one mail in the middle that cannot be read, in every way a server has for that. The others arrive,
// the poisoned one gets a visible row, and with its body when the server recovers.
func TestPoisonMail(t *testing.T) {
	const all, bad = 120, 70 // mail 70 concerns us
	tests := []struct {
		name   string
		strike func(*mailtest.IMAP, int)
		reason string
	}{
		{"hidden", func(s *mailtest.IMAP, n int) { s.Hide(bad, n) }, "does not hand it out"},
		{"garbage", func(s *mailtest.IMAP, n int) { s.Garbage(bad, n) }, "connection breaks"},
		{"refused", func(s *mailtest.IMAP, n int) { s.RefuseMail(bad, n) }, "refuses to hand out this mail: fetch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newIMAP(t, mailtest.IMAPOptions{})
			fill(t, s, 1, all)
			tt.strike(s, -1)
			in := newShelf(t)
			c := config(s.Addr(), s.User, s.Password)
			c.Unfetchable = []time.Duration{100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond,
				100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond}
			watch(t, c, in)
			in.until("all mails", func() bool { return in.cursor("INBOX").UID == all })
			for _, m := range in.all("INBOX") {
				if (m.UID == bad) != (m.Unfetchable != "") {
					t.Fatalf("mail %d: unfetchable %q", m.UID, m.Unfetchable)
				}
				if m.UID == bad && (!strings.Contains(m.Unfetchable, tt.reason) || m.Raw != nil) {
					t.Fatalf("mail %d: %q, raw %q", m.UID, m.Unfetchable, m.Raw)
				}
			}
			tt.strike(s, 0)
			in.until("the mail itself", func() bool { return in.all("INBOX")[bad-1].Unfetchable == "" })
			complete(t, in, 1, all)
		})
	}
}

// TestPoisonBody can be read but for its body.
func TestPoisonBody(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 60)
	s.OnCommand(func(line string) mailtest.Fault {
		if mailtest.Verb(line) == "UID FETCH" && strings.Contains(line, "BODY.PEEK[]") && asks(line, 30) {
			return mailtest.Cut
		}
		return mailtest.Pass
	})
	in := newShelf(t)
	c := config(s.Addr(), s.User, s.Password)
	c.Unfetchable = []time.Duration{time.Hour}
	watch(t, c, in)
	in.until("all mails", func() bool { return in.cursor("INBOX").UID == 60 })
	for _, m := range in.all("INBOX") {
		switch {
		case m.UID == 30 && (m.Unfetchable == "" || m.Header == nil || m.Raw != nil):
			t.Errorf("mail 30: %+v", m)
		case m.UID != 30 && (m.Unfetchable != "" || (m.Raw != nil) != (m.UID%10 == 0)):
			t.Errorf("mail %d: %+v", m.UID, m)
		}
	}
}

// TestPoisonIsFoundSoon: a mail that breaks the connection costs four of them, however many mails are read with it: one
// that says where it lies, and those that the mail alone may end.
func TestPoisonIsFoundSoon(t *testing.T) {
	const all, perMail = 1500, 4
	poison := []uint32{1, 130, 131, 1499}
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, all)
	for _, uid := range poison {
		s.Garbage(uid, -1)
	}
	in := newShelf(t)
	c := config(s.Addr(), s.User, s.Password)
	c.Unfetchable = []time.Duration{time.Hour}
	watch(t, c, in)
	in.until("all mails", func() bool { return in.cursor("INBOX").UID == all })
	for _, m := range in.all("INBOX") {
		if slices.Contains(poison, m.UID) != (m.Unfetchable != "") {
			t.Fatalf("mail %d: unfetchable %q", m.UID, m.Unfetchable)
		}
	}
	n := s.Connections()
	t.Logf("%d connections for %d mails with %d that break them", n, all, len(poison))
	if n > 1+perMail*len(poison) {
		t.Errorf("%d connections, want at most %d", n, 1+perMail*len(poison))
	}
}

// TestPoisonHeader dies on the selected fields (as Dovecot does on a line of 10 MB), but hands out the plain bytes.
func TestPoisonHeader(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 60)
	s.OnCommand(func(line string) mailtest.Fault {
		if strings.Contains(line, "HEADER.FIELDS") && asks(line, 30) {
			return mailtest.Cut
		}
		return mailtest.Pass
	})
	in := newShelf(t)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("all mails", func() bool { return in.cursor("INBOX").UID == 60 })
	if m := in.all("INBOX")[29]; m.Unfetchable != "" || !bytes.Equal(m.Raw, letter(30)) || !bytes.Contains(m.Header, []byte("2FA")) {
		t.Errorf("mail 30: %+v", m)
	}
}

// TestLongHeader: where the fields that matter stand behind more than is read of a header, the mail is read all the same,
// and of one whose fields are cut from its plain bytes others take up no room.
func TestLongHeader(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	for _, field := range []string{"X-Long", "References"} {
		if _, err := s.Append("INBOX", append([]byte(field+":"+strings.Repeat(" <a@b.example>\r\n", 1600)), letter(30)...)); err != nil {
			t.Fatal(err)
		}
	}
	s.OnCommand(func(line string) mailtest.Fault {
		if strings.Contains(line, "HEADER.FIELDS") && asks(line, 1) {
			return mailtest.Cut
		}
		return mailtest.Pass
	})
	in := newShelf(t)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("both mails", func() bool { return in.cursor("INBOX").UID == 2 })
	for i, m := range in.all("INBOX") {
		if !bytes.HasSuffix(m.Raw, letter(30)) {
			t.Errorf("mail %d was not read: header %.60q of %d bytes", i+1, m.Header, len(m.Header))
		}
	}
}

// asks tells whether a UID FETCH line names uid.
func asks(line string, uid int) bool {
	f := strings.Fields(line)
	if len(f) < 4 {
		return false
	}
	for set := range strings.SplitSeq(f[3], ",") {
		from, to, ranged := strings.Cut(set, ":")
		if !ranged {
			to = from
		}
		if number(from) <= uid && uid <= number(to) {
			return true
		}
	}
	return false
}

func number(s string) (n int) {
	for _, d := range s {
		n = n*10 + int(d-'0')
	}
	return n
}

// TestFlagsFirst: somebody sets a flag while we read, and the server says so before the mail's real answer.
func TestFlagsFirst(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 40)
	s.Flagged(20, 1)
	in := newShelf(t)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("all mails", func() bool { return in.cursor("INBOX").UID == 40 })
	complete(t, in, 1, 40)
}

// TestCutAnywhere cuts the server's side of the session after every n-th byte.
func TestCutAnywhere(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 12)
	for n := int64(1); n < 7000; n += 173 {
		in := newShelf(t)
		s.CutAfter(n)
		_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
		time.Sleep(10 * time.Millisecond)
		s.CutAfter(0)
		in.until("all mails", func() bool { return in.cursor("INBOX").UID == 12 })
		stop()
		list := in.all("INBOX")
		if len(list) != 12 {
			t.Fatalf("cut after %d: %d mails", n, len(list))
		}
	}
}

// TestSilence: a server that stops answering, at any point, is left and asked again.
func TestSilence(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 12)
	for _, n := range []int64{1, 60, 300, 900, 2500} {
		in := newShelf(t)
		s.SilentAfter(n)
		c := config(s.Addr(), s.User, s.Password)
		c.Greeting, c.Command, c.Body = 150*time.Millisecond, 150*time.Millisecond, 300*time.Millisecond
		w, stop := watch(t, c, in)
		in.until("the silence is noticed", func() bool { return w.Status().LastError != "" })
		s.SilentAfter(0)
		in.until("all mails", func() bool { return in.cursor("INBOX").UID == 12 })
		stop()
		complete(t, in, 1, 12)
	}
}

// TestDeadIdle: the link dies while we wait. The poll finds out.
func TestDeadIdle(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	in := newShelf(t)
	c := config(s.Addr(), s.User, s.Password)
	c.Command, c.Poll = 200*time.Millisecond, 100*time.Millisecond
	watch(t, c, in)
	in.until("the first look", func() bool { return in.cursor("INBOX").UIDValidity != 0 })
	before := s.Connections()
	s.OnCommand(func(string) mailtest.Fault { return mailtest.Silent })
	fill(t, s, 1, 2)
	in.until("a new connection", func() bool { return s.Connections() > before })
	s.OnCommand(nil)
	in.until("the mails", func() bool { return in.count() == 2 })
}

func TestWrongPassword(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{Folders: []string{"Junk", "Other"}})
	in := newShelf(t)
	c := config(s.Addr(), s.User, "wrong")
	c.Folders = []string{"INBOX", "Junk", "Other"}
	c.Backoff = func(n int) time.Duration {
		if n > 100 {
			return time.Hour // what the watcher calls long
		}
		return time.Millisecond
	}
	w, _ := watch(t, c, in)
	in.until("an alarm", func() bool { return w.Status().Alarm && s.SignIns() == 3 })
	time.Sleep(100 * time.Millisecond)
	if n := s.SignIns(); n != 3 {
		t.Errorf("%d sign-ins with a wrong password", n)
	}
	st := w.Status()
	if st.Folders[0].State != "sign-in refused" || !strings.Contains(st.LastError, "sign-in refused") {
		t.Errorf("%+v", st)
	}
	if strings.Contains(st.LastError, "wrong") {
		t.Error("the password is in the status")
	}
}

// TestTrust: a server that cannot prove who it is, or offers no TLS, sees not one byte of the credentials.
func TestTrust(t *testing.T) {
	const user, password = "canary-user", "canary-password"
	pool, cert := certificate(t)
	tests := []struct {
		name     string
		o        mailtest.IMAPOptions
		security mailbox.Security
		roots    *x509.CertPool
		server   string
		ok       bool
	}{
		{"tls", mailtest.IMAPOptions{TLS: cert, Implicit: true}, mailbox.TLS, pool, "example.com", true},
		{"starttls", mailtest.IMAPOptions{TLS: cert}, mailbox.StartTLS, pool, "example.com", true},
		{"tls, unknown authority", mailtest.IMAPOptions{TLS: cert, Implicit: true}, mailbox.TLS, x509.NewCertPool(), "example.com", false},
		{"tls, wrong name", mailtest.IMAPOptions{TLS: cert, Implicit: true}, mailbox.TLS, pool, "mail.support.example", false},
		{"starttls, unknown authority", mailtest.IMAPOptions{TLS: cert}, mailbox.StartTLS, x509.NewCertPool(), "example.com", false},
		{"starttls, wrong name", mailtest.IMAPOptions{TLS: cert}, mailbox.StartTLS, pool, "mail.support.example", false},
		{"starttls stripped", mailtest.IMAPOptions{}, mailbox.StartTLS, pool, "example.com", false},
		{"no tls at all", mailtest.IMAPOptions{}, mailbox.TLS, pool, "example.com", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.User, tt.o.Password = user, password
			s := newIMAP(t, tt.o)
			if _, err := s.Append("INBOX", letter(1)); err != nil {
				t.Fatal(err)
			}
			c := config(s.Addr(), user, password)
			c.Security, c.TLS = tt.security, &tls.Config{RootCAs: tt.roots, ServerName: tt.server}
			c.Greeting = 500 * time.Millisecond
			in := newShelf(t)
			w, _ := watch(t, c, in)
			if tt.ok {
				in.until("the mail", func() bool { return in.count() == 1 })
				return
			}
			in.until("an error", func() bool { return w.Status().LastError != "" })
			for _, l := range s.Commands() {
				if v := mailtest.Verb(l); v == "LOGIN" || v == "AUTHENTICATE" || strings.Contains(l, "canary") {
					t.Errorf("sent %q", l)
				}
			}
			if s.SignIns() != 0 {
				t.Error("signed in")
			}
		})
	}
}

// certificate is the test certificate of net/http/httptest, valid for example.com and 127.0.0.1, and a pool that trusts
// it.
func certificate(t *testing.T) (*x509.CertPool, *tls.Config) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	return pool, &tls.Config{Certificates: web.TLS.Certificates}
}

// TestPlainNeverLeaves: a name that only looks like loopback gets no byte.
func TestPlainNeverLeaves(t *testing.T) {
	for _, host := range []string{"localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", "10.0.0.1", "::", "localhost."} {
		c := config("127.0.0.1:1", "u", "p")
		c.Host = host
		w := &mailbox.Watcher{Config: c, Inbox: newShelf(t)}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.Run(ctx); err == nil {
			t.Errorf("%q counts as loopback", host)
		}
	}
}

// TestStopNeverHangs stops a watcher in every state of a server that does not answer.
func TestStopNeverHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, stop := watch(t, config(l.Addr().String(), "u", "p"), newShelf(t))
	time.Sleep(30 * time.Millisecond)
	stop()
	for _, verb := range []string{"AUTHENTICATE", "EXAMINE", "UID SEARCH", "UID FETCH", "IDLE", "DONE"} {
		s := newIMAP(t, mailtest.IMAPOptions{})
		fill(t, s, 1, 10)
		seen := make(chan struct{}, 100)
		s.OnCommand(func(line string) mailtest.Fault {
			if mailtest.Verb(line) == verb {
				seen <- struct{}{}
				return mailtest.Silent
			}
			return mailtest.Pass
		})
		_, stop := watch(t, config(s.Addr(), s.User, s.Password), newShelf(t))
		select {
		case <-seen:
		case <-time.After(5 * time.Second):
			t.Errorf("%s never came", verb)
		}
		stop()
	}
}

// TestServerGone: nothing listens.
func TestServerGone(t *testing.T) {
	s, err := mailtest.NewIMAP(mailtest.IMAPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("an error", func() bool { return w.Status().LastError != "" })
	if st := w.Status(); st.Connected || st.Alarm {
		t.Errorf("%+v", st)
	}
}
