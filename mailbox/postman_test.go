package mailbox_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

func TestPostman(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{User: "desk", Password: "secret"})
	letters := []mailbox.Letter{post(1), post(2), post(3)}
	letters[1].From = "bounce@support.example"
	out := newRack(t, letters...)
	c := postConfig(s.Addr())
	c.User, c.Password = "desk", func(context.Context) (string, error) { return "secret", nil }
	p, _ := carry(t, c, out)
	out.until("three letters", func() bool { return len(out.sent) == 3 })
	for i, m := range s.Mails() {
		if !bytes.Equal(m.Raw, letters[i].Raw) || m.To != letters[i].To || m.From != letters[i].From {
			t.Errorf("letter %d: %+v", i, m)
		}
	}
	if s.Connections() != 1 {
		t.Errorf("%d connections for three letters", s.Connections())
	}
	if !slices.Contains(s.Commands(), "MAIL FROM:<> BODY=8BITMIME") {
		t.Errorf("no null reverse-path in %q", s.Commands())
	}
	// Where a bounce can come back it is asked to bring no more than the header; elsewhere nothing is asked for.
	if c := s.Commands(); !slices.Contains(c, "MAIL FROM:<bounce@support.example> BODY=8BITMIME RET=HDRS") ||
		!slices.Contains(c, "RCPT TO:<"+letters[1].To+"> NOTIFY=FAILURE,DELAY") || !slices.Contains(c, "RCPT TO:<"+letters[2].To+">") {
		t.Errorf("delivery reports are not asked for as they should be: %q", c)
	}
	if len(out.failed) != 0 || out.dots[1] != 1 {
		t.Errorf("failed %v, dots %v", out.failed, out.dots)
	}
	if st := p.Status(); st.LastSent.IsZero() || st.LastError != "" || st.Alarm {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(out.sent[1], "OK") {
		t.Errorf("response %q", out.sent[1])
	}
}

