package mailbox_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
)

// authority issues certificates for a test.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key, a.cert, _ = a.make("authority", time.Now().Add(time.Hour), true)
	return a
}

func (a *authority) make(name string, end time.Time, ca bool) (*ecdsa.PrivateKey, *x509.Certificate, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end, IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return key, c, der
}

func (a *authority) issue(name string, end time.Time) tls.Certificate {
	key, _, der := a.make(name, end, false)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// impostor is an IMAP server by script that notes every byte it is given, in the clear and under TLS.
type impostor struct {
	greeting string
	answer   string      // to STARTTLS, "" for TLS from the first byte
	tls      *tls.Config // nil: never
	offer    string      // capabilities

	mu    sync.Mutex
	given strings.Builder
	came  int
}

func (i *impostor) note(b []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.given.Write(b)
}

func (i *impostor) all() (string, int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.given.String(), i.came
}

// overhear is a connection whose bytes are noted as they are read.
type overhear struct {
	net.Conn
	i *impostor
}

func (o overhear) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.i.note(p[:n])
	return n, err
}

func (i *impostor) serve(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			i.mu.Lock()
			i.came++
			i.mu.Unlock()
			go i.talk(overhear{c, i})
		}
	}()
	return l.Addr().String()
}

func (i *impostor) talk(c net.Conn) {
	defer c.Close()
	if i.answer == "" && i.tls != nil {
		c = overhear{tls.Server(c, i.tls), i}
	}
	io.WriteString(c, i.greeting)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb, _, _ := strings.Cut(strings.ToUpper(command), " "); verb {
		case "STARTTLS":
			io.WriteString(c, strings.ReplaceAll(i.answer, "TAG", tag))
			if i.tls != nil {
				c = overhear{tls.Server(c, i.tls), i}
				r = bufio.NewReader(c)
			}
		case "CAPABILITY":
			io.WriteString(c, "* CAPABILITY IMAP4rev1 "+i.offer+"\r\n"+tag+" OK done\r\n")
		default: // it would take a password
			io.WriteString(c, tag+" OK done\r\n")
		}
	}
}

