package review_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// An attacker is one who guesses for a day: from where the nth guess comes, and how
// long the pause is before the next, unless the desk asks for a longer one and she
// heeds it: who waits as told gains the most.
type attacker struct {
	name  string
	from  func(n int) string
	pause time.Duration
	heeds bool
	bound int // guesses that are compared
}

func oneNetwork(int) string     { return "203.0.113.9" }
func sameNetwork(int) string    { return "127.0.0.99" } // where Sam works
func manyNetworks(n int) string { return fmt.Sprintf("%d.%d.%d.9", 20+n/65536, n/256%256, n%256) }
func threeOnes(n int) string    { return fmt.Sprintf("198.51.%d.%d", n%3, n%250+1) }

// guesses counts the guesses of a day: what was tried, and what was compared. try
// returns the wait that the desk asks for, 0 if none.
func (a attacker) guesses(compared func() int, try func(n int) time.Duration) (tried, of int) {
	before := compared()
	for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); tried++ {
		if wait := try(tried); wait > 0 && a.heeds {
			time.Sleep(min(wait, time.Until(end)))
		} else {
			time.Sleep(a.pause)
		}
	}
	return tried, compared() - before
}

func (a attacker) report(t *testing.T, what string, tried, compared int) {
	t.Helper()
	t.Logf("guesses of a day at %s, from %s: tried %d, compared %d, at most %d", what, a.name, tried, compared, a.bound)
	if compared > a.bound || compared < a.bound/4 {
		t.Errorf("%d guesses were compared, want at most %d and not far less", compared, a.bound)
	}
}

func (h *house) number(query string) int {
	h.t.Helper()
	n, err := strconv.Atoi(h.text(query))
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// wait is how long a refusal asks to wait.
func wait(err error) time.Duration {
	var refused *review.Error
	var locked *totp.LockedError
	switch {
	case errors.As(err, &refused):
		return refused.Wait
	case errors.As(err, &locked):
		return locked.RetryAfter
	}
	return 0
}

// A day of guesses at a password, as fast as the desk lets them through: few are
// compared, and Sam comes in all the while, at the usual place and, with a passkey,
// anywhere.
func TestGuessesOfADayAtAPassword(t *testing.T) {
	// From one network: four free, then waits of 30 s to 15 min. From many: the
	// ceiling of 20, then one a minute.
	for _, a := range []attacker{{"one network", oneNetwork, time.Second, true, 106}, {"Sam's own network", sameNetwork, time.Second, true, 106},
		{"three networks", threeOnes, 10 * time.Second, false, 318}, {"a new network each time", manyNetworks, 20 * time.Second, false, 20 + 24*60}} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			key := h.addPasskey(h.sam, "key")
			if err := h.samFrom("192.0.2.44"); err != nil {
				t.Fatal(err)
			}
			tried, compared := a.guesses(func() int { return h.number(`SELECT failures FROM reviewer WHERE email = 'sam@host.example'`) }, func(n int) time.Duration {
				_, err := h.desk.SignIn(t.Context(), review.SignIn{Email: "sam@host.example", Password: "another long password", Code: "000000", IP: a.from(n)})
				return wait(err)
			})
			a.report(t, "a password", tried, compared)
			if _, err := h.desk.SignInByPasskey(t.Context(), h.askSignIn(key), review.Entry{IP: "100.64.0.1"}); err != nil {
				t.Errorf("from %s: Sam's passkey at a new place: %v", a.name, err)
			}
			if err := h.samFrom("192.0.2.45"); err != nil {
				t.Errorf("from %s: Sam at a usual place: %v", a.name, err)
			}
		})
	}
}