// TestPostmanFaults strikes every phase: as a failure, and as done but reported as failed. In the end each letter is
// there, and twice only where the server had stored it before it failed.
func TestPostmanFaults(t *testing.T) {
	tests := []struct {
		name   string
		step   mailtest.Step
		fault  mailtest.SMTPFault
		phase  mailbox.Phase
		code   int
		copies int
	}{
		{"no greeting", mailtest.Connect, mailtest.SMTPFault{Cut: true}, mailbox.Unsent, 0, 1},
		{"busy", mailtest.Connect, mailtest.SMTPFault{Code: 421, Text: "busy", Times: 2}, mailbox.Unsent, 421, 1},
		{"mail 4xx", mailtest.Mail, mailtest.SMTPFault{Code: 451, Text: "greylisted"}, mailbox.Deferred, 451, 1},
		{"mail 5xx", mailtest.Mail, mailtest.SMTPFault{Code: 550, Text: "no"}, mailbox.Refused, 550, 0},
		{"mail cut", mailtest.Mail, mailtest.SMTPFault{Cut: true}, mailbox.Unsent, 0, 1},
		{"mail hangs", mailtest.Mail, mailtest.SMTPFault{Hang: true}, mailbox.Unsent, 0, 1},
		{"sign-in needed", mailtest.Mail, mailtest.SMTPFault{Code: 530, Text: "sign in first"}, mailbox.Unsent, 530, 1},
		{"rcpt 4xx", mailtest.Rcpt, mailtest.SMTPFault{Code: 450, Text: "full"}, mailbox.Deferred, 450, 1},
		{"rcpt 5xx", mailtest.Rcpt, mailtest.SMTPFault{Code: 550, Text: "no such user"}, mailbox.Refused, 550, 0},
		{"rcpt 421", mailtest.Rcpt, mailtest.SMTPFault{Code: 421, Text: "going down"}, mailbox.Deferred, 421, 1},
		{"rcpt cut", mailtest.Rcpt, mailtest.SMTPFault{Cut: true}, mailbox.Unsent, 0, 1},
		{"data 4xx", mailtest.Data, mailtest.SMTPFault{Code: 451, Text: "later"}, mailbox.Deferred, 451, 1},
		{"data 5xx", mailtest.Data, mailtest.SMTPFault{Code: 554, Text: "never"}, mailbox.Refused, 554, 0},
		{"data cut", mailtest.Data, mailtest.SMTPFault{Cut: true}, mailbox.Unsent, 0, 1},
		{"data hangs", mailtest.Data, mailtest.SMTPFault{Hang: true}, mailbox.Unsent, 0, 1},
		{"dot 4xx", mailtest.Dot, mailtest.SMTPFault{Code: 452, Text: "disk full"}, mailbox.Deferred, 452, 1},
		{"dot 5xx", mailtest.Dot, mailtest.SMTPFault{Code: 554, Text: "spam"}, mailbox.Refused, 554, 0},
		{"dot cut", mailtest.Dot, mailtest.SMTPFault{Cut: true}, mailbox.Uncertain, 0, 1},
		{"dot hangs", mailtest.Dot, mailtest.SMTPFault{Hang: true}, mailbox.Uncertain, 0, 1},
		{"stored, then 4xx", mailtest.Stored, mailtest.SMTPFault{Code: 451, Text: "timeout"}, mailbox.Deferred, 451, 2},
		{"stored, then cut", mailtest.Stored, mailtest.SMTPFault{Cut: true}, mailbox.Uncertain, 0, 2},
		{"stored, then hangs", mailtest.Stored, mailtest.SMTPFault{Hang: true}, mailbox.Uncertain, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSMTP(t, mailtest.SMTPOptions{})
			s.Fault(tt.step, tt.fault)
			out := newRack(t, post(1), post(2))
			c := postConfig(s.Addr())
			c.Command, c.AfterDot = 300*time.Millisecond, 300*time.Millisecond
			carry(t, c, out)
			want := 2
			if tt.copies == 0 {
				want = 1
			}
			out.until("the letters", func() bool { return len(out.sent) == want && len(out.failed) == 1 })
			if o := out.failed[1]; len(o) != 1 || o[0].Phase != tt.phase || o[0].Code != tt.code {
				t.Errorf("outcome %+v, want %s %d", o, tt.phase, tt.code)
			}
			copies := 0
			for _, m := range s.Mails() {
				if m.To == post(1).To {
					copies++
					if !bytes.Equal(m.Raw, post(1).Raw) {
						t.Errorf("copy %d differs: %q", copies, m.Raw)
					}
				}
			}
			if copies != tt.copies {
				t.Errorf("%d copies, want %d", copies, tt.copies)
			}
			if uncertain := tt.phase == mailbox.Uncertain; uncertain && out.dots[1] != 2 {
				t.Errorf("%d dots", out.dots[1])
			}
		})
	}
}

// TestNoDotWithoutRecord: when the Outbox cannot record that the dot comes next, the server never sees a whole letter.
func TestNoDotWithoutRecord(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	out := newRack(t, post(1))
	out.dotErr = errShelf
	_, stop := carry(t, postConfig(s.Addr()), out)
	out.until("a failure", func() bool { return len(out.failed[1]) > 0 })
	if o := out.failed[1][0]; o.Phase != mailbox.Unsent {
		t.Errorf("%+v", o)
	}
	stop()
	time.Sleep(50 * time.Millisecond)
	if n := len(s.Mails()); n != 0 {
		t.Fatalf("%d mails arrived", n)
	}
	if slices.Contains(s.Commands(), "RSET") || slices.Contains(s.Commands(), "QUIT") {
		t.Errorf("the connection was not dropped: %q", s.Commands())
	}
}

// TestSentIsRecorded: a 250 is not forgotten because the Outbox is busy.
func TestSentIsRecorded(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	out := newRack(t, post(1))
	out.sentErr = 3
	carry(t, postConfig(s.Addr()), out)
	out.until("the record", func() bool { return out.sent[1] != "" })
	if len(s.Mails()) != 1 || len(out.failed) != 0 {
		t.Errorf("%d mails, failed %v", len(s.Mails()), out.failed)
	}
}

// TestEndAfterDot: the process is told to stop while a letter waits for its 250. It waits for it.
func TestEndAfterDot(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	s.OnMail(func(mailtest.Delivered) { time.Sleep(300 * time.Millisecond) })
	dot := make(chan struct{})
	out := newRack(t, post(1))
	out.atDot = func() { close(dot) }
	_, stop := carry(t, postConfig(s.Addr()), out)
	<-dot
	stop()
	if out.sent[1] == "" || len(out.failed) != 0 {
		t.Errorf("sent %v, failed %v", out.sent, out.failed)
	}
}

