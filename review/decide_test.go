package review_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
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
		for _, wrong := range []string{"", "12345", code + " ", "000000", h.codeAt(h.rita.Reviewer.Holder, time.Now())} {
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
				"close": h.desk.CloseCase(ctx, s, review.Decision{Number: v.Number, Class: "duplicate"})} {
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

// Promise 7: a notice that the server refuses for good holds the case, and a
// person decides. The votes stand: nothing spoke against them.
func TestRefusedNotice(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		v := h.onlyCase()
		h.vote(h.rita, v.Number)
		var letters []letter
		for range 4 {
			l := h.claim()
			if l.To != "boss@acme.example" {
				letters = append(letters, readLetter(t, l))
				if err := errors.Join(h.desk.AtDot(ctx, l.ID, l.Attempt), h.desk.Sent(ctx, l.ID, l.Attempt, "250")); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := h.desk.Failed(ctx, l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "550 no such user"}); err != nil {
				t.Fatal(err)
			}
		}
		h.work()
		v = h.view(v.Number)
		if v.State != review.StateHeld || v.HeldBy != "bounce" || strings.Contains(v.HeldReason, "boss@") {
			t.Fatalf("%s by %s: %s", v.State, v.HeldBy, v.HeldReason)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if v := h.view(v.Number); v.State != review.StateHeld {
			t.Fatalf("a yes moved it to %s", v.State)
		}
		if err := h.desk.ResumeCase(ctx, h.sam, decision(v, "", "boss left the company")); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s after a person looked: %+v", v.State, v.Requirements)
		}
	})
}

// Without an acknowledgement that was taken nobody could have said no: asking
// again is the way on.
func TestRefusedAcknowledgement(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-3", "")
		h.deliver(request("piet@beta.example", "2FA reset", forUser("piet")))
		v := h.onlyCase()
		l := h.claim()
		if err := h.desk.Failed(ctx, l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "550 later perhaps"}); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.ResumeCase(ctx, h.rita, decision(h.view(v.Number), "", "their server was down")); err != nil {
			t.Fatal(err)
		}
		h.vote(h.rita, v.Number)
		if v := h.view(v.Number); !v.WaitUntil.IsZero() {
			t.Errorf("it waits until %s without an acknowledgement", v.WaitUntil)
		}
		if err := h.desk.Ask(ctx, h.rita, decision(h.view(v.Number), "", "")); err != nil {
			t.Fatal(err)
		}
		h.answer(confirmToken(t, h.post(), "piet@beta.example"), review.Reply{Yes: true})
		h.work()
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s: %+v", v.State, v.Requirements)
		}
	})
}

// A person may ask five times in all, not more: no flood into the owner's mailbox.
func TestAskLimit(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		for range 4 {
			if err := h.desk.Ask(t.Context(), h.rita, decision(h.view(v.Number), "", "")); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, "a sixth letter", h.desk.Ask(t.Context(), h.rita, decision(h.view(v.Number), "", "")), review.TooMany)
		if n := len(h.post()); n != 4 {
			t.Errorf("%d letters", n)
		}
	})
}

