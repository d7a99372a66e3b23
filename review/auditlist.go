package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
)

// Audits reports whether the role may take the audit and cases out of the desk,
// and sees what the desk found about all cases together.
func (r Role) Audits() bool { return r.May(TakeOut) }

// An AuditFilter chooses events; empty parts choose all.
type AuditFilter struct {
	Actor          string // as in the audit, or the name or the address of a reviewer
	Action, Object string
	From, To       time.Time // To is not included
	Before         int64     // only events with a smaller number
}

// AuditPage is how many events a page shows.
const AuditPage = 60

// Audit lists events, newest first, at most AuditPage.
func (d *Desk) Audit(ctx context.Context, s Session, f AuditFilter) ([]Event, error) {
	var events []Event
	err := d.snapshot(ctx, "list audit", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		where, args, err := f.where(ctx, tx)
		if err != nil {
			return err
		}
		events, err = readEvents(ctx, tx, where+` ORDER BY seq DESC LIMIT `+strconv.Itoa(AuditPage), args...)
		return err
	})
	return events, err
}

// where writes the filter as SQL that an index answers: actor, action and object
// have one each, and times become numbers of events.
func (f AuditFilter) where(ctx context.Context, tx *sql.Tx) (string, []any, error) {
	parts, args := []string{`WHERE seq > 0`}, []any{}
	and := func(condition string, value any) {
		args = append(args, value)
		parts = append(parts, condition+` $`+strconv.Itoa(len(args)))
	}
	if f.Before > 0 {
		and(`seq <`, f.Before)
	}
	if f.Actor != "" {
		actor, err := actorNamed(ctx, tx, f.Actor)
		if err != nil {
			return "", nil, err
		}
		and(`actor =`, actor)
	}
	if f.Action != "" {
		and(`action =`, f.Action)
	}
	if f.Object != "" {
		and(`object =`, f.Object)
	}
	for _, end := range []struct {
		t  time.Time
		op string
	}{{f.From, `>=`}, {f.To, `<`}} {
		if end.t.IsZero() {
			continue
		}
		seq, err := eventAt(ctx, tx, micros(end.t))
		if err != nil {
			return "", nil, err
		}
		and(`seq `+end.op, seq)
	}
	return strings.Join(parts, ` AND `), args, nil
}

// eventAt is the number of the first event at or after a time. Events are in
// the order of their times, as well as the clock of the machine is.
func eventAt(ctx context.Context, tx *sql.Tx, at int64) (int64, error) {
	var low, high int64 = 1, 1
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) + 1 FROM audit`).Scan(&high); err != nil {
		return 0, err
	}
	for low < high {
		middle := low + (high-low)/2
		var then int64
		if err := tx.QueryRowContext(ctx, `SELECT at FROM audit WHERE seq = $1`, middle).Scan(&then); err != nil {
			return 0, err
		}
		if then < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// actorNamed is the actor that a person means.
func actorNamed(ctx context.Context, tx *sql.Tx, typed string) (string, error) {
	var id int64
	err := tx.QueryRowContext(ctx, `SELECT id FROM reviewer WHERE email = $1 OR lower(name) = $1 ORDER BY email = $1 DESC, id LIMIT 1`, strings.ToLower(typed)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return typed, nil
	}
	return fmt.Sprintf("reviewer:%d", id), err
}

// AuditActions lists the actions that the audit has, in alphabetical order.
func (d *Desk) AuditActions(ctx context.Context) ([]string, error) {
	var all []string
	for last := ""; ; { // one look into the index for each
		var next sql.NullString
		if err := d.db.read.QueryRowContext(ctx, `SELECT min(action) FROM audit WHERE action > $1`, last).Scan(&next); err != nil {
			return nil, fmt.Errorf("list actions: %w", err)
		}
		if !next.Valid {
			return all, nil
		}
		last = next.String
		all = append(all, last)
	}
}

// ExportAudit gives every event that the filter chooses to take, the oldest
// first, and leaves an event of its own before it begins. Events that come while
// it runs are not among them.
func (d *Desk) ExportAudit(ctx context.Context, s Session, f AuditFilter, format string, take func([]chain.Event) error) error {
	if err := d.allow(ctx, d.db.read, s, TakeOut); err != nil {
		return err
	}
	var where string
	var args []any
	err := d.update(ctx, "export audit", func(tx *sql.Tx) error {
		var err error
		if where, args, err = f.where(ctx, tx); err != nil {
			return err
		}
		detail := map[string]any{"format": format, "actor": f.Actor, "action": f.Action, "object": f.Object}
		for name, t := range map[string]time.Time{"from": f.From, "to": f.To} {
			if !t.IsZero() {
				detail[name] = t.UTC().Format(time.DateOnly)
			}
		}
		seq, err := record(ctx, tx, time.Now(), s.actor(), "audit.exported", "audit", detail)
		args = append(args, seq)
		where += ` AND seq < $` + strconv.Itoa(len(args))
		return err
	})
	if err != nil {
		return err
	}
	where += ` AND seq > $` + strconv.Itoa(len(args)+1) + ` ORDER BY seq LIMIT 1000`
	for last := int64(0); ; {
		var page []chain.Event
		err := d.snapshot(ctx, "export audit", func(tx *sql.Tx) (err error) {
			page, err = chainEvents(ctx, tx, where, append(slices.Clone(args), last)...)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		if err := take(page); err != nil {
			return err
		}
		last = page[len(page)-1].Seq
	}
}

func chainEvents(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]chain.Event, error) {
	rows, err := tx.QueryContext(ctx, eventSelect+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []chain.Event
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

func readEvents(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]Event, error) {
	all, err := chainEvents(ctx, tx, where, args...)
	if err != nil {
		return nil, err
	}
	events := make([]Event, len(all))
	for i, e := range all {
		events[i] = Event{Seq: e.Seq, At: fromMicros(e.At), Actor: e.Actor, Action: e.Action, Object: e.Object, Detail: e.Detail, IP: e.IP, Request: e.Request}
	}
	return events, nameReviewers(ctx, tx, events)
}

// nameReviewers puts the names of people and API keys into events for display; the record
// itself has their numbers.
func nameReviewers(ctx context.Context, tx *sql.Tx, events []Event) error {
	known := map[string]string{}
	for i, e := range events {
		name, ok := known[e.Actor]
		if !ok {
			var err error
			if name, err = nameOf(ctx, tx, e.Actor); err != nil {
				return err
			}
			known[e.Actor] = name
		}
		events[i].Actor = name
	}
	return nil
}

func nameOf(ctx context.Context, tx *sql.Tx, actor string) (string, error) {
	kind, id, _ := strings.Cut(actor, ":")
	query := map[string]string{"reviewer": `SELECT name FROM reviewer WHERE id = $1`, "api": `SELECT 'API key ' || name FROM api_key WHERE id = $1`}[kind]
	if query == "" {
		return actor, nil
	}
	name := actor
	err := tx.QueryRowContext(ctx, query, id).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return name, err
}