func TestKick(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	out := newRack(t)
	c := postConfig(s.Addr())
	c.Poll = time.Hour
	p, _ := carry(t, c, out)
	out.until("the first question", func() bool { return out.claims == 1 })
	out.mu.Lock()
	out.waiting = append(out.waiting, post(1))
	out.mu.Unlock()
	p.Kick()
	out.until("the letter", func() bool { return out.sent[1] != "" })
}

// TestClaimFails: an Outbox in trouble is not asked in a hot loop, kicked or not.
func TestClaimFails(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	out := newRack(t, post(1))
	out.claimErr = errShelf
	p, _ := carry(t, postConfig(s.Addr()), out)
	for range 30 {
		p.Kick()
		time.Sleep(10 * time.Millisecond)
	}
	out.mu.Lock()
	n := out.claims
	out.mu.Unlock()
	if n > 2 {
		t.Errorf("%d questions in 0.3 s", n)
	}
	if st := p.Status(); !strings.Contains(st.LastError, "no space left") {
		t.Errorf("%+v", st)
	}
}

func TestGivesUp(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	s.Fault(mailtest.Rcpt, mailtest.SMTPFault{Code: 450, Text: "try later", Times: -1})
	l := post(1)
	l.Since = time.Now().Add(-5 * 24 * time.Hour)
	out := newRack(t, l)
	carry(t, postConfig(s.Addr()), out)
	out.until("the end", func() bool { return len(out.failed[1]) == 1 })
	if o := out.failed[1][0]; o.Phase != mailbox.Refused || !strings.HasPrefix(o.Text, "gave up after 5 days: 450") {
		t.Errorf("%+v", o)
	}
}

// TestOldConnection: the server ends the open connection between two letters. The second goes out on a new one, in the
// same attempt.
func TestOldConnection(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{})
	out := newRack(t, post(1), post(2))
	s.OnMail(func(d mailtest.Delivered) {
		if d.To == post(1).To {
			s.Fault(mailtest.Mail, mailtest.SMTPFault{Code: 421, Text: "too many mails on this connection"})
		}
	})
	carry(t, postConfig(s.Addr()), out)
	out.until("both letters", func() bool { return len(out.sent) == 2 })
	if len(out.failed) != 0 || s.Connections() != 2 {
		t.Errorf("failed %v, %d connections", out.failed, s.Connections())
	}
}

// TestEnvelope: nothing in an address can add a parameter, a command or a second recipient.
func TestEnvelope(t *testing.T) {
	bad := []string{
		"", "nobody", "a@b@c", "a@b>\r\nRCPT TO:<evil@evil.example", "a@b> ORCPT=rfc822;evil@evil.example", "a@b\nDATA",
		"\"a b\"@c.example", "<a@b.example>", "a@b.example,c@d.example", "a@b .example", "@b.example", "a@", "kim@\u212Aim.example",
		"a@b.example\x00", strings.Repeat("a", 250) + "@b.example", "(x)a@b.example", "a;b@c.example",
	}
	s := newSMTP(t, mailtest.SMTPOptions{})
	var letters []mailbox.Letter
	for i, a := range bad {
		letters = append(letters, mailbox.Letter{ID: int64(i), To: a, Raw: []byte("x"), Since: time.Now()})
	}
	letters = append(letters, mailbox.Letter{ID: 100, From: "a> X=1@b.example", To: "a@b.example", Raw: []byte("x"), Since: time.Now()})
	out := newRack(t, letters...)
	carry(t, postConfig(s.Addr()), out)
	out.until("all refusals", func() bool { return len(out.failed) == len(letters) })
	for id, o := range out.failed {
		if o[0].Phase != mailbox.Refused {
			t.Errorf("letter %d: %+v", id, o)
		}
	}
	if s.Connections() != 0 {
		t.Error("a connection for a letter that cannot be sent")
	}
}

