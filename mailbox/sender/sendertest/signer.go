package sendertest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Signer makes DKIM-Signature fields. It is written from RFC 6376 3.4 and 3.7.
type Signer struct {
	Domain, Selector string
	Key              crypto.Signer // an RSA or an Ed25519 key
	Headers          string        // h=
	Canon            string        // c=; "" is relaxed/relaxed
	Extra            string        // further tags, each ended with "; "
	Dated            bool          // write t=
}

// NewKey makes an RSA key of 2048 bits.
func NewKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the machine has no randomness
	}
	return k
}

// Publish puts the signer's key record into a zone.
func (s *Signer) Publish(z Zone) {
	name := strings.ToLower(s.Selector + "._domainkey." + s.Domain)
	if k, ok := s.Key.(ed25519.PrivateKey); ok {
		z[name] = []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))}
		return
	}
	der, err := x509.MarshalPKIXPublicKey(s.Key.Public())
	if err != nil {
		panic(err) // no key of this kind is made here
	}
	z[name] = []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)}
}

// Sign returns the field that signs a mail of CRLF lines, ended with CRLF. It
// goes on top of the mail.
func (s *Signer) Sign(mail string, at time.Time) string {
	head, body, _ := strings.Cut(mail, "\r\n\r\n")
	canon := s.Canon
	if canon == "" {
		canon = "relaxed/relaxed"
	}
	headCanon, bodyCanon, _ := strings.Cut(canon, "/")
	algorithm, opts := "rsa-sha256", crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.Key.(ed25519.PrivateKey); ok { // RFC 8463 3: PureEdDSA over the hash
		algorithm, opts = "ed25519-sha256", crypto.Hash(0)
	}
	dated := ""
	if s.Dated {
		dated = fmt.Sprintf("t=%d; ", at.Unix())
	}
	bh := sha256.Sum256([]byte(canonicalBody(body, bodyCanon)))
	field := "DKIM-Signature: v=1; a=" + algorithm + "; c=" + canon + ";\r\n\td=" + s.Domain + "; s=" + s.Selector + "; " + dated + s.Extra +
		"\r\n\th=" + folded(s.Headers) + ";\r\n\tbh=" + base64.StdEncoding.EncodeToString(bh[:]) + ";\r\n\tb="
	sum := sha256.Sum256([]byte(signedHead(fields(head), s.Headers, headCanon) + canonicalField(field, headCanon)))
	b, err := s.Key.Sign(rand.Reader, sum[:], opts)
	if err != nil {
		panic(err) // a key too short for SHA-256
	}
	return field + spread(base64.StdEncoding.EncodeToString(b)) + "\r\n"
}

// fields cuts a header block into its fields, without the last CRLF of each.
func fields(head string) []string {
	var out []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if n := len(out); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			out[n-1] += "\r\n" + line
			continue
		}
		out = append(out, line)
	}
	return out
}

// signedHead picks the fields of h= from the bottom up (RFC 6376 5.4.2).
func signedHead(fields []string, names, canon string) string {
	var out strings.Builder
	used := map[string]int{}
	for name := range strings.SplitSeq(names, ":") {
		name = strings.ToLower(name)
		skip := used[name]
		used[name]++
		for i := len(fields) - 1; i >= 0; i-- {
			if n, _, _ := strings.Cut(fields[i], ":"); !strings.EqualFold(strings.TrimRight(n, " \t"), name) {
				continue
			}
			if skip == 0 {
				out.WriteString(canonicalField(fields[i], canon) + "\r\n")
				break
			}
			skip--
		}
	}
	return out.String()
}

var space = regexp.MustCompile("[ \t\r\n]+")

func canonicalField(field, canon string) string {
	if canon == "simple" {
		return field
	}
	name, value, _ := strings.Cut(field, ":")
	return strings.ToLower(strings.TrimRight(name, " \t")) + ":" + strings.Trim(space.ReplaceAllString(value, " "), " ")
}

var blanks = regexp.MustCompile("[ \t]+")

func canonicalBody(body, canon string) string {
	if canon == "relaxed" {
		lines := strings.Split(body, "\r\n")
		for i, l := range lines {
			lines[i] = strings.TrimRight(blanks.ReplaceAllString(l, " "), " ")
		}
		body = strings.Join(lines, "\r\n")
	}
	for strings.HasSuffix(body, "\r\n") {
		body = strings.TrimSuffix(body, "\r\n")
	}
	if body == "" && canon == "relaxed" { // RFC 6376 3.4.4: an empty body stays empty
		return ""
	}
	return body + "\r\n"
}

// folded breaks a list of field names where real signers do, after a colon.
func folded(names string) string {
	var b strings.Builder
	width := 0
	for i, n := range strings.Split(names, ":") {
		if i > 0 {
			b.WriteByte(':')
			if width += len(n) + 1; width > 60 {
				b.WriteString("\r\n\t ")
				width = len(n)
			}
		}
		b.WriteString(n)
	}
	return b.String()
}

// spread folds base64 to lines of 72 characters.
func spread(s string) string {
	var b strings.Builder
	for len(s) > 72 {
		b.WriteString(s[:72] + "\r\n\t ")
		s = s[72:]
	}
	return b.String() + s
}
