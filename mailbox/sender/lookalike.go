package sender

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// maxDistance is the edit distance up to which a domain imitates another
// (sender-verification 3.3).
const maxDistance = 2

// Lookalike reports whether addr imitates one of registered, and which: the
// same local part but for ASCII case, at a different domain that has the same
// Skeleton or is at most two edits away. Another local part at the right
// domain (a +tag, a missing dot, a colleague) imitates nothing
// (sender-verification 3.3). addr may be any text with one "@", ASCII or not.
func Lookalike(addr string, registered []string) (imitated string, ok bool) {
	local, domain, found := strings.Cut(asciiLower(addr), "@")
	if !found || len(addr) > 4*maxAddr {
		return "", false
	}
	domain = decodeLabels(domain)
	skel := ""
	for _, r := range registered {
		rl, rd, found := strings.Cut(asciiLower(r), "@")
		rd = decodeLabels(rd)
		if !found || rl != local || rd == domain {
			continue
		}
		if skel == "" {
			skel = Skeleton(domain)
		}
		if skel == Skeleton(rd) || near(domain, rd) {
			return r, true
		}
	}
	return "", false
}

// Misspelt reports whether domain is another one than registered and at most
// two edits away from it, the second rule of [Lookalike]. It costs next to
// nothing where the lengths differ by more.
func Misspelt(domain, registered string) bool {
	a, b := decodeLabels(asciiLower(domain)), decodeLabels(asciiLower(registered))
	return a != b && near(a, b)
}

// near compares lengths before anything else.
func near(a, b string) bool {
	if n := utf8.RuneCountInString(a) - utf8.RuneCountInString(b); n > maxDistance || n < -maxDistance {
		return false
	}
	return within([]rune(a), []rune(b), maxDistance)
}

// Skeleton maps a domain to a key such that domains which look alike have the
// same key, in the manner of UTS 39 4: A-labels decoded, compatibility forms
// and accents taken away, letters of other scripts replaced by the Latin
// letter they look like, and the pairs that read as one letter (rn, vv, cl)
// joined. It is for comparison only; no key is a domain.
func Skeleton(domain string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(decodeLabels(domain)) {
		if unicode.Is(unicode.Mn, r) || invisible(r) {
			continue
		}
		// Case by case and not strings.ToLower: a capital may look like a
		// letter that its small form does not look like.
		if latin, ok := confusable[r]; ok {
			b.WriteString(latin)
			continue
		}
		r = unicode.ToLower(r)
		if latin, ok := confusable[r]; ok {
			b.WriteString(latin)
			continue
		}
		b.WriteRune(r)
	}
	return joined.Replace(b.String())
}

var joined = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d")

// decodeLabels turns the A-labels of a domain into Unicode (RFC 5891 4.4).
// A label that does not decode stays as it is.
func decodeLabels(domain string) string {
	if !strings.Contains(asciiLower(domain), "xn--") {
		return domain
	}
	labels := strings.Split(domain, ".")
	for i, l := range labels {
		if u, err := idna.Punycode.ToUnicode(asciiLower(l)); err == nil {
			labels[i] = u
		}
	}
	return strings.Join(labels, ".")
}

// confusable holds the code points that pass for a Latin letter in the fonts
// of mail programs; a hand-made part of the table of UTS 39. What NFKD already
// takes apart (full width, mathematical, accented letters) is not in here.
var confusable = func() map[rune]string {
	m := make(map[rune]string)
	for latin, look := range map[string]string{
		"a": "аɑαΑАᴀ",
		"b": "ЬВΒвʙƅ",
		"c": "сϲСᴄⅽ",
		"d": "ԁɗđⅾ",
		"e": "еЕΕєҽɛε",
		"f": "ғƒẝ",
		"g": "ɡցɢǥ",
		"h": "һНΗհнʜħ",
		"j": "јϳЈ",
		"k": "кκКΚᴋĸ",
		"l": "1iI|ıіІіΙιӏӀլłⅼɩ",
		"m": "мМΜᴍⅿ",
		"n": "пηոΝɴ",
		"o": "0оОοΟօσᴏø",
		"p": "рРρΡ",
		"q": "ԛգ",
		"r": "гᴦⲅ",
		"s": "5ѕЅꜱ",
		"t": "тТτΤᴛŧ",
		"u": "υսᴜцμ",
		"v": "νѵᴠⅴ",
		"w": "шԝωѡᴡ",
		"x": "хХχΧⅹ",
		"y": "уУγΥүʏ",
		"z": "ᴢȥΖ",
		"-": "‐‑‒–—−_",
		".": "。．｡․",
	} {
		for _, r := range look {
			m[r] = latin
		}
	}
	return m
}()

// within reports whether the edit distance of a and b is at most limit,
// counting the exchange of two neighbours as one edit.
func within(a, b []rune, limit int) bool {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return false
	}
	rows := make([]int, 3*(len(b)+1))
	before, last, row := rows[:len(b)+1], rows[len(b)+1:2*(len(b)+1)], rows[2*(len(b)+1):]
	for j := range last {
		last[j] = j
	}
	least := 0 // of the last row
	for i := 1; i <= len(a); i++ {
		row[0] = i
		lowest := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			lowest = min(lowest, row[j])
		}
		if lowest > limit && least >= limit {
			return false // no later row, whatever is exchanged, comes below
		}
		before, last, row, least = last, row, before, lowest
	}
	return last[len(b)] <= limit
}
