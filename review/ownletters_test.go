package review_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/letters"
)

// own writes the built-in file of a language, changed, into a folder.
func own(t *testing.T, locale string, change func(string) string) string {
	t.Helper()
	text, err := letters.File(locale)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, locale+".tmpl"), []byte(change(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The operator's words go out; those that fail for one letter in use are passed over
// for the built-in ones, staff see it, and the letter goes out.
func TestOwnLetters(t *testing.T) {
	dir := own(t, "de", func(s string) string {
		s = strings.Replace(s, `{{define "acknowledgement.text"}}`, `{{define "acknowledgement.text"}}Grüße aus dem eigenen Haus.`+"\n\n", 1)
		return strings.Replace(s, `{{define "notice.text"}}`, `{{define "notice.text"}}{{if eq .User "jane"}}{{if ne .Account "ACME GmbH (A-1001)"}}{{slice .User 99}}{{end}}{{end}}`, 1)
	})
	words, err := letters.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	inHouse(t, func(c *review.Config) { c.Letters = words }, func(t *testing.T, h *house) {
		h.importFile(strings.ReplaceAll(accountsFile, "ACME GmbH", "ACME AG"))
		_, sent := h.ask("anna@acme.example", forUser("jane"))
		if len(sent) < 3 {
			t.Fatalf("%d letters", len(sent))
		}
		if ack := of(t, sent, "anna@acme.example"); !strings.HasPrefix(ack.text, "Grüße aus dem eigenen Haus.") {
			t.Errorf("the operator's words are not used: %s", ack.text)
		}
		if n := of(t, sent, "it@acme.example"); !linkPattern.MatchString(n.text) || !strings.Contains(n.text, "ACME AG") {
			t.Errorf("the notice: %s", n.text)
		}
		tr, err := h.desk.LetterTrouble(t.Context())
		if lines := tr.Lines(); err != nil || len(lines) != 1 || !strings.Contains(lines[0], "de.tmpl: notice: ") {
			t.Errorf("%q, %v", lines, err)
		}
	})
}
