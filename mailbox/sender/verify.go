package sender

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/message"
)

// Verify judges one mail. It never fails: what goes wrong lowers the verdict,
// and a panic below it is Quarantine with X_PANIC. It looks up DNS through
// r.Resolver and nothing else, within ctx and at most 5 seconds, and for mail
// from a registered address only.
func Verify(ctx context.Context, r Request) (v Verdict) {
	sum := sha256.Sum256(r.Raw)
	v = Verdict{
		Standing: Standing{Authenticated}, Match: MatchNone, SHA256: hex.EncodeToString(sum[:]),
		Reasons: []string{}, Flags: []string{}, Signatures: []Signature{}, Fingerprints: []string{},
		Results: AuthResults{Trusted: []string{}, Results: []AuthResult{}},
	}
	defer func() {
		if recover() != nil {
			v.Lower("X_PANIC")
		}
	}()
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	if r.Truncated {
		v.Lower("T_TRUNCATED")
	}
	if len(r.Raw) > maxMessage {
		v.Lower("T_TOO_BIG")
	}
	h := readHead(r.Raw)
	if h.eightBit {
		v.flag("H_8BIT")
	}
	for _, code := range h.hits {
		v.Lower(code)
	}
	if len(h.hits) > 0 {
		return v
	}
	tooMany := len(h.all("dkim-signature")) > maxSignatures
	if tooMany {
		v.Lower("D_TOO_MANY")
	}
	f, code := readFrom(h)
	if code != "" {
		v.Lower(code)
		return v
	}
	v.From = f.addr
	v.MessageID = messageID(h)
	v.identity(h, f, &r)
	v.results(h, r.Trust)
	for _, code := range automatic(h, f, &r) {
		v.Lower(code)
	}
	if _, ok := h.get("x-auto-response-suppress"); ok {
		v.flag("M_SUPPRESS")
	}
	v.ReceivedAt = receivedAt(h, &r)
	if !tooMany {
		v.signatures(ctx, v.checker(&r, h, f))
	}
	return v
}

// checker makes what the signatures of the mail are checked with.
func (v *Verdict) checker(r *Request, h *head, f from) *checker {
	c := &checker{r: r, h: h, f: f, ref: v.ReceivedAt, body: body(h, r.Raw), asked: make(map[string]asked)}
	// What is quarantined, automatic, or cut off cannot be lifted by a key, and
	// strangers' name servers are asked nothing unless the caller wants it.
	c.open = v.State().AtLeast(Partial)
	c.lookups = v.State().AtLeast(Unverified) && !r.Truncated && len(r.Raw) <= maxMessage &&
		(v.Match != MatchNone || r.Strangers || registeredDomain(f.domain, r.Registered))
	for _, n := range r.Nonces {
		if v.Registered != "" && len(n.Token) >= minNonce && asciiLower(n.Address) == asciiLower(v.Registered) {
			c.nonces = append(c.nonces, n.Token)
		}
	}
	return c
}

// minNonce is the shortest reference that counts, in octets: no shorter one can
// be unguessable.
const minNonce = 12

// registeredDomain reports whether some registered address is at domain, which
// is in lower case.
func registeredDomain(domain string, registered []string) bool {
	return slices.ContainsFunc(registered, func(r string) bool { return strings.HasSuffix(asciiLower(r), "@"+domain) })
}

// body is what follows the empty line.
func body(h *head, raw []byte) []byte {
	return raw[min(h.size+len(crlf), len(raw)):]
}

// identity does sender-verification 3.2 (display name) and 3.3.
func (v *Verdict) identity(h *head, f from, r *Request) {
	value, _ := h.get("from")
	quarantine, spoofed, bidi := f.spoof(value, r.Registered)
	switch {
	case quarantine:
		v.Lower("F_DISPLAY_SPOOF")
	case spoofed:
		v.flag("F_DISPLAY_SPOOF")
	}
	if bidi {
		v.flag("F_DISPLAY_BIDI")
	}
	ambiguous := false
	v.Match, v.Registered, ambiguous = match(f, r.Registered)
	switch v.Match {
	case MatchLookalike:
		v.Lower("F_LOOKALIKE")
	case MatchNone:
		v.Lower("F_NOT_REGISTERED")
	case MatchCaseVariant:
		v.flag("F_CASE_VARIANT")
		if ambiguous {
			v.Lower("F_CASE_AMBIGUOUS")
		}
	}
	if differs(h, "sender", f.addr) {
		v.Lower("F_SENDER_DIFF")
	}
	if differs(h, "reply-to", f.addr) {
		v.Lower("F_REPLYTO_DIFF")
	}
	for _, fd := range h.fields {
		if len(fd.name) > len("resent-") && fd.name[:len("resent-")] == "resent-" {
			v.Lower("F_RESENT")
			break
		}
	}
}

