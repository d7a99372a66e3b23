package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A SignalKind is what a panel saw of a user.
type SignalKind string

// The kinds of a [Signal].
const (
	PasswordVerified SignalKind = "password_verified"
	LoggedIn         SignalKind = "logged_in"
	LoginFailed      SignalKind = "login_failed"
)

// A Signal is something that a panel saw of a user. Signals are evidence, and
// prove nothing; a login with the second factor stops a request for it.
type Signal struct {
	Kind         SignalKind
	SecondFactor bool // of a login: the second factor was used
	At           time.Time
	IP, Agent    string
}

const (
	clockSkew   = 5 * time.Minute     // by which a panel's clock may be off
	maxSignals  = 60                  // of a user, kind and hour
	keepSignals = 90 * 24 * time.Hour // as in schema.sql, signal_kept
)

// checkSignalTime refuses what the panel cannot have seen yet, and what it saw
// too long ago to be news.
func checkSignalTime(field string, at, now time.Time) error {
	switch {
	case at.After(now.Add(clockSkew)):
		return invalid(field, "This time is in the future. Check the clock of the panel.")
	case at.Before(now.Add(-24 * time.Hour)):
		return invalid(field, "This time is more than 24 hours ago. Send signals as they happen.")
	}
	return nil
}

// AddSignal records what a panel saw of a user. A login with the second factor
// after a request came in holds the case, in the same transaction.
func (d *Desk) AddSignal(ctx context.Context, user string, s Signal) error {
	now := time.Now()
	if s.At.IsZero() {
		s.At = now
	}
	switch {
	case s.Kind != PasswordVerified && s.Kind != LoggedIn && s.Kind != LoginFailed:
		return invalid("type", "The type is one of password_verified, logged_in, login_failed.")
	case s.SecondFactor && s.Kind != LoggedIn:
		return invalid("second_factor", "Only a login has a second factor.")
	}
	if err := checkSignalTime("at", s.At, now); err != nil {
		return err
	}
	cleared := false
	err := d.update(ctx, "add signal", func(tx *sql.Tx) error {
		var known bool
		err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM panel_user WHERE id = $1 AND removed_at IS NULL`, user).Scan(&known)
		if err != nil {
			return err
		}
		if !known {
			return fail(NotFound, "There is no such user.")
		}
		added, err := addSignal(ctx, tx, user, s, now)
		if err != nil {
			return err
		}
		if !added {
			return fail(TooMany, "There were 60 signals of this kind for the user within an hour. Wait, or send fewer.")
		}
		cleared, err = d.weighSignal(ctx, tx, user, s, now)
		return err
	})
	if cleared && err == nil {
		d.lettersReady()
	}
	if err == nil && s.Kind != LoginFailed {
		d.nudge()
	}
	return err
}

// addSignal stores a signal, unless there were too many of its kind. Logins with
// the second factor are counted apart: none of the others crowds them out.
func addSignal(ctx context.Context, tx *sql.Tx, user string, s Signal, now time.Time) (bool, error) {
	var id int64
	err := tx.QueryRowContext(ctx, `INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at)
		SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM signal
			WHERE user_id = $1 AND kind = $2 AND second_factor = $3 AND received_at > $8) < $9 RETURNING id`,
		user, string(s.Kind), flag(s.SecondFactor), micros(s.At), clip(s.IP, 45), clip(s.Agent, 300), micros(now),
		micros(now.Add(-time.Hour)), maxSignals).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("add signal: %w", err)
	}
	return true, nil
}

// weighSignal lets the open case of the user feel the signal: a login is judged
// at once, a verified password when the clock looks next.
func (d *Desk) weighSignal(ctx context.Context, tx *sql.Tx, user string, s Signal, now time.Time) (cleared bool, err error) {
	if s.Kind == LoginFailed {
		return false, nil
	}
	c, err := scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE user_id = $1 AND state = 'open'`, user))
	if KindOf(err) == NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if s.Kind == LoggedIn {
		return d.advance(ctx, tx, c, now)
	}
	_, err = tx.ExecContext(ctx, `UPDATE reset_case SET due_at = $2 WHERE id = $1`, c.id, micros(now))
	return false, err
}

