package sender

import "strings"

// maxAuthRes is the longest Authentication-Results field that is read
// (sender-verification 5.7).
const maxAuthRes = 8 << 10

// parseAuthRes reads the value of an Authentication-Results field, stricter than
// RFC 8601 2.2: ASCII, comments and quoted strings as tokens, every result behind
// a semicolon, no property twice, nothing glued to a value. What other parsers
// might read otherwise is refused whole. exchange reads the form of Exchange
// Online, which has no authserv-id and properties without a type.
func parseAuthRes(value string, exchange bool) (results []AuthResult, ok bool) {
	s := scanner{s: strings.ReplaceAll(value, "\r\n", ""), exchange: exchange}
	if len(value) > maxAuthRes || !printable(s.s) {
		return nil, false
	}
	if !exchange {
		if _, ok := s.authservID(); !ok || !s.version() || !s.next(';') {
			return nil, false
		}
	}
	for {
		r, none, ok := s.result()
		switch {
		case !ok, none && (len(results) > 0 || !s.end()):
			return nil, false
		case none:
			return nil, true
		}
		results = append(results, r)
		if s.end() {
			return results, true
		}
		if !s.next(';') {
			return nil, false
		}
	}
}

// authservID reads the authserv-id of a field and nothing else of it, so that a
// field that names us is known even if the rest is not well formed.
func authservID(value string) string {
	s := scanner{s: strings.ReplaceAll(value, "\r\n", "")}
	id, _ := s.authservID()
	return asciiLower(id)
}

// ValidAuthservID reports whether s can be an authserv-id (RFC 8601 2.5) that is
// written as a plain token.
func ValidAuthservID(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isToken(s[i]) {
			return false
		}
	}
	return s != ""
}

// isToken reports whether c may stand in a token (RFC 2045 5.1).
func isToken(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

// printable reports whether s is printable ASCII, spaces and tabs.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return true
}

// scanner takes an unfolded field value apart.
type scanner struct {
	s        string
	i        int
	exchange bool
}

// space skips spaces and comments (RFC 5322 3.2.2). It fails on a comment that
// is not closed.
func (s *scanner) space() bool {
	depth := 0
	for ; s.i < len(s.s); s.i++ {
		switch c := s.s[s.i]; {
		case c == '(':
			depth++
		case depth > 0 && c == ')':
			depth--
		case depth > 0 && c == '\\':
			s.i++
		case depth > 0, c == ' ', c == '\t':
		default:
			return true
		}
	}
	s.i = min(s.i, len(s.s))
	return depth == 0
}

// next skips to c and takes it.
func (s *scanner) next(c byte) bool {
	if !s.space() || s.i == len(s.s) || s.s[s.i] != c {
		return false
	}
	s.i++
	return true
}

// end reports whether nothing but spaces and comments is left.
func (s *scanner) end() bool { return s.space() && s.i == len(s.s) }

// word takes the octets that ok accepts, at least one.
func (s *scanner) word(ok func(byte) bool) (string, bool) {
	start := s.i
	for s.i < len(s.s) && ok(s.s[s.i]) {
		s.i++
	}
	return s.s[start:s.i], s.i > start
}

// quoted takes a quoted string and returns what it says.
func (s *scanner) quoted() (string, bool) {
	var b strings.Builder
	for s.i++; s.i < len(s.s); s.i++ {
		switch c := s.s[s.i]; c {
		case '"':
			s.i++
			return b.String(), true
		case '\\':
			if s.i++; s.i == len(s.s) {
				return "", false
			}
			b.WriteByte(s.s[s.i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// glued reports whether something stands right behind what was read that no
// value ends at.
func (s *scanner) glued() bool {
	return s.i < len(s.s) && s.s[s.i] != ' ' && s.s[s.i] != '\t' && s.s[s.i] != ';'
}

func (s *scanner) authservID() (string, bool) {
	if !s.space() || s.i == len(s.s) {
		return "", false
	}
	if s.s[s.i] == '"' {
		return s.quoted()
	}
	return s.word(isToken)
}

// version takes a version, if there is one. It must be 1.
func (s *scanner) version() bool {
	if !s.space() {
		return false
	}
	v, some := s.word(isDigit)
	return !some || v == "1"
}

func isKeyword(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }

// result takes a method, its result, and the properties up to the next
// semicolon. none says that there is the word none instead.
func (s *scanner) result() (r AuthResult, none, ok bool) {
	if !s.space() {
		return r, false, false
	}
	method, ok := s.word(isKeyword)
	if !ok || !s.space() {
		return r, false, false
	}
	r = AuthResult{Method: asciiLower(method), Properties: map[string]string{}}
	if s.i < len(s.s) && s.s[s.i] == '/' {
		s.i++
		if !s.space() {
			return r, false, false
		}
		if v, _ := s.word(isDigit); v != "1" {
			return r, false, false
		}
	} else if r.Method == "none" && (s.i == len(s.s) || s.s[s.i] == ';') {
		return r, true, true
	}
	if !s.next('=') || !s.space() {
		return r, false, false
	}
	result, ok := s.word(isKeyword)
	r.Result = asciiLower(result)
	if !ok || s.glued() && s.s[s.i] != '(' { // dmarc=pass(p=none) is common
		return r, false, false
	}
	for s.space() {
		if s.i == len(s.s) || s.s[s.i] == ';' {
			return r, false, true
		}
		if !s.property(r) {
			break
		}
	}
	return r, false, false
}

// property takes a reason or a property into r.
func (s *scanner) property(r AuthResult) bool {
	name, ok := s.word(func(c byte) bool { return isKeyword(c) || c == '.' })
	name = asciiLower(name)
	if _, twice := r.Properties[name]; !ok || twice || !s.named(name) || !s.next('=') {
		return false
	}
	value, ok := s.value()
	r.Properties[name] = value
	return ok
}

// named reports whether name is that of a reason or a property: a type, a dot
// and a name. Names without a type are extensions (x-), or Exchange's.
func (s *scanner) named(name string) bool {
	kind, rest, typed := strings.Cut(name, ".")
	return typed && kind != "" && rest != "" ||
		!typed && (name == "reason" || s.exchange || strings.HasPrefix(name, "x-"))
}

// value takes the value of a property, which stands alone.
func (s *scanner) value() (string, bool) {
	if !s.space() || s.i == len(s.s) || s.s[s.i-1] == ')' {
		return "", false
	}
	if s.s[s.i] == '"' {
		v, ok := s.quoted()
		return v, ok && !s.glued()
	}
	v, ok := s.word(func(c byte) bool { return isToken(c) || c == '@' || c == '/' || c == ':' || c == '=' })
	return v, ok && !s.glued() && strings.IndexByte(v, '\'') < 0 && strings.Count(v, "@") < 2
}

// domain is what a result is about: the domain of the first property of names
// that is there, in lower case; "" if it is no plain domain.
func (r AuthResult) domain(names ...string) string {
	for _, name := range names {
		value, there := r.Properties[name]
		if !there {
			continue
		}
		local, domain, at := strings.Cut(value, "@")
		if !at {
			local, domain = "", value
		}
		if validDomain(domain, true) && (local == "" || dotAtom(local)) {
			return asciiLower(domain)
		}
		return ""
	}
	return ""
}
