package totp

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// secretSize is 160 bits: the length RFC 4226 4 recommends, above the 112 of
// NIST SP 800-63B-4 3.1.4.1.
const (
	secretSize    = 20
	minSecretSize = 14
	maxLabel      = 120
)

// An Algorithm is the hash inside the HMAC. Many authenticators ignore the
// parameter, so SHA1 is the one that works everywhere.
type Algorithm int

// The algorithms of RFC 6238 1.2.
const (
	SHA1 Algorithm = iota
	SHA256
	SHA512
)

// String returns the name as otpauth URIs spell it.
func (a Algorithm) String() string {
	switch a {
	case SHA256:
		return "SHA256"
	case SHA512:
		return "SHA512"
	}
	return "SHA1"
}

func (a Algorithm) primitive() otp.Algorithm {
	switch a {
	case SHA256:
		return otp.AlgorithmSHA256
	case SHA512:
		return otp.AlgorithmSHA512
	}
	return otp.AlgorithmSHA1
}

func algorithmNamed(name string) (Algorithm, error) {
	for _, a := range []Algorithm{SHA1, SHA256, SHA512} {
		if a.String() == name {
			return a, nil
		}
	}
	return SHA1, fmt.Errorf("unknown algorithm %q", name)
}

// Options describe a key. Issuer and Account are what the authenticator shows.
type Options struct {
	Issuer    string
	Account   string
	Algorithm Algorithm // zero: SHA1
	Digits    int       // 6 or 8; zero: 6
	Period    int       // seconds, 30 or 60; zero: 30
	// BareLabel leaves the issuer out of the label of the URI, so that only the
	// parameter tells it: for apps that show "Issuer:account" as it stands.
	BareLabel bool
}

func (o Options) complete() (Options, error) {
	if o.Digits == 0 {
		o.Digits = 6
	}
	if o.Period == 0 {
		o.Period = 30
	}
	if o.Digits != 6 && o.Digits != 8 {
		return o, errors.New("a code has 6 or 8 digits")
	}
	if o.Period != 30 && o.Period != 60 {
		return o, errors.New("a period is 30 or 60 seconds")
	}
	if o.Algorithm < SHA1 || o.Algorithm > SHA512 {
		return o, errors.New("unknown algorithm")
	}
	if err := checkLabel("issuer", o.Issuer); err != nil {
		return o, err
	}
	return o, checkLabel("account", o.Account)
}

// checkLabel refuses what an otpauth URI cannot carry: its label separates
// issuer and account by a colon.
func checkLabel(what, s string) error {
	bad := func(r rune) bool { return r == ':' || unicode.IsControl(r) }
	if strings.TrimSpace(s) == "" || len(s) > maxLabel || !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		return fmt.Errorf("%s is empty, too long, or has a colon or a control character", what)
	}
	return nil
}

// A Key is one authenticator's secret with its parameters. The zero Key
// verifies nothing. A Key prints and logs as "[redacted]".
type Key struct {
	secret  []byte
	options Options
}

// Generate makes a key with a fresh secret of 160 bits.
func Generate(o Options) (Key, error) {
	o, err := o.complete()
	if err != nil {
		return Key{}, fmt.Errorf("generate key: %w", err)
	}
	secret := make([]byte, secretSize)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	return Key{secret: secret, options: o}, nil
}

// Restore makes the key of a stored secret, as [Secret.Base32] gave it. Lower
// case, spaces and padding are tolerated. A secret below 112 bits is refused,
// an empty one above all.
func Restore(secret string, o Options) (Key, error) {
	o, err := o.complete()
	if err != nil {
		return Key{}, fmt.Errorf("restore key: %w", err)
	}
	clean := strings.TrimRight(strings.ToUpper(strings.ReplaceAll(secret, " ", "")), "=")
	raw, err := unpadded.DecodeString(clean)
	if err != nil || unpadded.EncodeToString(raw) != clean { // the decoder passes lengths that no text has
		return Key{}, errors.New("restore key: the secret is not base32")
	}
	if len(raw) < minSecretSize {
		return Key{}, errors.New("restore key: the secret has less than 112 bits")
	}
	return Key{secret: raw, options: o}, nil
}

