package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The limits of guessing (NIST SP 800-63B-4 3.2.2). With three steps of six
// digits a guess hits one authenticator with 3e-6. Five guesses are free, then
// each costs twice the wait of the one before, up to 15 minutes, until a right
// code ends the row; after 100 in a row the user stays locked until [Clear] or
// [Unfreeze].
//
// A right code does not give a guesser who waits for it new guesses: there are
// 50 wrong codes a day, then the user is locked until that day ends. One that is
// compared with two authenticators counts twice, so that one that comes or goes
// gains nothing, but for one comparison when it is added right before the last
// guess of a day. A day begins with the first code after the last one ended, so
// that any 24 hours touch two of them at most: 100 guesses, a chance below 3e-4,
// or of 3.03e-4 in that one case.
const (
	freeFailures  = 5
	dayFailures   = 50
	alarmFailures = 50
	maxFailures   = 100
	firstDelay    = 15 * time.Second
	longestDelay  = 15 * time.Minute
	alarmDelay    = 24 * time.Hour
	foreverDelay  = 100 * 365 * 24 * time.Hour
	toldDelay     = time.Minute // the first wait that is noted
)

// A tally is what the count of an attempt says, if it fails too.
type tally struct {
	devices int   // it is compared with
	row     int   // failures in a row
	today   int   // failures since from, each times its devices
	from    int64 // begin of the day
}

// delay is the wait after so many failures in a row.
func delay(failures int) time.Duration {
	switch {
	case failures < freeFailures:
		return 0
	case failures < alarmFailures:
		if n := failures - freeFailures; n < 6 {
			return firstDelay << n // 15 s … 8 min
		}
		return longestDelay
	case failures < maxFailures:
		return alarmDelay
	}
	return foreverDelay
}

func locked(until int64, now time.Time) *LockedError {
	left := time.UnixMicro(until).Sub(now)
	return &LockedError{RetryAfter: (left + time.Second - 1).Truncate(time.Second)}
}

// count takes one attempt off the user's budgets. It comes before every
// comparison, and in one statement with the check of the lock, so that parallel
// guesses queue up behind each other's row. The caller's transaction commits it
// together with the outcome, and nobody learns an outcome before that commit: a
// crash can take back only an attempt that was never answered. A clock that is
// set back neither ends a lock nor forgets a failure.
func (b *Book) count(ctx context.Context, tx *sql.Tx, user string, devices int, now time.Time) (n tally, err error) {
	n.devices = devices
	err = b.hot(ctx, tx, countAttempt).QueryRowContext(ctx, user, now.UnixMicro(), now.Add(-day).UnixMicro(), devices).Scan(&n.row, &n.today, &n.from)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return n, fmt.Errorf("count attempt: %w", err)
	}
	var until int64
	var frozen bool
	err = tx.QueryRowContext(ctx, `SELECT locked_until, frozen_at IS NOT NULL FROM holder WHERE id = $1`, user).Scan(&until, &frozen)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return n, ErrUnknownUser
	case err != nil:
		return n, fmt.Errorf("count attempt: %w", err)
	case frozen:
		return n, ErrFrozen
	}
	return n, locked(until, now)
}

// missed lets the counted attempt stand, sets the wait and notes it. It returns
// why, the refusal to give.
func missed(ctx context.Context, tx *sql.Tx, user string, n tally, now time.Time, why error) error {
	wait := delay(n.row)
	until := now.Add(wait).UnixMicro()
	spent := n.today >= dayFailures
	if spent {
		until = max(until, n.from+day.Microseconds())
	}
	if wait == 0 && !spent {
		return why
	}
	if _, err := tx.ExecContext(ctx, `UPDATE holder SET locked_until = $1 WHERE id = $2`, until, user); err != nil {
		return fmt.Errorf("lock holder: %w", err)
	}
	if wait >= toldDelay && delay(n.row-1) < toldDelay {
		if err := noteOnce(ctx, tx, user, EventLocked, now, now, strconv.Itoa(n.row)); err != nil {
			return err
		}
	}
	if spent || n.row >= alarmFailures {
		if err := noteOnce(ctx, tx, user, EventAlarm, now, time.UnixMicro(n.from), strconv.Itoa(n.today/n.devices)); err != nil {
			return err
		}
	}
	return why
}

// passed ends a row of failures. The day's are kept.
func (b *Book) passed(ctx context.Context, tx *sql.Tx, user string, n tally, now time.Time) error {
	_, err := b.hot(ctx, tx, endFailures).ExecContext(ctx, now.UnixMicro(), user, n.devices)
	if err != nil {
		return fmt.Errorf("reset failures: %w", err)
	}
	return nil
}

// uncounted takes back the count of an attempt that was neither wrong nor a
// success, and returns why, the refusal to give.
func uncounted(ctx context.Context, tx *sql.Tx, user string, n tally, why error) error {
	if _, err := tx.ExecContext(ctx, `UPDATE holder SET failures = failures - 1, day_failures = day_failures - $2 WHERE id = $1`, user, n.devices); err != nil {
		return fmt.Errorf("uncount attempt: %w", err)
	}
	return why
}
