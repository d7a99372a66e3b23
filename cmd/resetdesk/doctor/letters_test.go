package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

// The failing states of what the doctor asks of letters, each with its words.
func TestLetterChecks(t *testing.T) {
	sign := func() *mailbox.Signature {
		key, err := mailbox.NewSignatureKey("ed25519")
		file := filepath.Join(t.TempDir(), "key.pem")
		if err == nil {
			err = os.WriteFile(file, key, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		sig, err := mailbox.LoadSignature("host.example", "s1", file)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	mine, other := sign(), sign()
	for name, tt := range map[string]struct {
		records []string
		want    string
	}{
		"no record":     {nil, "no record"},
		"another key":   {[]string{other.Record()}, "another key"},
		"revoked":       {[]string{"v=DKIM1; k=ed25519; p="}, "revokes"},
		"two records":   {[]string{mine.Record(), other.Record()}, "2 records"},
		"another kind":  {[]string{"v=DKIM1; p=" + strings.Repeat("A", 44)}, `kind "rsa"`},
		"as it must be": {[]string{mine.Record()}, "has the key that signs"},
	} {
		addr, stop, err := sendertest.Zone{"s1._domainkey.host.example": tt.records}.Serve()
		if err != nil {
			t.Fatal(err)
		}
		s := &Subject{Resolver: addr, Signature: func() (*mailbox.Signature, error) { return mine, nil }}
		if got := fmt.Sprint(s.checkDKIM(t.Context())); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", name, got)
		}
		stop()
	}
	broken := &Subject{Signature: func() (*mailbox.Signature, error) { return nil, errors.New("no PEM block") },
		Letters: func() (string, error) { return "", errors.New("letters in x:\nde.tmpl: pass: wrong") }}
	if got := fmt.Sprint(broken.checkDKIM(t.Context())); !strings.Contains(got, "no PEM block") || !strings.Contains(got, "keys dkim") {
		t.Error(got)
	}
	if got := fmt.Sprint(broken.checkLetters(t.Context())); !strings.Contains(got, "de.tmpl: pass: wrong") || !strings.Contains(got, "letters check") {
		t.Error(got)
	}
	addr, stop, err := sendertest.Zone{"spf.example": {"v=spf1 -all"}, "bare.example": {"x"}}.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for bounces, want := range map[string]string{
		"":                             "null return path",
		"elsewhere@spf.example":        "no address of a watched mailbox",
		"support+{token}@bare.example": "has no SPF record",
		"support+{token}@spf.example":  "support+{token}@spf.example",
	} {
		s := &Subject{Resolver: addr, Bounces: bounces, Addresses: []string{"support@spf.example", "support@bare.example"}}
		if got := fmt.Sprint(s.checkBounces(t.Context())); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %q", bounces, got, want)
		}
	}
}
