package sender

import (
	"context"
	"strings"
)

// maxWalk is how many records a DNS Tree Walk asks for (RFC 9989 4.10).
const maxWalk = 8

// The steps follow the last drafts of RFC 9989 (dmarcbis), section 4.10, in
// which they are numbered as here; the numbering of the RFC itself was not at
// hand. In those drafts a name that does not exist is one for which DNS answers
// NXDOMAIN (RFC 8020), which is what chooses between sp= and np= here.

// dmarcRecord is a DMARC policy record.
type dmarcRecord struct {
	text       string
	p, sp, np  string // "none", "quarantine", "reject"; "" if not given
	psd        byte   // 'y', 'n' or 'u'
	testing    bool   // t=y
	strictSPF  bool   // aspf=s
	invalid    bool   // p=, sp= or np= is not valid
	reportable bool   // rua= holds something like a URI
	at         Answer
}

// dmarcTags reads the tags of a record. It passes over what is no tag, as RFC
// 9989 4.7 has it; a name that stands twice spoils the record (RFC 6376 3.2).
func dmarcTags(text string) (tags map[string]string, ok bool) {
	tags = map[string]string{}
	for spec := range strings.SplitSeq(text, ";") {
		name, value, isTag := strings.Cut(spec, "=")
		if name = asciiLower(strings.Trim(name, " \t")); !isTag || !validTag(name) || !printable(value) {
			continue
		}
		if _, twice := tags[name]; twice {
			return nil, false
		}
		tags[name] = strings.Trim(value, " \t")
	}
	return tags, true
}

// parseDMARC reads a record (RFC 9989 4.7). ok is false for what is no DMARC
// record.
func parseDMARC(text string) (r dmarcRecord, ok bool) {
	if len(text) > maxKeyRecord || !versionFirst(text) {
		return r, false
	}
	tags, ok := dmarcTags(text)
	if !ok || tags["v"] != "DMARC1" {
		return r, false
	}
	r = dmarcRecord{text: text, psd: 'u', strictSPF: asciiLower(tags["aspf"]) == "s", testing: asciiLower(tags["t"]) == "y"}
	for name, to := range map[string]*string{"p": &r.p, "sp": &r.sp, "np": &r.np} {
		value, given := tags[name]
		switch value = asciiLower(value); value {
		case "none", "quarantine", "reject":
			*to = value
		default:
			r.invalid = r.invalid || given || name == "p"
		}
	}
	switch psd := asciiLower(tags["psd"]); psd {
	case "y", "n":
		r.psd = psd[0]
	}
	for uri := range strings.SplitSeq(tags["rua"], ",") {
		scheme, rest, _ := strings.Cut(strings.Trim(uri, " \t"), ":")
		r.reportable = r.reportable || validTag(scheme) && rest != ""
	}
	return r, true
}

// policyFor is what the record asks for mail that failed. below says that it was
// found above the From domain, and missing that the From domain does not exist.
// It is "" if the record is not fit to be followed.
func (r dmarcRecord) policyFor(below, missing bool) string {
	policy := r.p
	switch {
	case r.invalid && r.reportable: // RFC 9989 4.10.1
		policy = "none"
	case r.invalid:
		return ""
	case below && missing && r.np != "":
		policy = r.np
	case below && r.sp != "":
		policy = r.sp
	}
	if r.testing { // t=y: one level weaker (RFC 9989 4.7)
		policy = map[string]string{"reject": "quarantine"}[policy]
		if policy == "" {
			policy = "none"
		}
	}
	return policy
}

// walk is what a DNS Tree Walk found: records by domain, longest first.
type walk struct {
	start   string
	domains []string
	records []dmarcRecord
}

