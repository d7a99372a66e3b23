package review

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// news tells those who watch the desk that something was committed. A watcher
// that is busy finds out once, however often it happened.
type news struct {
	mu  sync.Mutex
	now chan struct{}
}

// tell wakes all who wait.
func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now != nil {
		close(n.now)
		n.now = nil
	}
}

func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil {
		n.now = make(chan struct{})
	}
	return n.now
}

// Changed returns a channel that is closed at the next commit.
func (d *Desk) Changed() <-chan struct{} { return d.news.next() }

// A Pulse is what an open queue page wants to know.
type Pulse struct {
	New    int `json:"new"`    // cases that came into the tab since, at most 100
	Review int `json:"review"` // cases that need a review
}

const pulseSQL = `SELECT (SELECT count(*) FROM (SELECT 1 FROM case_summary WHERE tab = $1 AND entered_at > $2 LIMIT 100) few),
	coalesce((SELECT n FROM queue_tally WHERE tab = 'review'), 0)`

// Pulse counts what came into a tab since a page of it was read.
func (d *Desk) Pulse(ctx context.Context, tab Tab, since time.Time) (Pulse, error) {
	var p Pulse
	err := d.snapshot(ctx, "feel the pulse", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, pulseSQL, tab, micros(since)).Scan(&p.New, &p.Review)
	})
	return p, err
}

// Waiting counts the cases that need a review.
func (d *Desk) Waiting(ctx context.Context) (n int, err error) {
	err = d.db.read.QueryRowContext(ctx, waitingSQL).Scan(&n)
	return n, err
}

const waitingSQL = `SELECT coalesce((SELECT n FROM queue_tally WHERE tab = 'review'), 0)`

// Version is how often a case was changed; a page of an older one is out of date.
func (d *Desk) Version(ctx context.Context, number string) (v int64, err error) {
	err = d.db.read.QueryRowContext(ctx, `SELECT version FROM reset_case WHERE number = $1`, number).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		err = fail(NotFound, "There is no such case.")
	}
	return v, err
}

const (
	nextSQL = `SELECT c.number FROM (SELECT case_id FROM case_summary WHERE tab = $1 AND (place, rank, case_id) > ($2, $3, $4)
		ORDER BY place, rank, case_id LIMIT 1) s JOIN reset_case c ON c.id = s.case_id`
	previousSQL = `SELECT c.number FROM (SELECT case_id FROM case_summary WHERE tab = $1 AND (place, rank, case_id) < ($2, $3, $4)
		ORDER BY place DESC, rank DESC, case_id DESC LIMIT 1) s JOIN reset_case c ON c.id = s.case_id`
)

// Neighbours are the cases before and after one in its list, "" at the ends.
func (d *Desk) Neighbours(ctx context.Context, number string) (previous, next string, err error) {
	err = d.snapshot(ctx, "read neighbours", func(tx *sql.Tx) error {
		var tab string
		var p place
		err := tx.QueryRowContext(ctx, `SELECT s.tab, s.place, s.rank, s.case_id FROM reset_case c JOIN case_summary s ON s.case_id = c.id WHERE c.number = $1`, number).
			Scan(&tab, &p.place, &p.rank, &p.id)
		for query, to := range map[string]*string{previousSQL: &previous, nextSQL: &next} {
			if err == nil {
				err = tx.QueryRowContext(ctx, query, tab, p.place, p.rank, p.id).Scan(to)
			}
			if errors.Is(err, sql.ErrNoRows) {
				err = nil
			}
		}
		return err
	})
	return previous, next, err
}

// StillIn reports whether the token of a session opens it now, and on: unlike
// [Desk.Authenticate] it is no use of the session, so a page that is merely open
// keeps nobody signed in.
func (d *Desk) StillIn(ctx context.Context, token string) bool {
	now := time.Now()
	var in bool
	err := d.db.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
		WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.seen_at > $3 AND r.disabled_at IS NULL)`,
		hashToken(token), micros(now), micros(now.Add(-sessionIdle))).Scan(&in)
	return err == nil && in
}
