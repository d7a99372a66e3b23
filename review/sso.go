package review

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/resetdesk/resetdesk/totp"
)

// An Identity is somebody whom the provider of single sign-on vouches for.
type Identity struct {
	Issuer, Subject string
	Email, Name     string
	Verified        bool // the e-mail address, by the provider
	Governed        bool // the provider's groups say what anybody may do
	Role            Role // by the groups; "": they say nothing
}

var (
	errNoRole   = fail(Denied, "Your groups give you no role at the desk. Ask whoever manages them.")
	errUnknown  = fail(Denied, "The desk does not know you yet. Ask an admin for an invitation, and choose single sign-on there.")
	errTakenBy  = fail(Denied, "This sign-in belongs to another reviewer, or this reviewer has another one. Ask an admin.")
	errNotMeant = fail(Denied, "This invitation is for another address, or it was used for a password already. Ask an admin to invite the address that your single sign-on has.")
	errHasEmail = fail(Denied, "There is a reviewer with your address already. Open your invitation and choose single sign-on there, or ask an admin.")
)

// SignInBySSO begins a session for whom the provider vouches. It takes the place
// of the password alone: the session owes the second factor.
//
// An identity is issuer and subject. It becomes a reviewer's by an invitation
// ([Desk.BindSSO]), or, where groups govern, by its first sign-in with a group that
// gives a role; never because an e-mail address is the same. Whose groups give no
// role any more is shut out at once, by all doors, until they do again.
func (d *Desk) SignInBySSO(ctx context.Context, id Identity, e Entry) (string, error) {
	if id.Governed && id.Role == "" {
		return "", d.bar(ctx, id)
	}
	var token string
	err := d.update(ctx, "sign in by SSO", func(tx *sql.Tx) error {
		now := time.Now()
		r, err := reviewerOfIdentity(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) {
			r, err = d.provision(ctx, tx, id, now)
		}
		if err != nil {
			return err
		}
		if id.Governed && r.Role != id.Role {
			if err := d.govern(ctx, tx, r, id.Role, now); err != nil {
				return err
			}
		}
		if err := owedBound(ctx, tx, r.ID, now); err != nil {
			return err
		}
		token, err = beginSession(ctx, tx, r.ID, "sso", false, e, now)
		return err
	})
	return token, err
}

// owedBound bounds the sessions that single sign-on begins for one reviewer and
// nobody gives a second factor.
func owedBound(ctx context.Context, tx *sql.Tx, reviewer int64, now time.Time) error {
	const most, within = 20, 15 * time.Minute
	var n, first int64
	err := tx.QueryRowContext(ctx, `SELECT count(*), coalesce(min(created_at), 0) FROM session o WHERE reviewer_id = $1 AND via = 'sso' AND factor_at = 0
		AND created_at > $2 AND NOT EXISTS (SELECT 1 FROM session WHERE follows = o.hash)`, reviewer, micros(now.Add(-within))).Scan(&n, &first)
	if err == nil && n >= most {
		return tooManyTries(fromMicros(first).Add(within).Sub(now))
	}
	return err
}

