package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

func (h *house) signal(user string, s review.Signal) {
	h.t.Helper()
	if err := h.desk.AddSignal(h.t.Context(), user, s); err != nil {
		h.t.Fatal(err)
	}
}

// Design 4, strong contrary evidence: a login with the second factor holds the
// case in the transaction of the signal; another login does not.
func TestPanelLoginHolds(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal review.Signal
		ago    time.Duration
		held   bool
	}{
		{"with the second factor", review.Signal{Kind: review.LoggedIn, SecondFactor: true}, 0, true},
		{"by a slow clock", review.Signal{Kind: review.LoggedIn, SecondFactor: true}, 4 * time.Minute, true},
		{"by a fast clock", review.Signal{Kind: review.LoggedIn, SecondFactor: true}, -5 * time.Minute, true},
		{"before the request", review.Signal{Kind: review.LoggedIn, SecondFactor: true}, 30 * time.Minute, false},
		{"without it", review.Signal{Kind: review.LoggedIn}, 0, false},
		{"failed", review.Signal{Kind: review.LoginFailed}, 0, false},
		{"password", review.Signal{Kind: review.PasswordVerified}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				v, letters := h.ask("anna@acme.example", forUser("jane"))
				h.vote(h.rita, v.Number)
				c.signal.At = time.Now().Add(-c.ago)
				h.signal("U-2", c.signal)
				v = h.view(v.Number)
				if held := v.State == review.StateHeld; held != c.held || c.held && v.HeldBy != "verified" {
					t.Fatalf("%s by %q", v.State, v.HeldBy)
				}
				h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
				h.work()
				if v = h.view(v.Number); v.State == review.StateCleared == c.held {
					t.Errorf("%s at the end", v.State)
				}
			})
		})
	}
}

// A login that came in while a person had the case on hold still counts, and so
// does one from before it was known whom the case is for.
func TestPanelLoginIsKept(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		if err := h.desk.Hold(t.Context(), h.rita, decision(v, "", "lunch")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		h.signal("U-2", review.Signal{Kind: review.LoggedIn, SecondFactor: true})
		time.Sleep(10 * time.Minute)
		if err := h.desk.ResumeCase(t.Context(), h.rita, decision(h.view(v.Number), "", "back")); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v := h.view(v.Number); v.State != review.StateHeld || v.HeldBy != "verified" {
			t.Fatalf("%s by %q", v.State, v.HeldBy)
		}
		time.Sleep(10 * time.Minute)
		if err := h.desk.ResumeCase(t.Context(), h.rita, decision(h.view(v.Number), "", "it was a test of ours")); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v := h.view(v.Number); v.State != review.StateOpen {
			t.Errorf("%s: the new round still counts the old login", v.State)
		}
	})
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", "A phone got lost. Please reset the two-factor authentication.")
		if v.UserID != "" {
			t.Fatalf("the mail names %s", v.UserID)
		}
		time.Sleep(time.Minute)
		h.signal("U-2", review.Signal{Kind: review.LoggedIn, SecondFactor: true})
		if err := h.desk.Resolve(t.Context(), h.rita, review.Resolution{Number: v.Number, Version: v.Version, UserID: "U-2"}); err != nil {
			t.Fatal(err)
		}
		h.work()
		if v := h.view(v.Number); v.State != review.StateHeld || v.HeldBy != "verified" {
			t.Errorf("%s by %q", v.State, v.HeldBy)
		}
	})
}

// The page says in words what the panel saw.
func TestSignalEvidence(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.signal("U-2", review.Signal{Kind: review.PasswordVerified, IP: "192.0.2.7"})
		time.Sleep(20 * time.Minute)
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		for range 3 {
			h.signal("U-2", review.Signal{Kind: review.LoginFailed, IP: "192.0.2.9"})
		}
		h.signal("U-1", review.Signal{Kind: review.LoginFailed, IP: "192.0.2.10"})
		text := ""
		for _, c := range h.view(v.Number).Checks {
			text += c.Title + ": " + c.Result + ": " + c.Evidence + "\n"
		}
		for _, want := range []string{"Password: pass: The panel saw the password verified 20 min before the request from 192.0.2.7.",
			"Failed logins: warn: The panel saw 3 failed logins in the last 24 hours, the last one from 192.0.2.9."} {
			if !strings.Contains(text, want) {
				t.Errorf("%s\nlacks %q", text, want)
			}
		}
		time.Sleep(day)
		for _, c := range h.view(v.Number).Checks {
			if c.Title == "Failed logins" && c.Result != "pass" {
				t.Errorf("a day later: %+v", c)
			}
		}
	})
}

