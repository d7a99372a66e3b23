package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// Lifetimes of sessions (libraries: Sessions; ASVS 7.3).
const sessionIdle = 30 * time.Minute

var sessionLifetime = realSessionLifetime // tests of other things let sessions live longer

const realSessionLifetime = 12 * time.Hour

// A Session is a signed-in reviewer. Copies of it are the same session: when a
// step-up gives it another token, all of them go on under that one.
type Session struct {
	Reviewer Reviewer
	StepUpAt time.Time // last fresh second factor
	Expires  time.Time
	Via      string // "password", "passkey" or "sso"
	Proved   bool   // the second factor was given; without it there is nothing but giving it
	name     *sessionName
}

// A sessionName is how the database knows a session.
type sessionName struct {
	mu      sync.Mutex
	hash    []byte
	renewed string
}

func (s Session) hash() []byte {
	if s.name == nil {
		return nil
	}
	s.name.mu.Lock()
	defer s.name.mu.Unlock()
	return s.name.hash
}

// Renewed returns the token under which the session goes on since it was
// authenticated, "" if it has not changed. Whoever holds the session gives it to
// the browser.
func (s Session) Renewed() string {
	if s.name == nil {
		return ""
	}
	s.name.mu.Lock()
	defer s.name.mu.Unlock()
	return s.name.renewed
}

func (s Session) actor() string { return actorName(s.Reviewer.ID) }

func actorName(reviewer int64) string { return fmt.Sprintf("reviewer:%d", reviewer) }

// An Entry is how and from where somebody comes in.
type Entry struct {
	IP, Agent string
	Old       string // the token that the browser brought: that session ends
}

// beginSession makes a session and returns its token. proved is whether the
// second factor was given.
func beginSession(ctx context.Context, tx *sql.Tx, reviewer int64, via string, proved bool, e Entry, now time.Time) (string, error) {
	token, factor := newToken(), int64(0)
	if proved {
		factor = micros(now)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL`, hashToken(e.Old), micros(now)); err != nil {
		return "", err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, via, factor_at)
		VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)`,
		hashToken(token), reviewer, micros(now), micros(now.Add(sessionLifetime)), e.IP, clip(e.Agent, 200), via, factor)
	if err != nil {
		return "", err
	}
	// Who is in needs no invitation; a link left over could change the password.
	if proved {
		_, err = tx.ExecContext(ctx, `UPDATE invitation SET used_at = $2 WHERE reviewer_id = $1 AND used_at IS NULL`, reviewer, micros(now))
	}
	if err != nil {
		return "", err
	}
	actor, action := actorName(reviewer), "reviewer.signed_in"
	if !proved {
		action = "reviewer.came_by_sso"
	}
	_, err = record(ctx, tx, now, actor, action, actor, map[string]string{"ip": e.IP, "via": via})
	return token, err
}

// Authenticate returns the session of a token, and notes that it was used, at
// most once a minute.
func (d *Desk) Authenticate(ctx context.Context, token string) (Session, error) {
	now := time.Now()
	s := Session{name: &sessionName{hash: hashToken(token)}}
	var seen, expires, stepUp int64
	err := d.db.read.QueryRowContext(ctx, `SELECT s.seen_at, s.expires_at, s.step_up_at, s.via, s.factor_at > 0, r.id, r.name, r.email, r.role, r.holder_id, r.keys, r.utc,
			(SELECT count(*) FROM passkey WHERE reviewer_id = r.id AND removed_at IS NULL AND suspect_at IS NULL)
		FROM session s JOIN reviewer r ON r.id = s.reviewer_id
		WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.seen_at > $3 AND r.disabled_at IS NULL
			AND (s.via = 'sso' OR NOT $4)`,
		s.name.hash, micros(now), micros(now.Add(-sessionIdle)), d.cfg.OnlySSO).
		Scan(&seen, &expires, &stepUp, &s.Via, &s.Proved, &s.Reviewer.ID, &s.Reviewer.Name, &s.Reviewer.Email, &s.Reviewer.Role, &s.Reviewer.Holder,
			&s.Reviewer.Keys, &s.Reviewer.UTC, &s.Reviewer.Passkeys)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, fail(Denied, "Sign in first.")
	}
	if err != nil {
		return Session{}, fmt.Errorf("authenticate: %w", err)
	}
	s.Expires, s.StepUpAt = fromMicros(expires), fromMicros(stepUp)
	if now.Sub(fromMicros(seen)) > time.Minute {
		_, err := d.db.write.ExecContext(ctx, `UPDATE session SET seen_at = $2 WHERE hash = $1 AND ended_at IS NULL AND seen_at < $2`, s.name.hash, micros(now))
		if err != nil { // a full disk must not keep people from looking
			d.log.Error("the use of a session was not noted", "error", err)
		}
	}
	return s, nil
}

