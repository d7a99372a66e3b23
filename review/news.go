package review

import (
	"context"
	"database/sql"
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
