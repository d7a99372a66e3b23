package sender_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

const (
	authenticated = sender.Authenticated
	partial       = sender.Partial
	unverified    = sender.Unverified
	automated     = sender.Automated
	quarantine    = sender.Quarantine
)

// example is a row of the worked examples, by its number there; rows of
// section 4 and 9.2 of the specification have none.
type example struct {
	row   string
	raw   string
	zone  zone // over the default one
	state sender.State
	match sender.Match // "" is not checked
	codes []string     // all must be among reasons and flags
}

// signed is the mail with one signature of its own.
func signed(m *eml, s sig) string { return m.raw(m.sign(s)) }

// from is BASE with another From, as an attacker without a key sends it.
func from(line string) string { return base().with(line).spoofed().raw() }

func examples() []example {
	return slices.Concat(baselines(), structure(), fromValues(), identities(), signatures(), machines(),
		serverResults(), policies(), bodies())
}

// unproven is a mail from the registered address, with what our server writes
// about BASE, whose signature does not count for the reason named. SPF spares it
// the policy; without that p=reject condemns it and p=none does not.
func unproven(row, raw string, z zone, code string) []example {
	spoof := strings.Replace(raw, baseResults, spoofResults, 1)
	none := zone{"_dmarc.legit.example": {"v=DMARC1; p=none"}}
	maps.Copy(none, z)
	return []example{
		{row + ", SPF", raw, z, unverified, sender.MatchExact, []string{code, "S_SPF_ONLY"}},
		{row + ", p=reject", spoof, z, quarantine, sender.MatchExact, []string{code, "P_DMARC_FAIL"}},
		{row + ", p=none", spoof, none, unverified, sender.MatchExact, []string{code}},
	}
}

