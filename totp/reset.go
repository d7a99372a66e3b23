package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Reason carries what the caller decided about a reset.
type Reason struct {
	At        time.Time // zero: now
	HoldUntil time.Time // sensitive acts wait until then, see [Book.Guard]
}

// Clear takes the factor of generation away, in the caller's transaction: the
// authenticator and the backup codes stop working, a pending enrollment and a
// live pass end, sessions begun earlier are void, the lock is lifted and the
// generation rises. The row of table reset for (user, generation) must stand
// already, in this transaction; without it the schema refuses. A retry, when
// the generation is over, returns [ErrConflict] and touches nothing.
//
// Afterwards only an enrollment pass ([Book.IssuePass]) lets the user enroll.
func Clear(ctx context.Context, tx *sql.Tx, user string, generation int64, r Reason) error {
	if r.At.IsZero() {
		r.At = time.Now()
	}
	at := r.At.UnixMicro()
	found, err := hit(tx.ExecContext(ctx, `
		UPDATE holder SET generation = generation + 1, sessions_from = $1, hold_until = $2, failures = 0, day_failures = 0, day_from = 0, locked_until = 0
		WHERE id = $3 AND generation = $4`, at, micros(r.HoldUntil), user, generation))
	if err != nil {
		return fmt.Errorf("clear factor: %w", err)
	}
	if !found {
		return fmt.Errorf("clear factor: %w", ErrConflict)
	}
	if err := expirePending(ctx, tx, user, at); err != nil {
		return fmt.Errorf("clear factor: %w", err)
	}
	for _, statement := range []string{
		`UPDATE credential SET state = 'cleared', ended_at = $1 WHERE user_id = $2 AND state = 'active'`,
		`UPDATE backup_set SET state = 'cleared', ended_at = $1 WHERE user_id = $2 AND state = 'active'`,
		revokePasses,
	} {
		if _, err := tx.ExecContext(ctx, statement, at, user); err != nil {
			return fmt.Errorf("clear factor: %w", err)
		}
	}
	return nil
}

const revokePasses = `UPDATE enrollment_pass SET revoked_at = $1 WHERE user_id = $2 AND used_at IS NULL AND revoked_at IS NULL`

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// IssuePass makes the enrollment pass of a reset, in the caller's transaction:
// 120 bits in groups that people can type, good for one enrollment. A live pass
// of the user is revoked. Mail it to the user's own registered address and
// keep it nowhere; the database has a keyed hash.
func (b *Book) IssuePass(ctx context.Context, tx *sql.Tx, user string, resetID int64, at time.Time) (pass string, expires time.Time, err error) {
	code := newCode(passLength)
	if _, err := tx.ExecContext(ctx, revokePasses, at.UnixMicro(), user); err != nil {
		return "", time.Time{}, fmt.Errorf("issue pass: %w", err)
	}
	until := at.Add(b.policy.PassLifetime).UnixMicro()
	found, err := hit(tx.ExecContext(ctx, `
		INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
		SELECT id, generation, $1, $2, $3, $4 FROM holder WHERE id = $5`,
		resetID, b.passHash(user, code), at.UnixMicro(), until, user))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("issue pass: %w", err)
	}
	if !found {
		return "", time.Time{}, fmt.Errorf("issue pass: %w", ErrUnknownUser)
	}
	return group(code, "-"), instant(until), nil
}

// Undo takes a reset back, in the caller's transaction: what was enrolled since
// is revoked, what generation had is put back, sessions begun earlier are void
// and the user is frozen until [Unfreeze]. The row of table undo must stand
// already. generation is the one that was cleared; [ErrConflict] means that the
// hold is over, that the user was reset again, or that it was undone before.
func Undo(ctx context.Context, tx *sql.Tx, user string, generation int64, at time.Time) error {
	now := at.UnixMicro()
	var cleared int64 // when: Clear gave the same time to all it cleared
	err := tx.QueryRowContext(ctx, `
		SELECT sessions_from FROM holder WHERE id = $1 AND generation = $2 AND hold_until >= $3`,
		user, generation+1, now).Scan(&cleared)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("undo reset: %w", ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("undo reset: %w", err)
	}
	// hold_until = 0 makes it happen once.
	found, err := hit(tx.ExecContext(ctx, `
		UPDATE holder SET frozen_at = $1, sessions_from = $1, hold_until = 0, failures = 0, day_failures = 0, day_from = 0, locked_until = 0
		WHERE id = $2 AND generation = $3 AND hold_until >= $1`, now, user, generation+1))
	if err != nil {
		return fmt.Errorf("undo reset: %w", err)
	}
	if !found {
		return fmt.Errorf("undo reset: %w", ErrConflict)
	}
	if err := expirePending(ctx, tx, user, now); err != nil {
		return fmt.Errorf("undo reset: %w", err)
	}
	if _, err := tx.ExecContext(ctx, revokePasses, now, user); err != nil {
		return fmt.Errorf("undo reset: %w", err)
	}
	for _, statement := range []string{
		`UPDATE credential SET state = 'revoked', ended_at = $1 WHERE user_id = $2 AND state = 'active' AND generation > $3`,
		`UPDATE backup_set SET state = 'revoked', ended_at = $1 WHERE user_id = $2 AND state = 'active' AND generation > $3`,
	} {
		if _, err := tx.ExecContext(ctx, statement, now, user, generation); err != nil {
			return fmt.Errorf("undo reset: %w", err)
		}
	}
	for _, statement := range []string{
		`UPDATE credential SET state = 'active', ended_at = NULL WHERE user_id = $1 AND state = 'cleared' AND ended_at = $2`,
		`UPDATE backup_set SET state = 'active', ended_at = NULL WHERE user_id = $1 AND state = 'cleared' AND ended_at = $2`,
	} {
		if _, err := tx.ExecContext(ctx, statement, user, cleared); err != nil {
			return fmt.Errorf("undo reset: %w", err)
		}
	}
	return nil
}

// Unfreeze lets a user go on after an undo, or after so many wrong codes that
// only a person can lift the lock, in the caller's transaction. It is a
// person's word: write it to the audit.
func Unfreeze(ctx context.Context, tx *sql.Tx, user string) error {
	found, err := hit(tx.ExecContext(ctx, `UPDATE holder SET frozen_at = NULL, failures = 0, day_failures = 0, day_from = 0, locked_until = 0 WHERE id = $1`, user))
	if err != nil {
		return fmt.Errorf("unfreeze: %w", err)
	}
	if !found {
		return fmt.Errorf("unfreeze: %w", ErrUnknownUser)
	}
	return nil
}

// Guard tells whether the user may do something sensitive now: a [HoldError]
// during the hold after a reset, [ErrFrozen] while frozen, nil otherwise and
// for users it does not know.
func (b *Book) Guard(ctx context.Context, user string, a Action) error {
	s, err := ReadStatus(ctx, b.db, user)
	switch {
	case errors.Is(err, ErrUnknownUser):
		return nil
	case err != nil:
		return fault("guard", err)
	case s.Frozen:
		return ErrFrozen
	case time.Now().Before(s.HoldUntil):
		return &HoldError{Action: a, Until: s.HoldUntil}
	}
	return nil
}
