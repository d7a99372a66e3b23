package review

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// An Account is an account with its users, as a panel writes and reads it.
type Account struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Locale string   `json:"locale"` // a language tag, "" for the default
	Notify []string `json:"notify"` // further addresses that get its notices
	// Domains that the account holds: proof that lives on one of them is circular. nil
	// in a write leaves them as they are.
	Domains []string `json:"domains"`
	// RequiredFrom says from when a second factor is mandatory: a day, "never", or
	// "default" for that of the installation. "" in a write leaves it as it is.
	RequiredFrom string `json:"required_from"`
	Users        []User `json:"users"` // the e-mails of its admins are the registered addresses
}

// A User is a user of an account, who may hold a second factor.
type User struct {
	ID       string `json:"id"`
	Login    string `json:"login"`
	FullName string `json:"full_name"`
	Email    string `json:"email"` // "" only for one that is APIOnly
	Role     string `json:"role"`  // "admin" or "user"
	APIOnly  bool   `json:"api_only"`
}

// Tag changes whenever anything of the account does: its ETag.
func (a Account) Tag() string {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and flags always marshal
	}
	sum := sha256.Sum256(text)
	return `"` + encodeBytes(sum[:12]) + `"`
}

var (
	errNoAccount  = fail(NotFound, "There is no such account.")
	errNoUser     = fail(NotFound, "There is no such user in this account.")
	errAccountTag = fail(Stale, "The account changed since it was read. Read it again and repeat the change.")
)

// A Match is what a caller saw of an account before it changes it: a [Account.Tag]
// ("" for whatever is there).
type Match string

func (m Match) holds(a Account) error {
	if m != "" && string(m) != a.Tag() {
		return errAccountTag
	}
	return nil
}

// Account reads an account, without removed users.
func (d *Desk) Account(ctx context.Context, id string) (Account, error) {
	var a Account
	err := d.snapshot(ctx, "read account", func(tx *sql.Tx) (err error) {
		a, err = readAccount(ctx, tx, id)
		return err
	})
	return a, err
}

// Accounts lists accounts in the order of their ids, after one of them.
func (d *Desk) Accounts(ctx context.Context, after string, limit int) ([]Account, error) {
	var all []Account
	err := d.snapshot(ctx, "list accounts", func(tx *sql.Tx) (err error) {
		all, err = readAccounts(ctx, tx, `id > $1 AND removed_at IS NULL ORDER BY id LIMIT $2`, after, limit)
		return err
	})
	return all, err
}

func readAccount(ctx context.Context, tx *sql.Tx, id string) (Account, error) {
	all, err := readAccounts(ctx, tx, `id = $1 AND removed_at IS NULL`, id)
	if err == nil && len(all) == 0 {
		err = errNoAccount
	}
	if err != nil {
		return Account{}, err
	}
	return all[0], nil
}

