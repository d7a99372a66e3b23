package review

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Webhook is an endpoint that is told what happens.
type Webhook struct {
	ID       int64
	URL      string
	Events   []string // types it wants, "case.*" all of a kind; none: every type
	Created  time.Time
	Disabled time.Time // it answered 410; zero: it is told
	Rotating time.Time // until when the secret before signs too; zero: there is one secret
	Waiting  int       // deliveries that are not through yet
	Dead     int       // deliveries that were given up
}

const (
	maxWebhooks    = 20
	maxWebhookURL  = 2000
	secretPrefix   = "whsec_" // Standard Webhooks 1.0.0
	secretSize     = 32
	rotationGrace  = 24 * time.Hour
	keepDeliveries = 30 * 24 * time.Hour
	webhookTest    = "webhook.test"
	webhookSecret  = "webhook secret" // purpose of the seal; bound to the id
)

// A SigningKey signs deliveries. It is printed as "[redacted]", whatever the verb.
type SigningKey struct{ raw []byte }

// Sign returns one signature of the header webhook-signature, as Standard
// Webhooks 1.0.0 has it: HMAC-SHA-256 over "id.timestamp.body".
func (k SigningKey) Sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, k.raw)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Format keeps the key out of every text.
func (SigningKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue keeps the key out of logs.
func (SigningKey) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// NewSigningKey reads a secret as it was shown: "whsec_" and base64.
func NewSigningKey(secret string) (SigningKey, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) < 24 {
		return SigningKey{}, errors.New("a webhook secret is whsec_ and at least 24 bytes in base64")
	}
	return SigningKey{raw}, nil
}

// sealKey seals a new secret for a webhook, and returns it as it is shown once.
func (d *Desk) sealKey(id int64) (sealed []byte, shown string) {
	raw := make([]byte, secretSize)
	rand.Read(raw)
	return d.cfg.Keys.Seal(webhookSecret, strconv.FormatInt(id, 10), raw), secretPrefix + base64.StdEncoding.EncodeToString(raw)
}

// AddWebhook adds an endpoint, which is told what happens from now on. The secret
// is shown this once.
func (d *Desk) AddWebhook(ctx context.Context, by APIKey, address string, events []string) (w Webhook, secret string, err error) {
	if err := d.checkWebhook(address, events); err != nil {
		return Webhook{}, "", err
	}
	err = d.update(ctx, "add webhook", func(tx *sql.Tx) error {
		var id int64
		var live int
		err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) + 1, coalesce(sum(CASE WHEN removed_at IS NULL THEN 1 ELSE 0 END), 0) FROM webhook`).Scan(&id, &live)
		if err != nil {
			return err
		}
		if live >= maxWebhooks {
			return fail(TooMany, "There are 20 webhooks. Remove one first.")
		}
		now := time.Now()
		var sealed []byte
		sealed, secret = d.sealKey(id)
		_, err = record(ctx, tx, now, by.actor(), "webhook.added", webhookObject(id), map[string]any{"url": address, "events": events})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO webhook (id, url, events, sealed, cursor, created_at)
			VALUES ($1, $2, $3, $4, (SELECT coalesce(max(seq), 0) FROM audit), $5)`, id, address, strings.Join(events, " "), sealed, micros(now))
		w = Webhook{ID: id, URL: address, Events: events, Created: fromMicros(micros(now))}
		return err
	})
	if err != nil {
		return Webhook{}, "", err
	}
	return w, secret, nil
}

func webhookObject(id int64) string { return "webhook:" + strconv.FormatInt(id, 10) }

// checkWebhook refuses addresses and filters that can never work. Where the name
// leads is checked each time a connection is made.
func (d *Desk) checkWebhook(address string, events []string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil, len(address) > maxWebhookURL, u.Hostname() == "", !portExists(u.Port()), u.User != nil, u.Fragment != "", strings.ContainsAny(address, " \t\r\n"):
		return invalid("url", "Write the whole address, such as https://panel.example.net/hooks/resetdesk, without user, password and fragment.")
	case u.Scheme == "http" && !d.cfg.WebhookPlain:
		return invalid("url", "The address begins with https. http is allowed towards the networks of webhook_allow_private only.")
	case u.Scheme != "https" && u.Scheme != "http":
		return invalid("url", "The address begins with https.")
	case len(events) > 50:
		return invalid("events", "Name at most 50 types, or none for all of them.")
	}
	known := slices.Sorted(maps.Values(eventTypes))
	for _, e := range events {
		if !slices.ContainsFunc(known, func(t string) bool { return wants(e, t) }) {
			return invalid("events", "There is no event of the type "+strconv.Quote(clip(e, 60))+".")
		}
	}
	return nil
}

