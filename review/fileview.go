package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// FileView is what a person who looks after the desk asks of its database.
type FileView struct {
	Audit     AuditHead // zero when Verified is not nil
	Verified  error     // why the audit chain is not whole
	Reviewers int       // who can sign in
	Accounts  int
	Unread    int       // mails that wait for their fate
	UnreadAt  time.Time // since when the oldest of them does
	Letters   int       // letters that wait for the mail server
	LetterAt  time.Time // since when the oldest of them does
}

// ViewFile looks into the database file at path without taking its lock, as
// VerifyAuditFile does: it works while the desk runs, and writes nothing.
func ViewFile(ctx context.Context, path string) (FileView, error) {
	var v FileView
	if _, err := os.Stat(path); err != nil {
		return v, fmt.Errorf("view database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(on)"))
	if err != nil {
		return v, fmt.Errorf("view database: %w", err)
	}
	defer db.Close()
	if err := soundFile(ctx, db); err != nil {
		return v, err
	}
	v.Audit, v.Verified = (&Desk{db: &database{read: db}}).VerifyAudit(ctx)
	var unread, letter sql.NullInt64
	err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM reviewer WHERE password IS NOT NULL AND disabled_at IS NULL),
			(SELECT count(*) FROM account),
			(SELECT count(*) FROM inbound WHERE fate IS NULL), (SELECT min(received_at) FROM inbound WHERE fate IS NULL),
			(SELECT count(*) FROM letter WHERE state IN ('queued', 'sending', 'dot')),
			(SELECT min(queued_at) FROM letter WHERE state IN ('queued', 'sending', 'dot'))`).
		Scan(&v.Reviewers, &v.Accounts, &v.Unread, &unread, &v.Letters, &letter)
	if err != nil {
		return v, fmt.Errorf("view database: %w", err)
	}
	v.UnreadAt, v.LetterAt = fromMicros(unread.Int64), fromMicros(letter.Int64)
	return v, nil
}

// KeysFit tells whether keys open the database file at path, as the desk asks at
// its start, without taking the lock or writing anything.
func KeysFit(ctx context.Context, path string, keys *totp.Keyring) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("view database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(on)"))
	if err != nil {
		return fmt.Errorf("view database: %w", err)
	}
	defer db.Close()
	sealed, err := readCanary(ctx, db)
	if err != nil || sealed == nil {
		return err
	}
	return keysFit(ctx, db, keys, sealed)
}

// soundFile asks SQLite for its own opinion of the file, and compares the schema
// with the one this program was built with.
func soundFile(ctx context.Context, db *sql.DB) error {
	var words string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&words); err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	if words != "ok" {
		return errors.New("check database: " + words)
	}
	var tables int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'`).Scan(&tables)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	if tables == 0 {
		return errors.New("read schema: the file holds no desk")
	}
	return migrate(ctx, db)
}
