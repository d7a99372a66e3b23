package totp

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Enrollment waits for its first code. Its Key is shown to the user.
type Enrollment struct {
	// ID is a secret of whoever began: only with it can the key be seen again
	// and be confirmed. Keep it in that browser, in an HttpOnly cookie; the
	// password alone must not show the key that a pass or a code paid for.
	ID      string
	Key     Key
	Expires time.Time
}

const (
	purposeFingerprint = "totp fingerprint"
	purposePass        = "enrollment pass"
	purposeTicket      = "enrollment"
)

// Register makes a holder of user, in the caller's transaction, or updates the
// one there is. apiOnly marks a user that the panel lets in through its API
// only; such a user is exempt from the duty to enroll.
func Register(ctx context.Context, tx *sql.Tx, user string, apiOnly bool) error {
	flag := 0
	if apiOnly {
		flag = 1
	}
	found, err := hit(tx.ExecContext(ctx, `UPDATE holder SET api_only = $1 WHERE id = $2`, flag, user))
	if err == nil && !found {
		_, err = tx.ExecContext(ctx, `INSERT INTO holder (id, api_only) VALUES ($1, $2)`, user, flag)
	}
	if err != nil {
		return fmt.Errorf("register holder: %w", err)
	}
	return nil
}

// Begin starts an enrollment with a new secret; account is the label shown in
// the authenticator. While a factor is active the proof is one of its codes
// ([ErrProofRequired]), and that factor stays until [Book.Confirm]. After a
// reset the proof is the enrollment pass ([ErrPassRequired], [ErrInvalidPass];
// [ErrExpired] for the right one too late). The first enrollment needs none:
// ask for the password again. An older pending enrollment expires.
func (b *Book) Begin(ctx context.Context, user, account string, p Proof) (Enrollment, error) {
	key, err := Generate(Options{Issuer: b.policy.Issuer, Account: account})
	if err != nil {
		return Enrollment{}, fmt.Errorf("begin enrollment: %w", err)
	}
	var e Enrollment
	err = b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		a, err := b.admit(ctx, tx, user, p, now)
		if err != nil {
			return err
		}
		e, err = b.pend(ctx, tx, user, key, a, now)
		return err
	})
	if err != nil {
		return Enrollment{}, fault("begin enrollment", err)
	}
	return e, nil
}

// An admission says in which generation somebody may enroll, and by which pass.
type admission struct {
	generation int64
	pass       sql.NullInt64
	until      int64 // end of the pass
}

// admit checks the proof that the user's present state asks for.
func (b *Book) admit(ctx context.Context, tx *sql.Tx, user string, p Proof, now time.Time) (admission, error) {
	s, err := b.stand(ctx, tx, user)
	switch {
	case err != nil:
		return admission{}, err
	case s.frozen:
		return admission{}, ErrFrozen
	case len(s.factors) > 0 && p.Code == "":
		return admission{}, ErrProofRequired
	case len(s.factors) > 0:
		g, ok := readGuess(p.Code)
		if !ok {
			return admission{}, ErrInvalidCode
		}
		_, _, err := b.prove(ctx, tx, user, g, now)
		return admission{generation: s.generation}, err
	case s.generation == 1:
		return admission{generation: 1}, nil
	case p.Pass == "":
		return admission{}, ErrPassRequired
	}
	pass, ok := readCode(p.Pass, passLength)
	if !ok {
		return admission{}, ErrInvalidPass
	}
	return b.present(ctx, tx, user, s.generation, pass, now)
}

// present looks at an enrollment pass. Confirm uses it up. A right pass does
// not end a row of failures: only a code does.
func (b *Book) present(ctx context.Context, tx *sql.Tx, user string, generation int64, pass string, now time.Time) (admission, error) {
	failures, err := b.count(ctx, tx, user, now)
	if err != nil {
		return admission{}, err
	}
	a := admission{generation: generation}
	err = tx.QueryRowContext(ctx, `
		SELECT id, expires_at FROM enrollment_pass
		WHERE hash = $1 AND user_id = $2 AND generation = $3 AND used_at IS NULL AND revoked_at IS NULL`,
		b.passHash(user, pass), user, generation).Scan(&a.pass, &a.until)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return admission{}, missed(ctx, tx, user, failures, now, ErrInvalidPass)
	case err != nil:
		return admission{}, fmt.Errorf("read enrollment pass: %w", err)
	case a.until <= now.UnixMicro():
		return admission{}, uncounted(ctx, tx, user, ErrExpired)
	}
	return a, uncounted(ctx, tx, user, nil)
}

func (b *Book) passHash(user, pass string) []byte {
	return b.keys.MAC(purposePass, []byte(user), []byte(pass))
}

