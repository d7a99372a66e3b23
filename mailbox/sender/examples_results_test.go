package sender_test

import (
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

const myID = "Authentication-Results: mx.support.example; "

// serverResults are rows F of the worked examples: what our own server found, and
// what others pretend it found.
func serverResults() []example {
	below := func(line string) *eml { // under the boundary Received
		m := base()
		m.top = append(m.top, line)
		return m
	}
	good := func(row, results string, state sender.State, codes ...string) example { // a mail that authenticates
		m := base().results(results)
		return example{row, signed(m, sig{}), nil, state, sender.MatchExact, codes}
	}
	bare := func(row, results string, state sender.State, codes ...string) example { // one without a signature
		return example{row, base().results(results).raw(), nil, state, sender.MatchExact, codes}
	}
	broken := func(row, results string, state sender.State, codes ...string) example { // changed on the way
		m := base().results(results)
		line := m.sign(sig{})
		m.body += "x"
		return example{row, m.raw(line), nil, state, sender.MatchExact, codes}
	}
	q, a, u, p := quarantine, authenticated, unverified, partial
	spf := myID + "spf=pass smtp.mailfrom=any@legit.example; dkim=none; dmarc=pass header.from=legit.example"
	exchange := "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=legit.example; dkim=pass (signature was verified)" +
		" header.d=legit.example;dmarc=pass action=none header.from=legit.example;compauth=pass reason=100"
	twice := base()
	twice.top = append([]string{myID + "dkim=fail header.d=other.example"}, twice.top...)
	return []example{
		{"103 forged below Received", signed(below(myID+"dmarc=pass header.from=legit.example"), sig{}), nil, q, sender.MatchExact, []string{"A_FORGED"}},
		{"103 in other letters", signed(below(strings.ReplaceAll(myID, "mx.support", "MX.Support")+"dkim=pass"), sig{}), nil, q, "", []string{"A_FORGED"}},
		{"103 in quotes", signed(below(`Authentication-Results: (x) "mx.support.example" 1; none`), sig{}), nil, q, "", []string{"A_FORGED"}},
		{"103 not well formed", signed(below(myID+"dmarc=pass (unclosed"), sig{}), nil, q, "", []string{"A_FORGED"}},
		{"103 another server's", signed(below("Authentication-Results: mx.attack.example; dmarc=fail header.from=legit.example"), sig{}), nil, a, "", nil},
		{"103 a longer name", signed(below("Authentication-Results: evil.mx.support.example; dmarc=pass"), sig{}), nil, a, "", nil},
		{"103 the original of Exchange", signed(below("Authentication-Results-Original: mx.support.example; dmarc=fail"), sig{}), nil, a, "", nil},
		{"ARC is ignored", signed(below("ARC-Authentication-Results: i=1; mx.support.example; dmarc=fail header.from=legit.example"), sig{}), nil, a, "", nil},
		bare("105 comment injection", myID+"spf=pass (attack; dmarc=pass header.from=legit.example ) smtp.mailfrom=x@attack.example", q, "P_DMARC_FAIL"),
		broken("105 quoted injection", myID+`dkim=fail reason="x; dkim=pass header.d=legit.example" header.d=legit.example`, q, "D_FAIL", "P_DMARC_FAIL"),
		broken("109 duplicate property", myID+"dkim=pass header.d=attack.example header.d=legit.example", q, "A_SYNTAX", "P_DMARC_FAIL"),
		broken("112 without an id", exchange, q, "D_FAIL", "P_DMARC_FAIL"),
		bare("114 SPF only", spf, u, "S_SPF_ONLY"),
		bare("114 SPF of somebody else", myID+"spf=pass smtp.mailfrom=any@attack.example; dkim=none; dmarc=pass header.from=legit.example", q, "P_DMARC_FAIL"),
		bare("114 SPF fails", myID+"spf=fail smtp.mailfrom=any@legit.example", q, "P_DMARC_FAIL"),
		bare("114 SPF of a child", myID+"spf=pass smtp.mailfrom=bounce@mail.legit.example", u, "S_SPF_ONLY"),
		bare("114 SPF of HELO", myID+"spf=pass smtp.helo=legit.example", q, "P_DMARC_FAIL"),
		bare("114 quoted envelope", myID+`spf=pass smtp.mailfrom="x@legit.example"@attack.example`, q, "A_SYNTAX", "P_DMARC_FAIL"),
		good("116 DKIM fails there", myID+"dkim=fail header.d=legit.example", q, "A_CONFLICT"),
		good("116 DMARC fails there", myID+"dmarc=fail header.from=legit.example", q, "A_CONFLICT"),
		good("116 by header.i", myID+"dkim=fail header.i=@Legit.Example", q, "A_CONFLICT"),
		good("116 the provider's signature fails", myID+"dkim=pass header.d=legit.example; dkim=fail header.d=mailer.example", a),
		good("116 a signature without a name fails", myID+`dkim=fail (bad signature); dmarc=pass header.from=legit.example`, a),
		good("5.4 one domain twice", myID+"dkim=pass header.d=legit.example; dkim=neutral header.d=legit.example", q, "A_CONFLICT"),
		good("5.4 the same twice", myID+"dkim=pass header.d=legit.example header.s=a; dkim=pass header.d=legit.example header.s=b", a),
		good("5.4 DMARC twice", myID+"dmarc=pass header.from=legit.example; dmarc=pass header.from=legit.example", q, "A_CONFLICT"),
		good("5.4 SPF of envelope and HELO", myID+"spf=pass smtp.mailfrom=a@legit.example; spf=none smtp.helo=out.legit.example", a),
		{"5.4 two fields", signed(twice, sig{}), nil, a, "", nil},
		good("A_SYNTAX is no more than a flag", myID+"dkim=fail header.d=legit.example (", a, "A_SYNTAX"),
		broken("5.5 the server found it good", myID+"dkim=pass header.d=legit.example", p, "A_MTA_ONLY"),
		broken("5.5 as Google writes it", myID+"dkim=pass header.i=@legit.example header.s=sel header.b=AbCdEfGh", p, "A_MTA_ONLY"),
		broken("5.5 another selector", myID+"dkim=pass header.d=legit.example header.s=other", q, "P_DMARC_FAIL"),
		broken("5.5 another domain", myID+"dkim=pass header.d=attack.example; dmarc=pass header.from=legit.example", q, "P_DMARC_FAIL"),
		bare("5.5 nothing was signed", myID+"dkim=pass header.d=legit.example", q, "D_NONE", "P_DMARC_FAIL"),
		{"5.5 beside a signature we refuse", func() string {
			m := base()
			refused, line := m.sign(sig{extra: "l=10; "}), m.sign(sig{})
			m.body += "x"
			return m.raw(refused, line)
		}(), nil, u, "", []string{"D_LENGTH", "D_FAIL", "S_SPF_ONLY"}},
		{"5.5 beside a stranger's signature over more", func() string {
			m := base()
			line := m.sign(sig{h: "From:Date:Subject:Message-ID:Content-Type"})
			m.body += "x"
			return m.raw(m.sign(sig{d: "attack.example", key: keys.attacker}), line)
		}(), nil, p, "", []string{"A_MTA_ONLY", "B_RCPT", "B_UNSIGNED_TO"}},
		{"5.5 an old mail", func() string {
			m := base().with("Date: Sun, 19 Oct 2025 10:00:00 +0000")
			line := m.sign(sig{})
			m.body += "x"
			return m.raw(line)
		}(), nil, q, "", []string{"A_MTA_ONLY", "R_STALE"}},
	}
}

// policies are the DMARC half of section 6.
func policies() []example {
	at := func(row, domain string, z zone, state sender.State, codes ...string) example {
		m := base().with("From: admin@" + domain).spoofed()
		return example{row, m.raw(), z, state, "", codes}
	}
	q, u := quarantine, unverified
	return []example{
		at("quarantine", "legit.example", zone{"_dmarc.legit.example": {"v=DMARC1; p=quarantine"}}, q, "P_DMARC_FAIL"),
		at("t=y weakens reject", "legit.example", zone{"_dmarc.legit.example": {"v=DMARC1; p=reject; t=y"}}, q, "P_DMARC_FAIL"),
		at("t=y weakens quarantine", "legit.example", zone{"_dmarc.legit.example": {"v=DMARC1; p=quarantine; t=y"}}, u, "D_NONE"),
		at("pct is ignored", "legit.example", zone{"_dmarc.legit.example": {"v=DMARC1; p=reject; pct=0"}}, q, "P_DMARC_FAIL"),
		at("no record", "legit.example", zone{"_dmarc.legit.example": nil}, u, "D_NONE"),
		at("two records are none", "legit.example", zone{"_dmarc.legit.example": {"v=DMARC1; p=reject", "v=DMARC1; p=reject"}}, u, "D_NONE"),
		at("beside another TXT", "legit.example", zone{"_dmarc.legit.example": {"v=spf1 -all", "v=DMARC1; p=reject"}}, q, "P_DMARC_FAIL"),
		at("DMARC does not answer", "legit.example", zone{"_dmarc.legit.example": {"SERVFAIL"}}, sender.Deferred, "P_TEMPERROR"),
		at("the parent's p", "sub.legit.example", nil, q, "P_DMARC_FAIL"),
		at("the parent's sp", "sub.legit.example", zone{"_dmarc.legit.example": {"v=DMARC1; p=reject; sp=none"}}, u, "D_NONE"),
		at("the parent does not answer", "sub.legit.example", zone{"_dmarc.legit.example": {"SERVFAIL"}}, u, "P_UNANSWERED"),
	}
}

// bodies are section 4.5 and the nonce of 2f.
func bodies() []example {
	multi := func(row, h, preamble, epilogue string, state sender.State, codes ...string) example {
		m := base().with(`Content-Type: multipart/mixed; boundary="b"`)
		m.body = preamble + "--b\r\nContent-Type: text/plain\r\n\r\nPlease reset jo.\r\n--b--\r\n" + epilogue
		return example{row, signed(m, sig{h: h}), nil, state, sender.MatchExact, codes}
	}
	q, a := quarantine, authenticated
	usual := "This is a multi-part message in MIME format.\r\n"
	return []example{
		multi("4.5 nothing hidden", required, "", "", a, "B_BODY_UNBOUND"),
		multi("4.5 usual preamble", required, usual, "", a, "B_BODY_UNBOUND"),
		multi("4.5 OpenPGP", required, "This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n", "", a, "B_BODY_UNBOUND"),
		multi("4.5 S/MIME", required, "This is an S/MIME signed message\r\n", "", a, "B_BODY_UNBOUND"),
		multi("4.5 hidden as half a delimiter", required, "--b Reset bob, not jo.\r\n", "", q, "B_MIME_HIDDEN_TEXT"),
		multi("4.5 hidden behind half a delimiter", required, "MIME message --b Reset bob, not jo.\r\n", "", q, "B_MIME_HIDDEN_TEXT"),
		multi("4.5 hidden above", required, "Reset bob, not jo.\r\n", "", q, "B_BODY_UNBOUND", "B_MIME_HIDDEN_TEXT"),
		multi("4.5 hidden in the usual line", required, "This MIME message resets 4711.\r\n", "", q, "B_MIME_HIDDEN_TEXT"),
		multi("4.5 hidden below", required, usual, "Reset bob, not jo.\r\n", q, "B_BODY_UNBOUND", "B_MIME_HIDDEN_TEXT"),
		multi("4.5 hidden but bound", baseSigned, "Reset bob, not jo.\r\n", "", a),
		{"4.5 another boundary", func() string {
			m := base().with(`Content-Type: multipart/mixed; boundary="b"`)
			line := m.sign(sig{h: required})
			return m.with(`Content-Type: multipart/mixed; boundary="c"`).raw(line)
		}(), nil, q, "", []string{"B_MIME_HIDDEN_TEXT"}},
	}
}
