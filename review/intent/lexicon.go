package intent

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"
)

// class is a set of meanings a word can carry.
type class uint32

const (
	factor    class = 1 << iota // a second factor, beyond doubt
	code                        // a code or a check, which may or may not be one
	backup                      // backup codes
	action                      // to reset, remove, switch off
	enable                      // to set up, switch on
	device                      // a phone and the like
	loss                        // lost, stolen, broken, new
	ask                         // please, could you
	negation                    // not, never, no
	object                      // something else that is reset or removed every day
	elsewhere                   // to reset or remove, but the object above
	signin                      // to log in
	person                      // I, we, he, user
	domain                      // domains and their transfer
	shop                        // marketing codes, text messages to customers
	works                       // it works
	again                       // again, now
	thanks                      // thank you
	how                         // how, where
	found                       // has turned up
	help                        // to help, to solve
	mine                        // my, me
	other                       // a colleague, he, her
	fresh                       // new
)

const classCount = 24

var classNames = map[string]class{
	"factor": factor, "code": code, "backup": backup, "action": action, "enable": enable,
	"device": device, "loss": loss, "ask": ask, "not": negation, "object": object,
	"elsewhere": elsewhere, "signin": signin, "person": person, "domain": domain, "shop": shop,
	"works": works, "again": again, "thanks": thanks, "how": how, "found": found, "help": help, "mine": mine, "other": other, "fresh": fresh,
}

func classOf(names string) class {
	var c class
	for n := range strings.SplitSeq(names, "|") {
		bit, ok := classNames[n]
		if !ok {
			panic("intent: no class " + n)
		}
		c |= bit
	}
	return c
}

// The words and patterns of each language are data: the files of the folder
// lexicon, each made of lines like
//
//	[words]
//	device:             a class of this file
//	  phone tablet*     its words; a star stands for any ending,
//	  ~authenticator    a tilde allows one typing error
//	[terms]
//	factor:             a class for several words together; the first carries it
//	  second [1] step   (-factor takes it away). They are applied in order.
//	[rules]
//	works-again:        patterns of a rule in rules.go
//	  works again
//
// The class "small" lists the words by which the language is told.
//
//go:embed lexicon/*.txt
var lexiconFiles embed.FS

// A line is one entry of a lexicon file: one pattern, or one line of words.
type line struct {
	section, name, text string
}

// lines reads the file of one language. The files are fixed at build time, so a
// bad one is a programming error: panic.
func lines(language string) []line {
	raw, err := lexiconFiles.ReadFile("lexicon/" + language + ".txt")
	if err != nil {
		panic("intent: " + err.Error())
	}
	var all []line
	var section, name string
	for l := range strings.Lines(string(raw)) {
		text := strings.TrimSpace(l)
		switch {
		case text == "" || text[0] == '#':
		case text[0] == '[' && text[len(text)-1] == ']':
			section, name = text, ""
		case l[0] != ' ' && text[len(text)-1] == ':':
			name = strings.TrimSuffix(text, ":")
		case l[0] == ' ' && section != "" && name != "":
			all = append(all, line{section, name, text})
		default:
			panic(fmt.Sprintf("intent: lexicon/%s.txt: %q", language, text))
		}
	}
	return all
}

// entry is what the lexicon knows of a word before its neighbours are seen.
type entry struct {
	literal literal
	small   tongue // the languages that the word tells
	senses  []sense
}

// sense is what a word means in some languages.
type sense struct {
	tongue  tongue
	classes class
}

// in is what a word means in any of the languages t.
func (e *entry) in(t tongue) class {
	var c class
	for _, s := range e.senses {
		if s.tongue&t != 0 {
			c |= s.classes
		}
	}
	return c
}

func (e *entry) learn(t tongue, c class) {
	for i := range e.senses {
		if s := &e.senses[i]; s.tongue == t {
			s.classes |= c
			return
		}
	}
	e.senses = append(e.senses, sense{t, c})
}

var unlisted entry

type ending struct {
	stem string
	*entry
}

type lexicon struct {
	entries map[string]*entry
	endings map[string][]ending // by the first four letters
	typos   map[string][]string // a listed word less one letter
	worth   map[opening]uint32  // lengths at which a typing error is looked for
	next    literal
}

