package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A Backlog is what lay in the mailboxes before the desk first looked at them.
// Nobody was mailed about it.
type Backlog struct {
	Mails    int       `json:"mails"`    // all of it
	Requests []MailRow `json:"requests"` // those that ask for a reset, come from a registered address and can still be taken in
	More     bool      `json:"more"`     // there are more of them
}

// backlogListed is how many of the requests are listed, and taken in, at a time.
const backlogListed = 50

// Backlog lists it, the oldest first. Both questions walk an index of the backlog
// alone.
func (d *Desk) Backlog(ctx context.Context, s Session) (Backlog, error) {
	var b Backlog
	err := d.snapshot(ctx, "read backlog", func(tx *sql.Tx) error {
		b = Backlog{}
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		return readBacklog(ctx, tx, &b)
	})
	return b, err
}

func readBacklog(ctx context.Context, tx *sql.Tx, b *Backlog) error {
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM inbound WHERE backlog = 1`).Scan(&b.Mails); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT i.id, i.internal_date, i.fate, i.reason, s.from_addr, s.subject, s.excerpt, s.verdict
			FROM inbound i JOIN assessment s ON s.inbound_id = i.id
			WHERE i.backlog = 1 AND i.fate = 'parked' AND s.request = 1 AND i.raw IS NOT NULL ORDER BY i.id LIMIT $1`, backlogListed+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var m MailRow
		var came int64
		if err := rows.Scan(&m.ID, &came, &m.Fate, &m.Reason, &m.From, &m.Subject, &m.Excerpt, &m.Verdict); err != nil {
			return err
		}
		if b.More = len(b.Requests) == backlogListed; b.More {
			break
		}
		m.Received = fromMicros(came)
		b.Requests = append(b.Requests, m)
	}
	return rows.Err()
}

// TakeBacklog makes cases of mails of the backlog that a person chose, as
// OpenParked does of one: now letters go out. It returns how many became cases;
// one that cannot any more is passed over.
func (d *Desk) TakeBacklog(ctx context.Context, s Session, ids []int64) (taken int, err error) {
	if err := d.allow(ctx, d.db.read, s, Decide); err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, fail(Invalid, "Choose at least one mail.")
	}
	if len(ids) > backlogListed {
		return 0, fail(Invalid, fmt.Sprintf("Take in at most %d mails at a time.", backlogListed))
	}
	for _, id := range ids {
		var refused *Error
		switch _, err := d.OpenParked(ctx, s, id); {
		case err == nil:
			taken++
		case !errors.As(err, &refused) || refused.Kind != Conflict && refused.Kind != NotFound:
			return taken, err
		}
	}
	return taken, nil
}
