package intent

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds what is read of a text. mailbox/message hands out at most
// 64 KiB; whatever comes after that is no plea for help.
const maxText = 64 << 10

// A word is a run of letters and digits. Its folded form lies in prose.folded.
type word struct {
	start, end int // bytes in prose.raw
	at, to     int // bytes in prose.folded
	sentence   int32
	*entry           // what is known of it
	classes    class // what it means here
	last       int32 // where a term ends that begins here
}

// prose is a text cut into folded words. Folding makes "Zurücksetzen",
// "zuruecksetzen" and "zurück\u00adsetzen" the same word.
type prose struct {
	raw    string
	folded []byte
	words  []word
	spoken tongue // the languages it may be written in
}

func (p *prose) text(w *word) []byte { return p.folded[w.at:w.to] }

// cut splits a text and what stands before it into words. Each is a sentence of
// its own.
func cut(topic, subject, text string) *prose {
	return cutWords(clip(topic) + "\n\n" + clip(subject) + "\n\n" + unescape(clip(text)))
}

// unescape reads HTML entities in plain text ("zur&uuml;cksetzen"), as some
// programs leave them.
func unescape(s string) string {
	if i := strings.IndexByte(s, '&'); i < 0 || strings.IndexByte(s[i:], ';') < 0 {
		return s
	}
	return html.UnescapeString(s)
}

func cutWords(raw string) *prose {
	p := &prose{
		raw:    raw,
		folded: make([]byte, 0, len(raw)+len(raw)/16),
		words:  make([]word, 0, len(raw)/5+4),
	}
	var sentence int32
	for i := 0; i < len(raw); {
		r, n := rune(raw[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(raw[i:])
		}
		if isWordRune(r) {
			i = p.take(i, sentence)
			continue
		}
		if endsSentence(raw, i, r) && !p.abbreviated(r, i) {
			sentence++
		}
		i += n
	}
	return p
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return s[:maxText]
}

// take reads the word at i and returns where it ends.
func (p *prose) take(i int, sentence int32) int {
	w := word{start: i, at: len(p.folded), sentence: sentence, entry: &unlisted}
	for i < len(p.raw) {
		r, n := rune(p.raw[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(p.raw[i:])
		}
		switch {
		case isWordRune(r):
			p.folded = appendFolded(p.folded, r, len(p.folded) > w.at)
		case isApostrophe(r) && letterAt(p.raw, i+n) && !elided[string(p.folded[w.at:])]:
			// "can't" is "cant"; "jdoe's" is found by the login tokeniser.
		default:
			w.end, w.to = i, len(p.folded)
			p.words = append(p.words, w)
			return i
		}
		i += n
	}
	w.end, w.to = i, len(p.folded)
	p.words = append(p.words, w)
	return i
}

// elided are the French and Italian words that lose their end before another:
// "l'application", "dell'utente". The apostrophe parts the two.
var elided = set("l d j n m t s c qu jusqu lorsqu puisqu dell nell all sull dall coll quell un com dov")

// abbreviations are the ones that a full stop follows inside a sentence.
var abbreviations = set("nr no mr mrs ms dr bzw ca evtl inkl bijv dhr mevr tel st abs mme sr sra sig dott pan p np tzn")

// abbreviated tells whether the full stop at i ends an abbreviation or an initial
// only.
func (p *prose) abbreviated(r rune, i int) bool {
	if r != '.' || len(p.words) == 0 {
		return false
	}
	w := &p.words[len(p.words)-1]
	text := p.text(w)
	return w.end == i && (len(text) == 1 && text[0] >= 'a' || abbreviations[string(text)])
}

// endsSentence tells whether the rune r at i ends a sentence: a full stop and
// the like before white space, an empty line, or a list item.
func endsSentence(s string, i int, r rune) bool {
	switch r {
	case '.', '!', '?', ';':
		return i+1 >= len(s) || s[i+1] == ' ' || s[i+1] == '\n' || s[i+1] == '\r' || s[i+1] == '\t'
	case '\n':
		for j := i + 1; j < len(s) && j < i+8; j++ {
			switch s[j] {
			case ' ', '\t', '\r':
			case '\n', '*', '>':
				return true
			case '-':
				return j+1 < len(s) && s[j+1] == ' '
			default:
				return false
			}
		}
	}
	return false
}

func isApostrophe(r rune) bool { return r == '\'' || r == '’' || r == '‘' || r == '`' }

func letterAt(s string, i int) bool {
	r, _ := utf8.DecodeRuneInString(s[min(i, len(s)):])
	return unicode.IsLetter(r)
}

// isWordRune includes the invisible characters that may stand inside a word.
func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || isInvisible(r))
}

func isInvisible(r rune) bool {
	switch r {
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return true
	}
	return false
}

// appendFolded appends the plain lower-case spelling of r: umlauts in two
// letters, other accents dropped. A combining diaeresis after a, o or u becomes
// the second letter, so that decomposed text folds like composed text.
func appendFolded(b []byte, r rune, inside bool) []byte {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(b, byte(r))
	}
	if isInvisible(r) {
		return b
	}
	if unicode.Is(unicode.Mn, r) {
		if last := len(b) - 1; r == '\u0308' && inside && (b[last] == 'a' || b[last] == 'o' || b[last] == 'u') {
			return append(b, 'e')
		}
		return b
	}
	if '！' <= r && r <= '～' { // full width
		return appendFolded(b, r-'！'+'!', inside)
	}
	r = unicode.ToLower(r)
	if s, ok := plain[r]; ok {
		return append(b, s...)
	}
	return utf8.AppendRune(b, r)
}

// plain spells the accented letters of our languages and their neighbours, and
// the Cyrillic and Greek letters that look like Latin ones.
var plain = map[rune]string{
	'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'å': "a", 'ĳ': "ij",
	'á': "a", 'à': "a", 'â': "a", 'ã': "a", 'é': "e", 'è': "e", 'ê': "e", 'ë': "e",
	'í': "i", 'ì': "i", 'î': "i", 'ï': "i", 'ó': "o", 'ò': "o", 'ô': "o", 'õ': "o",
	'ú': "u", 'ù': "u", 'û': "u", 'ñ': "n", 'ç': "c", 'ý': "y", 'ÿ': "y",
	'а': "a", 'в': "b", 'с': "c", 'е': "e", 'ѕ': "s", 'і': "i", 'ј': "j", 'к': "k", 'м': "m", 'н': "h", 'о': "o", 'р': "p", 'т': "t",
	'у': "y", 'х': "x", 'ԁ': "d", 'ո': "n", 'ᴀ': "a", 'α': "a", 'ε': "e", 'ι': "i", 'κ': "k", 'ο': "o", 'ρ': "p", 'τ': "t", 'υ': "u", 'ν': "v",
	'ł': "l", 'š': "s", 'ś': "s", 'ž': "z", 'ż': "z", 'č': "c", 'ć': "c", 'ń': "n", 'ę': "e", 'ą': "a",
}

// fold folds one string as a whole, for lists and keys.
func fold(s string) string {
	b := make([]byte, 0, len(s)+4)
	for _, r := range s {
		if isApostrophe(r) {
			continue
		}
		b = appendFolded(b, r, len(b) > 0)
	}
	return string(b)
}
