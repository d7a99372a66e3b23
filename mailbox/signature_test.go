package mailbox_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

func newSignature(t *testing.T, kind string) *mailbox.Signature {
	t.Helper()
	text, err := mailbox.NewSignatureKey(kind)
	need(t, err)
	file := filepath.Join(t.TempDir(), "dkim.key")
	need(t, os.WriteFile(file, text, 0o600))
	s, err := mailbox.LoadSignature("support.example", "reset1", file)
	need(t, err)
	return s
}

func signedLetter(t *testing.T, s *mailbox.Signature) []byte {
	t.Helper()
	raw, err := mailbox.Compose(mailbox.Draft{From: mail.Address{Name: "Büro", Address: "desk@support.example"}, To: mail.Address{Address: "anna@acme.example"},
		Subject: "Zurücksetzen? " + strings.Repeat("lang ", 30), MessageID: "x.y.z@support.example", Date: time.Now(), Language: "de",
		Text: "Hallo\n\n.\nEin Satz mit = und ü.\n", HTML: "<p>Hallo</p>"})
	need(t, err)
	signed, err := s.Sign(raw)
	need(t, err)
	if !bytes.HasSuffix(signed, raw) || !bytes.HasPrefix(signed, []byte("DKIM-Signature: ")) {
		t.Fatalf("signing changed the letter: %.200q", signed)
	}
	return signed
}

// A letter that we sign is authenticated to a desk like ours, and one that was
// touched or got one more From is not.
func TestSignature(t *testing.T) {
	for _, kind := range []string{"rsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			s := newSignature(t, kind)
			zone := sendertest.Zone{s.Name(): {s.Record()}}
			raw := signedLetter(t, s)
			result := func(raw []byte) string {
				v := sender.Verify(t.Context(), sender.Request{Raw: raw, Registered: []string{"desk@support.example"}, Mailboxes: []string{"anna@acme.example"},
					Received: time.Now(), Now: time.Now(), Resolver: zone, LastTry: true})
				for _, sig := range v.Signatures {
					if sig.Domain == "support.example" {
						return string(sig.Result)
					}
				}
				return "none"
			}
			if got := result(raw); got != string(sender.Pass) {
				t.Fatalf("our own check says %s", got)
			}
			for name, touched := range map[string][]byte{
				"another word":     bytes.Replace(raw, []byte("Satz"), []byte("Satx"), 1),
				"another subject":  bytes.Replace(raw, []byte("\r\nSubject:"), []byte("\r\nSubject: x"), 1),
				"another Reply-To": bytes.Replace(raw, []byte("\r\nTo: "), []byte("\r\nReply-To: evil@evil.example\r\nTo: "), 1),
			} {
				if got := result(touched); got == string(sender.Pass) {
					t.Errorf("%s: still signed", name)
				}
			}
			if err := s.Published([]string{"google-site-verification=x", strings.ReplaceAll(s.Record(), "; ", ";")}); err != nil {
				t.Errorf("published as it should be: %v", err)
			}
			other := newSignature(t, kind)
			for name, records := range map[string][]string{"none": nil, "another key": {other.Record()}, "revoked": {"v=DKIM1; p="}, "two": {s.Record(), other.Record()}} {
				if s.Published(records) == nil {
					t.Errorf("%s: taken for our key", name)
				}
			}
		})
	}
}

func TestSignatureRefusesKeys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	need(t, err)
	good, err := mailbox.NewSignatureKey("ed25519")
	need(t, err)
	tests := map[string]struct {
		text []byte
		mode os.FileMode
		want string
	}{
		"weak":              {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)}), 0o600, "1024 bits"},
		"no PEM":            {[]byte("hello"), 0o600, "no PEM block"},
		"public":            {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&weak.PublicKey)}), 0o600, `"PUBLIC KEY"`},
		"readable by all":   {good, 0o644, "chmod 640"},
		"cut in the middle": {good[:len(good)/2], 0o600, "no PEM block"},
	}
	for name, tt := range tests {
		file := filepath.Join(t.TempDir(), "k")
		need(t, os.WriteFile(file, tt.text, tt.mode))
		if _, err := mailbox.LoadSignature("d.example", "s", file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
