package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/review/prepared"
)

// ErrInUse says that another process owns the database file.
var ErrInUse = errors.New("the database is in use by another resetdesk process; stop that one first")

// A database is the file with its two handles: one writer connection, whose
// transactions begin IMMEDIATE, and a pool of readers (promises appendix B).
type database struct {
	write, read *sql.DB
	lock        *os.File
}

// keptStatements is how many statements a connection keeps prepared: more than the desk has
// for one task, some megabytes at most.
const keptStatements = 200

// pragmas are set on every connection and read back at start: the driver
// silently ignores a misspelled one. foreign_keys and recursive_triggers carry
// promise 4; WAL with synchronous FULL carries durability (promises D2).
var pragmas = []struct{ name, set, want string }{
	{"busy_timeout", "5000", "5000"},
	{"journal_mode", "wal", "wal"},
	{"synchronous", "full", "2"},
	{"foreign_keys", "on", "1"},
	{"recursive_triggers", "on", "1"},
	{"secure_delete", "on", "1"},
}

// openDatabase locks (if owner) and opens the file at path, creates the schema in a fresh
// one, and refuses a file whose pragmas or schema are not ours.
func openDatabase(ctx context.Context, path string, shelf *prepared.Shelf, owner bool) (_ *database, err error) {
	d := &database{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if owner {
		d.lock, err = lockFile(path + ".lock")
	} else {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, err
	}
	// SQLite would make the file readable for everybody; its side files take
	// the mode of this one. The group is for a panel that shares the database.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o660)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if d.write, err = shelf.Open(dsn(path, ""), keptStatements); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = shelf.Open(dsn(path, "&_pragma=query_only(on)"), keptStatements); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d.read.SetMaxOpenConns(4)
	for _, db := range []*sql.DB{d.write, d.read} {
		if err := checkPragmas(ctx, db); err != nil {
			return nil, err
		}
	}
	if err := migrate(ctx, d.write); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *database) close() error {
	var errs []error
	for _, db := range []*sql.DB{d.read, d.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close()) // closing releases the lock
	}
	return errors.Join(errs...)
}

func dsn(path, more string) string {
	s := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate"
	for _, p := range pragmas {
		s += "&_pragma=" + p.name + "(" + p.set + ")"
	}
	return s + more
}

// lockFile takes the lock that makes one process the owner of the database. It
// is bound to the open file, so that it ends with the process, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock database: %w (%s)", ErrInUse, path)
		}
		return nil, fmt.Errorf("lock database: %w", err)
	}
	return f, nil
}

func checkPragmas(ctx context.Context, db *sql.DB) error {
	for _, p := range pragmas {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if got != p.want {
			return fmt.Errorf("pragma %s is %q, must be %q: the promises do not hold on this database", p.name, got, p.want)
		}
	}
	return nil
}

// migrate brings the schema of a fresh database into being, and refuses a
// database that is newer than this program or whose schema was altered by hand.
func migrate(ctx context.Context, db *sql.DB) error {
	var tables int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'`).Scan(&tables)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	if tables == 0 {
		if err := createSchema(ctx, db); err != nil {
			return err
		}
	}
	var text string
	if err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'schema_version'`).Scan(&text); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	version, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return fmt.Errorf("read schema version: %q is no number", text)
	case version > resetdesk.Version:
		return fmt.Errorf("the database has schema %d, this program knows %d: install the newer resetdesk", version, resetdesk.Version)
	}
	return checkSchema(ctx, db)
}

func createSchema(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, resetdesk.Schema); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('schema_version', $1)`, strconv.Itoa(resetdesk.Version))
	if err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return tx.Commit()
}

// checkSchema compares the catalog with the schema, statement by statement: a
// dropped trigger is a dropped promise.
func checkSchema(ctx context.Context, db *sql.DB) error {
	got, err := catalog(ctx, db)
	if err != nil {
		return err
	}
	want := defined()
	for name, text := range want {
		if !defines(text, got[name]) {
			return fmt.Errorf("check schema: %s is missing or was altered: restore the database from a backup", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("check schema: %s is not part of resetdesk: remove it or restore a backup", name)
		}
	}
	return nil
}

var defined = sync.OnceValue(func() map[string]string { return definitions(resetdesk.Schema) })

// definitions cuts a schema, in which CREATE at the beginning of a line begins a
// statement and nothing else does, by what they define: "table cursor".
func definitions(schema string) map[string]string {
	all := map[string]string{}
	for _, text := range strings.Split("\n"+schema, "\nCREATE ")[1:] {
		kind, rest, _ := strings.Cut(strings.TrimPrefix(text, "UNIQUE "), " ")
		name, _, _ := strings.Cut(rest, " ")
		all[strings.ToLower(kind)+" "+name] = "CREATE " + text
	}
	return all
}

// defines tells whether text is that statement, as SQLite keeps it, and nothing
// but comments behind it.
func defines(text, statement string) bool {
	rest, ok := strings.CutPrefix(text, statement+";")
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		ok = ok && (line == "" || strings.HasPrefix(line, "--"))
	}
	return ok
}

func catalog(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
		if !strings.HasPrefix(name, "sqlite_") {
			all[kind+" "+name] = text
		}
	}
	return all, rows.Err()
}
