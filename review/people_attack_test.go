package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// Whoever is of the account under an address with a tag is of the account.
func TestReviewerOfTheAccountUnderATag(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-7,sam,Sam+acme@host.example,user,0,,\n")
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		_, err := h.approve(h.sam, h.view(v.Number))
		wantKind(t, "a reviewer whose tagged address is the account's", err, review.Denied)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		_, err = h.approve(h.sam, h.view(v.Number))
		wantKind(t, "the same, after the owner's yes", err, review.Denied)
	})
}

// Nobody sets or lifts the freeze of the account that is his own, with a case or without.
func TestFreezeOfTheOwnAccount(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-7,lee,lee+acme@host.example,user,0,,\n")
		lee := h.reviewer("lee@host.example", "Lee", review.Lead)
		week := review.Freeze{Until: time.Now().Add(7 * 24 * time.Hour), Reason: "x"}
		wantKind(t, "setting it", h.desk.FreezeResets(ctx, lee, "A-1001", week), review.Denied)
		if err := h.desk.FreezeResets(ctx, h.rita, "A-1001", week); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "lifting it", h.desk.ThawResets(ctx, lee, "A-1001", "x", h.fresh(lee.Reviewer.Holder)), review.Denied)
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		in := review.Approval{Number: v.Number, Version: v.Version, Account: "A-1001", Reason: "x", Code: h.fresh(lee.Reviewer.Holder)}
		wantKind(t, "lifting it from a case", h.desk.ThawAccount(ctx, lee, in), review.Denied)
	})
}

// The vote of somebody whom the desk shut out meanwhile does not clear.
func TestVoteOfADisabledReviewer(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		if out := h.vote(h.sam, v.Number); out.Cleared {
			t.Fatal("cleared before the owner's yes")
		}
		if err := h.desk.HostDisable(t.Context(), "sam@host.example", false); err != nil {
			t.Fatal(err)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if now := h.view(v.Number); now.State == review.StateCleared {
			t.Error("the vote of a reviewer who was disabled cleared the factor")
		}
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Error("the vote of another did not clear")
		}
	})
}

// A vote comes back with who gave it, and the case goes on at once; after a reset of
// the reviewer's factor it does not: somebody else may have had it.
func TestVoteComesBack(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.sam, v.Number)
		disable := func(on bool) {
			t.Helper()
			if err := h.desk.HostDisable(ctx, "sam@host.example", on); err != nil {
				t.Fatal(err)
			}
		}
		disable(false)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if now := h.view(v.Number); now.Approvals[0].Counts || now.State != review.StateOpen {
			t.Errorf("while disabled: %+v", now.Approvals)
		}
		time.Sleep(time.Hour)
		disable(true)
		h.work()
		if now := h.view(v.Number); now.State != review.StateCleared || !now.Approvals[0].Counts {
			t.Errorf("after enabling: %s, %+v", now.State, now.Approvals)
		}

		h.enroll("U-4", "")
		time.Sleep(time.Hour)
		h.sam = h.signIn("sam@host.example", h.sam.Reviewer.Holder)
		v, letters = h.ask("piet@beta.example", forUser("sanne"))
		ina := h.reviewer("ina@host.example", "Ina", review.Admin)
		if err := h.desk.AskReset(ctx, h.rita, h.change(h.rita, h.sam)); err != nil {
			t.Fatal(err)
		}
		h.vote(h.sam, v.Number)
		if err := h.desk.ConfirmReset(ctx, ina, h.change(ina, h.sam)); err != nil {
			t.Fatal(err)
		}
		token := invitationTo(t, h.post(), h.sam.Reviewer.Email)
		h.answer(confirmToken(t, letters, "piet@beta.example"), review.Reply{Yes: true})
		if now := h.view(v.Number); now.State != review.StateOpen || now.Approvals[0].Counts {
			t.Errorf("the vote with a factor that was taken away: %s, %+v", now.State, now.Approvals)
		}
		r, err := h.desk.AcceptInvitation(ctx, token, goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		h.enroll(r.Holder, "")
		if out := h.vote(h.signIn("sam@host.example", r.Holder), v.Number); !out.Cleared {
			t.Error("the vote with the new factor did not clear")
		}
	})
}

// So too of somebody who was a reviewer when he voted and is none any more.
func TestVoteOfADemotedReviewer(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.sam, v.Number)
		if err := h.desk.SetRole(t.Context(), h.rita, h.change(h.rita, h.sam), review.Viewer); err != nil {
			t.Fatal(err)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if now := h.view(v.Number); now.State == review.StateCleared {
			t.Error("the vote of somebody who may not vote any more cleared the factor")
		}
	})
}

