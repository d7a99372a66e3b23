package prepared_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"github.com/resetdesk/resetdesk/review/prepared"
)

func open(t testing.TB, size int) *sql.DB {
	t.Helper()
	db, err := prepared.Open("file:"+filepath.Join(t.TempDir(), "t.db")+"?_txlock=immediate&_pragma=journal_mode(wal)", size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	do(t, db, `CREATE TABLE fruit (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`)
	return db
}

func do(t testing.TB, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.Exec(text, args...); err != nil {
		t.Fatal(err)
	}
}

// held says how many bytes of statements the connection holds.
func held(t testing.TB, db *sql.DB) (bytes int) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(dc any) error {
		wrapped := dc.(interface{ Unwrap() driver.Conn })
		bytes, _, err = wrapped.Unwrap().(sqlite.DBStatus).Status(sqlite.DBStatusStmtUsed, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestKeeps: a statement stays with its connection, no more of them than the size
// says, and pragmas and definitions do not.
func TestKeeps(t *testing.T) {
	db := open(t, 3)
	do(t, db, `PRAGMA foreign_keys = on`)
	if n := held(t, db); n != 0 {
		t.Errorf("%d bytes of statements after a definition and a pragma, want 0", n)
	}
	var sizes []int
	for i := range 9 {
		do(t, db, fmt.Sprintf(`INSERT INTO fruit (name) VALUES ($1 || '%d')`, i), "plum")
		sizes = append(sizes, held(t, db))
	}
	if sizes[0] == 0 || sizes[2] <= sizes[1] || sizes[8] != sizes[2] {
		t.Errorf("bytes held after each of nine texts, of which three are kept: %v", sizes)
	}
}

// TestSameTextInsideItself: rows that are open keep their statement to themselves.
func TestSameTextInsideItself(t *testing.T) {
	db := open(t, 3)
	for _, name := range []string{"apple", "pear", "plum"} {
		do(t, db, `INSERT INTO fruit (name) VALUES ($1)`, name)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const text = `SELECT name FROM fruit WHERE name > $1 ORDER BY name`
	outer, err := tx.Query(text, "")
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	var got []string
	for outer.Next() {
		var name, next string
		if err := outer.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(text, name).Scan(&next); err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		got = append(got, name+" "+next)
	}
	if fmt.Sprint(got) != "[apple pear pear plum plum ]" {
		t.Errorf("got %q", got)
	}
}

// TestAfterErrors: a refused statement, a cancelled one and one left in the middle
// hinder none that comes after, and nothing of them stays behind.
func TestAfterErrors(t *testing.T) {
	db := open(t, 3)
	const insert = `INSERT INTO fruit (name) VALUES ($1)`
	for i := range 50 {
		do(t, db, insert, fmt.Sprint("fruit ", i))
		if _, err := db.Exec(insert, fmt.Sprint("fruit ", i)); err == nil {
			t.Fatal("the same name twice was taken")
		}
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := db.QueryContext(ctx, `SELECT name FROM fruit`)
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		cancel()
		rows.Close()
	}
	do(t, db, `DROP TABLE fruit`)
	do(t, db, `CREATE TABLE fruit (id INTEGER PRIMARY KEY, name TEXT, ripe INTEGER NOT NULL DEFAULT 1)`)
	do(t, db, insert, "quince")
	var name string
	var ripe bool
	if err := db.QueryRow(`SELECT name, ripe FROM fruit`).Scan(&name, &ripe); err != nil || name != "quince" || !ripe {
		t.Errorf("after the table was made anew: %q, %v, %v", name, ripe, err)
	}
}

// TestReadersBesideAWriter: idle statements hold no snapshot and no lock.
func TestReadersBesideAWriter(t *testing.T) {
	db := open(t, 3)
	db.SetMaxOpenConns(4)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				var n int
				if err := db.QueryRow(`SELECT count(*) FROM fruit`).Scan(&n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 100 {
		do(t, db, `INSERT INTO fruit (name) VALUES ($1)`, i)
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM fruit`).Scan(&n); err != nil || n != i+1 {
			t.Fatalf("%d rows after %d inserts, %v", n, i+1, err)
		}
	}
	all.Wait()
	var busy, log, done int
	if err := db.QueryRow(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &done); err != nil || busy != 0 {
		t.Errorf("a checkpoint is hindered: busy %d, %v", busy, err)
	}
}
