package sender_test

import (
	"context"
	"slices"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// TestTrust puts our server's fields in each place that a configuration can name.
func TestTrust(t *testing.T) {
	n := startDNS(t, defaultZone())
	const (
		ours    = "Authentication-Results: mx.support.example; "
		conflct = ours + "dkim=fail header.d=legit.example"
		foreign = "Authentication-Results: mx.elsewhere.example; dkim=fail header.d=legit.example"
		outlook = "Authentication-Results: dkim=fail (body hash did not verify) header.d=legit.example;dmarc=fail action=none header.from=legit.example"
		edge    = "Received: from a by edge.support.example (x by y) with ESMTPS; Mon, 23 Nov 2026 10:00:05 +0000"
		inner   = "Received: from edge.support.example by store.support.example; Mon, 23 Nov 2026 10:00:06 +0000"
	)
	rfc := func(position sender.TrustPosition, stripped bool) sender.Trust {
		return sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"mx.support.example"}, Boundary: 1, Position: position, StripVerified: stripped}
	}
	exchange := sender.Trust{Mode: sender.TrustExchange, AuthservIDs: []string{"mx.support.example"}, Boundary: 1, Position: sender.BelowBoundary, StripVerified: true}
	by := func(boundary int, hosts ...string) sender.Trust {
		r := rfc(sender.AboveBoundary, false)
		r.Boundary, r.By = boundary, hosts
		return r
	}
	for _, c := range []struct {
		name string
		t    sender.Trust
		top  []string
		want sender.State
		code string // among reasons and flags; "" for none of any kind
	}{
		{"off", sender.Trust{Boundary: 1, AuthservIDs: []string{"mx.support.example"}}, []string{conflct, edge, conflct}, authenticated, ""},
		{"above", rfc("", false), []string{conflct, edge}, quarantine, "A_CONFLICT"},
		{"above, foreign", rfc("", false), []string{foreign, edge, foreign}, authenticated, ""},
		{"above, ours below", rfc("", false), []string{edge, conflct}, quarantine, "A_FORGED"},
		{"below", rfc(sender.BelowBoundary, true), []string{edge, conflct}, quarantine, "A_CONFLICT"},
		{"below, in a run", rfc(sender.BelowBoundary, true), []string{edge, foreign, ours + "dkim=pass header.d=legit.example"}, authenticated, ""},
		{"below, not right below", rfc(sender.BelowBoundary, true), []string{edge, "X-A: b", conflct}, quarantine, "A_FORGED"},
		{"below, but it stands above", rfc(sender.BelowBoundary, true), []string{conflct, edge}, quarantine, "A_FORGED"},
		{"below, nobody saw stripping", rfc(sender.BelowBoundary, false), []string{edge, conflct}, authenticated, ""},
		{"second Received", by(2), []string{conflct, inner, edge}, quarantine, "A_CONFLICT"},
		{"second Received, between", by(2), []string{inner, conflct, edge}, quarantine, "A_CONFLICT"},
		{"second Received, below", by(2), []string{inner, edge, conflct}, quarantine, "A_FORGED"},
		{"by our host", by(1, "Edge.support.example"), []string{conflct, edge}, quarantine, "A_CONFLICT"},
		{"by another host", by(1, "mx.support.example"), []string{edge}, authenticated, "A_NO_BOUNDARY"},
		{"by another host, with results", by(1, "mx.support.example"), []string{ours + "none", edge}, quarantine, "A_FORGED"},
		{"fewer Received than that", by(3), []string{ours + "none", edge}, quarantine, "A_FORGED"},
		{"no boundary configured", by(0), []string{conflct, edge, conflct}, authenticated, "A_NO_BOUNDARY"},
		{"exchange", exchange, []string{edge, outlook}, quarantine, "A_CONFLICT"},
		{"exchange, two fields", exchange, []string{edge, outlook, outlook}, authenticated, ""},
		{"exchange, encoded", exchange, []string{edge, "Authentication-Results: =?utf-8?B?ZGtpbT1mYWls?="}, authenticated, "A_SYNTAX"},
		{"exchange, further down", exchange, []string{edge, "X-A: b", outlook}, authenticated, ""},
		{"exchange, forged", exchange, []string{edge, "X-A: b", conflct}, quarantine, "A_FORGED"},
	} {
		m := base()
		m.top = c.top
		r := request(n, m.raw(m.sign(sig{})))
		r.Trust = c.t
		v := sender.Verify(context.Background(), r)
		codes := append(slices.Clone(v.Reasons), v.Flags...)
		if v.State() != c.want || c.code != "" && !slices.Contains(codes, c.code) || c.code == "" && len(codes) > 0 {
			t.Errorf("%s: %s %v %+v, want %s %s", c.name, v.State(), codes, v.Results, c.want, c.code)
		}
	}
}

