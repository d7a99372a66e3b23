package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Person is a reviewer as the page of reviewers shows one.
type Person struct {
	Reviewer
	Created, Seen, Disabled time.Time
	Password, Enrolled, SSO bool
	CodesLeft               int
	Keys                    []Passkey
	Sessions                []SessionRow
	Invited                 time.Time // until when a link is open; zero: none is
	Reset                   *FactorReset
}

// A FactorReset is a reset of a reviewer's second factor that waits for the
// second admin.
type FactorReset struct {
	By     Reviewer
	At     time.Time
	Reason string
}

// Joined reports whether the person can sign in.
func (p Person) Joined() bool { return p.Enrolled && (p.Password || p.SSO) }

// People lists all reviewers, those who are in first.
func (d *Desk) People(ctx context.Context, s Session) ([]Person, error) {
	var all []Person
	err := d.snapshot(ctx, "list reviewers", func(tx *sql.Tx) (err error) {
		if err := d.allow(ctx, tx, s, Oversee); err != nil {
			return err
		}
		all, err = readStaff(ctx, tx, 0, s.hash())
		return err
	})
	return all, err
}

// Person reads one reviewer.
func (d *Desk) Person(ctx context.Context, s Session, id int64) (Person, error) {
	var all []Person
	err := d.snapshot(ctx, "read reviewer", func(tx *sql.Tx) (err error) {
		if err := d.allow(ctx, tx, s, Oversee); err != nil {
			return err
		}
		all, err = readStaff(ctx, tx, id, s.hash())
		return err
	})
	if err == nil && (len(all) == 0 || id == 0) { // 0 reads all of them
		err = errNobody
	}
	if err != nil {
		return Person{}, err
	}
	return all[0], nil
}

