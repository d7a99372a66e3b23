package review_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

var testRules = []review.EvidenceRule{
	{Name: "callback", Title: "Called back the number on file", How: review.Callback, At: []review.RiskLevel{review.Low, review.Medium, review.High}},
	{Name: "domain", Title: "A record on a domain of the account", How: review.DNSRecord},
	{Name: "colleague", Title: "A second admin vouches", How: review.SecondAdmin},
}

func withRules(c *review.Config) { c.Policy.Evidence = testRules }

func (h *house) found(s review.Session, number, name, result string) error {
	v := h.view(number)
	return h.desk.RecordEvidence(h.t.Context(), s, review.Finding{Number: number, Version: v.Version, Name: name, Result: result, Words: "called +49 30 1"})
}

// A mandatory row blocks the vote until it is answered, and a vote over an older
// state of the evidence is refused.
func TestMandatoryEvidence(t *testing.T) {
	inHouse(t, withRules, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		_, err := h.approve(h.rita, h.view(v.Number))
		wantKind(t, "a vote before the row is answered", err, review.Conflict)
		before := h.view(v.Number)
		wantKind(t, "a viewer", h.found(h.reviewer("vera@host.example", "Vera", review.Viewer), v.Number, "callback", "pass"), review.Denied)
		wantKind(t, "no such row", h.found(h.sam, v.Number, "other", "pass"), review.NotFound)
		wantKind(t, "no such result", h.found(h.sam, v.Number, "callback", "maybe"), review.Invalid)
		wantKind(t, "a record by hand", h.found(h.sam, v.Number, "domain", "pass"), review.Denied)
		wantKind(t, "a second admin by hand", h.found(h.sam, v.Number, "colleague", "pass"), review.Denied)
		if err := h.found(h.sam, v.Number, "callback", "unknown"); err != nil {
			t.Fatal(err)
		}
		_, err = h.approve(h.rita, h.view(v.Number))
		wantKind(t, "a vote while nobody answered the phone", err, review.Conflict)
		if err := h.found(h.sam, v.Number, "callback", "pass"); err != nil {
			t.Fatal(err)
		}
		_, err = h.approve(h.rita, before)
		wantKind(t, "a vote over an older state", err, review.Stale)
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Errorf("not cleared: %+v", h.view(v.Number).Requirements)
		}
		if n := h.count(`SELECT evidence_required FROM reset`); n != 1 {
			t.Errorf("the reset asked for %d rows", n)
		}
		h.sound()
	})
}

// Evidence that fails holds the case, and the next round begins with nothing.
func TestFailedEvidenceHolds(t *testing.T) {
	inHouse(t, withRules, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		if err := h.found(h.sam, v.Number, "callback", "pass"); err != nil {
			t.Fatal(err)
		}
		h.vote(h.rita, v.Number)
		if err := h.found(h.sam, v.Number, "callback", "fail"); err != nil {
			t.Fatal(err)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if v = h.view(v.Number); v.State != review.StateHeld || v.HeldBy != "evidence" {
			t.Fatalf("%s by %q", v.State, v.HeldBy)
		}
		if err := h.desk.ResumeCase(t.Context(), h.rita, decision(v, "", "it was the wrong number")); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v = h.view(v.Number); v.State != review.StateOpen || v.Approvals[0].Counts {
			t.Errorf("%s, votes %+v", v.State, v.Approvals)
		}
		for _, r := range v.Requirements {
			if (r.Name == "evidence" || r.Name == "confirmed" || r.Name == "approvals") && r.State != review.Unmet {
				t.Errorf("%s is %s in the new round", r.Name, r.State)
			}
		}
	})
}

// zone answers from a map of TXT records.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if texts, ok := z[strings.TrimSuffix(name, ".")]; ok {
		return texts, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

