package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// policyChanged makes the desk look at every user again if the installation's
// date was changed since the last start.
func (d *Desk) policyChanged(ctx context.Context) error {
	p := d.cfg.TOTP
	present := "never"
	if !p.MandatoryFrom.IsZero() {
		present = stamp(p.MandatoryFrom) + " " + p.Grace.String()
	}
	return d.update(ctx, "read policy", func(tx *sql.Tx) error {
		var before string
		err := tx.QueryRowContext(ctx, `SELECT coalesce((SELECT value FROM meta WHERE name = 'mandatory'), '')`).Scan(&before)
		if err != nil || before == present {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('mandatory', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, present)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE panel_user SET remind_at = 0 WHERE removed_at IS NULL`); err != nil {
			return err
		}
		if before == "" && present == "never" {
			return nil
		}
		_, err = record(ctx, tx, time.Now(), "host", "policy.mandatory", "installation", map[string]string{"required_from": present, "before": before})
		return err
	})
}

// An AccountPolicy says from when a second factor is mandatory in an account.
// The zero value: as in the whole installation.
type AccountPolicy struct {
	RequiredFrom time.Time // [totp.Never] for never
}

// ParseAccountPolicy reads a day such as 2027-01-31, "never" or "default".
func ParseAccountPolicy(s string) (AccountPolicy, error) {
	switch s {
	case "default":
		return AccountPolicy{}, nil
	case "never":
		return AccountPolicy{RequiredFrom: totp.Never}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, s, time.UTC)
	if err != nil || day.Year() < 2000 || day.Year() > 2999 {
		return AccountPolicy{}, invalid("required_from", "Write a day such as 2027-01-31, or never, or default.")
	}
	return AccountPolicy{RequiredFrom: day}, nil
}

// String is the form that [ParseAccountPolicy] reads.
func (p AccountPolicy) String() string {
	switch {
	case p.RequiredFrom.IsZero():
		return "default"
	case !p.RequiredFrom.Before(totp.Never):
		return "never"
	}
	return p.RequiredFrom.UTC().Format(time.DateOnly)
}

// SetAccountPolicy sets from when a second factor is mandatory in an account, for
// the users it has and those it will have. actor is who does it, as in the audit.
func (d *Desk) SetAccountPolicy(ctx context.Context, actor, account string, p AccountPolicy) error {
	err := d.update(ctx, "set account policy", func(tx *sql.Tx) error { return setPolicy(ctx, tx, actor, account, p) })
	if err == nil {
		d.nudge()
	}
	return err
}

func setPolicy(ctx context.Context, tx *sql.Tx, actor, account string, p AccountPolicy) error {
	before, err := accountPolicy(ctx, tx, account)
	if err != nil {
		return err
	}
	if before.String() == p.String() {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE account SET required_from = $2 WHERE id = $1`, account, nullTime(p.RequiredFrom)); err != nil {
		return err
	}
	users, err := usersOf(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := totp.Require(ctx, tx, user, p.RequiredFrom); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE panel_user SET remind_at = 0 WHERE account_id = $1`, account); err != nil {
		return err
	}
	_, err = record(ctx, tx, time.Now(), actor, "account.policy", account, map[string]any{
		"required_from": p.String(), "before": before.String(), "users": len(users)})
	return err
}

func accountPolicy(ctx context.Context, q totp.Querier, account string) (AccountPolicy, error) {
	var from sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT required_from FROM account WHERE id = $1`, account).Scan(&from)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return AccountPolicy{}, fail(NotFound, "There is no account "+account+".")
	case err != nil:
		return AccountPolicy{}, fmt.Errorf("read account policy: %w", err)
	case !from.Valid:
		return AccountPolicy{}, nil
	}
	return AccountPolicy{RequiredFrom: fromMicros(from.Int64)}, nil
}

// accountPolicies are those of the accounts that have one of their own.
func accountPolicies(ctx context.Context, tx *sql.Tx) (map[string]AccountPolicy, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, required_from FROM account WHERE required_from IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("read account policies: %w", err)
	}
	defer rows.Close()
	all := map[string]AccountPolicy{}
	for rows.Next() {
		var account string
		var from int64
		if err := rows.Scan(&account, &from); err != nil {
			return nil, fmt.Errorf("read account policies: %w", err)
		}
		all[account] = AccountPolicy{RequiredFrom: fromMicros(from)}
	}
	return all, rows.Err()
}

// usersOf are all users an account ever had: one who was removed may come back.
func usersOf(ctx context.Context, tx *sql.Tx, account string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id FROM panel_user WHERE account_id = $1 ORDER BY id`, account)
	if err != nil {
		return nil, fmt.Errorf("read users of account: %w", err)
	}
	defer rows.Close()
	var users []string
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			return nil, fmt.Errorf("read users of account: %w", err)
		}
		users = append(users, user)
	}
	return users, rows.Err()
}

func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}
