package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/review/passkey"
)

var (
	errNoPasskeys = fail(Conflict, "Passkeys do not work at this address of the desk: it needs a name and not digits.")
	errPasskey    = fail(Denied, "The passkey was not accepted. Try again, or use the password and a code.")
	errCopy       = fail(Denied, "This passkey is refused from now on: its counter went back, as that of a copy does. Remove it and add it anew.")
)

// A Passkey is one of a reviewer's, for a list.
type Passkey struct {
	ID            int64
	Name          string
	Created, Used time.Time // Used is zero for never
	Suspect       bool      // its counter went back: it is refused
}

// PasskeysWork reports whether the address of the desk can have passkeys.
func (d *Desk) PasskeysWork() bool { return d.passkeys != nil }

// OnlySSO reports whether people sign in by single sign-on alone.
func (d *Desk) OnlySSO() bool { return d.cfg.OnlySSO }

func isPasskeyAnswer(code string) bool { return strings.HasPrefix(strings.TrimSpace(code), "{") }

// passkeysOf reads who a reviewer is to the browsers, with the passkeys that work.
func passkeysOf(ctx context.Context, tx *sql.Tx, reviewer int64) (passkey.Person, error) {
	var p passkey.Person
	err := tx.QueryRowContext(ctx, `SELECT coalesce(handle, X''), email, name FROM reviewer WHERE id = $1`, reviewer).Scan(&p.Handle, &p.Name, &p.Full)
	if err != nil {
		return p, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT credential, record, sign_count FROM passkey WHERE reviewer_id = $1 AND removed_at IS NULL AND suspect_at IS NULL ORDER BY id`, reviewer)
	if err != nil {
		return p, err
	}
	defer rows.Close()
	for rows.Next() {
		var k passkey.Key
		if err := rows.Scan(&k.ID, &k.Record, &k.Count); err != nil {
			return p, err
		}
		p.Keys = append(p.Keys, k)
	}
	return p, rows.Err()
}

// AskPasskey returns the options of a sign-in with any passkey, as JSON.
func (d *Desk) AskPasskey() ([]byte, error) {
	if d.passkeys == nil {
		return nil, errNoPasskeys
	}
	if d.cfg.OnlySSO {
		return nil, errOnlySSO
	}
	return d.passkeys.Ask(passkey.SignIn, nil, nil)
}

// AskStepUp returns the options of a step-up with a passkey of the reviewer.
func (d *Desk) AskStepUp(ctx context.Context, s Session) ([]byte, error) {
	if d.passkeys == nil {
		return nil, errNoPasskeys
	}
	if err := d.allow(ctx, d.db.read, s, anyLive); err != nil {
		return nil, err
	}
	p, err := d.personOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(p.Keys) == 0 {
		return nil, fail(Conflict, "You have no passkey. Use a code.")
	}
	return d.passkeys.Ask(passkey.StepUp, s.hash(), &p)
}

func (d *Desk) personOf(ctx context.Context, s Session) (passkey.Person, error) {
	var p passkey.Person
	err := d.snapshot(ctx, "read passkeys", func(tx *sql.Tx) (err error) {
		p, err = passkeysOf(ctx, tx, s.Reviewer.ID)
		return err
	})
	return p, err
}

// AskNewPasskey returns the options with which the browser makes a passkey for the
// reviewer, as JSON. They are good for this session alone.
func (d *Desk) AskNewPasskey(ctx context.Context, s Session) ([]byte, error) {
	if d.passkeys == nil {
		return nil, errNoPasskeys
	}
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return nil, err
	}
	p, err := d.personOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(p.Handle) == 0 { // it becomes the reviewer's with the first passkey
		p.Handle = d.handleFor(s)
	}
	return d.passkeys.AskNew(s.hash(), p)
}

// handleFor is the handle of a reviewer who has none yet: made of the session, so
// that asking writes nothing.
func (d *Desk) handleFor(s Session) []byte { return d.passkeys.Derive("handle", s.hash()) }

// AddPasskey stores the passkey that the browser made, after a fresh second
// factor.
func (d *Desk) AddPasskey(ctx context.Context, s Session, name, answer, code string) error {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n < 1 || n > 60 {
		return invalid("name", "Give the passkey a name of at most 60 characters, such as “blue key”.")
	}
	if d.passkeys == nil {
		return errNoPasskeys
	}
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return err
	}
	a, err := passkey.ReadNew(answer)
	if err != nil {
		return invalid("passkey", "The browser made no passkey. Try again.")
	}
	p, err := d.personOf(ctx, s)
	if err != nil {
		return err
	}
	if len(p.Handle) == 0 {
		p.Handle = d.handleFor(s)
	}
	k, err := d.passkeys.CheckNew(s.hash(), p, a) // before the step-up, which changes what it is bound to
	if errors.Is(err, passkey.ErrAnswer) || errors.Is(err, passkey.ErrLate) {
		return invalid("passkey", "The passkey could not be checked. Load the page again and repeat it.")
	}
	if err != nil {
		return err
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return err
	}
	return d.update(ctx, "add passkey", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		now := time.Now()
		var n int
		var taken bool
		err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM passkey WHERE reviewer_id = $1 AND removed_at IS NULL),
			EXISTS (SELECT 1 FROM passkey WHERE credential = $2)`, s.Reviewer.ID, k.ID).Scan(&n, &taken)
		switch {
		case err != nil:
			return err
		case taken:
			return invalid("passkey", "This passkey was added before. Make a new one.")
		case n >= 10:
			return fail(Conflict, "Ten passkeys are enough. Remove one first.")
		}
		// Where another session was faster, the passkey bears the wrong handle.
		res, err := tx.ExecContext(ctx, `UPDATE reviewer SET handle = $2 WHERE id = $1 AND (handle IS NULL OR handle = $2)`, s.Reviewer.ID, p.Handle)
		if err = changed(res, err); errors.Is(err, errStale) {
			return invalid("passkey", "Another passkey was added meanwhile. Make this one again.")
		}
		if err != nil {
			return err
		}
		var id int64
		err = tx.QueryRowContext(ctx, `INSERT INTO passkey (reviewer_id, credential, record, name, sign_count, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
			s.Reviewer.ID, k.ID, k.Record, name, k.Count, micros(now)).Scan(&id)
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, s.actor(), "passkey.added", s.actor(), map[string]any{"passkey": id, "name": name})
		return err
	})
}

// RemovePasskey takes a passkey of the reviewer's own away, after a fresh second
// factor.
func (d *Desk) RemovePasskey(ctx context.Context, s Session, id int64, code string) error {
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return err
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return err
	}
	return d.update(ctx, "remove passkey", func(tx *sql.Tx) error {
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE passkey SET removed_at = $3 WHERE id = $1 AND reviewer_id = $2 AND removed_at IS NULL`, id, s.Reviewer.ID, micros(now))
		if err = changed(res, err); errors.Is(err, errStale) {
			return fail(NotFound, "You have no such passkey.")
		}
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, s.actor(), "passkey.removed", s.actor(), map[string]any{"passkey": id})
		return err
	})
}

