package sender

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// parseTags reads a tag list of RFC 6376 3.2, stricter than the RFC
// (sender-verification 4, 2a): printable ASCII, no name twice, no empty tag
// but for one after the last semicolon.
func parseTags(s string) (map[string]string, bool) {
	if !printable(s) {
		return nil, false
	}
	specs := strings.Split(s, ";")
	if n := len(specs) - 1; n > 0 && strings.Trim(specs[n], " \t") == "" {
		specs = specs[:n]
	}
	tags := make(map[string]string, len(specs))
	for _, spec := range specs {
		name, value, ok := strings.Cut(spec, "=")
		name = strings.Trim(name, " \t")
		if _, twice := tags[name]; !ok || twice || !validTag(name) {
			return nil, false
		}
		tags[name] = strings.Trim(value, " \t")
	}
	return tags, true
}

// validTag reports whether name is a tag-name (RFC 6376 3.2).
func validTag(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; !isAlpha(c) && (i == 0 || !isDigit(c) && c != '_') {
			return false
		}
	}
	return name != ""
}

// signature is a DKIM-Signature field that went through the strict parser.
type signature struct {
	Signature
	domain     string // d=, lower case
	identity   string // the domain of i=, lower case
	signed     map[string]bool
	sig        []byte // b=, decoded
	sha256Body []byte // bh=, decoded
	// detail says in words what the cryptography found, and broken that it did
	// not agree: the hash of the body or of the header.
	detail string
	broken bool
	// boundBy is what binds it to our mailbox, "" for nothing.
	boundBy string
	// obscured says that some other tag's value holds "b=" (z= may), behind
	// which the library would not look.
	obscured bool
	// relaxedHead and relaxedBody are c=.
	relaxedHead, relaxedBody bool
	field                    int // index into head.fields
}

// parseSignature reads one DKIM-Signature value. The code is "" or why the
// field is refused; what could be read is filled in either way.
func parseSignature(value string) (*signature, string) {
	s := new(signature)
	tags, ok := parseTags(strings.ReplaceAll(value, "\r\n", ""))
	if !ok {
		return s, "D_SYNTAX"
	}
	for name := range tags {
		if name != "b" && name[len(name)-1]|0x20 == 'b' { // sender-verification 4, 2a
			return s, "D_SYNTAX"
		}
	}
	s.obscured = obscured(tags)
	s.Domain, s.Selector, s.Algorithm = tags["d"], tags["s"], tags["a"]
	s.domain = asciiLower(s.Domain)
	s.BodyHash = stripWSP(tags["bh"])
	for _, name := range []string{"v", "a", "b", "bh", "d", "h", "s"} {
		if tags[name] == "" {
			return s, "D_SYNTAX"
		}
	}
	if _, ok := tags["l"]; ok {
		return s, "D_LENGTH"
	}
	if tags["v"] != "1" || !validDomain(s.Domain, true) || !validLabels(s.Selector, true) {
		return s, "D_SYNTAX"
	}
	if s.Algorithm != "rsa-sha256" && s.Algorithm != "ed25519-sha256" {
		return s, "D_ALGORITHM"
	}
	if !s.names(tags["h"]) || !s.times(tags) || !s.auid(tags) || !s.methods(tags) {
		return s, "D_SYNTAX"
	}
	var err, err2 error
	strict := base64.StdEncoding.Strict()
	s.sig, err = strict.DecodeString(stripWSP(tags["b"]))
	s.sha256Body, err2 = strict.DecodeString(s.BodyHash)
	if err != nil || err2 != nil || len(s.sig) == 0 || len(s.sha256Body) != 32 {
		return s, "D_SYNTAX"
	}
	return s, ""
}

// obscured reports whether go-msgauth would take more out of the field than the
// b= tag before it checks the signature: it removes whatever follows "b",
// optional space and "=", wherever it stands, so that text could be changed
// there without breaking the signature.
func obscured(tags map[string]string) bool {
	for name, value := range tags {
		if name == "b" {
			continue
		}
		for i := 0; i < len(value); i++ {
			if value[i] == 'b' && strings.HasPrefix(strings.TrimLeft(value[i+1:], " \t"), "=") {
				return true
			}
		}
	}
	return false
}

// names reads h=.
func (s *signature) names(h string) bool {
	s.signed = make(map[string]bool)
	for name := range strings.SplitSeq(h, ":") {
		name = strings.Trim(name, " \t")
		if !validName([]byte(name)) || strings.IndexByte(name, ';') >= 0 {
			return false
		}
		s.SignedHeaders = append(s.SignedHeaders, name)
		s.signed[asciiLower(name)] = true
	}
	// A signature over signatures has no single meaning once other
	// signatures are left out of the verification; no large signer does it.
	return !s.signed["dkim-signature"]
}

// times reads t= and x=.
func (s *signature) times(tags map[string]string) bool {
	var ok bool
	if s.SignedAt, ok = seconds(tags, "t"); !ok {
		return false
	}
	if s.Expires, ok = seconds(tags, "x"); !ok {
		return false
	}
	return s.Expires == 0 || s.Expires > s.SignedAt
}

// seconds reads a tag of at most 12 digits; 0 if it is absent.
func seconds(tags map[string]string, name string) (int64, bool) {
	value, present := tags[name]
	if !present {
		return 0, true
	}
	if value == "" || len(value) > 12 {
		return 0, false
	}
	for i := 0; i < len(value); i++ {
		if !isDigit(value[i]) {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(value, 10, 64)
	return n, err == nil && n > 0
}

// auid reads i=, which must be in d= or below it.
func (s *signature) auid(tags map[string]string) bool {
	s.identity = s.domain
	value, present := tags["i"]
	if !present {
		return true
	}
	at := strings.LastIndexByte(value, '@')
	if at < 0 || strings.ContainsAny(value, " \t") || !validDomain(value[at+1:], true) {
		return false
	}
	s.identity = asciiLower(value[at+1:])
	return s.identity == s.domain || strings.HasSuffix(s.identity, "."+s.domain)
}

// methods reads c= and q=.
func (s *signature) methods(tags map[string]string) bool {
	if q, present := tags["q"]; present && q != "dns/txt" {
		return false
	}
	c, present := tags["c"]
	if !present {
		return true
	}
	header, body, two := strings.Cut(c, "/")
	s.relaxedHead, s.relaxedBody = header == "relaxed", body == "relaxed"
	return canonical(header) && (!two || canonical(body))
}

func canonical(s string) bool { return s == "simple" || s == "relaxed" }

// stripWSP removes the folding space that base64 values may contain.
func stripWSP(s string) string { return folding.Replace(s) }

var folding = strings.NewReplacer(" ", "", "\t", "")
