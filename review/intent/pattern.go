package intent

import (
	"fmt"
	"strconv"
	"strings"
)

// A pattern is a sequence of words to be found inside one sentence. It is
// written as a line of
//
//	reset|clear   one of these very words
//	<factor>      a word of that class; <factor|code> of either
//	[6]           up to six other words in between
//
// and never matches across the end of a sentence.
type pattern []element

// A spoken pattern is looked for in texts of its languages only.
type spoken struct {
	tongue tongue
	pattern
}

type element struct {
	literals []literal
	classes  class
	gap      int // how many words may stand before it
}

// literal numbers a word that a list or a pattern names. 0 is any other word.
type literal uint16

// compile reads one line. The tables are fixed at build time and every line is
// read when the package starts, so a bad line is a programming error: panic.
func (l *lexicon) compile(line string) pattern {
	var p pattern
	gap := 0
	for f := range strings.FieldsSeq(line) {
		switch {
		case strings.HasPrefix(f, "["):
			n, err := strconv.Atoi(strings.Trim(f, "[]"))
			if err != nil {
				panic(fmt.Sprintf("intent: pattern %q: %v", line, err))
			}
			gap = n
			continue
		case strings.HasPrefix(f, "<"):
			p = append(p, element{classes: classOf(strings.Trim(f, "<>")), gap: gap})
		default:
			e := element{gap: gap}
			for w := range strings.SplitSeq(f, "|") {
				e.literals = append(e.literals, l.intern(fold(w)))
			}
			p = append(p, e)
		}
		gap = 0
	}
	if len(p) == 0 {
		panic("intent: empty pattern")
	}
	return p
}

func (e *element) is(w *word) bool {
	if w.classes&e.classes != 0 {
		return true
	}
	if w.literal != 0 {
		for _, l := range e.literals {
			if l == w.literal {
				return true
			}
		}
	}
	return false
}

// couldBegin tells whether any word of a text fits, given which listed words and
// which classes it has.
func (e *element) couldBegin(present []bool, meant class) bool {
	if e.classes&meant != 0 {
		return true
	}
	for _, l := range e.literals {
		if present[l] {
			return true
		}
	}
	return false
}

// match tells whether p begins at words[i], and the index of its last word. Each
// element takes the nearest word that fits; that is enough for these patterns
// and keeps the cost at the sum of the gaps.
func (p pattern) match(words []word, i int) (last int, ok bool) {
	if !p[0].is(&words[i]) {
		return 0, false
	}
	last = i
	for k := 1; k < len(p); k++ {
		found := false
		for j := last + 1; j < len(words) && j <= last+1+p[k].gap && words[j].sentence == words[i].sentence; j++ {
			if p[k].is(&words[j]) {
				last, found = j, true
				break
			}
		}
		if !found {
			return 0, false
		}
	}
	return last, true
}

// An index finds the patterns that could begin at a word without trying all.
type index struct {
	byLiteral map[literal][]int
	byClass   [classCount][]int
}

func newIndex(patterns []compiled) index {
	x := index{byLiteral: map[literal][]int{}}
	for i, p := range patterns {
		for _, l := range p.pattern[0].literals {
			x.byLiteral[l] = append(x.byLiteral[l], i)
		}
		for c := range classCount {
			if p.pattern[0].classes&(1<<c) != 0 {
				x.byClass[c] = append(x.byClass[c], i)
			}
		}
	}
	return x
}

// each calls f with every pattern whose first element could be w.
func (x *index) each(w *word, f func(i int)) {
	if w.literal != 0 {
		for _, i := range x.byLiteral[w.literal] {
			f(i)
		}
	}
	for c, rest := 0, w.classes; rest != 0; c, rest = c+1, rest>>1 {
		if rest&1 != 0 {
			for _, i := range x.byClass[c] {
				f(i)
			}
		}
	}
}

// set makes a lookup table of a list of words.
func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[fold(w)] = true
	}
	return m
}
