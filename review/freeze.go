package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A Freeze is what somebody fills in to stop all resets of an account for a time.
type Freeze struct {
	Number  string // of the case that shows why
	Version int64
	Until   time.Time
	Reason  string
}

const longestFreeze = 366 * 24 * time.Hour

func (in Freeze) check(now time.Time) error {
	switch {
	case strings.TrimSpace(in.Reason) == "":
		return invalid("note", "Write why the account is frozen.")
	case !in.Until.After(now) || in.Until.After(now.Add(longestFreeze)):
		return invalid("until", "Choose a time to come, within a year.")
	}
	return nil
}

// A Frost is what holds of an account: until when no user of it is reset.
type Frost struct {
	Until  time.Time `json:"until"` // at or before now: lifted or over
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Holds reports whether the account is frozen now.
func (f Frost) Holds() bool { return f.Until.After(time.Now()) }

// readFrost reads the last freeze of an account, the zero Frost if there was none.
func readFrost(ctx context.Context, tx totp.Querier, account string) (Frost, error) {
	var f Frost
	var until int64
	err := tx.QueryRowContext(ctx, `SELECT z.until, r.name, z.reason FROM account_freeze z JOIN reviewer r ON r.id = z.reviewer_id
		WHERE z.account_id = $1 ORDER BY z.id DESC LIMIT 1`, account).Scan(&until, &f.By, &f.Reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, fmt.Errorf("read freeze: %w", err)
	}
	f.Until = fromMicros(until)
	return f, nil
}

// FreezeAccount lets no user of the account of a case be reset until a time. Cases
// open and can be worked on, and nothing clears. A freeze can be made longer, not
// shorter.
func (d *Desk) FreezeAccount(ctx context.Context, s Session, in Freeze) error {
	if err := in.check(time.Now()); err != nil {
		return err
	}
	return d.act(ctx, s, Decision{Number: in.Number, Version: in.Version, Class: stamp(in.Until), Note: in.Reason}, "account_frozen", states,
		func(tx *sql.Tx, c caseRow, now time.Time) error {
			if c.account == "" {
				return fail(Conflict, "Choose the account of the case first.")
			}
			return freeze(ctx, tx, s, c, in, now)
		})
}

// FreezeResets is FreezeAccount without a case that shows why.
func (d *Desk) FreezeResets(ctx context.Context, s Session, account string, in Freeze) error {
	if err := in.check(time.Now()); err != nil {
		return err
	}
	return d.update(ctx, "freeze account", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Decide); err != nil {
			return err
		}
		if err := accountExists(ctx, tx, account); err != nil {
			return err
		}
		c := caseRow{account: account}
		if err := stranger(ctx, tx, s, c); err != nil {
			return err
		}
		return freeze(ctx, tx, s, c, in, time.Now())
	})
}

func freeze(ctx context.Context, tx *sql.Tx, s Session, c caseRow, in Freeze, now time.Time) error {
	f, err := readFrost(ctx, tx, c.account)
	if err != nil {
		return err
	}
	if in.Until.Before(f.Until) {
		return invalid("until", "The account is frozen for longer already, until "+stamp(f.Until)+". A lead can lift that.")
	}
	return writeFreeze(ctx, tx, s, c, in.Until, in.Reason, now)
}

// ThawAccount lifts the freeze of the account of a case, with a fresh second factor
// of a lead or an admin.
func (d *Desk) ThawAccount(ctx context.Context, s Session, in Approval) error {
	err := d.after(ctx, s, Leading, in, "account_unfrozen", func(tx *sql.Tx, c caseRow, now time.Time) error {
		if err := frozen(ctx, tx, c.account); err != nil {
			return err
		}
		return writeFreeze(ctx, tx, s, c, now, in.Reason, now)
	})
	if err == nil {
		d.nudge()
	}
	return err
}

// ThawResets is ThawAccount without a case that shows why.
func (d *Desk) ThawResets(ctx context.Context, s Session, account, reason, code string) error {
	if strings.TrimSpace(reason) == "" {
		return invalid("note", "Write why the freeze is lifted.")
	}
	check := func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Leading); err != nil {
			return err
		}
		if err := stranger(ctx, tx, s, caseRow{account: account}); err != nil {
			return err
		}
		return frozen(ctx, tx, account)
	}
	if err := d.snapshot(ctx, "lift freeze", check); err != nil {
		return err // before the code is used up
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return err
	}
	err := d.update(ctx, "lift freeze", func(tx *sql.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		now := time.Now()
		return writeFreeze(ctx, tx, s, caseRow{account: account}, now, reason, now)
	})
	if err == nil {
		d.nudge()
	}
	return err
}

func frozen(ctx context.Context, tx *sql.Tx, account string) error {
	f, err := readFrost(ctx, tx, account)
	if err == nil && !f.Holds() {
		err = fail(Conflict, "The account is not frozen.")
	}
	return err
}

func accountExists(ctx context.Context, tx *sql.Tx, account string) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM account WHERE id = $1`, account).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return errNoAccount
	}
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	return nil
}

func writeFreeze(ctx context.Context, tx *sql.Tx, s Session, c caseRow, until time.Time, reason string, now time.Time) error {
	action := "account.frozen"
	if !until.After(now) {
		action = "account.unfrozen"
	}
	detail := map[string]string{"until": stamp(until), "reason": reason}
	if c.number != "" {
		detail["case"] = c.number
	}
	seq, err := record(ctx, tx, now, s.actor(), action, c.account, detail)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO account_freeze (id, account_id, until, reviewer_id, session, reason, at, audit_seq)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM account_freeze`,
		c.account, micros(until), s.Reviewer.ID, s.hash(), reason, micros(now), seq)
	if err != nil {
		return fmt.Errorf("freeze account: %w", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE reset_case SET due_at = $2 WHERE account_id = $1 AND state = 'open'`, c.account, micros(now))
	return err
}
