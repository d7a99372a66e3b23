package review

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/resetdesk/resetdesk/totp"
)

// A sealedColumn is a column that holds what the keyring sealed. Each has an
// index on substr(…, 2, 4), where the id of the key stands.
type sealedColumn struct {
	table, column string
	purpose       string // as given to Seal; "": not sealed anew by resealColumn
	bound         string // the column with the id given to Seal
}

// sealedColumns are all of them but the canary. A rotation seals anew what
// stays: credentials by [totp.Book.Reseal], answers of the API not at all, since
// they live for a day.
var sealedColumns = []sealedColumn{
	{table: "credential", column: "sealed"},
	{table: "letter", column: "sealed", purpose: "letter", bound: "message_id"},
	{table: "idempotency", column: "sealed"},
	{table: "webhook", column: "sealed", purpose: webhookSecret, bound: "id"},
	{table: "webhook", column: "old_sealed", purpose: webhookSecret, bound: "id"},
}

// resealBatch rows are sealed anew in one transaction. Tests make it 1.
var resealBatch = 100

// A KeyUse says how many values a key sealed.
type KeyUse struct {
	ID    string         `json:"id"`
	Rows  map[string]int `json:"rows"` // by table
	Known bool           `json:"known"`
}

// KeysInUse returns the keys that sealed something that is still there, by id.
func (d *Desk) KeysInUse(ctx context.Context) ([]KeyUse, error) {
	return keysInUse(ctx, d.db.write, d.cfg.Keys, true)
}

// keysInUse goes from one key id to the next by the indexes: it costs by the
// number of keys, and by that of rows only where they are counted.
func keysInUse(ctx context.Context, db *sql.DB, keys *totp.Keyring, count bool) ([]KeyUse, error) {
	var all []KeyUse
	add := func(id, table string, n int) {
		i := slices.IndexFunc(all, func(k KeyUse) bool { return k.ID == id })
		if i < 0 {
			i = len(all)
			all = append(all, KeyUse{ID: id, Rows: map[string]int{}, Known: slices.Contains(keys.IDs(), id)})
		}
		all[i].Rows[table] += n
	}
	canary, err := readCanary(ctx, db)
	if err != nil {
		return nil, err
	}
	if canary != nil {
		add(totp.KeyID(canary), "meta", 1)
	}
	for _, c := range sealedColumns {
		for last := []byte{}; ; {
			err := db.QueryRowContext(ctx, `SELECT substr(`+c.column+`, 2, 4) FROM `+c.table+`
				WHERE `+c.column+` IS NOT NULL AND substr(`+c.column+`, 2, 4) > $1 ORDER BY substr(`+c.column+`, 2, 4) LIMIT 1`, last).Scan(&last)
			if errors.Is(err, sql.ErrNoRows) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read keys of %s: %w", c.table, err)
			}
			n := 1
			if count {
				err := db.QueryRowContext(ctx, `SELECT count(*) FROM `+c.table+`
					WHERE `+c.column+` IS NOT NULL AND substr(`+c.column+`, 2, 4) = $1`, last).Scan(&n)
				if err != nil {
					return nil, fmt.Errorf("read keys of %s: %w", c.table, err)
				}
			}
			add(hex.EncodeToString(last), c.table, n)
		}
	}
	return all, nil
}

// readCanary returns nil if the database has none yet.
func readCanary(ctx context.Context, q totp.Querier) ([]byte, error) {
	var text string
	err := q.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'canary'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read canary: %w", err)
	}
	if sealed, err := decodeBytes(text); err == nil {
		return sealed, nil
	}
	return []byte{}, nil
}

const (
	purposeCanary = "canary"
	canaryID      = "meta"
)

