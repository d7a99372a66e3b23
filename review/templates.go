package review

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

// The words of the letters, one file a language. Translators edit these files
// and nothing else; the HTML part is made from the text.
//
//go:embed letters/*.tmpl
var letterFiles embed.FS

// locales are the languages we write in; others get the first.
var locales = []string{"en", "de", "nl", "fr", "es"}

// caseLetters are those of a case; the others are about a user.
var caseLetters = []string{"acknowledgement", "notice", "cleared", "pass", "rejected", "undone", "withdrawn", "vouch"}

// LetterKinds are all letters, in the order of the schema.
var LetterKinds = append(slices.Clone(caseLetters), "enrolled", "replaced", "device_added", "device_removed",
	"turned_off", "codes_renewed", "code_used", "codes_low", "code_repeated", "locked", "alarm", "reminder")

// LetterLocales are the languages of the letters.
func LetterLocales() []string { return slices.Clone(locales) }

// Letters are the words of all letters: the built-in ones, and for some languages
// a file of the operator's in their place.
type Letters struct {
	builtIn, own map[string]*template.Template
}

// builtInLetters is what every desk has.
var builtInLetters = func() *Letters {
	l := &Letters{builtIn: map[string]*template.Template{}, own: map[string]*template.Template{}}
	for _, locale := range locales {
		text, err := fs.ReadFile(letterFiles, "letters/"+locale+".tmpl")
		if err != nil {
			panic(err) // it is in the binary
		}
		l.builtIn[locale] = template.Must(template.New(locale + ".tmpl").Parse(string(text)))
	}
	return l
}()

// staffLetters are those to reviewers, in the language of their pages.
var staffLetters = func() *template.Template {
	text, err := fs.ReadFile(letterFiles, "letters/staff.tmpl")
	if err != nil {
		panic(err) // it is in the binary
	}
	return template.Must(template.New("staff.tmpl").Parse(string(text)))
}()

// maxTemplate bounds a file of templates, maxLetter what comes of one.
const (
	maxTemplate = 1 << 20
	maxLetter   = 64 << 10
)

// LoadLetters reads the operator's files in dir: en.tmpl, de.tmpl and so on, each
// whole, with every letter in it. "" is no such folder. Every letter is written
// with sample data, and whatever is wrong with any of them is in the error, with
// file and line.
func LoadLetters(dir string) (*Letters, error) {
	l := &Letters{builtIn: builtInLetters.builtIn, own: map[string]*template.Template{}}
	if dir == "" {
		return l, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read letters: %w", err)
	}
	var faults []error
	for _, e := range entries {
		locale, isTemplate := strings.CutSuffix(e.Name(), ".tmpl")
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if !isTemplate || !slices.Contains(locales, locale) {
			faults = append(faults, fmt.Errorf("%s: is no file of letters; they are named en.tmpl, de.tmpl, nl.tmpl, fr.tmpl, es.tmpl", e.Name()))
			continue
		}
		t, err := readTemplates(filepath.Join(dir, e.Name()), e.Name())
		if err != nil {
			faults = append(faults, err)
			continue
		}
		faults = append(faults, checkLetters(t, locale)...)
		l.own[locale] = t
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("letters in %s:\n%w", dir, err)
	}
	return l, nil
}

// readTemplates parses one file. Errors of text/template name file and line.
func readTemplates(path, name string) (*template.Template, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxTemplate {
		return nil, fmt.Errorf("%s: is not a file of at most %d KiB", name, maxTemplate>>10)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: is not UTF-8", name)
	}
	return template.New(name).Parse(string(text))
}

// A sample is data for a letter, and what the letter must say of it.
type sample struct {
	kind string
	w    words
	must []string // in the text
	link string   // the one link; "": none
}

// samples are letters as they go out, with everything configured and with nothing.
func samples(kind, locale string) []sample {
	at := time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC)
	w := words{Brand: "Example", Phone: "+49 30 1234567", Panel: "https://panel.example", Number: "RST-8K2M4Q", Account: "ACME GmbH (A-1001)", AccountID: "A-1001",
		User: "jane", UserAddress: "j•••@acme.example", Requester: "a•••@acme.example", Requested: when(at, locale), Own: true}
	must := []string{w.Account}
	link := ""
	if !slices.Contains(caseLetters, kind) {
		must, w.Number = append(must, w.User), ""
		w.When, w.IP, w.Device, w.Left = when(at, locale), "192.0.2.7", "Pixel 9", "2"
	}
	switch kind {
	case "acknowledgement", "notice", "cleared", "vouch":
		link = "https://reset.example/r/" + strings.Repeat("0", 52)
		w.Link, w.LinkUntil, w.When, w.HoldUntil = link, when(at.Add(24*time.Hour), locale), when(at, locale), when(at.Add(72*time.Hour), locale)
		if kind == "acknowledgement" {
			w.Reference = "0123-4567-89AB-CDEF"
			must = append(must, w.LinkUntil)
		}
		if kind == "cleared" {
			must = append(must, w.HoldUntil, w.User)
		}
	case "pass":
		w.Pass, w.PassUntil = "0000-1111-2222-3333-4444-5555", when(at.Add(time.Hour), locale)
		must = append(must, w.Pass, w.PassUntil, w.User)
	case "undone":
		w.When = when(at, locale)
		must = append(must, w.User)
	case "reminder":
		w.Day, w.Stage = date(at, locale), "soon"
		must = append(must, w.Day)
	}
	all := []sample{{kind, w, append(slices.Clone(must), w.Phone), link}}
	bare := w
	bare.Phone, bare.Panel, bare.IP, bare.Device, bare.Left, bare.InPanel, bare.Own, bare.Former = "", "", "", "", "", true, false, true
	if kind == "acknowledgement" {
		bare.User = ""
	}
	return append(all, sample{kind, bare, slices.DeleteFunc(must, func(s string) bool { return s == w.User && bare.User == "" }), link})
}

