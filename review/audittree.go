package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
	"golang.org/x/mod/sumdb/tlog"
)

// nodeBatch is how many events one transaction puts into the tree.
const nodeBatch = 5000

// A tree is the tree of the audit as one transaction sees it: the nodes that are
// stored, and those of the newest events, which are not yet, computed.
type tree struct {
	ctx    context.Context
	tx     *sql.Tx
	stored int64       // nodes in the table
	fresh  []tlog.Hash // nodes after them
	size   int64       // events in it
	last   chain.Hash  // of the last of them
}

// openTree reads the tree with up to limit events more than are stored.
func openTree(ctx context.Context, tx *sql.Tx, limit int64) (*tree, error) {
	t := &tree{ctx: ctx, tx: tx}
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), -1) + 1 FROM audit_node`).Scan(&t.stored); err != nil {
		return nil, fmt.Errorf("read audit tree: %w", err)
	}
	if t.stored > 0 {
		level, n := tlog.SplitStoredHashIndex(t.stored - 1)
		t.size = (n + 1) << level
	}
	rows, err := tx.QueryContext(ctx, `SELECT seq, hash FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2`, t.size, limit+1)
	if err != nil {
		return nil, fmt.Errorf("read audit tree: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var hash []byte
		if err := rows.Scan(&seq, &hash); err != nil {
			return nil, fmt.Errorf("read audit tree: %w", err)
		}
		copy(t.last[:], hash)
		if seq == t.size { // the last one that is stored
			continue
		}
		more, err := tlog.StoredHashesForRecordHash(t.size, chain.Leaf(t.last), t)
		if err != nil {
			return nil, fmt.Errorf("read audit tree: %w", err)
		}
		t.fresh = append(t.fresh, more...)
		t.size++
	}
	return t, rows.Err()
}

// ReadHashes is what package tlog reads the tree by.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, id := range indexes {
		if id >= t.stored {
			if id -= t.stored; id >= int64(len(t.fresh)) {
				return nil, fmt.Errorf("the tree has no node %d", indexes[i])
			}
			all[i] = t.fresh[id]
			continue
		}
		var hash []byte
		if err := t.tx.QueryRowContext(t.ctx, `SELECT hash FROM audit_node WHERE id = $1`, id).Scan(&hash); err != nil {
			return nil, err
		}
		copy(all[i][:], hash)
	}
	return all, nil
}

func (t *tree) head() (chain.Head, error) {
	root, err := tlog.TreeHash(t.size, t)
	if err != nil {
		return chain.Head{}, fmt.Errorf("read audit tree: %w", err)
	}
	return chain.Head{Size: t.size, Root: chain.Hash(root), Last: t.last, At: time.Now()}, nil
}

// prove shows that event seq belongs to the tree.
func (t *tree) prove(seq int64) ([]chain.Hash, error) {
	path, err := tlog.ProveRecord(t.size, seq-1, t)
	if err != nil {
		return nil, fmt.Errorf("prove event %d: %w", seq, err)
	}
	proof := make([]chain.Hash, len(path))
	for i, h := range path {
		proof[i] = chain.Hash(h)
	}
	return proof, nil
}

// growTree stores the nodes of the events that have none yet, some thousand in a
// transaction, so that nobody waits for it.
func (d *Desk) growTree(ctx context.Context) error {
	for more := true; more; {
		err := d.update(ctx, "grow audit tree", func(tx *sql.Tx) error {
			t, err := openTree(ctx, tx, nodeBatch)
			if err != nil {
				return err
			}
			more = len(t.fresh) >= nodeBatch
			for i, h := range t.fresh {
				if _, err := tx.ExecContext(ctx, `INSERT INTO audit_node (id, hash) VALUES ($1, $2)`, t.stored+int64(i), h[:]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// allEvents is more than there will be.
const allEvents = 1 << 62

// Head is the audit as it is now, not signed.
func (d *Desk) Head(ctx context.Context) (chain.Head, error) {
	var head chain.Head
	err := d.snapshot(ctx, "read head", func(tx *sql.Tx) error {
		t, err := openTree(ctx, tx, allEvents-1)
		if err != nil {
			return err
		}
		head, err = t.head()
		return err
	})
	return head, err
}

// HeadOfFile is [Desk.Head] of the database at path, beside a running desk.
func HeadOfFile(ctx context.Context, path string) (chain.Head, error) {
	d, err := readOnly(path)
	if err != nil {
		return chain.Head{}, fmt.Errorf("read head: %w", err)
	}
	defer d.Close()
	return d.Head(ctx)
}

// LastReset is the number of the event of the newest reset, 0 if there is none.
func (d *Desk) LastReset(ctx context.Context) (int64, error) {
	var seq int64
	if err := d.db.read.QueryRowContext(ctx, `SELECT coalesce(max(audit_seq), 0) FROM reset`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read last reset: %w", err)
	}
	return seq, nil
}
