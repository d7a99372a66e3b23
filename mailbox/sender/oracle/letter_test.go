package oracle_test

import (
	"bytes"
	"net/mail"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mjl-/mox/dkim"
	"github.com/mjl-/mox/dns"

	"github.com/resetdesk/resetdesk/mailbox"
)

// The letters that we sign ourselves pass at a receiver that shares no code with us.
func TestOwnSignature(t *testing.T) {
	for _, kind := range []string{"rsa", "ed25519"} {
		text, err := mailbox.NewSignatureKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := mailbox.LoadSignature("support.example", "reset1", file)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := mailbox.Compose(mailbox.Draft{From: mail.Address{Name: "Büro", Address: "desk@support.example"}, To: mail.Address{Address: "anna@acme.example"},
			Subject: "Zurücksetzen?", MessageID: "x.y.z@support.example", Date: time.Now(), Language: "de", AutoSubmitted: "auto-generated",
			Headers: map[string]string{"X-Resetdesk-Instance": "x.y.z@support.example 0123456789abcdef"}, Text: "Hallo\n\n.\nEin Satz mit = und ü.\n", HTML: "<p>Hallo</p>"})
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = s.Sign(raw); err != nil {
			t.Fatal(err)
		}
		resolver := dns.MockResolver{TXT: map[string][]string{s.Name() + ".": {s.Record()}}}
		pass := func(raw []byte) bool {
			results, err := dkim.Verify(t.Context(), quiet, resolver, false, dkim.DefaultPolicy, bytes.NewReader(raw), false)
			return err == nil && len(results) == 1 && results[0].Status == dkim.StatusPass
		}
		if !pass(raw) {
			t.Errorf("%s: mox does not verify it", kind)
		}
		if pass(bytes.Replace(raw, []byte("\r\nTo: "), []byte("\r\nFrom: evil@evil.example\r\nTo: "), 1)) {
			t.Errorf("%s: a second From, and mox still verifies it", kind)
		}
	}
}
