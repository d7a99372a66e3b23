package sender

import (
	"errors"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Limits of an address (RFC 5321 4.5.3.1, sender-verification 3.2).
const (
	maxLocal  = 64
	maxAddr   = 254
	maxLabel  = 63
	maxDomain = 253
)

var (
	errAddr         = errors.New("not a plain ASCII address of the form local@domain")
	errPublicSuffix = errors.New("the domain is a public suffix, under which anybody can register a name")
)

// ParseAddrSpec splits an address by the strict grammar of
// sender-verification 3.2: an ASCII dot-atom, one "@", and a domain of LDH
// labels. Quoted local parts, literals, comments, spaces, a trailing dot and
// everything beyond ASCII are errors.
func ParseAddrSpec(addr string) (local, domain string, err error) {
	local, domain, ok := strings.Cut(addr, "@")
	if !ok || len(addr) > maxAddr || !dotAtom(local) || !validDomain(domain, false) {
		return "", "", errAddr
	}
	return local, domain, nil
}

// Enrollable reports why addr cannot be a registered address; nil means it
// can (sender-verification 1). That no second account may have an address
// which differs only in ASCII case is the caller's to check.
func Enrollable(addr string) error {
	_, domain, err := ParseAddrSpec(addr)
	if err != nil {
		return err
	}
	if isPublicSuffix(domain) {
		return errPublicSuffix
	}
	return nil
}

// dotAtom reports whether s is a dot-atom-text (RFC 5322 3.2.3) of legal
// length without the characters that other mail programs treat as routing
// ("%", "!") or as encoded words ("=?", "?=").
func dotAtom(s string) bool {
	if s == "" || len(s) > maxLocal || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	if strings.Contains(s, "..") || strings.Contains(s, "=?") || strings.Contains(s, "?=") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '.' && (!isAtext(c) || c == '%' || c == '!') {
			return false
		}
	}
	return true
}

// isAtext reports whether c is atext of RFC 5322 3.2.3.
func isAtext(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// validDomain reports whether s is two or more LDH labels; underscore lets
// "_" stand where a letter may, as in DNS names that are not host names.
func validDomain(s string, underscore bool) bool {
	return strings.IndexByte(s, '.') > 0 && validLabels(s, underscore)
}

// validLabels reports whether s is one or more LDH labels joined by dots.
func validLabels(s string, underscore bool) bool {
	if len(s) > maxDomain {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !isAlnum(c) && c != '-' && (c != '_' || !underscore) {
				return false
			}
		}
	}
	return true
}

// asciiLower lowers A to Z and nothing else. strings.ToLower would make the
// Kelvin sign a k, and with it an address the attacker chose equal to ours.
func asciiLower(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// sameAddr reports whether two addr-specs name the same mailbox for certain:
// the local parts byte for byte, the domains but for ASCII case.
func sameAddr(a, b string) bool {
	al, ad, aok := strings.Cut(a, "@")
	bl, bd, bok := strings.Cut(b, "@")
	return aok && bok && al == bl && asciiLower(ad) == asciiLower(bd)
}

// isPublicSuffix reports whether anybody may register names below domain, by
// the ICANN or the private section of the list. The list is in lower case and
// the library does not lower what it is asked.
func isPublicSuffix(domain string) bool {
	domain = asciiLower(domain)
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// ValidHost reports whether s is a host name, one label or more.
func ValidHost(s string) bool { return validLabels(s, false) }

// related reports whether one of two domains in lower case lies below the other
// and both belong to one registrant, as far as the public suffix list knows.
func related(a, b string) bool {
	if !strings.HasSuffix(a, "."+b) && !strings.HasSuffix(b, "."+a) {
		return false
	}
	x, err := publicsuffix.EffectiveTLDPlusOne(a)
	y, err2 := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && err2 == nil && x == y
}
