package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A SavedView is a filter of the queue that a reviewer keeps under a name.
type SavedView struct {
	Name  string
	Query string // of the page's address, without the question mark
}

// maxViews is how many views a reviewer may keep.
const maxViews = 20

// Views lists the reviewer's views, in the order of their names.
func (d *Desk) Views(ctx context.Context, s Session) ([]SavedView, error) {
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return nil, err
	}
	rows, err := d.db.read.QueryContext(ctx, `SELECT name, query FROM saved_view WHERE reviewer_id = $1 ORDER BY name`, s.Reviewer.ID)
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	defer rows.Close()
	var all []SavedView
	for rows.Next() {
		var v SavedView
		if err := rows.Scan(&v.Name, &v.Query); err != nil {
			return nil, fmt.Errorf("list views: %w", err)
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// SaveView keeps a filter under a name; an older one of that name gives way.
func (d *Desk) SaveView(ctx context.Context, s Session, v SavedView) error {
	v.Name = strings.Join(strings.Fields(v.Name), " ")
	if v.Name == "" || len(v.Name) > 60 {
		return invalid("name", "Give the view a name of at most 60 characters.")
	}
	if len(v.Query) > 500 {
		return invalid("query", "This filter is too long to be kept.")
	}
	return d.update(ctx, "save view", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		var others int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM saved_view WHERE reviewer_id = $1 AND name <> $2`, s.Reviewer.ID, v.Name).Scan(&others)
		if err != nil {
			return err
		}
		if others >= maxViews {
			return fail(Conflict, fmt.Sprintf("You have %d views already; remove one first.", maxViews))
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO saved_view (reviewer_id, name, query, saved_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (reviewer_id, name) DO UPDATE SET query = excluded.query, saved_at = excluded.saved_at`, s.Reviewer.ID, v.Name, v.Query, micros(time.Now()))
		return err
	})
}

// RemoveView forgets a view and returns it, so that it can be put back.
func (d *Desk) RemoveView(ctx context.Context, s Session, name string) (SavedView, error) {
	v := SavedView{Name: name}
	err := d.update(ctx, "remove view", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `DELETE FROM saved_view WHERE reviewer_id = $1 AND name = $2 RETURNING query`, s.Reviewer.ID, name).Scan(&v.Query)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return v, fail(NotFound, "You have no view of that name.")
	}
	return v, err
}
