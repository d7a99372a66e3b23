package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// An AccountStanding is how an account and its users stand with their second
// factors. It has no secrets and no addresses.
type AccountStanding struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Locale  string         `json:"locale"`
	Removed bool           `json:"removed"`
	Policy  string         `json:"required_from"` // a day, "never", or "default" for that of the installation
	Users   []UserStanding `json:"users"`
}

// A UserStanding is how a user stands. Times that do not apply are nil.
type UserStanding struct {
	ID           string     `json:"id"`
	Login        string     `json:"login"`
	Role         string     `json:"role"`
	Removed      bool       `json:"removed"`
	APIOnly      bool       `json:"api_only"`
	Enrolled     bool       `json:"enrolled"`
	Devices      int        `json:"devices"`
	Since        *time.Time `json:"since"`
	LastUsed     *time.Time `json:"last_used"`
	CodesLeft    int        `json:"codes_left"`
	RequiredFrom *time.Time `json:"required_from"`
	Required     bool       `json:"required"`
	PassRequired bool       `json:"pass_required"`
	Frozen       bool       `json:"frozen"`
	LockedUntil  *time.Time `json:"locked_until"`
}

// AccountStanding reads how an account stands, removed users included.
func (d *Desk) AccountStanding(ctx context.Context, account string) (AccountStanding, error) {
	a := AccountStanding{ID: account, Users: []UserStanding{}}
	err := d.snapshot(ctx, "read standing", func(tx *sql.Tx) error {
		p, err := accountPolicy(ctx, tx, account)
		if err != nil {
			return err
		}
		a.Policy = p.String()
		err = tx.QueryRowContext(ctx, `SELECT name, locale, removed_at IS NOT NULL FROM account WHERE id = $1`, account).Scan(&a.Name, &a.Locale, &a.Removed)
		if err != nil {
			return fmt.Errorf("read account: %w", err)
		}
		rows, err := tx.QueryContext(ctx, `SELECT id, login, role, removed_at IS NOT NULL FROM panel_user WHERE account_id = $1 ORDER BY id`, account)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var u UserStanding
			if err := rows.Scan(&u.ID, &u.Login, &u.Role, &u.Removed); err != nil {
				return fmt.Errorf("read users: %w", err)
			}
			a.Users = append(a.Users, u)
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		for i := range a.Users {
			if err := d.stand(ctx, tx, &a.Users[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

func (d *Desk) stand(ctx context.Context, tx *sql.Tx, u *UserStanding) error {
	s, err := d.book.StatusIn(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	u.APIOnly, u.Enrolled, u.Devices, u.CodesLeft = s.APIOnly, s.Enrolled, s.Devices, s.CodesLeft
	u.Required, u.PassRequired, u.Frozen = s.Required, s.PassRequired, s.Frozen
	u.Since, u.LastUsed, u.RequiredFrom, u.LockedUntil = known(s.Since), known(s.LastUsed), known(s.RequiredFrom), known(s.LockedUntil)
	return nil
}

// known is nil for a time that does not apply.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
