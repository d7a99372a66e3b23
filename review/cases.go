package review

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
	"github.com/resetdesk/resetdesk/review/letters"
)

// A target is whom a request is about; empty parts are open questions.
type target struct{ account, user string }

// openCases opens a case for each user the mail asks for, or attaches the mail
// to the one that is open already, and queues the letters. It reports whether
// any were queued.
func (d *Desk) openCases(ctx context.Context, tx *sql.Tx, r *reading) (queued bool, err error) {
	requester, targets := r.writer(), r.targets()
	if full, err := d.flooded(ctx, tx, r, requester, targets); full || err != nil {
		if err == nil {
			err = setFate(ctx, tx, r.id, "parked", "It asks for a reset, but this account had several requests within a day that nothing proves, as with this one. Make it a case if it is honest.")
		}
		return false, err
	}
	fate, reason := "parked", ""
	for _, t := range targets {
		c, role, err := d.openCase(ctx, tx, r, requester, t)
		if err != nil {
			return false, err
		}
		switch role {
		case "opened":
			fate, queued = "case", true
		case "attached":
			fate = cmp.Or(map[string]string{"parked": "attached"}[fate], fate)
		}
		reason = strings.TrimSpace(reason + " " + openedWords[role] + c + ".")
	}
	return queued, setFate(ctx, tx, r.id, fate, reason)
}

// openedWords say what a request did, by its role in the case.
var openedWords = map[string]string{"opened": "It opened case ", "attached": "It asks again for the open case ",
	"": "It asks again, as many mails that nothing proves did, for the open case "}

// openCase opens a case or, where one is open for the same target, attaches the
// mail to it. The unique indexes decide, not a look before the insert.
func (d *Desk) openCase(ctx context.Context, tx *sql.Tx, r *reading, requester string, t target) (number, role string, err error) {
	now := time.Now()
	id, number, fresh, err := d.caseFor(ctx, tx, requester, t, opener{mail: r.id, watched: r.arrived(now), previous: r.previous}, now)
	if err != nil {
		return "", "", err
	}
	role = "opened"
	if !fresh {
		role = "attached"
		of := tie{caseRow: caseRow{id: id}, standing: "admin"}
		if full, err := crowded(ctx, tx, r, of, saysRequest); err != nil || full {
			return number, "", err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO case_mail (case_id, inbound_id, role, says, at) VALUES ($1, $2, $3, 'request', $4)`, id, r.id, role, micros(now))
	if err != nil {
		return "", "", fmt.Errorf("open case: %w", err)
	}
	if role == "attached" {
		if _, err := record(ctx, tx, now, "desk", "mail.attached", number, map[string]any{"mail": r.id, "from": maskAddress(requester),
			"sender": string(r.verdict.State()), "says": saysRequest}); err != nil {
			return "", "", err
		}
		return number, role, d.askToo(ctx, tx, id, requester, now)
	}
	_, err = record(ctx, tx, now, "desk", "case.opened", number, map[string]any{"mail": r.id, "account": t.account, "user": t.user})
	if err != nil {
		return "", "", err
	}
	return number, role, d.announce(ctx, tx, id, now)
}

// An opener is what a case begins with: a mail, what a reviewer wrote down, or
// without either the first request of the panel.
type opener struct {
	mail     int64
	hand     int64
	watched  time.Time // from when on an accepted code speaks against the request
	previous int64     // the closed case that a mail answers; else the user's last one counts
}

// caseFor opens a case for the target, or returns the one that is open for it.
// The caller stores the opener in the same transaction, or the schema refuses.
func (d *Desk) caseFor(ctx context.Context, tx *sql.Tx, requester string, t target, o opener, now time.Time) (id int64, number string, fresh bool, err error) {
	locale, err := localeOf(ctx, tx, t.account, requester)
	if err != nil {
		return 0, "", false, err
	}
	var request any
	if o.mail == 0 && o.hand == 0 {
		request = 1
	}
	number = "RST-" + randomText(6)
	err = tx.QueryRowContext(ctx, `INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at,
			opener_mail, opener_request, previous_id, opener_hand)
		VALUES ($1, 'open', $2, $3, $4, $5, $6, $7, $8, $7, $9, $10,
			coalesce((SELECT id FROM reset_case WHERE id = $11 AND closed_at IS NOT NULL AND (account_id = $3 OR requester = $2)),
				(SELECT max(id) FROM reset_case WHERE account_id = $3 AND user_id = $4 AND closed_at IS NOT NULL)), $12) ON CONFLICT DO NOTHING RETURNING id`,
		number, requester, null(t.account), null(t.user), locale, micros(now), micros(now.Add(d.cfg.Policy.CaseLifetime)), micros(o.watched),
		nullID(o.mail), request, o.previous, nullID(o.hand)).Scan(&id)
	fresh = err == nil
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, `SELECT id, number FROM reset_case WHERE `+openFor, t.user, requester, t.account).Scan(&id, &number)
	}
	if err != nil {
		return 0, "", false, fmt.Errorf("open case: %w", err)
	}
	return id, number, fresh, nil
}

// arrived is when the mail came in, as the mail server says, at most now: from
// then on an accepted code speaks against the request. The server counts whole
// seconds (RFC 9051 2.3.3), so the end of that second is meant.
func (r *reading) arrived(now time.Time) time.Time {
	if at := r.internal.Add(time.Second); !r.internal.IsZero() && at.Before(now) {
		return at
	}
	return now
}

// maxNamed is how many users one mail may open cases for, and maxFresh how many
// cases an account may get in a day from mail that nothing proves.
const maxNamed, maxFresh = 3, 3

// flooded reports whether the mail would open more cases than an account can
// sensibly get from mail that anybody could have written. Who forges uses up the
// room of those alone whom nothing proves either; and a mail that asks again for
// what is open costs nothing.
func (d *Desk) flooded(ctx context.Context, tx *sql.Tx, r *reading, requester string, targets []target) (bool, error) {
	if r.byHand || r.verdict.State().AtLeast(sender.Partial) {
		return false, nil
	}
	fresh, err := openedToday(ctx, tx, requester, targets[0].account)
	if err != nil || fresh < maxFresh {
		return false, err
	}
	for _, t := range targets {
		_, err := scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE `+openFor, t.user, requester, t.account))
		if KindOf(err) == NotFound {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// openFor finds the case that is open for a user, a requester and an account.
const openFor = `state IN ('open', 'held', 'clearing')
	AND ((user_id IS NOT NULL AND user_id = $1) OR (user_id IS NULL AND $1 = '' AND requester = $2 AND coalesce(account_id, '') = $3))`

// openedToday counts the cases of an address or account that mails opened within a
// day which nothing proves.
func openedToday(ctx context.Context, tx *sql.Tx, requester, account string) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM reset_case c JOIN assessment a ON a.inbound_id = c.opener_mail
		WHERE c.opened_at > $1 AND (c.requester = $2 OR c.account_id = $3) AND a.verdict NOT IN ('authenticated', 'partial')`,
		micros(time.Now().Add(-24*time.Hour)), requester, account).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count cases of a day: %w", err)
	}
	return n, nil
}

// askToo asks another admin of the account who wants the same, so that a forged
// request in the name of one admin cannot keep the others out. The letter is the second
// to one who was told of the case, and the waiting period does not begin anew with it:
// anybody can forge what sets it off.
func (d *Desk) askToo(ctx context.Context, tx *sql.Tx, caseID int64, requester string, now time.Time) error {
	c, err := caseByID(ctx, tx, caseID)
	if err != nil || c.requester == requester || c.state != StateOpen {
		return err
	}
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	for _, to := range people {
		if to.lookup != requester || to.role != "admin" {
			continue
		}
		var asked bool
		err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM letter WHERE case_id = $1 AND round = $2 AND kind = 'acknowledgement' AND address_id = $3`,
			c.id, c.round, to.id).Scan(&asked)
		if err != nil || asked {
			return err
		}
		return d.acknowledge(ctx, tx, c, to, 2, now)
	}
	return nil
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// localeOf returns the language of the account, or of the first account of the
// address while the account is open.
func localeOf(ctx context.Context, tx *sql.Tx, account, requester string) (string, error) {
	var locale string
	err := tx.QueryRowContext(ctx, `SELECT a.locale FROM account a JOIN address d ON d.account_id = a.id
		WHERE (a.id = $1 OR $1 = '') AND d.lookup = $2 AND d.until IS NULL ORDER BY a.id LIMIT 1`, account, requester).Scan(&locale)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, `SELECT locale FROM account WHERE id = $1`, account).Scan(&locale)
	}
	if err != nil {
		return "", fmt.Errorf("read locale: %w", err)
	}
	return letters.Language(locale), nil
}

