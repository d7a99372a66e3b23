package letters_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// Every built-in letter holds what is asked of the operator's.
func TestBuiltInLettersAreSound(t *testing.T) {
	for _, locale := range letters.Locales() {
		if _, err := letters.Load(own(t, locale, func(s string) string { return s })); err != nil {
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
		"a fact without its gap": {replace("  Answer by   {{", "  Answer by {{"), "two spaces are missing"},
		"another charset":        {func(s string) string { return s + "\xff" }, "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := letters.Load(own(t, "en", tt.change))
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
	if _, err := letters.Load(dir); err == nil || !strings.Contains(err.Error(), "it.tmpl: is no file of letters") {
		t.Errorf("%v", err)
	}
	if _, err := letters.Load(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there is taken")
	}
}
