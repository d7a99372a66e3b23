package sender

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// maxNewlines is the longest run of empty lines in a body that is hashed;
// beyond it lies nothing that a person wrote.
const maxNewlines = 64 << 10

// maxFolds is how many continuation lines the library is given to read.
const maxFolds = 500

// checker verifies the signatures of one mail.
type checker struct {
	r       *Request
	h       *head
	f       from
	ref     time.Time        // when the mail came in
	open    bool             // a passing signature could make it better than Unverified
	lookups bool             // DNS may be asked
	asked   map[string]asked // what was, by name
	nonces  []string         // references of the registered address
	body    []byte
	words   *string // what the body says; nil until asked
	// newlines says that the body contains a CR or LF alone, or so many empty
	// lines that hashing it is not worth the time; nil until asked.
	newlines *bool
}

// check parses all signatures and verifies those that could decide anything:
// the ones whose d= is the From domain. Nobody else's key is looked up.
func (c *checker) check(ctx context.Context) []*signature {
	var sigs []*signature
	for i, fd := range c.h.fields {
		if fd.name != "dkim-signature" {
			continue
		}
		s, code := parseSignature(fd.value)
		s.field = i
		s.Result = Fail
		switch {
		case code != "":
		case s.domain != c.f.domain && !(c.r.Relaxed && related(s.domain, c.f.domain)):
			s.Result, code = NotChecked, "D_NOT_ALIGNED"
		case isPublicSuffix(s.domain):
			code = "D_PUBLIC_SUFFIX"
		case !s.signed["from"]: // RFC 6376 5.4
			code, s.detail = "D_FAIL", "From is not signed"
		default:
			code = c.timely(s)
		}
		if code == "" {
			s.Result = NotChecked
			if c.lookups {
				code = c.verify(ctx, s)
			}
		}
		s.Reason = code
		sigs = append(sigs, s)
	}
	return sigs
}

// timely judges t= and x= by our own clocks (sender-verification 4, 2d): a
// signature is not from the future, and had not expired when the mail came
// in, nor has it now.
func (c *checker) timely(s *signature) string {
	if s.SignedAt > c.r.Now.Add(clockSkew).Unix() {
		return "D_FUTURE"
	}
	if s.Expires != 0 && (s.Expires < c.ref.Unix() || s.Expires < c.r.Now.Unix()) {
		return "D_EXPIRED"
	}
	return ""
}

// verify looks up the key and has the library do the cryptography. It sets
// Result.
func (c *checker) verify(ctx context.Context, s *signature) string {
	s.Result = Fail
	if c.badNewlines() {
		return "D_BODY_NEWLINES"
	}
	if code := c.lookup(ctx, s); code != "" {
		return code
	}
	k, code := parseKey(s.KeyRecord, s)
	s.KeyBits, s.KeyFlags = k.bits, k.flags
	if code != "" {
		return code
	}
	check := c.crypto
	// The library judges x= by the machine's clock, takes text out of the field
	// behind any "b=", and copies a field anew for each of its lines.
	if s.obscured || s.Expires != 0 && s.Expires < time.Now().Unix() || c.h.folds > maxFolds {
		check = c.ownCrypto
	}
	if err := check(s, k); err != nil {
		s.broken = true
		s.detail = err.Error()
		return "D_FAIL"
	}
	s.Result = Pass
	return ""
}

// lookup asks DNS for the key record of s.
func (c *checker) lookup(ctx context.Context, s *signature) string {
	if c.r.Resolver == nil {
		return "D_NO_RESOLVER"
	}
	name := asciiLower(s.Selector) + "._domainkey." + s.domain + "."
	if len(name) > maxDomain+1 {
		return "D_SYNTAX"
	}
	a, state := c.ask(ctx, name)
	s.QueriedAt, s.DNSSEC = a.At, a.DNSSEC
	switch {
	case state == askFailed && (c.r.LastTry || !c.open): // DNS decides only where nothing else has decided yet
		s.Result = TempError
		return "D_UNANSWERED"
	case state == askFailed:
		s.Result = TempError
		return "D_TEMPERROR"
	case state != askFound:
		return "D_NO_KEY"
	case len(a.Records) > 1: // RFC 6376 3.6.2.2: undefined
		return "D_KEY_MULTIPLE"
	case len(a.Records[0]) > maxKeyRecord:
		return "D_KEY_SYNTAX"
	}
	s.KeyRecord = a.Records[0]
	return ""
}

// crypto runs go-msgauth over the octets of the mail with one signature in
// it. Alone, because with several the library starts a goroutine for each,
// where a panic could not be recovered; and because only this one counts.
func (c *checker) crypto(s *signature, k key) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the library panicked: %v", p)
		}
	}()
	want := s.Selector + "._domainkey." + s.Domain
	results, err := dkim.VerifyWithOptions(bytes.NewReader(c.alone(s)), &dkim.VerifyOptions{
		MaxVerifications: 1,
		LookupTXT: func(name string) ([]string, error) {
			if name != want {
				return nil, errors.New("the library read another key name")
			}
			return []string{k.record()}, nil
		},
	})
	switch {
	case err != nil:
		return err
	case len(results) != 1 || results[0].Domain != s.Domain || len(results[0].HeaderKeys) != len(s.SignedHeaders):
		return errors.New("the library read another signature")
	}
	return results[0].Err
}

// alone returns the mail without the other DKIM-Signature fields. None of
// them is signed by s (the parser saw to it), so that no octet the signature
// covers is touched.
func (c *checker) alone(s *signature) []byte {
	out := make([]byte, 0, len(c.r.Raw))
	for i, fd := range c.h.fields {
		if fd.name != "dkim-signature" || i == s.field {
			out = append(out, fd.raw...)
		}
	}
	out = append(out, crlf...)
	return append(out, c.body...)
}

// badNewlines reports whether the body has a CR or an LF alone. The library
// would read both as line ends, and a signature over the octets as sent
// cannot pass then.
func (c *checker) badNewlines() bool {
	if c.newlines == nil {
		bad := len(c.body) >= maxNewlines && bytes.Contains(c.body, bytes.Repeat(crlf, maxNewlines/len(crlf)))
		for i, b := range c.body {
			if b == '\n' && (i == 0 || c.body[i-1] != '\r') || b == '\r' && (i+1 == len(c.body) || c.body[i+1] != '\n') {
				bad = true
				break
			}
		}
		c.newlines = &bad
	}
	return *c.newlines
}

// fingerprint names a signature for replay look-ups: domain, selector and a
// hash of the decoded b=, so that another spelling of the same base64 is the
// same signature.
func (s *signature) fingerprint() string {
	sum := sha256.Sum256(s.sig)
	return s.domain + "/" + asciiLower(s.Selector) + "/" + hex.EncodeToString(sum[:])
}
