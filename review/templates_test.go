package review_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// own writes the built-in file of a language, changed, into a folder.
func own(t *testing.T, locale string, change func(string) string) string {
	t.Helper()
	text, err := review.BuiltInLetters(locale)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, locale+".tmpl"), []byte(change(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every built-in letter holds what is asked of the operator's.
func TestBuiltInLettersAreSound(t *testing.T) {
	for _, locale := range review.LetterLocales() {
		if _, err := review.LoadLetters(own(t, locale, func(s string) string { return s })); err != nil {
			t.Error(err)
		}
	}
}

// What is wrong with a file of the operator's is said, with its line where it has one.
func TestOwnLettersRefused(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	for name, tt := range map[string]struct {
		change func(string) string
		want   string
	}{
		"a missing letter":       {replace(`{{define "pass.text"}}`, `{{define "pas.text"}}`), `en.tmpl: has no {{define "pass.text"}}`},
		"one too many":           {func(s string) string { return s + `{{define "passs.text"}}x{{end}}` }, `"passs.text"}} is no letter`},
		"a syntax error":         {replace("{{.LinkUntil}}", "{{.LinkUntil"), "en.tmpl:9: "},
		"an unknown value":       {replace("{{.LinkUntil}}", "{{.Deadline}}"), "en.tmpl:7:"},
		"an unknown function":    {replace("{{.LinkUntil}}", "{{env .LinkUntil}}"), `en.tmpl:7: function "env" not defined`},
		"no link":                {replace("\n{{.Link}}\n", "\n"), "acknowledgement: the text lacks {{.Link}}"},
		"no pass":                {replace("{{.Pass}}\n", "secret\n"), "pass: the text lacks {{.Pass}}"},
		"no number in a subject": {replace("was reset for {{.AccountID}} ({{.Number}})", "was reset"), "cleared: the subject lacks {{.Number}}"},
		"no reference":           {replace(" [{{.Reference}}]", ""), "lacks [{{.Reference}}]"},
		"no account":             {replace("  Account     {{.Account}}\n", ""), `does not say "ACME GmbH (A-1001)"`},
		"a header in a subject":  {replace("Please confirm:", "Please confirm:\r\nBcc: evil@evil.example\r\n"), "line break"},
		"another link":           {replace("We never ask", "See https://evil.example/login. We never ask"), "neither {{.Link}} nor {{.Panel}}"},
		"no end":                 {replace("Opening the page", `{{range 1000000000}}xxxxxxxxxxxxxxxxxxxxxxx{{end}}`), "more than 64 KiB"},
		"an invisible character": {replace("Opening the page", "Opening\u202e the page"), "invisible"},
		"another charset":        {func(s string) string { return s + "\xff" }, "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := review.LoadLetters(own(t, "en", tt.change))
			if tt.want == "" {
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	dir := own(t, "en", func(s string) string { return s })
	if err := os.WriteFile(filepath.Join(dir, "it.tmpl"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := review.LoadLetters(dir); err == nil || !strings.Contains(err.Error(), "it.tmpl: is no file of letters") {
		t.Errorf("%v", err)
	}
	if _, err := review.LoadLetters(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there is taken")
	}
}

// The operator's words go out; those that fail for one letter in use are passed over
// for the built-in ones, staff see it, and the letter goes out.
func TestOwnLetters(t *testing.T) {
	dir := own(t, "de", func(s string) string {
		s = strings.Replace(s, `{{define "acknowledgement.text"}}`, `{{define "acknowledgement.text"}}Grüße aus dem eigenen Haus.`+"\n\n", 1)
		return strings.Replace(s, `{{define "notice.text"}}`, `{{define "notice.text"}}{{if eq .User "jane"}}{{if ne .Account "ACME GmbH (A-1001)"}}{{slice .User 99}}{{end}}{{end}}`, 1)
	})
	letters, err := review.LoadLetters(dir)
	if err != nil {
		t.Fatal(err)
	}
	inHouse(t, func(c *review.Config) { c.Letters = letters }, func(t *testing.T, h *house) {
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
