package intent

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Person is somebody a text could name: a user of one of the accounts that the
// sender's address stands for. Empty fields name nobody.
type Person struct {
	ID    string // the user id, returned in [Mention]
	Login string
	Email string
	Name  string // full name, "Jane Doe"
}

// Mention is one place in a text that names a person.
type Mention struct {
	ID    string `json:"id"`    // the person's ID
	Field string `json:"field"` // "login", "email" or "name"
	Start int    `json:"start"` // bytes in the text
	End   int    `json:"end"`
}

// maxNameWords bounds a full name; a longer one names nobody.
const maxNameWords = 6

// maxMentions bounds what Mentions returns: a word repeated in a text, times the
// people who share it as their name, may be a flood.
const maxMentions = 1000

// Mentions finds the people whom a text names as whole words, in the order of
// the text. Letter case does not matter; umlauts in names may be spelt in two
// letters. "Doe, Jane" names Jane Doe. A login inside an e-mail address is part of
// the address and no mention of its own.
//
// A login or single name that is also a common word (info, admin, support,
// reset, any word of this package's lists), a plain number, or shorter than three
// letters counts only when it is marked: "user: info", "gebruiker info",
// "Benutzer info", or in quotation marks. At most 64 KiB of the text is read, and the first 1000
// mentions are returned.
func Mentions(text string, people []Person) []Mention {
	return newRoster(people).mentions(text)
}

// mentions is [Mentions] among the people of r.
func (r *roster) mentions(text string) []Mention {
	if len(r.logins)+len(r.emails)+len(r.names) == 0 {
		return nil
	}
	text = clip(text)
	p := cutWords(text)
	r.spoken = sync.OnceValue(func() tongue { p.mean(); return p.spoken }) // few texts name somebody by a listed word
	found := r.handles(nil, text)
	found = append(found, r.fullNames(nil, p)...)
	slices.SortStableFunc(found, func(a, b Mention) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.ID, b.ID))
	})
	// A login that is the name as well is one mention, not two.
	found = slices.CompactFunc(found, func(a, b Mention) bool {
		return a.ID == b.ID && a.Start == b.Start && a.End == b.End
	})
	return found[:min(len(found), maxMentions)]
}

// mention adds one mention for each of ids, up to maxMentions in all.
func mention(found []Mention, ids []string, field string, start, end int) []Mention {
	for _, id := range ids[:min(len(ids), maxMentions-len(found))] {
		found = append(found, Mention{ID: id, Field: field, Start: start, End: end})
	}
	return found
}

// roster looks people up by what a text calls them.
type roster struct {
	logins, emails map[string][]string // lower case -> ids
	names          map[string][]string // folded words joined by a space -> ids
	lengths        map[string]uint8    // first word of a name -> bit n: a name of n words
	spoken         func() tongue       // the languages of the text
}

func newRoster(people []Person) *roster {
	r := &roster{logins: map[string][]string{}, emails: map[string][]string{}, names: map[string][]string{}, lengths: map[string]uint8{}}
	for _, p := range people {
		if l := strings.ToLower(strings.TrimSpace(p.Login)); l != "" {
			r.logins[l] = append(r.logins[l], p.ID)
		}
		if e := strings.ToLower(strings.TrimSpace(p.Email)); e != "" {
			r.emails[e] = append(r.emails[e], p.ID)
		}
		r.addName(p.ID, p.Name)
	}
	return r
}

func (r *roster) addName(id, name string) {
	p := cutWords(clip(name))
	var words []string
	for i := range p.words {
		words = append(words, string(p.text(&p.words[i])))
	}
	if len(words) == 0 || len(words) > maxNameWords {
		return
	}
	orders := [][]string{words}
	if n := len(words); n > 1 {
		orders = append(orders, append([]string{words[n-1]}, words[:n-1]...))
	}
	for _, o := range orders {
		key := strings.Join(o, " ")
		if !slices.Contains(r.names[key], id) {
			r.names[key] = append(r.names[key], id)
			r.lengths[o[0]] |= 1 << len(o)
		}
	}
}

