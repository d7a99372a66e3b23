package review_test

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/review"
)

var update = flag.Bool("update", false, "write the golden files anew")

var randomParts = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`RST-[0-9A-Z]{6}`), "RST-000000"},
	{regexp.MustCompile(`/r/[0-9A-Z]{52}`), "/r/" + strings.Repeat("0", 52)},
	{regexp.MustCompile(`([0-9A-Z]{4}-){5}[0-9A-Z]{4}`), "0000-0000-0000-0000-0000-0000"},
	{regexp.MustCompile(`\[([0-9A-Z]{4}-){3}[0-9A-Z]{4}\]`), "[0000-0000-0000-0000]"},
}

func settled(s string) string {
	for _, p := range randomParts {
		s = p.pattern.ReplaceAllString(s, p.with)
	}
	return s
}

// everyLetter walks through all that is ever written in one language.
func everyLetter(t *testing.T, locale string, change func(*review.Config)) map[string]letter {
	all := map[string]letter{}
	zone, sign := signer(t)
	configure := func(c *review.Config) {
		c.Resolver = zone
		if change != nil {
			change(c)
		}
	}
	inHouse(t, configure, func(t *testing.T, h *house) {
		time.Sleep(30 * day) // so that dates have two digits
		h.importFile(strings.ReplaceAll(accountsFile, "ACME GmbH,de", "ACME GmbH,"+locale))
		h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		keep := func(letters []letter) {
			for _, l := range letters {
				kind := strings.Split(headerOf(t, l.raw, "Message-Id"), ".")[1]
				if kind == "acknowledgement" && h.count(`SELECT count(*) FROM reset_case WHERE user_id IS NULL AND state = 'open'`) > 0 {
					kind = "acknowledgement-open"
				}
				all[kind] = l
			}
		}
		v, letters := h.ask("anna@acme.example", "A phone got lost. Please reset the two-factor authentication.")
		keep(letters)
		if err := h.desk.CloseCase(t.Context(), h.rita, decision(v, "not_a_request", "")); err != nil {
			t.Fatal(err)
		}
		v, letters = h.ask("anna@acme.example", forUser("jane"))
		keep(letters)
		if err := h.desk.Reject(t.Context(), h.rita, decision(v, "other", "")); err != nil {
			t.Fatal(err)
		}
		keep(h.post())
		_, letters = h.clearFor("anna@acme.example", forUser("jane"))
		keep(letters)
		link := linkPattern.FindStringSubmatch(all["cleared"].text)
		if err := h.desk.Undo(t.Context(), link[1], "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		keep(h.post())
		time.Sleep(2 * day) // no flood
		v, _ = h.ask("anna@acme.example", "A phone got lost. Please reset the two-factor authentication.")
		h.deliver(sign(request("anna@acme.example", "Re: "+v.Number, "Please cancel, we found the phone.")))
		keep(h.post())
	})
	return all
}

func bare(c *review.Config) { c.Phone, c.Panel = "", "" }

var letterKinds = []string{"acknowledgement", "acknowledgement-open", "cleared", "notice", "pass", "rejected", "undone", "withdrawn"}

// The letters as people read them, in each language, with everything configured
// and with nothing: compare with the golden files, or write them with -update.
func TestLetters(t *testing.T) {
	for _, locale := range []string{"en", "de", "nl", "fr", "es"} {
		for variant, change := range map[string]func(*review.Config){"full": nil, "bare": bare} {
			t.Run(locale+" "+variant, func(t *testing.T) {
				letters := everyLetter(t, locale, change)
				for _, kind := range letterKinds {
					l, ok := letters[kind]
					if !ok {
						t.Errorf("no %s was written", kind)
						continue
					}
					checkLetter(t, kind, locale, l)
					golden(t, filepath.Join("testdata", "letters", kind+"."+locale+"."+variant+".txt"), settled(l.subject+"\n\n"+l.text))
				}
				if len(letters) != len(letterKinds) {
					t.Errorf("%d kinds were written, want %d", len(letters), len(letterKinds))
				}
			})
		}
	}
}

var askedAt = regexp.MustCompile(`(?m)^(  \S+ +)\S.* UTC`)

// A rejection has the same words whatever proof was not enough, and others where it
// speaks of none.
func TestRejectionWords(t *testing.T) {
	for _, locale := range []string{"en", "de", "nl", "fr", "es"} {
		for variant, change := range map[string]func(*review.Config){"full": nil, "bare": bare} {
			t.Run(locale+" "+variant, func(t *testing.T) {
				inHouse(t, change, func(t *testing.T, h *house) {
					h.importFile(strings.ReplaceAll(accountsFile, "ACME GmbH,de", "ACME GmbH,"+locale))
					for _, class := range review.RejectClasses {
						h.rita = h.signInAs("rita@host.example")
						v, _ := h.ask("anna@acme.example", forUser("jane"))
						if err := h.desk.Reject(t.Context(), h.rita, decision(v, class.Key, "the voice was another one")); err != nil {
							t.Fatal(err)
						}
						out := h.post()
						if len(out) != 1 || out[0].to != "anna@acme.example" {
							t.Fatalf("%s: told %q", class.Key, out)
						}
						checkLetter(t, "rejected", locale, out[0])
						name := "unproven"
						if slices.Contains([]string{"off", "over", "address"}, class.Key) {
							name = class.Key
						}
						text := askedAt.ReplaceAllString(settled(out[0].subject+"\n\n"+out[0].text), "${1}…")
						golden(t, filepath.Join("testdata", "letters", "rejected-"+name+"."+locale+"."+variant+".txt"), text)
						time.Sleep(2 * day) // no flood
					}
				})
			})
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run with -update\ngot:\n%s", path, got)
	}
}

var wantHeaders = []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress", "X-Resetdesk-Instance"}

// checkLetter holds every letter to design 2, promises 3, 6 and 7, and interface:
// the exact header, one link at most, lines that no program breaks.
func checkLetter(t *testing.T, kind, locale string, l letter) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(l.raw))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, values := range m.Header {
		if len(values) != 1 {
			t.Errorf("%s: %d fields %s", kind, len(values), name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	want, auto := slices.Clone(wantHeaders), "auto-generated"
	if strings.HasPrefix(kind, "acknowledgement") {
		auto = "auto-replied"
	}
	if kind != "notice" && m.Header.Get("In-Reply-To") != "" { // the first to its address follows nothing
		want = append(want, "In-Reply-To", "References")
		slices.Sort(want)
	}
	if strings.HasPrefix(kind, "acknowledgement") || kind == "rejected" || kind == "undone" {
		if m.Header.Get("In-Reply-To") == "" || m.Header.Get("References") != m.Header.Get("In-Reply-To") {
			t.Errorf("%s: In-Reply-To %q, References %q", kind, m.Header.Get("In-Reply-To"), m.Header.Get("References"))
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s: header %q, want %q", kind, names, want)
	}
	for name, value := range map[string]string{"Auto-Submitted": auto, "Content-Language": locale, "From": `"Example Support" <support@host.example>`, "To": "<" + l.to + ">"} {
		if got := m.Header.Get(name); got != value {
			t.Errorf("%s: %s is %q, want %q", kind, name, got, value)
		}
	}
	links := 0
	if strings.HasPrefix(kind, "acknowledgement") || kind == "notice" || kind == "cleared" {
		links = 1
	}
	if n := len(linkPattern.FindAllString(l.text, -1)); n != links {
		t.Errorf("%s: %d links, want %d", kind, n, links)
	}
	if has := randomParts[2].pattern.MatchString(l.text); has != (kind == "pass") {
		t.Errorf("%s: has a pass: %t", kind, has)
	}
	for line := range strings.Lines(l.text) {
		if n := utf8.RuneCountInString(line); n > 79 && !strings.HasPrefix(line, "http") {
			t.Errorf("%s %s: a line of %d: %s", kind, locale, n, line)
		}
	}
	for _, bad := range []string{"<no value>", "{{", "\n\n\n", " \n", "  ,", "()", "„“", `""`} {
		if strings.Contains(l.text+l.subject, bad) {
			t.Errorf("%s %s contains %q", kind, locale, bad)
		}
	}
	checkHTML(t, kind, links, m)
}

func checkHTML(t *testing.T, kind string, links int, m *mail.Message) {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var part *multipart.Part
	for range 2 {
		if part, err = r.NextRawPart(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	html := string(b)
	if n := strings.Count(html, "<a href="); n != links {
		t.Errorf("%s: %d links in the HTML part", kind, n)
	}
	for _, bad := range []string{"src=", "<img", "<script", "url(", "@import", "<link", "<form"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s: the HTML part has %s", kind, bad)
		}
	}
}

// What strangers and the accounts file bring cannot become markup or a header.
func TestLettersWithNastyNames(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Brand = `Ex<b>"ample` }, func(t *testing.T, h *house) {
		h.importFile(strings.ReplaceAll(accountsFile, "ACME GmbH", `"ACME <script>alert(1)</script> {{.Pass}} https://evil.example/ ""&amp;"`))
		_, letters := h.ask("anna@acme.example", forUser("jane"))
		for _, l := range letters {
			m, err := mail.ReadMessage(bytes.NewReader(l.raw))
			if err != nil {
				t.Fatal(err)
			}
			checkHTML(t, "nasty", 1, m)
		}
	})
}
