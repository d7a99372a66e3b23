package sender

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
)

// ownCrypto verifies a signature by RFC 6376 3.4 and 3.7 without the library,
// for the cases that the library cannot judge (see verify).
// TestOwnCrypto and FuzzVerify hold it against the library everywhere else.
func (c *checker) ownCrypto(s *signature, k key) error {
	sum := sha256.Sum256(canonicalBody(c.body, s.relaxedBody))
	if subtle.ConstantTimeCompare(sum[:], s.sha256Body) != 1 {
		return errors.New("the body hash differs")
	}
	var data []byte
	used := make(map[string]int, len(s.SignedHeaders))
	for _, name := range s.SignedHeaders {
		name = asciiLower(name)
		skip := used[name]
		used[name]++
		for i := len(c.h.fields) - 1; i >= 0; i-- { // bottom up (RFC 6376 5.4.2)
			if c.h.fields[i].name != name {
				continue
			}
			if skip == 0 {
				data = append(data, canonicalField(c.h.fields[i].raw, s.relaxedHead)...)
				break
			}
			skip--
		}
	}
	own := canonicalField(withoutB(c.h.fields[s.field].raw), s.relaxedHead)
	sum = sha256.Sum256(append(data, bytes.TrimRight(own, "\r\n")...))
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], s.sig)
	case ed25519.PublicKey:
		if ed25519.Verify(public, sum[:], s.sig) {
			return nil
		}
	}
	return errors.New("the signature does not verify")
}

// canonicalField is a field in canonical form (RFC 6376 3.4.1, 3.4.2).
func canonicalField(raw []byte, relaxed bool) []byte {
	if !relaxed {
		return raw
	}
	name, value, _ := strings.Cut(string(raw), ":")
	words := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	return []byte(asciiLower(strings.TrimRight(name, " \t")) + ":" + strings.Join(words, " ") + "\r\n")
}

// canonicalBody is a body in canonical form (RFC 6376 3.4.3, 3.4.4).
func canonicalBody(body []byte, relaxed bool) []byte {
	if relaxed {
		body = collapsed(body)
	}
	for bytes.HasSuffix(body, crlf) {
		body = body[:len(body)-len(crlf)]
	}
	if relaxed && len(body) == 0 {
		return nil
	}
	return append(body[:len(body):len(body)], crlf...)
}

// collapsed is body with each run of spaces and tabs made one space, and none
// before a line end.
func collapsed(body []byte) []byte {
	out := make([]byte, 0, len(body))
	space := false
	for _, c := range body {
		switch c {
		case ' ', '\t':
			space = true
			continue
		case '\r', '\n':
		default:
			if space {
				out = append(out, ' ')
			}
		}
		space = false
		out = append(out, c)
	}
	return out
}

// withoutB is a DKIM-Signature field without the value of its b= tag and the
// space around it (RFC 6376 3.7).
func withoutB(raw []byte) []byte {
	start := bytes.IndexByte(raw, ':') + 1
	for start < len(raw) {
		end := len(raw)
		if i := bytes.IndexByte(raw[start:], ';'); i >= 0 {
			end = start + i
		}
		name, _, isTag := bytes.Cut(raw[start:end], []byte("="))
		if isTag && string(bytes.Trim(name, " \t\r\n")) == "b" {
			return append(raw[:start+len(name)+1:start+len(name)+1], raw[end:]...)
		}
		start = end + 1
	}
	return raw
}