// treeWalk walks from domain to the root (RFC 9989 4.10). stop ends it early
// when the record of the domain itself is all that is needed. failed says that
// DNS gave no answer on the way.
func (c *checker) treeWalk(ctx context.Context, domain string, stop bool) (w walk, failed bool) {
	w.start = domain
	labels := strings.Split(domain, ".")
	for n := len(labels); n > 0; n-- {
		if n < len(labels) && n >= maxWalk { // steps 4 and 5: jump to the seven rightmost
			n = maxWalk - 1
		}
		target := strings.Join(labels[len(labels)-n:], ".")
		r, found, temporary := c.dmarcAt(ctx, target)
		if temporary {
			return w, true
		}
		if !found {
			continue
		}
		w.domains, w.records = append(w.domains, target), append(w.records, r)
		first := n == len(labels)
		if stop && first || r.psd == 'n' || r.psd == 'y' && !first { // steps 2 and 7
			return w, false
		}
	}
	return w, false
}

// dmarcAt asks for the one record of a domain. Several are none.
func (c *checker) dmarcAt(ctx context.Context, domain string) (r dmarcRecord, found, temporary bool) {
	name := "_dmarc." + domain + "."
	if len(name) > maxDomain+1 {
		return r, false, false
	}
	answer, state := c.ask(ctx, name)
	if state == askFailed {
		return r, false, true
	}
	for _, text := range answer.Records {
		got, ok := parseDMARC(text)
		if !ok {
			continue
		}
		if found {
			return dmarcRecord{}, false, false
		}
		r, found = got, true
		r.at = answer
	}
	return r, found, false
}

// organizational is the organizational domain of where the walk started
// (RFC 9989 4.10.2).
func (w walk) organizational() string {
	for i, d := range w.domains {
		switch r := w.records[i]; {
		case r.psd == 'n':
			return d
		case r.psd == 'y' && d != w.start: // one label below
			rest := strings.TrimSuffix(w.start, "."+d)
			return rest[strings.LastIndexByte(rest, '.')+1:] + "." + d
		}
	}
	if n := len(w.domains); n > 0 {
		return w.domains[n-1]
	}
	return w.start
}

// applicable is the record that governs mail of where the walk started: its own,
// that of its organizational domain, or that of its public suffix (RFC 9989
// 4.10.1).
func (w walk) applicable() (domain string, r dmarcRecord, found bool) {
	organizational := w.organizational()
	for _, want := range []string{w.start, organizational} {
		for i, d := range w.domains {
			if d == want {
				return d, w.records[i], true
			}
		}
	}
	if n := len(w.domains); n > 0 && w.records[n-1].psd == 'y' {
		return w.domains[n-1], w.records[n-1], true
	}
	return "", dmarcRecord{}, false
}

// policy finds the DMARC policy of the From domain, and whether SPF alignment
// must be strict. failed says that DNS gave no answer.
func (c *checker) policy(ctx context.Context) (p Policy, strictSPF, failed bool) {
	w, failed := c.treeWalk(ctx, c.f.domain, true)
	if failed {
		return Policy{}, false, true
	}
	domain, r, found := w.applicable()
	if !found {
		return Policy{QueriedAt: c.r.Now}, false, false
	}
	below, missing := domain != c.f.domain, false
	if below && r.np != "" {
		_, state := c.ask(ctx, c.f.domain+".")
		if state == askFailed {
			return Policy{}, false, true
		}
		missing = state == askNoName
	}
	return Policy{Domain: domain, Record: r.text, Effective: r.policyFor(below, missing), QueriedAt: r.at.At, DNSSEC: r.at.DNSSEC}, r.strictSPF, false
}

// spfAligned reports whether domain, for which SPF passed, has the
// organizational domain of From (RFC 9989 4.4.2). What DNS cannot tell is not
// aligned.
func (c *checker) spfAligned(ctx context.Context, domain string) bool {
	from, failed := c.treeWalk(ctx, c.f.domain, false)
	if failed || len(from.domains) == 0 {
		return false
	}
	organizational := from.organizational()
	if domain != organizational && !strings.HasSuffix(domain, "."+organizational) {
		return false // whatever its own walk finds is at or above it
	}
	envelope, failed := c.treeWalk(ctx, domain, false)
	return !failed && organizational == envelope.organizational()
}