// SignOut ends the session.
func (d *Desk) SignOut(ctx context.Context, s Session) error {
	_, err := d.db.write.ExecContext(ctx, `UPDATE session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL`, s.hash(), micros(time.Now()))
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// GiveFactor pays the second factor that a session owes since single sign-on. The
// session goes on under another token.
func (d *Desk) GiveFactor(ctx context.Context, s Session, code string) error {
	_, err := d.stepUp(ctx, s, code)
	return err
}

// stepUp proves a fresh second factor of the session's reviewer: a code, or the
// answer of a passkey, which begins with a brace. The session goes on under
// another token (see schema.sql); the returned time is what an approval records.
func (d *Desk) stepUp(ctx context.Context, s Session, code string) (time.Time, error) {
	if err := d.allow(ctx, d.db.read, s, anyLive); err != nil {
		return time.Time{}, err
	}
	if isPasskeyAnswer(code) {
		if err := d.stepUpByPasskey(ctx, s, code); err != nil {
			return time.Time{}, err
		}
		return d.renewSession(ctx, s)
	}
	_, err := d.book.Verify(ctx, s.Reviewer.Holder, code, totp.Web)
	if err != nil {
		err = signInError(err)
		if err == errSignIn {
			err = invalid("code", "The code is not right.")
		}
		return time.Time{}, err
	}
	return d.renewSession(ctx, s)
}

// renewSession ends the session and lets it go on under a new token, stepped up.
// The name changes within the transaction, in which nobody else writes.
func (d *Desk) renewSession(ctx context.Context, s Session) (time.Time, error) {
	token, now := newToken(), time.Now()
	var old []byte
	err := d.update(ctx, "step up", func(tx *sql.Tx) error {
		old = s.hash()
		res, err := tx.ExecContext(ctx, `UPDATE session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL AND expires_at > $2`, old, micros(now))
		if err = changed(res, err); errors.Is(err, errStale) {
			return errSessionOver
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, step_up_at, ip, agent, via, factor_at, follows)
			SELECT $2, reviewer_id, created_at, $3, expires_at, $3, ip, agent, via, CASE factor_at WHEN 0 THEN $3 ELSE factor_at END, hash FROM session WHERE hash = $1`,
			old, hashToken(token), micros(now))
		if err == nil {
			s.rename(hashToken(token), token)
		}
		return err
	})
	if err != nil {
		if string(s.hash()) == string(hashToken(token)) { // the commit failed
			s.rename(old, "")
		}
		return time.Time{}, err
	}
	return now, nil
}

func (s Session) rename(hash []byte, token string) {
	s.name.mu.Lock()
	defer s.name.mu.Unlock()
	s.name.hash, s.name.renewed = hash, token
}

// A SessionRow is one live session of a reviewer.
type SessionRow struct {
	ID                   string // names it on a page and opens nothing
	IP, Agent, Via       string
	Began, Seen, Expires time.Time
	Own                  bool // the one that asks
	Proved               bool
	hash                 []byte
}

// liveSessions lists the sessions of a reviewer that are not over, the last used
// first.
func liveSessions(ctx context.Context, tx *sql.Tx, reviewer int64, own []byte, now time.Time) ([]SessionRow, error) {
	rows, err := tx.QueryContext(ctx, `SELECT hash, ip, agent, via, created_at, seen_at, expires_at, factor_at > 0 FROM session
		WHERE reviewer_id = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3 ORDER BY seen_at DESC, hash LIMIT 100`,
		reviewer, micros(now), micros(now.Add(-sessionIdle)))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer rows.Close()
	var all []SessionRow
	for rows.Next() {
		var hash []byte
		var began, seen, expires int64
		var r SessionRow
		if err := rows.Scan(&hash, &r.IP, &r.Agent, &r.Via, &began, &seen, &expires, &r.Proved); err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		r.hash, r.ID, r.Own = hash, sessionID(hash), string(hash) == string(own)
		r.Began, r.Seen, r.Expires = fromMicros(began), fromMicros(seen), fromMicros(expires)
		all = append(all, r)
	}
	return all, rows.Err()
}

// sessionID is the beginning of the hash of a token: too little to be a token, and
// a hash to begin with.
func sessionID(hash []byte) string { return encodeBytes(hash[:8]) }

// EndSession ends one session: one of the reviewer's own, or of anybody by an
// admin. EndSessions ends all of a reviewer but the one that asks.
func (d *Desk) EndSession(ctx context.Context, s Session, reviewer int64, id string) error {
	return d.endSessions(ctx, s, reviewer, id)
}

// EndSessions ends all sessions of a reviewer but the one that asks.
func (d *Desk) EndSessions(ctx context.Context, s Session, reviewer int64) error {
	return d.endSessions(ctx, s, reviewer, "")
}

func (d *Desk) endSessions(ctx context.Context, s Session, reviewer int64, id string) error {
	right := Administer
	if reviewer == s.Reviewer.ID {
		right = Look
	}
	return d.update(ctx, "end sessions", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, right); err != nil {
			return err
		}
		now := time.Now()
		live, err := liveSessions(ctx, tx, reviewer, s.hash(), now)
		if err != nil {
			return err
		}
		n := 0
		for _, l := range live {
			if id != "" && l.ID != id || id == "" && l.Own {
				continue
			}
			res, err := tx.ExecContext(ctx, `UPDATE session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL`, l.hash, micros(now))
			if err := changed(res, err); err != nil {
				return err
			}
			n++
		}
		if n == 0 && id != "" {
			return fail(NotFound, "This session is over already.")
		}
		_, err = record(ctx, tx, now, s.actor(), "reviewer.sessions_ended", actorName(reviewer), map[string]int{"sessions": n})
		return err
	})
}
