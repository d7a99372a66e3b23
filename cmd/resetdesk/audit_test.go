package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
)

// The story of a head: init makes the key, head prints one, verify holds the file
// against it, serve keeps them, and a head of another desk is refused.
func TestAuditHeads(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "resetdesk.toml")
	first := mustRun(t, "init", "-dir", dir, "-base-url", "http://127.0.0.1:9")
	if !strings.Contains(first, "127.0.0.1:9/audit+") {
		t.Fatalf("init prints no public key: %s", first)
	}
	mustRun(t, "init", "-dir", dir, "-admin", "mia@example.net")
	cfg, err := LoadConfig(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(cfg.Audit.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("audit key: %v, %v", info.Mode(), err)
	}
	heads := filepath.Join(dir, "one.head")
	if err := os.WriteFile(heads, []byte(mustRun(t, "audit", "head", "-config", config)), 0o600); err != nil {
		t.Fatal(err)
	}
	var said struct {
		PublicKey string `json:"public_key"`
	}
	if err := json.Unmarshal([]byte(mustRun(t, "audit", "head", "-json", "-config", config)), &said); err != nil || said.PublicKey == "" {
		t.Fatalf("%+v, %v", said, err)
	}
	for _, args := range [][]string{{}, {"-key", said.PublicKey}, {"-key", cfg.Audit.KeyFile}} {
		out := mustRun(t, append([]string{"audit", "verify", "-config", config, "-head", heads}, args...)...)
		if !strings.Contains(out, "is whole") || !strings.Contains(out, "vouches for the first") {
			t.Errorf("%q: %s", args, out)
		}
	}
	if out := mustRun(t, "audit", "verify", "-config", config); !strings.Contains(out, "without a signed head") {
		t.Errorf("it does not say what it cannot tell: %s", out)
	}
	other := t.TempDir()
	mustRun(t, "init", "-dir", other, "-base-url", "http://127.0.0.1:9")
	if code := run(t.Context(), []string{"audit", "verify", "-config", config, "-head", heads, "-key", filepath.Join(other, "audit.key")}); code != exitFailed {
		t.Errorf("a head of another key: %d", code)
	}
	keepsHeads(t, cfg)
	mustRun(t, "audit", "verify", "-config", config, "-head", cfg.Audit.HeadsFile)
}

// keepsHeads keeps one head, no second one without a cause, and one after a crash
// that left half of one.
func keepsHeads(t *testing.T, cfg Config) {
	t.Helper()
	ctx := t.Context()
	d, err := openDesk(ctx, cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	key, err := loadAuditKey(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := keepHead(ctx, d, key, cfg.Audit.HeadsFile); err != nil {
			t.Fatal(err)
		}
	}
	if n := countHeads(t, cfg.Audit.HeadsFile); n != 1 {
		t.Fatalf("%d heads", n)
	}
	if err := longerHead(ctx, d, key, cfg.Audit.HeadsFile); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a shorter audit than the last head: %v", err)
	}
}

// longerHead signs a head of more events than there are, as before a rollback.
func longerHead(ctx context.Context, d *review.Desk, key *chain.Key, path string) error {
	head, err := d.Head(ctx)
	if err != nil {
		return err
	}
	head.Size += 5
	head.At = head.At.Add(-2 * headEvery)
	signed, err := key.Sign(head)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(old, signed...), 0o600); err != nil {
		return err
	}
	kept := keepHead(ctx, d, key, path)
	if err := os.WriteFile(path, old, 0o600); err != nil {
		return err
	}
	return kept
}

func countHeads(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return len(chain.Split(text))
}

// mustRun runs a command line and returns what it prints.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(longFlags(args))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return out.String()
}