func readAccounts(ctx context.Context, tx *sql.Tx, which string, args ...any) ([]Account, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, name, locale, coalesce(required_from, 0) FROM account WHERE `+which, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []Account{}
	for rows.Next() {
		a := Account{Notify: []string{}, Domains: []string{}, Users: []User{}}
		var from int64
		if err := rows.Scan(&a.ID, &a.Name, &a.Locale, &from); err != nil {
			return nil, err
		}
		a.RequiredFrom = AccountPolicy{RequiredFrom: fromMicros(from)}.String()
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range all {
		if err := readPeople(ctx, tx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readPeople fills in the users and the addresses of an account, in a fixed order.
func readPeople(ctx context.Context, tx *sql.Tx, a *Account) error {
	rows, err := tx.QueryContext(ctx, `SELECT u.id, u.login, u.full_name, u.role, h.api_only,
			coalesce((SELECT min(address) FROM address WHERE user_id = u.id AND until IS NULL), '')
		FROM panel_user u JOIN holder h ON h.id = u.id WHERE u.account_id = $1 AND u.removed_at IS NULL ORDER BY u.id`, a.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var u User
		if err := rows.Scan(&u.ID, &u.Login, &u.FullName, &u.Role, &u.APIOnly, &u.Email); err != nil {
			return err
		}
		a.Users = append(a.Users, u)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for query, list := range map[string]*[]string{
		`SELECT address FROM address WHERE account_id = $1 AND role = 'notify' AND until IS NULL ORDER BY address`: &a.Notify,
		`SELECT domain FROM account_domain WHERE account_id = $1 AND until IS NULL ORDER BY domain`:                &a.Domains,
	} {
		more, err := tx.QueryContext(ctx, query, a.ID)
		err = eachRow(more, err, func(rows *sql.Rows) error {
			var s string
			err := rows.Scan(&s)
			*list = append(*list, s)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PutAccount makes an account the given one, all of it: users that are not named
// are marked as removed, and addresses that changed stay as history, exactly as
// an import does it.
func (d *Desk) PutAccount(ctx context.Context, k APIKey, a Account, m Match) (saved Account, created bool, err error) {
	err = d.update(ctx, "write account", func(tx *sql.Tx) error {
		was, err := readAccount(ctx, tx, a.ID)
		created = errors.Is(err, errNoAccount)
		if err != nil && !created {
			return err
		}
		if created && m != "" {
			return errAccountTag
		}
		if err := m.holds(was); err != nil && !created {
			return err
		}
		saved, err = saveAccount(ctx, tx, k, a)
		return err
	})
	return saved, created, err
}

// PutUser adds a user to an account or makes it the given one.
func (d *Desk) PutUser(ctx context.Context, k APIKey, account string, u User) (saved User, created bool, err error) {
	err = d.update(ctx, "write user", func(tx *sql.Tx) error {
		a, err := readAccount(ctx, tx, account)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(a.Users, func(o User) bool { return o.ID == u.ID })
		if created = i < 0; created {
			a.Users = append(a.Users, u)
		} else {
			a.Users[i] = u
		}
		if a, err = saveAccount(ctx, tx, k, a); err != nil {
			return err
		}
		saved = a.Users[slices.IndexFunc(a.Users, func(o User) bool { return o.ID == u.ID })]
		return nil
	})
	return saved, created, err
}

// RemoveUser marks a user as removed. The last admin of an account stays: nobody
// could ask for the others.
func (d *Desk) RemoveUser(ctx context.Context, k APIKey, account, user string) error {
	return d.update(ctx, "remove user", func(tx *sql.Tx) error {
		a, err := readAccount(ctx, tx, account)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(a.Users), func(u User) bool { return u.ID == user })
		if len(left) == len(a.Users) {
			return errNoUser
		}
		if !slices.ContainsFunc(left, func(u User) bool { return u.Role == "admin" }) {
			return fail(Conflict, "This is the last admin of the account, so nobody could ask for a reset any more. Name another admin first, or remove the account.")
		}
		a.Users = left
		_, err = saveAccount(ctx, tx, k, a)
		return err
	})
}

// RemoveAccount marks an account and its users as removed, and ends its addresses
// and domains.
// What happened stays on record.
func (d *Desk) RemoveAccount(ctx context.Context, k APIKey, id string, m Match) error {
	return d.update(ctx, "remove account", func(tx *sql.Tx) error {
		a, err := readAccount(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := m.holds(a); err != nil {
			return err
		}
		i := importer{ctx: ctx, tx: tx, only: id, actor: k.actor(), source: "api", at: time.Now()}
		if err := i.run(nil, false); err != nil {
			return err
		}
		if _, err := i.setDomains(id, nil); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE account SET removed_at = $2 WHERE id = $1`, id, micros(i.at)); err != nil {
			return err
		}
		_, err = record(ctx, tx, i.at, k.actor(), "account.removed", id, i.report)
		return err
	})
}