// checkKeys opens the canary that the first start sealed, and looks for values
// of keys that are not on the keyring: with other keys users' second factors
// would be unreadable, so the desk refuses to start.
func (d *Desk) checkKeys(ctx context.Context) error {
	sealed, err := readCanary(ctx, d.db.write)
	if err != nil {
		return err
	}
	if sealed == nil {
		_, err = d.db.write.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('canary', $1)`,
			encodeBytes(d.cfg.Keys.Seal(purposeCanary, canaryID, []byte("canary"))))
		if err != nil {
			return fmt.Errorf("write canary: %w", err)
		}
		return nil
	}
	return keysFit(ctx, d.db.write, d.cfg.Keys, sealed)
}

// keysFit is the check without the writing: sealed is the canary.
func keysFit(ctx context.Context, db *sql.DB, keys *totp.Keyring, sealed []byte) error {
	if _, err := keys.Open(purposeCanary, canaryID, sealed); err != nil {
		return errors.New("the key file does not belong to this database: start with the key file that was made with it")
	}
	used, err := keysInUse(ctx, db, keys, false)
	if err != nil {
		return err
	}
	for _, k := range used {
		for table := range k.Rows {
			if !k.Known {
				return fmt.Errorf("rows of table %s are sealed with key %s, which is not in the key file: "+
					"put back a copy of the key file that has it, from before the last resetdesk keys rotate", table, k.ID)
			}
		}
	}
	return nil
}

// Unsealed tells whether something that a rotation seals anew is under another
// key than the primary one of keys: a rotation has not come to its end.
func (d *Desk) Unsealed(ctx context.Context, keys *totp.Keyring) (bool, error) {
	used, err := keysInUse(ctx, d.db.write, keys, false)
	if err != nil {
		return false, err
	}
	for _, k := range used {
		if k.Rows["credential"]+k.Rows["letter"]+k.Rows["meta"] > 0 && k.ID != keys.IDs()[0] {
			return true, nil
		}
	}
	return false, nil
}

// Reseal seals everything that stays with the primary key of keys, in small
// transactions, and returns how many rows of which table it changed. It may be
// cut at any point and run again. keys must hold the keys that are in use.
func (d *Desk) Reseal(ctx context.Context, keys *totp.Keyring) (map[string]int, error) {
	done := map[string]int{}
	book, err := totp.Open(d.db.write, keys, d.cfg.TOTP)
	if err != nil {
		return done, err
	}
	if done["credential"], err = book.Reseal(ctx); err != nil {
		return done, err
	}
	for _, c := range sealedColumns {
		if c.purpose == "" {
			continue
		}
		for n := 1; n > 0; done[c.table] += n {
			if n, err = d.resealColumn(ctx, c, keys); err != nil {
				return done, err
			}
		}
	}
	done["meta"], err = d.resealCanary(ctx, keys)
	return done, err
}

// resealColumn seals some rows anew and returns how many, 0 at the end.
func (d *Desk) resealColumn(ctx context.Context, c sealedColumn, keys *totp.Keyring) (n int, err error) {
	current, err := hex.DecodeString(keys.IDs()[0])
	if err != nil {
		return 0, err
	}
	err = d.update(ctx, "reseal "+c.table, func(tx *sql.Tx) error {
		type row struct {
			id     int64
			bound  string
			sealed []byte
		}
		rows, err := tx.QueryContext(ctx, `SELECT id, `+c.bound+`, `+c.column+` FROM `+c.table+`
			WHERE substr(`+c.column+`, 2, 4) < $1 OR substr(`+c.column+`, 2, 4) > $1 LIMIT $2`, current, resealBatch)
		if err != nil {
			return err
		}
		defer rows.Close()
		var old []row
		for rows.Next() {
			var r row
			if err := rows.Scan(&r.id, &r.bound, &r.sealed); err != nil {
				return err
			}
			old = append(old, r)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, r := range old {
			plain, err := keys.Open(c.purpose, r.bound, r.sealed)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE `+c.table+` SET `+c.column+` = $1 WHERE id = $2`, keys.Seal(c.purpose, r.bound, plain), r.id)
			if err != nil {
				return err
			}
		}
		n = len(old)
		return nil
	})
	return n, err
}

func (d *Desk) resealCanary(ctx context.Context, keys *totp.Keyring) (n int, err error) {
	err = d.update(ctx, "reseal canary", func(tx *sql.Tx) error {
		sealed, err := readCanary(ctx, tx)
		if err != nil || totp.KeyID(sealed) == keys.IDs()[0] {
			return err
		}
		plain, err := keys.Open(purposeCanary, canaryID, sealed)
		if err != nil {
			return err
		}
		n = 1
		return changed(tx.ExecContext(ctx, `UPDATE meta SET value = $1 WHERE name = 'canary'`,
			encodeBytes(keys.Seal(purposeCanary, canaryID, plain))))
	})
	return n, err
}