// match finds the registered address the From stands for. ambiguous says that
// more than one differs from it only in ASCII case.
func match(f from, registered []string) (m Match, which string, ambiguous bool) {
	for _, r := range registered {
		if sameAddr(f.addr, r) {
			return MatchExact, r, false
		}
	}
	for _, r := range registered {
		if asciiLower(r) != asciiLower(f.addr) {
			continue
		}
		ambiguous = m == MatchCaseVariant && r != which
		if m, which = MatchCaseVariant, r; ambiguous {
			break
		}
	}
	if m == MatchCaseVariant {
		return m, which, ambiguous
	}
	if r, ok := Lookalike(f.addr, registered); ok {
		return MatchLookalike, r, false
	}
	return MatchNone, "", false
}

// signatures does sender-verification 4: it takes the best signature there is
// and lowers the verdict to what that one carries. Without a passing one the
// reasons of all of them stay, and the rest of section 6 decides.
func (v *Verdict) signatures(ctx context.Context, c *checker) {
	ctx, cancel := context.WithTimeout(ctx, lookupBudget)
	defer cancel()
	sigs := c.check(ctx)
	var good []*signature
	for _, s := range sigs {
		v.Signatures = append(v.Signatures, s.Signature)
		if s.Result == Pass {
			good = append(good, s)
		}
	}
	if len(good) > 0 {
		if v.Results.fails(c.f.domain) {
			v.Lower("A_CONFLICT")
		}
		v.bind(c, good)
		return
	}
	for _, s := range v.attested(sigs, c.f.domain) { // each, since nobody here can say which one it was
		v.Lower("A_MTA_ONLY")
		v.bind(c, []*signature{s})
		good = append(good, s)
	}
	if len(good) == 0 {
		v.unsigned(ctx, c, sigs)
	}
}

// bind lowers a verdict to what the best of some good signatures carries.
func (v *Verdict) bind(c *checker, good []*signature) {
	var best *signature
	var caps []string
	for _, s := range good {
		v.Fingerprints = append(v.Fingerprints, s.fingerprint())
		b := c.bound(s)
		if best == nil || worst(b).rank() > worst(caps).rank() || worst(b) == worst(caps) && len(b) < len(caps) {
			best, caps = s, b
		}
	}
	if v.BoundBy = best.boundBy; v.BoundBy == "nonce" {
		v.flag("B_NONCE")
	}
	if c.bodyUnbound(best) {
		v.flag("B_BODY_UNBOUND")
		// What our own server attests, a gateway may have changed since: only
		// octets that are signed can hide anything on purpose.
		contentType, _ := c.h.get("content-type")
		if best.Result == Pass && message.Hides(contentType, c.body) {
			v.Lower("B_MIME_HIDDEN_TEXT")
		}
	}
	for _, code := range caps {
		v.Lower(code)
	}
}

// attested returns the signatures that our own server found good and we cannot
// check again: none unless all of the From domain fail on nothing but a hash
// (sender-verification 5.5).
func (v *Verdict) attested(sigs []*signature, domain string) []*signature {
	var good []*signature
	for _, s := range sigs {
		switch {
		case s.Reason == "D_NOT_ALIGNED":
		case !s.broken || v.Results.fails(domain):
			return nil
		case v.Results.attests(s):
			good = append(good, s)
		}
	}
	return good
}

// unsigned lowers a verdict for which no signature passed, and asks what the
// From domain wants done with such mail (sender-verification 6).
func (v *Verdict) unsigned(ctx context.Context, c *checker, sigs []*signature) {
	if len(sigs) == 0 {
		v.Lower("D_NONE")
	}
	unanswered := false
	for _, s := range sigs {
		unanswered = unanswered || s.Result == TempError
		if s.Reason != "" {
			v.Lower(s.Reason)
		}
	}
	if v.State().AtLeast(Partial) {
		v.Lower("D_NONE")
	}
	// A key that nobody could ask for may have been good.
	if c.lookups && !unanswered && c.r.Resolver != nil {
		v.policy(ctx, c)
	}
}

// policy does the DMARC part of sender-verification 6.
func (v *Verdict) policy(ctx context.Context, c *checker) {
	p, strictSPF, failed := c.policy(ctx)
	v.DMARC = p
	refuse := p.Effective == "quarantine" || p.Effective == "reject"
	envelope := v.Results.spfDomain()
	switch {
	case envelope == c.f.domain,
		envelope != "" && refuse && !strictSPF && c.spfAligned(ctx, envelope):
		v.Lower("S_SPF_ONLY")
	case failed && c.open && !c.r.LastTry:
		v.Lower("P_TEMPERROR")
	case failed:
		v.Lower("P_UNANSWERED")
	case refuse:
		v.Lower("P_DMARC_FAIL")
	}
}
