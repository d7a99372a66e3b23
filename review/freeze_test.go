package review_test

import (
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A frozen account resets nobody, until the time or until a lead lifts it.
func TestFreezeAccount(t *testing.T) {
	for _, lifted := range []bool{false, true} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			ctx := t.Context()
			v, letters := h.ask("anna@acme.example", forUser("jane"))
			freeze := func(d time.Duration, why string) error {
				v := h.view(v.Number)
				return h.desk.FreezeAccount(ctx, h.sam, review.Freeze{Number: v.Number, Version: v.Version, Until: time.Now().Add(d), Reason: why})
			}
			wantKind(t, "without a reason", freeze(time.Hour, ""), review.Invalid)
			wantKind(t, "into the past", freeze(-time.Hour, "x"), review.Invalid)
			wantKind(t, "for ten years", freeze(3650*day, "x"), review.Invalid)
			if err := freeze(10*time.Hour, "legal asked for it"); err != nil {
				t.Fatal(err)
			}
			wantKind(t, "shorter", freeze(time.Hour, "x"), review.Invalid)
			h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
			if out := h.vote(h.rita, v.Number); out.Cleared {
				t.Fatal("a user of a frozen account was reset")
			}
			thaw := func(s review.Session) error {
				in := ballot(h.view(v.Number))
				in.Code = h.fresh(s.Reviewer.Holder)
				return h.desk.ThawAccount(ctx, s, in)
			}
			wantKind(t, "lifted by a reviewer", thaw(h.sam), review.Denied)
			if lifted {
				if err := thaw(h.rita); err != nil {
					t.Fatal(err)
				}
				wantKind(t, "lifted twice", thaw(h.rita), review.Conflict)
			} else {
				time.Sleep(10 * time.Hour)
			}
			h.work()
			if v := h.view(v.Number); v.State != review.StateCleared {
				t.Errorf("lifted %t: %s, %+v", lifted, v.State, v.Requirements)
			}
			h.sound()
		})
	}
}

// A hold with a time comes back to a person, and goes on by nobody else.
func TestHoldUntil(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		in := decision(h.view(v.Number), "", "they call back at noon")
		in.Until = time.Now().Add(-time.Hour)
		wantKind(t, "until a time that is over", h.desk.Hold(ctx, h.sam, in), review.Invalid)
		in.Until = time.Now().Add(15 * day)
		wantKind(t, "until after its end", h.desk.Hold(ctx, h.sam, in), review.Invalid)
		in.Until = time.Now().Add(3 * time.Hour)
		if err := h.desk.Hold(ctx, h.sam, in); err != nil {
			t.Fatal(err)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		time.Sleep(3 * time.Hour)
		h.work()
		h.work()
		if v = h.view(v.Number); v.State != review.StateHeld || h.count(`SELECT count(*) FROM audit WHERE action = 'case.hold_over'`) != 1 {
			t.Fatalf("%s: %s", v.State, v.HeldReason)
		}
		if err := h.desk.ResumeCase(ctx, h.sam, decision(v, "", "they called")); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v = h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s: %+v", v.State, v.Requirements)
		}
	})
}

// A duplicate names the case that goes on.
func TestDuplicateOf(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-1", "")
		h.enroll("U-4", "")
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		w, _ := h.ask("anna@acme.example", forUser("anna"))
		x, _ := h.ask("piet@beta.example", forUser("sanne"))
		for what, other := range map[string]string{"none": "", "unknown": "RST-000000", "itself": w.Number, "another account's": x.Number} {
			in := decision(w, "duplicate", "")
			in.Other = other
			wantKind(t, what, h.desk.CloseCase(ctx, h.sam, in), review.Invalid)
		}
		in := decision(w, "duplicate", "")
		in.Other = " " + v.Number + " "
		if err := h.desk.CloseCase(ctx, h.sam, in); err != nil {
			t.Fatal(err)
		}
		in = decision(h.view(v.Number), "duplicate", "")
		in.Other = w.Number
		wantKind(t, "a duplicate itself", h.desk.CloseCase(ctx, h.sam, in), review.Invalid)
		if w = h.view(w.Number); w.State != review.StateDuplicate || w.CloseReason != "Duplicate of "+v.Number+"." {
			t.Errorf("%s: %s", w.State, w.CloseReason)
		}
	})
}

// A claim ends by itself, lasts longer with each act, and is taken over with a reason.
func TestClaims(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		of := func() string { return h.view(v.Number).Claim.Name }
		claim := func(s review.Session, why string) error { return h.desk.ClaimCase(ctx, s, v.Number, why) }
		wantKind(t, "release of nothing", h.desk.ReleaseCase(ctx, h.sam, v.Number), review.Conflict)
		if err := claim(h.sam, ""); err != nil || of() != "Sam" {
			t.Fatalf("%v, claimed by %q", err, of())
		}
		wantKind(t, "taken over without a reason", claim(h.rita, " "), review.Invalid)
		time.Sleep(14 * time.Minute)
		if err := h.desk.Ask(ctx, h.sam, decision(h.view(v.Number), "", "")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(14 * time.Minute)
		if of() != "Sam" {
			t.Error("an act did not keep the claim")
		}
		time.Sleep(time.Minute)
		if of() != "" {
			t.Error("an idle claim did not end")
		}
		if err := claim(h.sam, ""); err != nil {
			t.Fatal(err)
		}
		if err := claim(h.rita, "Sam went home"); err != nil || of() != "Rita" {
			t.Fatalf("%v, claimed by %q", err, of())
		}
		wantKind(t, "released by a colleague", h.desk.ReleaseCase(ctx, h.sam, v.Number), review.Denied)
		if err := h.desk.ReleaseCase(ctx, h.rita, v.Number); err != nil || of() != "" {
			t.Errorf("%v, claimed by %q", err, of())
		}
		wantKind(t, "claim as a viewer", claim(h.reviewer("vera@host.example", "Vera", review.Viewer), ""), review.Denied)
		if n := h.count(`SELECT count(*) FROM audit WHERE action IN ('case.claimed', 'case.taken_over', 'case.released')`); n != 4 {
			t.Errorf("%d events", n)
		}
	})
}
