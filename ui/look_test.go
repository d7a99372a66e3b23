package ui_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/ui"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain\nline\ttab":       "plain\nline\ttab",
		"a\r\nb":                 "a\nb",
		"exe.\u202egnp":          "exe.⟨U+202E⟩gnp",
		"a\u200b\u200b\u200bb":   "a⟨U+200B×3⟩b",
		"a\u200b\u200cb":         "a⟨U+200B⟩⟨U+200C⟩b",
		"nul\x00bell\x07":        "nul⟨U+0000⟩bell⟨U+0007⟩",
		"bad \xff byte":          "bad ⟨U+FFFD⟩ byte",
		"Grüße 你好 ❤️":            "Grüße 你好 ❤️",
		"tag\U000e0041end\u00ad": "tag⟨U+E0041⟩end⟨U+00AD⟩",
	} {
		if got := ui.Visible(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\u202eb\r\n\x00\u200b\u200b\xff\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := ui.Visible(s)
		if !utf8.ValidString(out) {
			t.Fatalf("not UTF-8: %q", out)
		}
		for _, r := range out {
			if r != '\n' && r != '\t' && ui.Hidden(r) {
				t.Fatalf("%U is hidden in %q", r, out)
			}
		}
	})
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want []ui.Stretch
	}{
		{"it@acme.example", "it@acme.example", []ui.Stretch{{Text: "it@acme.example"}}},
		{"it@acmе.example", "it@acme.example", []ui.Stretch{{Text: "it@acm"}, {Text: "е", Diff: true, Code: "U+0435"}, {Text: ".example"}}},
		{"it@acrne.example", "it@acme.example", []ui.Stretch{{Text: "it@ac"}, {Text: "rn", Diff: true}, {Text: "e.example"}}},
		{"x\u200b", "x", []ui.Stretch{{Text: "x"}, {Text: "⟨U+200B⟩", Diff: true, Code: "U+200B"}}},
		{"", "it@acme.example", nil},
		{"a", "", []ui.Stretch{{Text: "a", Diff: true}}},
	} {
		if got := ui.Compare(c.a, c.b); !slices.Equal(got, c.want) {
			t.Errorf("%q against %q: %+v", c.a, c.b, got)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("it@acme.example", "it@acmе.example")
	f.Fuzz(func(t *testing.T, a, b string) {
		var all strings.Builder
		marked := false
		for _, s := range ui.Compare(a, b) {
			all.WriteString(s.Text)
			marked = marked || s.Diff
		}
		if utf8.ValidString(a) && !strings.ContainsFunc(a, ui.Hidden) && all.String() != ui.Clip(320, a) {
			t.Fatalf("%q became %q", a, all.String())
		}
		if a == b && marked {
			t.Fatalf("%q differs from itself", a)
		}
	})
}

func TestOurPath(t *testing.T) {
	for in, want := range map[string]string{"/cases/RST-8K2M4Q": "/cases/RST-8K2M4Q", "/cases/RST-8K2M4Q/approve": "/cases/RST-8K2M4Q/approve", "/mails/7": "/mails/7", "/audit": "/audit", "/settings/api": "/settings/api",
		"/": "/", "": "/", "//evil.example": "/", "/cases//evil": "/cases//evil", "/cases/..%2f": "/", "/cases/\\evil": "/", "https://evil.example/cases/": "/", "/r/TOKEN": "/", "/cases/ü": "/"} {
		if got := ui.OurPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{10 * time.Second: "a moment", 12 * time.Minute: "12 min", 60 * time.Minute: "1 h", 90 * time.Minute: "1 h 30 min",
		22*time.Hour + 10*time.Minute: "22 h", 47 * time.Hour: "47 h", 72 * time.Hour: "3 days", -time.Hour: "a moment"} {
		if got := ui.Span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// Facts of events are written for people: what was before beside what is.
func TestFacts(t *testing.T) {
	for in, want := range map[string]string{
		`{"note":"called","class":"","evidence":"00ff","user":"U-1"}`: "note=called user=U-1",
		"plain":                               "=plain",
		"null":                                "",
		`{"note":"\u202e"}`:                   "note=⟨U+202E⟩",
		`{"AddressesAdded":3,"DryRun":false}`: "addresses added=3 dry run=no",
		`{"from":"reviewer","to":"lead"}`:     "to=reviewer>lead",
		`{"required_from":"2026-12-01","before":"never"}`:       "required from=never>2026-12-01",
		`{"from":"i***@acme.example","mail":12345678}`:          "from=i***@acme.example mail=12345678",
		`{"proven":true,"rows":["a","b"],"of":{"x":1,"y":"z"}}`: "of=x 1, y z proven=yes rows=a, b",
	} {
		var got []string
		for _, f := range ui.Facts(in) {
			text := f.Name + "="
			if f.Was != "" {
				text += f.Was + ">"
			}
			got = append(got, text+f.Is)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", in, s, want)
		}
	}
}

func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{22*time.Hour + 10*time.Minute: "22 h 10 min", 13 * time.Hour: "13 h", 50 * time.Hour: "2 days 2 h", 72 * time.Hour: "3 days",
		5*24*time.Hour + time.Hour: "5 days", 5 * time.Minute: "5 min"} {
		if got := ui.Left(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

var (
	usedKey = regexp.MustCompile(`\$\.T "([^"]+)"`)
	verb    = regexp.MustCompile(`%[a-z]`)
	// quotedNo is the answer that an acknowledgement tells those to choose who did not ask.
	quotedNo = regexp.MustCompile(`\n(?:Choose|Wählen|Kies|Choisissez|Elija)[^"„«]*["„«][\s\x{a0}]*(\pL+)`)
)

// A letter leads to a page in its own language: the answer that the letter names
// is on the page.
func TestPagesSpeakLikeLetters(t *testing.T) {
	letters, err := fs.Glob(os.DirFS("../review/letters"), "??.tmpl") // reviewers get theirs in English
	if err != nil || len(letters) != len(ui.Texts()) || len(letters) < 5 {
		t.Fatalf("letters in %q, pages in %d languages, %v", letters, len(ui.Texts()), err)
	}
	for _, name := range letters {
		raw, err := os.ReadFile(filepath.Join("../review/letters", name))
		if err != nil {
			t.Fatal(err)
		}
		texts := ui.Texts()[strings.TrimSuffix(name, ".tmpl")]
		named := quotedNo.FindSubmatch(raw)
		if named == nil || !strings.HasPrefix(texts["owner.no"], string(named[1])+",") {
			t.Errorf("%s names %q, the page has %q", name, named, texts["owner.no"])
		}
	}
}

// Every language has every text that a page uses, with the same blanks in it.
func TestTexts(t *testing.T) {
	texts := ui.Texts()
	for lang, all := range texts {
		if len(all) != len(texts["en"]) {
			t.Errorf("%s has %d texts, en has %d", lang, len(all), len(texts["en"]))
		}
		for key, text := range texts["en"] {
			if lang != "en" && all[key] == text && len(text) > 14 && key != "date" {
				t.Errorf("%s %s is not translated: %q", lang, key, text)
			}
			if all[key] == "" || !slices.Equal(verb.FindAllString(text, -1), verb.FindAllString(all[key], -1)) {
				t.Errorf("%s %s: %q, in English %q", lang, key, all[key], text)
			}
		}
		if n := strings.Count(all["months"], ","); n != 11 {
			t.Errorf("%s has %d months", lang, n+1)
		}
	}
	names, err := fs.Glob(ui.Files, "templates/*.html")
	if err != nil || len(names) < 9 {
		t.Fatalf("%d templates, %v", len(names), err)
	}
	for _, name := range names {
		raw, err := ui.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range usedKey.FindAllStringSubmatch(string(raw), -1) {
			if _, ok := texts["en"][m[1]]; !ok {
				t.Errorf("%s uses %q, which no language has", name, m[1])
			}
		}
	}
}
