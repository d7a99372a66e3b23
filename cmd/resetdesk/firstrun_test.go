package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/firstrun"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// What the first-run pages give to copy for a mailbox is a configuration that
// loads, beside the rest of the file that init writes.
func TestFirstRunBlocksLoad(t *testing.T) {
	for _, x := range firstrun.Guide().Providers {
		t.Run(x.Name, func(t *testing.T) {
			dir := t.TempDir()
			for _, secret := range []string{"mailbox.secret", "mailbox.password"} {
				if err := os.WriteFile(filepath.Join(dir, secret), []byte("secret\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "service-account.json"), []byte(serviceAccount(t)), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "resetdesk.toml")
			file := "[server]\nlisten = \"127.0.0.1:8080\"\nbase_url = \"https://reset.example.net\"\nbrand = \"Example\"\n[database]\npath = \"x.db\"\n[keys]\nfile = \"x.keys\"\n" + x.Paste
			if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := LoadConfig(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if shown := cfg.boxes()[0].present(); !strings.Contains(shown, `user = "support@example.net"`) || strings.Contains(shown, "secret") || strings.Contains(shown, "password_file") {
				t.Errorf("shown as\n%s", shown)
			}
		})
	}
}

// serviceAccount is a key as Google's console writes it.
func serviceAccount(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "desk@project.example", "token_uri": "https://oauth2.googleapis.com/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A test of a real mailbox shows its folders and what its mails carry, with lines
// that load.
func TestTryMailbox(t *testing.T) {
	d, err := mailtest.StartDovecot(t.TempDir())
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { d.Stop() })
	for i := range 6 {
		mail := fmt.Sprintf("Received: from a.example by mx.example.net; Mon, 23 Nov 2026 10:00:00 +0000\r\nAuthentication-Results: mx.example.net; dkim=pass\r\nFrom: a@a.example\r\nSubject: %d\r\n\r\nHello\r\n", i)
		if err := d.Deliver([]byte(mail)); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(d.Addr())
	number, _ := strconv.Atoi(port)
	m := namedMailbox{"mailbox", &MailboxConfig{Host: host, Port: number, Security: mailbox.Plain, User: d.User, Password: newSecret(d.Password), Folders: []string{"INBOX"}}}
	found, err := m.try(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(found.Lines, "\n"); !strings.Contains(all, "Folders there: INBOX") || !strings.Contains(all, "INBOX holds 6 mails") || !strings.Contains(all, "Authentication-Results of mx.example.net") {
		t.Errorf("found\n%s", all)
	}
	if !strings.Contains(found.Paste, "[mailbox]\nboundary = ") || !strings.Contains(found.Paste, `"mx.example.net"`) {
		t.Errorf("suggests\n%s", found.Paste)
	}
	m.Folders = []string{"Nowhere"}
	if found, err := m.try(t.Context()); err == nil || !strings.Contains(err.Error(), "folder Nowhere") || len(found.Lines) == 0 {
		t.Errorf("%+v, %v: the names of the others help", found, err)
	}
}