// The owner's no holds the case and destroys nothing; taken up again, it begins a
// new round, in which nothing said before counts.
func TestOwnersNo(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		confirm, object := confirmToken(t, letters, "anna@acme.example"), token(t, letters, "it@acme.example", "angefragt")
		wantKind(t, "a yes through a link that objects", h.desk.Answer(ctx, object, review.Reply{Yes: true}), review.Denied)
		h.answer(object, review.Reply{})
		h.answer(object, review.Reply{}) // twice is once
		h.answer(confirm, review.Reply{Yes: true})
		h.work()
		v = h.view(v.Number)
		if v.State != review.StateHeld || v.HeldBy != "owner" || !v.Enrolled {
			t.Fatalf("%s by %s, enrolled %t", v.State, v.HeldBy, v.Enrolled)
		}
		if _, err := h.desk.Book().Verify(ctx, "U-2", h.codeAt("U-2", time.Now()), totp.Web); err != nil {
			t.Errorf("the factor: %v", err)
		}
		page, err := h.desk.Queue(ctx, h.rita, review.TabHeld, "", "")
		if err != nil || len(page.Cases) != 1 {
			t.Errorf("reviewers see %+v, %v", page.Cases, err)
		}
		_, err = h.approve(h.sam, v)
		wantKind(t, "a vote on a held case", err, review.Stale)
		wantKind(t, "resume without a reason", h.desk.ResumeCase(ctx, h.rita, decision(v, "", " ")), review.Invalid)
		time.Sleep(time.Minute)
		if err := h.desk.ResumeCase(ctx, h.rita, decision(v, "", "called back, it was a mistake")); err != nil {
			t.Fatal(err)
		}
		h.work()
		v = h.view(v.Number)
		if v.State != review.StateOpen || len(v.Approvals) != 1 || v.Approvals[0].Counts {
			t.Fatalf("%s, votes %+v", v.State, v.Approvals)
		}
		wantKind(t, "the old link", h.desk.Answer(ctx, confirm, review.Reply{Yes: true}), review.Conflict)
		letters = h.post()
		if len(letters) != 4 {
			t.Errorf("%d letters of the new round", len(letters))
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if v := h.view(v.Number); v.State != review.StateOpen {
			t.Fatalf("the old vote counted: %s", v.State)
		}
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Errorf("not cleared in the new round: %+v", h.view(v.Number).Requirements)
		}
	})
}

// Design 4, strong contrary evidence: a code that was accepted after the request
// holds the case at once, also when a person had it on hold meanwhile.
func TestSignedInMeanwhile(t *testing.T) {
	for _, during := range []string{"open", "held"} {
		t.Run(during, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				ctx := t.Context()
				v, letters := h.ask("anna@acme.example", forUser("jane"))
				h.vote(h.rita, v.Number)
				if during == "held" {
					if err := h.desk.Hold(ctx, h.rita, decision(h.view(v.Number), "", "lunch")); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				if _, err := h.desk.Book().Verify(ctx, "U-2", h.codeAt("U-2", time.Now()), totp.Web); err != nil {
					t.Fatal(err)
				}
				if during == "held" {
					time.Sleep(time.Minute)
					if err := h.desk.ResumeCase(ctx, h.rita, decision(h.view(v.Number), "", "back")); err != nil {
						t.Fatal(err)
					}
				}
				_, err := h.approve(h.sam, h.view(v.Number))
				wantKind(t, "a vote before the clock looked", err, review.Conflict)
				h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
				h.work()
				if v = h.view(v.Number); v.State != review.StateHeld || v.HeldBy != "verified" {
					t.Fatalf("%s by %s", v.State, v.HeldBy)
				}
				time.Sleep(time.Minute)
				if err := h.desk.ResumeCase(ctx, h.rita, decision(v, "", "it was a backup device, lost too")); err != nil {
					t.Fatal(err)
				}
				h.work()
				if v = h.view(v.Number); v.State != review.StateOpen || v.Approvals[0].Counts {
					t.Fatalf("%s, votes %+v", v.State, v.Approvals)
				}
			})
		})
	}
}

// A hold by a person stops everything; taken up again, the round goes on.
func TestHoldAndResume(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		wantKind(t, "hold without a reason", h.desk.Hold(ctx, h.sam, decision(h.view(v.Number), "", "")), review.Invalid)
		stale := h.view(v.Number)
		if err := h.desk.Hold(ctx, h.sam, decision(stale, "", "call them")); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "a second hold from a stale page", h.desk.Hold(ctx, h.rita, decision(stale, "", "me too")), review.Stale)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		time.Sleep(48 * time.Hour)
		h.work()
		if v := h.view(v.Number); v.State != review.StateHeld {
			t.Fatalf("%s during the hold", v.State)
		}
		if err := h.desk.ResumeCase(ctx, h.sam, decision(h.view(v.Number), "", "called them")); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s: %+v", v.State, v.Requirements)
		}
	})
}

