package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A backup of a running desk is restored over a desk that went on, never over one
// that runs, never with other keys, and never when it is damaged.
func TestBackupAndRestore(t *testing.T) {
	v := newVault(t, 1)
	copied := filepath.Join(t.TempDir(), "copy.db")
	v.desk(func(d *review.Desk) {
		out := mustRun(t, "backup", "-o", copied, "-config", v.config)
		if !strings.Contains(out, "events of the audit") {
			t.Error(out)
		}
		if code := run(t.Context(), []string{"backup", "-o", copied, "-config", v.config}); code != exitFailed {
			t.Errorf("a file that is there is written over: %d", code)
		}
		if code := run(t.Context(), []string{"restore", copied, "-config", v.config}); code != exitLater {
			t.Errorf("restored over a desk that runs: %d", code)
		}
		if _, err := d.Invite(t.Context(), "host", "late@example.net", "Late", review.Viewer); err != nil {
			t.Fatal(err)
		}
		mustRun(t, "erase", "-account", "A-1", "-reason", "test", "-config", v.config)
		if code := run(t.Context(), []string{"erase", "-account", "A-9", "-reason", "test", "-config", v.config}); code != exitFailed {
			t.Errorf("erased nobody: %d", code)
		}
		if _, err := d.VerifyAudit(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the backup: %v, %v", info, err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	text, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(text) / 3; i < len(text)/3+20000 && i < len(text); i++ {
		text[i] ^= 0x5a
	}
	if err := os.WriteFile(damaged, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{damaged, v.config, filepath.Join(t.TempDir(), "none.db")} {
		if code := run(t.Context(), []string{"restore", bad, "-config", v.config}); code != exitFailed {
			t.Errorf("restored %s: %d", filepath.Base(bad), code)
		}
	}
	other, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := review.Restore(t.Context(), copied, v.cfg.Database.Path, other); err == nil {
		t.Error("restored with other keys")
	}
	if out := mustRun(t, "restore", copied, "-config", v.config); !strings.Contains(out, "before-restore") {
		t.Error(out)
	}
	v.desk(func(d *review.Desk) {
		if _, err := d.VerifyAudit(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if out := mustRun(t, "reviewer", "list", "-config", v.config); strings.Contains(out, "late@example.net") {
		t.Errorf("what came after the backup is there: %s", out)
	}
}
