package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Figures are what a monitor asks for, of one moment.
type Figures struct {
	Folders        []FolderFigures
	LettersWaiting int
	LettersFailed  int       // that were given up: a person must look
	OldestLetter   time.Time // since when the oldest waiting letter waits, zero if none does
	Cases          map[State]int
}

// FolderFigures are the books of one folder since the beginning. Received is the
// sum of Fates; the fate "" is none yet.
type FolderFigures struct {
	Mailbox, Folder string
	Received        int
	Fates           map[string]int
}

// Figures reads them from what the schema counts and from indexes of what is
// open; no question grows with history.
func (d *Desk) Figures(ctx context.Context) (Figures, error) {
	f := Figures{Cases: map[State]int{StateOpen: 0, StateHeld: 0}}
	err := d.snapshot(ctx, "read figures", func(tx *sql.Tx) error {
		if err := f.readFolders(ctx, tx); err != nil {
			return fmt.Errorf("folders: %w", err)
		}
		var oldest sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM letter WHERE state IN ('queued', 'sending', 'dot')),
			(SELECT min(queued_at) FROM letter WHERE state IN ('queued', 'sending', 'dot')),
			(SELECT count(*) FROM letter WHERE state = 'failed')`).Scan(&f.LettersWaiting, &oldest, &f.LettersFailed)
		if err != nil {
			return fmt.Errorf("letters: %w", err)
		}
		if oldest.Valid {
			f.OldestLetter = fromMicros(oldest.Int64)
		}
		for state := range f.Cases {
			var n int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM reset_case WHERE state = $1`, string(state)).Scan(&n); err != nil {
				return fmt.Errorf("cases: %w", err)
			}
			f.Cases[state] = n
		}
		return nil
	})
	return f, err
}

func (f *Figures) readFolders(ctx context.Context, tx *sql.Tx) error {
	f.Folders = nil
	rows, err := tx.QueryContext(ctx, `SELECT mailbox, folder, sum(received), '' AS fate, 0 AS mails FROM mail_tally GROUP BY mailbox, folder
		UNION ALL SELECT mailbox, folder, 0, fate, mails FROM fate_tally ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		one := FolderFigures{Fates: map[string]int{}}
		var fate string
		var mails int
		if err := rows.Scan(&one.Mailbox, &one.Folder, &one.Received, &fate, &mails); err != nil {
			return err
		}
		if n := len(f.Folders); n == 0 || f.Folders[n-1].Mailbox != one.Mailbox || f.Folders[n-1].Folder != one.Folder {
			f.Folders = append(f.Folders, one)
		} else {
			f.Folders[n-1].Received += one.Received
		}
		f.Folders[len(f.Folders)-1].Fates[fate] += mails
	}
	return rows.Err()
}
