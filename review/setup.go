package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SetupFacts is how far the desk was set up, read from what it did: no step of a
// first run is written down anywhere else.
type SetupFacts struct {
	Looks           []MailLook
	Accounts, Users int
	Keys            int        // of the API, not revoked
	ImportedAt      time.Time  // the last import of all accounts; zero: none
	ImportedBy      string     // a name, "host", or a key of the API
	Test            TestLetter // the newest that the reviewer sent himself
}

// A TestLetter is one that [Desk.SendTest] sent.
type TestLetter struct {
	At       time.Time // zero: none
	State    string    // as the outbox has it
	Response string    // of the mail server
}

// Setup reads how far the desk was set up.
func (d *Desk) Setup(ctx context.Context, s Session) (SetupFacts, error) {
	var f SetupFacts
	err := d.snapshot(ctx, "read setup", func(tx *sql.Tx) (err error) {
		f = SetupFacts{}
		if err := d.allow(ctx, tx, s, Administer); err != nil {
			return err
		}
		if f.Looks, err = looks(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM account WHERE removed_at IS NULL),
			(SELECT count(*) FROM panel_user WHERE removed_at IS NULL), (SELECT count(*) FROM api_key WHERE revoked_at IS NULL)`).Scan(&f.Accounts, &f.Users, &f.Keys); err != nil {
			return err
		}
		var at int64
		err = tx.QueryRowContext(ctx, `SELECT a.at, coalesce((SELECT r.name FROM reviewer r WHERE a.actor = 'reviewer:' || r.id), a.actor)
			FROM audit a WHERE a.action = 'accounts.imported' ORDER BY a.seq DESC LIMIT 1`).Scan(&at, &f.ImportedBy)
		if err := f.when(&f.ImportedAt, at, err); err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, `SELECT queued_at, state, response FROM letter WHERE reviewer_id = $1 AND kind = 'test' ORDER BY id DESC LIMIT 1`,
			s.Reviewer.ID).Scan(&at, &f.Test.State, &f.Test.Response)
		return f.when(&f.Test.At, at, err)
	})
	return f, err
}

// when keeps the time of a row, if there was one.
func (SetupFacts) when(into *time.Time, at int64, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		*into = fromMicros(at)
	}
	return err
}

// Empty reports whether the desk knows no account yet, as before its first run is
// over.
func (d *Desk) Empty(ctx context.Context) (empty bool, err error) {
	err = d.db.read.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM account)`).Scan(&empty)
	if err != nil {
		return false, fmt.Errorf("look for accounts: %w", err)
	}
	return empty, nil
}

// uploaded is the source of what an admin imported in the browser.
const uploaded = "upload"

// TryImport tells an admin what [Desk.ImportTried] would do. It changes nothing.
func (d *Desk) TryImport(ctx context.Context, s Session, rows []AccountRow) (ImportReport, error) {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return ImportReport{}, err
	}
	return d.importAll(ctx, s.actor(), rows, uploaded, false, true)
}

// ImportTried is [Desk.Import] by an admin with a fresh second factor: the
// addresses in the rows decide who may ask for a reset. It does exactly what the
// admin saw [Desk.TryImport] announce, or nothing, if the accounts changed
// meanwhile. It never removes more than a fifth of the users: that is for who has
// the host.
func (d *Desk) ImportTried(ctx context.Context, s Session, code string, rows []AccountRow, tried ImportReport) (ImportReport, error) {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return ImportReport{}, err
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return ImportReport{}, err
	}
	tried.DryRun = false
	var report ImportReport
	err := d.update(ctx, "import accounts", func(tx *sql.Tx) (err error) {
		if err := d.allow(ctx, tx, s, Administer); err != nil { // the step-up took its time
			return err
		}
		if report, err = importRows(ctx, tx, s.actor(), rows, uploaded, false, false); err != nil {
			return err
		}
		if report != tried {
			return fail(Stale, "The accounts changed since you looked at what the file would do. Upload it again and look anew.")
		}
		return nil
	})
	return report, err
}