// TestNoCredentialsForImpostors: a server that strips or spoils STARTTLS, or cannot prove its name, gets not one byte of
// the credentials, in whatever way they are sent (promises 6 row 31).
func TestNoCredentialsForImpostors(t *testing.T) {
	const user, password = "canary-user@support.example", "canary-password"
	ours, foreign := newAuthority(t), newAuthority(t)
	const name = "imap.support.example"
	good := &tls.Config{Certificates: []tls.Certificate{ours.issue(name, time.Now().Add(time.Hour))}}
	expired := &tls.Config{Certificates: []tls.Certificate{ours.issue(name, time.Now().Add(-time.Hour))}}
	other := &tls.Config{Certificates: []tls.Certificate{ours.issue("imap.elsewhere.example", time.Now().Add(time.Hour))}}
	unknown := &tls.Config{Certificates: []tls.Certificate{foreign.issue(name, time.Now().Add(time.Hour))}}
	old := &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	const hello, yes = "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n", "TAG OK begin\r\n"
	tests := map[string]struct {
		security mailbox.Security
		server   *impostor
		words    string // in the error
	}{
		"starttls not offered":         {mailbox.StartTLS, &impostor{greeting: "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n", answer: "TAG BAD what?\r\n"}, "starttls"},
		"starttls answered NO":         {mailbox.StartTLS, &impostor{greeting: hello, answer: "TAG NO not today\r\n"}, "starttls"},
		"starttls answered BAD":        {mailbox.StartTLS, &impostor{greeting: hello, answer: "TAG BAD what?\r\n"}, "starttls"},
		"OK without TLS":               {mailbox.StartTLS, &impostor{greeting: hello, answer: yes}, ""},
		"plaintext before TLS":         {mailbox.StartTLS, &impostor{greeting: hello, answer: yes + "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", tls: good}, ""},
		"an answer before TLS":         {mailbox.StartTLS, &impostor{greeting: hello, answer: yes + "T2 OK [CAPABILITY IMAP4rev1] signed in\r\n", tls: good}, ""},
		"signed in already":            {mailbox.StartTLS, &impostor{greeting: "* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n", answer: "TAG BAD too late\r\n"}, "starttls"},
		"starttls, wrong name":         {mailbox.StartTLS, &impostor{greeting: hello, answer: yes, tls: other}, "imap.elsewhere.example"},
		"starttls, expired":            {mailbox.StartTLS, &impostor{greeting: hello, answer: yes, tls: expired}, "expired"},
		"starttls, unknown authority":  {mailbox.StartTLS, &impostor{greeting: hello, answer: yes, tls: unknown}, "authority"},
		"starttls, TLS 1.1":            {mailbox.StartTLS, &impostor{greeting: hello, answer: yes, tls: old}, "version"},
		"tls, wrong name":              {mailbox.TLS, &impostor{greeting: hello, tls: other}, "imap.elsewhere.example"},
		"tls, expired":                 {mailbox.TLS, &impostor{greeting: hello, tls: expired}, "expired"},
		"tls, unknown authority":       {mailbox.TLS, &impostor{greeting: hello, tls: unknown}, "authority"},
		"tls, TLS 1.1":                 {mailbox.TLS, &impostor{greeting: hello, tls: old}, "version"},
		"tls towards a plain server":   {mailbox.TLS, &impostor{greeting: hello}, "tls"},
		"control: starttls, all right": {mailbox.StartTLS, &impostor{greeting: hello, answer: yes, tls: good, offer: "AUTH=PLAIN"}, ""},
		"control: tls, all right":      {mailbox.TLS, &impostor{greeting: hello, tls: good, offer: "AUTH=PLAIN"}, ""},
	}
	for what, tt := range tests {
		for how, tokens := range map[string]mailbox.Tokens{"password": nil, "token": canaryToken{}} {
			t.Run(what+", "+how, func(t *testing.T) {
				server := &impostor{greeting: tt.server.greeting, answer: tt.server.answer, tls: tt.server.tls, offer: tt.server.offer}
				if tokens != nil {
					server.offer, server.greeting = strings.ReplaceAll(server.offer, "PLAIN", "XOAUTH2"), strings.ReplaceAll(server.greeting, "PLAIN", "XOAUTH2")
				}
				c := config(server.serve(t), user, password)
				c.Security, c.TLS, c.Tokens = tt.security, &tls.Config{RootCAs: ours.roots(), ServerName: name}, tokens
				c.Greeting, c.Command = 300*time.Millisecond, 300*time.Millisecond
				c.Backoff = func(int) time.Duration { return 10 * time.Millisecond }
				in := newShelf(t)
				w, stop := watch(t, c, in)
				control := strings.HasPrefix(what, "control")
				leaked := func() bool {
					given, _ := server.all()
					return strings.Contains(given, "canary") || strings.Contains(given, base64.StdEncoding.EncodeToString([]byte("\x00" + user))[:20]) ||
						strings.Contains(given, base64.StdEncoding.EncodeToString([]byte("user=" + user))[:20]) || strings.Contains(given, "AUTHENTICATE") || strings.Contains(given, "LOGIN")
				}
				if control {
					in.until("the control to sign in", leaked) // the test sees credentials where there are any
					return
				}
				in.until("three attempts", func() bool { _, n := server.all(); return n >= 3 && w.Status().LastError != "" })
				if words := w.Status().LastError; !strings.Contains(words, tt.words) {
					t.Errorf("the error is %q, want %q in it", words, tt.words)
				}
				stop()
				if leaked() {
					given, _ := server.all()
					t.Errorf("the server was given %q", given)
				}
			})
		}
	}
}

// canaryToken is a token that must not be seen.
type canaryToken struct{}

func (canaryToken) Token(context.Context) (string, error) { return "canary-token", nil }
func (canaryToken) Refused(string) bool                   { return false }
func (canaryToken) Advice(string) string                  { return "" }
