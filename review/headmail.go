package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review/letters"
)

// headEvery is how often admins get a signed head of the audit.
const headEvery = 24 * time.Hour

// mailHead queues a letter with a signed head of the audit to every admin, once a
// day. What lies in their mailboxes no one who owns this machine can rewrite.
func (d *Desk) mailHead(ctx context.Context) error {
	if !d.cfg.HeadsByMail || d.cfg.AuditKey == nil {
		return nil
	}
	due := false
	err := d.snapshot(ctx, "read last head", func(tx *sql.Tx) (err error) {
		due, err = headDue(ctx, tx, time.Now())
		return err
	})
	if err != nil || !due {
		return err
	}
	head, err := d.Head(ctx)
	if err != nil {
		return err
	}
	signed, err := d.cfg.AuditKey.Sign(head)
	if err != nil {
		return err
	}
	err = d.update(ctx, "mail head", func(tx *sql.Tx) error {
		now := time.Now()
		if due, err := headDue(ctx, tx, now); err != nil || !due {
			return err
		}
		admins, err := listAdmins(ctx, tx)
		if err != nil || len(admins) == 0 {
			return err
		}
		seq, err := record(ctx, tx, now, "clock", "audit.head_mailed", "audit", map[string]any{"events": head.Size, "root": head.Root, "admins": len(admins)})
		if err != nil {
			return err
		}
		subject, text, err := letters.Head(letters.Words{Brand: d.cfg.Brand, When: letters.When(now, "en"), Number: strconv.FormatInt(head.Size, 10)}, string(signed))
		if err != nil {
			return err
		}
		for id, email := range admins {
			o := owed{kind: "staff", locale: "en", to: recipient{address: email}, reviewer: id, topic: "audit:" + strconv.FormatInt(seq, 10), about: "desk", serial: 1}
			if err := d.post(ctx, tx, o, subject, text, "", now); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

// headDue reports whether the last head was mailed a day ago, or none ever.
func headDue(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	var at int64
	err := tx.QueryRowContext(ctx, `SELECT at FROM audit WHERE action = 'audit.head_mailed' ORDER BY seq DESC LIMIT 1`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read last head: %w", err)
	}
	return now.Sub(fromMicros(at)) >= headEvery, nil
}

// listAdmins returns the addresses of the admins who are not disabled.
func listAdmins(ctx context.Context, tx *sql.Tx) (map[int64]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, email FROM reviewer WHERE role = 'admin' AND disabled_at IS NULL`)
	if err != nil {
		return nil, fmt.Errorf("list admins: %w", err)
	}
	defer rows.Close()
	all := map[int64]string{}
	for rows.Next() {
		var id int64
		var email string
		if err := rows.Scan(&id, &email); err != nil {
			return nil, fmt.Errorf("list admins: %w", err)
		}
		all[id] = email
	}
	return all, rows.Err()
}
