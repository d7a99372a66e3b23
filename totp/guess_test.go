package totp_test

import (
	"database/sql"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// window is the most of times that fall into any 24 hours.
func window(times []time.Time) (most int) {
	from := 0
	for to := range times {
		for times[to].Sub(times[from]) >= 24*time.Hour {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// chance is what n guesses hit, each with three steps of every device.
func chance(n, devices int) float64 { return 1 - math.Pow(1-1e-6, float64(3*n*devices)) }

// besiege lets an attacker who knows the password try for days, as fast as it
// goes, in the hours that strikes chooses, while the user signs in at every full
// hour if the lock lets it. The attacker sees to that: a right code ends the row
// of failures, and with it the long waits. It returns when guesses were compared,
// and how often the user got in.
func (d *desk) besiege(days int, key totp.Key, strikes func(hour int) bool) (evaluated []time.Time, signedIn int) {
	for hour := range 24 * days {
		if d.verify(at(key, time.Now())) == nil {
			signedIn++
		}
		next := time.Now().Truncate(time.Hour).Add(time.Hour)
		for strikes(hour) && time.Until(next) > 15*time.Minute {
			err := d.verify(wrong(key, time.Now()))
			var locked *totp.LockedError
			switch {
			case errors.As(err, &locked) && time.Now().Add(locked.RetryAfter).Before(next):
				time.Sleep(locked.RetryAfter)
			case errors.As(err, &locked):
				time.Sleep(time.Until(next))
			case errors.Is(err, totp.ErrInvalidCode):
				evaluated = append(evaluated, time.Now())
			default:
				d.Fatal(err)
			}
		}
		time.Sleep(time.Until(next))
	}
	return evaluated, signedIn
}

// T3: whoever knows the password and waits for the user to sign in gets no more
// guesses by that: in any 24 hours less than 3e-4, with one device and with two,
// also around the end of a day. A right code that clears the day's count turns
// this red.
func TestSuccessGivesNoGuesses(t *testing.T) {
	for devices := 1; devices <= 2; devices++ {
		for what, strikes := range map[string]func(hour int) bool{
			"always":           func(int) bool { return true },
			"around midnight":  func(hour int) bool { return hour >= 18 && hour < 30 || hour >= 66 && hour < 78 },
			"every other hour": func(hour int) bool { return hour%2 == 0 },
		} {
			t.Run(strconv.Itoa(devices)+" "+what, func(t *testing.T) {
				inBubble(t, func(d *desk) {
					key, _ := d.enroll(jane, totp.Proof{})
					if devices == 2 {
						d.addDevice(jane, "tablet", key)
					}
					time.Sleep(time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)))
					d.unfreeze() // the day begins now
					evaluated, signedIn := d.besiege(4, key, strikes)
					most := window(evaluated)
					if p := chance(most, devices); p >= 3e-4 || most > 100/devices {
						t.Errorf("%d guesses in 24 hours: %g", most, p)
					}
					alarms := strings.Count(d.kinds(jane), "alarm")
					if signedIn < 8 || alarms < 3 || alarms > 4 || len(evaluated) < 150/devices {
						t.Errorf("the user got in %d times, %d guesses, %d alarms: no siege", signedIn, len(evaluated), alarms)
					}
					t.Logf("%d guesses in four days, %d in 24 hours: %.3g; the user got in %d times, %d alarms",
						len(evaluated), most, chance(most, devices), signedIn, alarms)
				})
			})
		}
	}
}

// T3: the day's wrong codes are used up at 50 whatever the way they are spread,
// and the lock ends with the day that began with the first of them.
func TestDayBudget(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		begun := time.Now()
		for i := range 50 {
			if i%4 == 3 {
				d.must(d.verify(at(key, time.Now())))
				time.Sleep(time.Minute)
			}
			d.wants("wrong", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		}
		var locked *totp.LockedError
		end := begun.Add(24 * time.Hour)
		if err := d.verify(at(key, time.Now())); !errors.As(err, &locked) || !time.Now().Add(locked.RetryAfter).Equal(end) {
			d.Errorf("after 50: %v; want until %v", err, end)
		}
		if s := d.status(jane); !s.Alarm || !s.LockedUntil.Equal(end) {
			d.Errorf("status %+v", s)
		}
		if got := d.kinds(jane); got != "enrolled alarm" {
			d.Errorf("events %s", got)
		}
		time.Sleep(time.Until(end))
		d.must(d.verify(at(key, time.Now())))
		if d.status(jane).Alarm {
			d.Error("an alarm on the next day")
		}
	})
}

// T3: a guess is compared with each authenticator there is, and counts for each:
// who removes one, or adds one, leaves an attacker no more than was left. Counting
// guesses alone turns this red: 74 times at a device in one day, 124 in 24 hours.
func TestDevicesGiveNoGuesses(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		second := d.addDevice(jane, "tablet", key)
		time.Sleep(24 * time.Hour)
		compared := 0
		guess := func(devices, most int) {
			for range most {
				var locked *totp.LockedError
				err := d.verify(wrong(key, time.Now()))
				for errors.As(err, &locked) && locked.RetryAfter <= 15*time.Minute {
					time.Sleep(locked.RetryAfter)
					err = d.verify(wrong(key, time.Now()))
				}
				if errors.As(err, &locked) {
					return
				}
				d.wants("wrong", err, totp.ErrInvalidCode)
				compared += devices
			}
		}
		guess(2, 24)
		time.Sleep(15 * time.Minute)
		list, err := d.book.Devices(d.Context(), jane)
		d.must(err)
		d.must(d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{Code: codes[0]}))
		key = second
		guess(1, 50)
		if compared != 50 {
			d.Errorf("%d comparisons in a day, want 50", compared)
		}
	})
}

