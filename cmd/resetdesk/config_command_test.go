package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of the configuration: the example is sound, what holds is said with
// its source and without a secret, and what is wrong is said with its line.
func TestConfigCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resetdesk.toml")
	if err := os.WriteFile(path, []byte(mustRun(t, "config", "example")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := mustRun(t, "config", "check", "-config", path); !strings.Contains(out, "is sound") {
		t.Error(out)
	}
	t.Setenv("RESETDESK_SMTP_HOST", "mail.elsewhere.example")
	t.Setenv("RESETDESK_SMTP_PASSWORD", "hunter2hunter2")
	out := mustRun(t, "config", "print", "-config", path)
	for _, want := range []string{"smtp.host", `"mail.elsewhere.example"`, "RESETDESK_SMTP_HOST", "retention.parked", "168h0m0s", "of the preset", "# default", "mailbox.host", "mailbox.auth"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "hunter2") {
		t.Error("a secret is printed")
	}
	if out := mustRun(t, "config", "print", "-json", "-config", path); strings.Contains(out, "hunter2") || !strings.Contains(out, `"key":"smtp.host"`) {
		t.Error(out)
	}
	if err := os.WriteFile(path, []byte("[server]\nlisten = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"config", "check", "-config", path}); code != exitFailed {
		t.Errorf("a wrong file: %d", code)
	}
	if code := run(t.Context(), []string{"config", "check", "more"}); code != exitUsage {
		t.Errorf("an argument too many: %d", code)
	}
}

func TestAccountsList(t *testing.T) {
	v := newVault(t, 1)
	out := mustRun(t, "accounts", "list", "-config", v.config)
	if !strings.Contains(out, "A-1") {
		t.Errorf("no account in %q", out)
	}
	if out := mustRun(t, "accounts", "list", "-json", "-limit", "1", "-config", v.config); !strings.Contains(out, `"id":"A-1"`) {
		t.Error(out)
	}
	if code := run(t.Context(), []string{"accounts", "list", "-limit", "0", "-config", v.config}); code != exitUsage {
		t.Errorf("-limit 0: %d", code)
	}
}