// An invitation makes nobody else's single sign-on its holder's: not when its
// holder set password and factor, and not by the address of another.
func TestInvitationTakesNoOthersSignOn(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		lena := review.Identity{Issuer: "https://id.example", Subject: "lena", Email: "lena@host.example", Verified: true, Governed: true, Role: review.Admin}
		token, err := h.desk.Invite(ctx, "host", "mallory@host.example", "Mallory", review.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.BindSSO(ctx, token, lena, review.Entry{})
		wantKind(t, "the sign-on of another address", err, review.Denied)
		r, err := h.desk.AcceptInvitation(ctx, token, goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		h.enroll(r.Holder, "")
		lena.Email = ""
		_, err = h.desk.BindSSO(ctx, token, lena, review.Entry{})
		wantKind(t, "a sign-on after password and factor", err, review.Denied)
		s := h.signIn("mallory@host.example", r.Holder)
		if s.Reviewer.Role != review.Viewer {
			t.Errorf("a viewer became %s by the groups of another", s.Reviewer.Role)
		}
	})
}

// After a reset of a reviewer's factor the provider's word alone sets up no new one: it
// takes the link that the admins' reset made.
func TestResetNeedsTheLink(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		lena := review.Identity{Issuer: "https://id.example", Subject: "lena", Email: "lena@host.example", Verified: true, Governed: true, Role: review.Lead}
		come := func(token string, err error) review.Session {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			s, err := h.desk.Authenticate(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := come(h.desk.SignInBySSO(ctx, lena, review.Entry{}))
		if err := h.desk.MayEnroll(ctx, s); err != nil {
			t.Errorf("the first time: %v", err)
		}
		h.enroll(s.Reviewer.Holder, "")
		ina := h.reviewer("ina@host.example", "Ina", review.Admin)
		if err := h.desk.AskReset(ctx, h.rita, h.change(h.rita, s)); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.ConfirmReset(ctx, ina, h.change(ina, s)); err != nil {
			t.Fatal(err)
		}
		token := invitationTo(t, h.post(), s.Reviewer.Email)
		wantKind(t, "after the reset", h.desk.MayEnroll(ctx, come(h.desk.SignInBySSO(ctx, lena, review.Entry{}))), review.Denied)
		if err := h.desk.MayEnroll(ctx, come(h.desk.BindSSO(ctx, token, lena, review.Entry{}))); err != nil {
			t.Errorf("with the link: %v", err)
		}
		time.Sleep(time.Minute)
		wantKind(t, "later, without it", h.desk.MayEnroll(ctx, come(h.desk.SignInBySSO(ctx, lena, review.Entry{}))), review.Denied)
	})
}

// An address or a name that no letter can carry makes no reviewer: letters to admins
// are queued with what they tell of, and one that cannot be written would stop all.
func TestInviteRefusesWhatIsNoAddress(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		for _, email := range []string{"", "@", "x@", "@host.example", "a b@host.example", "x@host.example\r\nBcc: evil@evil.example", "x@host.example, y@evil.example",
			"<x@host.example>", "Ina <x@host.example>", "x@host.example\x00", "x@y@host.example", strings.Repeat("x", 300) + "@host.example", "x@ho st", "\u202ex@host.example"} {
			if _, err := h.desk.Invite(ctx, "host", email, "Ina", review.Admin); review.KindOf(err) != review.Invalid {
				t.Errorf("invited %q: %v", email, err)
			}
			id := review.Identity{Issuer: "https://id.example", Subject: email + "x", Email: email, Name: "Ina", Verified: true, Governed: true, Role: review.Admin}
			if _, err := h.desk.SignInBySSO(ctx, id, review.Entry{}); err == nil {
				t.Errorf("the provider brought %q", email)
			}
		}
		for _, name := range []string{"", " ", strings.Repeat("x", 200), "Ina\r\nBcc: evil@evil.example", "Ina\u202e", "\x00"} {
			if _, err := h.desk.Invite(ctx, "host", "ina@host.example", name, review.Admin); review.KindOf(err) != review.Invalid {
				t.Errorf("invited somebody named %q: %v", name, err)
			}
		}
		if _, err := h.desk.Invite(ctx, "host", "Ina+desk@host.example", "Ina-Maria O’Neill, Dr.", review.Admin); err != nil {
			t.Error(err)
		}
		ina := h.reviewer("lee@host.example", "Lee", review.Admin)
		if err := h.desk.AskReset(ctx, ina, h.change(ina, h.sam)); err != nil {
			t.Error(err)
		}
	})
}