// A vote is over what the panel said: a password that it verified after the page
// was loaded makes the page stale, failed logins at will do not.
func TestSignalsAndTheVote(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		h.signal("U-2", review.Signal{Kind: review.LoginFailed})
		if got := h.view(v.Number).EvidenceHash; got != v.EvidenceHash {
			t.Error("a failed login changed the evidence")
		}
		h.signal("U-2", review.Signal{Kind: review.PasswordVerified})
		if got := h.view(v.Number).EvidenceHash; got == v.EvidenceHash {
			t.Error("a verified password did not change the evidence")
		}
	})
}

// Bounds: in time, in number, and each kind by itself.
func TestSignalBounds(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx, now := t.Context(), time.Now()
		for name, c := range map[string]struct {
			user string
			s    review.Signal
			kind review.Kind
		}{
			"unknown kind":         {"U-2", review.Signal{Kind: "walked_in"}, review.Invalid},
			"unknown user":         {"U-99", review.Signal{Kind: review.LoggedIn}, review.NotFound},
			"a reviewer":           {"staff:1", review.Signal{Kind: review.LoggedIn}, review.NotFound},
			"failed with a factor": {"U-2", review.Signal{Kind: review.LoginFailed, SecondFactor: true}, review.Invalid},
			"to come":              {"U-2", review.Signal{Kind: review.LoggedIn, At: now.Add(5*time.Minute + 1)}, review.Invalid},
			"of yesterday":         {"U-2", review.Signal{Kind: review.LoggedIn, At: now.Add(-24*time.Hour - 1)}, review.Invalid},
			"just to come":         {"U-2", review.Signal{Kind: review.LoggedIn, At: now.Add(5 * time.Minute)}, ""},
			"just of today":        {"U-2", review.Signal{Kind: review.LoggedIn, At: now.Add(-24 * time.Hour)}, ""},
		} {
			wantOutcome(t, name, h.desk.AddSignal(ctx, c.user, c.s), c.kind)
		}
		for range 60 {
			h.signal("U-2", review.Signal{Kind: review.LoginFailed})
		}
		wantKind(t, "the 61st", h.desk.AddSignal(ctx, "U-2", review.Signal{Kind: review.LoginFailed}), review.TooMany)
		h.signal("U-1", review.Signal{Kind: review.LoginFailed})
		h.signal("U-2", review.Signal{Kind: review.LoggedIn, SecondFactor: true})
		time.Sleep(time.Hour)
		h.signal("U-2", review.Signal{Kind: review.LoginFailed})
	})
}

// Signals are forgotten after 90 days, and not before.
func TestSignalsAreForgotten(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.signal("U-2", review.Signal{Kind: review.LoginFailed})
		time.Sleep(45 * day)
		h.signal("U-2", review.Signal{Kind: review.LoginFailed})
		for _, c := range []struct {
			wait         time.Duration
			left, events int
		}{{45*day - time.Minute, 2, 0}, {2 * time.Minute, 1, 1}, {45 * day, 0, 2}, {day, 0, 2}} {
			time.Sleep(c.wait)
			if err := h.desk.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, e := h.count(`SELECT count(*) FROM signal`), h.count(`SELECT count(*) FROM audit WHERE action = 'signals.forgotten'`); n != c.left || e != c.events {
				t.Errorf("%d signals and %d events, want %d and %d", n, e, c.left, c.events)
			}
		}
	})
}

// What was cut behind the event that the schema asks for goes on at once, not a day later.
func TestSignalsAreForgottenAfterACut(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.signal("U-2", review.Signal{Kind: review.LoginFailed})
		time.Sleep(91 * day)
		write := func(query string) {
			if _, err := h.sql().ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		write(`CREATE TRIGGER cut BEFORE DELETE ON signal BEGIN SELECT RAISE(ABORT, 'cut'); END`)
		if h.desk.Purge(t.Context()) == nil {
			t.Fatal("the trigger cuts nothing")
		}
		write(`DROP TRIGGER cut`)
		if err := h.desk.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, e := h.count(`SELECT count(*) FROM signal`), h.count(`SELECT count(*) FROM audit WHERE action = 'signals.forgotten'`); n != 0 || e != 1 {
			t.Errorf("%d signals and %d events", n, e)
		}
	})
}
