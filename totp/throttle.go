package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// The limits of guessing (NIST SP 800-63B-4 3.2.2). With three steps of six
// digits a guess hits with 3e-6. Five guesses are free, then each costs twice
// the wait of the one before, up to 15 minutes; after 50 in a row the user is
// locked for a day at a time and the desk is alarmed; after 100 the user stays
// locked until [Clear] or [Unfreeze]. So nobody gets more than 50 guesses in
// any day without a success between them: a chance of 1.5e-4.
const (
	freeFailures  = 5
	alarmFailures = 50
	maxFailures   = 100
	firstDelay    = 15 * time.Second
	longestDelay  = 15 * time.Minute
	alarmDelay    = 24 * time.Hour
	foreverDelay  = 100 * 365 * 24 * time.Hour
)

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

// count takes one attempt off the user's budget and returns the failures in a
// row if this one fails too. It comes before every comparison, and in one
// statement with the check of the lock, so that parallel guesses queue up
// behind each other's row. The caller's transaction commits it together with
// the outcome, and nobody learns an outcome before that commit: a crash can
// take back only an attempt that was never answered.
func (b *Book) count(ctx context.Context, tx *sql.Tx, user string, now time.Time) (failures int, err error) {
	err = b.hot(ctx, tx, countAttempt).QueryRowContext(ctx, user, now.UnixMicro()).Scan(&failures)
	if err == nil {
		return failures, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("count attempt: %w", err)
	}
	var until int64
	var frozen bool
	err = tx.QueryRowContext(ctx, `SELECT locked_until, frozen_at IS NOT NULL FROM holder WHERE id = $1`, user).Scan(&until, &frozen)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, ErrUnknownUser
	case err != nil:
		return 0, fmt.Errorf("count attempt: %w", err)
	case frozen:
		return 0, ErrFrozen
	}
	return 0, locked(until, now)
}

// missed lets the counted attempt stand and sets the wait. It returns why,
// the refusal to give.
func missed(ctx context.Context, tx *sql.Tx, user string, failures int, now time.Time, why error) error {
	wait := delay(failures)
	if wait == 0 {
		return why
	}
	_, err := tx.ExecContext(ctx, `UPDATE holder SET locked_until = $1 WHERE id = $2`, now.Add(wait).UnixMicro(), user)
	if err != nil {
		return fmt.Errorf("lock holder: %w", err)
	}
	return why
}

// passed ends a row of failures.
func (b *Book) passed(ctx context.Context, tx *sql.Tx, user string, now time.Time) error {
	_, err := b.hot(ctx, tx, endFailures).ExecContext(ctx, now.UnixMicro(), user)
	if err != nil {
		return fmt.Errorf("reset failures: %w", err)
	}
	return nil
}

// uncounted takes back the count of an attempt that was neither wrong nor a
// success, and returns why, the refusal to give (nil: none).
func uncounted(ctx context.Context, tx *sql.Tx, user string, why error) error {
	if _, err := tx.ExecContext(ctx, `UPDATE holder SET failures = failures - 1 WHERE id = $1`, user); err != nil {
		return fmt.Errorf("uncount attempt: %w", err)
	}
	return why
}
