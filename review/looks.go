package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
)

// A MailLook tells when a watched folder was last looked at, and how far it has
// been read.
type MailLook struct {
	Mailbox     string    `json:"mailbox"`
	Folder      string    `json:"folder"`
	At          time.Time `json:"looked_at"` // zero: a look was never completed
	UIDValidity uint32    `json:"uidvalidity"`
	UID         uint32    `json:"uid"`     // read through here
	Backlog     uint32    `json:"backlog"` // mails up to here were there before the first look
}

// Late says what is wrong with a folder that nobody reads, "" when it was looked
// at within the last quarter of an hour.
func (l MailLook) Late(now time.Time) string {
	where := l.Mailbox + "/" + l.Folder
	switch {
	case l.At.IsZero():
		return where + " was never looked at: does serve run, and can it read this folder?"
	case now.Sub(l.At) >= mailbox.Late:
		return fmt.Sprintf("%s was not looked at since %s: does serve run, and can it read this folder?", where, l.At.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return ""
}

// ReadLooks reads when the folders were last looked at from the database at path,
// by its own read-only connection. A database that is not there yet has none.
func ReadLooks(ctx context.Context, path string) ([]MailLook, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("read looks: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(on)"))
	if err != nil {
		return nil, fmt.Errorf("read looks: %w", err)
	}
	defer db.Close()
	return looks(ctx, db)
}

// looks reads the state of all folders that were ever looked at.
func looks(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}) ([]MailLook, error) {
	rows, err := db.QueryContext(ctx, `SELECT mailbox, folder, looked_at, uidvalidity, uid, backlog FROM cursor ORDER BY mailbox, folder`)
	if err != nil {
		return nil, fmt.Errorf("read looks: %w", err)
	}
	defer rows.Close()
	all := []MailLook{}
	for rows.Next() {
		var l MailLook
		var at int64
		if err := rows.Scan(&l.Mailbox, &l.Folder, &at, &l.UIDValidity, &l.UID, &l.Backlog); err != nil {
			return nil, fmt.Errorf("read looks: %w", err)
		}
		if at > 0 {
			l.At = fromMicros(at)
		}
		all = append(all, l)
	}
	return all, rows.Err()
}
