package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// keys dkim makes a key that only its owner can read, prints its record in strings
// that a zone file can hold, and never writes over a key.
func TestDKIMKey(t *testing.T) {
	for _, kind := range []string{"rsa", "ed25519"} {
		dir := t.TempDir()
		config, file := filepath.Join(dir, "resetdesk.toml"), filepath.Join(dir, "dkim.pem")
		text := ExampleConfig(Example{}) + "[smtp.dkim]\ndomain = \"example.net\"\nselector = \"desk1\"\nkey_file = \"dkim.pem\"\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code := run(t.Context(), []string{"keys", "dkim", "-config", config}); code != exitFailed {
			t.Errorf("without a key: %d", code)
		}
		if code := run(t.Context(), []string{"keys", "dkim", "-new", "dsa", "-config", config}); code != exitUsage {
			t.Errorf("a kind that is none: %d", code)
		}
		zone := mustRun(t, "keys", "dkim", "-new", kind, "-config", config)
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		var record struct{ Name, Type, Value string }
		if err := json.Unmarshal([]byte(mustRun(t, "keys", "dkim", "-json", "-config", config)), &record); err != nil {
			t.Fatal(err)
		}
		joined := ""
		for _, s := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(zone, -1) {
			if len(s[1]) > 255 {
				t.Errorf("a string of %d bytes", len(s[1]))
			}
			joined += s[1]
		}
		if joined != record.Value || record.Name != "desk1._domainkey.example.net" || record.Type != "TXT" || !strings.Contains(joined, "k="+kind) {
			t.Errorf("%s: %q and %+v", kind, zone, record)
		}
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if code := run(t.Context(), []string{"keys", "dkim", "-new", kind, "-config", config}); code != exitFailed {
			t.Errorf("a second key over the first: %d", code)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
			t.Errorf("the key has changed: %v", err)
		}
	}
}
