package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A CaseSummary is a case as a panel may know it: where it stands, and nothing of
// who decided, why, or which proof failed.
type CaseSummary struct {
	Number    string    `json:"number"`
	State     State     `json:"state"`
	Account   string    `json:"account"` // "" while unresolved
	User      string    `json:"user"`    // "" while unresolved
	Origin    string    `json:"origin"`  // "mail", "panel" or "hand"
	Confirmed bool      `json:"confirmed"`
	Opened    time.Time `json:"opened_at"`
	Expires   time.Time `json:"expires_at"`
	Closed    time.Time `json:"closed_at,omitzero"`
}

// A CaseFilter chooses cases; empty parts choose all.
type CaseFilter struct {
	State         State
	Account, User string
	After         string // the number of the last case of the page before
	Limit         int    // 1 to 200
}

// Cases lists cases, the newest first.
func (d *Desk) Cases(ctx context.Context, f CaseFilter) ([]CaseSummary, error) {
	where := []string{`1 = 1`}
	args := []any{min(max(f.Limit, 1), 201)}
	and := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.State != "" {
		if !slices.Contains(states, f.State) {
			return nil, invalid("state", fmt.Sprintf("%q is no state of a case.", clip(string(f.State), 40)))
		}
		and(`state = $%d`, string(f.State))
	}
	if f.Account != "" {
		and(`account_id = $%d`, f.Account)
	}
	if f.User != "" {
		and(`user_id = $%d`, f.User)
	}
	var all []CaseSummary
	err := d.snapshot(ctx, "list cases", func(tx *sql.Tx) error {
		if f.After != "" {
			c, err := caseByNumber(ctx, tx, f.After)
			if err != nil {
				return invalid("after", "There is no such case to go on after.")
			}
			and(`id < $%d`, c.id)
		}
		rows, err := tx.QueryContext(ctx, summarySelect+` WHERE `+strings.Join(where, ` AND `)+` ORDER BY id DESC LIMIT $1`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s, err := scanSummary(rows)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return rows.Err()
	})
	return all, err
}

// Summary reads one case.
func (d *Desk) Summary(ctx context.Context, number string) (CaseSummary, error) {
	s, err := scanSummary(d.db.read.QueryRowContext(ctx, summarySelect+` WHERE number = $1`, number))
	if errors.Is(err, sql.ErrNoRows) {
		return s, fail(NotFound, "There is no such case.")
	}
	if err != nil {
		return s, fmt.Errorf("read case: %w", err)
	}
	return s, nil
}

const summarySelect = `SELECT number, state, coalesce(account_id, ''), coalesce(user_id, ''), CASE WHEN opener_hand IS NOT NULL THEN 'hand' WHEN opener_mail IS NULL THEN 'panel' ELSE 'mail' END,
	EXISTS (SELECT 1 FROM answer WHERE case_id = reset_case.id AND round = reset_case.round AND answer = 'yes'),
	opened_at, expires_at, coalesce(closed_at, 0) FROM reset_case`

func scanSummary(row interface{ Scan(...any) error }) (CaseSummary, error) {
	var s CaseSummary
	var opened, expires, closed int64
	err := row.Scan(&s.Number, &s.State, &s.Account, &s.User, &s.Origin, &s.Confirmed, &opened, &expires, &closed)
	s.Opened, s.Expires, s.Closed = fromMicros(opened), fromMicros(expires), fromMicros(closed)
	return s, err
}
