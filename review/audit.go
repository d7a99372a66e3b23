package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
)

// An Origin is where a request came from. The events of acts done with a context
// that has one carry it (ASVS 16.2.1: who, what, when and where).
type Origin struct {
	IP      string
	Request string // a reference that the log has too
}

type originKey struct{}

// WithOrigin returns a context whose acts come from o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf is what [WithOrigin] put into the context.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// record appends one event to the audit, inside the transaction of the act it
// tells of, and returns its number. detail must hold no secret.
func record(ctx context.Context, tx *sql.Tx, at time.Time, actor, action, object string, detail any) (int64, error) {
	text, err := json.Marshal(detail)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", action, err)
	}
	from := OriginOf(ctx)
	e := chain.Event{At: micros(at), Actor: actor, Action: action, Object: object, Detail: string(text), IP: clip(from.IP, 64), Request: clip(from.Request, 64)}
	var prev []byte
	err = tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&e.Seq, &prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("record %s: %w", action, err)
	}
	e.Seq++
	copy(e.Prev[:], prev)
	e.Hash = e.Sum()
	_, err = tx.ExecContext(ctx, `INSERT INTO audit (seq, at, actor, action, object, detail, ip, request, prev, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, e.Seq, e.At, e.Actor, e.Action, e.Object, e.Detail, e.IP, e.Request, e.Prev[:], e.Hash[:])
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", action, err)
	}
	return e.Seq, nil
}

const eventSelect = `SELECT seq, at, actor, action, object, detail, ip, request, prev, hash FROM audit `

func scanEvent(rows *sql.Rows) (chain.Event, error) {
	var e chain.Event
	var prev, hash []byte
	err := rows.Scan(&e.Seq, &e.At, &e.Actor, &e.Action, &e.Object, &e.Detail, &e.IP, &e.Request, &prev, &hash)
	copy(e.Prev[:], prev)
	copy(e.Hash[:], hash)
	return e, err
}

// An AuditHead is the end of the verified chain.
type AuditHead struct {
	Seq  int64
	Hash string // hex
}

// VerifyAudit recomputes the whole chain and returns its head. Each signed head,
// kept outside, must be a moment of this very chain: without one, whoever can
// write the file can cut its end off or write it anew, and nothing here can tell.
// The error names the first event that does not fit, or a decision whose event
// is missing or says something else.
func (d *Desk) VerifyAudit(ctx context.Context, heads ...chain.Head) (AuditHead, error) {
	var head AuditHead
	err := d.snapshot(ctx, "verify audit", func(tx *sql.Tx) error {
		f := &chain.Follower{}
		if err := follow(ctx, tx, f, heads); err != nil {
			return err
		}
		last := f.Head()
		head = AuditHead{Seq: last.Size, Hash: last.Last.String()}
		return verifyDecisions(ctx, tx)
	})
	if err != nil {
		return AuditHead{}, err
	}
	return head, nil
}

// follow takes the events after those that f has, and holds f against the signed
// heads on its way.
func follow(ctx context.Context, tx *sql.Tx, f *chain.Follower, heads []chain.Head) error {
	rows, err := tx.QueryContext(ctx, eventSelect+`WHERE seq > $1 ORDER BY seq`, f.Head().Size)
	if err != nil {
		return err
	}
	defer rows.Close()
	bySize := map[int64][]chain.Head{}
	for _, h := range heads {
		bySize[h.Size] = append(bySize[h.Size], h)
	}
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if err := f.Take(e); err != nil {
			return err
		}
		for _, h := range bySize[e.Seq] {
			if at := f.Head(); at.Last != h.Last || at.Root != h.Root {
				return fmt.Errorf("the first %d events are not those of the head that was signed at %s: the audit was written anew", h.Size, stamp(h.At))
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, h := range heads {
		if have := f.Head().Size; h.Size > have {
			return fmt.Errorf("events %d to %d are cut off: the head that was signed at %s has them", have+1, h.Size, stamp(h.At))
		}
	}
	return nil
}

// VerifyAuditFile verifies the audit of the database at path, by its own
// read-only connection: it takes no lock and works beside a running desk.
func VerifyAuditFile(ctx context.Context, path string, heads ...chain.Head) (AuditHead, error) {
	d, err := readOnly(path)
	if err != nil {
		return AuditHead{}, fmt.Errorf("verify audit: %w", err)
	}
	defer d.Close()
	return d.VerifyAudit(ctx, heads...)
}

// readOnly is a desk that can only read, without the lock.
func readOnly(path string) (*Desk, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(on)"))
	if err != nil {
		return nil, err
	}
	return &Desk{db: &database{read: db}}, nil
}
