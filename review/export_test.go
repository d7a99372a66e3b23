package review

import (
	"context"
	"fmt"
	"testing"
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

// ResealOneByOne makes each row of a rotation its own transaction until the test
// ends.
func ResealOneByOne(t testing.TB) {
	old := resealBatch
	resealBatch = 1
	t.Cleanup(func() { resealBatch = old })
}

// SealedTables are the tables with a column that the keyring sealed.
func SealedTables() (all []string) {
	for _, c := range sealedColumns {
		all = append(all, c.table)
	}
	return all
}

// BooksSQL is the query of the mail report, for its plan.
const BooksSQL = booksSQL
