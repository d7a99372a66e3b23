package review_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/passkey/passkeytest"
)

func newAuthenticator() *passkeytest.Authenticator {
	return passkeytest.New("https://reset.example", "reset.example")
}

// addPasskey gives the session's reviewer a passkey.
func (h *house) addPasskey(s review.Session, name string) *passkeytest.Authenticator {
	h.t.Helper()
	a := newAuthenticator()
	options, err := h.desk.AskNewPasskey(h.t.Context(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	answer := must(h.t)(a.Create(options))
	if err := h.desk.AddPasskey(h.t.Context(), s, name, answer, h.fresh(s.Reviewer.Holder)); err != nil {
		h.t.Fatal(err)
	}
	return a
}

func must(t testing.TB) func(string, error) string {
	return func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func (h *house) askSignIn(a *passkeytest.Authenticator) string {
	h.t.Helper()
	options, err := h.desk.AskPasskey()
	if err != nil {
		h.t.Fatal(err)
	}
	return must(h.t)(a.Get(options))
}

func (h *house) askStepUp(s review.Session, a *passkeytest.Authenticator) string {
	h.t.Helper()
	options, err := h.desk.AskStepUp(h.t.Context(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	return must(h.t)(a.Get(options))
}

// A passkey signs in alone and steps up; every answer is good once, for one
// thing, in one session, and never without the person.
func TestPasskeys(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		a := h.addPasskey(h.sam, "blue key")
		answer := h.askSignIn(a)
		token, err := h.desk.SignInByPasskey(ctx, answer, review.Entry{IP: "192.0.2.1", Agent: "x"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.desk.Authenticate(ctx, token)
		if err != nil || s.Reviewer.Email != "sam@host.example" || s.Via != "passkey" || !s.Proved {
			t.Fatalf("signed in as %+v: %v", s, err)
		}
		n := 0
		refused := func(what, answer string) {
			t.Helper()
			n++ // each from another network: the same one would have to wait
			_, err := h.desk.SignInByPasskey(ctx, answer, review.Entry{IP: fmt.Sprintf("192.0.%d.1", n)})
			wantKind(t, what, err, review.Denied)
		}
		refused("the same answer again", answer)
		refused("an answer for a step-up", h.askStepUp(s, a))
		refused("no JSON", "{")
		refused("nothing", "")
		late := h.askSignIn(a)
		time.Sleep(6 * time.Minute)
		refused("an answer after six minutes", late)
		a.Unverified = true
		refused("nobody unlocked it", h.askSignIn(a))
		a.Unverified = false
		a.Origin = "https://reset.example.evil.example"
		refused("another origin", h.askSignIn(a))
		a.Origin, a.RP = "https://reset.example", "evil.example"
		refused("another party", h.askSignIn(a))
		a.RP = "reset.example"
		handle := a.Handle
		a.Handle = append([]byte{handle[0] ^ 1}, handle[1:]...)
		refused("another handle", h.askSignIn(a))
		a.Handle = handle
		refused("an unknown passkey", func() string {
			b := newAuthenticator()
			options, err := h.desk.AskNewPasskey(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			must(t)(b.Create(options))
			return h.askSignIn(b)
		}())

		// The step-up is for one session.
		other, err := h.desk.Authenticate(ctx, must(t)(h.desk.SignInByPasskey(ctx, h.askSignIn(a), review.Entry{})))
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, "the answer of another session", h.desk.RemovePasskey(ctx, other, 77, h.askStepUp(s, a)), review.Invalid)
		wantKind(t, "an answer for a sign-in", h.desk.RemovePasskey(ctx, s, 77, h.askSignIn(a)), review.Invalid)
		step := h.askStepUp(s, a)
		wantKind(t, "the right one", h.desk.RemovePasskey(ctx, s, 77, step), review.NotFound)
		wantKind(t, "the same one again", h.desk.RemovePasskey(ctx, s, 77, step), review.Invalid)
		if _, err := h.desk.Authenticate(ctx, token); review.KindOf(err) != review.Denied {
			t.Errorf("the token of before the step-up: %v", err)
		}

		// Nobody else gets this passkey, and no session binds one that was asked for in another.
		options, err := h.desk.AskNewPasskey(ctx, h.rita)
		if err != nil {
			t.Fatal(err)
		}
		foreign := must(t)(newAuthenticator().Create(options))
		wantKind(t, "a passkey made in another session", h.desk.AddPasskey(ctx, s, "x", foreign, h.askStepUp(s, a)), review.Invalid)

		// A copy is found out, and refused for good.
		a.Count = 0
		refused("a counter that went back", h.askSignIn(a))
		a.Count = 1000
		refused("the passkey after that", h.askSignIn(a))
		p, err := h.desk.Profile(ctx, s)
		if err != nil || len(p.Keys) != 1 || !p.Keys[0].Suspect {
			t.Errorf("the profile shows %+v, %v", p.Keys, err)
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'passkey.suspect'`); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// A passkey casts a vote, and ends with the reviewer.
func TestPasskeyVotes(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		a := h.addPasskey(h.sam, "laptop")
		h.deliver(request("anna@acme.example", "2FA reset for jane", lostPhone))
		v := h.onlyCase()
		_, err := h.desk.Approve(ctx, h.sam, review.Approval{Number: v.Number, Version: v.Version, EvidenceHash: v.EvidenceHash, Account: "A-1001", Reason: "x", Code: h.askStepUp(h.sam, a)})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.desk.HostDisable(ctx, "sam@host.example", false); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.SignInByPasskey(ctx, h.askSignIn(a), review.Entry{})
		wantKind(t, "the passkey of a disabled reviewer", err, review.Denied)
		if err := h.desk.HostDisable(ctx, "sam@host.example", true); err != nil {
			t.Fatal(err)
		}
		token, err := h.desk.SignInByPasskey(ctx, h.askSignIn(a), review.Entry{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.desk.Authenticate(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.desk.Profile(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.desk.RemovePasskey(ctx, s, p.Keys[0].ID, h.askStepUp(s, a)); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.SignInByPasskey(ctx, h.askSignIn(a), review.Entry{})
		wantKind(t, "a passkey that was removed", err, review.Denied)
	})
}
