package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// claimIdle is how long a claim lasts after the last act of who has it
// (interface 3.2).
const claimIdle = 15 * time.Minute

// A CaseClaim says who works on a case, and until when the claim holds if nothing
// happens.
type CaseClaim struct {
	Reviewer int64
	Name     string
	Until    time.Time // zero: nobody
}

// Live reports whether somebody works on the case.
func (c CaseClaim) Live() bool { return time.Now().Before(c.Until) }

func readClaim(ctx context.Context, tx *sql.Tx, id int64) (CaseClaim, error) {
	var c CaseClaim
	var until int64
	err := tx.QueryRowContext(ctx, `SELECT k.reviewer_id, r.name, k.until FROM case_claim k JOIN reviewer r ON r.id = k.reviewer_id
		WHERE k.case_id = $1 AND k.until > $2`, id, micros(time.Now())).Scan(&c.Reviewer, &c.Name, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return CaseClaim{}, nil
	}
	if err != nil {
		return c, fmt.Errorf("read claim: %w", err)
	}
	c.Until = fromMicros(until)
	return c, nil
}

// ClaimCase says that a reviewer works on a case from now on, or goes on to. Whoever
// takes over from another who still does says why. The version of the case plays no
// part: a claim decides nothing, lets nobody in and keeps nobody out.
func (d *Desk) ClaimCase(ctx context.Context, s Session, number, why string) error {
	return d.update(ctx, "claim case", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Decide); err != nil {
			return err
		}
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		if c.state.Closed() {
			return fail(Conflict, "The case is closed; there is nothing left to work on.")
		}
		was, err := readClaim(ctx, tx, c.id)
		if err != nil {
			return err
		}
		now, action, detail := time.Now(), "case.claimed", map[string]string{}
		if was.Live() && was.Reviewer != s.Reviewer.ID {
			if strings.TrimSpace(why) == "" {
				return invalid("note", was.Name+" works on this case. Write why you take over.")
			}
			action, detail = "case.taken_over", map[string]string{"from": was.Name, "reason": why}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO case_claim (case_id, reviewer_id, since, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (case_id) DO UPDATE SET since = CASE WHEN reviewer_id = excluded.reviewer_id AND until > excluded.since THEN since ELSE excluded.since END,
				reviewer_id = excluded.reviewer_id, until = excluded.until`,
			c.id, s.Reviewer.ID, micros(now), micros(now.Add(claimIdle)))
		if err != nil {
			return fmt.Errorf("claim case: %w", err)
		}
		if was.Live() && was.Reviewer == s.Reviewer.ID {
			return nil // it only lasts longer
		}
		_, err = record(ctx, tx, now, s.actor(), action, c.number, detail)
		return err
	})
}

// ReleaseCase ends a claim: one's own, or as a lead or an admin anybody's.
func (d *Desk) ReleaseCase(ctx context.Context, s Session, number string) error {
	return d.update(ctx, "release case", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Decide); err != nil {
			return err
		}
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		was, err := readClaim(ctx, tx, c.id)
		switch {
		case err != nil:
			return err
		case !was.Live():
			return fail(Conflict, "Nobody works on this case any more.")
		case was.Reviewer != s.Reviewer.ID && !s.Reviewer.Role.May(Leading):
			return fail(Denied, was.Name+" works on this case. Take it over, and say why.")
		}
		if err := endClaim(ctx, tx, c); err != nil {
			return err
		}
		_, err = record(ctx, tx, time.Now(), s.actor(), "case.released", c.number, map[string]string{"from": was.Name})
		return err
	})
}

func endClaim(ctx context.Context, tx *sql.Tx, c caseRow) error {
	_, err := tx.ExecContext(ctx, `UPDATE case_claim SET until = $2 WHERE case_id = $1 AND until > $2`, c.id, micros(time.Now()))
	if err != nil {
		return fmt.Errorf("end claim: %w", err)
	}
	return nil
}

// keepClaim lets the claim of who just acted last longer.
func keepClaim(ctx context.Context, tx *sql.Tx, s Session, c caseRow, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE case_claim SET until = $3 WHERE case_id = $1 AND reviewer_id = $2 AND until > $4`,
		c.id, s.Reviewer.ID, micros(now.Add(claimIdle)), micros(now))
	if err != nil {
		return fmt.Errorf("keep claim: %w", err)
	}
	return nil
}
