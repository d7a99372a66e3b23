package totp

import (
	"context"
	"database/sql"
	"fmt"
)

// resealBatch rows are sealed anew in one transaction. Tests make it 1.
var resealBatch = 100

// Reseal seals every stored secret anew that is not under the primary key of
// the keyring, in small transactions, and returns how many there were. Run it
// after [Keyring.Rotate]; when it is through, the older keys open no factor any
// more. It may be cut at any point and run again beside logins.
func (b *Book) Reseal(ctx context.Context) (int, error) {
	total := 0
	for after := int64(0); ; {
		var n int
		var last int64
		err := b.commit(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
			n, last, err = b.resealSome(ctx, tx, after)
			return err
		})
		if err != nil {
			return total, fault("reseal", err)
		}
		total += n
		if last == 0 {
			return total, nil
		}
		after = last
	}
}

// resealSome looks at the next rows by id and returns the last one, 0 at the end.
func (b *Book) resealSome(ctx context.Context, tx *sql.Tx, after int64) (n int, last int64, err error) {
	type row struct {
		id, generation int64
		user           string
		sealed         []byte
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT id, user_id, generation, sealed FROM credential WHERE id > $1 ORDER BY id LIMIT $2`, after, resealBatch)
	if err != nil {
		return 0, 0, fmt.Errorf("read secrets: %w", err)
	}
	defer rows.Close()
	var old []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.user, &r.generation, &r.sealed); err != nil {
			return 0, 0, fmt.Errorf("read secrets: %w", err)
		}
		if last = r.id; !b.keys.current(r.sealed) {
			old = append(old, r)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, fmt.Errorf("read secrets: %w", err)
	}
	for _, r := range old {
		id := sealID(r.user, r.generation)
		secret, err := b.keys.Open(purposeSecret, id, r.sealed)
		if err != nil {
			return 0, 0, err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE credential SET sealed = $1 WHERE id = $2`,
			b.keys.Seal(purposeSecret, id, secret), r.id); err != nil {
			return 0, 0, fmt.Errorf("write secret: %w", err)
		}
	}
	return len(old), last, nil
}
