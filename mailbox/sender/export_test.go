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
