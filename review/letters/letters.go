// Package letters holds the words of all letters: templates in each language, the operator's files in their place, and
// the checks that both must pass. It is pure but for reading those files.
package letters

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
	"sync"
	"text/template"
	"unicode/utf8"
)

// The words of the letters, one file a language. Translators edit these files
// and nothing else; the HTML part is made from the text.
//
//go:embed *.tmpl
var files embed.FS

// locales are the languages we write in; others get the first.
var locales = []string{"en", "de", "nl", "fr", "es"}

// caseLetters are those of a case; the others are about a user.
var caseLetters = []string{"acknowledgement", "notice", "cleared", "pass", "rejected", "undone", "withdrawn", "vouch"}

// Words are what a letter may say. All are text; the templates decide.
type Words struct {
	Brand, Phone, Panel  string
	Number               string
	Account, AccountID   string
	User, UserAddress    string // login, masked address of its own
	Requester, Requested string
	InPanel              bool   // asked for in the control panel, not by mail
	By                   string // "phone" or "ticket" if a reviewer wrote the request down, else ""
	Link, LinkUntil      string
	When, HoldUntil      string
	Pass, PassUntil      string
	Reference            string // the secret that an answer quotes
	IP, Device, Left     string // of an event: "" if unknown
	Day, Stage           string // of a reminder
	Rejected             string // why, as far as people are told: one of Rejections, or "" for all else
	Own                  bool   // the recipient is the user
	Former               bool   // the recipient was a contact until lately
}

// Rejections are the reasons that a rejection has words of its own for: none of them
// speaks of a proof.
var Rejections = []string{"off", "over", "address"}

// Kinds are all letters, in the order of the schema.
var Kinds = append(slices.Clone(caseLetters), "enrolled", "replaced", "device_added", "device_removed",
	"turned_off", "codes_renewed", "code_used", "codes_low", "code_repeated", "locked", "alarm", "reminder")

// Locales are the languages of the letters.
func Locales() []string { return slices.Clone(locales) }

// Language is the one of ours that a locale such as "de-AT" is written
// in, or the first one.
func Language(locale string) string {
	base, _, _ := strings.Cut(locale, "-")
	if slices.Contains(locales, base) {
		return base
	}
	return locales[0]
}

// A Set is the words of all letters: the built-in ones, and for some languages
// a file of the operator's in their place.
type Set struct {
	builtIn map[string]func() *template.Template
	own     map[string]*template.Template
}

// builtIn is what every desk has.
var builtIn = func() *Set {
	l := &Set{builtIn: map[string]func() *template.Template{}, own: map[string]*template.Template{}}
	for _, locale := range locales {
		l.builtIn[locale] = parsed(locale + ".tmpl")
	}
	return l
}()

// staff are the letters to reviewers, in the language of their pages.
var staff = parsed("staff.tmpl")

// parsed are the words of a file in the binary, parsed when they are first asked for:
// all of them would be a tenth of the start.
func parsed(name string) func() *template.Template {
	return sync.OnceValue(func() *template.Template {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // it is in the binary
		}
		return template.Must(template.New(name).Parse(string(text)))
	})
}

// BuiltIn is the set without files of the operator's.
func BuiltIn() *Set { return builtIn }

// maxTemplate bounds a file of templates, maxLetter what comes of one.
const (
	maxTemplate = 1 << 20
	maxLetter   = 64 << 10
)

// Load reads the operator's files in dir: en.tmpl, de.tmpl and so on, each
// whole, with every letter in it. "" is no such folder. Every letter is written
// with sample data, and whatever is wrong with any of them is in the error, with
// file and line.
func Load(dir string) (*Set, error) {
	l := &Set{builtIn: builtIn.builtIn, own: map[string]*template.Template{}}
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
		faults = append(faults, check(t, locale)...)
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

// bounded is a buffer that a template cannot fill up.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxLetter {
		return 0, fmt.Errorf("a letter of more than %d KiB", maxLetter>>10)
	}
	return b.Buffer.Write(p)
}

// execute writes subject and text with one set of templates.
func execute(t *template.Template, kind string, w Words) (subject, text string, err error) {
	var s, b bounded
	if err := errors.Join(t.ExecuteTemplate(&s, kind+".subject", w), t.ExecuteTemplate(&b, kind+".text", w)); err != nil {
		return "", "", err
	}
	return s.String(), wrap(b.String()), nil
}

// Write writes a letter. Words of the operator's that fail are passed over for
// the built-in ones, and why is in broken: no template stops a letter.
func (l *Set) Write(locale, kind string, w Words) (subject, text, broken string, err error) {
	if kind == "staff" || kind == "invitation" {
		subject, text, err = execute(staff(), kind, w)
		return subject, text, "", err
	}
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
	if subject, text, err = execute(t(), kind, w); err != nil {
		return "", "", broken, fmt.Errorf("render letter: %w", err)
	}
	return subject, text, broken, nil
}

// Head is the letter to admins with a signed head of the audit. The head stands at
// its end as it was signed, no line of it broken.
func Head(w Words, signed string) (subject, text string, err error) {
	subject, text, err = execute(staff(), "head", w)
	return subject, text + "\n" + signed, err
}

// Own are the languages that have a file of the operator's.
func (l *Set) Own() []string { return slices.Sorted(maps.Keys(l.own)) }

// Preview writes a letter with sample data: subject, text and HTML. bare leaves
// out all that an installation need not have.
func (l *Set) Preview(locale, kind string, bare bool) (subject, text, html string, err error) {
	if !slices.Contains(locales, locale) {
		return "", "", "", fmt.Errorf("there are no letters in %q; the languages are %s", locale, strings.Join(locales, ", "))
	}
	if !slices.Contains(Kinds, kind) {
		return "", "", "", fmt.Errorf("there is no letter %q; the letters are %s", kind, strings.Join(Kinds, ", "))
	}
	w := samples(kind, locale)[0].w
	if bare {
		w = samples(kind, locale)[1].w
	}
	subject, text, broken, err := l.Write(locale, kind, w)
	if broken != "" {
		err = errors.Join(err, errors.New(broken))
	}
	return subject, text, HTML(text, locale), err
}

// File is the built-in file of a language, to begin one's own with.
func File(locale string) ([]byte, error) {
	if !slices.Contains(locales, locale) {
		return nil, fmt.Errorf("there are no letters in %q; the languages are %s", locale, strings.Join(locales, ", "))
	}
	return fs.ReadFile(files, locale+".tmpl")
}
