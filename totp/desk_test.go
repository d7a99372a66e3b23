package totp_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/totp"
	_ "modernc.org/sqlite"
)

const jane = "U-17"

// A desk is a real database file with a Book over it, and the user jane.
type desk struct {
	testing.TB
	path string
	db   *sql.DB
	keys *totp.Keyring
	book *totp.Book
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{TB: t, path: filepath.Join(t.TempDir(), "desk.db"), keys: keys}
	d.db = open(t, d.path)
	if _, err := d.db.Exec(resetdesk.Schema); err != nil {
		t.Fatal(err)
	}
	d.book = d.open(d.db)
	d.register(jane, false)
	return d
}

// open gives one more handle on a database, as another process would have.
func open(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := handle(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func handle(path string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"recursive_triggers(1)", "busy_timeout(20000)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func (d *desk) open(db *sql.DB) *totp.Book {
	d.Helper()
	b, err := totp.Open(db, d.keys, totp.Policy{Issuer: "Example Panel"})
	if err != nil {
		d.Fatal(err)
	}
	return b
}

func (d *desk) tx(do func(tx *sql.Tx) error) error {
	d.Helper()
	tx, err := d.db.Begin()
	if err != nil {
		d.Fatal(err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) register(user string, apiOnly bool) {
	d.Helper()
	d.must(d.tx(func(tx *sql.Tx) error { return totp.Register(d.Context(), tx, user, apiOnly) }))
}

// script runs a file of testdata for case and reset n.
func (d *desk) script(tx *sql.Tx, name string, n, generation int64, at time.Time) error {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		d.Fatal(err)
	}
	_, err = tx.Exec(strings.NewReplacer("{{n}}", fmt.Sprint(n), "{{generation}}", fmt.Sprint(generation),
		"{{at}}", strconv.FormatInt(at.UnixMicro(), 10), "{{user}}", jane).Replace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (d *desk) exec(query string, args ...any) error {
	_, err := d.db.Exec(query, args...)
	return err
}

// enroll proves a new authenticator and returns it with its backup codes.
func (d *desk) enroll(user string, p totp.Proof) (totp.Key, []string) {
	d.Helper()
	e, err := d.book.Begin(d.Context(), user, user+"@example", p)
	d.must(err)
	codes, err := d.book.Confirm(d.Context(), user, e.ID, at(e.Key, time.Now()))
	d.must(err)
	return e.Key, codes
}

// reset makes the legal rows of reset n and clears jane's generation n; it
// returns the pass.
func (d *desk) reset(n int64) string {
	d.Helper()
	now, pass := time.Now(), ""
	d.must(d.tx(func(tx *sql.Tx) (err error) {
		if n == 1 {
			if err := d.script(tx, "desk.sql", n, n, now); err != nil {
				return err
			}
		}
		if err := d.script(tx, "reset.sql", n, n, now); err != nil {
			return err
		}
		if err := totp.Clear(d.Context(), tx, jane, n, totp.Reason{At: now, HoldUntil: now.Add(time.Hour)}); err != nil {
			return err
		}
		if pass, _, err = d.book.IssuePass(d.Context(), tx, jane, n, now); err != nil {
			return err
		}
		return d.script(tx, "cleared.sql", n, n, now)
	}))
	return pass
}

// undo takes reset n back.
func (d *desk) undo(n int64) error {
	now := time.Now()
	return d.tx(func(tx *sql.Tx) error {
		if err := d.script(tx, "undo.sql", n, n, now); err != nil {
			return err
		}
		return totp.Undo(d.Context(), tx, jane, n, now)
	})
}

func (d *desk) status(user string) totp.Status {
	d.Helper()
	s, err := d.book.Status(d.Context(), user)
	d.must(err)
	return s
}

// at is the authenticator: an independent one, so that the package does not
// check itself.
func at(k totp.Key, t time.Time) string {
	u, err := otp.NewKeyFromURL(k.URI())
	if err != nil {
		panic(err)
	}
	return atURL(u, t)
}

func atURL(u *otp.Key, t time.Time) string {
	code, err := potp.GenerateCodeCustom(u.Secret(), t, potp.ValidateOpts{
		Period: uint(u.Period()), Digits: u.Digits(), Algorithm: u.Algorithm()})
	if err != nil {
		panic(err)
	}
	return code
}

// wrong is a code that the key has in no step near t.
func wrong(k totp.Key, t time.Time) string {
	near := map[string]bool{}
	for i := -3; i <= 3; i++ {
		near[at(k, t.Add(time.Duration(i)*30*time.Second))] = true
	}
	for i := 0; ; i++ {
		if c := fmt.Sprintf("%06d", i); !near[c] {
			return c
		}
	}
}
