package review_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// Whatever gives a session more rights gives it another token, and the one of
// before is worth nothing (session fixation).
func TestSessionRotates(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		signIn := func(old string) string {
			token, err := h.desk.SignIn(ctx, review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: h.fresh(h.sam.Reviewer.Holder), Old: old})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		planted := signIn("")
		token := signIn(planted)
		if _, err := h.desk.Authenticate(ctx, planted); review.KindOf(err) != review.Denied || token == planted {
			t.Errorf("the session that the browser brought: %v", err)
		}
		s, err := h.desk.Authenticate(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if s.Renewed() != "" {
			t.Error("a session is renewed before anything was proved")
		}
		wantKind(t, "a step-up with a wrong code", h.desk.GiveFactor(ctx, s, "000000"), review.Invalid)
		if _, err := h.desk.Authenticate(ctx, token); err != nil || s.Renewed() != "" {
			t.Errorf("a wrong code ends the session: %v", err)
		}
		if err := h.desk.GiveFactor(ctx, s, h.fresh(s.Reviewer.Holder)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.desk.Authenticate(ctx, token); review.KindOf(err) != review.Denied {
			t.Errorf("the token of before the step-up: %v", err)
		}
		next, err := h.desk.Authenticate(ctx, s.Renewed())
		if err != nil || !next.Expires.Equal(s.Expires) || next.StepUpAt.IsZero() {
			t.Errorf("the new token: %+v, %v", next, err)
		}
	})
}

func (h *house) change(s review.Session, of review.Session) review.Change {
	return review.Change{Reviewer: of.Reviewer.ID, Code: h.fresh(s.Reviewer.Holder), Reason: "lost the phone; I know the person"}
}

// An admin manages people; the last one who can sign in stays.
func TestManagePeople(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		if err := h.desk.Welcome(ctx, h.rita, h.fresh(h.rita.Reviewer.Holder), "ina@host.example", "Ina", review.Admin); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "disabling the last admin, beside one who was invited", h.desk.Disable(ctx, h.rita, h.change(h.rita, h.rita)), review.Conflict)
		wantKind(t, "demoting the last admin", h.desk.SetRole(ctx, h.rita, h.change(h.rita, h.rita), review.Lead), review.Conflict)
		wantKind(t, "disabling the last admin on the host", h.desk.HostDisable(ctx, "rita@host.example", false), review.Conflict)
		wantKind(t, "a role that is none", h.desk.SetRole(ctx, h.rita, h.change(h.rita, h.sam), "boss"), review.Invalid)
		wantKind(t, "a wrong code", h.desk.Disable(ctx, h.rita, review.Change{Reviewer: h.sam.Reviewer.ID, Code: "000000"}), review.Invalid)
		if err := h.desk.SetRole(ctx, h.rita, h.change(h.rita, h.sam), review.Admin); err != nil {
			t.Fatal(err)
		}
		if _, err := h.desk.People(ctx, h.sam); err != nil {
			t.Errorf("the new admin: %v", err)
		}
		if err := h.desk.SetRole(ctx, h.sam, h.change(h.sam, h.rita), review.Viewer); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "the old admin", h.desk.Disable(ctx, h.rita, h.change(h.rita, h.sam)), review.Denied)
		if err := h.desk.Disable(ctx, h.sam, h.change(h.sam, h.rita)); err != nil {
			t.Fatal(err)
		}
		_, err := h.desk.Queue(ctx, h.rita, review.QueueFilter{})
		wantKind(t, "a session of a disabled reviewer", err, review.Denied)
		_, err = h.desk.SignIn(ctx, review.SignIn{Email: "rita@host.example", Password: goodPassword, Code: h.fresh(h.rita.Reviewer.Holder)})
		wantKind(t, "a sign-in of a disabled reviewer", err, review.Denied)
		if err := h.desk.Enable(ctx, h.sam, h.change(h.sam, h.rita)); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.Queue(ctx, h.rita, review.QueueFilter{})
		wantKind(t, "an ended session after enabling", err, review.Denied)
		h.signIn("rita@host.example", h.rita.Reviewer.Holder)
	})
}

