package sender

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
	switch c {
	case '(', ')', '<', '>', '@', ',', ';', ':', '\\', '"', '/', '[', ']', '?', '=':
		return false
	}
	return c > ' ' && c < 0x7f
}
