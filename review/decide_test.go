package review_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// ballot is a vote as the page would send it, but for the code.
func ballot(v review.CaseView) review.Approval {
	return review.Approval{Number: v.Number, Version: v.Version, EvidenceHash: v.EvidenceHash, Account: v.AccountID, Reason: "called the number on file"}
}

// wantKind checks that err is one for people, of one of the kinds.
func wantKind(t *testing.T, what string, err error, want ...review.Kind) {
	t.Helper()
	if err == nil || !slices.Contains(want, review.KindOf(err)) {
		t.Errorf("%s: %v (%q), want %q", what, err, review.KindOf(err), want)
	}
}

// Promise 4: what a vote must be. A form that is wrong does not use the code up.
func TestApproveRefuses(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		code := h.fresh(h.sam.Reviewer.Holder)
		for what, c := range map[string]struct {
			change func(*review.Approval)
			kind   review.Kind
		}{
			"an older version":     {func(a *review.Approval) { a.Version-- }, review.Stale},
			"a later version":      {func(a *review.Approval) { a.Version++ }, review.Stale},
			"other evidence":       {func(a *review.Approval) { a.EvidenceHash = strings.Repeat("0", 64) }, review.Stale},
			"no evidence":          {func(a *review.Approval) { a.EvidenceHash = "" }, review.Stale},
			"another account":      {func(a *review.Approval) { a.Account = "A-1002" }, review.Invalid},
			"no account":           {func(a *review.Approval) { a.Account = "" }, review.Invalid},
			"account in lowercase": {func(a *review.Approval) { a.Account = "a-1001" }, review.Invalid},
			"no reason":            {func(a *review.Approval) { a.Reason = " \t" }, review.Invalid},
			"an unknown case":      {func(a *review.Approval) { a.Number = "RST-000000" }, review.NotFound},
		} {
			in := ballot(v)
			in.Code = code
			c.change(&in)
			_, err := h.desk.Approve(ctx, h.sam, in)
			wantKind(t, what, err, c.kind)
		}
		if n := h.count(`SELECT failures FROM holder WHERE id = $1`, h.sam.Reviewer.Holder); n != 0 {
			t.Errorf("wrong forms cost %d tries", n)
		}
		in := ballot(v)
		for _, wrong := range []string{"", "12345", code + "7", "000000", h.codeAt(h.rita.Reviewer.Holder, time.Now())} {
			in.Code = wrong
			_, err := h.desk.Approve(ctx, h.sam, in)
			wantKind(t, "code "+wrong, err, review.Invalid)
		}
		in.Code = code
		if _, err := h.desk.Approve(ctx, h.sam, in); err != nil {
			t.Fatal(err)
		}
		if n := h.count(`SELECT count(*) FROM approval WHERE decided_at - step_up_at BETWEEN 0 AND 300000000`); n != 1 {
			t.Errorf("%d votes, want 1 with a fresh step-up", n)
		}
	})
}

// One code is one act, and wrong ones lock.
func TestApproveCodes(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-3", "")
		h.enroll("U-4", "")
		v, _ := h.ask("piet@beta.example", forUser("piet"))
		w, _ := h.ask("piet@beta.example", forUser("sanne"))
		in, code := ballot(v), h.fresh(h.sam.Reviewer.Holder)
		in.Code = code
		if _, err := h.desk.Approve(ctx, h.sam, in); err != nil {
			t.Fatal(err)
		}
		in = ballot(w)
		in.Code = code
		_, err := h.desk.Approve(ctx, h.sam, in)
		wantKind(t, "the same code for another case", err, review.TooMany)
		if !strings.Contains(err.Error(), "just used") {
			t.Errorf("it says %q", err)
		}
		for range 6 {
			in.Code = "000000"
			_, err = h.desk.Approve(ctx, h.sam, in)
		}
		wantKind(t, "after six wrong codes", err, review.TooMany)
		in.Code = h.codeAt(h.sam.Reviewer.Holder, time.Now().Add(30*time.Second))
		_, err = h.desk.Approve(ctx, h.sam, in)
		wantKind(t, "the right code while locked", err, review.TooMany)
		if n := h.count(`SELECT count(*) FROM approval`); n != 1 {
			t.Errorf("%d votes", n)
		}
	})
}