// A row of failures that costs a minute is noted, once.
func TestLockedIsNoted(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		for range 2 {
			time.Sleep(time.Hour)
			for range 10 {
				err := d.verify(wrong(key, time.Now()))
				var locked *totp.LockedError
				for errors.As(err, &locked) {
					time.Sleep(locked.RetryAfter)
					err = d.verify(wrong(key, time.Now()))
				}
			}
			time.Sleep(time.Hour)
			d.must(d.verify(at(key, time.Now())))
		}
		if got := d.kinds(jane); got != "enrolled locked locked" {
			d.Errorf("events %s", got)
		}
	})
}

// However long an attacker keeps a user locked, the way back stays open: a reset
// lifts the lock, its pass can be issued, and the right pass and the enrollment
// are taken while wrong passes lock the user again and again.
func TestLockNeverClosesTheReset(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		attack := func(days int, try func() error) {
			for begun := time.Now(); time.Since(begun) < time.Duration(days)*24*time.Hour; time.Sleep(10 * time.Minute) {
				for range 6 {
					if err := try(); err == nil {
						d.Fatal("the attacker got in")
					}
				}
			}
		}
		attack(7, func() error { return d.verify("000000") })
		pass := d.reset(1)
		_ = pass
		attack(7, func() error { return d.begin(totp.Proof{Pass: strings.Repeat("0", 24)}) })
		if s := d.status(jane); !s.LockedUntil.After(time.Now()) {
			d.Fatalf("not locked: %+v", s)
		}
		d.must(d.tx(func(tx *sql.Tx) (err error) {
			pass, _, err = d.book.IssuePass(d.Context(), tx, jane, 1, time.Now())
			return err
		}))
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Pass: pass})
		d.must(err)
		d.wants("a slip", func() error { _, err := d.book.Confirm(d.Context(), jane, e.ID, wrong(e.Key, time.Now())); return err }(), totp.ErrInvalidCode)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.must(err)
		time.Sleep(time.Minute)
		d.must(d.verify(at(e.Key, time.Now())))
	})
}

// Wrong codes of an enrollment count on the enrollment: 20 end it, and nobody
// else's guesses, nor a lock, keep its owner from confirming.
func TestConfirmMisses(t *testing.T) {
	inBubble(t, func(d *desk) {
		confirm := func(e totp.Enrollment, code string) error {
			_, err := d.book.Confirm(d.Context(), jane, e.ID, code)
			return err
		}
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{})
		d.must(err)
		for range 20 {
			d.wants("wrong", confirm(e, wrong(e.Key, time.Now())), totp.ErrInvalidCode)
		}
		if n := d.status(jane).Failures; n != 0 {
			d.Errorf("%d failures of the user", n)
		}
		d.wants("the right one, too late", confirm(e, at(e.Key, time.Now())), totp.ErrExpired)
		_, err = d.book.Pending(d.Context(), jane, e.ID)
		d.wants("shown again", err, totp.ErrExpired)
		key, codes := d.enroll(jane, totp.Proof{})
		e, err = d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: codes[0]})
		d.must(err)
		for range 5 {
			d.wants("somebody else", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		}
		d.must(confirm(e, at(e.Key, time.Now())))
		time.Sleep(time.Minute)
		d.must(d.verify(at(e.Key, time.Now())))
	})
}

func (d *desk) drift(what string, err error, want time.Duration) {
	d.Helper()
	var drift *totp.DriftError
	if !errors.As(err, &drift) || drift.Drift != want || !errors.Is(err, totp.ErrInvalidCode) {
		d.Errorf("%s: %v; want a drift of %v", what, err, want)
	}
}

