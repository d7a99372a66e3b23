package sender_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// shown writes results in one line.
func shown(results []sender.AuthResult) string {
	var all []string
	for _, r := range results {
		s := r.Method + "=" + r.Result
		for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
			s += fmt.Sprintf(" %s=%s", name, r.Properties[name])
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

const refused = "refused"

// TestAuthRes holds the strict parser of sender-verification 5.7 to fields that
// other parsers read as something else.
func TestAuthRes(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		// What servers write.
		{"mx; spf=pass smtp.mailfrom=a@b.example", "spf=pass smtp.mailfrom=a@b.example"},
		{"mx 1; spf=pass", "spf=pass"},
		{"mx (our border) 1 (one); spf=pass", "spf=pass"},
		{`"mx"; spf=pass`, "spf=pass"},
		{"mx;\r\n\tdkim=pass header.d=b.example;\r\n\tspf=pass", "dkim=pass header.d=b.example; spf=pass"},
		{"mx; none", ""},
		{"mx; none (nothing was checked)", ""},
		{"mx; DKIM=PASS Header.D=b.example", "dkim=pass header.d=b.example"},
		{"mx; dkim/1=pass", "dkim=pass"},
		{"mx; dkim / 1 = pass header.d = b.example", "dkim=pass header.d=b.example"},
		{"mx; dmarc=pass(p=reject) header.from=b.example", "dmarc=pass header.from=b.example"},
		{"mx; dmarc=pass (p=reject (sp=none)) header.from=b.example", "dmarc=pass header.from=b.example"},
		{`mx; dkim=fail reason="body hash; did not (verify)" header.d=b.example`, "dkim=fail header.d=b.example reason=body hash; did not (verify)"},
		{`mx; dkim=pass header.i=@b.example header.s=s1 header.b="aB/c+d=="`, "dkim=pass header.b=aB/c+d== header.i=@b.example header.s=s1"},
		{"mx; dkim=pass header.b=aB/c+d", "dkim=pass header.b=aB/c+d"},
		{`mx; spf=pass smtp.mailfrom="bounce+a=b.example@c.example"`, "spf=pass smtp.mailfrom=bounce+a=b.example@c.example"},
		{"mx; spf=pass smtp.mailfrom=bounce+a=b.example@c.example", "spf=pass smtp.mailfrom=bounce+a=b.example@c.example"},
		{"mx; iprev=pass smtp.remote-ip=2001:db8::1 (host.example)", "iprev=pass smtp.remote-ip=2001:db8::1"},
		{"mx; dkim=pass header.d=b.example x-bits=2048; arc=none", "dkim=pass header.d=b.example x-bits=2048; arc=none"},
		{"mx; dmarc=pass policy.published-domain-policy=none header.from=b.example", "dmarc=pass header.from=b.example policy.published-domain-policy=none"},
		{"mx; x-new=maybe", "x-new=maybe"},
		// Comments and quoted strings are no structure.
		{"mx; spf=pass (attack; dmarc=pass header.from=legit.example ) smtp.mailfrom=x@a.example", "spf=pass smtp.mailfrom=x@a.example"},
		{`mx; spf=pass (\); dmarc=pass) smtp.mailfrom=x@a.example`, "spf=pass smtp.mailfrom=x@a.example"},
		{`mx; dkim=fail reason="x; dmarc=pass header.from=legit.example"`, "dkim=fail reason=x; dmarc=pass header.from=legit.example"},
		{`mx; dkim=fail reason="\"; dmarc=pass"`, `dkim=fail reason="; dmarc=pass`},
		{"mx (a; dmarc=pass) ; spf=none", "spf=none"},
		// What is not well formed is refused whole.
		{"", refused},
		{"mx", refused},
		{"mx;", refused},
		{"mx; spf=pass;", refused},
		{"mx; ; spf=pass", refused},
		{"mx spf=pass", refused},
		{"; spf=pass", refused},
		{"mx 2; spf=pass", refused},
		{"mx 1.0; spf=pass", refused},
		{"mx; spf/2=pass", refused},
		{"mx; spf/=pass", refused},
		{"mx; none; dmarc=pass header.from=legit.example", refused},
		{"mx; spf=pass; none", refused},
		{"mx; none dmarc=pass", refused},
		{"mx; spf=pass (unclosed; dmarc=pass", refused},
		{`mx; spf=pass (unclosed \)`, refused},
		{`mx (\`, refused},
		{`mx; dkim=fail reason="unclosed`, refused},
		{`mx; dkim=fail reason="unclosed\`, refused},
		{`"mx`, refused},
		{"mx; spf=", refused},
		{"mx; =pass", refused},
		{"mx; spf", refused},
		{"mx; spf=pass smtp.mailfrom", refused},
		{"mx; spf=pass smtp.mailfrom=", refused},
		{"mx; spf=pass smtp.mailfrom=;", refused},
		{"mx; spf=pass dmarc=pass header.from=legit.example", refused}, // a semicolon is missing
		{"mx; spf=pass action=none", refused},
		{"mx; spf=pass .mailfrom=a", refused},
		{"mx; spf=pass smtp.=a", refused},
		{"mx; dkim=pass header.d=a.example header.d=legit.example", refused},
		{"mx; dkim=pass header.d=a.example HEADER.D=legit.example", refused},
		{"mx; dkim=pass reason=a reason=b", refused},
		// Glued to a value (A4, A5).
		{"mx; dkim=pass header.d=legit.example(.attack.example", refused},
		{"mx; dkim=pass header.d=legit.example(.attack.example)", refused},
		{"mx; dkim=pass header.d=(x)legit.example", refused},
		{"mx; dkim=pass header.d=legit.example'a.attack.example", refused},
		{`mx; dkim=pass header.d=legit.example"a.attack.example"`, refused},
		{`mx; dkim=pass header.d="legit.example".attack.example`, refused},
		{`mx; spf=pass smtp.mailfrom="x@legit.example"@attack.example`, refused},
		{`mx; spf=pass smtp.mailfrom="x y"@legit.example`, refused},
		{"mx; spf=pass smtp.mailfrom=a@b@legit.example", refused},
		{"mx; spf=pass smtp.mailfrom=<a@legit.example>", refused},
		{"mx; spf=pass smtp.mailfrom=a, dmarc=pass", refused},
		{"mx; spf=pass[1] smtp.mailfrom=a", refused},
		// Beyond ASCII, and too long.
		{"mx\x00; spf=pass", refused},
		{"mx; spf=pass smtp.mailfrom=a@l\u0435git.example", refused},
		{"mx; spf=pass\rdmarc=pass", refused},
		{"mx; spf=pass\ndmarc=pass", refused},
		{"=?utf-8?q?mx=3B_dmarc=3Dpass?=", refused},
		{"mx; spf=pass (" + strings.Repeat("x", 9000) + ")", refused},
	} {
		got := refused
		if results, ok := sender.ParseAuthRes(c.field, false); ok {
			got = shown(results)
		}
		if got != c.want {
			t.Errorf("%.80q is %q, want %q", c.field, got, c.want)
		}
	}
}

// TestAuthResOfExchange reads the form without an authserv-id.
func TestAuthResOfExchange(t *testing.T) {
	for field, want := range map[string]string{
		"spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=b.example; dkim=pass (signature was verified) header.d=b.example;" +
			"dmarc=pass action=none header.from=b.example;compauth=pass reason=100": "spf=pass smtp.mailfrom=b.example; dkim=pass header.d=b.example; " +
			"dmarc=pass action=none header.from=b.example; compauth=pass reason=100",
		"dkim=none (message not signed) header.d=none": "dkim=none header.d=none",
		"mx.example; spf=pass":                         refused,
		"=?utf-8?B?c3BmPXBhc3M=?=":                     refused,
		"dkim=pass header.d=a.example header.d=b":      refused,
	} {
		got := refused
		if results, ok := sender.ParseAuthRes(field, true); ok {
			got = shown(results)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", field, got, want)
		}
	}
}
