package review

import (
	"context"
	"fmt"
)

// LimitPages makes the database full at its present size and so many pages more,
// as a full disk would; 0 gives space again.
func (d *Desk) LimitPages(ctx context.Context, more int) error {
	limit := 1 << 30
	if more > 0 {
		var used int
		if err := d.db.write.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&used); err != nil {
			return err
		}
		limit = used + more
	}
	_, err := d.db.write.ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, limit))
	return err
}

// Pragmas reads a pragma of the writer and of a reader.
func (d *Desk) Pragmas(ctx context.Context, name string) (writer, reader string, err error) {
	err = d.db.write.QueryRowContext(ctx, `PRAGMA `+name).Scan(&writer)
	if err == nil {
		err = d.db.read.QueryRowContext(ctx, `PRAGMA `+name).Scan(&reader)
	}
	return writer, reader, err
}

// Purge forgets what is due, as Run does every hour.
func (d *Desk) Purge(ctx context.Context) error { return d.purge(ctx) }
