package totp

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A user has two authenticators at most: each one more is one more that a guess
// may hit.
const (
	maxDevices    = 2
	maxDeviceName = 60
)

// A Device is one of a user's active authenticators.
type Device struct {
	ID       int64
	Name     string // as given to BeginDevice; the first one has none
	Since    time.Time
	LastUsed time.Time // the begin of the time step of the last accepted code
}

// Devices returns the active authenticators of a user, oldest first.
func (b *Book) Devices(ctx context.Context, user string) ([]Device, error) {
	rows, err := b.db.QueryContext(ctx, `
		SELECT id, name, activated_at, last_step * period FROM credential
		WHERE user_id = $1 AND state = 'active' ORDER BY activated_at, id`, user)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	defer rows.Close()
	var all []Device
	for rows.Next() {
		var d Device
		var since, used int64
		if err := rows.Scan(&d.ID, &d.Name, &since, &used); err != nil {
			return nil, fmt.Errorf("read devices: %w", err)
		}
		d.Since, d.LastUsed = instant(since), time.Unix(used, 0).UTC()
		all = append(all, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return all, nil
}

// BeginDevice starts the enrollment of a second authenticator beside the one
// there is, with a secret of its own. It asks for a code of the present one and
// is confirmed by [Book.Confirm], which then returns no backup codes: the
// present set stays. name is shown to the user in the list of devices.
// [ErrTooManyDevices] if there are two, [ErrDeviceName] for a name that has
// control characters or more than 60 characters.
func (b *Book) BeginDevice(ctx context.Context, user, account, name string, p Proof) (Enrollment, error) {
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > maxDeviceName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return Enrollment{}, ErrDeviceName
	}
	return b.begin(ctx, user, account, binding{adds: true, name: name}, p)
}

// RemoveDevice ends one of two authenticators, with a code of either or a
// backup code. [ErrLastDevice] for the last one (see [Book.TurnOff]),
// [ErrConflict] for one that is not active, a [HoldError] in the hold after a
// reset.
func (b *Book) RemoveDevice(ctx context.Context, user string, id int64, p Proof) error {
	err := b.surrender(ctx, user, RemoveDevice, p, func(_ context.Context, _ *sql.Tx, s standing) error {
		switch {
		case !slices.ContainsFunc(s.factors, func(f factor) bool { return f.id == id }):
			return ErrConflict
		case len(s.factors) == 1:
			return ErrLastDevice
		}
		return nil
	}, func(ctx context.Context, tx *sql.Tx, s standing, now time.Time) error {
		i := slices.IndexFunc(s.factors, func(f factor) bool { return f.id == id })
		if err := note(ctx, tx, user, s.generation, EventDeviceRemoved, now, s.factors[i].name); err != nil {
			return err
		}
		return retire(ctx, tx, `UPDATE credential SET state = 'retired', ended_at = $1 WHERE user_id = $2 AND state = 'active' AND id = $3`,
			now.UnixMicro(), user, id)
	})
	return fault("remove device", err)
}

// TurnOff ends the second factor of a user, by the user's own choice, with a
// current code: all authenticators and backup codes. Afterwards the user is
// like one who never enrolled, and nobody but the user can do it: what staff
// and owners have is a reset. [ErrRequired] if a factor is mandatory, a
// [HoldError] in the hold after a reset.
func (b *Book) TurnOff(ctx context.Context, user string, p Proof) error {
	err := b.surrender(ctx, user, TurnOff, p, func(ctx context.Context, tx *sql.Tx, _ standing) error {
		_, d, err := readStatus(ctx, tx, user)
		if err == nil && b.policy.required(d, time.Now()) {
			err = ErrRequired
		}
		return err
	}, func(ctx context.Context, tx *sql.Tx, s standing, now time.Time) error {
		at := now.UnixMicro()
		if err := note(ctx, tx, user, s.generation, EventTurnedOff, now, ""); err != nil {
			return err
		}
		if err := expirePending(ctx, tx, user, at); err != nil {
			return err
		}
		err := retire(ctx, tx, `UPDATE backup_set SET state = 'retired', ended_at = $1 WHERE user_id = $2 AND state = 'active'`, at, user)
		if err != nil {
			return err
		}
		return retire(ctx, tx, `UPDATE credential SET state = 'retired', ended_at = $1 WHERE user_id = $2 AND state = 'active'`, at, user)
	})
	return fault("turn off", err)
}

// surrender proves a code and lets do give something up. may is asked before
// the code is used up. The schema asks for the same: a code accepted at this
// time, no hold, no freeze.
func (b *Book) surrender(ctx context.Context, user string, a Action, p Proof, may func(context.Context, *sql.Tx, standing) error,
	do func(context.Context, *sql.Tx, standing, time.Time) error) error {
	g, ok := readGuess(p.Code)
	if !ok && p.Code != "" {
		return ErrInvalidCode
	}
	return b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		s, err := b.enrolled(ctx, tx, user)
		switch {
		case err != nil:
			return err
		case p.Code == "":
			return ErrProofRequired
		case now.UnixMicro() < s.holdUntil:
			return &HoldError{Action: a, Until: instant(s.holdUntil)}
		}
		if err := may(ctx, tx, s); err != nil {
			return err
		}
		if _, err := b.prove(ctx, tx, user, s, g, now); err != nil {
			return err
		}
		return do(ctx, tx, s, now)
	})
}

func retire(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	return nil
}