// checkLetters writes every letter with sample data and says what is wrong.
func checkLetters(t *template.Template, locale string) (faults []error) {
	name := locale + ".tmpl"
	wanted := map[string]bool{}
	for _, kind := range LetterKinds {
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
	for _, kind := range LetterKinds {
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
func fit(subject, text string, w words) error {
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

// tidy is what sample data must come out as, too: at other times names of accounts
// and users can be anything.
func tidy(subject, text string, w words) error {
	for _, own := range []string{w.Link, w.Panel} {
		if own != "" {
			text = strings.ReplaceAll(text, own, "")
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

// bounded is a buffer that a template cannot fill up.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxLetter {
		return 0, fmt.Errorf("a letter of more than %d KiB", maxLetter>>10)
	}
	return b.Buffer.Write(p)
}

// execute writes subject and text with one set of templates.
func execute(t *template.Template, kind string, w words) (subject, text string, err error) {
	var s, b bounded
	if err := errors.Join(t.ExecuteTemplate(&s, kind+".subject", w), t.ExecuteTemplate(&b, kind+".text", w)); err != nil {
		return "", "", err
	}
	return s.String(), wrap(b.String()), nil
}

// write writes a letter. Words of the operator's that fail are passed over for
// the built-in ones, and why is in broken: no template stops a letter.
func (l *Letters) write(locale, kind string, w words) (subject, text, broken string, err error) {
	t, ok := l.builtIn[locale]
	if !ok {
		locale = locales[0]
		t = l.builtIn[locale]
	}
	if own := l.own[locale]; own != nil {
		subject, text, err := execute(own, kind, w)
		if err == nil {
			err = fit(subject, text, w)
		}
		if err == nil {
			return subject, text, "", nil
		}
		broken = fmt.Sprintf("%s.tmpl: %s: %v", locale, kind, err)
	}
	if subject, text, err = execute(t, kind, w); err != nil {
		return "", "", broken, fmt.Errorf("render letter: %w", err)
	}
	return subject, text, broken, nil
}

// Own are the languages that have a file of the operator's.
func (l *Letters) Own() []string { return slices.Sorted(maps.Keys(l.own)) }

// Preview writes a letter with sample data: subject, text and HTML. bare leaves
// out all that an installation need not have.
func (l *Letters) Preview(locale, kind string, bare bool) (subject, text, html string, err error) {
	if !slices.Contains(locales, locale) {
		return "", "", "", fmt.Errorf("there are no letters in %q; the languages are %s", locale, strings.Join(locales, ", "))
	}
	if !slices.Contains(LetterKinds, kind) {
		return "", "", "", fmt.Errorf("there is no letter %q; the letters are %s", kind, strings.Join(LetterKinds, ", "))
	}
	w := samples(kind, locale)[0].w
	if bare {
		w = samples(kind, locale)[1].w
	}
	subject, text, broken, err := l.write(locale, kind, w)
	if broken != "" {
		err = errors.Join(err, errors.New(broken))
	}
	return subject, text, htmlOf(text, locale), err
}

// BuiltInLetters is the built-in file of a language, to begin one's own with.
func BuiltInLetters(locale string) ([]byte, error) {
	if !slices.Contains(locales, locale) {
		return nil, fmt.Errorf("there are no letters in %q; the languages are %s", locale, strings.Join(locales, ", "))
	}
	return fs.ReadFile(letterFiles, "letters/"+locale+".tmpl")
}

// write writes a letter and remembers a template that failed.
func (d *Desk) write(locale, kind string, w words) (subject, text string, err error) {
	if kind == "staff" {
		return execute(staffLetters, kind, w)
	}
	subject, text, broken, err := d.cfg.Letters.write(locale, kind, w)
	if broken != "" {
		d.log.Error("a template was passed over for the built-in one", "reason", broken)
		d.broken.Store(&broken)
	}
	return subject, text, err
}

// brokenTemplate is why the last template was passed over, "" if none was since
// the start.
func (d *Desk) brokenTemplate() string {
	if b := d.broken.Load(); b != nil {
		return *b
	}
	return ""
}
