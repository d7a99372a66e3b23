package totp_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// T3: an attacker who tries without a pause, at every moment it is allowed and
// with codes of both kinds, gets at most 100 guesses evaluated in any virtual
// day (we: 50), less than 3e-4 of success with three steps of six digits, and
// 100 in a row at most. The reset stays open all the while.
func TestGuessesAreLimited(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		var evaluated []time.Time
		begun := time.Now()
		for i := 0; time.Since(begun) < 80*24*time.Hour; i++ {
			guess := "0000-0000-0000-0"
			if i%2 == 0 {
				guess = wrong(key, time.Now())
			}
			err := d.verify(guess)
			var locked *totp.LockedError
			switch {
			case errors.Is(err, totp.ErrInvalidCode):
				evaluated = append(evaluated, time.Now())
			case errors.As(err, &locked):
				if locked.RetryAfter > 365*24*time.Hour {
					begun = time.Time{}
					break
				}
				if locked.RetryAfter > time.Second {
					time.Sleep(locked.RetryAfter - time.Second)
					if err := d.verify(at(key, time.Now())); !errors.As(err, &locked) {
						d.Fatalf("a second too early: %v", err)
					}
					time.Sleep(time.Second)
				}
			default:
				d.Fatal(err)
			}
		}
		if len(evaluated) != 100 {
			d.Errorf("%d guesses in a row evaluated", len(evaluated))
		}
		most := 0
		for i, from := range evaluated {
			n := 0
			for _, at := range evaluated[i:] {
				if at.Sub(from) < 24*time.Hour {
					n++
				}
			}
			most = max(most, n)
		}
		if chance := float64(most) * 3 / 1e6; most > 100 || chance >= 3e-4 {
			d.Errorf("%d guesses in a day, a chance of %g", most, chance)
		}
		d.Logf("%d guesses in a day at most, %d in a row", most, len(evaluated))
		if s := d.status(jane); !s.Alarm || s.Failures != 100 || !s.LockedUntil.After(time.Now()) {
			d.Errorf("status %+v", s)
		}
		var locked *totp.LockedError
		if err := d.verify(codes[0]); !errors.As(err, &locked) {
			d.Errorf("a right code while locked: %v", err)
		}
		// A lock is no way to keep a user from a reset, and ends with it.
		pass := d.reset(1)
		if s := d.status(jane); s.Failures != 0 || s.LockedUntil.After(time.Now()) || s.Alarm {
			d.Errorf("after a reset: %+v", s)
		}
		d.enroll(jane, totp.Proof{Pass: pass})
	})
}

// T3: five failures are free, a success ends the row, and so does a person.
func TestFailuresAndSuccess(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		fail := func(n int) {
			for range n {
				d.wants("wrong code", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
			}
		}
		fail(4)
		d.must(d.verify(at(key, time.Now())))
		if n := d.status(jane).Failures; n != 0 {
			d.Fatalf("%d failures after a success", n)
		}
		time.Sleep(time.Minute)
		fail(4)
		d.must(d.verify(codes[0])) // a backup code is a success too
		fail(5)
		var locked *totp.LockedError
		if err := d.verify(at(key, time.Now())); !errors.As(err, &locked) || locked.RetryAfter != 15*time.Second {
			d.Fatalf("after five failures: %v", err)
		}
		// Renewing codes, or a new pass, does not help (T3: no new code resets it).
		_, err := d.book.RenewBackupCodes(d.Context(), jane, totp.Proof{Code: codes[1]})
		if !errors.As(err, &locked) {
			d.Errorf("renew while locked: %v", err)
		}
		_, err = d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: codes[1]})
		if !errors.As(err, &locked) {
			d.Errorf("begin while locked: %v", err)
		}
		time.Sleep(15 * time.Second)
		fail(1)
		if err := d.verify(codes[1]); !errors.As(err, &locked) || locked.RetryAfter != 30*time.Second {
			d.Errorf("after six failures: %v", err)
		}
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
		d.must(d.verify(codes[1]))
	})
}

// A right code that was used is neither a failure nor a success: two people who
// share a login do not lock each other out, and nobody resets the counter by a
// replay.
func TestUsedCodeLeavesCounter(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		code := at(key, time.Now())
		d.must(d.verify(code))
		d.wants("wrong code", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		for range 20 {
			d.wantsUsed("replay", d.verify(code))
		}
		if n := d.status(jane).Failures; n != 1 {
			d.Errorf("%d failures", n)
		}
		wait := d.wantsUsed("replay", d.verify(code))
		time.Sleep(wait)
		d.must(d.verify(at(key, time.Now())))
	})
}
