package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID, Webhook int64
	Attempt     int // names the attempt
	Try         int // of the present series, from 1; a replay begins a new one
	URL         string
	EventID     string // the header webhook-id: the same at every repeat
	Body        []byte
	Keys        []SigningKey // the present secret's first
}

// A DeliveryEnd says how an attempt ended. Neither Done nor Gone and without Next,
// the delivery is given up until somebody replays it.
type DeliveryEnd struct {
	Done   bool      // it was taken
	Gone   bool      // the endpoint wants nothing any more (410)
	Next   time.Time // when to try again
	Status int       // of the answer; 0: there was none
	Text   string    // the beginning of the answer, or what went wrong
}

// deliveryLease is how long an attempt may take before the endpoint is tried
// again: longer than any attempt lasts, so that only a crash is ever waited out.
const deliveryLease = time.Minute

// ClaimDelivery takes the next delivery that is due. One at a time is under way
// to an endpoint; one that is slow holds up no other.
func (d *Desk) ClaimDelivery(ctx context.Context) (Delivery, bool, error) {
	if err := d.fanOut(ctx); err != nil {
		return Delivery{}, false, err
	}
	now := time.Now()
	var due bool
	err := d.db.read.QueryRowContext(ctx, `SELECT count(*) > 0 FROM webhook w WHERE `+claimable, micros(now)).Scan(&due)
	if err != nil || !due {
		return Delivery{}, false, err
	}
	var l Delivery
	err = d.update(ctx, "claim delivery", func(tx *sql.Tx) error {
		l = Delivery{}
		now := time.Now()
		lease := micros(now.Add(deliveryLease))
		var sealed, old []byte
		var oldUntil, seq int64
		var body string
		err := tx.QueryRowContext(ctx, `SELECT w.id, w.url, w.sealed, w.old_sealed, w.old_until,
				(SELECT id FROM webhook_delivery WHERE webhook_id = w.id AND state = 'waiting' AND next_at <= $1 ORDER BY next_at, id LIMIT 1)
			FROM webhook w WHERE `+claimable+` ORDER BY w.leased_until, w.id LIMIT 1`, micros(now)).
			Scan(&l.Webhook, &l.URL, &sealed, &old, &oldUntil, &l.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // somebody else has it
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE webhook SET leased_until = $2 WHERE id = $1`, l.Webhook, lease); err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, `UPDATE webhook_delivery SET attempt = attempt + 1, next_at = $2, changed_at = $3
			WHERE id = $1 AND state = 'waiting' RETURNING attempt, attempt - base, seq, body`, l.ID, lease, micros(now)).
			Scan(&l.Attempt, &l.Try, &seq, &body)
		if err != nil {
			return err
		}
		l.EventID, l.Body = "evt_"+strconv.FormatInt(seq, 10), []byte(body)
		if oldUntil <= micros(now) {
			old = nil
		}
		l.Keys, err = d.openKeys(l.Webhook, sealed, old)
		return err
	})
	return l, l.ID != 0 && err == nil, err
}

// claimable is the condition on webhook w that a delivery to it may begin at $1.
const claimable = `w.removed_at IS NULL AND w.disabled_at IS NULL AND w.leased_until <= $1
	AND EXISTS (SELECT 1 FROM webhook_delivery WHERE webhook_id = w.id AND state = 'waiting' AND next_at <= $1)`

func (d *Desk) openKeys(webhook int64, sealed ...[]byte) ([]SigningKey, error) {
	var keys []SigningKey
	for _, s := range sealed {
		if s == nil {
			continue
		}
		raw, err := d.cfg.Keys.Open(webhookSecret, strconv.FormatInt(webhook, 10), s)
		if err != nil {
			return nil, fmt.Errorf("webhook %d: %w", webhook, err)
		}
		keys = append(keys, SigningKey{raw})
	}
	return keys, nil
}

// payload is what an endpoint gets (Standard Webhooks 1.0.0, thin).
type payload struct {
	ID        int64       `json:"id"` // the cursor of GET /events, which has the same object
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      payloadData `json:"data"`
}

type payloadData struct {
	Case    string `json:"case,omitempty"`
	Account string `json:"account,omitempty"`
	User    string `json:"user,omitempty"`
}

// fanOut queues a delivery of each new event for each endpoint that wants it.
func (d *Desk) fanOut(ctx context.Context) error {
	for ctx.Err() == nil {
		var behind bool
		err := d.db.read.QueryRowContext(ctx, `SELECT count(*) > 0 FROM webhook WHERE removed_at IS NULL AND disabled_at IS NULL
			AND cursor < (SELECT coalesce(max(seq), 0) FROM audit)`).Scan(&behind)
		if err != nil || !behind {
			return err
		}
		if err := d.update(ctx, "queue deliveries", func(tx *sql.Tx) error { return queueDeliveries(ctx, tx, time.Now()) }); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// queueDeliveries moves the endpoint that is furthest behind over the next events.
func queueDeliveries(ctx context.Context, tx *sql.Tx, now time.Time) error {
	var id, cursor int64
	var filter string
	err := tx.QueryRowContext(ctx, `SELECT id, cursor, events FROM webhook WHERE removed_at IS NULL AND disabled_at IS NULL ORDER BY cursor, id LIMIT 1`).
		Scan(&id, &cursor, &filter)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	events, next, err := publicEvents(ctx, tx, cursor, maxScan)
	if err != nil {
		return err
	}
	for _, e := range events {
		if !wanted(e, id, strings.Fields(filter)) {
			continue
		}
		body, err := json.Marshal(payload{e.Seq, e.Type, e.At, payloadData{e.Case, e.Account, e.User}})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO webhook_delivery (webhook_id, seq, type, body, state, next_at, queued_at, changed_at)
			VALUES ($1, $2, $3, $4, 'waiting', $5, $5, $5)`, id, e.Seq, e.Type, string(body), micros(now))
		if err != nil {
			return err
		}
	}
	return changed(tx.ExecContext(ctx, `UPDATE webhook SET cursor = $3 WHERE id = $1 AND cursor = $2`, id, cursor, next))
}

// wanted reports whether an endpoint gets an event: a test only if it is its own.
func wanted(e PublicEvent, webhook int64, filters []string) bool {
	if e.Type == webhookTest {
		return e.object == webhookObject(webhook)
	}
	return len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return wants(f, e.Type) })
}

