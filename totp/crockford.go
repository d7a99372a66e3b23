package totp

import (
	"crypto/rand"
	"strings"
)

// Codes that people copy from paper are Crockford base32: 5 bits a character,
// no letter that is mistaken for a digit, case ignored.
const (
	crockford    = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	backupLength = 13 // 65 bits; NIST SP 800-63B-4 4.2.1.1 asks for 64
	passLength   = 24 // 120 bits
	maxTyped     = 100
)

// newCode returns n random characters, 5 bits each.
func newCode(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	for i := range b {
		b[i] = crockford[b[i]&31]
	}
	return string(b)
}

// group puts sep between groups of four characters.
func group(s, sep string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

// readCode reads what a person typed for a code of n characters: any case, O
// for 0, I and L for 1, spaces and hyphens anywhere.
func readCode(typed string, n int) (string, bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	b := make([]byte, 0, n)
	for _, r := range typed {
		switch {
		case r == '-' || r == ' ' || r == '\t' || r == '\r' || r == '\n',
			r == '\u00a0', '\u2010' <= r && r <= '\u2013':
			continue
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		}
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if len(b) == n || r > 'Z' || strings.IndexByte(crockford, byte(r)) < 0 {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), len(b) == n
}
