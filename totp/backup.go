package totp

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	backupCodes       = 10
	backupSalt        = 16
	purposeBackupCode = "totp backup code"
)

// RenewBackupCodes replaces the backup codes and returns the new ones, which
// cannot be shown again. The proof is a current code, authenticator or backup.
// Tell the user by mail (NIST SP 800-63B-4 4.2.1.1).
func (b *Book) RenewBackupCodes(ctx context.Context, user string, p Proof) ([]string, error) {
	if p.Code == "" {
		return nil, ErrProofRequired
	}
	g, ok := readGuess(p.Code)
	if !ok {
		return nil, ErrInvalidCode
	}
	var codes []string
	err := b.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		s, err := b.enrolled(ctx, tx, user)
		if err != nil {
			return err
		}
		if _, err := b.prove(ctx, tx, user, s, g, now); err != nil {
			return err
		}
		if err := note(ctx, tx, user, s.generation, EventCodesRenewed, now, ""); err != nil {
			return err
		}
		codes, err = b.renew(ctx, tx, user, s.generation, now)
		return err
	})
	if err != nil {
		return nil, fault("renew backup codes", err)
	}
	return codes, nil
}

// renew ends the live set and makes a new one.
func (b *Book) renew(ctx context.Context, tx *sql.Tx, user string, generation int64, now time.Time) ([]string, error) {
	if _, err := tx.ExecContext(ctx, `
		UPDATE backup_set SET state = 'replaced', ended_at = $1 WHERE user_id = $2 AND state = 'active'`,
		now.UnixMicro(), user); err != nil {
		return nil, fmt.Errorf("replace backup codes: %w", err)
	}
	salt := make([]byte, backupSalt)
	rand.Read(salt)
	var set int64
	if err := tx.QueryRowContext(ctx, `
		INSERT INTO backup_set (user_id, generation, salt, state, created_at)
		VALUES ($1, $2, $3, 'active', $4) RETURNING id`, user, generation, salt, now.UnixMicro()).Scan(&set); err != nil {
		return nil, fmt.Errorf("replace backup codes: %w", err)
	}
	codes := make([]string, backupCodes)
	for i := range codes {
		code := newCode(backupLength)
		codes[i] = group(code, "-")
		if _, err := tx.ExecContext(ctx, `INSERT INTO backup_code (set_id, hash) VALUES ($1, $2)`,
			set, b.backupHash(user, salt, code)); err != nil {
			return nil, fmt.Errorf("replace backup codes: %w", err)
		}
	}
	return codes, nil
}

// backupHash is a keyed hash with a salt a set. With 65 random bits a code
// needs no slow hash, and its key is not in the database.
func (b *Book) backupHash(user string, salt []byte, code string) []byte {
	return b.keys.MAC(purposeBackupCode, []byte(user), salt, []byte(code))
}

// claimBackupCode uses the code up, or returns ErrInvalidCode.
func (b *Book) claimBackupCode(ctx context.Context, tx *sql.Tx, user, code string, now time.Time) error {
	var set int64
	var salt []byte
	err := tx.QueryRowContext(ctx, `SELECT id, salt FROM backup_set WHERE user_id = $1 AND state = 'active'`, user).Scan(&set, &salt)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrInvalidCode
	}
	if err != nil {
		return fmt.Errorf("claim backup code: %w", err)
	}
	found, err := hit(tx.ExecContext(ctx, `
		UPDATE backup_code SET used_at = $1 WHERE set_id = $2 AND hash = $3 AND used_at IS NULL`,
		now.UnixMicro(), set, b.backupHash(user, salt, code)))
	if err != nil {
		return fmt.Errorf("claim backup code: %w", err)
	}
	if !found {
		return ErrInvalidCode
	}
	return nil
}
