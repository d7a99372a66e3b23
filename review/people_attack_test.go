package review_test

import (
	"testing"

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
