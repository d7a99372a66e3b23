package review

import (
	"context"
	"database/sql"
	"encoding/json"
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
//
// The copy may be judged before the mail, and whoever sent it may have spoiled it
// where nothing is signed. So one that is not trusted uses up nothing, and one that
// says nothing does not keep out the first that does.
func checkReplay(ctx context.Context, tx *sql.Tx, r *reading) error {
	ids, err := useUp(ctx, tx, r)
	if err != nil {
		return fmt.Errorf("check replay: %w", err)
	}
	replay, first := false, int64(0)
	for _, id := range ids {
		t, err := readTwin(ctx, tx, id)
		if err != nil {
			return fmt.Errorf("check replay: %w", err)
		}
		twice := t.twice(r)
		replay = replay || !twice || !t.lacks(r)
		if twice && t.reads(r) && first == 0 {
			first = id
		}
	}
	if !replay {
		return nil
	}
	r.verdict.Lower("R_REPLAY")
	if len(r.verdict.Reasons) == 1 { // nothing else is wrong
		r.copyOf = first
	}
	return nil
}

// useUp remembers the signatures of a mail, and returns the mails that had one of
// them, or its Message-ID, before.
func useUp(ctx context.Context, tx *sql.Tx, r *reading) (before []int64, err error) {
	trusted := r.verdict.State().AtLeast(sender.Partial)
	if r.verdict.MessageID != "" && trusted {
		before, err = numbers(ctx, tx, `SELECT inbound_id FROM assessment WHERE message_id = $1 AND message_id <> '' AND claimed = $2
			AND verdict IN ('authenticated', 'partial') AND inbound_id <> $3 ORDER BY inbound_id LIMIT 20`,
			r.verdict.MessageID, strings.ToLower(r.verdict.Registered), r.id)
		if err != nil {
			return nil, err
		}
	}
	for _, f := range r.verdict.Fingerprints {
		if trusted {
			_, err := tx.ExecContext(ctx, `INSERT INTO signature_seen (fingerprint, inbound_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, f, r.id)
			if err != nil {
				return nil, err
			}
		}
		first, err := numbers(ctx, tx, `SELECT inbound_id FROM signature_seen WHERE fingerprint = $1 AND inbound_id <> $2`, f, r.id)
		if err != nil {
			return nil, err
		}
		before = append(before, first...)
	}
	return before, nil
}

// A twin is an earlier mail with the signature or the Message-ID of another.
type twin struct {
	messageID, subject, excerpt string
	received                    time.Time
	evidence
}

func readTwin(ctx context.Context, tx *sql.Tx, id int64) (t twin, err error) {
	var received int64
	var text string
	err = tx.QueryRowContext(ctx, `SELECT s.message_id, s.subject, s.excerpt, s.evidence, i.received_at FROM assessment s
		JOIN inbound i ON i.id = s.inbound_id WHERE i.id = $1`, id).Scan(&t.messageID, &t.subject, &t.excerpt, &text, &received)
	if errors.Is(err, sql.ErrNoRows) {
		return t, nil // like none
	}
	if err != nil {
		return t, err
	}
	t.received = fromMicros(received)
	return t, json.Unmarshal([]byte(text), &t.evidence)
}

// twice tells a mail that was delivered twice, to two of our addresses say, from a
// replay: the same Message-ID within three days.
func (t *twin) twice(r *reading) bool {
	return t.messageID != "" && t.messageID == r.verdict.MessageID && r.received.Sub(t.received) < 72*time.Hour
}

// lacks reports whether r asks for a reset, or answers, and t did neither so.
func (t *twin) lacks(r *reading) bool {
	return r.intent.Request && !t.Intent.Request || r.intent.Reply != "" && r.intent.Reply != t.Intent.Reply
}

// reads reports whether both say the same, as far as it is kept.
func (t *twin) reads(r *reading) bool {
	subject, words := kept(r)
	return t.subject == subject && t.excerpt == words && t.Intent.Request == r.intent.Request && t.Intent.Reply == r.intent.Reply
}
