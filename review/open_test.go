package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// One process owns the database; the second hears so at once.
func TestOpenTwice(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		begin := time.Now()
		desk, err := review.Open(t.Context(), h.cfg)
		if err == nil {
			desk.Close()
		}
		if !errors.Is(err, review.ErrInUse) || !strings.Contains(err.Error(), "in use by another resetdesk process") {
			t.Errorf("second open: %v", err)
		}
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("it took %s", waited)
		}
		h.reopen() // the refused one has left the lock with its owner
	})
}

func TestOpenRefusesOtherKeys(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		cfg := h.cfg
		var err error
		if cfg.Keys, err = totp.NewKeyring(); err != nil {
			t.Fatal(err)
		}
		if desk, err := review.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "the key file does not belong to this database") {
			desk.Close()
			t.Errorf("other keys: %v", err)
		}
		if cfg.Keys, err = h.keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		desk, err := review.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("a rotated keyring still has the old key: %v", err)
		}
		desk.Close()
	})
}

// A database in memory has no write-ahead log: the pragma that is read back is
// not the one that was set.
func TestOpenRefusesOtherPragmas(t *testing.T) {
	t.Chdir(t.TempDir())
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	desk, err := review.Open(t.Context(), review.Config{Path: ":memory:", Keys: keys, Brand: "Example"})
	if err == nil {
		desk.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "pragma journal_mode is") {
		t.Errorf("open: %v", err)
	}
}

// Design 3 and promises D2, D6: the promises rest on these settings of every
// connection, whatever the program believes to have set.
func TestPragmas(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for name, want := range map[string][2]string{"journal_mode": {"wal", "wal"}, "synchronous": {"2", "2"}, "foreign_keys": {"1", "1"},
			"recursive_triggers": {"1", "1"}, "secure_delete": {"1", "1"}, "busy_timeout": {"5000", "5000"}, "query_only": {"0", "1"}} {
			writer, reader, err := h.desk.Pragmas(t.Context(), name)
			if err != nil || writer != want[0] || reader != want[1] {
				t.Errorf("%s is %s and %s, %v, want %s", name, writer, reader, err, want)
			}
		}
	})
}

// A panel may share the database. Whoever comes second waits and is not told that
// the database is locked: a transaction begins IMMEDIATE, before it reads what
// it will rest on.
func TestWaitsForAnotherWriter(t *testing.T) {
	h := newHouse(t, t.TempDir(), nil)
	v, _ := h.ask("anna@acme.example", forUser("jane"))
	other, err := h.sql().Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(`UPDATE panel_user SET remind_at = remind_at + 1 WHERE id = 'U-1'`); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() { held <- h.desk.Hold(t.Context(), h.sam, decision(v, "", "to be called")) }()
	select {
	case err := <-held:
		t.Fatalf("the desk did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-held; err != nil {
		t.Errorf("behind another writer: %v", err)
	}
}
