package sender_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// TestTreeWalk follows the DNS Tree Walk of RFC 9989 4.10: which names are
// asked, whose record applies, and what it asks for.
func TestTreeWalk(t *testing.T) {
	const reject, none, silent = "v=DMARC1; p=reject", "v=DMARC1; p=none", ""
	n := startDNS(t, nil)
	for _, c := range []struct {
		name, from        string
		zone              map[string]string // by domain
		asked             string            // domains, with spaces between
		domain, effective string
	}{
		{"own record", "legit.example", map[string]string{"legit.example": reject}, "legit.example", "legit.example", "reject"},
		{"own record ends it", "sub.legit.example", map[string]string{"sub.legit.example": none, "legit.example": reject}, "sub.legit.example", "sub.legit.example", "none"},
		{"no record", "sub.legit.example", nil, "sub.legit.example legit.example example", "", silent},
		{"parent", "a.mail.legit.example", map[string]string{"legit.example": "v=DMARC1; p=none; sp=quarantine"},
			"a.mail.legit.example mail.legit.example legit.example example", "legit.example", "quarantine"},
		{"fewest labels", "a.mail.legit.example", map[string]string{"mail.legit.example": none, "legit.example": reject},
			"a.mail.legit.example mail.legit.example legit.example example", "legit.example", "reject"},
		{"psd=n ends it", "a.mail.legit.example", map[string]string{"mail.legit.example": "v=DMARC1; p=quarantine; psd=n", "legit.example": reject},
			"a.mail.legit.example mail.legit.example", "mail.legit.example", "quarantine"},
		{"psd=y without a record below", "sub.legit.example", map[string]string{"example": "v=DMARC1; p=reject; psd=y"},
			"sub.legit.example legit.example example", "example", "reject"},
		{"psd=y with a record below", "sub.legit.example", map[string]string{"legit.example": none, "example": "v=DMARC1; p=reject; psd=y"},
			"sub.legit.example legit.example example", "legit.example", "none"},
		{"a record of the suffix without psd", "sub.legit.example", map[string]string{"example": reject},
			"sub.legit.example legit.example example", "example", "reject"},
		{"eight labels", "a.b.c.d.e.f.legit.example", map[string]string{"legit.example": reject},
			"a.b.c.d.e.f.legit.example b.c.d.e.f.legit.example c.d.e.f.legit.example d.e.f.legit.example e.f.legit.example f.legit.example legit.example example",
			"legit.example", "reject"},
		{"twelve labels", "1.2.3.4.5.a.b.c.d.e.legit.example", map[string]string{"legit.example": reject, "5.a.b.c.d.e.legit.example": none},
			"1.2.3.4.5.a.b.c.d.e.legit.example a.b.c.d.e.legit.example b.c.d.e.legit.example c.d.e.legit.example d.e.legit.example e.legit.example legit.example example",
			"legit.example", "reject"},
		{"np for a name that does not exist", "none.legit.example", map[string]string{"legit.example": "v=DMARC1; p=none; sp=none; np=reject"},
			"none.legit.example legit.example example", "legit.example", "reject"},
		{"np not for one that does", "sub.legit.example", map[string]string{"legit.example": "v=DMARC1; p=reject; sp=none; np=reject", "exists:sub.legit.example": "v=spf1"},
			"sub.legit.example legit.example example", "legit.example", "none"},
	} {
		z := zone{}
		for domain, record := range c.zone {
			if name, other := strings.CutPrefix(domain, "exists:"); other {
				z[name] = []string{record}
				continue
			}
			z["_dmarc."+domain] = []string{record}
		}
		n.set(z)
		v := verify(n, base().with("From: admin@"+c.from).results("").raw())
		var asked []string
		for _, q := range n.questions() {
			if domain, ok := strings.CutPrefix(q, "_dmarc."); ok {
				asked = append(asked, domain)
			}
		}
		if strings.Join(asked, " ") != c.asked {
			t.Errorf("%s: asked %q, want %q", c.name, strings.Join(asked, " "), c.asked)
		}
		if v.DMARC.Domain != c.domain || v.DMARC.Effective != c.effective {
			t.Errorf("%s: %+v, want %s of %s", c.name, v.DMARC, c.effective, c.domain)
		}
	}
}

