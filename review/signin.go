package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// errSignIn is the one answer to every sign-in that fails, whatever failed.
var errSignIn = fail(Denied, "The e-mail address, password or code is not right.")

var errOnlySSO = fail(Denied, "Here people sign in by single sign-on alone.")

// SignIn is what a reviewer types to sign in, and from where.
type SignIn struct {
	Email, Password, Code string
	IP, Agent             string
	Old                   string // the token that the browser brought: that session ends
}

// SignIn checks password and second factor and returns the token of a new
// session. Every failure gives the same answer but the one that says to wait:
// after five wrong tries for one address from one network (see [network]) the
// next ones from there wait, longer each time. Nobody elsewhere waits with them,
// and an address that nobody has waits just as long.
func (d *Desk) SignIn(ctx context.Context, in SignIn) (string, error) {
	if d.cfg.OnlySSO {
		return "", errOnlySSO
	}
	r, renewed, err := d.checkSignIn(ctx, in)
	if err != nil {
		return "", err
	}
	if _, err := d.book.Verify(ctx, r.Holder, in.Code, totp.Web); err != nil {
		return "", signInError(err)
	}
	var token string
	err = d.update(ctx, "sign in", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET failures = 0, locked_until = 0 WHERE id = $1`, r.ID); err != nil {
			return err
		}
		if renewed.hash != "" { // unless it was changed meanwhile
			if _, err := tx.ExecContext(ctx, `UPDATE reviewer SET password = $2 WHERE id = $1 AND password = $3`, r.ID, renewed.hash, renewed.stored); err != nil {
				return err
			}
		}
		token, err = beginSession(ctx, tx, r.ID, "password", true, Entry{in.IP, in.Agent, in.Old}, time.Now())
		return err
	})
	if err != nil {
		return "", err
	}
	d.tries.forget(keyOfTry(signInEmail(in.Email), network(in.IP)))
	return token, nil
}

func signInEmail(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// checkSignIn checks the password. A try is counted before anything is compared,
// so that neither a crash nor a parallel try gets one for free, and after its
// turn to hash came, so that every count costs a hash.
func (d *Desk) checkSignIn(ctx context.Context, in SignIn) (Reviewer, renewal, error) {
	email, from := signInEmail(in.Email), network(in.IP)
	key := keyOfTry(email, from)
	if wait := d.tries.wait(key, time.Now()); wait > 0 {
		return Reviewer{}, renewal{}, tooManyTries(wait)
	}
	leave, err := hashTurn(ctx)
	if err != nil {
		return Reviewer{}, renewal{}, err
	}
	defer leave()
	if wait := d.tries.count(key, time.Now()); wait > 0 {
		return Reviewer{}, renewal{}, tooManyTries(wait)
	}
	r, stored, err := d.countSignIn(ctx, email, from)
	if err != nil {
		return Reviewer{}, renewal{}, err
	}
	if !checkPassword(stored, in.Password) || r.ID == 0 {
		return Reviewer{}, renewal{}, errSignIn
	}
	return r, d.cfg.Passwords.renew(stored, in.Password), nil
}

func tooManyTries(wait time.Duration) error {
	wait = max(wait.Round(time.Second), time.Second)
	return &Error{Kind: TooMany, Message: fmt.Sprintf("Too many tries. Wait %s and try again.", wait), Wait: wait}
}

// The ceiling of one reviewer's wrong tries from everywhere since the last
// sign-in. It is for guesses from many networks, which signInTries cannot see
// as one.
const (
	triesEverywhere = 20
	ceilingPause    = time.Minute
)

// countSignIn counts the try for the reviewer and returns what to compare the
// password with. Above the ceiling one try a minute is looked at from networks
// where this reviewer never signed in; the others fail like any wrong password,
// so the ceiling tells nobody that the address is a reviewer's. Networks where
// the reviewer did sign in are not slowed: a stranger cannot keep people from
// their work. A reviewer that does not exist costs the same: a hash that fits
// nothing, and a row that is written.
func (d *Desk) countSignIn(ctx context.Context, email string, from netip.Prefix) (Reviewer, string, error) {
	r, stored := Reviewer{}, d.decoy
	err := d.update(ctx, "sign in", func(tx *sql.Tx) error {
		now := time.Now()
		var failures int
		var password sql.NullString
		var lockedUntil int64
		err := tx.QueryRowContext(ctx, `SELECT id, holder_id, password, failures, locked_until FROM reviewer
			WHERE email = $1 AND disabled_at IS NULL`, email).Scan(&r.ID, &r.Holder, &password, &failures, &lockedUntil)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && !password.Valid) {
			r = Reviewer{}
			_, err = tx.ExecContext(ctx, `UPDATE reviewer SET failures = failures WHERE id = (SELECT min(id) FROM reviewer)`)
			return err
		}
		if err != nil {
			return err
		}
		familiar := false
		if failures >= triesEverywhere {
			if familiar, err = signedInFrom(ctx, tx, r.ID, from); err != nil {
				return err
			}
		}
		if lockedUntil > micros(now) && !familiar {
			r = Reviewer{}
		} else {
			stored = password.String
			failures++
			if failures == triesEverywhere {
				d.log.Warn("many wrong sign-ins for one reviewer: new places are slowed", "reviewer", r.ID)
			}
			if failures >= triesEverywhere && !familiar {
				lockedUntil = micros(now.Add(ceilingPause))
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE reviewer SET failures = $2, locked_until = $3 WHERE email = $1`, email, failures, lockedUntil)
		return err
	})
	if err != nil {
		return Reviewer{}, "", err
	}
	return r, stored, nil
}

// signedInFrom reports whether the reviewer ever signed in from this network.
func signedInFrom(ctx context.Context, tx *sql.Tx, id int64, from netip.Prefix) (bool, error) {
	if !from.IsValid() {
		return false, nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT ip FROM session WHERE reviewer_id = $1`, id)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var ip string
		if err := rows.Scan(&ip); err != nil {
			return false, err
		}
		if network(ip) == from {
			return true, nil
		}
	}
	return false, rows.Err()
}

// signInError keeps what helps an honest person and hides the rest.
func signInError(err error) error {
	var used *totp.UsedError
	var locked *totp.LockedError
	switch {
	case errors.As(err, &used):
		return &Error{Kind: TooMany, Message: fmt.Sprintf("This code was just used. Wait for the next one (up to %d seconds).", seconds(used.RetryAfter)), Wait: used.RetryAfter}
	case errors.As(err, &locked):
		return tooManyTries(locked.RetryAfter)
	case errors.Is(err, totp.ErrInvalidCode), errors.Is(err, totp.ErrNotEnrolled), errors.Is(err, totp.ErrFrozen):
		return errSignIn
	}
	return err
}
