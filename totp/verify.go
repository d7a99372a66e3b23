package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Verify asks for the second factor at a login, after the password was right.
// code is six ASCII digits, exactly (remove what people type between them in
// the form), or a backup code as typed.
//
// On [API] nothing is asked and the result says so. On [Web] everybody with a
// factor is asked, users marked api_only too: whether those may use the web at
// all is the panel's choice (see [Status.APIOnly]).
//
// The error is nil if, and only if, the user may go on. See [ErrNotEnrolled]
// and [ErrPassRequired] for users without a factor; [UsedError] and
// [LockedError] say how long to wait. Codes that cannot be codes are refused
// without being counted.
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
	err := b.commit(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		res, _, err = b.prove(ctx, tx, user, g, time.Now())
		return err
	})
	if err != nil {
		return Result{}, fault("verify", err)
	}
	return res, nil
}

// exempt answers on the API channel, where only a freeze stops a user.
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
	return Result{Exempt: true, CodesLeft: s.CodesLeft}, nil
}

// fault adds context to faults and leaves answers as they are.
func fault(what string, err error) error {
	if refused(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// A guess is a code in the form in which it is compared.
type guess struct {
	method Method
	code   string
}

func readGuess(typed string) (guess, bool) {
	if digits(typed, 6) || digits(typed, 8) {
		return guess{MethodTOTP, typed}, true
	}
	if code, ok := readCode(typed, backupLength); ok {
		return guess{MethodBackupCode, code}, true
	}
	return guess{}, false
}

// prove counts, compares and claims, for every act that asks for a code. A
// nil error means that the code was right and is used up.
func (b *Book) prove(ctx context.Context, tx *sql.Tx, user string, g guess, now time.Time) (Result, standing, error) {
	s, err := b.stand(ctx, tx, user)
	switch {
	case err != nil:
		return Result{}, s, err
	case s.frozen:
		return Result{}, s, ErrFrozen
	case len(s.factors) == 0 && s.generation > 1:
		return Result{}, s, ErrPassRequired
	case len(s.factors) == 0:
		return Result{}, s, ErrNotEnrolled
	}
	failures, err := b.count(ctx, tx, user, now)
	if err != nil {
		return Result{}, s, err
	}
	res := Result{Method: g.method, CodesLeft: s.codesLeft}
	if g.method == MethodTOTP {
		err = b.claimStep(ctx, tx, s.factors, g.code, now)
	} else if err = b.claimBackupCode(ctx, tx, user, g.code, now); err == nil {
		res.CodesLeft--
	}
	var used *UsedError
	switch {
	case err == nil:
		return res, s, b.passed(ctx, tx, user, now)
	case errors.As(err, &used):
		return Result{}, s, uncounted(ctx, tx, user, err)
	case errors.Is(err, ErrInvalidCode):
		return Result{}, s, missed(ctx, tx, user, failures, now, err)
	}
	return Result{}, s, err
}

// claimStep uses up the newest unused step whose code it is. The condition on
// last_step decides between all who try at once (RFC 6238 5.2).
func (b *Book) claimStep(ctx context.Context, tx *sql.Tx, factors []factor, code string, now time.Time) error {
	answer := ErrInvalidCode
	for _, f := range factors {
		step, m := f.key.match(code, now, f.lastStep, b.policy.Skew)
		switch m {
		case matchNone:
			continue
		case matchFresh:
			won, err := hit(b.hot(ctx, tx, claimTimeStep).ExecContext(ctx, step, f.id))
			if err != nil {
				return fmt.Errorf("claim step: %w", err)
			}
			if won {
				return nil
			}
			f.lastStep = step // somebody was faster
		}
		answer = f.used(now)
	}
	return answer
}

// used tells when the authenticator shows a code that was not used yet.
func (f factor) used(now time.Time) *UsedError {
	next := max(f.key.step(now), f.lastStep) + 1
	left := time.Unix(next*int64(f.key.options.Period), 0).Sub(now)
	return &UsedError{RetryAfter: (left + time.Second - 1).Truncate(time.Second)}
}
