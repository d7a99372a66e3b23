package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

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
		} else if why := v.Requirements[5].Why; !strings.Contains(why, "refused the confirm letter") {
			t.Errorf("it says: %s", why)
		} else if why := v.Requirements[3].Why; strings.Contains(why, "was mailed") {
			t.Errorf("it says that the owner was asked: %s", why)
		}
		if q, err := h.desk.Queue(ctx, h.rita, review.QueueFilter{Tab: review.TabReview}); err != nil || len(q.Cases) != 1 || q.Cases[0].WaitsFor != "The confirm letter was refused" {
			t.Errorf("the queue has %+v, %v", q.Cases, err)
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

// A server can take an acknowledgement, say nothing, and refuse it when it comes
// again. Who answers has it: the yes stands for the 250, but no notice before it.
func TestRefusedAcknowledgementAnswered(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy = review.Balanced }, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-3", "")
		h.deliver(request("piet@beta.example", "2FA reset", forUser("piet")))
		v, taken := h.onlyCase(), letter{}
		for _, o := range []mailbox.Outcome{{Phase: mailbox.Uncertain, Text: "the line broke", Next: time.Now().Add(time.Minute)}, {Phase: mailbox.Refused, Code: 550, Text: "550 no"}} {
			l := h.claim()
			taken = readLetter(t, l)
			if err := errors.Join(h.desk.AtDot(ctx, l.ID, l.Attempt), h.desk.Failed(ctx, l.ID, l.Attempt, o)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		if err := h.desk.ResumeCase(ctx, h.rita, decision(h.view(v.Number), "", "they called")); err != nil {
			t.Fatal(err)
		}
		h.vote(h.rita, v.Number)
		time.Sleep(time.Hour)
		h.answer(confirmToken(t, []letter{taken}, "piet@beta.example"), review.Reply{Yes: true})
		v = h.view(v.Number)
		if wait := time.Until(v.WaitUntil); wait <= 0 || wait != h.cfg.Policy.Low.Wait && wait != h.cfg.Policy.Medium.Wait {
			t.Fatalf("it waits another %s: %+v", wait, v.Requirements)
		}
		time.Sleep(time.Until(v.WaitUntil) - time.Second)
		h.work()
		if v := h.view(v.Number); v.State != review.StateOpen {
			t.Fatalf("%s a second early", v.State)
		}
		time.Sleep(time.Second)
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
		page, err := h.desk.Queue(ctx, h.rita, review.QueueFilter{Tab: review.TabHeld})
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
		time.Sleep(20 * time.Hour)
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
			"resume": h.desk.ResumeCase(ctx, h.sam, decision(v, "", "x")), "close": h.desk.CloseCase(ctx, h.sam, decision(v, "not_a_request", "")),
			"ask": h.desk.Ask(ctx, h.sam, decision(v, "", ""))} {
			wantKind(t, what+" afterwards", err, review.Stale)
		}
	})
}

func TestCloseCase(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for _, class := range []string{"not_a_request", "withdrawn"} {
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
		time.Sleep(6*day + 12*time.Hour)
		h.work()
		if v := h.view(v.Number); v.State != review.StateOpen || v.ApprovalsNeeded != 2 || !v.WaitUntil.Equal(out.Add(144*time.Hour)) {
			t.Fatalf("%s, %d votes, until %s", v.State, v.ApprovalsNeeded, v.WaitUntil)
		}
		if out := h.vote(h.signIn("sam@host.example", h.sam.Reviewer.Holder), v.Number); !out.Cleared {
			t.Error("two votes did not clear")
		}
	})
}

// An acknowledgement that the server took and sent back is as none: the owner is
// asked again, and the waiting period begins with the letter that arrived.
func TestBouncedAcknowledgement(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy = review.Balanced }, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-3", "")
		v, letters := h.ask("piet@beta.example", forUser("piet"))
		h.deliver(dsn("support@host.example", "failed", "5.2.2", "piet@beta.example", "552 full", of(t, letters, "piet@beta.example").raw))
		if err := h.desk.ResumeCase(ctx, h.rita, decision(h.view(v.Number), "", "they made room")); err != nil {
			t.Fatal(err)
		}
		h.work()
		v = h.view(v.Number)
		if !v.WaitUntil.IsZero() || !strings.Contains(v.Requirements[3].Why, "came back") || !strings.Contains(v.Requirements[5].Why, "Ask the owner again") {
			t.Errorf("it waits until %s, and says %+v", v.WaitUntil, v.Requirements)
		}
		time.Sleep(20 * time.Hour)
		h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		if err := h.desk.Ask(ctx, h.rita, decision(h.view(v.Number), "", "")); err != nil {
			t.Fatal(err)
		}
		asked, letters := time.Now(), h.post()
		h.answer(confirmToken(t, letters, "piet@beta.example"), review.Reply{Yes: true})
		if out := h.vote(h.rita, v.Number); out.Cleared {
			t.Fatal("cleared a minute after the only letter that arrived")
		}
		if v := h.view(v.Number); v.WaitUntil.Sub(asked) != h.cfg.Policy.Medium.Wait {
			t.Errorf("it waits %s from there", v.WaitUntil.Sub(asked))
		}
	})
}

// A mail in the name of another admin asks that admin too. Anybody can write it: it does
// not put the reset off, and leaves the reviewer's five letters to the owner.
func TestAskedTooPutsNothingOff(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy = review.Balanced }, func(t *testing.T, h *house) {
		file := accountsFile
		for _, name := range []string{"carl", "dora", "emil", "fred"} {
			file += "A-1001,ACME GmbH,de,U-" + name + "," + name + "," + name + "@acme.example,admin,0,,\n"
		}
		h.importFile(file)
		time.Sleep(30 * day)
		h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.vote(h.rita, v.Number)
		until := h.view(v.Number).WaitUntil
		time.Sleep(time.Until(until) - time.Minute)
		for _, name := range []string{"carl", "dora", "emil", "fred"} {
			h.deliver(request(name+"@acme.example", "2FA reset", forUser("jane")))
		}
		if n := len(h.post()); n != 4 {
			t.Errorf("%d letters", n)
		}
		if got := h.view(v.Number).WaitUntil; !got.Equal(until) {
			t.Errorf("it is put off by %s", got.Sub(until))
		}
		if err := h.desk.Ask(t.Context(), h.rita, decision(h.view(v.Number), "", "")); err != nil {
			t.Errorf("the owner's second letter: %v", err)
		}
		time.Sleep(time.Minute)
		h.work()
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s: %+v", v.State, v.Requirements)
		}
	})
}
