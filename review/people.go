package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/totp"
)

// Lifetimes of sessions and invitations (libraries: Sessions; interface 3.5).
const (
	sessionIdle        = 30 * time.Minute
	sessionLifetime    = 12 * time.Hour
	invitationLifetime = 72 * time.Hour
	stepUpLifetime     = 5 * time.Minute
)

var errInvitation = fail(NotFound, "This invitation is unknown, used or older than 72 hours. Ask an admin for a new one.")

// Invite adds a reviewer and returns the token of a link, good for 72 h and one
// use, with which that person sets a password and a second factor. actor is who
// invites, for the audit. Inviting an address again renews its link as long as
// the first was not used.
func (d *Desk) Invite(ctx context.Context, actor, email, name string, role Role) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if !strings.Contains(email, "@") || name == "" {
		return "", invalid("email", "A reviewer needs an e-mail address and a name.")
	}
	switch role {
	case Viewer, Auditor, Decider, Lead, Admin:
	default:
		return "", invalid("role", "The role is one of viewer, auditor, reviewer, lead, admin.")
	}
	token, now := newToken(), time.Now()
	err := d.update(ctx, "invite reviewer", func(tx *sql.Tx) error {
		id, err := addReviewer(ctx, tx, email, name, role, now)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO invitation (hash, reviewer_id, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
			hashToken(token), id, micros(now), micros(now.Add(invitationLifetime)))
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, actor, "reviewer.invited", fmt.Sprintf("reviewer:%d", id), map[string]any{"role": role})
		return err
	})
	return token, err
}

func addReviewer(ctx context.Context, tx *sql.Tx, email, name string, role Role, now time.Time) (int64, error) {
	var id int64
	var holder string
	err := tx.QueryRowContext(ctx, `SELECT id, holder_id FROM reviewer WHERE email = $1`, email).Scan(&id, &holder)
	if err == nil {
		status, err := totp.ReadStatus(ctx, tx, holder)
		if err != nil {
			return 0, err
		}
		if status.Enrolled {
			return 0, fail(Conflict, "This reviewer has a password and a second factor already.")
		}
		_, err = tx.ExecContext(ctx, `UPDATE invitation SET used_at = $2 WHERE reviewer_id = $1 AND used_at IS NULL`, id, micros(now))
		return id, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) + 1 FROM reviewer`).Scan(&id); err != nil {
		return 0, err
	}
	holder = fmt.Sprintf("staff:%d", id)
	if err := totp.Register(ctx, tx, holder, false); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO reviewer (id, holder_id, email, name, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, holder, email, name, role, micros(now))
	return id, err
}

// Invitation returns whom a live invitation is for.
func (d *Desk) Invitation(ctx context.Context, token string) (Reviewer, error) {
	var r Reviewer
	err := d.db.read.QueryRowContext(ctx, `SELECT r.id, r.name, r.email, r.role, r.holder_id
		FROM invitation i JOIN reviewer r ON r.id = i.reviewer_id
		WHERE i.hash = $1 AND i.used_at IS NULL AND i.expires_at > $2 AND r.disabled_at IS NULL`,
		hashToken(token), micros(time.Now())).Scan(&r.ID, &r.Name, &r.Email, &r.Role, &r.Holder)
	if errors.Is(err, sql.ErrNoRows) {
		return Reviewer{}, errInvitation
	}
	if err != nil {
		return Reviewer{}, fmt.Errorf("read invitation: %w", err)
	}
	return r, nil
}

// AcceptInvitation sets the password. The invitation stays live until
// [Desk.FinishInvitation], after the second factor was proved, or the first
// sign-in; until then the link sets the password anew, and after that never.
func (d *Desk) AcceptInvitation(ctx context.Context, token, password string) (Reviewer, error) {
	if n := utf8.RuneCountInString(password); n < 12 || len(password) > 1024 {
		return Reviewer{}, invalid("password", "Choose a password of at least 12 characters.")
	}
	r, err := d.Invitation(ctx, token)
	if err != nil {
		return Reviewer{}, err
	}
	hash, err := d.cfg.Passwords.hash(ctx, password)
	if err != nil {
		return Reviewer{}, err
	}
	err = d.update(ctx, "accept invitation", func(tx *sql.Tx) error {
		// The hash took its time: the link may have ended since it was looked at.
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE reviewer SET password = $2 WHERE id = $1 AND disabled_at IS NULL AND EXISTS (
			SELECT 1 FROM invitation WHERE hash = $3 AND reviewer_id = $1 AND used_at IS NULL AND expires_at > $4)`,
			r.ID, hash, hashToken(token), micros(now))
		if err = changed(res, err); errors.Is(err, errStale) {
			return errInvitation
		}
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, fmt.Sprintf("reviewer:%d", r.ID), "reviewer.password_set", fmt.Sprintf("reviewer:%d", r.ID), nil)
		return err
	})
	if err != nil {
		return Reviewer{}, err
	}
	return r, nil
}