func TestPostmanTrust(t *testing.T) {
	pool, cert := certificate(t)
	tests := []struct {
		name     string
		o        mailtest.SMTPOptions
		security mailbox.Security
		roots    *x509.CertPool
		server   string
		ok       bool
	}{
		{"tls", mailtest.SMTPOptions{TLS: cert, Implicit: true}, mailbox.TLS, pool, "example.com", true},
		{"starttls", mailtest.SMTPOptions{TLS: cert}, mailbox.StartTLS, pool, "example.com", true},
		{"tls, unknown authority", mailtest.SMTPOptions{TLS: cert, Implicit: true}, mailbox.TLS, x509.NewCertPool(), "example.com", false},
		{"tls, wrong name", mailtest.SMTPOptions{TLS: cert, Implicit: true}, mailbox.TLS, pool, "mail.support.example", false},
		{"starttls, unknown authority", mailtest.SMTPOptions{TLS: cert}, mailbox.StartTLS, x509.NewCertPool(), "example.com", false},
		{"starttls stripped", mailtest.SMTPOptions{}, mailbox.StartTLS, pool, "example.com", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.User, tt.o.Password = "canary-user", "canary-password"
			s := newSMTP(t, tt.o)
			out := newRack(t, post(1))
			c := postConfig(s.Addr())
			c.User, c.Password = tt.o.User, func(context.Context) (string, error) { return tt.o.Password, nil }
			c.Security, c.TLS = tt.security, &tls.Config{RootCAs: tt.roots, ServerName: tt.server}
			p, _ := carry(t, c, out)
			if tt.ok {
				out.until("the letter", func() bool { return out.sent[1] != "" })
				return
			}
			out.until("a failure", func() bool { return len(out.failed[1]) > 0 })
			if o := out.failed[1][0]; o.Phase != mailbox.Unsent {
				t.Errorf("%+v", o)
			}
			for _, l := range s.Commands() {
				if strings.HasPrefix(l, "AUTH") || strings.Contains(l, "canary") || strings.HasPrefix(l, "MAIL") {
					t.Errorf("sent %q", l)
				}
			}
			if st := p.Status(); st.LastError == "" || strings.Contains(st.LastError, "canary-password") {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestPostmanWrongPassword(t *testing.T) {
	s := newSMTP(t, mailtest.SMTPOptions{User: "desk", Password: "secret"})
	out := newRack(t, post(1))
	c := postConfig(s.Addr())
	c.User, c.Password = "desk", func(context.Context) (string, error) { return "wrong", nil }
	p, _ := carry(t, c, out)
	out.until("a failure", func() bool { return len(out.failed[1]) > 0 })
	if o := out.failed[1][0]; o.Phase != mailbox.Unsent {
		t.Errorf("%+v: the letter is not to blame", o)
	}
	if st := p.Status(); !st.Alarm || !strings.Contains(st.LastError, "535") {
		t.Errorf("%+v", st)
	}
}

// TestSMTPSink and TestPostfix send to real servers.
func TestSMTPSink(t *testing.T) {
	s, err := mailtest.StartSMTPSink(t.TempDir())
	need(t, err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	checkReal(t, s.Addr(), s.Mails)
}

func TestPostfix(t *testing.T) {
	p, err := mailtest.StartPostfix(t.TempDir())
	need(t, err)
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	checkReal(t, p.Addr(), p.Mails)
}

func checkReal(t *testing.T, addr string, mails func() ([][]byte, error)) {
	t.Helper()
	var letters []mailbox.Letter
	for n := range int64(20) {
		letters = append(letters, post(n))
	}
	out := newRack(t, letters...)
	carry(t, postConfig(addr), out)
	out.until("all letters", func() bool { return len(out.sent) == len(letters) })
	var got [][]byte
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && len(got) < len(letters); time.Sleep(20 * time.Millisecond) {
		var err error
		if got, err = mails(); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range letters {
		body := bytes.ReplaceAll(l.Raw, []byte("\r\n"), []byte("\n"))
		if n := slices.IndexFunc(got, func(m []byte) bool { return bytes.Contains(m, body) }); n < 0 {
			t.Errorf("letter %d did not arrive whole", l.ID)
		}
	}
	if len(got) != len(letters) || len(out.failed) != 0 {
		t.Errorf("%d mails for %d letters, failed %v", len(got), len(letters), out.failed)
	}
}
