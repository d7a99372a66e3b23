package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
)

var _ mailbox.Outbox = (*Desk)(nil)

// Claim takes the next letter that is due and within the budget. A letter that an
// earlier run of the program held is free again at once if its dot was never
// written, and after UncertainWait if it was: one process owns the database, so
// another epoch is a dead one.
func (d *Desk) Claim(ctx context.Context) (mailbox.Letter, bool, error) {
	tx, err := d.db.write.BeginTx(ctx, nil)
	if err != nil {
		return mailbox.Letter{}, false, fmt.Errorf("claim letter: %w", err)
	}
	defer tx.Rollback()
	if err := d.keepBudget(ctx, tx); err != nil {
		return mailbox.Letter{}, false, fmt.Errorf("keep budget: %w", err)
	}
	l, messageID, sealed, err := d.claim(ctx, tx)
	found := !errors.Is(err, sql.ErrNoRows)
	if found && err != nil {
		return mailbox.Letter{}, false, fmt.Errorf("claim letter: %w", err)
	}
	if err := tx.Commit(); err != nil { // also if none is left: what is over the budget was put off
		return mailbox.Letter{}, false, fmt.Errorf("claim letter: %w", err)
	}
	if !found {
		return mailbox.Letter{}, false, nil
	}
	if l.Raw, err = d.cfg.Keys.Open("letter", messageID, sealed); err != nil {
		return mailbox.Letter{}, false, fmt.Errorf("open letter %d: %w", l.ID, err)
	}
	return l, true, nil
}

func (d *Desk) claim(ctx context.Context, tx *sql.Tx) (l mailbox.Letter, messageID string, sealed []byte, err error) {
	var tried int64
	now := time.Now()
	err = tx.QueryRowContext(ctx, `UPDATE letter SET state = 'sending', epoch = $2, attempt = attempt + 1, changed_at = $1,
			tried_at = coalesce(tried_at, $1), uncertain = uncertain + CASE WHEN state = 'dot' THEN 1 ELSE 0 END
		WHERE id = (SELECT id FROM letter WHERE next_at <= $1 AND state IN ('queued', 'sending', 'dot') AND (state = 'queued'
				OR (state = 'sending' AND epoch <> $2)
				OR (state = 'dot' AND epoch <> $2 AND changed_at <= $3))
			ORDER BY next_at, id LIMIT 1)
		RETURNING id, attempt, recipient, message_id, sealed, tried_at`,
		micros(now), d.epoch, micros(now.Add(-d.cfg.UncertainWait))).
		Scan(&l.ID, &l.Attempt, &l.To, &messageID, &sealed, &tried)
	l.Since, l.From = fromMicros(tried), d.returnPath(l.ID, messageID)
	return l, messageID, sealed, err
}

// AtDot commits that the final dot of this attempt is about to be written: from
// here on a crash leaves it uncertain (promises 3.3).
func (d *Desk) AtDot(ctx context.Context, id int64, attempt int) error {
	res, err := d.db.write.ExecContext(ctx, `UPDATE letter SET state = 'dot', changed_at = $4
		WHERE id = $1 AND attempt = $2 AND epoch = $3 AND state = 'sending'`, id, attempt, d.epoch, micros(time.Now()))
	return one(res, err, "letter at dot")
}

// one turns a compare-and-swap that hit no row into an error.
func one(res sql.Result, err error, what string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%s: it is not ours any more", what)
	}
	return nil
}

// Sent records the server's 250. When the last notice of a case is out its
// waiting period begins, so the clock looks at it.
func (d *Desk) Sent(ctx context.Context, id int64, attempt int, response string) error {
	due := false
	err := d.update(ctx, "letter sent", func(tx *sql.Tx) error {
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE letter SET state = 'sent', response = $4, changed_at = $5
			WHERE id = $1 AND attempt = $2 AND epoch = $3 AND state = 'dot'`, id, attempt, d.epoch, clip(response, 500), micros(now))
		if err := one(res, err, "letter sent"); err != nil {
			return err
		}
		due, err = d.wakeCase(ctx, tx, id, now)
		return err
	})
	if err == nil && due {
		wake(d.clock)
	}
	return err
}

// wakeCase makes the open case that a letter tells of due, and reports whether there
// is one.
func (d *Desk) wakeCase(ctx context.Context, tx *sql.Tx, letter int64, now time.Time) (due bool, err error) {
	res, err := tx.ExecContext(ctx, `UPDATE reset_case SET due_at = $2 WHERE state = 'open' AND id = (
		SELECT case_id FROM letter WHERE id = $1 AND kind IN ('acknowledgement', 'notice'))`, letter, micros(now))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Failed records how an attempt ended otherwise. A letter that the server
// refuses for good needs a person: if it was a notice of an open case, the case
// is held.
func (d *Desk) Failed(ctx context.Context, id int64, attempt int, o mailbox.Outcome) error {
	state, next := "queued", o.Next
	if o.Phase == mailbox.Refused {
		state, next = "failed", time.Now()
	}
	uncertain := flag(o.Phase == mailbox.Uncertain)
	return d.update(ctx, "letter failed", func(tx *sql.Tx) error {
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE letter SET state = $4, response = $5, next_at = $6, changed_at = $7, uncertain = uncertain + $8
			WHERE id = $1 AND attempt = $2 AND epoch = $3 AND state IN ('sending', 'dot')`,
			id, attempt, d.epoch, state, clip(o.Text, 500), micros(next), micros(now), uncertain)
		if err := one(res, err, "letter failed"); err != nil {
			return err
		}
		if state != "failed" {
			_, err := d.wakeCase(ctx, tx, id, now)
			return err
		}
		return d.letterRefused(ctx, tx, id, o, now)
	})
}

func (d *Desk) letterRefused(ctx context.Context, tx *sql.Tx, id int64, o mailbox.Outcome, now time.Time) error {
	var caseID int64 // 0: a letter to a user
	var kind, recipient, user string
	err := tx.QueryRowContext(ctx, `SELECT coalesce(case_id, 0), coalesce(user_id, 'reviewer:' || reviewer_id, ''), kind, recipient FROM letter WHERE id = $1`, id).
		Scan(&caseID, &user, &kind, &recipient)
	if err != nil {
		return err
	}
	detail := map[string]any{"kind": kind, "recipient": maskAddress(recipient), "code": o.Code}
	if caseID == 0 {
		_, err := record(ctx, tx, now, "desk", "letter.refused", user, detail)
		return err
	}
	c, err := caseByID(ctx, tx, caseID)
	if err != nil {
		return err
	}
	if _, err := record(ctx, tx, now, "desk", "letter.refused", c.number, detail); err != nil {
		return err
	}
	if c.state != StateOpen || (kind != "acknowledgement" && kind != "notice") {
		return nil
	}
	why := "A notice to " + maskAddress(recipient) + " could not be delivered."
	if _, err := record(ctx, tx, now, "desk", "case.held", c.number, map[string]string{"reason": why}); err != nil {
		return err
	}
	return d.hold(ctx, tx, c, "bounce", why)
}