// Secret returns the shared secret.
func (k Key) Secret() Secret { return Secret{k.secret} }

// Grouped returns the secret in groups of four characters, for typing.
func (k Key) Grouped() string { return group(k.Secret().Base32(), " ") }

// URI returns the otpauth:// URI that a QR code carries and a phone opens.
// The zero Key has none.
func (k Key) URI() string {
	if len(k.secret) == 0 {
		return ""
	}
	o := k.options
	label := escape(o.Account)
	if !o.BareLabel {
		label = escape(o.Issuer) + ":" + label
	}
	return fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s&algorithm=%s&digits=%d&period=%d",
		label, k.Secret().Base32(), escape(o.Issuer), o.Algorithm, o.Digits, o.Period)
}

// escape percent-encodes for both halves of an otpauth URI. A space must be
// %20, not +, or some authenticators show the plus; & and = must not survive,
// which is why the primitive's own URI is not used.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Verify tells whether code is the key's code at time t, one step earlier or
// one later, and of a step newer than after, the last one accepted (0: none
// yet). code must be exactly the digits, in ASCII. Store the returned step, in
// the same act that lets the person in, before anything else; two equal codes
// in neighbouring steps give the newest step, so that neither is good twice.
func (k Key) Verify(code string, t time.Time, after int64) (step int64, ok bool) {
	step, m := k.match(code, t, after, 0, 1)
	return step, m == matchFresh
}

type match int

const (
	matchNone  match = iota
	matchUsed        // a code of the window, but of a step that was accepted already
	matchFresh       // the newest unused step
)

// match compares code with every step of the window, each in constant time and
// all of them, so that the time taken says nothing about which one it was. Steps
// up to after are used, and so is the step burnt (0: none).
func (k Key) match(code string, t time.Time, after, burnt int64, skew int) (int64, match) {
	if len(k.secret) == 0 || t.Unix() < 0 || !digits(code, k.options.Digits) {
		return 0, matchNone
	}
	given := []byte(code)
	secret := k.Secret().Base32()
	now := k.step(t)
	var fresh, used int64
	for s := max(0, now-int64(skew)); s <= now+int64(skew); s++ {
		equal := -int64(subtle.ConstantTimeCompare([]byte(k.code(secret, s)), given)) // 0 or all ones
		if s > after && s != burnt {
			fresh = fresh&^equal | s&equal
		} else {
			used |= equal
		}
	}
	switch {
	case fresh != 0:
		return fresh, matchFresh
	case used != 0:
		return 0, matchUsed
	}
	return 0, matchNone
}

// maxDrift is how many steps off a wrong code is looked for.
const maxDrift = 10

// offset tells by how many steps a code that is wrong is off: below zero the
// device is slow. 0: the code is none of the steps around.
func (k Key) offset(code string, t time.Time, skew int) int64 {
	if len(k.secret) == 0 || !digits(code, k.options.Digits) {
		return 0
	}
	secret, now := k.Secret().Base32(), k.step(t)
	for n := int64(skew) + 1; n <= maxDrift; n++ {
		for _, d := range []int64{-n, n} {
			if now+d >= 0 && subtle.ConstantTimeCompare([]byte(k.code(secret, now+d)), []byte(code)) == 1 {
				return d
			}
		}
	}
	return 0
}

func (k Key) driftError(steps int64) *DriftError {
	return &DriftError{time.Duration(steps*int64(k.options.Period)) * time.Second}
}

func (k Key) step(t time.Time) int64 { return t.Unix() / int64(k.options.Period) }

// code returns the code of a step (RFC 4226 5.3 over the counter of RFC 6238
// 4.2). The primitive takes an empty secret and trims codes: match keeps both
// away from it.
func (k Key) code(base32 string, step int64) string {
	code, err := hotp.GenerateCodeCustom(base32, uint64(step), hotp.ValidateOpts{
		Digits:    otp.Digits(k.options.Digits),
		Algorithm: k.options.Algorithm.primitive(),
	})
	if err != nil {
		return "" // never: the secret was encoded by us
	}
	return code
}

// digits tells whether s is exactly n ASCII digits. Nothing is trimmed.
func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
