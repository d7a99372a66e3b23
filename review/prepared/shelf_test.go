package prepared_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/resetdesk/resetdesk/review/prepared"
)

// TestShelf: the next handle of a database has the connection of the one before with
// its statements, and nothing that was begun on it; a handle of another has not.
func TestShelf(t *testing.T) {
	var shelf prepared.Shelf
	dir := t.TempDir()
	at := func(name string) *sql.DB {
		db, err := shelf.Open("file:"+filepath.Join(dir, name)+"?_txlock=immediate&_pragma=journal_mode(wal)", 3)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		return db
	}
	closed := func(db *sql.DB) {
		t.Helper()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	first := at("a.db")
	do(t, first, `CREATE TABLE fruit (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`)
	do(t, first, `CREATE TEMP TABLE mark (n)`)
	do(t, first, `INSERT INTO fruit (name) VALUES ($1)`, "plum")
	want := held(t, first)
	do(t, first, `BEGIN`)
	do(t, first, `INSERT INTO fruit (name) VALUES ($1)`, "a fruit never ripe")
	closed(first)

	other := at("b.db")
	if n := held(t, other); n != 0 {
		t.Errorf("the handle of another database has %d bytes of statements", n)
	}
	closed(other)

	second := at("a.db")
	do(t, second, `INSERT INTO mark VALUES (1)`)
	if n := held(t, second); n < want {
		t.Errorf("%d bytes of statements are left of %d", n, want)
	}
	var n int
	if err := second.QueryRow(`SELECT count(*) FROM fruit`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d fruits, %v: what was begun came to be", n, err)
	}
	do(t, second, `INSERT INTO fruit (name) VALUES ($1)`, "pear")
	if err := shelf.Close(); err != nil {
		t.Error(err)
	}
	closed(second)

	third := at("a.db")
	defer third.Close()
	if _, err := third.Exec(`INSERT INTO mark VALUES (1)`); err == nil {
		t.Error("a shelf that was closed gave a connection")
	}
	if err := third.QueryRow(`SELECT count(*) FROM fruit`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d fruits, %v", n, err)
	}
}
