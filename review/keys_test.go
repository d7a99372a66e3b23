package review_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// Every column that holds something sealed is watched: a new one without an
// entry in the list would be lost with an old key.
func TestSealedColumnsAreKnown(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		tables, err := stringsOf(h.sql(), `SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND c.name LIKE '%seal%' ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		known := review.SealedTables()
		for _, name := range tables {
			table, _, _ := strings.Cut(name, ".")
			if !slices.Contains(known, table) {
				t.Errorf("%s is not in sealedColumns of review/keys.go", name)
			}
		}
		if len(tables) < 3 {
			t.Errorf("only %v", tables)
		}
	})
}

// A database with a value under a key that is not in the key file is refused at
// start, by the name of the key, and not at the login of that user.
func TestMissingKeyIsRefused(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.live()
		old := h.cfg.Keys
		rotated, err := old.Rotate()
		if err != nil {
			t.Fatal(err)
		}
		h.open()
		if _, err := h.desk.Reseal(t.Context(), rotated); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		h.cfg.Keys = rotated.Keep()
		h.open() // the old key is not needed any more
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		// A panel that was not stopped sealed one more with the old key.
		if _, err := h.sql().Exec(`UPDATE credential SET sealed = $1 WHERE user_id = 'U-2' AND state = 'active'`,
			old.Seal("totp secret", "1:U-2", make([]byte, 20))); err != nil {
			t.Fatal(err)
		}
		_, err = review.Open(t.Context(), h.cfg)
		if err == nil || !strings.Contains(err.Error(), "credential") || !strings.Contains(err.Error(), "key "+old.IDs()[0]) ||
			!strings.Contains(err.Error(), "put back") {
			t.Errorf("opened without a key that is needed: %v", err)
		}
		h.cfg.Keys = rotated
		h.open()
	})
}

// A rotation that is cut at any row, before the row or right after it, leaves a
// database that opens and works with the new key file, and goes on from there.
func TestRotationCutAtEveryRow(t *testing.T) {
	review.ResealOneByOne(t)
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.live()
		ctx := t.Context()
		rotated, err := h.cfg.Keys.Rotate()
		if err != nil {
			t.Fatal(err)
		}
		h.cfg.Keys = rotated
		letters := h.count(`SELECT count(*) FROM letter`)
		stops := []string{"credential WHEN 1"}
		for i := range letters {
			stops = append(stops, fmt.Sprintf("letter WHEN OLD.id = (SELECT id FROM letter ORDER BY id LIMIT 1 OFFSET %d)", i))
		}
		stops = append(stops, "meta WHEN OLD.name = 'canary'")
		for _, stop := range stops {
			h.open()
			table, when, _ := strings.Cut(stop, " ")
			if _, err := h.sql().Exec(`CREATE TRIGGER stop BEFORE UPDATE ON ` + table + ` ` + when + ` BEGIN SELECT RAISE(ABORT, 'the power is off'); END`); err != nil {
				t.Fatal(err)
			}
			if _, err := h.desk.Reseal(ctx, rotated); err == nil || !strings.Contains(err.Error(), "power") {
				t.Fatalf("not cut at %s: %v", stop, err)
			}
			if _, err := h.sql().Exec(`DROP TRIGGER stop`); err != nil {
				t.Fatal(err)
			}
			if unfinished, err := h.desk.Unsealed(ctx, rotated); err != nil || !unfinished {
				t.Fatalf("cut at %s, and through: %v, %v", stop, unfinished, err)
			}
			h.wantSealed(rotated)
			if err := h.desk.Close(); err != nil {
				t.Fatal(err)
			}
		}
		h.open()
		done, err := h.desk.Reseal(ctx, rotated)
		if err != nil || done["meta"] != 1 || done["letter"] != 0 {
			t.Fatalf("the last run: %v, %v", done, err)
		}
		if unfinished, err := h.desk.Unsealed(ctx, rotated); err != nil || unfinished {
			t.Errorf("not through: %v, %v", unfinished, err)
		}
		h.wantSealed(rotated.Keep())
		h.sound()
	})
}

// wantSealed opens every letter and wants the bytes that were written down.
func (h *house) wantSealed(keys *totp.Keyring) {
	h.t.Helper()
	rows, err := h.sql().Query(`SELECT message_id, sealed, sha256 FROM letter`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var sealed, want []byte
		if err := rows.Scan(&id, &sealed, &want); err != nil {
			h.t.Fatal(err)
		}
		plain, err := keys.Open("letter", id, sealed)
		if sum := sha256.Sum256(plain); err != nil || string(sum[:]) != string(want) {
			h.t.Errorf("letter %s: %v", id, err)
		}
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
}
