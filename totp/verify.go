package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Verify asks for the second factor at a login, after the password was right.
// code is what was typed, as it was typed: digits of an authenticator or a
// backup code; spaces, hyphens and full-width digits are taken care of here.
//
// On [API] nothing is asked and the result says so. On [Web] everybody with a
// factor is asked, users marked api_only too: whether those may use the web at
// all is the panel's choice (see [Status.APIOnly]).
//
// The error is nil if, and only if, the user may go on. See [ErrNotEnrolled]
// and [ErrPassRequired] for users without a factor; [UsedError] and
// [LockedError] say how long to wait, a [DriftError] that the device's clock is
// wrong. What cannot be a code is refused without being counted.
func (b *Book) Verify(ctx context.Context, user, code string, ch Channel) (Result, error) {
	switch ch {
	case API:
		return b.exempt(ctx, user)
	case Web:
	default:
		return Result{}, errors.New("verify: unknown channel")
	}
	g, ok := readGuess(code)
	if !ok {
		return Result{}, ErrInvalidCode
	}
	var res Result
	err := b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		s, err := b.enrolled(ctx, tx, user)
		if err != nil {
			return err
		}
		res, err = b.prove(ctx, tx, user, s, g, time.Now())
		return err
	})
	if err != nil {
		return Result{}, fault("verify", err)
	}
	return res, nil
}

// A day is the window of the budget of failures, and of what is told once a day.
const day = 24 * time.Hour

// exempt answers on the API channel, where only a freeze stops a user. The
// exemption is noted once a day.
func (b *Book) exempt(ctx context.Context, user string) (Result, error) {
	s, err := ReadStatus(ctx, b.db, user)
	switch {
	case errors.Is(err, ErrUnknownUser):
		return Result{Exempt: true}, nil
	case err != nil:
		return Result{}, fault("verify", err)
	case s.Frozen:
		return Result{}, ErrFrozen
	}
	now, noted := time.Now(), 0
	since := now.Add(-day)
	err = b.db.QueryRowContext(ctx, `SELECT count(*) FROM factor_event WHERE user_id = $1 AND at >= $2 AND kind = 'exempt'`,
		user, since.UnixMicro()).Scan(&noted)
	if err == nil && noted == 0 {
		err = b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
			return noteOnce(ctx, tx, user, EventExempt, now, since, "api")
		})
	}
	if err != nil {
		return Result{}, fault("verify", err)
	}
	return Result{Exempt: true, CodesLeft: s.CodesLeft}, nil
}

// fault adds context to faults and leaves answers as they are.
func fault(what string, err error) error {
	if err == nil || refused(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// prove counts, compares and claims, for every act that asks for a code. A
// nil error means that the code was right and is used up.
func (b *Book) prove(ctx context.Context, tx *sql.Tx, user string, s standing, g guess, now time.Time) (Result, error) {
	n, err := b.count(ctx, tx, user, len(s.factors), now)
	if err != nil {
		return Result{}, err
	}
	res := Result{Method: g.method, CodesLeft: s.codesLeft}
	if g.method == MethodTOTP {
		err = b.claimStep(ctx, tx, s.factors, g.code, now)
	} else if err = b.claimBackupCode(ctx, tx, user, g.code, now); err == nil {
		res.CodesLeft--
		err = noteCode(ctx, tx, user, s.generation, res.CodesLeft, now)
	}
	var used *UsedError
	switch {
	case err == nil:
		return res, b.passed(ctx, tx, user, n, now)
	case errors.As(err, &used):
		if err := noteOnce(ctx, tx, user, EventCodeRepeated, now, now.Add(-day), ""); err != nil {
			return Result{}, err
		}
		return Result{}, uncounted(ctx, tx, user, n, err)
	case errors.Is(err, ErrInvalidCode):
		return Result{}, missed(ctx, tx, user, n, now, err)
	}
	return Result{}, err
}

// codesLow is how many backup codes are left when the user is told, once.
const codesLow = 3

func noteCode(ctx context.Context, tx *sql.Tx, user string, generation int64, left int, now time.Time) error {
	err := note(ctx, tx, user, generation, EventCodeUsed, now, strconv.Itoa(left))
	if err == nil && left == codesLow {
		err = note(ctx, tx, user, generation, EventCodesLow, now, strconv.Itoa(left))
	}
	return err
}

// claimStep uses up the newest unused step whose code it is, of each authenticator
// that shows it: two that agree by chance do not make one code good twice. The
// condition on last_step decides between all who try at once (RFC 6238 5.2).
func (b *Book) claimStep(ctx context.Context, tx *sql.Tx, factors []factor, code string, now time.Time) error {
	answer, claimed := ErrInvalidCode, false
	for _, f := range factors {
		step, m := f.key.match(code, now, f.lastStep, f.driftStep, b.policy.Skew)
		switch m {
		case matchNone:
			continue
		case matchFresh:
			won, err := hit(b.hot(ctx, tx, claimTimeStep).ExecContext(ctx, step, f.id))
			if err != nil {
				return fmt.Errorf("claim step: %w", err)
			}
			claimed = claimed || won
			f.lastStep = step // else somebody was faster
		}
		answer = f.used(now)
	}
	if claimed {
		return nil
	}
	for i := 0; answer == ErrInvalidCode && i < len(factors); i++ {
		hint, err := factors[i].hint(ctx, tx, code, now, b.policy.Skew)
		if err != nil {
			return err
		}
		if hint != nil {
			answer = hint
		}
	}
	return answer
}

// hint tells of a wrong code whether the device's clock is off. A step of the
// past is told at once: its code is worth nothing any more. One of the future
// would tell a guesser a code that becomes valid; so it is told only when a
// second, later code is off by as much (RFC 6238 6), and the step that was seen
// is burnt: its code is not accepted when its time comes.
func (f factor) hint(ctx context.Context, tx *sql.Tx, code string, now time.Time, skew int) (hint error, err error) {
	n := f.key.offset(code, now, skew)
	step := f.key.step(now) + n
	switch {
	case n == 0, step <= f.lastStep: // an old code typed again
		return nil, nil
	case n < 0:
		return f.key.driftError(n), nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE credential SET drift = $1, drift_step = $2 WHERE id = $3`, n, step, f.id); err != nil {
		return nil, fmt.Errorf("note drift: %w", err)
	}
	if off := n - f.drift; f.drift > 0 && step > f.driftStep && off >= -1 && off <= 1 {
		return f.key.driftError(n), nil
	}
	return nil, nil
}

// used tells when the authenticator shows a code that was not used yet.
func (f factor) used(now time.Time) *UsedError {
	next := max(f.key.step(now), f.lastStep) + 1
	left := time.Unix(next*int64(f.key.options.Period), 0).Sub(now)
	return &UsedError{RetryAfter: (left + time.Second - 1).Truncate(time.Second)}
}