// TestExchangeAttests is row 112 of the worked examples: Exchange's own words
// count once that mode is on, and then make a broken mail partial at most.
func TestExchangeAttests(t *testing.T) {
	n := startDNS(t, defaultZone())
	m := base()
	line := m.sign(sig{})
	m.body += "x"
	m.top = []string{m.top[2], "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=legit.example; dkim=pass (signature was verified)" +
		" header.d=legit.example;dmarc=pass action=none header.from=legit.example;compauth=pass reason=100"}
	for trust, want := range map[sender.TrustMode]sender.State{sender.TrustOff: quarantine, sender.TrustRFC8601: quarantine, sender.TrustExchange: partial} {
		r := request(n, m.raw(line))
		r.Trust.Mode, r.Trust.Position, r.Trust.StripVerified = trust, sender.BelowBoundary, true
		if v := sender.Verify(context.Background(), r); v.State() != want {
			t.Errorf("%s: %s %v, want %s", trust, v.State(), v.Reasons, want)
		}
	}
}

// TestRelaxed: a parent or child of the From domain signs for it only where the
// operator says so, and then no better than partial.
func TestRelaxed(t *testing.T) {
	z := defaultZone()
	for _, d := range []string{"com", "notlegit.example", "co.uk"} {
		z["sel._domainkey."+d] = []string{rsaRecord(keys.rsa2048, "")}
	}
	n := startDNS(t, z)
	for _, c := range []struct {
		from, d string
		relaxed bool
		want    sender.State
		code    string
	}{
		{"admin@legit.example", "sub.legit.example", true, partial, "D_RELAXED"},
		{"admin@sub.legit.example", "legit.example", true, partial, "D_RELAXED"},
		{"admin@legit.example", "sub.legit.example", false, unverified, "D_NOT_ALIGNED"},
		{"admin@legit.example", "notlegit.example", true, unverified, "D_NOT_ALIGNED"},
		{"admin@legit.co.uk", "co.uk", true, unverified, "D_NOT_ALIGNED"},
	} {
		m := base().with("From: " + c.from)
		r := request(n, m.raw(m.sign(sig{d: c.d, h: required})))
		r.Relaxed, r.Registered = c.relaxed, []string{c.from}
		if v := sender.Verify(context.Background(), r); v.State() != c.want || !slices.Contains(v.Reasons, c.code) {
			t.Errorf("%s signed by %s: %s %v, want %s %s", c.from, c.d, v.State(), v.Reasons, c.want, c.code)
		}
	}
}

// TestNonce: a reference that we gave to the registered address binds a mail in
// place of our address in To (row 10), if it is signed and nothing else is wrong.
func TestNonce(t *testing.T) {
	const token, outlook = "7F3K-Q2MX-9DTA-4B6C", "From:Date:Subject:Message-ID:Content-Type:MIME-Version"
	n := startDNS(t, defaultZone())
	quoting := func(subject string) *eml { return base().with("Subject: " + subject) }
	inBody := func() *eml {
		m := base()
		m.body = "Yes, please.\r\n\r\n> Reference: " + token + "\r\n"
		return m
	}
	twisted := quoting("2FA reset")
	twistedSig := twisted.sign(sig{h: outlook})
	twisted.with("Subject: Re: " + token)
	for _, c := range []struct {
		name string
		raw  string
		mine bool // the reference belongs to the From address
		want sender.State
	}{
		{"in the subject", signed(quoting("Re: [case "+token+"] 2FA reset"), sig{h: outlook}), true, authenticated},
		{"encoded", signed(quoting("=?utf-8?q?Re=3A_best=C3=A4tigen_["+token+"]?="), sig{h: outlook}), true, authenticated},
		{"in two words", signed(quoting("=?utf-8?q?Re_7F3K-Q2?= =?utf-8?q?MX-9DTA-4B6C?="), sig{h: outlook}), true, authenticated},
		{"another's", signed(quoting("Re: "+token), sig{h: outlook}), false, partial},
		{"a part of a longer word", signed(quoting("Re: "+token+"0"), sig{h: outlook}), true, partial},
		{"half of it", signed(quoting("Re: 7F3K-Q2MX"), sig{h: outlook}), true, partial},
		{"subject not signed", signed(quoting("Re: "+token), sig{h: "From:Date:Message-ID:Content-Type"}), true, partial},
		{"subject changed later", twisted.spoofed().raw(twistedSig), true, quarantine},
		{"in the body", signed(inBody(), sig{h: outlook}), true, authenticated},
		{"in a body whose type is not signed", signed(inBody(), sig{h: "From:Date:Subject:Message-ID"}), true, partial},
		{"other caps stay", signed(quoting("Re: "+token).with("Reply-To: x@attack.example"), sig{h: outlook}), true, partial},
		{"stale", signed(quoting("Re: "+token).with("Date: Sun, 19 Oct 2025 10:00:00 +0000"), sig{h: outlook}), true, quarantine},
		{"not signed at all", quoting("Re: " + token).spoofed().raw(), true, quarantine},
	} {
		r := request(n, c.raw)
		r.Nonces = []sender.Nonce{{Token: token, Address: "other@legit.example"}, {Token: "short", Address: registered}, {Address: registered}}
		if c.mine {
			r.Nonces = append(r.Nonces, sender.Nonce{Token: token, Address: "Admin@legit.example"})
		}
		v := sender.Verify(context.Background(), r)
		bound := v.BoundBy == "nonce" && slices.Contains(v.Flags, "B_NONCE")
		if v.State() != c.want || v.State() == authenticated && !bound || v.State() == partial && bound && len(v.Reasons) != 2 {
			t.Errorf("%s: %s %v %v bound by %q, want %s", c.name, v.State(), v.Reasons, v.Flags, v.BoundBy, c.want)
		}
	}
}