// portExists reports whether a port of an address, "" for the usual one, can be one.
func portExists(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// wants reports whether a filter, a type or "kind.*", lets a type through.
func wants(filter, event string) bool {
	if kind, ok := strings.CutSuffix(filter, "*"); ok && strings.HasSuffix(kind, ".") {
		return strings.HasPrefix(event, kind)
	}
	return filter == event
}

// Webhooks lists the endpoints.
func (d *Desk) Webhooks(ctx context.Context) ([]Webhook, error) {
	var all []Webhook
	err := d.snapshot(ctx, "list webhooks", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT w.id, w.url, w.events, w.created_at, coalesce(w.disabled_at, 0), w.old_until,
				(SELECT count(*) FROM webhook_delivery WHERE webhook_id = w.id AND state = 'waiting'),
				(SELECT count(*) FROM webhook_delivery WHERE webhook_id = w.id AND state = 'dead')
			FROM webhook w WHERE w.removed_at IS NULL ORDER BY w.id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var w Webhook
			var events string
			var created, disabled, rotating int64
			if err := rows.Scan(&w.ID, &w.URL, &events, &created, &disabled, &rotating, &w.Waiting, &w.Dead); err != nil {
				return err
			}
			w.Events, w.Created, w.Disabled = strings.Fields(events), fromMicros(created), fromMicros(disabled)
			if rotating > time.Now().UnixMicro() {
				w.Rotating = fromMicros(rotating)
			}
			all = append(all, w)
		}
		return rows.Err()
	})
	return all, err
}

var errWebhook = fail(NotFound, "There is no such webhook.")

// RemoveWebhook ends an endpoint: its secret is forgotten, and what waits for it
// is given up.
func (d *Desk) RemoveWebhook(ctx context.Context, by APIKey, id int64) error {
	return d.onWebhook(ctx, by, id, "removed", func(tx *sql.Tx, now time.Time) error {
		_, err := tx.ExecContext(ctx, `UPDATE webhook SET removed_at = $2, sealed = NULL, old_sealed = NULL, old_until = 0 WHERE id = $1`, id, micros(now))
		if err != nil {
			return err
		}
		return giveUpWaiting(ctx, tx, id, "The webhook was removed.", now)
	})
}

func giveUpWaiting(ctx context.Context, tx *sql.Tx, webhook int64, why string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE webhook_delivery SET state = 'dead', answer = $2, changed_at = $3 WHERE webhook_id = $1 AND state = 'waiting'`,
		webhook, why, micros(now))
	return err
}

// RotateWebhook gives an endpoint a new secret, shown this once. For a day both
// secrets sign, so that the receiver can change over.
func (d *Desk) RotateWebhook(ctx context.Context, by APIKey, id int64) (secret string, err error) {
	err = d.onWebhook(ctx, by, id, "rotated", func(tx *sql.Tx, now time.Time) error {
		var sealed []byte
		sealed, secret = d.sealKey(id)
		_, err := tx.ExecContext(ctx, `UPDATE webhook SET old_sealed = sealed, old_until = $3, sealed = $2 WHERE id = $1`, id, sealed, micros(now.Add(rotationGrace)))
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// EnableWebhook tells an endpoint again that answered 410: what happens from now
// on. What was given up is replayed by [Desk.Replay]. One that is not disabled
// misses nothing by it.
func (d *Desk) EnableWebhook(ctx context.Context, by APIKey, id int64) error {
	return d.onWebhook(ctx, by, id, "enabled", func(tx *sql.Tx, _ time.Time) error {
		_, err := tx.ExecContext(ctx, `UPDATE webhook SET disabled_at = NULL, cursor = (SELECT max(seq) FROM audit) WHERE id = $1 AND disabled_at IS NOT NULL`, id)
		return err
	})
}

// TestWebhook queues a delivery of the type webhook.test for an endpoint.
func (d *Desk) TestWebhook(ctx context.Context, by Actor, id int64) error {
	return d.onWebhook(ctx, by, id, "tested", func(tx *sql.Tx, _ time.Time) error {
		var disabled bool
		if err := tx.QueryRowContext(ctx, `SELECT disabled_at IS NOT NULL FROM webhook WHERE id = $1`, id).Scan(&disabled); err != nil {
			return err
		}
		if disabled {
			return errDisabled
		}
		return nil
	})
}

var errDisabled = fail(Conflict, "The webhook is disabled: it answered 410. Enable it first.")

// An Actor is who does something: a [Session] or an [APIKey].
type Actor interface{ actor() string }

// onWebhook does something to an endpoint that is not removed, and records it.
func (d *Desk) onWebhook(ctx context.Context, by Actor, id int64, action string, f func(*sql.Tx, time.Time) error) error {
	return d.update(ctx, action+" webhook", func(tx *sql.Tx) error {
		var live bool
		if err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM webhook WHERE id = $1 AND removed_at IS NULL`, id).Scan(&live); err != nil {
			return err
		}
		if !live {
			return errWebhook
		}
		now := time.Now()
		if _, err := record(ctx, tx, now, by.actor(), "webhook."+action, webhookObject(id), nil); err != nil {
			return err
		}
		return f(tx, now)
	})
}
