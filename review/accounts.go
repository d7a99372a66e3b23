package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/totp"
)

// An ImportReport counts what an import changed, or would change.
type ImportReport struct {
	Accounts, Users int // in the file
	Added           int // accounts and users
	Changed         int // accounts and users, in anything but their addresses
	Removed         int // users that are in the database and not in the file
	AddressesAdded  int
	AddressesEnded  int
	DryRun          bool
}

// Import makes the accounts of the database those of rows (see [ReadAccounts]).
// Nothing is deleted: users that are missing are marked as removed, and an
// address that changed stays as history, because its age is the main sign of
// danger. It refuses to remove more than a fifth of the users at once unless
// force is set.
func (d *Desk) Import(ctx context.Context, rows []AccountRow, source string, force, dryRun bool) (ImportReport, error) {
	return d.importAll(ctx, "host", rows, source, force, dryRun)
}

func (d *Desk) importAll(ctx context.Context, actor string, rows []AccountRow, source string, force, dryRun bool) (ImportReport, error) {
	var report ImportReport
	err := d.update(ctx, "import accounts", func(tx *sql.Tx) (err error) {
		report, err = importRows(ctx, tx, actor, rows, source, force, dryRun)
		if err == nil && dryRun {
			return errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return report, err
}

// importRows imports inside of tx; a dry run leaves it to the caller to roll back.
func importRows(ctx context.Context, tx *sql.Tx, actor string, rows []AccountRow, source string, force, dryRun bool) (ImportReport, error) {
	i := importer{ctx: ctx, tx: tx, actor: actor, source: source, at: time.Now(), report: ImportReport{DryRun: dryRun}}
	if err := i.run(rows, force); err != nil || dryRun {
		return i.report, err
	}
	_, err := record(ctx, tx, i.at, actor, "accounts.imported", source, i.report)
	return i.report, err
}

// errDryRun rolls back what was only tried.
var errDryRun = errors.New("dry run")

// An importer makes accounts those of rows: all of them or, with only set, that
// one, and then every row is of it.
type importer struct {
	only   string
	ctx    context.Context
	tx     *sql.Tx
	actor  string
	source string
	at     time.Time
	report ImportReport

	policies map[string]AccountPolicy // of accounts that have one of their own
}

func (i *importer) run(rows []AccountRow, force bool) error {
	if err := i.readPolicies(); err != nil {
		return err
	}
	accounts := map[string]bool{}
	users := map[string]bool{}
	wanted := map[contact]string{} // contact -> address as written
	for _, r := range rows {
		if !accounts[r.AccountID] {
			accounts[r.AccountID] = true
			if err := i.account(r); err != nil {
				return err
			}
			if err := i.policy(r); err != nil {
				return err
			}
		}
		users[r.UserID] = true
		if err := i.user(r); err != nil {
			return err
		}
		if r.Email != "" { // a user of the API alone may have none
			wanted[contact{r.AccountID, r.UserID, r.Role, strings.ToLower(r.Email)}] = r.Email
		}
		for _, n := range r.Notify {
			wanted[contact{r.AccountID, "", "notify", strings.ToLower(n)}] = n
		}
	}
	i.report.Accounts, i.report.Users = len(accounts), len(users)
	if err := i.addresses(wanted); err != nil {
		return err
	}
	if err := i.domains(rows); err != nil {
		return err
	}
	return i.removals(accounts, users, force)
}

// readPolicies reads from when a factor is mandatory where accounts have a day of
// their own.
func (i *importer) readPolicies() (err error) {
	if i.only == "" {
		i.policies, err = accountPolicies(i.ctx, i.tx)
		return err
	}
	p, err := accountPolicy(i.ctx, i.tx, i.only)
	i.policies = map[string]AccountPolicy{}
	if err == nil && p != (AccountPolicy{}) {
		i.policies[i.only] = p
	}
	if KindOf(err) == NotFound { // it is new
		err = nil
	}
	return err
}

// policy sets the day of an account, if the list has one.
func (i *importer) policy(r AccountRow) error {
	if r.RequiredFrom == "" {
		return nil
	}
	p, err := ParseAccountPolicy(r.RequiredFrom)
	if err != nil {
		return err
	}
	delete(i.policies, r.AccountID)
	if p != (AccountPolicy{}) {
		i.policies[r.AccountID] = p
	}
	return setPolicy(i.ctx, i.tx, i.actor, r.AccountID, p)
}

func (i *importer) account(r AccountRow) error {
	var fresh bool
	err := i.tx.QueryRowContext(i.ctx, `INSERT INTO account (id, name, locale, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, locale = excluded.locale, removed_at = NULL
			WHERE account.name <> excluded.name OR account.locale <> excluded.locale OR account.removed_at IS NOT NULL
		RETURNING created_at = $4`, r.AccountID, r.AccountName, r.Locale, micros(i.at)).Scan(&fresh)
	return i.counted("account "+r.AccountID, fresh, false, err)
}

// counted adds to the report what an upsert that answers only if it did something
// did.
func (i *importer) counted(what string, fresh, changed bool, err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if changed {
			i.report.Changed++
		}
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case fresh:
		i.report.Added++
	default:
		i.report.Changed++
	}
	return nil
}

func (i *importer) user(r AccountRow) error {
	var was sql.NullBool
	err := i.tx.QueryRowContext(i.ctx, `SELECT api_only FROM holder WHERE id = $1`, r.UserID).Scan(&was)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("user %s: %w", r.UserID, err)
	}
	if !was.Valid || was.Bool != r.APIOnly {
		if err := totp.Register(i.ctx, i.tx, r.UserID, r.APIOnly); err != nil {
			return err
		}
	}
	if p, ok := i.policies[r.AccountID]; ok {
		if err := totp.Require(i.ctx, i.tx, r.UserID, p.RequiredFrom); err != nil {
			return err
		}
	}
	var fresh bool
	var account string
	err = i.tx.QueryRowContext(i.ctx, `INSERT INTO panel_user (id, account_id, login, full_name, role, created_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET login = excluded.login, full_name = excluded.full_name, role = excluded.role, removed_at = NULL,
			remind_at = CASE WHEN panel_user.removed_at IS NULL THEN panel_user.remind_at ELSE 0 END
			WHERE panel_user.login <> excluded.login OR panel_user.full_name <> excluded.full_name OR panel_user.role <> excluded.role
				OR panel_user.removed_at IS NOT NULL OR panel_user.account_id <> excluded.account_id
		RETURNING created_at = $6, account_id`, r.UserID, r.AccountID, r.Login, r.FullName, r.Role, micros(i.at)).Scan(&fresh, &account)
	if err == nil && account != r.AccountID {
		return fail(Invalid, fmt.Sprintf("user %s belongs to account %s and cannot move to %s: give the user a new id", r.UserID, account, r.AccountID))
	}
	return i.counted("user "+r.UserID, fresh, was.Valid && was.Bool != r.APIOnly, err)
}

// A contact is one current address: what makes it the same one.
type contact struct{ account, user, role, lookup string }

func (i *importer) addresses(wanted map[contact]string) error {
	ended, err := i.endAddresses(wanted)
	if err != nil {
		return err
	}
	i.report.AddressesEnded = ended
	for c, address := range wanted {
		_, domain, _ := strings.Cut(c.lookup, "@")
		var user any
		if c.user != "" {
			user = c.user
		}
		_, err := i.tx.ExecContext(i.ctx, `INSERT INTO address (account_id, user_id, role, address, lookup, skeleton, source, since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, c.account, user, c.role, address, c.lookup, sender.Skeleton(domain), i.source, micros(i.at))
		if err != nil {
			return fmt.Errorf("address of account %s: %w", c.account, err)
		}
		i.report.AddressesAdded++
	}
	return nil
}

// query reads rows of the accounts that the import is about.
func (i *importer) query(text string) (*sql.Rows, error) {
	if i.only == "" {
		return i.tx.QueryContext(i.ctx, text)
	}
	return i.tx.QueryContext(i.ctx, text+` AND account_id = $1`, i.only)
}

// endAddresses ends every current address that is not wanted, and takes those
// that are wanted and current already out of wanted. Addresses are plain ASCII
// (sender-verification 3.2), and one that differs in case alone is the same
// one: nobody took a mailbox over because a file was typed anew. Its row stays,
// with its age and with the spelling that it had.
func (i *importer) endAddresses(wanted map[contact]string) (int, error) {
	rows, err := i.query(`SELECT id, account_id, coalesce(user_id, ''), role, lookup FROM address WHERE until IS NULL`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var gone []int64
	for rows.Next() {
		var id int64
		var c contact
		if err := rows.Scan(&id, &c.account, &c.user, &c.role, &c.lookup); err != nil {
			return 0, err
		}
		if _, ok := wanted[c]; ok {
			delete(wanted, c)
		} else {
			gone = append(gone, id)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, id := range gone {
		if _, err := i.tx.ExecContext(i.ctx, `UPDATE address SET until = $2 WHERE id = $1`, id, micros(i.at)); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

func (i *importer) removals(accounts, users map[string]bool, force bool) error {
	rows, err := i.query(`SELECT id, account_id FROM panel_user WHERE removed_at IS NULL`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var gone []string
	total := 0
	goneAccounts := map[string]bool{}
	for rows.Next() {
		var id, account string
		if err := rows.Scan(&id, &account); err != nil {
			return err
		}
		total++
		if !users[id] {
			gone = append(gone, id)
		}
		if !accounts[account] {
			goneAccounts[account] = true
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(gone)*5 > total && !force && i.only == "" {
		return fail(Conflict, fmt.Sprintf("the file would remove %d of %d users: check the file, or repeat with -force (over the API: ?force=1)", len(gone), total))
	}
	for _, id := range gone {
		if _, err := i.tx.ExecContext(i.ctx, `UPDATE panel_user SET removed_at = $2 WHERE id = $1`, id, micros(i.at)); err != nil {
			return err
		}
	}
	for id := range goneAccounts {
		if _, err := i.tx.ExecContext(i.ctx, `UPDATE account SET removed_at = $2 WHERE id = $1`, id, micros(i.at)); err != nil {
			return err
		}
	}
	i.report.Removed = len(gone)
	return nil
}
