package sender

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
)

// Bounds of RSA keys in bits (RFC 8301 3.2; the upper one is ours and keeps a
// stranger's key from costing much).
const (
	rsaMin  = 1024
	rsaGood = 2048
	rsaMax  = 8192
)

const maxKeyRecord = 8 << 10

// key is a DKIM key record (RFC 6376 3.6.1) that may be used.
type key struct {
	kind string // "rsa" or "ed25519"
	bits int
	p    string // base64 without spaces
	// public is an *rsa.PublicKey or an ed25519.PublicKey.
	public crypto.PublicKey
	flags  string // t=
}

// parseKey reads a key record and checks that s may use it. The code is "" or
// why not; kind and bits are filled in as far as they are known.
func parseKey(record string, s *signature) (key, string) {
	tags, ok := parseTags(record)
	if v, present := tags["v"]; !ok || len(record) > maxKeyRecord || present && (v != "DKIM1" || !versionFirst(record)) {
		return key{}, "D_KEY_SYNTAX"
	}
	p, present := tags["p"]
	if !present {
		return key{}, "D_KEY_SYNTAX"
	}
	k := key{kind: tags["k"], p: stripWSP(p), flags: tags["t"]}
	if k.kind == "" {
		k.kind = "rsa"
	}
	if k.p == "" {
		return k, "D_KEY_REVOKED"
	}
	if code := k.material(); code != "" {
		return k, code
	}
	if s.Algorithm != k.kind+"-sha256" {
		return k, "D_KEY_ALGORITHM"
	}
	if !lists(tags, "h", "sha256", "") {
		return k, "D_KEY_HASH"
	}
	if !lists(tags, "s", "email", "*") {
		return k, "D_KEY_SERVICE"
	}
	for flag := range strings.SplitSeq(tags["t"], ":") {
		switch strings.Trim(flag, " \t") {
		case "y": // RFC 6376 3.6.1: no different from unsigned mail
			return k, "D_KEY_TESTING"
		case "s":
			if s.identity != s.domain {
				return k, "D_KEY_STRICT"
			}
		}
	}
	return k, ""
}

// material decodes p= and measures it.
func (k *key) material() string {
	der, err := base64.StdEncoding.DecodeString(k.p)
	if err != nil {
		return "D_KEY_SYNTAX"
	}
	switch k.kind {
	case "ed25519": // RFC 8463 3
		if len(der) != ed25519.PublicKeySize {
			return "D_KEY_SYNTAX"
		}
		k.bits, k.public = 8*ed25519.PublicKeySize, ed25519.PublicKey(der)
		return ""
	case "rsa":
	default:
		return "D_KEY_ALGORITHM"
	}
	if len(der) > maxKeyRecord {
		return "D_KEY_SYNTAX"
	}
	var pub *rsa.PublicKey
	if any, err := x509.ParsePKIXPublicKey(der); err == nil {
		pub, _ = any.(*rsa.PublicKey)
	} else if pub, err = x509.ParsePKCS1PublicKey(der); err != nil { // RFC 6376 erratum 3017
		return "D_KEY_SYNTAX"
	}
	if pub == nil || pub.N == nil {
		return "D_KEY_SYNTAX"
	}
	// The length of the modulus, not of its octets: 1020 bits are too few.
	k.bits, k.public = pub.N.BitLen(), pub
	switch {
	case k.bits < rsaMin:
		return "D_KEY_SHORT"
	case k.bits > rsaMax:
		return "D_KEY_SYNTAX"
	}
	return ""
}

// record is what the library is given to read: the key alone, since every
// other tag has been judged here.
func (k *key) record() string { return "v=DKIM1; k=" + k.kind + "; p=" + k.p }

// versionFirst reports whether v= is the first tag, as RFC 6376 3.6.1 demands.
func versionFirst(record string) bool {
	name, _, _ := strings.Cut(record, "=")
	return strings.Trim(name, " \t") == "v"
}

// lists reports whether the colon-separated list in a tag contains want or
// wildcard, or the tag is absent.
func lists(tags map[string]string, name, want, wildcard string) bool {
	list, present := tags[name]
	if !present {
		return true
	}
	for item := range strings.SplitSeq(list, ":") {
		if item = strings.Trim(item, " \t"); item == want || wildcard != "" && item == wildcard {
			return true
		}
	}
	return false
}
