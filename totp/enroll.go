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
	found, err := hit(tx.ExecContext(ctx, `UPDATE holder SET api_only = $1 WHERE id = $2`, flag(apiOnly), user))
	if err == nil && !found {
		_, err = tx.ExecContext(ctx, `INSERT INTO holder (id, api_only, registered_at) VALUES ($1, $2, $3)`, user, flag(apiOnly), time.Now().UnixMicro())
	}
	if err != nil {
		return fmt.Errorf("register holder: %w", err)
	}
	return nil
}

// Never exempts a user from the duty to have a factor, see [Require].
var Never = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// Require sets the day from which a factor is mandatory for one user, in the
// place of [Policy.MandatoryFrom], in the caller's transaction. Zero: as the
// installation says. [Never]: not at all.
func Require(ctx context.Context, tx *sql.Tx, user string, from time.Time) error {
	day := sql.NullInt64{Int64: from.UnixMicro(), Valid: !from.IsZero()}
	found, err := hit(tx.ExecContext(ctx, `UPDATE holder SET required_from = $1 WHERE id = $2`, day, user))
	if err != nil {
		return fmt.Errorf("require factor: %w", err)
	}
	if !found {
		return fmt.Errorf("require factor: %w", ErrUnknownUser)
	}
	return nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Begin starts an enrollment with a new secret; account is the label shown in
// the authenticator. While a factor is active the proof is one of its codes
// ([ErrProofRequired]), and that factor stays until [Book.Confirm]. After a
// reset the proof is the enrollment pass ([ErrPassRequired], [ErrInvalidPass];
// [ErrExpired] for the right one too late). The first enrollment needs none:
// ask for the password again. An older pending enrollment expires.
func (b *Book) Begin(ctx context.Context, user, account string, p Proof) (Enrollment, error) {
	return b.begin(ctx, user, account, binding{}, p)
}

// A binding says how a new authenticator joins those of the user.
type binding struct {
	adds bool // beside the present one; else in the place of all
	name string
}

func (b *Book) begin(ctx context.Context, user, account string, how binding, p Proof) (Enrollment, error) {
	key, err := Generate(b.policy.options(account))
	if err != nil {
		return Enrollment{}, fmt.Errorf("begin enrollment: %w", err)
	}
	var e Enrollment
	err = b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		a, err := b.admit(ctx, tx, user, how, p, now)
		if err != nil {
			return err
		}
		e, err = b.pend(ctx, tx, user, key, how, a, now)
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
func (b *Book) admit(ctx context.Context, tx *sql.Tx, user string, how binding, p Proof, now time.Time) (admission, error) {
	s, err := b.stand(ctx, tx, user)
	switch {
	case err != nil:
		return admission{}, err
	case s.frozen:
		return admission{}, ErrFrozen
	case how.adds && len(s.factors) == 0:
		return admission{}, s.missing()
	case how.adds && len(s.factors) >= maxDevices:
		return admission{}, ErrTooManyDevices
	case len(s.factors) > 0 && p.Code == "":
		return admission{}, ErrProofRequired
	case len(s.factors) > 0:
		g, ok := readGuess(p.Code)
		if !ok {
			return admission{}, ErrInvalidCode
		}
		_, err := b.prove(ctx, tx, user, s, g, now)
		return admission{generation: s.generation}, err
	case !s.passDue:
		return admission{generation: s.generation}, nil
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
// not end a row of failures: only a code does. It is the one thing that is
// compared before it is counted, and taken while the user is locked: 120 bits
// need no throttle, and nobody who keeps a user locked may keep that user from
// the way back in. Wrong passes count and wait like wrong codes.
func (b *Book) present(ctx context.Context, tx *sql.Tx, user string, generation int64, pass string, now time.Time) (admission, error) {
	a := admission{generation: generation}
	err := tx.QueryRowContext(ctx, `
		SELECT id, expires_at FROM enrollment_pass
		WHERE hash = $1 AND user_id = $2 AND generation = $3 AND used_at IS NULL AND revoked_at IS NULL`,
		b.passHash(user, pass), user, generation).Scan(&a.pass, &a.until)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		n, err := b.count(ctx, tx, user, 1, now)
		if err != nil {
			return admission{}, err
		}
		return admission{}, missed(ctx, tx, user, n, now, ErrInvalidPass)
	case err != nil:
		return admission{}, fmt.Errorf("read enrollment pass: %w", err)
	case a.until <= now.UnixMicro():
		return admission{}, ErrExpired
	}
	return a, nil
}

func (b *Book) passHash(user, pass string) []byte {
	return b.keys.MAC(purposePass, []byte(user), []byte(pass))
}

// pend stores the key as the one pending enrollment of the user. The
// fingerprint is unique over all time: no secret comes back.
func (b *Book) pend(ctx context.Context, tx *sql.Tx, user string, key Key, how binding, a admission, now time.Time) (Enrollment, error) {
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
			pass_id, created_at, expires_at, adds, name)
		VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id`,
		user, a.generation, o.Account, b.keys.Seal(purposeSecret, sealID(user, a.generation), key.secret),
		b.keys.MAC(purposeFingerprint, key.secret), o.Algorithm.String(), o.Digits, o.Period,
		a.pass, now.UnixMicro(), until, flag(how.adds), how.name).Scan(&id)
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
