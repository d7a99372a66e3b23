package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

// resetLifetime is how long a reset of a reviewer's factor waits for the second
// admin. The schema knows it too.
const resetLifetime = 24 * time.Hour

// openReset reads the reset that waits, nil if none does.
func openReset(ctx context.Context, tx *sql.Tx, reviewer int64, now time.Time) (*FactorReset, error) {
	var f FactorReset
	var at int64
	err := tx.QueryRowContext(ctx, `SELECT a.id, a.name, a.email, a.role, f.asked_at, f.reason FROM staff_reset f JOIN reviewer a ON a.id = f.asked_by
		WHERE f.reviewer_id = $1 AND f.confirmed_at IS NULL AND f.withdrawn_at IS NULL AND f.asked_at > $2`, reviewer, micros(now.Add(-resetLifetime))).
		Scan(&f.By.ID, &f.By.Name, &f.By.Email, &f.By.Role, &at, &f.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read reset of reviewer: %w", err)
	}
	f.At = fromMicros(at)
	return &f, nil
}

// AskReset asks for the reset of another reviewer's second factor. Nothing happens
// before a second admin confirms it within a day; all admins and the reviewer are
// told by mail.
func (d *Desk) AskReset(ctx context.Context, s Session, c Change) error {
	if strings.TrimSpace(c.Reason) == "" {
		return invalid("reason", "Write why, and how you know that it is the person; the audit keeps it.")
	}
	if c.Reviewer == s.Reviewer.ID {
		return errOwnReset
	}
	err := d.changeReviewer(ctx, s, c, func(tx *sql.Tx, p Person, now time.Time) error {
		switch {
		case !p.Disabled.IsZero():
			return fail(Conflict, "This reviewer is disabled.")
		case !p.Enrolled:
			return fail(Conflict, "This reviewer has no second factor. Invite the person again.")
		case p.Reset != nil:
			return fail(Conflict, "A reset was asked for already. A second admin has to confirm it.")
		}
		if err := withdrawReset(ctx, tx, p.ID, now); err != nil { // one that is too old
			return err
		}
		seq, err := record(ctx, tx, now, s.actor(), "reviewer.reset_asked", actorName(p.ID), map[string]string{"reason": c.Reason})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO staff_reset (reviewer_id, old_holder, reason, asked_by, asked_in, asked_at, asked_seq) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			p.ID, p.Holder, c.Reason, s.Reviewer.ID, s.hash(), micros(now), seq)
		if err != nil {
			return err
		}
		return d.tellAdmins(ctx, tx, seq, p, "asked", s.Reviewer.Name, now)
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

var errOwnReset = fail(Denied, "Your own second factor you renew in your profile.")

func withdrawReset(ctx context.Context, tx *sql.Tx, reviewer int64, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE staff_reset SET withdrawn_at = $2 WHERE reviewer_id = $1 AND confirmed_at IS NULL AND withdrawn_at IS NULL`, reviewer, micros(now))
	return err
}

// StopReset takes back what [Desk.AskReset] asked. Any admin may, and the reviewer
// whose factor it is.
func (d *Desk) StopReset(ctx context.Context, s Session, reviewer int64) error {
	right := Administer
	if reviewer == s.Reviewer.ID {
		right = Look
	}
	return d.update(ctx, "stop reset", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, right); err != nil {
			return err
		}
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE staff_reset SET withdrawn_at = $2 WHERE reviewer_id = $1 AND confirmed_at IS NULL AND withdrawn_at IS NULL`, reviewer, micros(now))
		if err = changed(res, err); errors.Is(err, errStale) {
			return fail(Conflict, "There is nothing to stop.")
		}
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, s.actor(), "reviewer.reset_stopped", actorName(reviewer), nil)
		return err
	})
}