const domainsFile = `account_id,account_name,locale,user_id,login,email,role,api_only,notify,full_name,domains
A-1001,ACME GmbH,de,U-1,anna,anna@acme.example,admin,0,it@acme.example;boss@acme.example,Anna Admin,acme.example; shop.example
A-1001,ACME GmbH,de,U-2,jane,jane@acme.example,user,0,,Jane Doe,
A-2002,Beta BV,nl,U-3,piet,piet@beta.example,admin,0,,Piet Beheer,
A-2002,Beta BV,nl,U-4,sanne,sanne@beta.example,user,0,,Sanne de Wit,
A-3003,Gamma Ltd,en,U-5,info,owner@gamma.example,admin,0,,Olive Owner,
A-3004,Gamma Two Ltd,en,U-6,olive,owner@gamma.example,admin,0,,Olive Owner,
`

// The desk looks for the record itself, and a record of another case proves nothing.
func TestDNSProof(t *testing.T) {
	z := zone{}
	inHouse(t, func(c *review.Config) { withRules(c); c.Resolver = z }, func(t *testing.T, h *house) {
		h.importFile(domainsFile)
		time.Sleep(time.Minute)
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		v = h.view(v.Number)
		if len(v.DNS) != 2 || v.DNS[1].Name != "_resetdesk.shop.example" || !strings.HasPrefix(v.DNS[1].Value, "resetdesk=") || v.DNS[0].Value == v.DNS[1].Value {
			t.Fatalf("tasks %+v", v.DNS)
		}
		if v.Risk.Level == review.Low || !strings.Contains(strings.Join(v.Risk.Reasons, " "), "lives on acme.example") {
			t.Errorf("a circular proof is no risk: %+v", v.Risk)
		}
		check := func() (bool, error) {
			v := h.view(v.Number)
			return h.desk.CheckDNS(t.Context(), h.sam, review.Finding{Number: v.Number, Version: v.Version, Name: "domain"})
		}
		z["_resetdesk.acme.example"] = []string{"resetdesk=other", v.DNS[1].Value} // of the other domain
		if found, err := check(); found || err != nil {
			t.Fatalf("found %t, %v", found, err)
		}
		z["_resetdesk.shop.example"] = []string{"v=spf1 -all", v.DNS[1].Value}
		if found, err := check(); !found || err != nil {
			t.Fatalf("found %t, %v", found, err)
		}
		if n := h.count(`SELECT count(*) FROM evidence WHERE name = 'domain' AND (result = 'unknown' AND words LIKE '%acme.example has 2 texts%' OR result = 'pass' AND words LIKE '%shop.example%')`); n != 2 {
			t.Errorf("%d rows say what was seen", n)
		}
		h.importFile(strings.Replace(domainsFile, "acme.example; shop.example", "late.example", 1))
		if v = h.view(v.Number); len(v.DNS) != 0 {
			t.Errorf("a domain that came after the request: %+v", v.DNS)
		}
		_, err := check()
		wantKind(t, "no domain", err, review.Conflict)
		h.importFile(accountsFile) // without the column nothing is known of domains
		if n := h.count(`SELECT count(*) FROM account_domain WHERE until IS NULL`); n != 1 {
			t.Errorf("%d domains after a file without the column", n)
		}
	})
}

const twoAdmins = `account_id,account_name,locale,user_id,login,email,role,api_only
A-1001,ACME GmbH,en,U-1,anna,anna@acme.example,admin,0
A-1001,ACME GmbH,en,U-7,bert,bert@acme.example,admin,0
A-1001,ACME GmbH,en,U-2,jane,jane@acme.example,user,0
A-2002,Beta BV,nl,U-3,piet,piet@beta.example,admin,0
A-2002,Beta BV,nl,U-4,sanne,sanne@beta.example,user,0
A-3003,Gamma Ltd,en,U-5,info,owner@gamma.example,admin,0
A-3004,Gamma Two Ltd,en,U-6,olive,owner@gamma.example,admin,0
`

