package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// checkReplay lowers the verdict of a mail whose signature or Message-ID was seen
// on another one (sender-verification 4, condition 4), and remembers its
// signatures. A Message-ID counts only where the same sender signed it before:
// anybody can write one that is to come.
func checkReplay(ctx context.Context, tx *sql.Tx, r *reading) error {
	before := map[int64]bool{}
	if r.verdict.MessageID != "" && r.verdict.State().AtLeast(sender.Partial) {
		var first int64
		err := tx.QueryRowContext(ctx, `SELECT inbound_id FROM assessment WHERE message_id = $1 AND claimed = $2
			AND verdict IN ('authenticated', 'partial') AND inbound_id <> $3 ORDER BY inbound_id LIMIT 1`,
			r.verdict.MessageID, strings.ToLower(r.verdict.Registered), r.id).Scan(&first)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("check replay: %w", err)
		}
		before[first] = err == nil
	}
	for _, f := range r.verdict.Fingerprints {
		var first int64
		err := tx.QueryRowContext(ctx, `INSERT INTO signature_seen (fingerprint, inbound_id) VALUES ($1, $2)
			ON CONFLICT (fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint RETURNING inbound_id`, f, r.id).Scan(&first)
		if err != nil {
			return fmt.Errorf("check replay: %w", err)
		}
		before[first] = first != r.id
	}
	for first, another := range before {
		if !another {
			continue
		}
		r.verdict.Lower("R_REPLAY")
		if err := checkCopy(ctx, tx, r, first); err != nil {
			return err
		}
	}
	return nil
}

// checkCopy tells a mail that was delivered twice, to two of our addresses say,
// from a replay: the same Message-ID within three days, and nothing else wrong.
// It never does anything again, but it is no imitation either.
func checkCopy(ctx context.Context, tx *sql.Tx, r *reading, first int64) error {
	var id string
	var received int64
	err := tx.QueryRowContext(ctx, `SELECT s.message_id, i.received_at FROM assessment s JOIN inbound i ON i.id = s.inbound_id WHERE i.id = $1`, first).
		Scan(&id, &received)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check copy: %w", err)
	}
	if id != "" && id == r.verdict.MessageID && len(r.verdict.Reasons) == 1 && r.received.Sub(fromMicros(received)) < 72*time.Hour {
		r.copyOf = first
	}
	return nil
}
