package sender

// Gate runs the gate and the From grammar alone. addr is "" if refused.
func Gate(raw []byte) (addr string, codes []string) {
	h := readHead(raw)
	if len(h.hits) > 0 {
		return "", h.hits
	}
	f, code := readFrom(h)
	if code != "" {
		return "", []string{code}
	}
	return f.addr, nil
}

// ReadHead is the gate without the From grammar, for its benchmark.
func ReadHead(raw []byte) bool { return len(readHead(raw).hits) == 0 }

// ParseKeyRecord parses a key record as for an RSA signature.
func ParseKeyRecord(record string) string {
	_, code := parseKey(record, &signature{Signature: Signature{Algorithm: "rsa-sha256"}})
	return code
}

// ParseSignatureField parses the value of a DKIM-Signature field.
func ParseSignatureField(value string) (domain, selector, code string) {
	s, code := parseSignature(value)
	return s.Domain, s.Selector, code
}

// Start is a verdict nothing has lowered yet.
func Start() Verdict { return Verdict{Standing: Standing{Authenticated}} }

// ParseAuthRes parses the value of an Authentication-Results field.
func ParseAuthRes(value string, exchange bool) ([]AuthResult, bool) {
	return parseAuthRes(value, exchange)
}

// ParseDMARC parses a DMARC record and returns what it asks for.
func ParseDMARC(text string) (policy string, ok bool) {
	r, ok := parseDMARC(text)
	return r.policyFor(false, false), ok
}

// Len is how many names the cache keeps.
func (c *Cache) Len() int { return len(c.names) }

// OwnCheck verifies the one signature of a mail by our own cryptography. judged
// is false if the gate or the strict parsers refuse it before.
func OwnCheck(raw []byte, record string) (pass, judged bool) {
	h := readHead(raw)
	fields := h.all("dkim-signature")
	if len(h.hits) > 0 || len(fields) != 1 {
		return false, false
	}
	s, code := parseSignature(fields[0].value)
	if code != "" || s.obscured || s.Expires != 0 || !s.signed["from"] {
		return false, false
	}
	k, code := parseKey(record, s)
	c := &checker{h: h, body: body(h, raw)}
	for i := range h.fields {
		if h.fields[i].name == "dkim-signature" {
			s.field = i
		}
	}
	if code != "" || c.badNewlines() {
		return false, false
	}
	return c.ownCrypto(s, k) == nil, true
}

// TightTokens are the tokens of s as it is, and those of s squeezed besides, when
// loose says that these need not be looked for.
func TightTokens(s string) (plain, squeezed []string, tight bool) {
	if loose(s) {
		return nil, nil, false
	}
	c := candidates{seen: map[string]bool{}}
	c.tokens(s)
	plain = append(plain, c.found...)
	c.tokens(squeeze(s))
	return plain, c.found, true
}

// LooseFields splits a header block.
func LooseFields(header []byte) []string { return looseFields(header) }