// A day of guesses at the second factor by somebody who has the password: codes,
// backup codes, at the sign-in and at each act that asks for one, on one count. Only
// this locks Sam's codes; a passkey comes in all the same, and two admins reset.
func TestGuessesOfADayAtACode(t *testing.T) {
	for _, a := range []attacker{{"one network", oneNetwork, time.Second, true, 50}, {"a new network each time", manyNetworks, time.Minute, false, 50}} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			key := h.addPasskey(h.sam, "key")
			tried, compared := a.guesses(func() int {
				return h.number(`SELECT day_failures FROM holder WHERE id = '` + h.sam.Reviewer.Holder + `'`)
			}, func(n int) time.Duration {
				code := fmt.Sprintf("%06d", n)
				if n%3 == 0 {
					code = "AAAA-BBBB-CCCC-D"
				}
				_, err := h.desk.SignIn(t.Context(), review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: code, IP: a.from(n)})
				return min(wait(err), time.Hour)
			})
			a.report(t, "a code", tried, compared)
			token, err := h.desk.SignInByPasskey(t.Context(), h.askSignIn(key), review.Entry{IP: "100.64.0.1"})
			if err != nil {
				t.Fatalf("from %s: Sam's passkey: %v", a.name, err)
			}
			sam, err := h.desk.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.desk.ChangePassword(t.Context(), sam, goodPassword, "a password that nobody knows", h.askStepUp(sam, key)); err != nil {
				t.Errorf("from %s: Sam ends it with a passkey: %v", a.name, err)
			}
		})
	}
}

// A day of guesses at the factor of a user of the panel, by every verb at once.
func TestGuessesOfADayAtAUser(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		a := attacker{"every verb", nil, time.Second, true, 50}
		book := h.desk.Book()
		tried, compared := a.guesses(func() int { return h.number(`SELECT day_failures FROM holder WHERE id = 'U-2'`) }, func(n int) time.Duration {
			ctx, code := t.Context(), fmt.Sprintf("%06d", n)
			var err error
			switch n % 5 {
			case 0:
				_, err = book.Verify(ctx, "U-2", code, totp.Web)
			case 1:
				_, err = book.Verify(ctx, "U-2", "AAAA-BBBB-CCCC-D", totp.API)
			case 2:
				_, err = book.RenewBackupCodes(ctx, "U-2", totp.Proof{Code: code})
			case 3:
				_, err = book.Begin(ctx, "U-2", "x", totp.Proof{Code: code})
			case 4:
				err = book.TurnOff(ctx, "U-2", totp.Proof{Code: code})
			}
			return min(wait(err), time.Hour)
		})
		a.report(t, "a user's factor", tried, compared)
	})
}

// Links, passes and keys are too long to guess, so nothing counts: what is wrong is
// refused, nothing is written, nobody waits.
func TestGuessesAtLinks(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		const version = `PRAGMA data_version` // which every commit of another connection changes
		const tokens = 2000
		before := h.number(version)
		for i := range tokens {
			token := fmt.Sprintf("%052d", i)
			if err := h.desk.Answer(t.Context(), token, review.Reply{Yes: true}); review.KindOf(err) != review.NotFound {
				t.Fatalf("a wrong link: %v", err)
			}
			if v, err := h.desk.Owner(t.Context(), token); err != nil || v.Found {
				t.Fatalf("a wrong link: %v", err)
			}
			if _, err := h.desk.Invitation(t.Context(), token); review.KindOf(err) != review.NotFound {
				t.Fatalf("a wrong invitation: %v", err)
			}
			if _, err := h.desk.APIKey(t.Context(), "rdk_"+token); review.KindOf(err) != review.Denied {
				t.Fatalf("a wrong key: %v", err)
			}
			if _, err := h.desk.Authenticate(t.Context(), token); review.KindOf(err) != review.Denied {
				t.Fatalf("a wrong session: %v", err)
			}
		}
		if h.number(version) != before {
			t.Fatal("wrong links wrote something")
		}
		t.Logf("guesses at links, invitations, keys and sessions: tried %d, none let in, nothing written", 5*tokens)
		_, key, err := h.desk.AddAPIKey(t.Context(), review.APIKey{Name: "k", Scopes: review.Scopes})
		if err != nil {
			t.Fatal(err)
		}
		invite, err := h.desk.Invite(t.Context(), "host", "new@host.example", "New", review.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		if h.number(version) == before {
			t.Error("a write would not be seen")
		}
		for what, token := range map[string]string{"a key": strings.TrimPrefix(key, "rdk_"), "an invitation": invite} {
			if bits := 5 * len(token); bits < 256 || strings.Trim(token, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" {
				t.Errorf("%s has %d bits: %q", what, bits, token)
			}
		}
	})
}
