package intent

import "math/bits"

// tongue is a set of languages.
type tongue uint8

// languages are the names of the files in the folder lexicon; bit n of a tongue
// stands for the n-th. English is the first: its words count in every text,
// since panels and the people who use them mix them in everywhere.
var languages = [...]string{"en", "nl", "de", "fr", "es", "it", "pl", "pt"}

const (
	english tongue = 1
	every   tongue = 1<<len(languages) - 1
)

// names are the languages in English.
var names = [...]string{"English", "Dutch", "German", "French", "Spanish", "Italian", "Polish", "Portuguese"}

// Language is the English name of a language of [Result], "" for none.
func Language(code string) string {
	for i, l := range languages {
		if l == code {
			return names[i]
		}
	}
	return ""
}

// votes counts the small words of each language in a text.
type votes [len(languages)]int

func (v *votes) add(t tongue) {
	for ; t != 0; t &= t - 1 {
		v[bits.TrailingZeros8(uint8(t))]++
	}
}

// language is the one with the most votes. It is "" when there are too few or
// when two languages are as likely.
func (v *votes) language() string {
	best, name := 0, ""
	for i, n := range v {
		switch {
		case n > best:
			best, name = n, languages[i]
		case n == best:
			name = ""
		}
	}
	return name
}

// spoken is the languages that a text may be written in: those with at least a
// third of the votes of the first, and English. Without any vote it is every one.
func (v *votes) spoken() tongue {
	best := 0
	for _, n := range v {
		best = max(best, n)
	}
	t := english
	for i, n := range v {
		if n*3 >= best {
			t |= 1 << i
		}
	}
	return t
}
