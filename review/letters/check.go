package letters

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

// A sample is data for a letter, and what the letter must say of it.
type sample struct {
	kind string
	w    Words
	must []string // in the text
	link string   // the one link; "": none
}

// samples are letters as they go out, with everything configured and with nothing.
func samples(kind, locale string) []sample {
	at := time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC)
	w := Words{Brand: "Example", Phone: "+49 30 1234567", Panel: "https://panel.example", Number: "RST-8K2M4Q", Account: "ACME GmbH (A-1001)", AccountID: "A-1001",
		User: "jane", UserAddress: "j•••@acme.example", Requester: "a•••@acme.example", Requested: When(at, locale), Own: true}
	must := []string{w.Account}
	link := ""
	if !slices.Contains(caseLetters, kind) {
		must, w.Number = append(must, w.User), ""
		w.When, w.IP, w.Device, w.Left = When(at, locale), "192.0.2.7", "Pixel 9", "2"
	}
	switch kind {
	case "acknowledgement", "notice", "cleared", "vouch":
		link = "https://reset.example/r/" + strings.Repeat("0", 52)
		w.Link, w.LinkUntil, w.When, w.HoldUntil = link, When(at.Add(24*time.Hour), locale), When(at, locale), When(at.Add(72*time.Hour), locale)
		if kind == "acknowledgement" {
			w.Reference = "0123-4567-89AB-CDEF"
			must = append(must, w.LinkUntil)
		}
		if kind == "cleared" {
			must = append(must, w.HoldUntil, w.User)
		}
	case "pass":
		w.Pass, w.PassUntil = "0000-1111-2222-3333-4444-5555", When(at.Add(time.Hour), locale)
		must = append(must, w.Pass, w.PassUntil, w.User)
	case "undone":
		w.When = When(at, locale)
		must = append(must, w.User)
	case "reminder":
		w.Day, w.Stage = Date(at, locale), "soon"
		must = append(must, w.Day)
	}
	all := []sample{{kind, w, append(slices.Clone(must), w.Phone), link}}
	bare := w
	bare.Phone, bare.Panel, bare.IP, bare.Device, bare.Left, bare.InPanel, bare.Own, bare.Former = "", "", "", "", "", true, false, true
	if kind == "acknowledgement" {
		bare.User = ""
	}
	all = append(all, sample{kind, bare, slices.DeleteFunc(must, func(s string) bool { return s == w.User && bare.User == "" }), link})
	if kind == "rejected" {
		for _, why := range Rejections {
			for _, s := range all[:2] {
				s.w.Rejected = why
				all = append(all, s)
			}
		}
	}
	return all
}

// Sample is data for a letter, as an example.
func Sample(kind, locale string) Words { return samples(kind, locale)[0].w }

// check writes every letter with sample data and says what is wrong.
func check(t *template.Template, locale string) (faults []error) {
	name := locale + ".tmpl"
	wanted := map[string]bool{}
	for _, kind := range Kinds {
		for _, part := range []string{kind + ".subject", kind + ".text"} {
			wanted[part] = true
			if t.Lookup(part) == nil {
				faults = append(faults, fmt.Errorf("%s: has no {{define %q}}", name, part))
			}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	for _, d := range t.Templates() {
		if strings.HasSuffix(d.Name(), ".subject") || strings.HasSuffix(d.Name(), ".text") {
			if !wanted[d.Name()] {
				faults = append(faults, fmt.Errorf("%s: {{define %q}} is no letter; is it spelt right?", name, d.Name()))
			}
		}
	}
	for _, kind := range Kinds {
		for _, s := range samples(kind, locale) {
			subject, text, err := execute(t, kind, s.w)
			if err == nil {
				err = errors.Join(fit(subject, text, s.w), tidy(subject, text, s.w))
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: %w", name, kind, err))
				break
			}
			for _, must := range s.must {
				if !strings.Contains(oneLine(text), oneLine(must)) {
					faults = append(faults, fmt.Errorf("%s: %s: the text does not say %q", name, kind, must))
				}
			}
		}
	}
	return faults
}

// fit tells whether a letter may go out with these words: a subject on one line,
// and in the text the link and the pass that it is for.
func fit(subject, text string, w Words) error {
	switch {
	case strings.TrimSpace(subject) == "":
		return errors.New("the subject is empty")
	case strings.ContainsFunc(subject, unicode.IsControl):
		return errors.New("the subject has a line break or a control character in it")
	case !strings.Contains(subject, w.Number):
		return errors.New("the subject lacks {{.Number}}")
	case w.Reference != "" && !strings.Contains(subject, "["+w.Reference+"]"):
		return errors.New("the subject lacks [{{.Reference}}], by which an answer is known")
	case strings.TrimSpace(text) == "":
		return errors.New("the text is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Cf, r) }):
		return errors.New("the text has a control character or an invisible one in it")
	case w.Pass != "" && !strings.Contains(text, w.Pass):
		return errors.New("the text lacks {{.Pass}}")
	case w.Link != "" && !slices.Contains(strings.Split(text, "\n"), w.Link):
		return errors.New("the text lacks {{.Link}} on a line of its own")
	case strings.Contains(subject+text, "<no value>"):
		return errors.New("a value is missing")
	}
	return nil
}

// factPattern is a line of facts: what comes before the two spaces names it. The
// lines below an item of a list are indented by three.
var factPattern = regexp.MustCompile(`^  \S+( \S+)*  +\S`)

// tidy is what sample data must come out as, too: at other times names of accounts
// and users can be anything.
func tidy(subject, text string, w Words) error {
	for _, own := range []string{w.Link, w.Panel} {
		if own != "" {
			text = strings.ReplaceAll(text, own, "")
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && !factPattern.MatchString(line) {
			return fmt.Errorf("two spaces are missing between name and value in %q", strings.TrimSpace(line))
		}
	}
	switch {
	case utf8.RuneCountInString(subject) > 200:
		return errors.New("the subject is longer than 200 characters")
	case strings.Contains(subject+text, "://"):
		return errors.New("there is a link that is neither {{.Link}} nor {{.Panel}}: a letter about security has no other")
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
