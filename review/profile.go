package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// checkNewPassword says what a password needs (NIST SP 800-63B-4 3.1.1.2: length,
// nothing about kinds of characters).
func checkNewPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < 12 || len(password) > 1024 {
		return invalid("password", "Choose a password of at least 12 characters.")
	}
	return nil
}

// Prefer keeps how the reviewer wants the pages. It concerns nobody else, so no
// event is written.
func (d *Desk) Prefer(ctx context.Context, s Session, p Preferences) error {
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return err
	}
	_, err := d.db.write.ExecContext(ctx, `UPDATE reviewer SET keys = $2, utc = $3 WHERE id = $1`, s.Reviewer.ID, p.Keys, p.UTC)
	if err != nil {
		return fmt.Errorf("keep preferences: %w", err)
	}
	return nil
}

// ChangePassword sets a new password of the reviewer's own, with the old one and a
// fresh second factor. All other sessions end (ASVS 7.4.3).
func (d *Desk) ChangePassword(ctx context.Context, s Session, old, password, code string) error {
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return err
	}
	if err := checkNewPassword(password); err != nil {
		return err
	}
	// The code comes first: it is counted, so that a session alone is no place to
	// guess passwords at.
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return err
	}
	var stored sql.NullString
	if err := d.db.read.QueryRowContext(ctx, `SELECT password FROM reviewer WHERE id = $1`, s.Reviewer.ID).Scan(&stored); err != nil {
		return err
	}
	if stored.Valid {
		if err := d.checkOld(ctx, stored.String, old); err != nil {
			return err
		}
	}
	hash, err := d.cfg.Passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	return d.update(ctx, "change password", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		now := time.Now()
		res, err := tx.ExecContext(ctx, `UPDATE reviewer SET password = $3 WHERE id = $1 AND coalesce(password, '') = $2`, s.Reviewer.ID, stored.String, hash)
		if err = changed(res, err); errors.Is(err, errStale) {
			return fail(Conflict, "The password was changed meanwhile. Try again.")
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE session SET ended_at = $3 WHERE reviewer_id = $1 AND hash <> $2 AND ended_at IS NULL`, s.Reviewer.ID, s.hash(), micros(now))
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, s.actor(), "reviewer.password_changed", s.actor(), nil)
		return err
	})
}

func (d *Desk) checkOld(ctx context.Context, stored, old string) error {
	leave, err := hashTurn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !checkPassword(stored, old) {
		return invalid("old", "This is not your present password.")
	}
	return nil
}
