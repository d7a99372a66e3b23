package review

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
	"github.com/resetdesk/resetdesk/totp"
)

var _ mailbox.Inbox = (*Desk)(nil)

// Resume returns the last committed position of a folder.
func (d *Desk) Resume(ctx context.Context, s mailbox.Source) (mailbox.Cursor, error) {
	var c mailbox.Cursor
	err := d.db.read.QueryRowContext(ctx, `SELECT uidvalidity, uid, backlog FROM cursor WHERE mailbox = $1 AND folder = $2`,
		s.Mailbox, s.Folder).Scan(&c.UIDValidity, &c.UID, &c.Backlog)
	if errors.Is(err, sql.ErrNoRows) {
		return mailbox.Cursor{}, nil
	}
	if err != nil {
		return mailbox.Cursor{}, fmt.Errorf("resume %s: %w", s.Folder, err)
	}
	return c, nil
}

// Concerns tells which headers may concern us: an address of ours to guard, or
// one that imitates it, anywhere in the header; our token; or a subject that
// smells of 2FA (design 2, promise 1). Only those bodies are read.
func (d *Desk) Concerns(ctx context.Context, _ mailbox.Source, headers [][]byte) ([]bool, error) {
	concerns := make([]bool, len(headers))
	err := d.snapshot(ctx, "choose mails", func(tx *sql.Tx) error {
		queries := compiled(tx)
		for i, h := range headers {
			subject := message.Header(h).Subject
			if intent.SmellsOf2FA(subject) || caseNumber(strings.ToUpper(string(h))) != "" || caseNumber(subject) != "" {
				concerns[i] = true
				continue
			}
			registered, err := registeredFor(ctx, queries, h)
			if err != nil {
				return err
			}
			concerns[i] = len(registered) > 0
		}
		return nil
	})
	return concerns, err
}

// registeredFor looks up the registered addresses that a header could be about:
// those that stand in it, those with a confusable domain, and those with the
// same local part whose domain is one or two letters away.
func registeredFor(ctx context.Context, tx totp.Querier, header []byte) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	add := func(query string, args ...any) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var address string
			if err := rows.Scan(&address); err != nil {
				return err
			}
			if !seen[address] {
				seen[address] = true
				found = append(found, address)
			}
		}
		return rows.Err()
	}
	for _, c := range sender.Candidates(header) {
		local, domain, ok := cutAddress(c)
		if !ok {
			continue
		}
		if err := add(`SELECT address FROM address WHERE until IS NULL AND lookup = $1 AND role = 'admin'`, c); err != nil {
			return nil, err
		}
		if err := add(`SELECT address FROM address WHERE until IS NULL AND skeleton = $1 AND role = 'admin' AND lookup LIKE $2 LIMIT 20`,
			sender.Skeleton(domain), likePrefix(local)+"@%"); err != nil {
			return nil, err
		}
		near, err := nearby(ctx, tx, c, local)
		if err != nil {
			return nil, err
		}
		for _, address := range near {
			if !seen[address] {
				seen[address] = true
				found = append(found, address)
			}
		}
	}
	return found, nil
}

// nearby returns registered addresses that candidate imitates by a misspelt
// domain. The range over the lookup column is the local part and its "@".
func nearby(ctx context.Context, tx totp.Querier, candidate, local string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT address FROM address
		WHERE until IS NULL AND role = 'admin' AND lookup >= $1 AND lookup < $2 LIMIT 5000`, local+"@", local+"A")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var same []string
	for rows.Next() {
		var address string
		if err := rows.Scan(&address); err != nil {
			return nil, err
		}
		same = append(same, address)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if imitated, ok := sender.Lookalike(candidate, same); ok {
		return []string{imitated}, nil
	}
	return nil, nil
}

func cutAddress(address string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 {
		return "", "", false
	}
	return address[:at], address[at+1:], true
}

// likePrefix keeps LIKE from reading the underscore as a wildcard too freely:
// the caller compares again, so a too wide match does no harm.
func likePrefix(s string) string { return strings.ReplaceAll(s, "%", "_") }

// Receive commits the mails of a batch and the cursor behind them, before
// anything parses them. What does not concern us has its fate at once; the rest
// waits for the assessor.
func (d *Desk) Receive(ctx context.Context, b mailbox.Batch) error {
	now := time.Now()
	err := d.update(ctx, "receive mail", func(tx *sql.Tx) error {
		row, err := tx.PrepareContext(ctx, receiveSQL) // once for the batch: compiling costs more than running
		if err != nil {
			return err
		}
		defer row.Close()
		for _, m := range b.Mails {
			if err := receiveMail(ctx, row, b, m, now); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO cursor (mailbox, folder, uidvalidity, uid, backlog, moved_at)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (mailbox, folder) DO UPDATE SET uidvalidity = excluded.uidvalidity, uid = excluded.uid,
				backlog = excluded.backlog, moved_at = excluded.moved_at
			WHERE cursor.uidvalidity <> excluded.uidvalidity OR cursor.uid <= excluded.uid`,
			b.Source.Mailbox, b.Source.Folder, b.UIDValidity, b.Through, b.Backlog, micros(now))
		return err
	})
	if err == nil {
		d.nudge()
	}
	return err
}

// receiveSQL takes a mail in. One that is known already is left alone, but for
// one that could not be fetched and now comes with its bytes.
const receiveSQL = `INSERT INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size,
		header, raw, truncated, backlog, sha256, fate, reason, fated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
	ON CONFLICT (mailbox, folder, uidvalidity, uid) DO UPDATE SET raw = excluded.raw, header = excluded.header,
		truncated = excluded.truncated, sha256 = excluded.sha256, fate = NULL, reason = '', fated_at = NULL
	WHERE inbound.fate = 'unfetchable' AND inbound.raw IS NULL AND excluded.raw IS NOT NULL`

func receiveMail(ctx context.Context, row *sql.Stmt, b mailbox.Batch, m mailbox.Mail, now time.Time) error {
	var fate, fatedAt, sum any
	reason := ""
	switch {
	case m.Unfetchable != "":
		fate, fatedAt, reason = "unfetchable", micros(now), m.Unfetchable
	case m.Raw == nil:
		fate, fatedAt, reason = "passed", micros(now), "Neither its addresses nor its subject concern us; the body was not read."
	default:
		h := sha256.Sum256(m.Raw)
		sum = h[:]
	}
	_, err := row.ExecContext(ctx, b.Source.Mailbox, b.Source.Folder, b.UIDValidity, m.UID, micros(m.InternalDate), micros(now), m.Size,
		m.Header, m.Raw, flag(m.Truncated), flag(m.Backlog), sum, fate, reason, fatedAt)
	if err != nil {
		return fmt.Errorf("mail %d: %w", m.UID, err)
	}
	return nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
