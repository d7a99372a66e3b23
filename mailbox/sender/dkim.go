package sender

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// lookupBudget bounds all DNS questions about one mail together. Whoever forges
// the From of a slow domain must not hold up everybody's mail for long.
const lookupBudget = 5 * time.Second

// maxNewlines is the longest run of empty lines in a body that is hashed;
// beyond it lies nothing that a person wrote.
const maxNewlines = 64 << 10

// checker verifies the signatures of one mail.
type checker struct {
	r    *Request
	h    *head
	f    from
	ref  time.Time // when the mail came in
	open bool      // a passing signature could make it better than Unverified
	keys map[string]answer
	body []byte
	// newlines says that the body contains a CR or LF alone, or so many empty
	// lines that hashing it is not worth the time; nil until asked.
	newlines *bool
}

// answer is what DNS said about a key.
type answer struct {
	record string
	code   string
}

// check parses all signatures and verifies those that could decide anything:
// the ones whose d= is the From domain. Nobody else's key is looked up.
func (c *checker) check(ctx context.Context, lookups bool) []*signature {
	ctx, cancel := context.WithTimeout(ctx, lookupBudget)
	defer cancel()
	c.keys = make(map[string]answer)
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
		case s.domain != c.f.domain:
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
			if lookups {
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
	a := c.lookup(ctx, s)
	s.KeyRecord = a.record
	if a.code != "" {
		if a.code == "D_TEMPERROR" {
			s.Result = TempError
			// DNS decides only where nothing else has decided yet.
			if c.r.LastTry || !c.open {
				return "D_UNANSWERED"
			}
		}
		return a.code
	}
	k, code := parseKey(a.record, s)
	s.KeyBits = k.bits
	if code != "" {
		return code
	}
	if err := c.crypto(s, k); err != nil {
		s.detail = err.Error()
		if strings.Contains(s.detail, "signature has expired") {
			return "D_EXPIRED"
		}
		return "D_FAIL"
	}
	s.Result = Pass
	return ""
}

// lookup asks DNS for a key record, each name once. Names are built from
// labels the strict parser accepted and from nothing else.
func (c *checker) lookup(ctx context.Context, s *signature) answer {
	if c.r.Resolver == nil {
		return answer{code: "D_NO_RESOLVER"}
	}
	name := asciiLower(s.Selector) + "._domainkey." + s.domain + "."
	if len(name) > maxDomain+1 {
		return answer{code: "D_SYNTAX"}
	}
	a, asked := c.keys[name]
	if !asked {
		a = ask(ctx, c.r.Resolver, name)
		c.keys[name] = a
	}
	return a
}

func ask(ctx context.Context, r Resolver, name string) answer {
	records, err := r.LookupTXT(ctx, name)
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound:
		return answer{code: "D_NO_KEY"}
	case err != nil:
		return answer{code: "D_TEMPERROR"}
	case len(records) == 0:
		return answer{code: "D_NO_KEY"}
	case len(records) > 1: // RFC 6376 3.6.2.2: undefined
		return answer{code: "D_KEY_MULTIPLE"}
	case len(records[0]) > maxKeyRecord:
		return answer{code: "D_KEY_SYNTAX"}
	}
	return answer{record: records[0]}
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
