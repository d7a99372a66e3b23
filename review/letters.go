package review

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/bounce"
	"github.com/resetdesk/resetdesk/review/letters"
)

// A recipient is a stored address.
type recipient struct {
	id      int64
	address string
	lookup  string
	role    string
}

// An owed letter says what it belongs to: a case, or one user or reviewer and a
// topic.
type owed struct {
	kind, locale  string
	to            recipient
	caseID, reset int64
	round, serial int64
	user, topic   string
	reviewer      int64
	about         string // begins the Message-ID
	reply         bool   // to a mail
	inReplyTo     string // its Message-ID, or that of our first letter to the address; "" if there is none
}

// queueLetter puts a letter of a case into the outbox, in the transaction that
// owes it.
func (d *Desk) queueLetter(ctx context.Context, tx *sql.Tx, c caseRow, kind string, to recipient, reset, serial int64, w letters.Words, now time.Time) error {
	o := owed{kind: kind, locale: c.locale, to: to, caseID: c.id, reset: reset, round: c.round, serial: serial, about: c.number}
	var err error
	o.reply = kind == "acknowledgement" && c.mail != 0
	if o.inReplyTo, err = threadOf(ctx, tx, c, kind, to); err != nil {
		return err
	}
	return d.queue(ctx, tx, o, w, now)
}

// threadOf is what a letter of a case follows: the request for what answers it,
// else our first letter to the same address.
func threadOf(ctx context.Context, tx *sql.Tx, c caseRow, kind string, to recipient) (id string, err error) {
	if c.mail != 0 && (kind == "acknowledgement" || kind == "rejected") {
		return openerID(ctx, tx, c.mail)
	}
	err = tx.QueryRowContext(ctx, `SELECT message_id FROM letter WHERE case_id = $1 AND address_id = $2 ORDER BY id LIMIT 1`, c.id, to.id).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read first letter: %w", err)
	}
	return id, nil
}

// queue renders a letter, seals it and puts it into the outbox, all in the
// transaction that owes it.
func (d *Desk) queue(ctx context.Context, tx *sql.Tx, o owed, w letters.Words, now time.Time) error {
	subject, text, err := d.write(o.locale, o.kind, w)
	if err != nil {
		return err
	}
	return d.post(ctx, tx, o, subject, text, w.Reference, now)
}

// post puts a letter that is written into the outbox. A reference in its subject is a
// secret.
func (d *Desk) post(ctx context.Context, tx *sql.Tx, o owed, subject, text, reference string, now time.Time) error {
	_, domain, _ := cutAddress(d.cfg.From.Address)
	draft := mailbox.Draft{
		From: d.cfg.From, To: mail.Address{Address: o.to.address}, Subject: subject,
		MessageID: strings.ToLower(o.about + "." + o.kind + "." + randomText(12) + "@" + domain), InReplyTo: o.inReplyTo,
		Date: now, Language: o.locale, AutoSubmitted: "auto-generated", Text: text, HTML: letters.HTML(text, o.locale),
	}
	draft.Headers = map[string]string{bounce.Mark: d.mark(draft.MessageID)}
	if o.inReplyTo != "" {
		draft.References = []string{o.inReplyTo}
	}
	if a := d.cfg.Addresses; len(a) > 0 && !slices.ContainsFunc(a, func(own string) bool { return strings.EqualFold(own, d.cfg.From.Address) }) {
		draft.ReplyTo.Address = a[0] // an answer must come to a mailbox that is read
	}
	if o.reply {
		draft.AutoSubmitted = "auto-replied"
	}
	mime, err := mailbox.Compose(draft)
	if err != nil {
		return err
	}
	if sig := d.cfg.Signature; sig != nil {
		if mime, err = sig.Sign(mime); err != nil {
			return err
		}
	}
	if reference != "" { // a secret is not kept in the clear
		subject = strings.Replace(subject, "["+reference+"] ", "", 1)
	}
	sum := sha256.Sum256(mime)
	_, err = tx.ExecContext(ctx, `INSERT INTO letter (case_id, reset_id, round, serial, user_id, reviewer_id, topic, kind, address_id, recipient, message_id, subject,
			sealed, sha256, state, next_at, queued_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $15, $6, $7, $8, $9, $10, $11, $12, $13, 'queued', $14, $14, $14)`,
		nullID(o.caseID), nullID(o.reset), o.round, o.serial, null(o.user), null(o.topic), o.kind, nullID(o.to.id), o.to.address, draft.MessageID, subject,
		d.cfg.Keys.Seal("letter", draft.MessageID, mime), sum[:], micros(now), nullID(o.reviewer))
	if err != nil {
		return fmt.Errorf("queue %s letter: %w", o.kind, err)
	}
	return nil
}

