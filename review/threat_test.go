package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// Threat mode is a switch of the desk: it takes effect at once, also for votes that
// were cast before, survives a restart, and is lowered with more care than raised.
func TestThreatSwitch(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		wantKind(t, "on as a reviewer", h.desk.SwitchThreat(ctx, h.sam, true, "x", ""), review.Denied)
		wantKind(t, "on without a reason", h.desk.SwitchThreat(ctx, h.rita, true, " ", ""), review.Invalid)
		wantKind(t, "off while it is off", h.desk.SwitchThreat(ctx, h.rita, false, "x", ""), review.Conflict)
		if err := h.desk.SwitchThreat(ctx, h.rita, true, "a wave of forged requests", ""); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "on while it is on", h.desk.SwitchThreat(ctx, h.rita, true, "x", ""), review.Conflict)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if v = h.view(v.Number); v.State != review.StateOpen || v.ApprovalsNeeded != 2 || v.Risk.Level != review.High {
			t.Fatalf("%s, %d votes needed, %s", v.State, v.ApprovalsNeeded, v.Risk.Level)
		}
		h.reopen()
		if m, err := h.desk.Threat(ctx); err != nil || !m.On || m.By != "Rita" || !strings.Contains(m.String(), "a wave of forged requests") {
			t.Fatalf("after a restart: %+v, %v", m, err)
		}
		wantKind(t, "off with a wrong code", h.desk.SwitchThreat(ctx, h.rita, false, "over", "000000"), review.Invalid)
		if err := h.desk.SwitchThreat(ctx, h.rita, false, "over", h.fresh(h.rita.Reviewer.Holder)); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v = h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s after the end of threat mode: %+v", v.State, v.Requirements)
		}
		if err := h.desk.SwitchThreatOnHost(ctx, true, "by hand"); err != nil {
			t.Fatal(err)
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE object = 'installation' AND action IN ('threat.on', 'threat.off') AND detail LIKE '%reason%'`); n != 3 {
			t.Errorf("%d events", n)
		}
		h.sound()
	})
}

// What the configuration says always holds.
func TestThreatOfTheConfiguration(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy.Threat = true }, func(t *testing.T, h *house) {
		if err := h.desk.SwitchThreat(t.Context(), h.rita, true, "x", ""); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "off", h.desk.SwitchThreat(t.Context(), h.rita, false, "x", h.fresh(h.rita.Reviewer.Holder)), review.Conflict)
		if m, err := h.desk.Threat(t.Context()); err != nil || !m.On || !m.Always {
			t.Errorf("%+v, %v", m, err)
		}
	})
}

// A vote counts for a time only, and is then renewed by the same person.
func TestVotesExpire(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		_, err := h.approve(h.rita, h.view(v.Number))
		wantKind(t, "a second vote while the first counts", err, review.Conflict)
		time.Sleep(24*time.Hour + time.Minute)
		if err := h.desk.Ask(t.Context(), h.sam, decision(h.view(v.Number), "", "")); err != nil {
			t.Fatal(err)
		}
		letters = append(h.post(), letters...)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if v = h.view(v.Number); v.State != review.StateOpen || v.Approvals[0].Counts {
			t.Fatalf("%s, %+v: a vote of yesterday counts", v.State, v.Approvals)
		}
		if out := h.vote(h.signIn("rita@host.example", h.rita.Reviewer.Holder), v.Number); !out.Cleared {
			t.Errorf("not cleared: %+v", h.view(v.Number).Requirements)
		}
	})
}

// Two addresses of one mailbox are one person.
func TestOnePersonTwoReviewers(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy.High.Approvals = 2 }, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		if err := h.desk.SwitchThreatOnHost(t.Context(), true, "x"); err != nil {
			t.Fatal(err)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.vote(h.sam, v.Number)
		_, err := h.approve(h.reviewer("sam+desk@host.example", "Sam again", review.Lead), h.view(v.Number))
		wantKind(t, "the same person again", err, review.Conflict)
		_, err = h.approve(h.reviewer("jane+staff@acme.example", "Jane", review.Lead), h.view(v.Number))
		wantKind(t, "the user under a tag", err, review.Denied)
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Error("two persons did not clear")
		}
	})
}