// An admin ends anybody's sessions, everybody their own.
func TestEndSessions(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		time.Sleep(30 * time.Second)
		second := h.signIn("sam@host.example", h.sam.Reviewer.Holder)
		p, err := h.desk.Profile(ctx, h.sam)
		if err != nil || len(p.Sessions) != 2 {
			t.Fatalf("%d sessions, %v", len(p.Sessions), err)
		}
		i := slices.IndexFunc(p.Sessions, func(r review.SessionRow) bool { return !r.Own })
		if err := h.desk.EndSession(ctx, h.sam, h.sam.Reviewer.ID, p.Sessions[i].ID); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.Profile(ctx, second)
		wantKind(t, "the session that was ended", err, review.Denied)
		wantKind(t, "a reviewer who ends others'", h.desk.EndSessions(ctx, h.sam, h.rita.Reviewer.ID), review.Denied)
		if err := h.desk.EndSessions(ctx, h.rita, h.sam.Reviewer.ID); err != nil {
			t.Fatal(err)
		}
		_, err = h.desk.Profile(ctx, h.sam)
		wantKind(t, "a session that an admin ended", err, review.Denied)
	})
}

func TestChangePassword(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		time.Sleep(30 * time.Second)
		other := h.signIn("sam@host.example", h.sam.Reviewer.Holder)
		const next = "another long password"
		change := func(old, code string) error { return h.desk.ChangePassword(ctx, h.sam, old, next, code) }
		wantKind(t, "a wrong code", change(goodPassword, "000000"), review.Invalid)
		wantKind(t, "a wrong old password", change("not this one at all", h.fresh(h.sam.Reviewer.Holder)), review.Invalid)
		wantKind(t, "a short one", h.desk.ChangePassword(ctx, h.sam, goodPassword, "short", h.fresh(h.sam.Reviewer.Holder)), review.Invalid)
		if err := change(goodPassword, h.fresh(h.sam.Reviewer.Holder)); err != nil {
			t.Fatal(err)
		}
		_, err := h.desk.Profile(ctx, other)
		wantKind(t, "another session", err, review.Denied)
		if _, err := h.desk.Profile(ctx, h.sam); err != nil {
			t.Error(err)
		}
		_, err = h.desk.SignIn(ctx, review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: h.fresh(h.sam.Reviewer.Holder)})
		wantKind(t, "the old password", err, review.Denied)
		if _, err = h.desk.SignIn(ctx, review.SignIn{Email: "sam@host.example", Password: next, Code: h.fresh(h.sam.Reviewer.Holder)}); err != nil {
			t.Error(err)
		}
	})
}

// Two admins reset the factor of a third person; all admins and that person are
// told, and nothing of before goes on.
func TestResetOfReviewer(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		mia := h.reviewer("mia@host.example", "Mia", review.Admin)
		a := h.addPasskey(h.sam, "blue key")
		wantKind(t, "one's own factor", h.desk.AskReset(ctx, h.rita, h.change(h.rita, h.rita)), review.Denied)
		if err := h.desk.AskReset(ctx, h.rita, h.change(h.rita, h.sam)); err != nil {
			t.Fatal(err)
		}
		if got := told(h.post()); got != "mia@host.example rita@host.example sam@host.example" {
			t.Errorf("told of the question: %s", got)
		}
		wantKind(t, "confirming one's own question", h.desk.ConfirmReset(ctx, h.rita, h.change(h.rita, h.sam)), review.Denied)
		if err := h.desk.StopReset(ctx, h.sam, h.sam.Reviewer.ID); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "confirming what the reviewer stopped", h.desk.ConfirmReset(ctx, mia, h.change(mia, h.sam)), review.Conflict)
		if err := h.desk.AskReset(ctx, h.rita, h.change(h.rita, h.sam)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24*time.Hour + time.Minute)
		wantKind(t, "confirming after a day", h.desk.ConfirmReset(ctx, mia, h.change(mia, h.sam)), review.Conflict)
		if err := h.desk.AskReset(ctx, h.rita, h.change(h.rita, h.sam)); err != nil {
			t.Fatal(err)
		}
		h.post()
		if _, err := h.desk.Profile(ctx, h.sam); err != nil {
			t.Errorf("before it is confirmed: %v", err)
		}
		if err := h.desk.ConfirmReset(ctx, mia, h.change(mia, h.sam)); err != nil {
			t.Fatal(err)
		}
		letters := h.post()
		if got := told(letters); got != "mia@host.example rita@host.example sam@host.example sam@host.example" {
			t.Errorf("told of the reset: %s", got)
		}
		token := invitationTo(t, letters, "sam@host.example")
		_, err := h.desk.Profile(ctx, h.sam)
		wantKind(t, "a session of before", err, review.Denied)
		_, err = h.desk.SignInByPasskey(ctx, h.askSignIn(a), review.Entry{})
		wantKind(t, "a passkey of before", err, review.Denied)
		_, err = h.desk.SignIn(ctx, review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: h.fresh(h.sam.Reviewer.Holder)})
		wantKind(t, "password and code of before", err, review.Denied)
		r, err := h.desk.AcceptInvitation(ctx, token, goodPassword)
		if err != nil || r.Holder == h.sam.Reviewer.Holder {
			t.Fatalf("the invitation: %+v, %v", r, err)
		}
		h.enroll(r.Holder, "")
		if err := h.desk.FinishInvitation(ctx, token); err != nil {
			t.Fatal(err)
		}
		if s := h.signIn("sam@host.example", r.Holder); s.Reviewer.ID != h.sam.Reviewer.ID {
			t.Errorf("signed in as %+v", s.Reviewer)
		}
		news, err := h.desk.News(ctx, h.rita)
		if err != nil || !strings.Contains(news, "Sam was reset by two admins") {
			t.Errorf("news %q, %v", news, err)
		}
		if news, _ := h.desk.News(ctx, h.rita); news != "" {
			t.Errorf("told twice: %q", news)
		}
		if _, err := h.desk.VerifyAudit(ctx); err != nil {
			t.Error(err)
		}
	})
}

