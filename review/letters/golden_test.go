package letters_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review/letters"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every letter in every language, with everything that an installation can have
// and with nothing, as text and as HTML: compare with the golden files, or write
// them with -update and read them.
func TestGolden(t *testing.T) {
	block := strings.NewReplacer("<p>", "\n<p>", "<table", "\n<table", "<tr>", "\n<tr>", "</body>", "\n</body>", "<br>", "<br>\n")
	for _, locale := range letters.Locales() {
		var texts, pages strings.Builder
		for _, kind := range letters.Kinds {
			for _, variant := range []string{"full", "bare"} {
				subject, text, html, err := letters.BuiltIn().Preview(locale, kind, variant == "bare")
				if err != nil {
					t.Fatal(err)
				}
				head := "=== " + kind + " " + variant + "\n"
				texts.WriteString(head + "Subject: " + subject + "\n\n" + text + "\n")
				if variant == "full" {
					pages.WriteString(head + block.Replace(html) + "\n\n")
				}
				if strings.Contains(html, "<strong></strong>") {
					t.Errorf("%s %s: a fact without a value in the HTML", locale, kind)
				}
			}
		}
		golden(t, locale+".txt", texts.String())
		golden(t, locale+".html", pages.String())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d: %q, want %q; look at it and run with -update", path, i+1, a[i], b[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", path, len(a), len(b))
}

// The panel's address is no link, wherever the lines break.
func TestOneLink(t *testing.T) {
	for _, locale := range letters.Locales() {
		for _, kind := range letters.Kinds {
			for n := range 60 {
				w := letters.Sample(kind, locale)
				w.User, w.Panel = strings.Repeat("x", 1+n), "https://panel.example/"+strings.Repeat("y", n/3)
				_, text, _, err := letters.BuiltIn().Write(locale, kind, w)
				if err != nil {
					t.Fatal(err)
				}
				want := 0
				if w.Link != "" {
					want = 1
				}
				if got := strings.Count(letters.HTML(text, locale), "<a href="); got != want {
					t.Fatalf("%s %s, a name of %d letters: %d links, want %d\n%s", locale, kind, n+1, got, want, text)
				}
			}
		}
	}
}

// The invitations of reviewers, whose only link is on a line of its own.
func TestGoldenInvitation(t *testing.T) {
	var all strings.Builder
	for _, stage := range []string{"new", "reset"} {
		w := letters.Words{Brand: "Example", User: "Ina", UserAddress: "ina@host.example", Account: "Rita", Stage: stage,
			Link: "https://reset.example/invite/" + strings.Repeat("0", 52), LinkUntil: "26 November 2026, 14:02 UTC"}
		subject, text, _, err := letters.BuiltIn().Write("en", "invitation", w)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(letters.HTML(text, "en"), "<a href="); n != 1 {
			t.Errorf("%s: %d links", stage, n)
		}
		all.WriteString("=== invitation " + stage + "\nSubject: " + subject + "\n\n" + text + "\n")
	}
	golden(t, "invitation.txt", all.String())
}
