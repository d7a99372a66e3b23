package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

// invitationLifetime is how long the link of an invitation works (interface 3.5).
const invitationLifetime = 72 * time.Hour

var errInvitation = fail(NotFound, "This invitation is unknown, used or older than 72 hours. Ask an admin for a new one.")

// An invited reviewer has the link to come in with, made by the audit event seq.
type invited struct {
	reviewer, seq int64
	token         string
}

// Invite adds a reviewer and returns the token of a link, good for 72 h and one
// use, with which that person sets a password and a second factor. actor is who
// invites, for the audit. Inviting an address again renews its link as long as
// the first was not used. Only who has the host may see the token, and has
// everything anyway; an admin of the desk invites with [Desk.Welcome].
func (d *Desk) Invite(ctx context.Context, actor, email, name string, role Role) (string, error) {
	if err := checkInvite(email, name, role); err != nil {
		return "", err
	}
	var i invited
	err := d.update(ctx, "invite reviewer", func(tx *sql.Tx) (err error) {
		i, err = inviteReviewer(ctx, tx, actor, email, name, role, time.Now())
		return err
	})
	return i.token, err
}

func inviteReviewer(ctx context.Context, tx *sql.Tx, actor, email, name string, role Role, now time.Time) (invited, error) {
	id, err := addReviewer(ctx, tx, strings.ToLower(strings.TrimSpace(email)), strings.TrimSpace(name), role, now)
	if err != nil {
		return invited{}, err
	}
	token, err := newInvitation(ctx, tx, id, now)
	if err != nil {
		return invited{}, err
	}
	seq, err := record(ctx, tx, now, actor, "reviewer.invited", actorName(id), map[string]any{"role": role})
	return invited{id, seq, token}, err
}

// mailInvitation mails the link to the invited person's own address, and to nobody
// else: an admin who saw it could come in as a second person.
func (d *Desk) mailInvitation(ctx context.Context, tx *sql.Tx, i invited, by, stage string, now time.Time) error {
	var name, email string
	if err := tx.QueryRowContext(ctx, `SELECT name, email FROM reviewer WHERE id = $1`, i.reviewer).Scan(&name, &email); err != nil {
		return fmt.Errorf("read reviewer: %w", err)
	}
	w := letters.Words{Brand: d.cfg.Brand, User: oneLine(name), UserAddress: email, Account: oneLine(by), Stage: stage, When: letters.When(now, "en"),
		Link: strings.TrimRight(d.cfg.BaseURL, "/") + "/invite/" + i.token, LinkUntil: letters.When(now.Add(invitationLifetime), "en")}
	o := owed{kind: "invitation", locale: "en", to: recipient{address: email}, reviewer: i.reviewer, serial: 1,
		topic: "audit:" + strconv.FormatInt(i.seq, 10), about: "desk"}
	return d.queue(ctx, tx, o, w, now)
}

// longestName is of a reviewer, in characters.
const longestName = 80

// checkInvite refuses an address that no letter can go to: what a letter tells of is
// one transaction with it, so one bad address would stop resets of all reviewers.
func checkInvite(email, name string, role Role) error {
	if _, _, err := sender.ParseAddrSpec(signInEmail(email)); err != nil {
		return invalid("email", "The e-mail address of a reviewer is a plain one, such as ina@example.net.")
	}
	odd := strings.IndexFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) >= 0
	if name = strings.TrimSpace(name); name == "" || odd || utf8.RuneCountInString(name) > longestName {
		return invalid("name", "A reviewer needs a name of at most 80 characters, without invisible ones.")
	}
	return role.valid()
}

func newInvitation(ctx context.Context, tx *sql.Tx, reviewer int64, now time.Time) (string, error) {
	token := newToken()
	_, err := tx.ExecContext(ctx, `INSERT INTO invitation (hash, reviewer_id, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
		hashToken(token), reviewer, micros(now), micros(now.Add(invitationLifetime)))
	return token, err
}

func addReviewer(ctx context.Context, tx *sql.Tx, email, name string, role Role, now time.Time) (int64, error) {
	var id int64
	var holder string
	var disabled bool
	err := tx.QueryRowContext(ctx, `SELECT id, holder_id, disabled_at IS NOT NULL FROM reviewer WHERE email = $1`, email).Scan(&id, &holder, &disabled)
	if err == nil && disabled {
		return 0, fail(Conflict, "This reviewer is disabled, and no invitation works. Enable the reviewer first.")
	}
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
	if d.cfg.OnlySSO {
		return Reviewer{}, errOnlySSO
	}
	if err := checkNewPassword(password); err != nil {
		return Reviewer{}, err
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