// pend stores the key as the one pending enrollment of the user. The
// fingerprint is unique over all time: no secret comes back.
func (b *Book) pend(ctx context.Context, tx *sql.Tx, user string, key Key, a admission, now time.Time) (Enrollment, error) {
	if err := expirePending(ctx, tx, user, now.UnixMicro()); err != nil {
		return Enrollment{}, err
	}
	until := now.Add(b.policy.PendingLifetime).UnixMicro()
	if a.pass.Valid {
		until = min(until, a.until)
	}
	e := Enrollment{Key: key, Expires: instant(until)}
	o, id := key.options, int64(0)
	err := tx.QueryRowContext(ctx, `
		INSERT INTO credential (user_id, generation, state, label, sealed, fingerprint, algorithm, digits, period,
			pass_id, created_at, expires_at)
		VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
		user, a.generation, o.Account, b.keys.Seal(purposeSecret, sealID(user, a.generation), key.secret),
		b.keys.MAC(purposeFingerprint, key.secret), o.Algorithm.String(), o.Digits, o.Period,
		a.pass, now.UnixMicro(), until).Scan(&id)
	if err != nil {
		return Enrollment{}, fmt.Errorf("store enrollment: %w", err)
	}
	e.ID = b.ticket(user, id)
	return e, nil
}

// ticket is the ID of an enrollment: its row and a MAC that nobody can guess.
func (b *Book) ticket(user string, id int64) string {
	row := strconv.FormatInt(id, 10)
	return row + "." + hex.EncodeToString(b.keys.MAC(purposeTicket, []byte(user), []byte(row))[:16])
}

// readTicket returns the row of a ticket of this user.
func (b *Book) readTicket(user, ticket string) (id int64, ok bool) {
	row, _, _ := strings.Cut(ticket, ".")
	id, err := strconv.ParseInt(row, 10, 64)
	return id, err == nil && subtle.ConstantTimeCompare([]byte(b.ticket(user, id)), []byte(ticket)) == 1
}

func expirePending(ctx context.Context, tx *sql.Tx, user string, at int64) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE credential SET state = 'expired', ended_at = $1 WHERE user_id = $2 AND state = 'pending'`, at, user)
	if err != nil {
		return fmt.Errorf("expire enrollment: %w", err)
	}
	return nil
}

// A pending is an enrollment as it is stored.
type pending struct {
	id, generation, expires int64
	pass                    sql.NullInt64
	key                     Key
}

// readPending returns the pending enrollment of the user, of any age, or
// ErrNotEnrolled.
func (b *Book) readPending(ctx context.Context, q Querier, user string) (pending, error) {
	var p pending
	var r sealedKey
	err := q.QueryRowContext(ctx, `
		SELECT id, generation, expires_at, pass_id, sealed, label, algorithm, digits, period
		FROM credential WHERE user_id = $1 AND state = 'pending'`, user).Scan(
		&p.id, &p.generation, &p.expires, &p.pass, &r.sealed, &r.label, &r.algorithm, &r.digits, &r.period)
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

// Pending returns the enrollment that Begin started, to show its QR code again
// to the browser that holds its ID. Without one, or with another ID, it returns
// [ErrNotEnrolled], after its time [ErrExpired].
func (b *Book) Pending(ctx context.Context, user, id string) (Enrollment, error) {
	row, ok := b.readTicket(user, id)
	if !ok {
		return Enrollment{}, ErrNotEnrolled
	}
	p, err := b.readPending(ctx, b.db, user)
	switch {
	case err != nil:
		return Enrollment{}, fault("show enrollment", err)
	case p.id != row:
		return Enrollment{}, ErrNotEnrolled
	case p.expires <= time.Now().UnixMicro():
		return Enrollment{}, ErrExpired
	}
	return Enrollment{ID: id, Key: p.key, Expires: instant(p.expires)}, nil
}

// Confirm proves the pending enrollment id with a code of the new authenticator
// and makes it the user's factor: older ones are replaced, the enrollment pass
// is used up, and so is this code, which will not log in. It returns the new
// backup codes, which cannot be shown again. [ErrConflict]: another enrollment,
// or a reset, took the place of this one.
func (b *Book) Confirm(ctx context.Context, user, id, code string) ([]string, error) {
	row, ok := b.readTicket(user, id)
	if !ok {
		return nil, ErrNotEnrolled
	}
	if !digits(code, 6) && !digits(code, 8) {
		return nil, ErrInvalidCode
	}
	var codes []string
	err := b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		p, step, err := b.proveKey(ctx, tx, user, row, code, now)
		if err != nil {
			return err
		}
		if err := activate(ctx, tx, user, p, step, now.UnixMicro()); err != nil {
			return err
		}
		if codes, err = b.renew(ctx, tx, user, p.generation, now); err != nil {
			return err
		}
		return b.passed(ctx, tx, user, now)
	})
	if err != nil {
		return nil, fault("confirm enrollment", err)
	}
	return codes, nil
}

// proveKey counts and compares a code of a pending enrollment.
func (b *Book) proveKey(ctx context.Context, tx *sql.Tx, user string, id int64, code string, now time.Time) (pending, int64, error) {
	p, err := b.readPending(ctx, tx, user)
	switch {
	case errors.Is(err, ErrNotEnrolled):
		return p, 0, b.gone(ctx, tx, user, id)
	case err != nil:
		return p, 0, err
	case p.id != id:
		return p, 0, ErrConflict
	case p.expires <= now.UnixMicro():
		return p, 0, ErrExpired
	}
	failures, err := b.count(ctx, tx, user, now)
	if err != nil {
		return p, 0, err
	}
	step, m := p.key.match(code, now, 0, b.policy.Skew)
	if m != matchFresh {
		return p, 0, missed(ctx, tx, user, failures, now, ErrInvalidCode)
	}
	return p, step, nil
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

// activate makes the pending enrollment the one active factor. The schema
// refuses it without the pass where a pass is due.
func activate(ctx context.Context, tx *sql.Tx, user string, p pending, step, at int64) error {
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
	found, err := hit(tx.ExecContext(ctx, `
		UPDATE credential SET state = 'active', activated_at = $1, last_step = $2
		WHERE id = $3 AND user_id = $4 AND state = 'pending'
			AND generation = (SELECT generation FROM holder WHERE id = $4)`, at, step, p.id, user))
	if err != nil {
		return fmt.Errorf("activate factor: %w", err)
	}
	if !found {
		return errors.New("activate factor: the enrollment is gone") // rolls the pass back
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE credential SET state = 'replaced', ended_at = $1, replaced_by = $2
		WHERE user_id = $3 AND state = 'active' AND id <> $2`, at, p.id, user); err != nil {
		return fmt.Errorf("replace factor: %w", err)
	}
	return nil
}
