package sender

import "slices"

// boundaryField returns the index of the Received field that our first mail
// server wrote, -1 if there is none or it is not known.
func boundaryField(h *head, t Trust) int {
	received := 0
	for i, f := range h.fields {
		if f.name != "received" {
			continue
		}
		if received++; received == t.Boundary {
			if !t.by(f) {
				return -1
			}
			return i
		}
	}
	return -1
}

// by reports whether a Received field was written by a host of ours.
func (t Trust) by(f field) bool {
	return len(t.By) == 0 || slices.ContainsFunc(t.By, func(host string) bool { return asciiLower(host) == writtenBy(f.value) })
}

// writtenBy is the host behind "by" in a Received field (RFC 5321 4.4), in lower
// case, looked for outside comments.
func writtenBy(value string) string {
	s := scanner{s: unfold(value)}
	for s.space() && s.i < len(s.s) {
		word, ok := s.word(func(c byte) bool { return c > ' ' && c != '(' })
		if ok && asciiLower(word) == "by" && s.space() {
			host, _ := s.word(func(c byte) bool { return isAlnum(c) || c == '.' || c == '-' })
			return asciiLower(host)
		}
	}
	return ""
}

// results sorts the Authentication-Results fields into those of our own server
// and the others (sender-verification 5.2, 5.3, 5.6).
func (v *Verdict) results(h *head, t Trust) {
	boundary := boundaryField(h, t)
	if boundary >= 0 {
		v.Boundary = unfold(h.fields[boundary].value)
	}
	on := t.Mode == TrustRFC8601 || t.Mode == TrustExchange
	if all := h.all("received"); boundary < 0 && t.Boundary > 0 && t.Boundary <= len(all) {
		v.flag("A_NO_BOUNDARY") // another host stands there
	}
	ours := func(f field) bool {
		id := authservID(f.value)
		return id != "" && slices.ContainsFunc(t.AuthservIDs, func(o string) bool { return asciiLower(o) == id })
	}
	var trusted []field
	for i, f := range h.fields {
		if f.name != "authentication-results" {
			continue
		}
		placed := t.placed(h, boundary, i)
		switch {
		case on && !placed && ours(f):
			if v.Results.Untrusted++; t.Boundary > 0 {
				v.Lower("A_FORGED")
			} else {
				v.flag("A_NO_BOUNDARY") // nobody can say where it may stand
			}
		case on && placed && (t.Mode == TrustExchange || ours(f)) && (t.Position != BelowBoundary || t.StripVerified):
			trusted = append(trusted, f)
		default:
			v.Results.Untrusted++
		}
	}
	if t.Mode == TrustExchange && len(trusted) > 1 { // nobody can say which is Exchange's
		v.Results.Untrusted += len(trusted)
		trusted = nil
	}
	for _, f := range trusted {
		v.Results.Trusted = append(v.Results.Trusted, unfold(f.value))
		results, ok := parseAuthRes(f.value, t.Mode == TrustExchange)
		if !ok {
			v.flag("A_SYNTAX")
		}
		v.Results.Results = append(v.Results.Results, results...)
	}
	if v.Results.contradict() {
		v.Lower("A_CONFLICT")
	}
}

// placed reports whether field i is where our own server puts its results.
func (t Trust) placed(h *head, boundary, i int) bool {
	if boundary < 0 || t.Position != BelowBoundary {
		return i < boundary
	}
	for j := boundary + 1; j <= i; j++ {
		if h.fields[j].name != "authentication-results" {
			return false
		}
	}
	return i > boundary
}

// contradict reports whether the results say two things about one domain, or
// anything about DMARC twice (sender-verification 5.4).
func (a AuthResults) contradict() bool {
	seen := map[string]string{}
	for _, r := range a.Results {
		key := r.Method
		switch r.Method {
		case "dkim":
			domain := r.domain("header.d", "header.i")
			if domain == "" {
				continue
			}
			key += " " + domain
		case "spf":
			name := "smtp.mailfrom"
			if r.domain(name) == "" {
				name = "smtp.helo"
			}
			key += " " + name + " " + r.domain(name)
		case "dmarc":
		default:
			continue
		}
		if before, twice := seen[key]; twice && (before != r.Result || r.Method == "dmarc") {
			return true
		}
		seen[key] = r.Result
	}
	return false
}

// fails reports whether our own server found DKIM or DMARC failed for domain.
func (a AuthResults) fails(domain string) bool {
	return slices.ContainsFunc(a.Results, func(r AuthResult) bool {
		if r.Result != "fail" {
			return false
		}
		_, named := r.Properties["header.from"]
		return r.Method == "dkim" && r.domain("header.d", "header.i") == domain ||
			r.Method == "dmarc" && (!named || r.domain("header.from") == domain)
	})
}

// attests reports whether our own server found this very signature good. Google
// writes header.i alone.
func (a AuthResults) attests(s *signature) bool {
	return slices.ContainsFunc(a.Results, func(r AuthResult) bool {
		selector, named := r.Properties["header.s"]
		return r.Method == "dkim" && r.Result == "pass" && r.domain("header.d", "header.i") == s.domain &&
			(!named || asciiLower(selector) == asciiLower(s.Selector))
	})
}

// spfDomain is the domain of the envelope for which our own server found SPF
// passed, "" if there is none.
func (a AuthResults) spfDomain() string {
	for _, r := range a.Results {
		if r.Method == "spf" && r.Result == "pass" {
			if d := r.domain("smtp.mailfrom"); d != "" {
				return d
			}
		}
	}
	return ""
}
