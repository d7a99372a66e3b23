package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// TestOAuthFromTheFile signs in with what the file says, and holds that [smtp] shares the tokens of [mailbox] when it has
// no way of its own.
func TestOAuthFromTheFile(t *testing.T) {
	i, err := mailtest.NewIssuer("support@example.net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	text := strings.ReplaceAll(ExampleConfig(Example{}), "password_file = ", "# ")
	text = strings.Replace(text, "folders = [", "auth = \"microsoft\"\ntenant = \"t.example\"\nclient_id = \"client\"\nclient_secret_file = \"s\"\ntoken_url = \""+i.TokenURL()+"\"\nfolders = [", 1)
	file := write(t, text)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "s"), []byte("client secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, p := c.Mailbox.watcher(), postmanConfig(c)
	token, err := w.Tokens.Token(t.Context())
	if err != nil || !i.Good("support@example.net", token) || p.Tokens != w.Tokens {
		t.Errorf("%v, shared %v", err, p.Tokens == w.Tokens)
	}
	if files := subject(file, c).Secrets; len(files) != 1 {
		t.Errorf("secrets in %v", files)
	}
	c, err = LoadConfig(file, []string{"RESETDESK_SMTP_PASSWORD=p"})
	if err != nil || postmanConfig(c).Tokens != nil {
		t.Errorf("a password of its own: %v", err)
	}
}
