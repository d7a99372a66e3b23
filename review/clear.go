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

// advance judges a case anew, inside the caller's transaction, and moves it as
// far as it goes: held on contrary evidence, cleared when the last requirement
// has fallen, else asleep until the clock may change something. It reports
// whether it cleared.
func (d *Desk) advance(ctx context.Context, tx *sql.Tx, c caseRow, now time.Time) (bool, error) {
	f, status, err := readFacts(ctx, tx, c, d.cfg.Policy)
	if err != nil {
		return false, err
	}
	j := Judge(f, d.cfg.Policy, now)
	if c.state != StateOpen {
		return false, nil
	}
	if j.Contrary != "" {
		if _, err := record(ctx, tx, now, "desk", "case.held", c.number, map[string]string{"reason": j.Contrary}); err != nil {
			return false, err
		}
		return false, d.hold(ctx, tx, c, "verified", j.Contrary)
	}
	if j.Clears() {
		return true, d.clear(ctx, tx, c, j, status.Generation, now)
	}
	due := c.expires
	for _, t := range []time.Time{j.WaitUntil, f.FrozenUntil} {
		if t.After(now) && t.Before(due) {
			due = t
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE reset_case SET due_at = $3 WHERE id = $1 AND version = $2`, c.id, c.version, micros(due))
	return false, err
}

// clear is the one transition that clears a second factor: reset, factor,
// backup codes, pass, letters, audit and case, all in the caller's transaction
// (design 2, promise 5). The caller has judged in the same transaction that
// every requirement is met; the schema asks for the approvals and the owner's
// yes once more.
func (d *Desk) clear(ctx context.Context, tx *sql.Tx, c caseRow, j Judgement, generation int64, now time.Time) error {
	hold := now.Add(d.cfg.Policy.Hold)
	if j.Alone {
		if _, err := record(ctx, tx, now, "desk", "case.decided_alone", c.number, map[string]any{"policy": d.cfg.Policy.Name}); err != nil {
			return err
		}
	}
	seq, err := record(ctx, tx, now, "desk", "case.cleared", c.number, map[string]any{
		"user": c.user, "generation": generation, "risk": j.Risk, "approvals_required": j.Approvals, "evidence_required": j.Mandatory,
		"wait_until": stamp(j.WaitUntil), "hold_until": stamp(hold), "policy": d.cfg.Policy.Name})
	if err != nil {
		return err
	}
	var reset int64
	err = tx.QueryRowContext(ctx, `INSERT INTO reset (case_id, approval_id, answer_id, user_id, generation, approvals_required,
			evidence_required, wait_until, cleared_at, hold_until, audit_seq)
		VALUES ($1,
			(SELECT max(id) FROM vote WHERE case_id = $1 AND round = $2 AND generation = $4 AND expires_at > $7),
			(SELECT id FROM answer WHERE case_id = $1 AND round = $2 AND answer = 'yes' AND user_id = $3 ORDER BY at, id LIMIT 1), -- the first by the clock, as judged
			$3, $4, $5, $10, $6, $7, $8, $9) RETURNING id`,
		c.id, c.round, c.user, generation, j.Approvals, micros(j.WaitUntil), micros(now), micros(hold), seq, j.Mandatory).Scan(&reset)
	if err != nil {
		return fmt.Errorf("record reset: %w", err)
	}
	if err := totp.Clear(ctx, tx, c.user, generation, totp.Reason{At: now, HoldUntil: hold}); err != nil {
		return err
	}
	if _, err := record(ctx, tx, now, "desk", "factor.cleared", c.user, map[string]any{"case": c.number, "generation": generation}); err != nil {
		return err
	}
	if err := d.tellCleared(ctx, tx, c, reset, hold, now); err != nil {
		return err
	}
	if err := d.mailPass(ctx, tx, c, reset, 1, now); err != nil {
		return err
	}
	return d.closeCase(ctx, tx, c, StateCleared, "desk", "", now)
}

// Tick lets the clock act: cases whose waiting period ended are cleared, those
// whose user signed in meanwhile are held, and those too old expire; what
// happened to second factors is told, and users are reminded to enroll. What
// fails does not stop the rest.
func (d *Desk) Tick(ctx context.Context) error {
	return errors.Join(d.tickCases(ctx), d.tellFactors(ctx), d.remind(ctx), d.tickSummaries(ctx))
}

// tickCases takes each case that is due in one transaction.
func (d *Desk) tickCases(ctx context.Context) error {
	ids, err := d.dueCases(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		cleared := false
		e := d.update(ctx, "advance case", func(tx *sql.Tx) error {
			now := time.Now()
			c, err := caseByID(ctx, tx, id)
			if err != nil {
				return err
			}
			if (c.state == StateOpen || c.state == StateHeld) && !now.Before(c.expires) {
				return d.expire(ctx, tx, c, now)
			}
			if c.state == StateHeld && !c.heldUntil.IsZero() && !now.Before(c.heldUntil) {
				return holdOver(ctx, tx, c, now)
			}
			cleared, err = d.advance(ctx, tx, c, now)
			return err
		})
		if cleared && e == nil {
			d.lettersReady()
		}
		if e != nil {
			d.log.Error("a case did not advance", "case", id, "error", e)
			err = e
		}
	}
	return err
}

func (d *Desk) dueCases(ctx context.Context) ([]int64, error) {
	rows, err := d.db.read.QueryContext(ctx, `SELECT id FROM reset_case WHERE due_at <= $1 AND state IN ('open', 'held')
		UNION SELECT c.id FROM reset_case c JOIN holder h ON h.id = c.user_id WHERE c.state = 'open' AND h.verified_at > c.watched_from`,
		micros(time.Now()))
	if err != nil {
		return nil, fmt.Errorf("due cases: %w", err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("due cases: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (d *Desk) expire(ctx context.Context, tx *sql.Tx, c caseRow, now time.Time) error {
	if _, err := record(ctx, tx, now, "clock", "case.expired", c.number, nil); err != nil {
		return err
	}
	return d.closeCase(ctx, tx, c, StateExpired, "clock", "Nobody completed it in time.", now)
}

// ReissuePass mails the user a new enrollment pass when the first one was lost
// or expired. The old one dies. It needs a fresh second factor and the typed
// account number, as an approval does.
func (d *Desk) ReissuePass(ctx context.Context, s Session, in Approval) error {
	return d.after(ctx, s, Decide, in, "pass_reissued", func(tx *sql.Tx, c caseRow, now time.Time) error {
		if c.state != StateCleared {
			return fail(Conflict, "Only a cleared case has a pass.")
		}
		status, err := totp.ReadStatus(ctx, tx, c.user)
		if err != nil {
			return err
		}
		if !status.PassRequired {
			return fail(Conflict, "The user set up a new second factor already.")
		}
		var reset, serial int64
		err = tx.QueryRowContext(ctx, `SELECT r.id, (SELECT count(*) + 1 FROM letter WHERE reset_id = r.id AND kind = 'pass')
			FROM reset r WHERE r.case_id = $1 AND r.generation = $2`, c.id, status.Generation-1).Scan(&reset, &serial)
		if err != nil {
			return fail(Conflict, "A later reset replaced this one.")
		}
		return d.mailPass(ctx, tx, c, reset, serial, now)
	})
}

// Unfreeze lets a user sign in again after an undo. Only leads and admins may.
func (d *Desk) Unfreeze(ctx context.Context, s Session, in Approval) error {
	return d.after(ctx, s, Leading, in, "unfrozen", func(tx *sql.Tx, c caseRow, now time.Time) error {
		if c.state != StateUndone {
			return fail(Conflict, "Only the user of an undone case is locked.")
		}
		return totp.Unfreeze(ctx, tx, c.user)
	})
}

// after runs an act that follows a closed case, with step-up and reason.
func (d *Desk) after(ctx context.Context, s Session, right Right, in Approval, action string, f func(*sql.Tx, caseRow, time.Time) error) error {
	if strings.TrimSpace(in.Reason) == "" {
		return invalid("reason", "Write why; the audit keeps it.")
	}
	check := func(tx *sql.Tx) (caseRow, error) {
		if err := d.allow(ctx, tx, s, right); err != nil {
			return caseRow{}, err
		}
		return settled(ctx, tx, s, in)
	}
	if err := d.snapshot(ctx, action, func(tx *sql.Tx) error { _, err := check(tx); return err }); err != nil {
		return err // before the code is used up
	}
	if _, err := d.stepUp(ctx, s, in.Code); err != nil {
		return err
	}
	err := d.update(ctx, action, func(tx *sql.Tx) error {
		c, err := check(tx)
		if err != nil {
			return err
		}
		now := time.Now()
		if _, err := record(ctx, tx, now, s.actor(), "case."+action, c.number, map[string]string{"reason": in.Reason}); err != nil {
			return err
		}
		return f(tx, c, now)
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

// settled checks what was typed against the closed case as it is now.
func settled(ctx context.Context, tx *sql.Tx, s Session, in Approval) (caseRow, error) {
	c, err := caseByNumber(ctx, tx, in.Number)
	switch {
	case err != nil:
		return c, err
	case c.version != in.Version:
		return c, errStale
	case strings.TrimSpace(in.Account) != c.account:
		return c, invalid("account", "Type the account number exactly as it stands above.")
	}
	return c, stranger(ctx, tx, s, c)
}
