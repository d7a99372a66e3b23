package mailtest_test

import (
	"fmt"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

func TestIMAP(t *testing.T) {
	s, err := mailtest.NewIMAP(mailtest.IMAPOptions{Folders: []string{"Junk"}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		uid, err := s.Append("INBOX", fmt.Appendf(nil, "Subject: %d\r\n\r\nbody", n))
		if err != nil || uid != uint32(n+1) {
			t.Fatalf("uid %d, %v", uid, err)
		}
	}
	validity := func() (uint32, uint32) {
		c, err := imapclient.DialInsecure(s.Addr(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Login(s.User, s.Password).Wait(); err != nil {
			t.Fatal(err)
		}
		d, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		return d.UIDValidity, d.NumMessages
	}
	old, n := validity()
	if err := s.Expunge("INBOX", 2); err != nil {
		t.Fatal(err)
	}
	if _, m := validity(); n != 3 || m != 2 {
		t.Errorf("%d, then %d mails", n, m)
	}
	if err := s.Recreate("INBOX"); err != nil {
		t.Fatal(err)
	}
	if fresh, n := validity(); fresh == old || n != 0 {
		t.Errorf("uidvalidity %d, then %d, %d mails", old, fresh, n)
	}
	if s.SignIns() != 3 || s.Connections() != 3 || !strings.Contains(strings.Join(s.Commands(), "\n"), "EXAMINE INBOX") {
		t.Errorf("%d sign-ins, %d connections, %q", s.SignIns(), s.Connections(), s.Commands())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := imapclient.DialInsecure(s.Addr(), nil); err == nil {
		t.Error("a closed server accepts connections")
	}
}

func TestSMTP(t *testing.T) {
	s, err := mailtest.NewSMTP(mailtest.SMTPOptions{Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	send := func() error {
		return smtp.SendMail(s.Addr(), nil, "a@legit.example", []string{"b@legit.example"}, []byte("Subject: x\r\n\r\n.dot\r\n"))
	}
	s.Fault(mailtest.Data, mailtest.SMTPFault{Code: 451, Text: "later"})
	if err := send(); err == nil || !strings.HasPrefix(err.Error(), "451") {
		t.Errorf("want 451, got %v", err)
	}
	for range 3 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	mails, err := s.Wait(3, time.Second)
	if err != nil || len(mails) != 2 || string(mails[1].Raw) != "Subject: x\r\n\r\n.dot\r\n" || mails[1].To != "b@legit.example" {
		t.Errorf("%+v, %v", mails, err)
	}
	if _, err := s.Wait(4, 10*time.Millisecond); err == nil {
		t.Error("a fourth mail")
	}
	s.Fault(mailtest.Stored, mailtest.SMTPFault{Cut: true})
	if err := send(); err == nil {
		t.Error("the cut after storing did not show")
	}
	if _, err := s.Wait(4, time.Second); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestAnswers: what a client was told is seen, and what was cut is not.
func TestAnswers(t *testing.T) {
	s, err := mailtest.NewSMTP(mailtest.SMTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 10)
	s.OnAnswer(func(a mailtest.Answer) { heard <- fmt.Sprintf("%s %s %q %d", a.From, a.To, a.Raw, a.Code) })
	const recipient, letter = `a@legit.example b@legit.example "" `, `a@legit.example b@legit.example "x\r\n" `
	for _, c := range []struct {
		step  mailtest.Step
		fault mailtest.SMTPFault
		want  []string
	}{
		{mailtest.Rcpt, mailtest.SMTPFault{Code: 550, Text: "unknown"}, []string{recipient + "550"}},
		{mailtest.Stored, mailtest.SMTPFault{Cut: true}, []string{recipient + "250"}},
		{mailtest.Dot, mailtest.SMTPFault{Code: 554, Text: "spam"}, []string{recipient + "250", letter + "554"}},
		{"", mailtest.SMTPFault{}, []string{recipient + "250", letter + "250"}},
	} {
		s.Fault(c.step, c.fault)
		err := smtp.SendMail(s.Addr(), nil, "a@legit.example", []string{"b@legit.example"}, []byte("x\r\n"))
		if (err == nil) != (c.step == "") {
			t.Errorf("%s: %v", c.step, err)
		}
		for _, want := range c.want {
			if got := <-heard; got != want {
				t.Errorf("%s: heard %s, want %s", c.step, got, want)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(heard) > 0 {
		t.Errorf("heard %s too", <-heard)
	}
}

func TestCloseAtOnce(t *testing.T) {
	for range 50 {
		i, err := mailtest.NewIMAP(mailtest.IMAPOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := mailtest.NewSMTP(mailtest.SMTPOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
