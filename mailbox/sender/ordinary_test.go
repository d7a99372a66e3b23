package sender_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

// ordinaryMails is how many honest mails TestOrdinaryMail judges, with seed 1.
const ordinaryMails = 2400

// TestOrdinaryMail: what nobody forged is not quarantined, whatever client wrote
// it and whoever signed it, with and without trust in our own server's results.
// The bound is none, of the mails that arrived as they were signed: a footer of a
// gateway breaks the signature, and where the domain's policy then asks to refuse
// the mail, it is set apart (sender-verification 10).
func TestOrdinaryMail(t *testing.T) {
	posts, zone := sendertest.Ordinary(1, ordinaryMails)
	for _, trust := range []sender.Trust{
		{Boundary: sendertest.Boundary},
		{Mode: sender.TrustRFC8601, AuthservIDs: []string{sendertest.Authserv}, Boundary: sendertest.Boundary},
	} {
		table := map[string]map[sender.State]int{}
		reasons := map[string]int{}
		intact, apart, broken := 0, 0, 0
		for i, p := range posts {
			v := sender.Verify(context.Background(), sender.Request{
				Raw: p.Raw, Registered: registeredOf(p), Mailboxes: []string{sendertest.Mailbox}, Now: sendertest.Clock, Trust: trust, Resolver: zone,
			})
			if table[p.Provider] == nil {
				table[p.Provider] = map[sender.State]int{}
			}
			table[p.Provider][v.State()]++
			for _, r := range v.Reasons {
				reasons[r]++
			}
			if v.From != p.From {
				t.Errorf("mail %d: From is read as %q, want %q", i, v.From, p.From)
			}
			lost := v.State() == sender.Quarantine || v.State() == sender.Automated || v.State() == sender.Deferred
			if slices.Contains(p.Traits, "a gateway appended a footer") && (!lost || slices.Contains(v.Reasons, "P_DMARC_FAIL")) {
				broken++
				if lost {
					apart++
				}
				continue
			}
			intact++
			if lost {
				t.Errorf("mail %d of %s with %s (%s, %q): %s %v\n%s", i, p.Provider, p.Client, p.Language, p.Traits, v.State(), v.Reasons, head(p.Raw))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(table)) {
			t.Log(name, fmt.Sprint(table[name]))
		}
		t.Logf("trust %q: none of %d intact mails is set apart, %d of %d that a gateway broke; %v", trust.Mode, intact, apart, broken, reasons)
		// The signers whose customers can be authenticated with the first mail
		// (sender-verification 4.6) are.
		for _, name := range []string{"gmail", "workspace", "ses", "icloud", "opendkim", "rspamd", "fastmail", "yahoo"} {
			if table[name][sender.Authenticated] == 0 {
				t.Errorf("no mail of %s was authenticated: %v", name, table[name])
			}
		}
	}
}

func registeredOf(p sendertest.Post) []string {
	if p.Registered {
		return []string{p.From}
	}
	return []string{"somebody@elsewhere.example"}
}

func head(raw []byte) string {
	h, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	return h
}