// Profile reads the reviewer who is signed in.
func (d *Desk) Profile(ctx context.Context, s Session) (Person, error) {
	var all []Person
	err := d.snapshot(ctx, "read profile", func(tx *sql.Tx) (err error) {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		all, err = readStaff(ctx, tx, s.Reviewer.ID, s.hash())
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return all[0], nil
}

var errNobody = fail(NotFound, "There is no such reviewer.")

// readStaff reads one reviewer, or all for id 0.
func readStaff(ctx context.Context, tx *sql.Tx, id int64, own []byte) ([]Person, error) {
	now := time.Now()
	rows, err := tx.QueryContext(ctx, `SELECT r.id, r.name, r.email, r.role, r.holder_id, r.created_at, coalesce(r.disabled_at, 0), r.password IS NOT NULL,
			EXISTS (SELECT 1 FROM credential WHERE user_id = r.holder_id AND state = 'active'),
			EXISTS (SELECT 1 FROM sso_identity WHERE reviewer_id = r.id),
			(SELECT count(*) FROM backup_set b JOIN backup_code n ON n.set_id = b.id WHERE b.user_id = r.holder_id AND b.state = 'active' AND n.used_at IS NULL),
			coalesce((SELECT max(seen_at) FROM session WHERE reviewer_id = r.id), 0),
			coalesce((SELECT max(expires_at) FROM invitation WHERE reviewer_id = r.id AND used_at IS NULL AND expires_at > $2), 0)
		FROM reviewer r WHERE $1 = 0 OR r.id = $1 ORDER BY r.disabled_at IS NOT NULL, r.name, r.id`, id, micros(now))
	if err != nil {
		return nil, fmt.Errorf("list reviewers: %w", err)
	}
	defer rows.Close()
	var all []Person
	for rows.Next() {
		var p Person
		var created, disabled, seen, invited int64
		if err := rows.Scan(&p.ID, &p.Name, &p.Email, &p.Role, &p.Holder, &created, &disabled, &p.Password, &p.Enrolled, &p.SSO, &p.CodesLeft, &seen, &invited); err != nil {
			return nil, fmt.Errorf("list reviewers: %w", err)
		}
		p.Created, p.Disabled, p.Seen, p.Invited = fromMicros(created), fromMicros(disabled), fromMicros(seen), fromMicros(invited)
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list reviewers: %w", err)
	}
	for i := range all {
		p := &all[i]
		if p.Keys, err = readPasskeys(ctx, tx, p.ID); err != nil {
			return nil, err
		}
		if p.Sessions, err = liveSessions(ctx, tx, p.ID, own, now); err != nil {
			return nil, err
		}
		if p.Reset, err = openReset(ctx, tx, p.ID, now); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Welcome is [Desk.Invite] by an admin of the desk, with a fresh second factor. The
// link goes to the invited person by mail, and the admin never sees it.
func (d *Desk) Welcome(ctx context.Context, s Session, code, email, name string, role Role) error {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return err
	}
	if err := checkInvite(email, name, role); err != nil { // before the code is used up
		return err
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return err
	}
	err := d.update(ctx, "invite reviewer", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Administer); err != nil {
			return err
		}
		now := time.Now()
		i, err := inviteReviewer(ctx, tx, s.actor(), email, name, role, now)
		if err != nil {
			return err
		}
		return d.mailInvitation(ctx, tx, i, s.Reviewer.Name, "new", now)
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

// A Change is what an admin does to a reviewer: Who, and the admin's own second
// factor.
type Change struct {
	Reviewer int64
	Code     string
	Reason   string // of a reset
}

// SetRole gives a reviewer another role. It holds from the next request on.
func (d *Desk) SetRole(ctx context.Context, s Session, c Change, role Role) error {
	if err := role.valid(); err != nil {
		return err
	}
	return d.changeReviewer(ctx, s, c, func(tx *sql.Tx, p Person, now time.Time) error {
		if p.Role == role {
			return invalid("role", "This is the role already.")
		}
		return setRole(ctx, tx, s.actor(), p.Reviewer, role, now)
	})
}

func setRole(ctx context.Context, tx *sql.Tx, actor string, r Reviewer, role Role, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET role = $2 WHERE id = $1`, r.ID, string(role)); err != nil {
		return lastAdmin(err)
	}
	_, err := record(ctx, tx, now, actor, "reviewer.role", actorName(r.ID), map[string]any{"from": r.Role, "to": role})
	return err
}

// lastAdmin puts the schema's refusal into words.
func lastAdmin(err error) error {
	if err != nil && strings.Contains(err.Error(), "the last admin stays") {
		return fail(Conflict, "This is the last admin who can sign in. Make another reviewer an admin first.")
	}
	return err
}

// Disable shuts a reviewer out: all sessions end at once.
func (d *Desk) Disable(ctx context.Context, s Session, c Change) error {
	return d.changeReviewer(ctx, s, c, func(tx *sql.Tx, p Person, now time.Time) error { return disable(ctx, tx, s.actor(), p, now) })
}

func disable(ctx context.Context, tx *sql.Tx, actor string, p Person, now time.Time) error {
	// Whom the groups shut out, a person can shut out for good.
	res, err := tx.ExecContext(ctx, `UPDATE reviewer SET disabled_at = coalesce(disabled_at, $2), barred_at = NULL
		WHERE id = $1 AND (disabled_at IS NULL OR barred_at IS NOT NULL)`, p.ID, micros(now))
	if err = changed(res, err); errors.Is(err, errStale) {
		return fail(Conflict, "This reviewer is disabled already.")
	}
	if err != nil {
		return lastAdmin(err)
	}
	_, err = record(ctx, tx, now, actor, "reviewer.disabled", actorName(p.ID), map[string]int{"sessions": len(p.Sessions)})
	return err
}

// Enable lets a reviewer in again, with the password and the factors of before.
func (d *Desk) Enable(ctx context.Context, s Session, c Change) error {
	return d.changeReviewer(ctx, s, c, func(tx *sql.Tx, p Person, now time.Time) error { return enable(ctx, tx, s.actor(), p, now) })
}

func enable(ctx context.Context, tx *sql.Tx, actor string, p Person, now time.Time) error {
	if p.Disabled.IsZero() {
		return fail(Conflict, "This reviewer is not disabled.")
	}
	if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET disabled_at = NULL, barred_at = NULL WHERE id = $1`, p.ID); err != nil {
		return err
	}
	_, err := record(ctx, tx, now, actor, "reviewer.enabled", actorName(p.ID), nil)
	return err
}

// changeReviewer runs a change by an admin with a fresh second factor. A change
// that cannot be is told before the code is used up where that can be seen.
func (d *Desk) changeReviewer(ctx context.Context, s Session, c Change, f func(*sql.Tx, Person, time.Time) error) error {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return err
	}
	if _, err := d.Person(ctx, s, c.Reviewer); err != nil {
		return err
	}
	if _, err := d.stepUp(ctx, s, c.Code); err != nil {
		return err
	}
	return d.update(ctx, "change reviewer", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Administer); err != nil {
			return err
		}
		all, err := readStaff(ctx, tx, c.Reviewer, s.hash())
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errNobody
		}
		return f(tx, all[0], time.Now())
	})
}

// HostPeople lists the reviewers for the operator of the host.
func (d *Desk) HostPeople(ctx context.Context) ([]Person, error) {
	var all []Person
	err := d.snapshot(ctx, "list reviewers", func(tx *sql.Tx) (err error) {
		all, err = readStaff(ctx, tx, 0, nil)
		return err
	})
	return all, err
}

// HostDisable is [Desk.Disable], and with on [Desk.Enable], by the operator of the
// host.
func (d *Desk) HostDisable(ctx context.Context, email string, on bool) error {
	return d.update(ctx, "disable reviewer", func(tx *sql.Tx) error {
		p, err := personByEmail(ctx, tx, email)
		if err != nil {
			return err
		}
		if on {
			return enable(ctx, tx, "host", p, time.Now())
		}
		return disable(ctx, tx, "host", p, time.Now())
	})
}

func personByEmail(ctx context.Context, tx *sql.Tx, email string) (Person, error) {
	var id int64
	err := tx.QueryRowContext(ctx, `SELECT id FROM reviewer WHERE email = $1`, signInEmail(email)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, errNobody
	}
	if err != nil {
		return Person{}, err
	}
	all, err := readStaff(ctx, tx, id, nil)
	if err != nil {
		return Person{}, err
	}
	return all[0], nil
}
