package review

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// A Budget bounds what mail from outside can set off: the letters that go out
// when a case opens. It is the breaker of every loop that nobody thought of
// (promises, appendix B). A letter over it waits, and is never dropped. What a
// person of ours decided, and what happened to a factor, waits for nobody.
type Budget struct {
	Account int // acknowledgements to one account in an hour; 0: no bound
	Hour    int // acknowledgements and notices in an hour; 0: no bound
}

// keepBudget puts off the letters that are due and over the budget. Those that
// were tried once go on: they count already.
func (d *Desk) keepBudget(ctx context.Context, tx *sql.Tx) error {
	if d.cfg.Budget == (Budget{}) {
		return nil
	}
	for { // each turn puts a letter off, into the future
		if over, err := d.putOff(ctx, tx, time.Now()); err != nil || !over {
			return err
		}
	}
}

// putOff looks at the first letter that is due. If that is over the budget, it is
// put off until there is room, together with all that are for the same reason.
func (d *Desk) putOff(ctx context.Context, tx *sql.Tx, now time.Time) (over bool, err error) {
	var id int64
	var kind, account string
	// The index is named, because SQLite would take another and sort all that wait.
	err = tx.QueryRowContext(ctx, `SELECT l.id, l.kind, a.account_id FROM letter l INDEXED BY letter_put_off CROSS JOIN address a ON a.id = l.address_id
		WHERE l.next_at <= $1 AND l.state = 'queued' AND l.tried_at IS NULL AND l.kind IN ('acknowledgement', 'notice')
		ORDER BY l.next_at, l.id LIMIT 1`, micros(now)).Scan(&id, &kind, &account)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if room, err := roomAt(ctx, tx, d.cfg.Budget.Hour, now, `1`); err != nil {
		return false, err
	} else if !room.IsZero() {
		d.log.Warn("the budget of letters is used up", "until", room.UTC())
		_, err := tx.ExecContext(ctx, `UPDATE letter SET next_at = $2
			WHERE next_at <= $1 AND state = 'queued' AND tried_at IS NULL AND kind IN ('acknowledgement', 'notice')`, micros(now), micros(room))
		return true, err
	}
	if kind != "acknowledgement" {
		return false, nil
	}
	room, err := roomAt(ctx, tx, d.cfg.Budget.Account, now, `l.kind = 'acknowledgement' AND a.account_id = $3`, account)
	if err != nil || room.IsZero() {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE letter SET next_at = $2 WHERE id = $1`, id, micros(room))
	return true, err
}

// roomAt is when a budget has room again, zero if it has now.
func roomAt(ctx context.Context, tx *sql.Tx, budget int, now time.Time, which string, args ...any) (time.Time, error) {
	if budget <= 0 {
		return time.Time{}, nil
	}
	args = append([]any{micros(now.Add(-time.Hour)), budget - 1}, args...)
	var tried int64
	err := tx.QueryRowContext(ctx, `SELECT l.tried_at FROM letter l JOIN address a ON a.id = l.address_id
		WHERE l.kind IN ('acknowledgement', 'notice') AND l.tried_at > $1 AND `+which+` ORDER BY l.tried_at DESC LIMIT 1 OFFSET $2`, args...).Scan(&tried)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMicros(tried).Add(time.Hour), err
}