// ImportAccounts is [Desk.Import] over the API.
func (d *Desk) ImportAccounts(ctx context.Context, k APIKey, rows []AccountRow, force, dryRun bool) (ImportReport, error) {
	return d.importAll(ctx, k.actor(), rows, "api", force, dryRun)
}

// saveAccount checks an account and runs the importer over it alone. An account
// that is as it was leaves no event.
func saveAccount(ctx context.Context, tx *sql.Tx, k APIKey, a Account) (Account, error) {
	f := newAccountsFile()
	f.addAccount(a, func(user int) int { return user + 1 })
	rows, err := f.finish()
	if err != nil {
		return Account{}, err
	}
	if err := checkSpelling(ctx, tx, rows); err != nil {
		return Account{}, err
	}
	i := importer{ctx: ctx, tx: tx, only: a.ID, actor: k.actor(), source: "api", at: time.Now()}
	if err := i.run(rows, false); err != nil {
		return Account{}, err
	}
	if i.report != (ImportReport{Accounts: i.report.Accounts, Users: i.report.Users}) {
		if _, err := record(ctx, tx, i.at, k.actor(), "account.written", a.ID, i.report); err != nil {
			return Account{}, err
		}
	}
	return readAccount(ctx, tx, a.ID)
}

// checkSpelling is the check of [ReadAccounts] against the accounts that are not
// being written: two registered addresses never differ in letter case alone.
func checkSpelling(ctx context.Context, tx *sql.Tx, rows []AccountRow) error {
	for i, r := range rows {
		if r.Role != "admin" {
			continue
		}
		var other string
		err := tx.QueryRowContext(ctx, `SELECT address FROM address WHERE lookup = $1 AND until IS NULL AND role = 'admin' AND address <> $2 AND account_id <> $3`,
			strings.ToLower(r.Email), r.Email, r.AccountID).Scan(&other)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		return &AccountsError{Lines: []LineError{{i + 1, fmt.Sprintf("email %q is registered for another account as %q; write it the same way", r.Email, other)}}}
	}
	return nil
}

// addAccount adds the rows of an account. line tells the line of each user.
func (a *accountsFile) addAccount(x Account, line func(user int) int) {
	if len(x.Users) == 0 {
		a.complain(line(0), "account %s has no users; at least one with role admin is needed", x.ID)
	}
	for i, u := range x.Users {
		r := AccountRow{AccountID: x.ID, AccountName: x.Name, Locale: x.Locale, UserID: u.ID, Login: u.Login, Email: u.Email,
			Role: u.Role, APIOnly: u.APIOnly, FullName: u.FullName, RequiredFrom: x.RequiredFrom}
		if i == 0 {
			r.Notify, r.Domains = x.Notify, x.Domains
		}
		fields := []string{r.AccountID, r.AccountName, r.Locale, r.UserID, r.Login, r.Email, r.Role, "", "", r.FullName}
		if len(r.RequiredFrom) > 20 {
			a.complain(line(i), "required_from is longer than a day")
		} else if a.plain(line(i), fields) {
			a.add(line(i), r)
		}
	}
}

const maxAccountLine = 1 << 20 // bytes of one account

// ReadAccountLines reads accounts as NDJSON: one [Account] a line, which decode
// reads. It is as strict as [ReadAccounts] and reports in the same way.
func ReadAccountLines(r io.Reader, decode func(line []byte, a *Account) error) ([]AccountRow, error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxAccountsFile))
	lines.Buffer(make([]byte, 64<<10), maxAccountLine)
	a := newAccountsFile()
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var x Account
		if err := decode(text, &x); err != nil {
			a.complain(n, "%v", err)
			continue
		}
		if x.ID == "" {
			a.complain(n, "id is empty")
			continue
		}
		a.addAccount(x, func(int) int { return n })
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		a.complain(n+1, "the line is longer than %d KiB; write one account a line", maxAccountLine>>10)
	} else if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return a.finish()
}