func baselines() []example {
	outlook := "From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck"
	refolded := base()
	refoldedSig := refolded.sign(sig{})
	refolded.with("Subject: 2FA reset\r\n for account 123")
	return []example{
		{"1 base", signed(base(), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"2 odd case", signed(base().with("fRoM: admin@legit.example"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"5 refolded", refolded.raw(refoldedSig), nil, authenticated, sender.MatchExact, nil},
		{"7 ed25519", signed(base(), sig{a: "ed25519-sha256", s: "ed", key: keys.ed}), nil, authenticated, sender.MatchExact, nil},
		{"9 outlook", signed(base(), sig{h: outlook}), nil, partial, sender.MatchExact, []string{"B_RCPT", "B_UNSIGNED_TO"}},
		{"4.6 gmail", signed(base(), sig{h: required}), nil, authenticated, sender.MatchExact, []string{"B_BODY_UNBOUND"}},
	}
}

func structure() []example {
	q := quarantine
	first := func(line string) string { // a line above BASE's own From
		m := base()
		m.head = slices.Insert(m.head, 0, line)
		return m.raw()
	}
	cr := base().with("Subject: hi From: ceo@legit.example")
	crSig := cr.sign(sig{})
	cr.with("Subject: hi\rFrom: ceo@legit.example")
	dup := base()
	dupSig := dup.sign(sig{})
	dup.head = slices.Insert(dup.head, 0, "Subject: URGENT reset 2FA of account 999")
	above := base()
	aboveSig := above.sign(sig{})
	above.head = slices.Insert(above.head, 0, "From: <first@attack.example>")
	var twice []example
	for _, name := range []string{"Sender", "Reply-To", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Content-Type",
		"Content-Transfer-Encoding", "MIME-Version"} {
		m := base()
		m.head = append(m.head, name+": x", name+": x")
		twice = append(twice, example{"two " + name, m.raw(), nil, q, "", []string{"H_DUP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}})
	}
	many := base()
	many.head = append(many.head, slices.Repeat([]string{"X-A: b"}, 1001)...)
	return append(twice, []example{
		{"11 two From", first("From: <first@attack.example>"), nil, q, "", []string{"H_DUP_FROM"}},
		{"A18 From above the signed one", above.raw(aboveSig), nil, q, "", []string{"H_DUP_FROM"}},
		{"13 space after name", first("From : <first@attack.example>"), nil, q, "", []string{"H_BAD_NAME"}},
		{"13 folded name", first("From\r\n : <first@attack.example>"), nil, q, "", []string{"H_NO_COLON", "H_BAD_NAME"}},
		{"BOM", first("\ufeffFrom: <first@attack.example>"), nil, q, "", []string{"H_BAD_NAME"}},
		{"Cyrillic", first("Fr\u043em: <first@attack.example>"), nil, q, "", []string{"H_BAD_NAME"}},
		{"16 leading space", " From: <first@attack.example>\r\n" + base().raw(), nil, q, "", []string{"H_LEADING_WSP"}},
		{"16 after delivery", first("X-A: b\r\n From: <first@attack.example>"), nil, q, "", []string{"H_FOLDED_HEADER"}},
		{"19 blank-looking line", first("X-A: b\r\n "), nil, q, "", []string{"H_WS_ONLY_LINE"}},
		{"21 bare CR", cr.raw(crSig), nil, q, "", []string{"H_BARE_CR"}},
		{"bare LF", strings.ReplaceAll(base().raw(), "\r\n", "\n"), nil, q, "", []string{"H_BARE_LF", "H_NO_BLANK_LINE"}},
		{"NUL", first("X-A: b\x00"), nil, q, "", []string{"H_NUL"}},
		{"control", first("X-A: b\x07"), nil, q, "", []string{"H_CTL"}},
		{"24 no colon", first("JUNKLINE"), nil, q, "", []string{"H_NO_COLON"}},
		{"27 mbox", first("From x@attack.example Mon Nov 23 10:00:00 2026"), nil, q, "", []string{"H_BAD_NAME"}},
		{"28 long name", from(`From: "` + strings.Repeat("A", 65536) + `" <admin@legit.example>`), nil, q, "", []string{"H_LINE_TOO_LONG"}},
		{"too big", first("X-A:" + strings.Repeat("\r\n "+strings.Repeat("a", 900), 300)), nil, q, "", []string{"H_TOO_BIG"}},
		{"too many", many.raw(), nil, q, "", []string{"H_TOO_MANY"}},
		{"30 header only", strings.TrimSuffix(base().raw(), "\r\n"+base().body), nil, q, "", []string{"H_NO_BLANK_LINE"}},
		{"empty mail", "", nil, q, "", []string{"H_NO_BLANK_LINE"}},
		{"empty header", "\r\nFrom: admin@legit.example\r\n\r\n", nil, q, "", []string{"F_MISSING"}},
		{"31 two subjects", dup.raw(dupSig), nil, q, "", []string{"H_DUP_SUBJECT"}},
		{"33 Resent-From only", base().without("From").with("Resent-From: <admin@legit.example>").raw(), nil, q, "", []string{"F_MISSING"}},
	}...)
}

func fromValues() []example {
	var out []example
	add := func(row, line, code string) {
		out = append(out, example{row, from(line), nil, quarantine, "", []string{code}})
	}
	add("35 list", "From: <first@attack.example>, <admin@legit.example>", "F_PHRASE")
	add("37 wholly encoded", "From: =?utf-8?B?YWRtaW5AbGVnaXQuZXhhbXBsZQ==?=", "F_ADDR")
	add("38 route", "From: <@attack.example,@any.example:admin@legit.example>", "F_ADDR")
	add("41 trailing text", "From: <any@attack.example>admin@legit.example", "F_TRAILING")
	add("43 encoded local part", "From: =?utf-8?q?admin?=@legit.example", "F_ADDR")
	add("46 quoted local part", `From: "admin@legit.example"@attack.example`, "F_ADDR")
	add("50 comment", "From: admin@legit.example (Ann Admin)", "F_ADDR")
	add("51 group", "From: Admins: admin@legit.example;", "F_ADDR")
	add("51 group in brackets", "From: Admins: <admin@legit.example>", "F_PHRASE")
	add("53 name is the address", `From: "admin@legit.example" <x@attack.example>`, "F_DISPLAY_SPOOF")
	add("53 full-width at", "From: \"admin\uff20legit.example\" <x@attack.example>", "F_DISPLAY_SPOOF")
	add("55 CRLF in the name", "From: =?utf-8?q?x=0D=0AFrom=3A_admin=40legit.example?= <x@attack.example>", "F_DISPLAY_SPOOF")
	add("53 encoded inside quotes", `From: "=?utf-8?q?admin=40legit.example?=" <x@attack.example>`, "F_DISPLAY_SPOOF")
	add("raw Latin-1", "From: M\xfcller <admin@legit.example>", "F_DISAGREE")
	add("unknown charset", "From: =?utf-7?q?x?= <x@attack.example>", "F_CHARSET")
	add("57 invisible suffix", "From: admin@legit.example\u2000", "F_ADDR")
	add("59 homograph", "From: admin@l\u0435git.example", "F_ADDR")
	add("63 EAI", "From: adm\u00edn@legit.example", "F_ADDR")
	for _, a := range []string{
		"admin@legit.example.", "ad..min@legit.example", "admin@[127.0.0.1]", ".admin@legit.example", "admin.@legit.example",
		"ad min@legit.example", "admin@legit", "admin@-legit.example", "admin@legit.exam_ple", "attack.example!admin@legit.example",
		"admin%attack.example@legit.example", "admin@attack.example@legit.example", "admin", "@legit.example",
		strings.Repeat("a", 65) + "@legit.example", "a@" + strings.Repeat("b", 64) + ".example",
	} {
		add("65 "+a, "From: "+a, "F_ADDR")
	}
	add("70 empty brackets", "From: <>", "F_ADDR")
	add("70 empty", "From: ", "F_ADDR")
	return append(out,
		example{"56 bidi", signed(base().with("From: \"Admin \u202e\" <admin@legit.example>"), sig{}), nil,
			authenticated, sender.MatchExact, []string{"F_DISPLAY_BIDI", "H_8BIT"}},
		example{"name repeats the address", signed(base().with(`From: "admin@legit.example" <admin@legit.example>`), sig{}), nil,
			authenticated, sender.MatchExact, nil},
		example{"at sign in a stranger's name", from(`From: "Jo @ Work" <jo@attack.example>`), nil,
			unverified, sender.MatchNone, []string{"F_DISPLAY_SPOOF"}},
		example{"67 subaddress", signed(base().with("From: admin+x@legit.example"), sig{}), nil, unverified, sender.MatchNone, nil},
		example{"case of the domain", signed(base().with("From: admin@LEGIT.Example"), sig{}), nil, authenticated, sender.MatchExact, nil},
		example{"case of the local part", signed(base().with("From: Admin@legit.example"), sig{}), nil,
			authenticated, sender.MatchCaseVariant, []string{"F_CASE_VARIANT"}},
		example{"69 lookalike", signed(base().with("From: admin@1egit.example"), sig{d: "1egit.example", h: required, key: keys.attacker}), nil,
			quarantine, sender.MatchLookalike, []string{"F_LOOKALIKE"}},
		example{"69 A-label lookalike", from("From: admin@xn--lgit-u4d.example"), nil,
			quarantine, sender.MatchLookalike, []string{"F_LOOKALIKE"}},
	)
}

func identities() []example {
	unsignedReplyTo := base()
	line := unsignedReplyTo.sign(sig{h: required})
	unsignedReplyTo.with("Reply-To: a.admin@attack.example")
	byAttacker := sig{d: "attack.example", h: required, key: keys.attacker}
	return append(unproven("75 signed by the attacker", signed(base(), byAttacker), nil, "D_NOT_ALIGNED"), []example{
		{"71 Reply-To", signed(base().with("Reply-To: a.admin@attack.example"), sig{}), nil, partial, sender.MatchExact, []string{"F_REPLYTO_DIFF"}},
		{"Reply-To the same", signed(base().with("Reply-To: Ann <admin@Legit.example>"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"9.2 Reply-To added later", unsignedReplyTo.raw(line), nil, partial, sender.MatchExact, []string{"F_REPLYTO_DIFF", "B_UNSIGNED_REPLY_TO"}},
		{"Sender", signed(base().with("Sender: s@legit.example"), sig{h: baseSigned + ":Sender"}), nil, partial, sender.MatchExact, []string{"F_SENDER_DIFF"}},
		{"Sender unsigned", signed(base().with("Sender: admin@legit.example"), sig{}), nil, partial, sender.MatchExact, []string{"B_UNSIGNED_SENDER"}},
		{"Resent", signed(base().with("Resent-From: admin@legit.example"), sig{}), nil, partial, sender.MatchExact, []string{"F_RESENT"}},
		{"74 attacker's own", signed(base().with(`From: "Ann Admin" <ann@attack.example>`), sig{d: "attack.example", h: required, key: keys.attacker}), nil,
			unverified, sender.MatchNone, []string{"F_NOT_REGISTERED"}},
	}...)
}

func signatures() []example {
	tampered := base()
	tamperedSig := tampered.sign(sig{})
	tampered.body += "x"
	xb := base()
	xbSig := xb.sign(sig{extra: "xb=; "})
	github := base().with("From: admin@github.io")
	var junk []string
	for i := range 30 {
		junk = append(junk, fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; d=attack.example; s=n%d; h=From; bh=AAAA; b=AAAA", i))
	}
	old := base().with("Date: Sun, 19 Oct 2025 10:00:00 +0000")
	keyed := func(record ...string) zone { return zone{"sel._domainkey.legit.example": record} }
	edited := func(from, to string) sig {
		return sig{edit: func(f string) string { return strings.Replace(f, from, to, 1) }}
	}
	var out []example
	for _, e := range []struct {
		row, raw string
		zone     zone
		code     string
	}{
		{"no signature", base().raw(), nil, "D_NONE"},
		{"77 From unsigned", signed(base(), sig{h: "To:Subject:Date"}), nil, "D_FAIL"},
		{"79 rsa-sha1", signed(base(), sig{a: "rsa-sha1"}), nil, "D_ALGORITHM"},
		{"84 child domain", signed(base(), sig{d: "sub.legit.example", h: required}), nil, "D_NOT_ALIGNED"},
		{"87 testing", signed(base(), sig{}), keyed(rsaRecord(keys.rsa2048, "t=y; ")), "D_KEY_TESTING"},
		{"t=s with i= below d=", signed(base(), sig{extra: "i=@sub.legit.example;"}), keyed(rsaRecord(keys.rsa2048, "t=s; ")), "D_KEY_STRICT"},
		{"90 expired", signed(base(), sig{extra: "t=1795420800; x=1795424400;"}), nil, "D_EXPIRED"},
		{"t= ahead", signed(base(), sig{extra: "t=1795432000;"}), nil, "D_FUTURE"},
		{"x before t", signed(base(), sig{extra: "t=1995424400; x=1995420800;"}), nil, "D_SYNTAX"},
		{"98 duplicate tag", signed(base(), sig{extra: "d=attack.example; "}), nil, "D_SYNTAX"},
		{"101 two records", signed(base(), sig{}), keyed(rsaRecord(keys.rsa2048, ""), rsaRecord(keys.rsa2048, "")), "D_KEY_MULTIPLE"},
		{"101 revoked", signed(base(), sig{}), keyed("v=DKIM1; p="), "D_KEY_REVOKED"},
		{"101 s=other", signed(base(), sig{}), keyed(rsaRecord(keys.rsa2048, "s=other; ")), "D_KEY_SERVICE"},
		{"101 h=sha1", signed(base(), sig{}), keyed(rsaRecord(keys.rsa2048, "h=sha1; ")), "D_KEY_HASH"},
		{"no key", signed(base(), sig{s: "none"}), nil, "D_NO_KEY"},
		{"key of another kind", signed(base(), sig{}), keyed(edRecord(keys.ed)), "D_KEY_ALGORITHM"},
		{"key is junk", signed(base(), sig{}), keyed("v=DKIM1; p=!!!!"), "D_KEY_SYNTAX"},
		{"record of another thing", signed(base(), sig{}), keyed("v=spf1 -all"), "D_KEY_SYNTAX"},
		{"key under 1024 bits", signed(base(), sig{}), keyed(shortKey), "D_KEY_SHORT"},
		{"l=", signed(base(), sig{extra: "l=10; "}), nil, "D_LENGTH"},
		{"v=2", signed(base(), edited("v=1", "v=2")), nil, "D_SYNTAX"},
		{"q=other", signed(base(), sig{extra: "q=dns/other; "}), nil, "D_SYNTAX"},
		{"i= outside", signed(base(), sig{extra: "i=@attack.example; "}), nil, "D_SYNTAX"},
		{"A4 parenthesis in d=", signed(base(), sig{d: "legit.example(.attack.example"}), nil, "D_SYNTAX"},
		{"A3 quote in s=", signed(base(), sig{s: "sel'x"}), nil, "D_SYNTAX"},
		{"9.2 xb= edited after signing", xb.raw(strings.Replace(xbSig, "xb=;", "xb=INJECTED;", 1)), nil, "D_SYNTAX"},
		{"d=com", signed(base(), sig{d: "com"}), nil, "D_SYNTAX"},
		{"LF in the body", signed(&eml{base().top, base().head, "a\nb\r\n"}, sig{}), nil, "D_BODY_NEWLINES"},
	} {
		out = append(out, unproven(e.row, e.raw, e.zone, e.code)...)
	}
	return append(out, []example{
		{"81 RSA 1024", signed(base(), sig{s: "weak", key: keys.rsa1024}), nil, partial, sender.MatchExact, []string{"D_KEY_WEAK"}},
		{"81 weak beside good", base().raw(base().sign(sig{s: "weak", key: keys.rsa1024}), base().sign(sig{})), nil, authenticated, sender.MatchExact, nil},
		{"92 replay of an old mail", signed(old, sig{extra: "t=1760868000;"}), nil, quarantine, sender.MatchExact, []string{"R_STALE"}},
		{"old t= under a new date", signed(base(), sig{extra: "t=1760868000;"}), nil, quarantine, sender.MatchExact, []string{"R_STALE"}},
		{"two days old", signed(base().with("Date: Sat, 21 Nov 2026 10:00:00 +0000"), sig{}), nil, partial, sender.MatchExact, []string{"R_AGED"}},
		{"no Message-ID", signed(base().without("Message-ID"), sig{}), nil, partial, sender.MatchExact, []string{"B_NO_MESSAGE_ID"}},
		{"empty Message-ID", signed(base().with("Message-ID: <>"), sig{}), nil, partial, sender.MatchExact, []string{"B_NO_MESSAGE_ID"}},
		{"no subject", signed(base().without("Subject"), sig{}), nil, partial, sender.MatchExact, []string{"B_NO_SUBJECT"}},
		{"subject unsigned", signed(base(), sig{h: "From:To:Date:Message-ID"}), nil, partial, sender.MatchExact, []string{"B_UNSIGNED_SUBJECT"}},
		{"date unsigned", signed(base(), sig{h: "From:To:Subject:Message-ID"}), nil, partial, sender.MatchExact, []string{"B_UNSIGNED_DATE"}},
		{"Message-ID unsigned", signed(base(), sig{h: "From:To:Subject:Date"}), nil, partial, sender.MatchExact, []string{"B_UNSIGNED_MESSAGE_ID"}},
		{"Cc unsigned", signed(base().with("Cc: x@y.example"), sig{h: required}), nil, partial, sender.MatchExact, []string{"B_UNSIGNED_CC"}},
		{"mail to somebody else", signed(base().with("To: bank@other.example"), sig{}), nil, partial, sender.MatchExact, []string{"B_RCPT"}},
		{"our address in a name only", signed(base().with(`To: "reset@support.example" <bank@other.example>`), sig{}), nil, partial, sender.MatchExact, []string{"B_RCPT"}},
		{"we are in Cc", signed(base().with("To: bank@other.example").with("Cc: Desk <Reset@support.example>, x@y.example"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"To in an unknown charset", signed(base().with("To: =?x-unknown?q?D=E9sk?= <reset@support.example>"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"date with a comment", signed(base().with("Date: Mon, 23 Nov 2026 11:00:00 +0100 (CET)"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"date of old", signed(base().with("Date: 23 Nov 26 10:00 GMT"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"99 too many", base().raw(append(junk, base().sign(sig{}))...), nil, quarantine, sender.MatchExact, []string{"D_TOO_MANY"}},
		{"d=github.io", signed(github, sig{d: "github.io", h: required}), zone{"sel._domainkey.github.io": {rsaRecord(keys.rsa2048, "")}},
			unverified, sender.MatchNone, []string{"D_PUBLIC_SUFFIX"}},
		{"unknown tags", signed(base(), sig{extra: "darn=x; dara=y; "}), nil, authenticated, sender.MatchExact, nil},
		{"oversigned", signed(base(), sig{h: baseSigned + ":From:Subject:Date"}), nil, authenticated, sender.MatchExact, nil},
		{"date ahead", signed(base().with("Date: Mon, 23 Nov 2026 11:00:00 +0000"), sig{}), nil, unverified, sender.MatchExact, []string{"R_DATE"}},
		{"no date", signed(base().without("Date"), sig{}), nil, unverified, sender.MatchExact, []string{"R_DATE"}},
		{"unreadable date", signed(base().with("Date: yesterday"), sig{}), nil, unverified, sender.MatchExact, []string{"R_DATE"}},
		{"95 tampered body", tampered.raw(tamperedSig), nil, partial, sender.MatchExact, []string{"A_MTA_ONLY"}},
		{"95 tampered body, p=reject", tampered.spoofed().raw(tamperedSig), nil, quarantine, sender.MatchExact, []string{"D_FAIL", "P_DMARC_FAIL"}},
		{"b= in another tag", signed(base(), sig{extra: "z=Subject:job=20offer|n:ab =cd; "}), nil, authenticated, sender.MatchExact, nil},
		{"b= in another tag, edited", base().spoofed().raw(strings.Replace(base().sign(sig{extra: "n=ab =cd; "}), "ab =cd", "ab =ce", 1)), nil,
			quarantine, sender.MatchExact, []string{"D_FAIL", "P_DMARC_FAIL"}},
		{"x= behind us by now, but not by the clock given", signed(base(), sig{extra: "t=1795428000; x=1795428100; "}), nil, authenticated, sender.MatchExact, nil},
	}...)
}

// shortKey is the record of an RSA key of 1023 bits. Nobody has its private
// half, and nobody needs it.
var shortKey = func() string {
	n := new(big.Int).Lsh(big.NewInt(1), 1022)
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}}
	return rsaRecord(k, "")
}()

func machines() []example {
	auto := func(row, line, code string) example {
		return example{row, signed(base().with(line), sig{}), nil, automated, "", []string{code}}
	}
	via := base().with("From: Ann via List <list@lists.example>").with("X-Original-From: admin@legit.example").with("List-Id: <l.lists.example>")
	hops := base()
	for range 31 {
		hops.top = append(hops.top, "Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000")
	}
	nobody := base()
	nobody.top[0] = "Return-Path: <>"
	below := base()
	below.top = append(below.top, "Return-Path: <>")
	return []example{
		{"118 list-rewritten", via.raw(), nil, automated, sender.MatchNone, []string{"M_LIST", "F_NOT_REGISTERED"}},
		{"119 list with intact signature", signed(base().with("List-Id: <l.lists.example>").with("Precedence: list"), sig{}), nil, automated, "", []string{"M_LIST", "M_PRECEDENCE"}},
		auto("121 out of office", `Auto-Submitted: auto-replied; owner-email="x"`, "M_AUTO_SUBMITTED"),
		{"122 explicit no", signed(base().with("Auto-Submitted: no"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"122 no with a comment", signed(base().with("Auto-Submitted: NO (person)"), sig{}), nil, authenticated, sender.MatchExact, nil},
		{"124 DSN", base().with("From: MAILER-DAEMON@legit.example").with("Content-Type: multipart/report; report-type=delivery-status; boundary=b").raw(), nil,
			automated, sender.MatchNone, []string{"M_REPORT", "M_ROBOT_SENDER"}},
		{"128 suppression only", signed(base().with("X-Auto-Response-Suppress: All"), sig{}), nil, authenticated, sender.MatchExact, []string{"M_SUPPRESS"}},
		auto("6 any field of a list", "List-Help: <mailto:help@lists.example>", "M_LIST"),
		auto("129 our header", "X-Reset-Instance: abc", "M_LOOP"),
		auto("129 our Message-ID", "Message-ID: <x@support.example>", "M_LOOP"),
		auto("our own From", "From: reset@support.example", "M_LOOP"),
		auto("autoreply", "X-Autoreply: yes", "M_AUTOREPLY"),
		auto("failed", "X-Failed-Recipients: a@b.example", "M_FAILED_RECIPIENTS"),
		auto("robot", "From: No-Reply@legit.example", "M_ROBOT_SENDER"),
		{"hops", hops.raw(), nil, automated, "", []string{"M_HOPS"}},
		{"null return path", nobody.raw(nobody.sign(sig{})), nil, automated, "", []string{"M_NULL_RETURN_PATH"}},
		{"null return path below the boundary", below.raw(below.sign(sig{})), nil, authenticated, "", nil},
	}
}

// TestEveryCode: each code of the table comes out of some mail. Those that need
// more than a mail come out of the tests named.
func TestEveryCode(t *testing.T) {
	n := startDNS(t, nil)
	elsewhere := map[string]string{
		"D_TEMPERROR": "TestTemporaryFailure", "D_UNANSWERED": "TestTemporaryFailure", "D_RELAXED": "TestRelaxed", "B_NONCE": "TestNonce",
		"D_NO_RESOLVER": "TestNoResolver", "A_NO_BOUNDARY": "TestTrust", "F_CASE_AMBIGUOUS": "TestAmbiguousCase", "T_TRUNCATED": "TestTruncated",
		"T_TOO_BIG": "TestHostileSizes", "X_PANIC": "TestPanicIsQuarantine", "R_REPLAY": "review: TestReplayedSignature, TestRepeatedMessageID",
	}
	seen := map[string]bool{}
	for _, e := range examples() {
		z := defaultZone()
		maps.Copy(z, e.zone)
		n.set(z)
		v := verify(n, e.raw)
		for _, code := range slices.Concat(v.Reasons, v.Flags) {
			seen[code] = true
		}
	}
	for _, r := range sender.Reasons() {
		if !seen[r.Code] && elsewhere[r.Code] == "" {
			t.Errorf("no mail gets %s", r.Code)
		}
	}
}

// TestNoResolver: without DNS nothing can be checked, and nothing is condemned.
func TestNoResolver(t *testing.T) {
	r := request(&nameServer{}, signed(base().spoofed(), sig{}))
	r.Resolver = nil
	if v := sender.Verify(context.Background(), r); v.State() != unverified || !slices.Equal(v.Reasons, []string{"D_NO_RESOLVER"}) {
		t.Errorf("%s %v", v.State(), v.Reasons)
	}
}

func TestExamples(t *testing.T) {
	n := startDNS(t, nil)
	for _, e := range examples() {
		t.Run(strings.ReplaceAll(e.row, "/", "|"), func(t *testing.T) {
			z := defaultZone()
			for name, records := range e.zone {
				z[name] = records
			}
			n.set(z)
			v := verify(n, e.raw)
			if v.State() != e.state {
				t.Errorf("state %s, want %s", v.State(), e.state)
			}
			if e.match != "" && v.Match != e.match {
				t.Errorf("match %s, want %s", v.Match, e.match)
			}
			found := slices.Concat(v.Reasons, v.Flags)
			for _, code := range e.codes {
				if !slices.Contains(found, code) {
					t.Errorf("%s is missing", code)
				}
			}
			if (v.State() == sender.Authenticated) != (len(v.Reasons) == 0) {
				t.Errorf("state %s with reasons %v", v.State(), v.Reasons)
			}
			for _, code := range found {
				if staff, operator := sender.Describe(code); staff == "" || operator == "" {
					t.Errorf("%s has no description", code)
				}
			}
			if t.Failed() {
				t.Logf("reasons %v flags %v signatures %+v", v.Reasons, v.Flags, v.Signatures)
			}
		})
	}
}