// A second admin vouches through his own link. His word is a row of evidence, and
// never the confirmation as well.
func TestSecondAdminVouches(t *testing.T) {
	rules := func(c *review.Config) {
		withRules(c)
		c.Policy.Evidence = append([]review.EvidenceRule{}, c.Policy.Evidence[2])
		c.Policy.Evidence[0].At = []review.RiskLevel{review.Low, review.Medium, review.High}
	}
	for _, yes := range []bool{true, false} {
		inHouse(t, rules, func(t *testing.T, h *house) {
			ctx := t.Context()
			h.importFile(twoAdmins)
			time.Sleep(time.Minute)
			v, letters := h.ask("anna@acme.example", forUser("jane"))
			v = h.view(v.Number)
			if len(v.Vouchers) != 1 || v.Vouchers[0].Name != "b•••@acme.example" {
				t.Fatalf("vouchers %+v", v.Vouchers)
			}
			in := decision(v, "", "")
			wantKind(t, "nobody chosen", h.desk.AskToVouch(ctx, h.sam, "colleague", in), review.Invalid)
			in.Other = v.Vouchers[0].ID
			wantKind(t, "no such row", h.desk.AskToVouch(ctx, h.sam, "other", in), review.NotFound)
			if err := h.desk.AskToVouch(ctx, h.sam, "colleague", in); err != nil {
				t.Fatal(err)
			}
			vouch := token(t, h.post(), "bert@acme.example", "do you know of it")
			if o, err := h.desk.Owner(ctx, vouch); err != nil || o.Purpose != "vouch" || !o.CanAnswer {
				t.Fatalf("%+v, %v", o, err)
			}
			confirm := confirmToken(t, letters, "anna@acme.example")
			h.answer(vouch, review.Reply{Yes: yes})
			h.answer(vouch, review.Reply{Yes: yes})
			if o, err := h.desk.Owner(ctx, vouch); err != nil || o.Answered != map[bool]string{true: "yes", false: "no"}[yes] {
				t.Fatalf("%+v, %v", o, err)
			}
			if n := h.count(`SELECT count(*) FROM evidence WHERE link IS NOT NULL`); n != 1 {
				t.Errorf("%d rows", n)
			}
			if !yes {
				if v = h.view(v.Number); v.State != review.StateHeld || v.HeldBy != "evidence" {
					t.Errorf("%s by %q", v.State, v.HeldBy)
				}
				return
			}
			h.answer(confirm, review.Reply{Yes: true})
			if out := h.vote(h.rita, v.Number); !out.Cleared {
				t.Errorf("not cleared: %+v", h.view(v.Number).Requirements)
			}
			h.sound()
		})
	}
}

// Who vouched does not confirm, and who confirmed does not vouch.
func TestVouchingIsNotConfirming(t *testing.T) {
	for _, vouchFirst := range []bool{true, false} {
		inHouse(t, withRules, func(t *testing.T, h *house) {
			ctx := t.Context()
			h.importFile(twoAdmins)
			time.Sleep(time.Minute)
			v, _ := h.ask("anna@acme.example", forUser("jane"))
			h.deliver(request("bert@acme.example", "2FA reset", forUser("jane")))
			confirm := confirmToken(t, h.post(), "bert@acme.example")
			v = h.view(v.Number)
			in := decision(v, "", "")
			in.Other = v.Vouchers[0].ID
			if err := h.desk.AskToVouch(ctx, h.sam, "colleague", in); err != nil {
				t.Fatal(err)
			}
			first, second := confirm, token(t, h.post(), "bert@acme.example", "do you know of it")
			if vouchFirst {
				first, second = second, first
			}
			h.answer(first, review.Reply{Yes: true})
			wantKind(t, "one person twice", h.desk.Answer(ctx, second, review.Reply{Yes: true}), review.Conflict)
			h.answer(second, review.Reply{})
			if v = h.view(v.Number); v.State != review.StateHeld {
				t.Errorf("%s after a no", v.State)
			}
		})
	}
}