// RFC 6238 6: a device whose clock is off is told so and never let in. A slow
// one at once, a fast one at its second code.
func TestDrift(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Hour)
		for n := 2; n <= 10; n++ {
			off := -time.Duration(n) * 30 * time.Second
			d.drift("slow", d.verify(at(key, time.Now().Add(off))), off)
			time.Sleep(16 * time.Minute)
			d.must(d.verify(at(key, time.Now())))
			time.Sleep(16 * time.Minute)
		}
		d.plain("too far", d.verify(at(key, time.Now().Add(-11*30*time.Second))))
		time.Sleep(48 * time.Hour)
		d.must(d.verify(at(key, time.Now())))
		time.Sleep(time.Minute)
		const fast = 2 * time.Minute
		first := at(key, time.Now().Add(fast))
		d.plain("fast, the first time", d.verify(first))
		d.plain("the same again", d.verify(first))
		if n := d.status(jane).Failures; n != 2 {
			d.Errorf("%d failures", n)
		}
		time.Sleep(30 * time.Second)
		second := at(key, time.Now().Add(fast))
		d.drift("fast, the second time", d.verify(second), fast)
		time.Sleep(fast)
		if err := d.verify(second); err == nil {
			d.Error("a code that was hinted at is accepted when its time comes")
		}
		time.Sleep(30 * time.Second)
		d.must(d.verify(at(key, time.Now())))
		if got := d.status(jane).Failures; got != 0 {
			d.Errorf("%d failures", got)
		}
	})
}

// plain wants ErrInvalidCode and no hint.
func (d *desk) plain(what string, err error) {
	d.Helper()
	var drift *totp.DriftError
	if !errors.Is(err, totp.ErrInvalidCode) || errors.As(err, &drift) {
		d.Errorf("%s: %v; want no hint", what, err)
	}
}

// An enrollment tells a wrong clock at once, in both directions: whoever has its
// ticket has the key.
func TestDriftWhileEnrolling(t *testing.T) {
	inBubble(t, func(d *desk) {
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{})
		d.must(err)
		for _, off := range []time.Duration{-5 * time.Minute, -time.Minute, time.Minute, 5 * time.Minute} {
			_, err := d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now().Add(off)))
			d.drift("confirm", err, off)
		}
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.must(err)
	})
}

// Guessing gains nothing by hints, not even for a guesser who hits every step
// that is hinted at: what is told is never accepted, at once or when its time
// comes, so that the three steps of the window are all there is to hit.
func TestHintsAreWorthNothing(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		told := 0
		for n := -10; n <= 10; n++ {
			time.Sleep(time.Hour)
			guess := time.Now().Add(time.Duration(n) * 30 * time.Second)
			var drift *totp.DriftError
			if !errors.As(d.verify(at(key, guess)), &drift) {
				continue
			}
			told++
			d.wantsNo("a code that was hinted at", d.verify(at(key, guess)))
			time.Sleep(max(0, time.Until(guess)))
			d.wantsNo("a code that was hinted at, in its time", d.verify(at(key, guess)))
			d.unfreeze()
		}
		if told < 9+8 {
			d.Errorf("%d hints: nothing was tried", told)
		}
	})
}

func (d *desk) wantsNo(what string, err error) {
	d.Helper()
	if err == nil {
		d.Errorf("%s was accepted", what)
	}
}

// A clock that is set back opens nothing: a used step stays used, a lock stays,
// and the day's failures are not forgotten. (A code of a step that was never
// used is right again, as it must be.)
func TestClockSetBack(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Hour)
		code := at(key, time.Now())
		d.must(d.verify(code))
		for range 5 {
			d.wants("wrong", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		}
		// An hour back is the rows moved an hour ahead.
		d.must(d.exec(`DROP TRIGGER credential_fixed`))
		d.must(d.exec(`UPDATE holder SET day_from = day_from + 3600000000, locked_until = locked_until + 3600000000, verified_at = verified_at + 3600000000`))
		d.must(d.exec(`UPDATE credential SET last_step = last_step + 120`))
		var locked *totp.LockedError
		if err := d.verify(at(key, time.Now())); !errors.As(err, &locked) || locked.RetryAfter != time.Hour+15*time.Second {
			d.Errorf("a lock after the clock went back: %v", err)
		}
		time.Sleep(30 * time.Minute)
		d.must(d.exec(`UPDATE holder SET locked_until = 0`))
		d.wantsUsed("a step before the last accepted one", d.verify(at(key, time.Now())))
		d.wants("wrong", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		var today int
		var from int64
		d.must(d.db.QueryRow(`SELECT day_failures, day_from FROM holder WHERE id = $1`, jane).Scan(&today, &from))
		if today != 6 || from != time.Now().UnixMicro() {
			d.Errorf("%d failures since %d", today, from)
		}
	})
}

// T4: without skew the present step alone is accepted.
func TestNoSkew(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Hour)
		var err error
		d.book, err = totp.Open(d.db, d.keys, totp.Policy{Issuer: "Example Panel", Skew: -1})
		d.must(err)
		d.drift("the step before", d.verify(at(key, time.Now().Add(-30*time.Second))), -30*time.Second)
		d.plain("the step after", d.verify(at(key, time.Now().Add(30*time.Second))))
		d.must(d.verify(at(key, time.Now())))
	})
}
