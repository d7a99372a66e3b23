package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

const goodPassword = "correct horse battery"

// An invitation is one link, good for 72 hours, and ends when the second factor
// is proved; until then nobody signs in with it.
func TestInvitation(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		for what, c := range map[string]struct{ email, name, role string }{"no address": {"ina", "Ina", "reviewer"}, "no name": {"ina@host.example", "", "reviewer"},
			"no role": {"ina@host.example", "Ina", "boss"}} {
			_, err := h.desk.Invite(ctx, "host", c.email, c.name, review.Role(c.role))
			wantKind(t, what, err, review.Invalid)
		}
		token, err := h.desk.Invite(ctx, "host", " Ina@Host.example", "Ina", review.Decider)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.AcceptInvitation(ctx, token, "short")
		wantKind(t, "a short password", err, review.Invalid)
		_, err = h.desk.AcceptInvitation(ctx, token+"0", goodPassword)
		wantKind(t, "another token", err, review.NotFound)
		renewed, err := h.desk.Invite(ctx, "host", "ina@host.example", "Ina", review.Decider)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.Invitation(ctx, token)
		wantKind(t, "the first link after it was renewed", err, review.NotFound)
		r, err := h.desk.AcceptInvitation(ctx, renewed, goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, "done without a second factor", h.desk.FinishInvitation(ctx, renewed), review.Conflict)
		_, err = h.desk.SignIn(ctx, review.SignIn{Email: "ina@host.example", Password: goodPassword, Code: "000000"})
		wantKind(t, "signing in without a second factor", err, review.Denied)
		h.enroll(r.Holder, "")
		if err := h.desk.FinishInvitation(ctx, renewed); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.AcceptInvitation(ctx, renewed, "another long password")
		wantKind(t, "a used link", err, review.NotFound)
		_, err = h.desk.Invite(ctx, "host", "ina@host.example", "Ina", review.Admin)
		wantKind(t, "inviting somebody who is in", err, review.Conflict)
		h.signIn("ina@host.example", r.Holder)

		token, err = h.desk.Invite(ctx, "host", "ole@host.example", "Ole", review.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		_, err = h.desk.Invitation(ctx, token)
		wantKind(t, "after 72 hours", err, review.NotFound)
	})
}

// Whatever is wrong, the answer is the same; after five wrong tries it is "wait".
func TestSignInFails(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		good := review.SignIn{Email: "sam@host.example", Password: goodPassword}
		var words []string
		for _, change := range []func(*review.SignIn){
			func(s *review.SignIn) { s.Email = "nobody@host.example" },
			func(s *review.SignIn) { s.Password = "another long password" },
			func(s *review.SignIn) { s.Password = "" },
			func(s *review.SignIn) { s.Code = "000000" },
			func(s *review.SignIn) { s.Code = "" },
		} {
			in := good
			in.Code = h.fresh(h.sam.Reviewer.Holder)
			change(&in)
			_, err := h.desk.SignIn(ctx, in)
			wantKind(t, "a wrong try", err, review.Denied)
			words = append(words, err.Error())
		}
		for _, w := range words {
			if w != words[0] {
				t.Errorf("answers differ: %q, %q", words[0], w)
			}
		}
		in := good
		in.Password = "another long password"
		_, err := h.desk.SignIn(ctx, in)
		wantKind(t, "the fifth wrong try", err, review.Denied)
		in = good
		in.Code = h.codeAt(h.sam.Reviewer.Holder, time.Now())
		_, err = h.desk.SignIn(ctx, in)
		wantKind(t, "the right one, too soon", err, review.TooMany)
		in.Email = " SAM@host.example"
		_, err = h.desk.SignIn(ctx, in)
		wantKind(t, "the same person, written otherwise", err, review.TooMany)
		time.Sleep(time.Minute)
		in = good
		in.Code = h.fresh(h.sam.Reviewer.Holder)
		if _, err := h.desk.SignIn(ctx, in); err != nil {
			t.Errorf("after the wait: %v", err)
		}
		_, err = h.desk.SignIn(ctx, in)
		wantKind(t, "the same code again", err, review.TooMany)
		if !strings.Contains(err.Error(), "just used") {
			t.Errorf("it says %q", err)
		}
	})
}

// A session dies after 30 idle minutes, after 12 hours, and when it is ended.
func TestSessionLifetimes(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		review.RealSessions(t)
		ctx := t.Context()
		session := func() string {
			time.Sleep(30 * time.Second)
			token, err := h.desk.SignIn(ctx, review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: h.codeAt(h.sam.Reviewer.Holder, time.Now())})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		idle := session()
		time.Sleep(30*time.Minute - time.Second)
		if _, err := h.desk.Authenticate(ctx, idle); err != nil {
			t.Errorf("after 29:59: %v", err)
		}
		time.Sleep(30 * time.Minute)
		_, err := h.desk.Authenticate(ctx, idle)
		wantKind(t, "after 30 idle minutes", err, review.Denied)

		busy := session()
		for range 36 {
			time.Sleep(20*time.Minute - time.Second/36)
			if _, err = h.desk.Authenticate(ctx, busy); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		_, err = h.desk.Authenticate(ctx, busy)
		wantKind(t, "after 12 busy hours", err, review.Denied)

		ended := session()
		s, err := h.desk.Authenticate(ctx, ended)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.desk.SignOut(ctx, s); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.Authenticate(ctx, ended)
		wantKind(t, "after signing out", err, review.Denied)
		for _, token := range []string{"", "x", strings.Repeat("0", 52)} {
			_, err = h.desk.Authenticate(ctx, token)
			wantKind(t, "token "+token, err, review.Denied)
		}
	})
}