// bar shuts a reviewer out whose groups give no role any more: all sessions end,
// and no other door opens either. The last admin stays in by the others.
func (d *Desk) bar(ctx context.Context, id Identity) error {
	err := d.update(ctx, "bar", func(tx *sql.Tx) error {
		r, err := reviewerOfIdentity(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) || KindOf(err) == Denied {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET disabled_at = $2, barred_at = $2 WHERE id = $1 AND disabled_at IS NULL`, r.ID, micros(now)); err != nil {
			return lastAdmin(err)
		}
		_, err = record(ctx, tx, now, "sso", "reviewer.disabled", actorName(r.ID), map[string]string{"reason": "the groups give no role"})
		return err
	})
	if err != nil && KindOf(err) != Conflict {
		return err
	}
	if err != nil {
		d.log.Warn("the groups would take the last admin away: the other sign-ins stay", "issuer", id.Issuer)
	}
	return errNoRole
}

func reviewerOfIdentity(ctx context.Context, tx *sql.Tx, id Identity) (Reviewer, error) {
	var r Reviewer
	var out, barred bool
	err := tx.QueryRowContext(ctx, `SELECT r.id, r.role, r.holder_id, r.disabled_at IS NOT NULL, r.barred_at IS NOT NULL FROM sso_identity i JOIN reviewer r ON r.id = i.reviewer_id
		WHERE i.issuer = $1 AND i.subject = $2`, id.Issuer, id.Subject).Scan(&r.ID, &r.Role, &r.Holder, &out, &barred)
	if err == nil && barred && id.Role != "" {
		return r, enable(ctx, tx, "sso", Person{Reviewer: r, Disabled: time.Unix(0, 1)}, time.Now())
	}
	if err == nil && out {
		return r, fail(Denied, "You are disabled at the desk. Ask an admin.")
	}
	return r, err
}

// govern gives a reviewer the role that the groups say. The last admin stays one.
func (d *Desk) govern(ctx context.Context, tx *sql.Tx, r Reviewer, role Role, now time.Time) error {
	err := setRole(ctx, tx, "sso", r, role, now)
	if KindOf(err) == Conflict {
		d.log.Warn("the groups would take the last admin away: the role stays", "reviewer", r.ID)
		return nil
	}
	return err
}

// provision makes a reviewer of an identity whose groups give a role.
func (d *Desk) provision(ctx context.Context, tx *sql.Tx, id Identity, now time.Time) (Reviewer, error) {
	email := signInEmail(id.Email)
	if !id.Governed || !id.Verified {
		return Reviewer{}, errUnknown
	}
	var taken bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM reviewer WHERE email = $1)`, email).Scan(&taken); err != nil {
		return Reviewer{}, err
	}
	if taken {
		return Reviewer{}, errHasEmail
	}
	name := clip(visibleName(id.Name), longestName)
	if name == "" {
		name, _, _ = strings.Cut(email, "@")
	}
	if err := checkInvite(email, name, id.Role); err != nil {
		return Reviewer{}, err
	}
	n, err := addReviewer(ctx, tx, email, name, id.Role, now)
	if err != nil {
		return Reviewer{}, err
	}
	if err := bind(ctx, tx, id, n, now); err != nil {
		return Reviewer{}, err
	}
	_, err = record(ctx, tx, now, "sso", "reviewer.provisioned", actorName(n), map[string]any{"role": id.Role, "issuer": id.Issuer})
	return Reviewer{ID: n, Role: id.Role}, err
}

func bind(ctx context.Context, tx *sql.Tx, id Identity, reviewer int64, now time.Time) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO sso_identity (issuer, subject, reviewer_id, bound_at) SELECT $1, $2, $3, $4
		WHERE NOT EXISTS (SELECT 1 FROM sso_identity WHERE issuer = $1 AND (subject = $2 OR reviewer_id = $3))`, id.Issuer, id.Subject, reviewer, micros(now))
	if err = changed(res, err); errors.Is(err, errStale) {
		return errTakenBy
	}
	return err
}

// BindSSO makes an identity that of the reviewer who holds the invitation, and
// begins a session that owes the second factor. The invitation ends with it.
//
// A link can be opened by somebody else than whom it was made for, with one click
// and signed in at the provider. So the identity must have the address that was
// invited, and nobody may have set a password or a factor with the link before:
// whoever did could sign in as the reviewer with the role of the other's groups.
func (d *Desk) BindSSO(ctx context.Context, invitation string, id Identity, e Entry) (string, error) {
	r, err := d.Invitation(ctx, invitation)
	if err != nil {
		return "", err
	}
	if id.Governed && id.Role == "" {
		return "", errNoRole
	}
	var token string
	err = d.update(ctx, "bind SSO", func(tx *sql.Tx) error {
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE invitation SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2`, hashToken(invitation), micros(now))
		if err = changed(res, err); errors.Is(err, errStale) {
			return errInvitation
		}
		if err != nil {
			return err
		}
		if err := meant(ctx, tx, r, id); err != nil {
			return err
		}
		known, err := reviewerOfIdentity(ctx, tx, id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			err = bind(ctx, tx, id, r.ID, now)
		case err == nil && known.ID != r.ID: // bound before, and invited again after a reset: fine; to somebody else: not
			err = errTakenBy
		}
		if err != nil {
			return err
		}
		if id.Governed && r.Role != id.Role {
			if err := d.govern(ctx, tx, r, id.Role, now); err != nil {
				return err
			}
		}
		if _, err := record(ctx, tx, now, actorName(r.ID), "reviewer.sso_bound", actorName(r.ID), map[string]string{"issuer": id.Issuer}); err != nil {
			return err
		}
		token, err = beginSession(ctx, tx, r.ID, "sso", false, e, now)
		return err
	})
	return token, err
}

// meant refuses an identity that the invitation of r is not for.
func meant(ctx context.Context, tx *sql.Tx, r Reviewer, id Identity) error {
	if signInEmail(id.Email) != r.Email {
		return errNotMeant
	}
	var begun bool
	err := tx.QueryRowContext(ctx, `SELECT password IS NOT NULL FROM reviewer WHERE id = $1`, r.ID).Scan(&begun)
	if err != nil {
		return err
	}
	status, err := totp.ReadStatus(ctx, tx, r.Holder)
	if err == nil && (begun || status.Enrolled) {
		err = errNotMeant
	}
	return err
}

var errResetNeedsLink = fail(Denied, "Your second factor was reset. Open the link that the admin has for you and choose single sign-on there, or ask for a new one.")

// MayEnroll refuses a first second factor to a session that owes one. Who was never
// there before may set it up; whose factor was reset needs the session that the
// invitation began (see BindSSO, which ends the invitation in the same moment):
// otherwise the provider's word alone would do, from a reset until the person comes.
func (d *Desk) MayEnroll(ctx context.Context, s Session) error {
	if err := d.allow(ctx, d.db.read, s, anyLive); err != nil {
		return err
	}
	var ok bool
	err := d.db.read.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM staff_reset f JOIN reviewer r ON r.holder_id = f.new_holder WHERE r.id = o.reviewer_id)
			OR EXISTS (SELECT 1 FROM invitation WHERE reviewer_id = o.reviewer_id AND used_at = o.created_at)
		FROM session o WHERE o.hash = $1`, s.hash()).Scan(&ok)
	if err == nil && !ok {
		err = errResetNeedsLink
	}
	return err
}

// visibleName is a name as the provider has it, on one line and without invisible
// characters.
func visibleName(name string) string {
	return oneLine(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, name))
}
