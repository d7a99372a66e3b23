package sender

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
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
	for _, code := range automatic(h, f, &r) {
		v.Lower(code)
	}
	if _, ok := h.get("x-auto-response-suppress"); ok {
		v.flag("M_SUPPRESS")
	}
	if !tooMany {
		v.signatures(ctx, &checker{r: &r, h: h, f: f, ref: receivedAt(h, &r), body: body(h, r.Raw)})
	}
	return v
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
// reasons of all of them stay.
func (v *Verdict) signatures(ctx context.Context, c *checker) {
	// What is quarantined, automatic, cut off or a stranger's cannot be lifted
	// by a key, and strangers' name servers are asked nothing.
	lookups := v.State().AtLeast(Unverified) && v.Match != MatchNone && !c.r.Truncated && len(c.r.Raw) <= maxMessage
	c.open = v.State().AtLeast(Partial)
	var best *signature
	var caps []string
	sigs := c.check(ctx, lookups)
	for _, s := range sigs {
		v.Signatures = append(v.Signatures, s.Signature)
		if s.Result != Pass {
			continue
		}
		v.Fingerprints = append(v.Fingerprints, s.fingerprint())
		b := c.bound(s)
		if best == nil || worst(b).rank() > worst(caps).rank() || worst(b) == worst(caps) && len(b) < len(caps) {
			best, caps = s, b
		}
	}
	if best == nil {
		v.unsigned(sigs)
		return
	}
	if c.bodyUnbound(best) {
		v.flag("B_BODY_UNBOUND")
	}
	for _, code := range caps {
		v.Lower(code)
	}
}

// unsigned lowers a verdict for which no signature passed.
func (v *Verdict) unsigned(sigs []*signature) {
	if len(sigs) == 0 {
		v.Lower("D_NONE")
	}
	for _, s := range sigs {
		if s.Reason != "" {
			v.Lower(s.Reason)
		}
	}
	if v.State().AtLeast(Partial) {
		v.Lower("D_NONE")
	}
}
