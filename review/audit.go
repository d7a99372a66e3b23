package review

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// record appends one event to the audit, inside the transaction of the act it
// tells of, and returns its number. detail must hold no secret.
func record(ctx context.Context, tx *sql.Tx, at time.Time, actor, action, object string, detail any) (int64, error) {
	text, err := json.Marshal(detail)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", action, err)
	}
	var seq int64
	prev := make([]byte, sha256.Size)
	err = tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&seq, &prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("record %s: %w", action, err)
	}
	seq++
	hash := auditHash(seq, micros(at), actor, action, object, string(text), prev)
	_, err = tx.ExecContext(ctx, `INSERT INTO audit (seq, at, actor, action, object, detail, prev, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, seq, micros(at), actor, action, object, string(text), prev, hash)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", action, err)
	}
	return seq, nil
}

// auditHash is SHA-256 over the length-prefixed fields of an event and the hash
// of the event before it.
func auditHash(seq, at int64, actor, action, object, detail string, prev []byte) []byte {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	part(binary.BigEndian.AppendUint64(nil, uint64(seq)))
	part(binary.BigEndian.AppendUint64(nil, uint64(at)))
	for _, s := range []string{actor, action, object, detail} {
		part([]byte(s))
	}
	part(prev)
	return h.Sum(nil)
}

// An AuditHead is the end of the verified chain.
type AuditHead struct {
	Seq  int64
	Hash string // hex
}

// VerifyAudit recomputes the whole chain and returns its head. The error names
// the first event that does not fit, or the approval or reset that has no event.
func (d *Desk) VerifyAudit(ctx context.Context) (AuditHead, error) {
	var head AuditHead
	err := d.snapshot(ctx, "verify audit", func(tx *sql.Tx) error {
		var err error
		if head, err = verifyChain(ctx, tx); err != nil {
			return err
		}
		return verifyAnchors(ctx, tx)
	})
	return head, err
}

func verifyChain(ctx context.Context, tx *sql.Tx) (AuditHead, error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, at, actor, action, object, detail, prev, hash FROM audit ORDER BY seq`)
	if err != nil {
		return AuditHead{}, err
	}
	defer rows.Close()
	last, want := make([]byte, sha256.Size), int64(1)
	for ; rows.Next(); want++ {
		var seq, at int64
		var actor, action, object, detail string
		var prev, hash []byte
		if err := rows.Scan(&seq, &at, &actor, &action, &object, &detail, &prev, &hash); err != nil {
			return AuditHead{}, err
		}
		switch {
		case seq != want:
			return AuditHead{}, fmt.Errorf("event %d is missing", want)
		case string(prev) != string(last):
			return AuditHead{}, fmt.Errorf("event %d does not follow event %d", seq, seq-1)
		case string(hash) != string(auditHash(seq, at, actor, action, object, detail, prev)):
			return AuditHead{}, fmt.Errorf("event %d was changed", seq)
		}
		last = hash
	}
	return AuditHead{Seq: want - 1, Hash: encodeBytes(last)}, rows.Err()
}

// verifyAnchors checks what SQL cannot: that the decisions say what their events
// say. It catches a truncated chain whose decisions still stand.
func verifyAnchors(ctx context.Context, tx *sql.Tx) error {
	var orphans int
	err := tx.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM approval a LEFT JOIN audit e ON e.seq = a.audit_seq AND e.action = 'case.approved'
			AND e.actor = 'reviewer:' || a.reviewer_id WHERE e.seq IS NULL) +
		(SELECT count(*) FROM reset r LEFT JOIN audit e ON e.seq = r.audit_seq AND e.action = 'case.cleared' WHERE e.seq IS NULL) +
		(SELECT count(*) FROM undo u LEFT JOIN audit e ON e.seq = u.audit_seq AND e.action = 'case.undone' WHERE e.seq IS NULL) +
		(SELECT count(*) FROM answer a JOIN reset_case c ON c.id = a.case_id WHERE NOT EXISTS (
			SELECT 1 FROM audit WHERE object = c.number AND action = 'owner.' || a.answer AND at = a.at)) +
		(SELECT count(*) FROM reset_case c WHERE closed_at IS NOT NULL AND NOT EXISTS (
			SELECT 1 FROM audit WHERE object = c.number AND action = 'case.' || c.state))`).Scan(&orphans)
	if err != nil {
		return err
	}
	if orphans > 0 {
		return fmt.Errorf("%d decisions have no audit event", orphans)
	}
	return nil
}

// Audit lists events, newest first, at most 100, before the given number (0:
// from the newest).
func (d *Desk) Audit(ctx context.Context, _ Session, before int64) ([]Event, error) {
	if before <= 0 {
		before = 1 << 62
	}
	var events []Event
	err := d.snapshot(ctx, "list audit", func(tx *sql.Tx) error {
		var err error
		events, err = readEvents(ctx, tx, `WHERE seq < $1 ORDER BY seq DESC LIMIT 100`, before)
		return err
	})
	return events, err
}

func readEvents(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]Event, error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, at, actor, action, object, detail FROM audit `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var events []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Object, &e.Detail); err != nil {
			return nil, err
		}
		e.At = fromMicros(at)
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return events, nameReviewers(ctx, tx, events)
}

// nameReviewers puts the names of people and API keys into events for display; the record
// itself has their numbers.
func nameReviewers(ctx context.Context, tx *sql.Tx, events []Event) error {
	for i, e := range events {
		kind, id, _ := strings.Cut(e.Actor, ":")
		query := map[string]string{"reviewer": `SELECT name FROM reviewer WHERE id = $1`, "api": `SELECT 'API key ' || name FROM api_key WHERE id = $1`}[kind]
		if query == "" {
			continue
		}
		err := tx.QueryRowContext(ctx, query, id).Scan(&events[i].Actor)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// VerifyAuditFile verifies the audit of the database at path, by its own
// read-only connection: it takes no lock and works beside a running desk.
func VerifyAuditFile(ctx context.Context, path string) (AuditHead, error) {
	if _, err := os.Stat(path); err != nil {
		return AuditHead{}, fmt.Errorf("verify audit: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(on)"))
	if err != nil {
		return AuditHead{}, fmt.Errorf("verify audit: %w", err)
	}
	defer db.Close()
	return (&Desk{db: &database{read: db}}).VerifyAudit(ctx)
}