// targets are the account and the users that the words mean. What they leave open
// stays open: the owner or a reviewer answers it.
func (r *reading) targets() (all []target) {
	if n := len(r.meant.Targets); n == 0 || n > maxNamed {
		return []target{{account: r.meant.Account}}
	}
	for _, t := range r.meant.Targets {
		all = append(all, target{t.Account, t.User})
	}
	return all
}

// whom reads which of the writer's accounts and of their users the words of a mail
// name.
func whom(ctx context.Context, tx *sql.Tx, r *reading) (intent.Whom, error) {
	accounts, err := accountsOf(ctx, tx, r.writer())
	if err != nil {
		return intent.Whom{}, err
	}
	var all []intent.Account
	for _, a := range accounts {
		all = append(all, intent.Account{ID: a.ID, Name: a.Name})
	}
	all = r.intent.AccountsNamed(r.words(), all)
	for i := range all {
		if all[i].People, err = peopleOf(ctx, tx, all[i].ID); err != nil {
			return intent.Whom{}, err
		}
	}
	return r.intent.Whom(r.words(), all, r.writer()), nil
}

func accountsOf(ctx context.Context, tx *sql.Tx, requester string) ([]AccountChoice, error) {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT a.id, a.name FROM address d JOIN account a ON a.id = d.account_id
		WHERE d.lookup = $1 AND d.until IS NULL AND d.role = 'admin' AND a.removed_at IS NULL ORDER BY a.id`, requester)
	if err != nil {
		return nil, fmt.Errorf("accounts of address: %w", err)
	}
	defer rows.Close()
	var all []AccountChoice
	for rows.Next() {
		var a AccountChoice
		if err := rows.Scan(&a.ID, &a.Name); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

func peopleOf(ctx context.Context, tx *sql.Tx, account string) ([]intent.Person, error) {
	rows, err := tx.QueryContext(ctx, `SELECT u.id, u.login, u.full_name, coalesce(d.lookup, '') FROM panel_user u
		LEFT JOIN address d ON d.user_id = u.id AND d.until IS NULL
		WHERE u.account_id = $1 AND u.removed_at IS NULL ORDER BY u.id`, account)
	if err != nil {
		return nil, fmt.Errorf("users of account: %w", err)
	}
	defer rows.Close()
	var all []intent.Person
	for rows.Next() {
		var p intent.Person
		if err := rows.Scan(&p.ID, &p.Login, &p.Name, &p.Email); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}