// SettleDelivery records how an attempt ended. An attempt that is not the last
// one any more has nothing to say.
func (d *Desk) SettleDelivery(ctx context.Context, l Delivery, end DeliveryEnd) error {
	return d.update(ctx, "settle delivery", func(tx *sql.Tx) error {
		now := time.Now()
		state, next := "waiting", end.Next
		if end.Done {
			state, next = "delivered", now
		} else if end.Gone || end.Next.IsZero() {
			state, next = "dead", now
		}
		res, err := tx.ExecContext(ctx, `UPDATE webhook_delivery SET state = $3, next_at = $4, status = $5, answer = $6, changed_at = $7
			WHERE id = $1 AND attempt = $2 AND state = 'waiting'`, l.ID, l.Attempt, state, micros(next), end.Status, clipText(end.Text, 200), micros(now))
		if err := one(res, err, "settle delivery"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE webhook SET leased_until = $2 WHERE id = $1`, l.Webhook, micros(now)); err != nil || !end.Gone {
			return err
		}
		if _, err := record(ctx, tx, now, "desk", "webhook.disabled", webhookObject(l.Webhook), map[string]any{"status": end.Status}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE webhook SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL`, l.Webhook, micros(now)); err != nil {
			return err
		}
		return giveUpWaiting(ctx, tx, l.Webhook, "The endpoint answered 410.", now)
	})
}

// clipText is the beginning of a stranger's text, made whole.
func clipText(s string, n int) string {
	s = clip(strings.ToValidUTF8(s, "�"), n)
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// A DeliveryRow is one delivery in the log of an endpoint.
type DeliveryRow struct {
	ID, Event int64
	Type      string
	State     string // waiting, delivered, dead
	Attempts  int
	Status    int
	Answer    string
	Queued    time.Time
	Changed   time.Time
	Next      time.Time // of the next attempt while it waits
}

// Deliveries lists the deliveries to an endpoint, newest first, before the given
// id (0: from the newest), at most 100.
func (d *Desk) Deliveries(ctx context.Context, webhook, before int64) ([]DeliveryRow, error) {
	if before <= 0 {
		before = 1 << 62
	}
	var all []DeliveryRow
	err := d.snapshot(ctx, "list deliveries", func(tx *sql.Tx) error {
		var live bool
		if err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM webhook WHERE id = $1 AND removed_at IS NULL`, webhook).Scan(&live); err != nil {
			return err
		}
		if !live {
			return errWebhook
		}
		rows, err := tx.QueryContext(ctx, `SELECT id, seq, type, state, attempt, status, answer, queued_at, changed_at, next_at FROM webhook_delivery
			WHERE webhook_id = $1 AND seq < (SELECT coalesce((SELECT seq FROM webhook_delivery WHERE id = $2 AND webhook_id = $1), $2)) ORDER BY seq DESC LIMIT 100`, webhook, before)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r DeliveryRow
			var queued, changed, next int64
			if err := rows.Scan(&r.ID, &r.Event, &r.Type, &r.State, &r.Attempts, &r.Status, &r.Answer, &queued, &changed, &next); err != nil {
				return err
			}
			r.Queued, r.Changed = fromMicros(queued), fromMicros(changed)
			if r.State == "waiting" {
				r.Next = fromMicros(next)
			}
			all = append(all, r)
		}
		return rows.Err()
	})
	return all, err
}

// Replay queues one delivery of an endpoint again, or with delivery 0 all that
// were given up, and returns how many.
func (d *Desk) Replay(ctx context.Context, by Actor, webhook, delivery int64) (n int64, err error) {
	err = d.onWebhook(ctx, by, webhook, "replayed", func(tx *sql.Tx, now time.Time) error {
		var disabled bool
		if err := tx.QueryRowContext(ctx, `SELECT disabled_at IS NOT NULL FROM webhook WHERE id = $1`, webhook).Scan(&disabled); err != nil {
			return err
		}
		if disabled {
			return errDisabled
		}
		res, err := tx.ExecContext(ctx, `UPDATE webhook_delivery SET state = 'waiting', base = attempt, next_at = $3, changed_at = $3
			WHERE webhook_id = $1 AND ((id = $2 AND state <> 'waiting') OR ($2 = 0 AND state = 'dead'))`, webhook, delivery, micros(now))
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err == nil && n == 0 && delivery != 0 {
			return fail(NotFound, "There is no such delivery that is over.")
		}
		return err
	})
	return n, err
}

// forgetDeliveries deletes the log of deliveries that were over 30 days ago.
func forgetDeliveries(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery WHERE state <> 'waiting' AND changed_at < $1 ORDER BY changed_at LIMIT 5000)`,
		micros(now.Add(-keepDeliveries)))
	return err
}
