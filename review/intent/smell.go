package intent

import "strings"

// SmellsOf2FA is the liberal test on a decoded subject line: could this mail be
// about a second factor, a lost device or a lost way in? It decides only whether
// a body is fetched at all, so it says yes when in doubt.
func SmellsOf2FA(subject string) bool {
	s := strings.ToLower(subject)
	for _, w := range []string{"2fa", "mfa", "totp", "faktor", "factor", "authenti", "code", "reset"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}