// ConfirmReset takes the second factor away that another admin asked to reset, and
// mails the reviewer an invitation, with which to set password and factor anew.
// Neither admin sees its link.
func (d *Desk) ConfirmReset(ctx context.Context, s Session, c Change) error {
	if c.Reviewer == s.Reviewer.ID {
		return errOwnReset
	}
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return err
	}
	if p, err := d.Person(ctx, s, c.Reviewer); err != nil {
		return err
	} else if err := confirmable(s, p); err != nil { // before the code is used up
		return err
	}
	err := d.changeReviewer(ctx, s, c, func(tx *sql.Tx, p Person, now time.Time) error {
		if err := confirmable(s, p); err != nil {
			return err
		}
		seq, err := record(ctx, tx, now, s.actor(), "reviewer.reset", actorName(p.ID), map[string]any{"asked_by": p.Reset.By.ID, "reason": p.Reset.Reason})
		if err != nil {
			return err
		}
		token, err := d.renewFactor(ctx, tx, p, seq, s.Reviewer.ID, s.hash(), now)
		if err != nil {
			return err
		}
		by := p.Reset.By.Name + " and " + s.Reviewer.Name
		if err := d.tellAdmins(ctx, tx, seq, p, "reset", by, now); err != nil {
			return err
		}
		seq, err = record(ctx, tx, now, s.actor(), "reviewer.invited", actorName(p.ID), map[string]any{"role": p.Role})
		if err != nil {
			return err
		}
		return d.mailInvitation(ctx, tx, invited{p.ID, seq, token}, by, "reset", now)
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

func confirmable(s Session, p Person) error {
	switch {
	case p.Reset == nil:
		return fail(Conflict, "Nobody asked for a reset, or it was more than a day ago.")
	case p.Reset.By.ID == s.Reviewer.ID:
		return fail(Denied, "You asked for it yourself. A second admin has to confirm it.")
	}
	return nil
}

// renewFactor gives the reviewer a new holder, without a factor, and an invitation.
// The schema ends sessions, passkeys and password with the old one.
func (d *Desk) renewFactor(ctx context.Context, tx *sql.Tx, p Person, seq, by int64, session []byte, now time.Time) (string, error) {
	holder, err := nextHolder(ctx, tx, p.ID)
	if err != nil {
		return "", err
	}
	if err := totp.Register(ctx, tx, holder, false); err != nil {
		return "", err
	}
	var in any
	if session != nil {
		in = session
	}
	res, err := tx.ExecContext(ctx, `UPDATE staff_reset SET confirmed_by = $2, confirmed_in = $3, confirmed_at = $4, audit_seq = $5, new_holder = $6
		WHERE reviewer_id = $1 AND confirmed_at IS NULL AND withdrawn_at IS NULL`, p.ID, nullID(by), in, micros(now), seq, holder)
	if err = changed(res, err); err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET holder_id = $2 WHERE id = $1`, p.ID, holder); err != nil {
		return "", err
	}
	return newInvitation(ctx, tx, p.ID, now)
}

func nextHolder(ctx context.Context, tx *sql.Tx, reviewer int64) (string, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_reset WHERE reviewer_id = $1 AND new_holder IS NOT NULL`, reviewer).Scan(&n)
	return fmt.Sprintf("staff:%d:%d", reviewer, n+2), err
}

// Recover lets the operator of the host bring a reviewer back who lost the second
// factor, when no two other admins are left to do it: the reviewer is an enabled
// admin afterwards and gets an invitation, whose token it returns. It is in the
// audit, every admin is told by mail, and at the next sign-in.
func (d *Desk) Recover(ctx context.Context, email, reason string) (Person, string, error) {
	if strings.TrimSpace(reason) == "" {
		return Person{}, "", invalid("reason", "Say why; the audit keeps it.")
	}
	var p Person
	var token string
	err := d.update(ctx, "recover reviewer", func(tx *sql.Tx) (err error) {
		if p, err = personByEmail(ctx, tx, email); err != nil {
			return err
		}
		now := time.Now()
		if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET disabled_at = NULL, role = 'admin' WHERE id = $1`, p.ID); err != nil {
			return err
		}
		if err := withdrawReset(ctx, tx, p.ID, now); err != nil {
			return err
		}
		asked, err := record(ctx, tx, now, "host", "reviewer.reset_asked", actorName(p.ID), map[string]string{"reason": reason})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO staff_reset (reviewer_id, old_holder, reason, asked_at, asked_seq) VALUES ($1, $2, $3, $4, $5)`,
			p.ID, p.Holder, reason, micros(now), asked)
		if err != nil {
			return err
		}
		seq, err := record(ctx, tx, now, "host", "reviewer.recovered", actorName(p.ID),
			map[string]any{"reason": reason, "role": p.Role, "was_disabled": !p.Disabled.IsZero()})
		if err != nil {
			return err
		}
		if token, err = d.renewFactor(ctx, tx, p, seq, 0, nil, now); err != nil {
			return err
		}
		return d.tellAdmins(ctx, tx, seq, p, "recovered", "the operator of the host", now)
	})
	return p, token, err
}

