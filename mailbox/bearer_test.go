package mailbox_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/mailbox/oauth"
)

const boxUser = "reset@support.example"

// issuer starts a token endpoint, and returns a source of its tokens.
func issuer(t testing.TB) (*mailtest.Issuer, *oauth.Source) {
	t.Helper()
	i, err := mailtest.NewIssuer(boxUser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := oauth.New(oauth.Config{Kind: oauth.Microsoft, Tenant: "t.example", ClientID: i.ClientID, TokenURL: i.TokenURL(),
		ClientSecret: func(context.Context) (string, error) { return i.Secret, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return i, s
}

// tokenBox starts a Dovecot that takes the issuer's tokens, and returns the way into it.
func tokenBox(t testing.TB, i *mailtest.Issuer, s *oauth.Source) (*mailtest.Dovecot, mailbox.WatcherConfig) {
	t.Helper()
	d, err := mailtest.StartDovecotOAuth(t.TempDir(), i.IntrospectURL())
	need(t, err)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Errorf("stop dovecot: %v", err)
		}
		if t.Failed() {
			log := d.Log()
			t.Log(log[max(0, len(log)-3000):])
		}
	})
	c := config(d.Addr(), boxUser, "")
	c.Password, c.Tokens = nil, s
	return d, c
}

// TestDovecotByToken reads a mailbox by a token, loses it, and is in again by one forced renewal.
func TestDovecotByToken(t *testing.T) {
	i, s := issuer(t)
	d, c := tokenBox(t, i, s)
	if err := d.Deliver(some(1, 3)...); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	w, _ := watch(t, c, in)
	in.until("the mails", func() bool { return in.count() == 3 })
	i.Revoke()
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.Deliver(some(4, 5)...); err != nil {
		t.Fatal(err)
	}
	in.until("the mails after", func() bool { return in.count() == 5 })
	if n := i.Issued(); n != 2 {
		t.Errorf("%d tokens, want the first and one forced", n)
	}
	if st := w.Status(); st.Alarm {
		t.Errorf("status %+v", st)
	}
}

// TestDovecotRefusesToken holds what the operator reads when the token is another user's, for either mechanism.
func TestDovecotRefusesToken(t *testing.T) {
	i, s := issuer(t)
	_, c := tokenBox(t, i, s)
	for _, mech := range []string{"OAUTHBEARER", "XOAUTH2"} {
		if mech == "XOAUTH2" { // what a server offers that does not know the standard
			host, port := split(hide(t, net.JoinHostPort(c.Host, fmt.Sprint(c.Port)), "AUTH=OAUTHBEARER"))
			c.Host, c.Port = host, port
		}
		if _, err := mailbox.Peek(t.Context(), c, "INBOX", 1, nil); err != nil {
			t.Fatalf("%s: %v", mech, err)
		}
		bad := c
		bad.User = "other@support.example"
		before := i.Issued()
		_, err := mailbox.Peek(t.Context(), bad, "INBOX", 1, nil)
		if err == nil || strings.Contains(err.Error(), "token-") {
			t.Fatalf("%s: %v", mech, err)
		}
		what, next := mailbox.Advice(err)
		if !strings.Contains(what, "sign-in refused") || !strings.Contains(what, "status ") || !strings.Contains(next, "primary address") {
			t.Errorf("%s: %q, next %q", mech, what, next)
		}
		t.Log(err)
		if n := i.Issued() - before; n != 1 {
			t.Errorf("%s: %d more tokens, want one forced", mech, n)
		}
	}
}

// hide stands between client and server and takes word out of what the server offers.
func hide(t testing.TB, addr, word string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				_ = in.Close()
				continue
			}
			go pipe(out, in, "")
			go pipe(in, out, word)
		}
	}()
	return l.Addr().String()
}

func pipe(to, from net.Conn, hidden string) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		text := string(buf[:n])
		if hidden != "" {
			text = strings.ReplaceAll(text, hidden, "X")
		}
		if _, werr := to.Write([]byte(text)); err != nil || werr != nil {
			return
		}
	}
}

// tokenPost starts an SMTP server that takes nothing but tokens.
func tokenPost(t testing.TB, i *mailtest.Issuer, s *oauth.Source, mechs ...string) (*mailtest.SMTP, mailbox.PostmanConfig) {
	t.Helper()
	srv, err := mailtest.NewSMTP(mailtest.SMTPOptions{User: boxUser, Tokens: i.Good, Mechanisms: mechs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	host, port := split(srv.Addr())
	return srv, mailbox.PostmanConfig{Host: host, Port: port, Security: mailbox.Plain, User: boxUser, Tokens: s}
}

func TestSMTPByToken(t *testing.T) {
	for _, mech := range []string{"XOAUTH2", "OAUTHBEARER"} {
		i, s := issuer(t)
		srv, c := tokenPost(t, i, s, mech)
		l := mailbox.Letter{From: "", To: "anna@acme.example", Raw: []byte("Subject: x\r\n\r\nx\r\n")}
		for range 2 {
			if _, err := mailbox.HandIn(t.Context(), c, l); err != nil {
				t.Fatalf("%s: %v", mech, err)
			}
			i.Revoke() // the next one is refused once
		}
		if n := i.Issued(); n != 2 || len(srv.Mails()) != 2 {
			t.Errorf("%s: %d tokens, %d mails", mech, n, len(srv.Mails()))
		}
		c.User = "other@support.example"
		err := mailbox.TrySignIn(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "535") || !strings.Contains(err.Error(), "status 401, scope https://mail.example/") ||
			strings.Contains(err.Error(), "token-") {
			t.Errorf("%s: %v", mech, err)
		}
	}
	i, s := issuer(t)
	_, c := tokenPost(t, i, s, "PLAIN", "LOGIN")
	if err := mailbox.TrySignIn(t.Context(), c); err == nil || !strings.Contains(err.Error(), "neither XOAUTH2 nor OAUTHBEARER") || i.Asked() != 0 {
		t.Errorf("without a mechanism: %v", err)
	}
}

// TestNoTokenNoStorm holds that a secret which has expired is told as an alarm, and that nobody is asked in a loop.
func TestNoTokenNoStorm(t *testing.T) {
	i, s := issuer(t)
	i.Refuse("invalid_client", "AADSTS7000222: expired")
	_, c := tokenBox(t, i, s)
	in := newShelf(t)
	w, stop := watch(t, c, in)
	in.until("an alarm", func() bool { // between two tries it is connecting
		st := w.Status()
		return st.Alarm && st.Folders[0].State == "sign-in refused"
	})
	time.Sleep(100 * time.Millisecond)
	st := w.Status()
	stop()
	if i.Asked() != 1 || !strings.Contains(st.LastError, "create a new one in Entra") {
		t.Errorf("asked %d times, status %+v", i.Asked(), st)
	}
}
