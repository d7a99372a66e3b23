package simulation

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/resetdesk/resetdesk/review/prepared"
)

// page is the size of a page of the databases.
const page = 4096

// A stand is where one course takes place after the other. Its database is set back
// from below its open connections, for to open one costs more than a course.
type stand struct {
	dir   string
	path  string
	shelf prepared.Shelf
	below *sql.DB
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{dir: memoryDir(t)}
	s.path = filepath.Join(s.dir, "desk.db")
	err := os.WriteFile(s.path, situationOf(t, "nothing").db, 0o600)
	if err == nil {
		s.below, err = prepared.Open("file:"+s.path+"?_txlock=immediate", 10)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.below.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := errors.Join(s.shelf.Close(), s.below.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// memoryDir is a directory in memory, as long as the test lasts.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "resetdesk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// anew makes a fresh database of a situation, for one course.
func (s *stand) anew(t *testing.T, of *situation) (path string) {
	t.Helper()
	dir := filepath.Join(s.dir, "anew")
	path = filepath.Join(dir, "desk.db")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.WriteFile(path, of.db, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// rewind makes the database that of a situation again: it writes the pages that
// differ, in one transaction, as SQLite's own sqlite_dbpage lets one. All situations
// have the schema of the first, page for page, so what the open connections have
// read of it and prepared stays right, and their caches end with the commit.
func (s *stand) rewind(t *testing.T, to *situation) {
	t.Helper()
	if err := s.write(to.db); err != nil {
		t.Fatalf("rewind to %q: %v", to.name, err)
	}
}

func (s *stand) write(db []byte) error {
	if err := emptyLog(s.below); err != nil {
		return err
	}
	return reading(s.path, func(now []byte) error { return s.replace(now, db) })
}

func (s *stand) replace(now, db []byte) error {
	tx, err := s.below.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	const put = `INSERT INTO sqlite_dbpage (pgno, data) VALUES ($1, $2)`
	for n := 0; n < len(db); n += page {
		if n >= len(now) || !bytes.Equal(now[n:n+page], db[n:n+page]) {
			if _, err := tx.Exec(put, n/page+1, db[n:n+page]); err != nil {
				return err
			}
		}
	}
	if len(now) > len(db) { // all from here on
		if _, err := tx.Exec(put, len(db)/page+1, nil); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// emptyLog moves what is in the log of a database into its file.
func emptyLog(db *sql.DB) error {
	var busy, pages, done int
	err := db.QueryRow(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &done)
	if err == nil && busy != 0 {
		err = errors.New("somebody still reads")
	}
	return err
}

var images = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// reading hands the bytes of a file to do, in memory that others use afterwards.
func reading(path string, do func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := images.Get().(*bytes.Buffer)
	defer images.Put(b)
	b.Reset()
	if _, err = b.ReadFrom(f); err != nil {
		return err
	}
	return do(b.Bytes())
}

// TestRewind: the database is page for page that of the situation, and connections
// that were open all the time see it, with the statements that they had prepared.
func TestRewind(t *testing.T) {
	s := newStand(t)
	db, err := s.shelf.Open("file:"+s.path, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const question = `SELECT (SELECT count(*) FROM audit) || ' ' || (SELECT count(*) FROM letter) || ' ' || (SELECT count(*) FROM reset_case)`
	seen := map[string]bool{}
	for i := range 3 * len(situations) {
		to := situationOf(t, situations[i*7%len(situations)].name)
		s.rewind(t, to)
		var got, want, whole string
		if err := errors.Join(db.QueryRow(question).Scan(&got), db.QueryRow(`PRAGMA integrity_check`).Scan(&whole)); err != nil || whole != "ok" {
			t.Fatalf("%q: %s %v", to.name, whole, err)
		}
		path := s.anew(t, to)
		other := plainSQL(t, path)
		if err := errors.Join(other.QueryRow(question).Scan(&want), other.Close()); err != nil || got != want {
			t.Errorf("%q: events, letters and cases %s, want %s, %v", to.name, got, want, err)
		}
		seen[got] = true
		if err := emptyLog(db); err != nil {
			t.Fatal(err)
		}
		now, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, own := range [][2]int{{24, 28}, {92, 100}} { // which SQLite counts up with each commit
			copy(now[own[0]:own[1]], to.db[own[0]:own[1]])
		}
		if !bytes.Equal(now, to.db) {
			t.Errorf("%q: the file is another", to.name)
		}
		if _, err := db.Exec(`PRAGMA user_version = ` + strconv.Itoa(i)); err != nil { // as a course would
			t.Fatal(err)
		}
	}
	if len(seen) < len(situations)/2 {
		t.Errorf("only %d situations can be told apart", len(seen))
	}
}
