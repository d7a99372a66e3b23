package review_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

var referencePattern = regexp.MustCompile(`\[([0-9A-Z]{4}-){3}[0-9A-Z]{4}\]`)

// Sender-verification 4, 2f: a mail of a signer that signs no To is tied to us by
// the secret reference that our letter to the registered address carried, for as
// long as its case lives; nothing else of it comes easier, and it approves nothing.
func TestReference(t *testing.T) {
	zone, sign := signerOf(t, "From", "Date", "Subject", "Message-ID", "Content-Type", "MIME-Version")
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		h.deliver(sign(request("anna@acme.example", "2FA reset", forUser("jane"))))
		v := h.onlyCase()
		if v.Mails[0].Verdict != "partial" {
			t.Fatalf("the first mail is %s: %+v", v.Mails[0].Verdict, v.Mails[0].Reasons)
		}
		var subject string
		for _, l := range h.post() {
			if referencePattern.MatchString(l.subject) {
				if l.to != "anna@acme.example" || subject != "" {
					t.Errorf("a second reference to %s", l.to)
				}
				subject = l.subject
			}
		}
		secret := strings.Trim(referencePattern.FindString(subject), "[]")
		if len(secret) != 19 || strings.Contains(secret, v.Number[4:]) {
			t.Fatalf("no reference in %q", subject)
		}
		if n := h.count(`SELECT count(*) FROM letter WHERE instr(subject, $1) > 0`, secret); n != 0 {
			t.Error("the reference is kept in the clear")
		}
		other := strings.Replace(subject, secret, "0000-1111-2222-3333", 1)
		last := func() (verdict string, bound bool) {
			h.t.Helper()
			err := h.sql().QueryRow(`SELECT verdict, instr(evidence, '"B_NONCE"') > 0 FROM assessment ORDER BY inbound_id DESC LIMIT 1`).Scan(&verdict, &bound)
			if err != nil {
				t.Fatal(err)
			}
			return verdict, bound
		}
		for _, c := range []struct{ subject, want string }{
			{"Re: " + subject, "authenticated"},
			{"AW: " + strings.ToUpper(subject), "authenticated"},
			{"Re: " + other, "partial"},
			{"Re: " + strings.Replace(subject, secret, secret+"0", 1), "partial"},
			{"Re: (" + v.Number + ")", "partial"},
		} {
			time.Sleep(time.Minute)
			h.deliver(sign(request("anna@acme.example", c.subject, "Yes, please go on.")))
			if got, bound := last(); got != c.want || bound != (c.want == "authenticated") {
				t.Errorf("a mail with %q is %s (bound %t), want %s", c.subject, got, bound, c.want)
			}
		}
		if v := h.view(v.Number); len(v.Approvals) != 0 || v.State != review.StateOpen {
			t.Errorf("a mail approved something: %+v", v)
		}
		time.Sleep(15 * day) // the case is over
		h.deliver(sign(request("anna@acme.example", "Re: "+subject, forUser("jane"))))
		if n := h.count(`SELECT count(*) FROM assessment WHERE verdict = 'authenticated'`); n != 2 {
			t.Errorf("%d mails are authenticated, want 2: a reference outlives its case", n)
		}
	})
}