// A rejection tells the requester, and only that it was rejected.
func TestReject(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		wantKind(t, "no class", h.desk.Reject(ctx, h.rita, decision(v, "because", "")), review.Invalid)
		if err := h.desk.Reject(ctx, h.rita, decision(v, "abuse", "the voice was another one")); err != nil {
			t.Fatal(err)
		}
		out := h.post()
		if len(out) != 1 || out[0].to != "anna@acme.example" || strings.Contains(out[0].text, "voice") || strings.Contains(out[0].text, "deceive") {
			t.Errorf("told %q", out)
		}
		v = h.view(v.Number)
		if v.State != review.StateRejected || !strings.Contains(v.CloseReason, "voice") || !v.Enrolled {
			t.Errorf("%s: %s", v.State, v.CloseReason)
		}
		wantKind(t, "a yes afterwards", h.desk.Answer(ctx, confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true}), review.Conflict)
		_, err := h.approve(h.sam, v)
		wantKind(t, "a vote afterwards", err, review.Stale)
		for what, err := range map[string]error{"reject": h.desk.Reject(ctx, h.sam, decision(v, "other", "")), "hold": h.desk.Hold(ctx, h.sam, decision(v, "", "x")),
			"resume": h.desk.ResumeCase(ctx, h.sam, decision(v, "", "x")), "close": h.desk.CloseCase(ctx, h.sam, decision(v, "duplicate", "")),
			"ask": h.desk.Ask(ctx, h.sam, decision(v, "", ""))} {
			wantKind(t, what+" afterwards", err, review.Stale)
		}
	})
}

func TestCloseCase(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for _, class := range []string{"not_a_request", "duplicate", "withdrawn"} {
			v, _ := h.ask("anna@acme.example", forUser("jane"))
			wantKind(t, "cleared as a class", h.desk.CloseCase(t.Context(), h.rita, decision(v, "cleared", "")), review.Invalid)
			if err := h.desk.CloseCase(t.Context(), h.rita, decision(v, class, "note")); err != nil {
				t.Fatal(err)
			}
			if got := h.view(v.Number).State; string(got) != class {
				t.Errorf("closed as %s, want %s", got, class)
			}
			if letters := h.post(); len(letters) != 0 {
				t.Errorf("letters %q", letters)
			}
		}
	})
}

// A case expires after 14 days, open or held, and that is recorded.
func TestExpiry(t *testing.T) {
	for _, held := range []bool{false, true} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			v, letters := h.ask("anna@acme.example", forUser("jane"))
			h.vote(h.rita, v.Number)
			if held {
				if err := h.desk.Hold(t.Context(), h.rita, decision(h.view(v.Number), "", "x")); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Until(v.Opened.Add(14*day - time.Second)))
			h.work()
			if v := h.view(v.Number); v.State.Closed() {
				t.Fatalf("%s a second early", v.State)
			}
			time.Sleep(time.Second)
			h.work()
			h.work()
			if v := h.view(v.Number); v.State != review.StateExpired || v.ClosedBy != "clock" {
				t.Errorf("%s by %s", v.State, v.ClosedBy)
			}
			if n := h.count(`SELECT count(*) FROM audit WHERE action = 'case.expired' AND actor = 'clock'`); n != 1 {
				t.Errorf("recorded %d times", n)
			}
			wantKind(t, "the link", h.desk.Answer(t.Context(), confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true}), review.NotFound)
		})
	}
}

// Design 4: threat mode needs two persons for everything and doubles the wait.
func TestThreatMode(t *testing.T) {
	inHouse(t, func(c *review.Config) {
		c.Policy = review.SmallTeam
		c.Policy.Threat = true
	}, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		out := time.Now()
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.vote(h.rita, v.Number)
		time.Sleep(7 * day)
		h.work()
		if v := h.view(v.Number); v.State != review.StateOpen || v.ApprovalsNeeded != 2 || !v.WaitUntil.Equal(out.Add(144*time.Hour)) {
			t.Fatalf("%s, %d votes, until %s", v.State, v.ApprovalsNeeded, v.WaitUntil)
		}
		if out := h.vote(h.signIn("sam@host.example", h.sam.Reviewer.Holder), v.Number); !out.Cleared {
			t.Error("two votes did not clear")
		}
	})
}