func newLexicon() *lexicon {
	return &lexicon{entries: map[string]*entry{}, endings: map[string][]ending{}, typos: map[string][]string{}, worth: map[opening]uint32{}}
}

func (l *lexicon) entry(w string) *entry {
	e := l.entries[w]
	if e == nil {
		e = &entry{}
		l.entries[w] = e
	}
	return e
}

// add lists the words of a class in the languages t.
func (l *lexicon) add(t tongue, name, words string) {
	for w := range strings.FieldsSeq(words) {
		if name == "small" {
			l.entry(fold(w)).small |= t
		} else {
			l.addWord(t, classOf(name), w)
		}
	}
}

func (l *lexicon) addWord(t tongue, c class, w string) {
	if s, ok := strings.CutSuffix(w, "*"); ok {
		l.addEnding(t, c, fold(s))
		return
	}
	w, careless := strings.CutPrefix(w, "~")
	w = fold(w)
	l.entry(w).learn(t, c)
	if careless {
		l.worth[openingOf([]byte(w))] |= 7 << (len(w) - 1) // one less, as many, one more
		for i := range w {
			l.typos[w[:i]+w[i+1:]] = append(l.typos[w[:i]+w[i+1:]], w)
		}
	}
}

func (l *lexicon) addEnding(t tongue, c class, stem string) {
	for _, e := range l.endings[stem[:4]] {
		if e.stem == stem {
			e.learn(t, c)
			return
		}
	}
	e := &entry{}
	e.learn(t, c)
	l.endings[stem[:4]] = append(l.endings[stem[:4]], ending{stem, e})
}

func (l *lexicon) intern(w string) literal {
	e := l.entry(w)
	if e.literal == 0 {
		l.next++
		e.literal = l.next
	}
	return e.literal
}

// settle lets each listed word and each ending share in the shorter endings that
// fit it, for the languages in which it says nothing itself.
func (l *lexicon) settle() {
	for _, all := range l.endings {
		slices.SortFunc(all, func(a, b ending) int { return cmp.Compare(len(b.stem), len(a.stem)) })
		for i := len(all) - 2; i >= 0; i-- {
			all[i].share(all[i].stem, all[i+1:])
		}
	}
	for w, e := range l.entries {
		if len(w) > 4 {
			e.share(w, l.endings[w[:4]])
		}
	}
}

func (e *entry) share(w string, endings []ending) {
	for _, x := range endings {
		if strings.HasPrefix(w, x.stem) {
			for _, s := range x.senses {
				if e.in(s.tongue) == 0 {
					e.learn(s.tongue, s.classes)
				}
			}
		}
	}
}

// lookup finds a folded word: as it stands, by its beginning, or with one typing
// error. It never returns nil.
func (l *lexicon) lookup(w []byte) *entry {
	if e := l.entries[string(w)]; e != nil {
		return e
	}
	if len(w) < 5 {
		return &unlisted
	}
	for _, e := range l.endings[string(w[:4])] {
		if len(w) >= len(e.stem) && string(w[:len(e.stem)]) == e.stem {
			return e.entry
		}
	}
	if len(w) < 7 || len(w) > 30 || l.worth[openingOf(w)]&(1<<len(w)) == 0 {
		return &unlisted
	}
	return l.misspelt(w)
}

// opening is the first two letters of a word in either order. People rarely get
// those wrong, and looking at them first spares nearly every word the search.
type opening [2]byte

func openingOf(w []byte) opening { return opening{min(w[0], w[1]), max(w[0], w[1])} }

func (l *lexicon) misspelt(w []byte) *entry {
	for _, c := range l.typos[string(w)] {
		return l.entries[c]
	}
	var short [30]byte
	for i := range w {
		s := append(append(short[:0], w[:i]...), w[i+1:]...)
		if e := l.entries[string(s)]; e != nil && len(s) >= 7 && len(e.senses) > 0 {
			return e
		}
		for _, c := range l.typos[string(s)] {
			if oneSlip(w, c) {
				return l.entries[c]
			}
		}
	}
	return &unlisted
}

// oneSlip tells whether two words of equal length differ in one letter or in two
// neighbours exchanged.
func oneSlip(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if i == len(a) || string(a[i+1:]) == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && string(a[i+2:]) == b[i+2:]
}
