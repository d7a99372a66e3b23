package review

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
)

// How often the desk looks at its own audit: at what is new, and at all of it.
const (
	auditLook  = 10 * time.Minute
	auditWhole = 24 * time.Hour
)

// A Verified is what the desk last found when it went through its own audit.
type Verified struct {
	Seq   int64 // the last event that was looked at
	At    time.Time
	Fault string // what is wrong; "" if nothing is
}

type auditWatch struct {
	sync.Mutex
	found    Verified
	follower *chain.Follower
	whole    time.Time // when it last began at the first event
}

// AuditVerified returns what the desk last found. At is zero before its first look.
func (d *Desk) AuditVerified() Verified {
	d.watch.Lock()
	defer d.watch.Unlock()
	return d.watch.found
}

// watchAudit goes through the events that are new, and once a day through all.
// A fault stays until the whole chain is found sound again.
func (d *Desk) watchAudit(ctx context.Context) error {
	if err := d.growTree(ctx); err != nil {
		return err
	}
	w := &d.watch
	now := time.Now()
	w.Lock()
	f, whole := w.follower, w.follower == nil || now.Sub(w.whole) >= auditWhole || w.found.Fault != ""
	w.Unlock()
	if whole {
		f = &chain.Follower{}
	}
	var fault error
	err := d.snapshot(ctx, "watch audit", func(tx *sql.Tx) error {
		fault = d.lookAt(ctx, tx, f, whole)
		return fault
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.Lock()
	defer w.Unlock()
	w.found = Verified{Seq: f.Head().Size, At: now}
	w.follower = f
	if whole {
		w.whole = now
	}
	if fault != nil {
		w.found.Fault, w.follower = fault.Error(), nil
	}
	return err
}

// lookAt takes the events that f does not have, and holds the stored tree, and of
// the whole the decisions, against them.
func (d *Desk) lookAt(ctx context.Context, tx *sql.Tx, f *chain.Follower, whole bool) error {
	if err := follow(ctx, tx, f, nil); err != nil {
		return err
	}
	t, err := openTree(ctx, tx, allEvents-1)
	if err != nil {
		return err
	}
	head, err := t.head()
	if err == nil && head.Root != f.Head().Root {
		err = errors.New("the stored tree of the audit is not that of its events")
	}
	if err != nil || !whole {
		return err
	}
	return verifyDecisions(ctx, tx)
}

// watchAudits watches until ctx ends.
func (d *Desk) watchAudits(ctx context.Context) {
	for {
		if err := d.watchAudit(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the audit is not whole", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(auditLook):
		}
	}
}