// Promise 4: distinct persons, entitled, and none of them the user.
func TestWhoMayDecide(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-4", "")
		v, _ := h.ask("piet@beta.example", forUser("sanne"))
		h.vote(h.rita, v.Number)
		_, err := h.approve(h.rita, h.view(v.Number))
		wantKind(t, "a second vote of one reviewer", err, review.Conflict)
		_, err = h.approve(h.reviewer("sanne@beta.example", "Sanne", review.Lead), h.view(v.Number))
		wantKind(t, "the user herself", err, review.Denied)

		for _, role := range []review.Role{review.Viewer, review.Auditor} {
			s := h.reviewer(string(role)+"@host.example", string(role), role)
			in, d := ballot(v), decision(h.view(v.Number), "other", "note")
			in.Code = h.fresh(s.Reviewer.Holder)
			_, approve := h.desk.Approve(ctx, s, in)
			_, open := h.desk.OpenParked(ctx, s, 1)
			for what, err := range map[string]error{"approve": approve, "reject": h.desk.Reject(ctx, s, d), "hold": h.desk.Hold(ctx, s, d),
				"resume": h.desk.ResumeCase(ctx, s, d), "ask": h.desk.Ask(ctx, s, d), "open": open, "pass": h.desk.ReissuePass(ctx, s, in),
				"resolve": h.desk.Resolve(ctx, s, review.Resolution{Number: v.Number, UserID: "U-3"}), "unfreeze": h.desk.Unfreeze(ctx, s, in),
				"close": h.desk.CloseCase(ctx, s, review.Decision{Number: v.Number, Class: "not_a_request"})} {
				wantKind(t, string(role)+" "+what, err, review.Denied)
			}
		}

		// A session that ended, or of somebody disabled meanwhile, votes no more.
		in := ballot(h.view(v.Number))
		if err := h.desk.SignOut(ctx, h.sam); err != nil {
			t.Fatal(err)
		}
		in.Code = h.fresh(h.sam.Reviewer.Holder)
		if _, err := h.desk.Approve(ctx, h.sam, in); err == nil {
			t.Error("a vote after signing out")
		}
		ina := h.reviewer("ina@host.example", "Ina", review.Decider)
		if _, err := h.sql().Exec(`UPDATE reviewer SET disabled_at = 1 WHERE id = $1`, ina.Reviewer.ID); err != nil {
			t.Fatal(err)
		}
		in.Code = h.fresh(ina.Reviewer.Holder)
		if _, err := h.desk.Approve(ctx, ina, in); err == nil {
			t.Error("a vote of a disabled reviewer")
		}
		if n := h.count(`SELECT count(*) FROM approval`); n != 1 {
			t.Errorf("%d votes", n)
		}
	})
}

// A case that cannot lead to a reset takes no votes.
func TestApproveImpossible(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("owner@gamma.example", "I lost my phone. Please reset the two-factor authentication.")
		_, err := h.approve(h.rita, v)
		wantKind(t, "nobody is named", err, review.Conflict)
		v, _ = h.ask("piet@beta.example", forUser("sanne"))
		_, err = h.approve(h.rita, v)
		wantKind(t, "no second factor", err, review.Conflict)
		if !strings.Contains(err.Error(), "nothing to reset") {
			t.Errorf("it says %q", err)
		}
		v, _ = h.ask("anna@acme.example", forUser("jane"))
		h.importFile(strings.ReplaceAll(accountsFile, "anna@acme.example", "anna@other.example"))
		_, err = h.approve(h.rita, h.view(v.Number))
		wantKind(t, "the address is not registered any more", err, review.Conflict)
	})
}