// handles finds logins and e-mail addresses.
func (r *roster) handles(found []Mention, text string) []Mention {
	marked := -1 // where the last marked login ended
	var buf [128]byte
	for i := 0; i < len(text) && len(found) < maxMentions; {
		n, in := handleRune(text, i)
		if !in {
			i += n
			continue
		}
		start, apostrophe := i, -1
		for i < len(text) {
			n, in := handleRune(text, i)
			if !in {
				if c, _ := utf8.DecodeRuneInString(text[i:]); !isApostrophe(c) || !letterAt(text, i+n) {
					break
				}
				apostrophe = i
			}
			i += n
		}
		runs, count := readings(text, start, i, apostrophe)
		for _, run := range runs[:count] {
			key := appendLower(buf[:0], text[run[0]:run[1]])
			m, ids, field := r.handle(text, run[0], run[1], marked, key)
			if len(ids) == 0 {
				continue
			}
			if m {
				marked = run[1]
			}
			found = mention(found, ids, field, run[0], run[1])
			break
		}
	}
	return found
}

// handleRune measures the rune at i and tells whether logins and addresses are
// made of such.
func handleRune(text string, i int) (size int, in bool) {
	if c := text[i]; c < utf8.RuneSelf {
		return 1, 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '.' || c == '_' || c == '-' || c == '+' || c == '@'
	}
	c, n := utf8.DecodeRuneInString(text[i:])
	return n, c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.Is(unicode.Mn, c))
}

func appendLower(b []byte, s string) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		} else if c >= utf8.RuneSelf {
			c = unicode.ToLower(c)
		}
		b = utf8.AppendRune(b, c)
	}
	return b
}

// handle looks one run of text up; marked tells that it was marked as a login.
func (r *roster) handle(text string, start, end, after int, lower []byte) (marked bool, ids []string, field string) {
	if ids := r.emails[string(lower)]; len(ids) > 0 {
		return false, ids, "email"
	}
	ids = r.logins[string(lower)]
	if len(ids) == 0 {
		return false, nil, ""
	}
	key := string(lower)
	marked = isMarked(text, start, end, key) || after >= 0 && after < start && isListGap(text[after:start])
	if !marked && isCommon(key, r.spoken) {
		return false, nil, ""
	}
	return marked, ids, "login"
}

// readings are the ways to read a run: whole, with a leading underscore, without
// a genitive ("jdoe's") or an article ("l'admin"). Punctuation around it is no part of it.
func readings(text string, start, end, apostrophe int) (runs [3][2]int, count int) {
	trim := func(a, b int) [2]int {
		for a < b && strings.IndexByte(".-+@_", text[a]) >= 0 {
			a++
		}
		for b > a && strings.IndexByte(".-+@", text[b-1]) >= 0 {
			b--
		}
		return [2]int{a, b}
	}
	whole := trim(start, end)
	runs[0], count = whole, 1
	if text[start] == '_' {
		runs[count], count = [2]int{start, whole[1]}, count+1
	}
	if apostrophe > whole[0] {
		runs[count] = trim(whole[0], apostrophe)
		if _, n := utf8.DecodeRuneInString(text[apostrophe:]); elided[fold(text[whole[0]:apostrophe])] {
			runs[count] = trim(apostrophe+n, whole[1])
		}
		count++
	}
	return runs, count
}

// fullNames finds names of one word or more, within a sentence.
func (r *roster) fullNames(found []Mention, p *prose) []Mention {
	if len(r.names) == 0 {
		return found
	}
	text := p.raw
	var key []byte
	for i := range p.words {
		if len(found) >= maxMentions {
			break
		}
		lengths := r.lengths[string(p.text(&p.words[i]))]
		if lengths == 0 {
			continue
		}
		key = key[:0]
		for n := 1; n <= maxNameWords && i+n <= len(p.words); n++ {
			w := &p.words[i+n-1]
			if n > 1 {
				if w.sentence != p.words[i].sentence {
					break
				}
				key = append(key, ' ')
			}
			key = append(key, p.text(w)...)
			if lengths&(1<<n) == 0 {
				continue
			}
			start, end := p.words[i].start, w.end
			if partOfHandle(text, start, end) || n == 1 && isCommon(string(key), r.spoken) && !isMarked(text, start, end, string(key)) {
				continue
			}
			found = mention(found, r.names[string(key)], "name", start, end)
		}
	}
	return found
}

// partOfHandle tells whether a word is a piece of an address or a login such as
// "anna@acme.example" or "anna_2".
func partOfHandle(text string, start, end int) bool {
	if start > 0 && strings.IndexByte("@._+", text[start-1]) >= 0 {
		return true
	}
	if end < len(text) && strings.IndexByte("@_+", text[end]) >= 0 {
		return true
	}
	return end+1 < len(text) && text[end] == '.' && letterAt(text, end+1)
}
