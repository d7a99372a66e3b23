package letters_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review/letters"
)

// A folder of letters that is not what it should be is refused with words, and
// nothing in it runs away with the program.
func TestHostileFolder(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("{{define \"x\"}}"+strings.Repeat("s3cret", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		build func(dir string) error
		want  string
	}{
		"a link to another file": {func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "en.tmpl")) }, "en.tmpl"},
		"a link to a device":     {func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, "en.tmpl")) }, "is not a file of at most"},
		"a link to itself":       {func(dir string) error { return os.Symlink("en.tmpl", filepath.Join(dir, "en.tmpl")) }, "too many levels"},
		"a folder":               {func(dir string) error { return os.Mkdir(filepath.Join(dir, "en.tmpl"), 0o755) }, "is not a file of at most"},
		"a huge file": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "en.tmpl"), make([]byte, 1<<20+1), 0o644)
		}, "is not a file of at most"},
		"a letter within itself": {func(dir string) error {
			text, err := letters.File("en")
			if err != nil {
				return err
			}
			s := strings.Replace(string(text), `{{define "closing"}}`, `{{define "closing"}}{{template "closing" .}}`, 1)
			return os.WriteFile(filepath.Join(dir, "en.tmpl"), []byte(s), 0o644)
		}, "exceeded maximum template depth"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.build(dir); err != nil {
				t.Fatal(err)
			}
			_, err := letters.Load(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%.300v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the file: %v", err)
			}
		})
	}
}