// readSignalFacts reads what a judgement takes from the panel. A login counts
// even if the panel's clock is slow; reset_new in schema.sql has the same rule.
func readSignalFacts(ctx context.Context, tx totp.Querier, c caseRow, vouchedFor time.Duration, f *Facts) error {
	var logged, vouched int64
	err := tx.QueryRowContext(ctx, `SELECT
		(SELECT coalesce(max(at), 0) FROM signal WHERE user_id = $1 AND kind = 'logged_in' AND second_factor = 1 AND received_at > $2 AND at > $3),
		(SELECT coalesce(max(at), 0) FROM signal WHERE user_id = $1 AND kind = 'password_verified' AND received_at > $5 AND at >= $4)`,
		c.user, micros(c.watched), micros(c.watched.Add(-clockSkew)), micros(c.opened.Add(-vouchedFor)),
		micros(c.opened.Add(-vouchedFor-clockSkew))).Scan(&logged, &vouched)
	if err != nil {
		return fmt.Errorf("read signals: %w", err)
	}
	f.LoggedInAt, f.VouchedAt = fromMicros(logged), fromMicros(vouched)
	return nil
}

// readSignals puts what the panel saw of the user into rows of evidence.
func (d *Desk) readSignals(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	if c.user == "" {
		return nil
	}
	password := Check{Title: "Password", Result: "unknown", Evidence: "The panel did not say that it verified the password lately.",
		Why: "A password alone proves little: the second factor is there for the day when it is stolen."}
	var at int64
	var ip string
	err := tx.QueryRowContext(ctx, `SELECT at, ip FROM signal WHERE user_id = $1 AND kind = 'password_verified' AND received_at > $3 AND at >= $2
		ORDER BY at DESC, id DESC LIMIT 1`, c.user, micros(c.opened.Add(-d.cfg.Policy.VouchedWithin)), micros(c.opened.Add(-d.cfg.Policy.VouchedWithin-clockSkew))).Scan(&at, &ip)
	switch {
	case err == nil:
		password.Result = "pass"
		password.Evidence = "The panel saw the password verified " + around(fromMicros(at), c.opened) + from(ip) + "."
	case !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read signals: %w", err)
	}
	failed := Check{Title: "Failed logins", Result: "pass", Evidence: "The panel reported none in the last 24 hours.", Why: "Somebody may be trying passwords."}
	var n int
	var source string
	now := time.Now()
	err = tx.QueryRowContext(ctx, `SELECT count(*), coalesce((SELECT ip FROM signal WHERE user_id = $1 AND kind = 'login_failed' ORDER BY received_at DESC LIMIT 1), '')
		FROM signal WHERE user_id = $1 AND kind = 'login_failed' AND received_at > $2`, c.user, micros(now.Add(-24*time.Hour))).Scan(&n, &source)
	if err != nil {
		return fmt.Errorf("read signals: %w", err)
	}
	if n > 0 {
		failed.Result, failed.Evidence = "warn", "The panel saw "+counted(n, "failed login")+" in the last 24 hours, the last one"+from(source)+"."
	}
	v.Checks = append(v.Checks, password, failed)
	return nil
}

func from(ip string) string {
	if ip == "" {
		return " from an address it did not name"
	}
	return " from " + ip
}

// around says when something was, seen from the request.
func around(at, request time.Time) string {
	switch d := request.Sub(at).Round(time.Minute); {
	case d == 0:
		return "at the time of the request"
	case d < 0:
		return spanWords(-d) + " after the request"
	default:
		return spanWords(d) + " before the request"
	}
}

func spanWords(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

// forgetSignals deletes signals that are older than 90 days, once a day, in
// steps that hold up nobody. The audit has the day: the schema asks for it. What a
// crash left of a day goes with it, and not a day later.
func (d *Desk) forgetSignals(ctx context.Context, now time.Time) error {
	var oldest, last int64
	err := d.db.read.QueryRowContext(ctx, `SELECT coalesce((SELECT min(received_at) FROM signal), $1), coalesce((SELECT max(at) FROM audit WHERE object = 'signals'), 0)`,
		micros(now)).Scan(&oldest, &last)
	if err != nil {
		return fmt.Errorf("forget signals: %w", err)
	}
	limit := micros(now.Add(-keepSignals))
	if oldest < limit && last < micros(now.Add(-24*time.Hour)) {
		err = d.update(ctx, "forget signals", func(tx *sql.Tx) error {
			_, err := record(ctx, tx, now, "clock", "signals.forgotten", "signals", map[string]string{"before": stamp(fromMicros(limit))})
			return err
		})
	} else {
		limit = micros(fromMicros(last).Add(-keepSignals))
	}
	for n := int64(1); n > 0 && oldest <= limit && err == nil && ctx.Err() == nil; {
		err = d.update(ctx, "forget signals", func(tx *sql.Tx) error {
			res, err := tx.ExecContext(ctx, `DELETE FROM signal WHERE id IN (SELECT id FROM signal WHERE received_at <= $1 ORDER BY received_at LIMIT 1000)`, limit)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
	}
	return err
}
