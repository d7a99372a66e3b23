package demo

import (
	"strings"
	"testing"
	"time"
)

// The phone is the one part that reads what a visitor pastes, so it is tested
// from the inside.
func TestReadKey(t *testing.T) {
	// RFC 6238 appendix B: the secret is "12345678901234567890".
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	at := time.Unix(1111111109, 0)
	for name, x := range map[string]struct{ pasted, code string }{
		"key":            {secret, "081804"},
		"in groups":      {"GEZD GNBV GY3T QOJQ  GEZD GNBV GY3T QOJQ\r\n", "081804"},
		"lower case":     {strings.ToLower(secret), "081804"},
		"link":           {"otpauth://totp/Example%20Hosting:jane?secret=" + secret + "&issuer=Example%20Hosting&algorithm=SHA1&digits=6&period=30", "081804"},
		"eight digits":   {"OTPAUTH://totp/x?secret=" + secret + "&digits=8", "07081804"},
		"empty":          {" ", ""},
		"words":          {"my key please", ""},
		"short":          {"GEZDGNBV", ""},
		"no secret":      {"otpauth://totp/x?issuer=y", ""},
		"counter":        {"otpauth://hotp/x?secret=" + secret, ""},
		"odd digits":     {"otpauth://totp/x?digits=7&secret=" + secret, ""},
		"odd period":     {"otpauth://totp/x?period=0&secret=" + secret, ""},
		"odd algorithm":  {"otpauth://totp/x?algorithm=MD5&secret=" + secret, ""},
		"another scheme": {"https://totp/x?secret=" + secret, ""},
		"too long":       {strings.Repeat("A", maxPasted+1), ""},
	} {
		k, err := readKey(x.pasted)
		if (err == nil) != (x.code != "") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		if code, err := k.code(at); err != nil || code != x.code {
			t.Errorf("%s: code %s, %v, want %s", name, code, err, x.code)
		}
	}
}

func FuzzReadKey(f *testing.F) {
	f.Add("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")
	f.Add("otpauth://totp/Example:jane?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8&period=60&algorithm=SHA512")
	f.Add("otpauth://totp/%zz?secret==")
	f.Fuzz(func(t *testing.T, pasted string) {
		k, err := readKey(pasted)
		if err != nil {
			return
		}
		code, err := k.code(time.Unix(1111111109, 0))
		if err != nil || (len(code) != 6 && len(code) != 8) || len(spaced(code)) != len(code)+1 {
			t.Errorf("a key that was taken gives %q, %v", code, err)
		}
	})
}
