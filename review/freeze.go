package review

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// A Freeze is what somebody fills in to stop all resets of an account for a time.
type Freeze struct {
	Number  string // of the case that shows why
	Version int64
	Until   time.Time
	Reason  string
}

const longestFreeze = 366 * 24 * time.Hour

// FreezeAccount lets no user of the account be reset until a time. Cases open and
// can be worked on, and nothing clears. A freeze can be made longer, not shorter.
func (d *Desk) FreezeAccount(ctx context.Context, s Session, in Freeze) error {
	now := time.Now()
	switch {
	case strings.TrimSpace(in.Reason) == "":
		return invalid("note", "Write why the account is frozen.")
	case !in.Until.After(now) || in.Until.After(now.Add(longestFreeze)):
		return invalid("until", "Choose a time to come, within a year.")
	}
	return d.act(ctx, s, Decision{Number: in.Number, Version: in.Version, Class: stamp(in.Until), Note: in.Reason}, "account_frozen", states,
		func(tx *sql.Tx, c caseRow, now time.Time) error {
			f := Facts{}
			if err := readHistory(ctx, tx, c, &f); err != nil {
				return err
			}
			switch {
			case c.account == "":
				return fail(Conflict, "Choose the account of the case first.")
			case in.Until.Before(f.FrozenUntil):
				return invalid("until", "The account is frozen for longer already, until "+stamp(f.FrozenUntil)+". A lead can lift that.")
			}
			return writeFreeze(ctx, tx, s, c, in.Until, in.Reason, now)
		})
}

// ThawAccount lifts the freeze of the account of a case, with a fresh second factor
// of a lead or an admin.
func (d *Desk) ThawAccount(ctx context.Context, s Session, in Approval) error {
	err := d.after(ctx, s, Leading, in, "account_unfrozen", func(tx *sql.Tx, c caseRow, now time.Time) error {
		f := Facts{}
		if err := readHistory(ctx, tx, c, &f); err != nil {
			return err
		}
		if !f.FrozenUntil.After(now) {
			return fail(Conflict, "The account is not frozen.")
		}
		return writeFreeze(ctx, tx, s, c, now, in.Reason, now)
	})
	if err == nil {
		d.nudge()
	}
	return err
}

func writeFreeze(ctx context.Context, tx *sql.Tx, s Session, c caseRow, until time.Time, reason string, now time.Time) error {
	action := "account.frozen"
	if !until.After(now) {
		action = "account.unfrozen"
	}
	seq, err := record(ctx, tx, now, s.actor(), action, c.account, map[string]string{"until": stamp(until), "reason": reason, "case": c.number})
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
