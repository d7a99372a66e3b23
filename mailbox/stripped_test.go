package mailbox_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
)

// A thief is a server between us and ours: it plays along up to STARTTLS, answers that as it likes, and writes down what
// it can read.
type thief struct {
	net.Listener
	mu   sync.Mutex
	read strings.Builder
}

func (s *thief) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read.WriteString(line)
}

func (s *thief) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read.String()
}

func newThief(t *testing.T, greeting, offer, answer string, cert *tls.Certificate) *thief {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	need(t, err)
	s := &thief{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c, greeting, offer, answer, cert)
		}
	}()
	return s
}

func (s *thief) serve(c net.Conn, greeting, offer, answer string, cert *tls.Certificate) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(c, greeting)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		s.note(line)
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); verb {
		case "EHLO", "HELO":
			fmt.Fprint(c, offer)
		case "STARTTLS":
			fmt.Fprint(c, answer)
			if cert != nil {
				tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}})
				if tc.Handshake() == nil { // what comes now, the thief can read too
					b, _ := io.ReadAll(io.LimitReader(tc, 4096))
					s.note(string(b))
				}
				return
			}
		case "AUTH":
			fmt.Fprint(c, "235 welcome\r\n")
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

// Whatever stands between us and the server: no byte of the sign-in or of a letter leaves before the connection is
// protected by a certificate of the server's name that is good today.
func TestStrippedSTARTTLS(t *testing.T) {
	pool, good := ownCertificate(t, "smtp.support.example", time.Now().Add(time.Hour))
	otherPool, wrongName := ownCertificate(t, "smtp.evil.example", time.Now().Add(time.Hour))
	oldPool, expired := ownCertificate(t, "smtp.support.example", time.Now().Add(-time.Hour))
	const ehlo, bare = "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n", "250-x\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n"
	for name, tt := range map[string]struct {
		offer, answer string
		cert          *tls.Certificate
		roots         *x509.CertPool
		want          string
	}{
		"not offered":                       {bare, "502 what?\r\n", nil, pool, "starttls"},
		"offered, then no":                  {ehlo, "454 not now\r\n", nil, pool, "starttls"},
		"offered, then unknown":             {ehlo, "500 what?\r\n", nil, pool, "starttls"},
		"yes, and then no TLS":              {ehlo, "220 go\r\n250 ok\r\n250 ok\r\n", nil, pool, "starttls"},
		"answers put in behind the yes":     {ehlo, "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 stored\r\n", nil, pool, ""},
		"another server's certificate":      {ehlo, "220 go\r\n", wrongName, otherPool, "smtp.evil.example"},
		"an expired certificate":            {ehlo, "220 go\r\n", expired, oldPool, "expired"},
		"a certificate of an unknown house": {ehlo, "220 go\r\n", good, x509.NewCertPool(), "unknown authority"},
	} {
		for _, by := range []string{"password", "token"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				s := newThief(t, "220 hello\r\n", tt.offer, tt.answer, tt.cert)
				out := newRack(t, post(1))
				c := postConfig(s.Addr().String())
				c.Security, c.TLS = mailbox.StartTLS, &tls.Config{RootCAs: tt.roots, ServerName: "smtp.support.example"}
				c.Command, c.AfterDot, c.User = 500*time.Millisecond, 500*time.Millisecond, "canary-user"
				if by == "token" {
					c.Tokens = canaryTokens{}
				} else {
					c.Password = func(context.Context) (string, error) { return "canary-password", nil }
				}
				carry(t, c, out)
				out.until("a failure", func() bool { return len(out.failed[1]) > 0 })
				if o := out.failed[1][0]; o.Phase != mailbox.Unsent || !strings.Contains(strings.ToLower(o.Text), tt.want) {
					t.Errorf("%+v, want %q", o, tt.want)
				}
				for _, secret := range []string{"AUTH", "canary", "Y2FuYXJ5", "MAIL", "RCPT", "DATA", "Subject", "dXNlcj1jYW5hcnk"} {
					if strings.Contains(s.heard(), secret) {
						t.Errorf("the thief has %q: %q", secret, s.heard())
					}
				}
				if len(out.sent) != 0 || out.dots[1] != 0 {
					t.Errorf("sent %v, %d dots", out.sent, out.dots[1])
				}
			})
		}
	}
}

type canaryTokens struct{}

func (canaryTokens) Token(context.Context) (string, error) { return "canary-token", nil }
func (canaryTokens) Refused(string) bool                   { return false }
func (canaryTokens) Advice(string) string                  { return "get another" }

// ownCertificate makes a certificate for name, and the pool of its authority.
func ownCertificate(t *testing.T, name string, until time.Time) (*x509.CertPool, *tls.Certificate) {
	t.Helper()
	a := newAuthority(t)
	cert := a.issue(name, until)
	return a.roots(), &cert
}
