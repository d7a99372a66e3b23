package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// maxMisses wrong codes end a pending enrollment. They are counted on the
// enrollment and not on the user: whoever may type them has seen the key, and
// nobody else's guesses must keep a user from confirming.
const maxMisses = 20

// A pending is an enrollment as it is stored.
type pending struct {
	id, generation, expires int64
	pass                    sql.NullInt64
	adds                    bool
	name                    string
	misses                  int
	frozen                  bool
	key                     Key
}

// readPending returns the pending enrollment of the user, of any age, or
// ErrNotEnrolled.
func (b *Book) readPending(ctx context.Context, q Querier, user string) (pending, error) {
	var p pending
	var r sealedKey
	err := q.QueryRowContext(ctx, `
		SELECT c.id, c.generation, c.expires_at, c.pass_id, c.adds, c.name, c.misses, h.frozen_at IS NOT NULL,
			c.sealed, c.label, c.algorithm, c.digits, c.period
		FROM credential c JOIN holder h ON h.id = c.user_id WHERE c.user_id = $1 AND c.state = 'pending'`, user).Scan(
		&p.id, &p.generation, &p.expires, &p.pass, &p.adds, &p.name, &p.misses, &p.frozen,
		&r.sealed, &r.label, &r.algorithm, &r.digits, &r.period)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNotEnrolled
	}
	if err != nil {
		return p, fmt.Errorf("read enrollment: %w", err)
	}
	r.generation = p.generation
	if p.key, err = b.unseal(user, r); err != nil {
		return p, fmt.Errorf("read enrollment: %w", err)
	}
	return p, nil
}

// open tells why this is not an enrollment that may go on.
func (p pending) open(id int64, now time.Time) error {
	switch {
	case p.id != id:
		return ErrConflict
	case p.frozen:
		return ErrFrozen
	case p.expires <= now.UnixMicro() || p.misses >= maxMisses:
		return ErrExpired
	}
	return nil
}

// Pending returns the enrollment that Begin started, to show its QR code again
// to the browser that holds its ID. Without one, or with another ID, it returns
// [ErrNotEnrolled], after its time [ErrExpired].
func (b *Book) Pending(ctx context.Context, user, id string) (Enrollment, error) {
	row, ok := b.readTicket(user, id)
	if !ok {
		return Enrollment{}, ErrNotEnrolled
	}
	p, err := b.readPending(ctx, b.db, user)
	if err != nil {
		return Enrollment{}, fault("show enrollment", err)
	}
	if err := p.open(row, time.Now()); err != nil {
		if errors.Is(err, ErrConflict) {
			err = ErrNotEnrolled
		}
		return Enrollment{}, err
	}
	return Enrollment{ID: id, Key: p.key, Expires: instant(p.expires)}, nil
}

// Confirm proves the pending enrollment id with a code of the new authenticator
// and makes it a factor of the user. After [Book.Begin] the older ones are
// replaced, and the new backup codes are returned, which cannot be shown again;
// after [Book.BeginDevice] all others stay and there are none (nil). The
// enrollment pass is used up, and so is this code, which will not log in.
//
// A [DriftError] says that the clock of the device is wrong; no acceptance
// follows from it. After 20 wrong codes the enrollment is over ([ErrExpired]).
// [ErrConflict]: another enrollment, or a reset, took the place of this one.
func (b *Book) Confirm(ctx context.Context, user, id, code string) ([]string, error) {
	row, ok := b.readTicket(user, id)
	if !ok {
		return nil, ErrNotEnrolled
	}
	g, ok := readGuess(code)
	if !ok || g.method != MethodTOTP {
		return nil, ErrInvalidCode
	}
	var codes []string
	err := b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		p, step, err := b.proveKey(ctx, tx, user, row, g.code, now)
		if err != nil {
			return err
		}
		if err := b.bind(ctx, tx, user, p, step, now); err != nil {
			return err
		}
		if !p.adds {
			if codes, err = b.renew(ctx, tx, user, p.generation, now); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE holder SET failures = 0, locked_until = 0, verified_at = $1 WHERE id = $2`, now.UnixMicro(), user)
		return err
	})
	if err != nil {
		return nil, fault("confirm enrollment", err)
	}
	return codes, nil
}

// proveKey counts and compares a code of a pending enrollment.
func (b *Book) proveKey(ctx context.Context, tx *sql.Tx, user string, id int64, code string, now time.Time) (pending, int64, error) {
	p, err := b.readPending(ctx, tx, user)
	if errors.Is(err, ErrNotEnrolled) {
		return p, 0, b.gone(ctx, tx, user, id)
	}
	if err == nil {
		err = p.open(id, now)
	}
	if err != nil {
		return p, 0, err
	}
	found, err := hit(tx.ExecContext(ctx, `
		UPDATE credential SET misses = misses + 1 WHERE id = $1 AND state = 'pending' AND misses < $2`, id, maxMisses))
	switch {
	case err != nil:
		return p, 0, fmt.Errorf("count attempt: %w", err)
	case !found:
		return p, 0, ErrExpired
	}
	step, m := p.key.match(code, now, 0, 0, b.policy.Skew)
	if m == matchFresh {
		return p, step, nil
	}
	// Whoever holds the ticket has the key: a hint tells nothing new.
	if n := p.key.offset(code, now, b.policy.Skew); n != 0 {
		return p, 0, p.key.driftError(n)
	}
	return p, 0, ErrInvalidCode
}

// gone says why there is nothing to confirm.
func (b *Book) gone(ctx context.Context, tx *sql.Tx, user string, id int64) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM credential WHERE id = $1 AND user_id = $2`, id, user).Scan(&n)
	switch {
	case err != nil:
		return fmt.Errorf("read enrollment: %w", err)
	case n == 0:
		return ErrNotEnrolled
	}
	return ErrConflict
}