// SignInByPasskey signs in whoever's passkey answered: it proves both factors.
// After five wrong answers for one reviewer from one network the next ones from
// there wait, as after wrong passwords.
func (d *Desk) SignInByPasskey(ctx context.Context, answer string, e Entry) (string, error) {
	if d.passkeys == nil {
		return "", errNoPasskeys
	}
	if d.cfg.OnlySSO {
		return "", errOnlySSO
	}
	a, err := passkey.Read(answer)
	if err != nil {
		return "", errPasskey
	}
	var reviewer int64
	err = d.db.read.QueryRowContext(ctx, `SELECT r.id FROM passkey p JOIN reviewer r ON r.id = p.reviewer_id
		WHERE p.credential = $1 AND r.handle = $2 AND p.removed_at IS NULL AND r.disabled_at IS NULL`, a.ID, a.Handle).Scan(&reviewer)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errPasskey
	}
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	key := keyOfTry("passkey of "+actorName(reviewer), network(e.IP))
	if wait := d.tries.count(key, time.Now()); wait > 0 {
		return "", tooManyTries(wait)
	}
	var token string
	err = d.answered(ctx, reviewer, passkey.SignIn, nil, a, func(tx *sql.Tx, now time.Time) (err error) {
		token, err = beginSession(ctx, tx, reviewer, "passkey", true, e, now)
		return err
	})
	if err == nil {
		d.tries.forget(key)
	}
	return token, err
}

