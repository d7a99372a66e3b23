package totp

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// A Source is where an act came from. It is recorded with the act (NIST SP
// 800-63B-4 4.1) and decides nothing.
type Source struct{ IP, Agent string }

type sourceKey struct{}

// Longer sources are cut: an agent is whatever a stranger sends.
const (
	maxIP    = 64
	maxAgent = 200
)

// WithSource returns a context whose acts are recorded as coming from s.
func WithSource(ctx context.Context, s Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, Source{plain(s.IP, maxIP), plain(s.Agent, maxAgent)})
}

// SourceOf returns the source of the acts of a context.
func SourceOf(ctx context.Context) Source {
	s, _ := ctx.Value(sourceKey{}).(Source)
	return s
}

// plain drops what is no printable text and cuts to n bytes, between runes.
func plain(s string, n int) string {
	s = s[:min(len(s), 4*n)]
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}

// An EventKind says what happened to a user's factors.
type EventKind string

// The kinds of an [Event], and what their Detail holds.
const (
	EventEnrolled      EventKind = "enrolled"       // the first authenticator, or the one after a reset
	EventReplaced      EventKind = "replaced"       // a new authenticator took the place of all others
	EventDeviceAdded   EventKind = "device_added"   // the name of the device
	EventDeviceRemoved EventKind = "device_removed" // the name of the device
	EventTurnedOff     EventKind = "turned_off"     // by the user, with a code
	EventCodesRenewed  EventKind = "codes_renewed"  // a new set of backup codes
	EventCodeUsed      EventKind = "code_used"      // a backup code; how many are left
	EventCodesLow      EventKind = "codes_low"      // three are left; once a set
	EventCodeRepeated  EventKind = "code_repeated"  // a right code came twice: perhaps somebody else has it; once a day
	EventLocked        EventKind = "locked"         // a row of wrong codes costs a minute or more; how many
	EventAlarm         EventKind = "alarm"          // the wrong codes of a day are used up; how many
	EventExempt        EventKind = "exempt"         // no code was asked, because of the channel, which it names; once a day
)

// An Event is a row of the history of a user's factors. It holds no secret.
type Event struct {
	ID         int64
	User       string
	Generation int64
	Kind       EventKind
	At         time.Time
	Source     Source
	Detail     string
}

// notedKey is of the flag that a transaction of the book wrote an event.
type notedKey struct{}

func noted(ctx context.Context) {
	if flag, ok := ctx.Value(notedKey{}).(*bool); ok {
		*flag = true
	}
}

// note writes an event, in the transaction of the change that it tells of.
func note(ctx context.Context, tx *sql.Tx, user string, generation int64, kind EventKind, at time.Time, detail string) error {
	s := SourceOf(ctx)
	_, err := tx.ExecContext(ctx, `
		INSERT INTO factor_event (user_id, generation, at, kind, ip, agent, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		user, generation, at.UnixMicro(), string(kind), s.IP, s.Agent, detail)
	if err != nil {
		return fmt.Errorf("note event: %w", err)
	}
	noted(ctx)
	return nil
}

// noteOnce writes an event unless there is one of the kind since then. The
// caller holds the row of the holder, or does not mind a second one.
func noteOnce(ctx context.Context, tx *sql.Tx, user string, kind EventKind, at, since time.Time, detail string) error {
	s := SourceOf(ctx)
	_, err := tx.ExecContext(ctx, `
		INSERT INTO factor_event (user_id, generation, at, kind, ip, agent, detail)
		SELECT h.id, h.generation, $1, $2, $3, $4, $5 FROM holder h WHERE h.id = $6 AND NOT EXISTS (
			SELECT 1 FROM factor_event WHERE user_id = h.id AND at >= $7 AND kind = $2)`,
		at.UnixMicro(), string(kind), s.IP, s.Agent, detail, user, since.UnixMicro())
	if err != nil {
		return fmt.Errorf("note event: %w", err)
	}
	noted(ctx)
	return nil
}

const eventColumns = `id, user_id, generation, at, kind, ip, agent, detail`

// WaitingEvents returns at most limit events that were not settled yet, oldest
// first.
func WaitingEvents(ctx context.Context, q Querier, limit int) ([]Event, error) {
	return readEvents(ctx, q, `
		SELECT `+eventColumns+` FROM factor_event WHERE settled_at IS NULL ORDER BY id LIMIT $1`, limit)
}

// SettleEvent marks an event as taken, in the caller's transaction, which does
// what follows from it. [ErrConflict] if it was settled before.
func SettleEvent(ctx context.Context, tx *sql.Tx, id int64, at time.Time) error {
	found, err := hit(tx.ExecContext(ctx, `UPDATE factor_event SET settled_at = $1 WHERE id = $2 AND settled_at IS NULL`, at.UnixMicro(), id))
	if err != nil {
		return fmt.Errorf("settle event: %w", err)
	}
	if !found {
		return fmt.Errorf("settle event: %w", ErrConflict)
	}
	return nil
}

// History returns the last events of a user, at most limit, newest first.
func (b *Book) History(ctx context.Context, user string, limit int) ([]Event, error) {
	return readEvents(ctx, b.db, `
		SELECT `+eventColumns+` FROM factor_event WHERE user_id = $2 ORDER BY at DESC, id DESC LIMIT $1`, limit, user)
}

func readEvents(ctx context.Context, q Querier, query string, args ...any) ([]Event, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	var all []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.ID, &e.User, &e.Generation, &at, &e.Kind, &e.Source.IP, &e.Source.Agent, &e.Detail); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		e.At = instant(at)
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return all, nil
}