// bind makes the proved enrollment a factor, in the place of all others or
// beside the one there is, and notes it.
func (b *Book) bind(ctx context.Context, tx *sql.Tx, user string, p pending, step int64, now time.Time) error {
	at := now.UnixMicro()
	if p.pass.Valid {
		found, err := hit(tx.ExecContext(ctx, `
			UPDATE enrollment_pass SET used_at = $1, used_by = $2
			WHERE id = $3 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $1`, at, p.id, p.pass.Int64))
		if err != nil {
			return fmt.Errorf("use enrollment pass: %w", err)
		}
		if !found {
			return ErrInvalidPass
		}
	}
	if p.adds {
		if err := activate(ctx, tx, user, p.id, step, at); err != nil {
			return err
		}
		return note(ctx, tx, user, p.generation, EventDeviceAdded, now, p.name)
	}
	replaced, err := replaceAll(ctx, tx, user, p.id, step, at)
	if err != nil {
		return err
	}
	kind := EventEnrolled
	if replaced {
		kind = EventReplaced
	}
	return note(ctx, tx, user, p.generation, kind, now, "")
}

// replaceAll activates the enrollment and ends the others. A user has two at
// any moment at most, and one ends only in favour of an active one: so where
// there are two, the younger ends first, in favour of the older.
func replaceAll(ctx context.Context, tx *sql.Tx, user string, id, step, at int64) (replaced bool, err error) {
	_, err = tx.ExecContext(ctx, `
		UPDATE credential SET state = 'replaced', ended_at = $1,
			replaced_by = (SELECT min(o.id) FROM credential o WHERE o.user_id = $2 AND o.state = 'active')
		WHERE user_id = $2 AND state = 'active' AND id > (SELECT min(o.id) FROM credential o WHERE o.user_id = $2 AND o.state = 'active')`,
		at, user)
	if err != nil {
		return false, fmt.Errorf("replace factor: %w", err)
	}
	if err := activate(ctx, tx, user, id, step, at); err != nil {
		return false, err
	}
	replaced, err = hit(tx.ExecContext(ctx, `
		UPDATE credential SET state = 'replaced', ended_at = $1, replaced_by = $2
		WHERE user_id = $3 AND state = 'active' AND id <> $2`, at, id, user))
	if err != nil {
		return false, fmt.Errorf("replace factor: %w", err)
	}
	return replaced, nil
}

// activate makes the pending enrollment active. The schema refuses it without
// the pass where a pass is due, and a third one.
func activate(ctx context.Context, tx *sql.Tx, user string, id, step, at int64) error {
	found, err := hit(tx.ExecContext(ctx, `
		UPDATE credential SET state = 'active', activated_at = $1, last_step = $2
		WHERE id = $3 AND user_id = $4 AND state = 'pending'
			AND generation = (SELECT generation FROM holder WHERE id = $4)`, at, step, id, user))
	if err != nil {
		return fmt.Errorf("activate factor: %w", err)
	}
	if !found {
		return errors.New("activate factor: the enrollment is gone") // rolls the pass back
	}
	return nil
}
