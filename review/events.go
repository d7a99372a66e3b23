package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// eventTypes says which events of the audit the world hears of, and under which
// type. What tells which proof failed, or who of the staff did it, is none of them
// or loses its detail.
var eventTypes = map[string]string{
	"case.opened":           "case.created",
	"case.resolved":         "case.resolved",
	"owner.yes":             "case.confirmed",
	"owner.no":              "case.held",
	"case.approved":         "case.approved",
	"case.held":             "case.held",
	"case.resumed":          "case.resumed",
	"case.rejected":         "case.rejected",
	"case.withdrawn":        "case.withdrawn",
	"case.duplicate":        "case.duplicate",
	"case.not_a_request":    "case.not_a_request",
	"case.expired":          "case.expired",
	"case.cleared":          "case.cleared",
	"case.pass_reissued":    "case.pass_reissued",
	"case.undone":           "case.undone",
	"case.unfrozen":         "case.unfrozen",
	"factor.enrolled":       "twofactor.enrolled",
	"factor.replaced":       "twofactor.replaced",
	"factor.device_added":   "twofactor.device_added",
	"factor.device_removed": "twofactor.device_removed",
	"factor.turned_off":     "twofactor.turned_off",
	"factor.codes_renewed":  "twofactor.codes_renewed",
	"factor.code_used":      "twofactor.code_used",
	"factor.code_repeated":  "twofactor.code_repeated",
	"factor.codes_low":      "twofactor.codes.low",
	"factor.locked":         "twofactor.locked",
	"factor.alarm":          "twofactor.verified.failed",
	"factor.exempt":         "twofactor.exempt",
	"factor.cleared":        "twofactor.cleared",
	"factor.restored":       "twofactor.restored",
	"webhook.tested":        "webhook.test",
}

// A PublicEvent is an event of the audit as the world hears of it: what and of
// whom, and nothing of why or by whom.
type PublicEvent struct {
	Seq                 int64 // of the audit: the cursor
	Type                string
	At                  time.Time
	Case, Account, User string // "" where there is none
	object              string
}

// maxScan is how many events of the audit one look goes through.
const maxScan = 500

// Events returns up to limit public events after a cursor, oldest first, and the
// next cursor. That moves on also when nothing public was found, so that a long
// stretch of other events does not stop who asks again and again. With wait it
// returns as soon as there is something, at the latest after that time.
func (d *Desk) Events(ctx context.Context, after int64, limit int, wait time.Duration) (events []PublicEvent, next int64, err error) {
	limit = min(max(limit, 1), 200)
	for end := time.Now().Add(wait); ; {
		events, next = nil, after
		err = d.snapshot(ctx, "read events", func(tx *sql.Tx) error {
			var err error
			events, next, err = publicEvents(ctx, tx, after, limit)
			return err
		})
		left := time.Until(end)
		if err != nil || len(events) > 0 || left <= 0 {
			return events, next, err
		}
		after = next
		select {
		case <-ctx.Done():
			return nil, next, ctx.Err()
		case <-time.After(min(time.Second, left)):
		}
	}
}

func publicEvents(ctx context.Context, tx *sql.Tx, after int64, limit int) (events []PublicEvent, next int64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT a.seq, a.at, a.action, a.object, coalesce(c.number, ''), coalesce(c.account_id, u.account_id, ''), coalesce(c.user_id, u.id, '')
		FROM audit a LEFT JOIN reset_case c ON c.number = a.object LEFT JOIN panel_user u ON u.id = a.object
		WHERE a.seq > $1 ORDER BY a.seq LIMIT $2`, after, maxScan)
	if err != nil {
		return nil, after, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	next = after
	for rows.Next() && len(events) < limit {
		var e PublicEvent
		var at int64
		var action string
		if err := rows.Scan(&e.Seq, &at, &action, &e.object, &e.Case, &e.Account, &e.User); err != nil {
			return nil, after, fmt.Errorf("read events: %w", err)
		}
		next, e.At, e.Type = e.Seq, fromMicros(at), eventTypes[action]
		if e.public() {
			events = append(events, e)
		}
	}
	return events, next, rows.Err()
}

// public leaves out what no endpoint may hear of: acts without a type, and what
// happens to the second factors of our own staff.
func (e PublicEvent) public() bool {
	return e.Type != "" && (e.Case != "" || e.User != "" || e.Type == webhookTest)
}