// TestDMARCRecord reads records as their owners write them.
func TestDMARCRecord(t *testing.T) {
	for record, want := range map[string]string{
		"v=DMARC1; p=reject":     "reject",
		"v=DMARC1;p=reject":      "reject",
		"v = DMARC1 ; P=Reject;": "reject",
		"v=DMARC1; p=reject; sp=none; np=none; adkim=s; pct=1": "reject",
		"v=DMARC1; p=reject; rua=mailto:a@b.example; fo":       "reject", // not a tag
		"v=DMARC1; p=reject;; x=\u00e9":                        "reject",
		"v=DMARC1; p=reject; t=y":                              "quarantine",
		"v=DMARC1; p=quarantine; t=y":                          "none",
		"v=DMARC1; p=quarantine; t=n":                          "quarantine",
		"v=DMARC1; p=monitor; rua=mailto:a@b.example":          "none",
		"v=DMARC1; p=reject; sp=x; rua=mailto:a@b.example":     "none",
		"v=DMARC1; rua=mailto:a@b.example":                     "none",
		"v=DMARC1; p=monitor":                                  "",
		"v=DMARC1; p=reject; sp=x":                             "",
		"v=DMARC1":                                             "",
		"v=DMARC1; p=reject; p=none":                           "no record", // RFC 6376 3.2
		"v=DMARC2; p=reject":                                   "no record",
		"v=dmarc1; p=reject":                                   "no record",
		"p=reject; v=DMARC1":                                   "no record",
		"v=spf1 -all":                                          "no record",
		"":                                                     "no record",
		"v=DMARC1; p=reject; n=" + strings.Repeat("x", 9000):   "no record",
	} {
		got, ok := sender.ParseDMARC(record)
		if !ok {
			got = "no record"
		}
		if got != want {
			t.Errorf("%.60q: %q, want %q", record, got, want)
		}
	}
}

// TestSPFAlignment: an aligned envelope spares a mail the policy, by the rules of
// the domain's own record.
func TestSPFAlignment(t *testing.T) {
	n := startDNS(t, nil)
	for _, c := range []struct {
		envelope, record string
		more             zone
		want             sender.State
	}{
		{"legit.example", "v=DMARC1; p=reject; aspf=s", nil, unverified},
		{"bounce.legit.example", "v=DMARC1; p=reject", nil, unverified},
		{"bounce.legit.example", "v=DMARC1; p=reject; aspf=s", nil, quarantine},
		{"bounce.legit.example", "v=DMARC1; p=reject", zone{"_dmarc.bounce.legit.example": {"v=DMARC1; p=none; psd=n"}}, quarantine},
		{"bounce.legit.example", "v=DMARC1; p=reject", zone{"_dmarc.bounce.legit.example": {"SERVFAIL"}}, quarantine},
		{"notlegit.example", "v=DMARC1; p=reject", nil, quarantine},
		{"legit.com", "v=DMARC1; p=reject", nil, quarantine},
		{"attack.example", "v=DMARC1; p=reject; psd=y", zone{"_dmarc.example": {"v=DMARC1; p=none"}}, unverified}, // both belong to "example", as DNS has it
	} {
		z := zone{"_dmarc.legit.example": {c.record}}
		for name, records := range c.more {
			z[name] = records
		}
		n.set(z)
		v := verify(n, base().results(myID+"spf=pass smtp.mailfrom=x@"+c.envelope).raw())
		if v.State() != c.want {
			t.Errorf("envelope %s under %q: %s %v, want %s", c.envelope, c.record, v.State(), v.Reasons, c.want)
		}
	}
}

// TestPolicyWithoutAnswer: DNS that does not answer defers a mail only where the
// policy could decide.
func TestPolicyWithoutAnswer(t *testing.T) {
	n := startDNS(t, zone{"sel._domainkey.legit.example": {rsaRecord(keys.rsa2048, "")}, "_dmarc.legit.example": {"SERVFAIL"}})
	for _, c := range []struct {
		name string
		raw  string
		last bool
		want sender.State
		code string
	}{
		{"unsigned", base().spoofed().raw(), false, sender.Deferred, "P_TEMPERROR"},
		{"unsigned, last try", base().spoofed().raw(), true, unverified, "P_UNANSWERED"},
		{"spared by SPF", base().raw(), false, unverified, "S_SPF_ONLY"},
		{"signed", signed(base(), sig{}), false, authenticated, ""},
		{"automatic", base().with("Auto-Submitted: auto-replied").spoofed().raw(), false, automated, "M_AUTO_SUBMITTED"},
	} {
		r := request(n, c.raw)
		r.LastTry = c.last
		v := sender.Verify(context.Background(), r)
		if v.State() != c.want || c.code != "" && !slices.Contains(v.Reasons, c.code) {
			t.Errorf("%s: %s %v, want %s %s", c.name, v.State(), v.Reasons, c.want, c.code)
		}
	}
	v := verify(n, base().spoofed().raw())
	if !v.DMARC.QueriedAt.IsZero() {
		t.Errorf("a policy without an answer: %+v", v.DMARC)
	}
	n.set(defaultZone())
	if v := verify(n, base().spoofed().raw()); v.DMARC.Record != "v=DMARC1; p=reject" || time.Since(v.DMARC.QueriedAt) > time.Minute {
		t.Errorf("evidence %+v", v.DMARC)
	}
}