// invitationTo returns the token of the one link in the letters, which must go to
// one address.
func invitationTo(t testing.TB, letters []letter, to string) string {
	t.Helper()
	var token string
	for _, l := range letters {
		for _, m := range invitationPattern.FindAllStringSubmatch(l.text, -1) {
			if token != "" || l.to != to {
				t.Fatalf("a link to come in with in a letter to %s: %s", l.to, l.text)
			}
			token = m[1]
		}
	}
	if token == "" {
		t.Fatalf("no invitation to %s in %d letters", to, len(letters))
	}
	return token
}

var invitationPattern = regexp.MustCompile(`(?m)^https://reset\.example/invite/([0-9A-Z]{52})$`)

func told(letters []letter) string {
	var to []string
	for _, l := range letters {
		to = append(to, l.to)
	}
	slices.Sort(to)
	return strings.Join(to, " ")
}

// The host brings the last admin back. It is in the audit, and everybody who
// matters hears of it.
func TestRecover(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		mia := h.reviewer("mia@host.example", "Mia", review.Admin)
		_, _, err := h.desk.Recover(ctx, "rita@host.example", " ")
		wantKind(t, "without a reason", err, review.Invalid)
		_, _, err = h.desk.Recover(ctx, "nobody@host.example", "x")
		wantKind(t, "nobody", err, review.NotFound)
		p, token, err := h.desk.Recover(ctx, " Rita@host.example", "lost the phone")
		if err != nil || p.Email != "rita@host.example" {
			t.Fatalf("%+v, %v", p, err)
		}
		_, err = h.desk.Profile(ctx, h.rita)
		wantKind(t, "a session of before", err, review.Denied)
		letters := h.post()
		if got := told(letters); got != "mia@host.example rita@host.example" {
			t.Errorf("told: %s", got)
		}
		for _, l := range letters {
			if !strings.Contains(l.text, "operator of the host") || strings.Contains(l.text, token) {
				t.Errorf("the letter says %s", l.text)
			}
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE actor = 'host' AND action = 'reviewer.recovered' AND detail LIKE '%lost the phone%'`); n != 1 {
			t.Errorf("%d events", n)
		}
		news, err := h.desk.News(ctx, mia)
		if err != nil || !strings.Contains(news, "by the operator on the host") {
			t.Errorf("news %q, %v", news, err)
		}
		r, err := h.desk.AcceptInvitation(ctx, token, goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		h.enroll(r.Holder, "")
		if err := h.desk.FinishInvitation(ctx, token); err != nil {
			t.Fatal(err)
		}
		h.signIn("rita@host.example", r.Holder)
	})
}
