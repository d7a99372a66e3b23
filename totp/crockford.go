package totp

import (
	"crypto/rand"
	"strings"
	"unicode"
)

// Codes that people copy from paper are Crockford base32: 5 bits a character,
// no letter that is mistaken for a digit, case ignored.
const (
	crockford    = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	backupLength = 13 // 65 bits; NIST SP 800-63B-4 4.2.1.1 asks for 64
	passLength   = 24 // 120 bits
	maxTyped     = 200
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

// clean is the one place that reads what people type: full-width characters of
// an input method become ASCII, letters upper case, and white space, hyphens and
// what is not seen at all are dropped. Anything but ASCII letters and digits
// that is left is no code.
func clean(typed string) (string, bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	b := make([]byte, 0, len(typed))
	for _, r := range typed {
		if '\uff01' <= r && r <= '\uff5e' {
			r -= '\uff01' - '!'
		}
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), unicode.Is(unicode.Cf, r), r == '\u2212':
			continue
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		case '0' <= r && r <= '9', 'A' <= r && r <= 'Z':
		default:
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}

// lookalikes are the letters that Crockford base32 has not, as what they are
// taken for.
var lookalikes = strings.NewReplacer("O", "0", "I", "1", "L", "1")

// readCode reads what a person typed for a code of n characters.
func readCode(typed string, n int) (string, bool) {
	code, ok := clean(typed)
	if code = lookalikes.Replace(code); !ok || len(code) != n || strings.Contains(code, "U") {
		return "", false
	}
	return code, true
}

// A guess is a code in the form in which it is compared.
type guess struct {
	method Method
	code   string
}

// readGuess reads six or eight digits, or a backup code.
func readGuess(typed string) (guess, bool) {
	code, ok := clean(typed)
	if ok && (digits(code, 6) || digits(code, 8)) {
		return guess{MethodTOTP, code}, true
	}
	if code, ok = readCode(typed, backupLength); ok {
		return guess{MethodBackupCode, code}, true
	}
	return guess{}, false
}
