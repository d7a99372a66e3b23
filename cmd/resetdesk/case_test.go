package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// Cases are listed, shown, taken out and checked while the desk is owned by
// another process.
func TestCaseCommands(t *testing.T) {
	v := newVault(t, 1)
	public, err := writeAuditKey(v.cfg)
	if err != nil {
		t.Fatal(err)
	}
	var number string
	v.desk(func(d *review.Desk) {
		c, err := d.OpenFromPanel(t.Context(), review.APIKey{ID: 1}, review.PanelRequest{Account: "A-1", User: "U-0", IP: "192.0.2.1", Note: "\x1b[2Jlost it"})
		if err != nil {
			t.Fatal(err)
		}
		number = c.Number
		pack := filepath.Join(t.TempDir(), "case.zip")
		if out := mustRun(t, "case", "list", "-config", v.config); !strings.Contains(out, number) || !strings.Contains(out, "open") {
			t.Error(out)
		}
		if out := mustRun(t, "case", "list", "-json", "-state", "cleared", "-config", v.config); out != "" {
			t.Error(out)
		}
		if out := mustRun(t, "case", "show", strings.ToLower(number), "-config", v.config); !strings.Contains(out, "case.opened") || strings.Contains(out, "\x1b") {
			t.Error(out)
		}
		if out := mustRun(t, "case", "show", number, "-json", "-config", v.config); !strings.Contains(out, `"requirements"`) {
			t.Error(out)
		}
		mustRun(t, "case", "export", number, "-o", pack, "-config", v.config)
		if out := mustRun(t, "case", "verify", pack, "-key", public); !strings.HasPrefix(out, "OK: case "+number) {
			t.Error(out)
		}
		if code := run(t.Context(), []string{"case", "export", number, "-o", pack, "-config", v.config}); code != exitFailed {
			t.Errorf("a file that is there is written over: %d", code)
		}
		text, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(pack, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if code := run(t.Context(), []string{"case", "verify", pack, "-key", public}); code != exitFailed {
			t.Errorf("a changed pack: %d", code)
		}
		for _, args := range [][]string{{"case", "verify", pack}, {"case", "export", number}, {"case", "list", "-limit", "0"}, {"case"}} {
			if code := run(t.Context(), append(args, "-config", v.config)); code != exitUsage && !(args[len(args)-1] == pack) {
				t.Errorf("%q: %d", args, code)
			}
		}
		if _, err := d.VerifyAudit(t.Context()); err != nil {
			t.Errorf("two writers: %v", err)
		}
	})
}
