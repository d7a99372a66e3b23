package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// repeatLifetime is how long an answer is kept for a repeat of its request.
const repeatLifetime = 24 * time.Hour

// A Request is one request of a key under a name of the caller's choice (the
// Idempotency-Key). Parts is everything that makes it the same one.
type Request struct {
	Key   APIKey
	Name  string
	Parts [][]byte
}

// An Answer is what a request was answered.
type Answer struct {
	Status int
	Header map[string]string `json:",omitempty"`
	Body   []byte
}

// A Claim says what is known of a request.
type Claim int

// What [Desk.ClaimRequest] finds.
const (
	Claimed  Claim = iota // nobody came with this name before: act, then KeepAnswer
	Answered              // done before; the answer comes with it
	Unknown               // claimed before and not answered
	Another               // the name was used for another request
)

const purposeRequest, purposeAnswer = "api request", "api answer"

func (r Request) sealID() string { return fmt.Sprintf("%d:%s", r.Key.ID, r.Name) }

// ClaimRequest claims a request before it is acted upon. Of all who come with the
// same name one gets [Claimed]. The hash of the request is keyed, for the body may
// hold a short code.
func (d *Desk) ClaimRequest(ctx context.Context, r Request) (Claim, Answer, error) {
	hash := d.cfg.Keys.MAC(purposeRequest, r.Parts...)
	claim, a := Unknown, Answer{}
	err := d.update(ctx, "claim request", func(tx *sql.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, `INSERT INTO idempotency (key_id, name, request, created_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING RETURNING 1`, r.Key.ID, r.Name, hash, micros(time.Now())).Scan(&one)
		if err == nil {
			claim = Claimed
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var same bool
		var sealed []byte
		err = tx.QueryRowContext(ctx, `SELECT request = $3, sealed FROM idempotency WHERE key_id = $1 AND name = $2`,
			r.Key.ID, r.Name, hash).Scan(&same, &sealed)
		switch {
		case err != nil:
			return err
		case !same:
			claim = Another
			return nil
		case sealed == nil:
			return nil
		}
		plain, err := d.cfg.Keys.Open(purposeAnswer, r.sealID(), sealed)
		if err != nil {
			return err
		}
		claim = Answered
		return json.Unmarshal(plain, &a)
	})
	return claim, a, err
}

// KeepAnswer stores the answer of a claimed request, sealed: it may hold a secret
// or backup codes.
func (d *Desk) KeepAnswer(ctx context.Context, r Request, a Answer) error {
	plain, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return d.update(ctx, "keep answer", func(tx *sql.Tx) error {
		return changed(tx.ExecContext(ctx, `UPDATE idempotency SET status = $3, sealed = $4, done_at = $5 WHERE key_id = $1 AND name = $2 AND done_at IS NULL`,
			r.Key.ID, r.Name, a.Status, d.cfg.Keys.Seal(purposeAnswer, r.sealID(), plain), micros(time.Now())))
	})
}

// DropClaim forgets a claimed request that is to come again: nothing was done.
func (d *Desk) DropClaim(ctx context.Context, r Request) error {
	return d.update(ctx, "drop claim", func(tx *sql.Tx) error {
		return changed(tx.ExecContext(ctx, `DELETE FROM idempotency WHERE key_id = $1 AND name = $2 AND done_at IS NULL`, r.Key.ID, r.Name))
	})
}

// forgetAnswers ends the day of repeats.
func (d *Desk) forgetAnswers(ctx context.Context) error {
	return d.update(ctx, "forget answers", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE created_at < $1`, micros(time.Now().Add(-repeatLifetime)))
		return err
	})
}
