package review

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// An AddressRow is an address of an account, also one that ended.
type AddressRow struct {
	Address string    `json:"address"`
	Role    string    `json:"role"`
	User    string    `json:"user"`   // "" for a notification address
	Source  string    `json:"source"` // who wrote it: csv, api, …
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"`
}

// A FactorRow is an event of a second factor.
type FactorRow struct {
	User   string    `json:"user"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	IP     string    `json:"ip"`
	Agent  string    `json:"agent"`
	Detail string    `json:"detail"`
}

// A LetterRow is a letter to somebody of an account, with the mail server's answer.
type LetterRow struct {
	Case      string    `json:"case"` // "" for one that belongs to a user
	User      string    `json:"user"`
	Kind      string    `json:"kind"`
	Recipient string    `json:"recipient"`
	Subject   string    `json:"subject"`
	State     string    `json:"state"`
	Response  string    `json:"response"`
	At        time.Time `json:"at"`
}

// A MailMeta is what is known of a mail of a case of the account.
type MailMeta struct {
	Case     string    `json:"case"`
	Received time.Time `json:"received"`
	From     string    `json:"from"`
	Subject  string    `json:"subject"`
	Verdict  string    `json:"verdict"`
	Kept     bool      `json:"kept"` // its bytes are still there
}

// An AccountHistory is what happened to an account, the newest first.
type AccountHistory struct {
	Standing  AccountStanding `json:"account"`
	Frost     Frost           `json:"freeze"` // zero: never frozen
	Addresses []AddressRow    `json:"addresses"`
	Cases     []CaseSummary   `json:"cases"`
	Factors   []FactorRow     `json:"factor_events"`
	Letters   []LetterRow     `json:"letters"`
	Mails     []MailMeta      `json:"mails"`
}

// shownHistory is how many rows of each kind a page has.
const shownHistory = 50

// AccountHistory reads what the page of an account shows.
func (d *Desk) AccountHistory(ctx context.Context, s Session, account string) (AccountHistory, error) {
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return AccountHistory{}, err
	}
	return d.accountHistory(ctx, account, shownHistory)
}

func (d *Desk) accountHistory(ctx context.Context, account string, limit int) (h AccountHistory, err error) {
	if h.Standing, err = d.AccountStanding(ctx, account); err != nil {
		return h, err
	}
	err = d.snapshot(ctx, "read account history", func(tx *sql.Tx) error {
		if h.Frost, err = readFrost(ctx, tx, account); err != nil {
			return err
		}
		for _, read := range []func(context.Context, *sql.Tx, string, int, *AccountHistory) error{readAddressRows, readCaseRows, readFactorRows, readLetterRows, readMailMeta} {
			if err := read(ctx, tx, account, limit, &h); err != nil {
				return err
			}
		}
		return nil
	})
	return h, err
}

func eachRow(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func readAddressRows(ctx context.Context, tx *sql.Tx, account string, limit int, h *AccountHistory) error {
	rows, err := tx.QueryContext(ctx, `SELECT address, role, coalesce(user_id, ''), source, since, coalesce(until, 0) FROM address
		WHERE account_id = $1 ORDER BY until IS NOT NULL, coalesce(until, since) DESC, id LIMIT $2`, account, limit)
	return eachRow(rows, err, func(rows *sql.Rows) error {
		var a AddressRow
		var since, until int64
		err := rows.Scan(&a.Address, &a.Role, &a.User, &a.Source, &since, &until)
		a.Since, a.Until = fromMicros(since), fromMicros(until)
		h.Addresses = append(h.Addresses, a)
		return err
	})
}

func readCaseRows(ctx context.Context, tx *sql.Tx, account string, limit int, h *AccountHistory) error {
	rows, err := tx.QueryContext(ctx, summarySelect+` WHERE account_id = $1 ORDER BY id DESC LIMIT $2`, account, limit)
	return eachRow(rows, err, func(rows *sql.Rows) error {
		s, err := scanSummary(rows)
		h.Cases = append(h.Cases, s)
		return err
	})
}

func readFactorRows(ctx context.Context, tx *sql.Tx, account string, limit int, h *AccountHistory) error {
	rows, err := tx.QueryContext(ctx, `SELECT e.user_id, e.at, e.kind, e.ip, e.agent, e.detail FROM panel_user u JOIN factor_event e ON e.user_id = u.id
		WHERE u.account_id = $1 ORDER BY e.at DESC, e.id DESC LIMIT $2`, account, limit)
	return eachRow(rows, err, func(rows *sql.Rows) error {
		var f FactorRow
		var at int64
		err := rows.Scan(&f.User, &at, &f.Kind, &f.IP, &f.Agent, &f.Detail)
		f.At = fromMicros(at)
		h.Factors = append(h.Factors, f)
		return err
	})
}

func readLetterRows(ctx context.Context, tx *sql.Tx, account string, limit int, h *AccountHistory) error {
	rows, err := tx.QueryContext(ctx, `SELECT number, who, kind, recipient, subject, state, response, changed_at FROM (
			SELECT l.id, c.number, '' AS who, l.kind, l.recipient, l.subject, l.state, l.response, l.changed_at FROM reset_case c JOIN letter l ON l.case_id = c.id WHERE c.account_id = $1
			UNION ALL
			SELECT l.id, '', l.user_id, l.kind, l.recipient, l.subject, l.state, l.response, l.changed_at FROM panel_user u JOIN letter l ON l.user_id = u.id WHERE u.account_id = $1)
		ORDER BY id DESC LIMIT $2`, account, limit)
	return eachRow(rows, err, func(rows *sql.Rows) error {
		var l LetterRow
		var at int64
		err := rows.Scan(&l.Case, &l.User, &l.Kind, &l.Recipient, &l.Subject, &l.State, &l.Response, &at)
		l.At = fromMicros(at)
		h.Letters = append(h.Letters, l)
		return err
	})
}

func readMailMeta(ctx context.Context, tx *sql.Tx, account string, limit int, h *AccountHistory) error {
	rows, err := tx.QueryContext(ctx, `SELECT c.number, i.received_at, coalesce(s.from_addr, ''), coalesce(s.subject, ''), coalesce(s.verdict, ''), i.raw IS NOT NULL
		FROM reset_case c JOIN case_mail m ON m.case_id = c.id JOIN inbound i ON i.id = m.inbound_id LEFT JOIN assessment s ON s.inbound_id = i.id
		WHERE c.account_id = $1 ORDER BY i.id DESC LIMIT $2`, account, limit)
	return eachRow(rows, err, func(rows *sql.Rows) error {
		var m MailMeta
		var at int64
		err := rows.Scan(&m.Case, &at, &m.From, &m.Subject, &m.Verdict, &m.Kept)
		m.Received = fromMicros(at)
		h.Mails = append(h.Mails, m)
		return err
	})
}

// FindAccounts lists accounts after one of them: all, or those that a person
// means by a number that they begin with, a user, or an address.
func (d *Desk) FindAccounts(ctx context.Context, s Session, query, after string, limit int) ([]Account, error) {
	var all []Account
	query = strings.TrimSpace(query)
	err := d.snapshot(ctx, "find accounts", func(tx *sql.Tx) (err error) {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		switch {
		case query == "":
			all, err = readAccounts(ctx, tx, `id > $1 AND removed_at IS NULL ORDER BY id LIMIT $2`, after, limit)
		case strings.Contains(query, "@"):
			all, err = readAccounts(ctx, tx, `id IN (SELECT account_id FROM address WHERE lookup = $1 AND until IS NULL) AND id > $2 ORDER BY id LIMIT $3`, strings.ToLower(query), after, limit)
		default:
			all, err = readAccounts(ctx, tx, `(id IN (SELECT account_id FROM panel_user WHERE id = $1) OR (id >= $1 AND id < $2)) AND id > $3 ORDER BY id LIMIT $4`,
				query, query+"\U0010ffff", after, limit)
		}
		return err
	})
	return all, err
}

// ExportAccount returns all that is known of an account, for whom the data is
// about (GDPR, Art. 15 and 20), and leaves an event. It has no secret.
func (d *Desk) ExportAccount(ctx context.Context, s Session, account string) (AccountHistory, error) {
	if err := d.allow(ctx, d.db.read, s, TakeOut); err != nil {
		return AccountHistory{}, err
	}
	h, err := d.accountHistory(ctx, account, 100_000)
	if err != nil {
		return h, err
	}
	err = d.update(ctx, "export account", func(tx *sql.Tx) error {
		_, err := record(ctx, tx, time.Now(), s.actor(), "account.exported", account, nil)
		return err
	})
	return h, err
}

// EraseMailBodies forgets the bytes and headers of all mails of the account's
// closed cases before their time. What was found out about them, and the audit,
// stay; open cases keep theirs, for they are still to be judged.
func (d *Desk) EraseMailBodies(ctx context.Context, s Session, account, reason string) (n int64, err error) {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return 0, err
	}
	return d.eraseBodies(ctx, s.actor(), account, reason)
}

// EraseMailBodiesFromHost is [Desk.EraseMailBodies] for who has the host.
func (d *Desk) EraseMailBodiesFromHost(ctx context.Context, account, reason string) (int64, error) {
	return d.eraseBodies(ctx, "host", account, reason)
}

func (d *Desk) eraseBodies(ctx context.Context, actor, account, reason string) (n int64, err error) {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > 1000 {
		return 0, invalid("reason", "Write who asked for it and when, in at most 1,000 characters.")
	}
	err = d.update(ctx, "erase mail bodies", func(tx *sql.Tx) error {
		var found string
		err := tx.QueryRowContext(ctx, `SELECT id FROM account WHERE id = $1`, account).Scan(&found)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoAccount
		}
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE inbound SET raw = NULL, header = NULL
			WHERE (raw IS NOT NULL OR header IS NOT NULL) AND fate IN ('case', 'attached')
				AND id IN (SELECT m.inbound_id FROM reset_case c JOIN case_mail m ON m.case_id = c.id WHERE c.account_id = $1)
				AND NOT EXISTS (SELECT 1 FROM case_mail m JOIN reset_case c ON c.id = m.case_id WHERE m.inbound_id = inbound.id AND c.closed_at IS NULL)`, account)
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil {
			return err
		}
		_, err = record(ctx, tx, time.Now(), actor, "account.bodies_erased", account, map[string]any{"mails": n, "reason": reason})
		return err
	})
	return n, err
}