func (d *Desk) stepUpByPasskey(ctx context.Context, s Session, answer string) error {
	if d.passkeys == nil {
		return errNoPasskeys
	}
	a, err := passkey.Read(answer)
	if err != nil {
		return invalid("code", "The passkey was not accepted. Try again, or use a code.")
	}
	err = d.answered(ctx, s.Reviewer.ID, passkey.StepUp, s.hash(), a, func(*sql.Tx, time.Time) error { return nil })
	if err == errPasskey {
		return invalid("code", "The passkey was not accepted. Try again, or use a code.")
	}
	return err
}

// answered checks an answer and, in one transaction, uses its challenge up, moves
// the counter on and does what it was given for.
func (d *Desk) answered(ctx context.Context, reviewer int64, purpose passkey.Purpose, bound []byte, a passkey.Answer, then func(*sql.Tx, time.Time) error) error {
	// A wrong answer takes no turn of those who write.
	err := d.snapshot(ctx, "passkey", func(tx *sql.Tx) error {
		p, err := passkeysOf(ctx, tx, reviewer)
		if err != nil {
			return err
		}
		_, err = d.passkeys.Check(purpose, bound, p, a)
		return err
	})
	if errors.Is(err, passkey.ErrAnswer) || errors.Is(err, passkey.ErrLate) {
		return errPasskey
	}
	if err != nil && !errors.Is(err, passkey.ErrCopy) {
		return err
	}
	copied := false
	err = d.update(ctx, "passkey", func(tx *sql.Tx) error {
		p, err := passkeysOf(ctx, tx, reviewer)
		if err != nil {
			return err
		}
		// An answer that is sent again is no sign of a copy.
		var used bool
		err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM passkey_use WHERE challenge = $1)`, a.Challenge).Scan(&used)
		if err != nil {
			return err
		}
		if used {
			return errPasskey
		}
		k, err := d.passkeys.Check(purpose, bound, p, a)
		switch {
		case errors.Is(err, passkey.ErrCopy):
			copied = true
			return d.suspect(ctx, tx, reviewer, a.ID)
		case errors.Is(err, passkey.ErrAnswer), errors.Is(err, passkey.ErrLate):
			return errPasskey
		case err != nil:
			return err
		}
		now := time.Now()
		var id int64
		err = tx.QueryRowContext(ctx, `UPDATE passkey SET record = $3, sign_count = $4, used_at = $5
			WHERE credential = $1 AND reviewer_id = $2 AND removed_at IS NULL AND suspect_at IS NULL RETURNING id`,
			k.ID, reviewer, k.Record, k.Count, micros(now)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return errPasskey
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO passkey_use (challenge, passkey_id, at) VALUES ($1, $2, $3)`, a.Challenge, id, micros(now)); err != nil {
			return err
		}
		return then(tx, now)
	})
	if err == nil && copied {
		return errCopy
	}
	return err
}

// suspect refuses a passkey from now on.
func (d *Desk) suspect(ctx context.Context, tx *sql.Tx, reviewer int64, credential []byte) error {
	now := time.Now()
	var id int64
	err := tx.QueryRowContext(ctx, `UPDATE passkey SET suspect_at = $3 WHERE credential = $1 AND reviewer_id = $2 AND suspect_at IS NULL RETURNING id`,
		credential, reviewer, micros(now)).Scan(&id)
	if err != nil {
		return err
	}
	d.log.Warn("the counter of a passkey went back: it is refused from now on", "reviewer", reviewer, "passkey", id)
	_, err = record(ctx, tx, now, "desk", "passkey.suspect", actorName(reviewer), map[string]any{"passkey": id})
	return err
}

func readPasskeys(ctx context.Context, tx *sql.Tx, reviewer int64) ([]Passkey, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, name, created_at, used_at, suspect_at IS NOT NULL FROM passkey
		WHERE reviewer_id = $1 AND removed_at IS NULL ORDER BY id`, reviewer)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	defer rows.Close()
	var all []Passkey
	for rows.Next() {
		var k Passkey
		var created, used int64
		if err := rows.Scan(&k.ID, &k.Name, &created, &used, &k.Suspect); err != nil {
			return nil, fmt.Errorf("list passkeys: %w", err)
		}
		k.Created, k.Used = fromMicros(created), fromMicros(used)
		all = append(all, k)
	}
	return all, rows.Err()
}