// FinishInvitation ends the invitation. It refuses while the second factor is
// not proved.
func (d *Desk) FinishInvitation(ctx context.Context, token string) error {
	r, err := d.Invitation(ctx, token)
	if err != nil {
		return err
	}
	return d.update(ctx, "finish invitation", func(tx *sql.Tx) error {
		status, err := totp.ReadStatus(ctx, tx, r.Holder)
		if err != nil {
			return err
		}
		if !status.Enrolled {
			return fail(Conflict, "Set up your second factor first.")
		}
		var set bool
		if err := tx.QueryRowContext(ctx, `SELECT password IS NOT NULL FROM reviewer WHERE id = $1`, r.ID).Scan(&set); err != nil {
			return err
		}
		if !set {
			return fail(Conflict, "Set a password first.")
		}
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE invitation SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2`, hashToken(token), micros(now))
		if err = changed(res, err); errors.Is(err, errStale) {
			return errInvitation
		}
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, fmt.Sprintf("reviewer:%d", r.ID), "reviewer.joined", fmt.Sprintf("reviewer:%d", r.ID), nil)
		return err
	})
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// Authenticate returns the session of a token, and notes that it was used, at
// most once a minute.
func (d *Desk) Authenticate(ctx context.Context, token string) (Session, error) {
	now := time.Now()
	s := Session{hash: hashToken(token)}
	var seen, expires, stepUp int64
	err := d.db.read.QueryRowContext(ctx, `SELECT s.seen_at, s.expires_at, s.step_up_at, r.id, r.name, r.email, r.role, r.holder_id
		FROM session s JOIN reviewer r ON r.id = s.reviewer_id
		WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.seen_at > $3 AND r.disabled_at IS NULL`,
		s.hash, micros(now), micros(now.Add(-sessionIdle))).
		Scan(&seen, &expires, &stepUp, &s.Reviewer.ID, &s.Reviewer.Name, &s.Reviewer.Email, &s.Reviewer.Role, &s.Reviewer.Holder)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, fail(Denied, "Sign in first.")
	}
	if err != nil {
		return Session{}, fmt.Errorf("authenticate: %w", err)
	}
	s.Expires, s.StepUpAt = fromMicros(expires), fromMicros(stepUp)
	if now.Sub(fromMicros(seen)) > time.Minute {
		_, err := d.db.write.ExecContext(ctx, `UPDATE session SET seen_at = $2 WHERE hash = $1 AND ended_at IS NULL AND seen_at < $2`, s.hash, micros(now))
		if err != nil { // a full disk must not keep people from looking
			d.log.Error("the use of a session was not noted", "error", err)
		}
	}
	return s, nil
}

// SignOut ends the session.
func (d *Desk) SignOut(ctx context.Context, s Session) error {
	_, err := d.db.write.ExecContext(ctx, `UPDATE session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL`, s.hash, micros(time.Now()))
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// stepUp proves a fresh second factor of the session's reviewer. The returned
// time is what the approval records.
func (d *Desk) stepUp(ctx context.Context, s Session, code string) (time.Time, error) {
	_, err := d.book.Verify(ctx, s.Reviewer.Holder, code, totp.Web)
	if err != nil {
		err = signInError(err)
		if err == errSignIn {
			err = invalid("code", "The code is not right.")
		}
		return time.Time{}, err
	}
	now := time.Now()
	res, err := d.db.write.ExecContext(ctx, `UPDATE session SET step_up_at = $2 WHERE hash = $1 AND ended_at IS NULL AND expires_at > $2`, s.hash, micros(now))
	if err = changed(res, err); errors.Is(err, errStale) {
		return time.Time{}, fail(Denied, "Your session has ended. Sign in again.")
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("step up: %w", err)
	}
	return now, nil
}

// clip shortens s to at most n bytes, at a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