// Design 4: high risk needs two persons; the last vote clears.
func TestTwoApprovals(t *testing.T) {
	inHouse(t, func(c *review.Config) {
		p := instant(review.Balanced)
		p.High.Approvals = 2
		c.Policy = p
	}, func(t *testing.T, h *house) {
		h.deliver(request("anna@acrne.example", "2FA reset", forUser("jane"))) // an imitation: high risk
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if out := h.vote(h.rita, v.Number); out.Cleared {
			t.Fatal("one vote cleared")
		}
		h.reopen()
		h.work()
		if v := h.view(v.Number); v.State != review.StateOpen || v.ApprovalsNeeded != 2 || len(v.Approvals) != 1 {
			t.Fatalf("%s with %d of %d votes", v.State, len(v.Approvals), v.ApprovalsNeeded)
		}
		if out := h.vote(h.sam, v.Number); !out.Cleared {
			t.Error("two votes did not clear")
		}
	})
}

// Promise 4 and design 4: the waiting period begins when the notices are out, not
// when they are written, and not a moment early does the clock clear.
func TestWaitingPeriod(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy = review.Balanced }, func(t *testing.T, h *house) {
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		v := h.onlyCase()
		time.Sleep(5 * time.Hour) // the mail server is away
		h.work()
		if v := h.view(v.Number); !v.WaitUntil.IsZero() {
			t.Fatalf("it waits until %s before a notice is out", v.WaitUntil)
		}
		letters := h.post()
		out := time.Now()
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if h.vote(h.rita, v.Number).Cleared {
			t.Fatal("cleared without waiting")
		}
		if v := h.view(v.Number); v.Risk.Level != review.Medium || !v.WaitUntil.Equal(out.Add(12*time.Hour)) {
			t.Fatalf("%s risk, until %s, want %s", v.Risk.Level, v.WaitUntil, out.Add(12*time.Hour))
		}
		time.Sleep(time.Until(out.Add(12*time.Hour - time.Second)))
		h.work()
		if v := h.view(v.Number); v.State != review.StateOpen {
			t.Fatalf("%s a second early", v.State)
		}
		time.Sleep(time.Second)
		h.work()
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s when the time was over: %+v", v.State, v.Requirements)
		}
	})
}

// A case that waits, or has a vote, goes by the policy of the newest start.
func TestMilderPolicy(t *testing.T) {
	for name, before := range map[string]review.Policy{"a shorter wait": review.Balanced, "fewer votes": twoVotes()} {
		inHouse(t, func(c *review.Config) { c.Policy = before }, func(t *testing.T, h *house) {
			h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
			v := h.onlyCase()
			h.answer(confirmToken(t, h.post(), "anna@acme.example"), review.Reply{Yes: true})
			if h.vote(h.rita, v.Number).Cleared {
				t.Fatalf("%s: cleared under the old policy", name)
			}
			h.cfg.Policy = instant(review.Balanced)
			h.reopen()
			h.work()
			if v := h.view(v.Number); v.State != review.StateCleared {
				t.Errorf("%s: %s after the start with the new policy: %+v", name, v.State, v.Requirements)
			}
		})
	}
}

func twoVotes() review.Policy {
	p := instant(review.Balanced)
	p.Low.Approvals, p.Medium.Approvals, p.High.Approvals = 2, 2, 2
	return p
}

// One notice of many that is still on its way stops the clock from clearing.
func TestEveryNoticeCounts(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		v := h.onlyCase()
		var letters []letter
		for range 3 {
			letters = append(letters, h.sendOne())
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if h.vote(h.rita, v.Number).Cleared {
			t.Fatal("cleared with a notice on its way")
		}
		h.sendOne()
		h.work()
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s with all notices out", v.State)
		}
	})
}

func (h *house) claim() mailbox.Letter {
	h.t.Helper()
	l, ok, err := h.desk.Claim(h.t.Context())
	if err != nil || !ok {
		h.t.Fatalf("claim: %t, %v", ok, err)
	}
	return l
}

func (h *house) sendOne() letter {
	h.t.Helper()
	l := h.claim()
	if err := errors.Join(h.desk.AtDot(h.t.Context(), l.ID, l.Attempt), h.desk.Sent(h.t.Context(), l.ID, l.Attempt, "250 ok")); err != nil {
		h.t.Fatal(err)
	}
	return readLetter(h.t, l)
}