func nullID(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

func openerID(ctx context.Context, tx *sql.Tx, mail int64) (string, error) {
	var id string
	err := tx.QueryRowContext(ctx, `SELECT message_id FROM assessment WHERE inbound_id = $1`, mail).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("read Message-ID: %w", err)
	}
	return id, nil
}

// caseWords fills in what every letter of a case says.
func (d *Desk) caseWords(ctx context.Context, tx *sql.Tx, c caseRow) (letters.Words, error) {
	w := letters.Words{Brand: d.cfg.Brand, Phone: d.cfg.Phone, Panel: d.cfg.Panel, Number: c.number,
		AccountID: c.account, Account: "–", Requester: maskAddress(c.requester), Requested: letters.When(c.opened, c.locale), InPanel: c.inPanel(), By: c.channel}
	if c.account != "" {
		var name string
		if err := tx.QueryRowContext(ctx, `SELECT name FROM account WHERE id = $1`, c.account).Scan(&name); err != nil {
			return w, fmt.Errorf("read account: %w", err)
		}
		w.Account = oneLine(name) + " (" + c.account + ")"
	}
	if c.user != "" {
		err := tx.QueryRowContext(ctx, `SELECT u.login, coalesce((SELECT min(lookup) FROM address WHERE user_id = u.id AND until IS NULL), '')
			FROM panel_user u WHERE u.id = $1`, c.user).Scan(&w.User, &w.UserAddress)
		if err != nil {
			return w, fmt.Errorf("read user: %w", err)
		}
		w.User, w.UserAddress = oneLine(w.User), maskAddress(w.UserAddress)
	}
	return w, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// contacts are the current addresses of the case's account, each mailbox once,
// the requester's own first. While the account is open only the requester's
// address is known.
func contacts(ctx context.Context, tx *sql.Tx, c caseRow) ([]recipient, error) {
	where := `account_id = $1 AND (role IN ('admin', 'notify') OR user_id = $2)`
	if c.account == "" {
		where = `lookup = $3 AND role = 'admin'`
	}
	rows, err := tx.QueryContext(ctx, `SELECT id, address, lookup, role FROM address WHERE until IS NULL AND `+where+`
		ORDER BY CASE WHEN lookup = $3 THEN 0 ELSE 1 END, CASE role WHEN 'admin' THEN 0 ELSE 1 END, id`, c.account, c.user, c.requester)
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	defer rows.Close()
	var all []recipient
	seen := map[string]bool{}
	for rows.Next() {
		var r recipient
		if err := rows.Scan(&r.id, &r.address, &r.lookup, &r.role); err != nil {
			return nil, fmt.Errorf("read contacts: %w", err)
		}
		if !seen[r.lookup] {
			seen[r.lookup] = true
			all = append(all, r)
		}
	}
	return all, rows.Err()
}

// newLink stores a link of a letter and returns its address.
func (d *Desk) newLink(ctx context.Context, tx *sql.Tx, c caseRow, purpose string, to recipient, now, expires time.Time) (string, error) {
	token := newToken()
	_, err := tx.ExecContext(ctx, `INSERT INTO owner_link (hash, case_id, round, purpose, address_id, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, hashToken(token), c.id, c.round, purpose, to.id, micros(now), micros(expires))
	if err != nil {
		return "", fmt.Errorf("make link: %w", err)
	}
	return d.cfg.BaseURL + "/r/" + token, nil
}

// announce tells every contact of a case that was not told in this round: the
// requester's registered address gets the confirm link, the others a notice
// with one way to object (design 2, promise 7). It may run again when the
// account becomes known.
func (d *Desk) announce(ctx context.Context, tx *sql.Tx, caseID int64, now time.Time) error {
	c, err := caseByID(ctx, tx, caseID)
	if err != nil {
		return err
	}
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	former, err := formerContacts(ctx, tx, c.account, c.user, now)
	if err != nil {
		return err
	}
	for _, to := range append(people, former...) {
		var told bool
		err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM letter l JOIN address a ON a.id = l.address_id
			WHERE l.case_id = $1 AND l.round = $2 AND l.kind IN ('acknowledgement', 'notice') AND a.lookup = $3`, c.id, c.round, to.lookup).Scan(&told)
		if err != nil {
			return err
		}
		if told {
			continue
		}
		if to.lookup == c.requester && to.role == "admin" {
			err = d.acknowledge(ctx, tx, c, to, 1, now)
		} else {
			err = d.notify(ctx, tx, c, to, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) acknowledge(ctx context.Context, tx *sql.Tx, c caseRow, to recipient, serial int64, now time.Time) error {
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	until := now.Add(d.cfg.Policy.LinkLifetime)
	if w.Link, err = d.newLink(ctx, tx, c, "confirm", to, now, until); err != nil {
		return err
	}
	w.LinkUntil, w.Reference = letters.When(until, c.locale), d.reference(c)
	return d.queueLetter(ctx, tx, c, "acknowledgement", to, 0, serial, w, now)
}

func (d *Desk) notify(ctx context.Context, tx *sql.Tx, c caseRow, to recipient, now time.Time) error {
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	if w.Link, err = d.newLink(ctx, tx, c, "object", to, now, c.expires); err != nil {
		return err
	}
	return d.queueLetter(ctx, tx, c, "notice", to, 0, 1, w, now)
}

// askAgain mails a fresh confirm link; the old one stays good until it expires.
func (d *Desk) askAgain(ctx context.Context, tx *sql.Tx, c caseRow, now time.Time) error {
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	for _, to := range people {
		if to.lookup == c.requester && to.role == "admin" {
			var serial int64
			err := tx.QueryRowContext(ctx, `SELECT count(*) + 1 FROM letter l JOIN address a ON a.id = l.address_id
				WHERE l.case_id = $1 AND l.round = $2 AND l.kind = 'acknowledgement' AND a.lookup = $3`, c.id, c.round, to.lookup).Scan(&serial)
			if err != nil {
				return err
			}
			if serial > 5 {
				return fail(TooMany, "The owner was asked five times already. Call the number on file.")
			}
			return d.acknowledge(ctx, tx, c, to, serial, now)
		}
	}
	return fail(Conflict, "The address that asked is not registered any more.")
}

// tellCleared tells every contact, and addresses that were taken away in the
// last 30 days, that the factor is cleared, each with a link to take it
// back within the hold.
func (d *Desk) tellCleared(ctx context.Context, tx *sql.Tx, c caseRow, reset int64, hold, now time.Time) error {
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	former, err := formerContacts(ctx, tx, c.account, c.user, now)
	if err != nil {
		return err
	}
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	w.When, w.HoldUntil = letters.When(now, c.locale), letters.When(hold, c.locale)
	for _, to := range append(people, former...) {
		if w.Link, err = d.newLink(ctx, tx, c, "undo", to, now, hold); err != nil {
			return err
		}
		if err := d.queueLetter(ctx, tx, c, "cleared", to, reset, 1, w, now); err != nil {
			return err
		}
	}
	return nil
}

// formerContacts are addresses that were taken away in the last 30 days, which is
// how somebody would keep the owners from hearing of it. In a case they may object
// and undo.
func formerContacts(ctx context.Context, tx *sql.Tx, account, user string, now time.Time) ([]recipient, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, address, lookup, 'former' FROM address f
		WHERE account_id = $1 AND (role <> 'user' OR user_id = $3) AND until > $2
			AND id = (SELECT max(id) FROM address WHERE account_id = f.account_id AND lookup = f.lookup AND (role <> 'user' OR user_id = $3))
			AND NOT EXISTS (SELECT 1 FROM address n WHERE n.account_id = f.account_id AND n.lookup = f.lookup AND n.until IS NULL
				AND (n.role <> 'user' OR n.user_id = $3))
		ORDER BY id`, account, micros(now.Add(-30*24*time.Hour)), user)
	if err != nil {
		return nil, fmt.Errorf("read former contacts: %w", err)
	}
	defer rows.Close()
	var all []recipient
	for rows.Next() {
		var r recipient
		if err := rows.Scan(&r.id, &r.address, &r.lookup, &r.role); err != nil {
			return nil, fmt.Errorf("read former contacts: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// mailPass issues an enrollment pass and mails it to the user's own address and
// to nobody else (design 2, promise 6).
func (d *Desk) mailPass(ctx context.Context, tx *sql.Tx, c caseRow, reset, serial int64, now time.Time) error {
	var to recipient
	err := tx.QueryRowContext(ctx, `SELECT id, address, lookup, role FROM address WHERE user_id = $1 AND until IS NULL ORDER BY id LIMIT 1`, c.user).
		Scan(&to.id, &to.address, &to.lookup, &to.role)
	if errors.Is(err, sql.ErrNoRows) {
		return fail(Conflict, "The user has no e-mail address on file for the enrollment pass.")
	}
	if err != nil {
		return fmt.Errorf("read user address: %w", err)
	}
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	pass, until, err := d.book.IssuePass(ctx, tx, c.user, reset, now)
	if err != nil {
		return err
	}
	w.Pass, w.PassUntil = pass, letters.When(until, c.locale)
	return d.queueLetter(ctx, tx, c, "pass", to, reset, serial, w, now)
}

func (d *Desk) tellUndone(ctx context.Context, tx *sql.Tx, c caseRow, reset int64, now time.Time) error {
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	w.When = letters.When(now, c.locale)
	for _, to := range people {
		if err := d.queueLetter(ctx, tx, c, "undone", to, reset, 1, w, now); err != nil {
			return err
		}
	}
	return nil
}
