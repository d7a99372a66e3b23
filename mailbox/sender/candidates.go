package sender

import (
	"strings"
)

// maxCandidates bounds what Candidates returns, so that a header full of
// addresses cannot become a flood of queries.
const maxCandidates = 1000

// Candidates returns what a header block could be about: every token that
// looks like an address anywhere in its octets, in decoded words and in
// display names, in lower case (ASCII), each once. It is liberal, because it
// decides whether a body is fetched at all (design 2, promise 1): it reads
// what the gate refuses, undoes folds, comments and quotes around the "@",
// and takes the address out of a bounce token such as
// bounce+admin=legit.example@relay.example. Fields that name a sender come
// first; at most 1000 tokens are returned.
//
// Nothing it returns proves anything, and the tokens need not be valid
// addresses; they may contain letters beyond ASCII.
func Candidates(header []byte) []string { return candidatesIn(looseFields(header)) }

// Named returns [Candidates] and [Claimed] of a header block that is cut into fields once.
func Named(header []byte) (candidates, claimed []string) {
	fields := looseFields(header)
	return candidatesIn(fields), claimedIn(fields)
}

func candidatesIn(fields []string) []string {
	c := candidates{seen: make(map[string]bool)}
	var others []string
	for _, f := range fields {
		if identityField(f) {
			c.field(f)
		} else {
			others = append(others, f)
		}
	}
	for _, f := range others {
		c.field(f)
	}
	return c.found
}

// maxClaimed bounds what Claimed returns: each entry is compared with many
// registered addresses.
const maxClaimed = 20

// Claimed returns those candidates that the fields which name a sender put
// forward, in the manner of [Candidates] and at most 20: first the address that
// each From field would be from, then what its display name shows, then the
// other fields. Only these can imitate somebody.
func Claimed(header []byte) []string { return claimedIn(looseFields(header)) }

func claimedIn(fields []string) []string {
	c := candidates{seen: make(map[string]bool)}
	var from, others []string
	for _, f := range fields {
		switch name := fieldName(f); {
		case name == "from":
			from = append(from, f)
		case identityField(f):
			others = append(others, f)
		}
	}
	for _, f := range from { // a long display name must not hide the address behind it
		if open := strings.LastIndexByte(f, '<'); open >= 0 {
			c.field(f[open:])
		}
	}
	for _, f := range append(from, others...) {
		if len(c.found) >= maxClaimed {
			break
		}
		c.field(f)
	}
	return c.found[:min(len(c.found), maxClaimed)]
}

// looseFields splits a header block at any line ending, folds joined. It stops
// at the first empty line and refuses nothing.
func looseFields(header []byte) []string {
	if len(header) > maxHeader {
		header = header[:maxHeader]
	}
	var fields []string
	var first string // the field so far, as long as it has one line
	var folded strings.Builder
	flush := func() {
		if folded.Len() > 0 {
			first = folded.String()
			folded.Reset()
		}
		if first != "" {
			fields = append(fields, first)
			first = ""
		}
	}
	for line := range strings.Lines(string(header)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		switch {
		case line[0] != ' ' && line[0] != '\t' || first == "":
			flush()
			first = line
		default:
			if folded.Len() == 0 {
				folded.WriteString(first)
			}
			folded.WriteString(line)
		}
	}
	flush()
	return fields
}

func identityField(f string) bool {
	switch fieldName(f) {
	case "from", "sender", "reply-to", "return-path", "resent-from", "resent-sender", "x-original-from":
		return true
	}
	return false
}

func fieldName(f string) string {
	name, _, _ := strings.Cut(f, ":")
	return asciiLower(strings.TrimSpace(name))
}

type candidates struct {
	found []string
	seen  map[string]bool
}

// field looks at one field in each way a mail program might read it.
func (c *candidates) field(f string) {
	decoded := f
	if strings.Contains(f, "=?") {
		if s, err := newDecoder().DecodeHeader(f); err == nil {
			decoded = s
		}
	}
	if !strings.ContainsAny(decoded, "@\uff20\ufe6b") && !strings.Contains(f, "@") {
		return
	}
	c.tokens(f)
	if decoded = atSigns.Replace(decoded); decoded != f {
		c.tokens(decoded)
	}
	if loose(decoded) {
		c.tokens(squeeze(decoded))
	}
}

// loose reports whether squeeze may bring out a token of s that does not stand in s
// as it is: most fields have none, and are read once.
func loose(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80 || c == '"' || c == '\\' || c == '(' || c == ')':
			return true
		case glued(c) && (i > 0 && s[i-1] <= ' ' || i+1 < len(s) && s[i+1] <= ' '):
			return true
		}
	}
	return false
}

var atSigns = strings.NewReplacer("\uff20", "@", "\ufe6b", "@")

// squeeze removes quotes, backslashes, comments, and the spaces around "@"
// and ".", all of which RFC 5322 lets stand inside an address.
func squeeze(s string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0 || c == '"' || c == '\\':
		default:
			b.WriteByte(c)
		}
	}
	if depth > 0 { // an open comment must not hide the rest
		return squeeze(strings.ReplaceAll(s, "(", " "))
	}
	words := strings.Fields(b.String())
	b.Reset()
	for i, w := range words {
		if i > 0 && !glued(words[i-1][len(words[i-1])-1]) && !glued(w[0]) {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return b.String()
}

func glued(c byte) bool { return c == '@' || c == '.' }

// tokens adds each address-like token of s.
func (c *candidates) tokens(s string) {
	for from := 0; ; {
		at := strings.IndexByte(s[from:], '@')
		if at < 0 {
			return
		}
		at += from
		from = at + 1
		start, end := at, at+1
		for start > 0 && at-start < maxAddr && localByte(s[start-1]) {
			start--
		}
		for end < len(s) && end-at < maxAddr && domainByte(s[end]) {
			end++
		}
		c.address(s[start:at], strings.Trim(s[at+1:end], ".-"))
	}
}

func (c *candidates) address(local, domain string) {
	local = strings.TrimLeft(local, ".'")
	if local == "" || domain == "" {
		return
	}
	c.add(local + "@" + domain)
	if i := strings.LastIndexByte(local, '='); i > 0 && strings.IndexByte(local[i:], '.') > 0 {
		inner := local[:i]
		c.add(inner + "@" + local[i+1:])
		if j := strings.LastIndexByte(inner, '+'); j >= 0 && j+1 < len(inner) {
			c.add(inner[j+1:] + "@" + local[i+1:])
		}
	}
}

func (c *candidates) add(addr string) {
	addr = asciiLower(addr)
	if len(c.found) < maxCandidates && !c.seen[addr] {
		c.seen[addr] = true
		c.found = append(c.found, addr)
	}
}

func localByte(b byte) bool  { return b >= 0x80 || b == '.' || isAtext(b) }
func domainByte(b byte) bool { return b >= 0x80 || b == '.' || b == '-' || b == '_' || isAlnum(b) }