// tellAdmins queues a letter about an audit event to every admin who is not
// disabled, and to the reviewer concerned. They are a class of letters of their
// own: to the address of the reviewer's own row.
func (d *Desk) tellAdmins(ctx context.Context, tx *sql.Tx, seq int64, about Person, what, by string, now time.Time) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, email FROM reviewer WHERE disabled_at IS NULL AND (role = 'admin' OR id = $1) ORDER BY id`, about.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	to := map[int64]string{}
	var order []int64
	for rows.Next() {
		var id int64
		var email string
		if err := rows.Scan(&id, &email); err != nil {
			return err
		}
		to[id], order = email, append(order, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	w := letters.Words{Brand: d.cfg.Brand, User: oneLine(about.Name), UserAddress: about.Email, Account: oneLine(by), Stage: what, When: letters.When(now, "en"), Link: d.cfg.BaseURL + "/settings/reviewers"}
	for _, id := range order {
		w.Own = id == about.ID
		o := owed{kind: "staff", locale: "en", to: recipient{address: to[id]}, reviewer: id, topic: "audit:" + strconv.FormatInt(seq, 10), about: "desk", serial: 1}
		if err := d.queue(ctx, tx, o, w, now); err != nil {
			return err
		}
	}
	return nil
}

// News says what an admin has to hear of at a sign-in, each thing once: resets
// and recoveries of reviewers since the last one. "" is none.
func (d *Desk) News(ctx context.Context, s Session) (string, error) {
	if !s.Reviewer.Role.May(Administer) {
		return "", nil
	}
	var said []string
	err := d.update(ctx, "read news", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT e.seq, e.at, e.action, r.name FROM staff_reset f JOIN audit e ON e.seq = f.audit_seq JOIN reviewer r ON r.id = f.reviewer_id
			WHERE e.seq > (SELECT told_seq FROM reviewer WHERE id = $1) AND f.confirmed_by IS NOT $1 ORDER BY e.seq DESC LIMIT 3`, s.Reviewer.ID)
		if err != nil {
			return err
		}
		defer rows.Close()
		var last int64
		for rows.Next() {
			var seq, at int64
			var action, name string
			if err := rows.Scan(&seq, &at, &action, &name); err != nil {
				return err
			}
			last = max(last, seq)
			by := "by two admins"
			if action == "reviewer.recovered" {
				by = "by the operator on the host"
			}
			said = append(said, fmt.Sprintf("%s: the second factor of %s was reset %s.", letters.When(fromMicros(at), "en"), clip(oneLine(name), 60), by))
		}
		if err := rows.Err(); err != nil || last == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE reviewer SET told_seq = $2 WHERE id = $1 AND told_seq < $2`, s.Reviewer.ID, last)
		return err
	})
	return strings.Join(said, " "), err
}
