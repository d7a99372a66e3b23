package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	maxBatch = 64
	maxQueue = 10_000
)

// A Book keeps the factors of many users in SQL. Several Books, also in several
// processes, may share one database. Safe for concurrent use.
type Book struct {
	db     *sql.DB
	keys   *Keyring
	policy Policy

	mu    sync.Mutex
	queue []*job
	busy  bool

	prepared [len(hot)]*sql.Stmt // of drain alone
}

// The statements of every login. Parsing them costs more than running them, so
// they are prepared once.
const (
	readStanding = iota
	countAttempt
	claimTimeStep
	endFailures
)

var hot = [...]string{
	readStanding: `
		SELECT h.generation, h.locked_until, h.frozen_at IS NOT NULL,
			(SELECT count(*) FROM backup_set b JOIN backup_code n ON n.set_id = b.id
				WHERE b.user_id = h.id AND b.state = 'active' AND n.used_at IS NULL),
			coalesce(c.id, 0), coalesce(c.generation, 0), c.sealed, coalesce(c.label, ''),
			coalesce(c.algorithm, ''), coalesce(c.digits, 0), coalesce(c.period, 0), coalesce(c.last_step, 0)
		FROM holder h LEFT JOIN credential c ON c.user_id = h.id AND c.state = 'active'
		WHERE h.id = $1`,
	countAttempt: `
		UPDATE holder SET failures = failures + 1
		WHERE id = $1 AND locked_until <= $2 AND frozen_at IS NULL
		RETURNING failures`,
	claimTimeStep: `
		UPDATE credential SET last_step = $1 WHERE id = $2 AND state = 'active' AND last_step < $1`,
	endFailures: `
		UPDATE holder SET failures = 0, locked_until = 0, verified_at = $1 WHERE id = $2`,
}

// prepare makes the hot statements ready. It uses the handle itself, so it
// comes before a transaction, never inside one.
func (b *Book) prepare(ctx context.Context) error {
	for i, text := range hot {
		if b.prepared[i] != nil {
			continue
		}
		stmt, err := b.db.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		b.prepared[i] = stmt
	}
	return nil
}

func (b *Book) hot(ctx context.Context, tx *sql.Tx, i int) *sql.Stmt {
	return tx.StmtContext(ctx, b.prepared[i])
}

// A Querier reads: a *sql.DB or a *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Open makes a Book over a database that has the tables of schema.sql. It does
// not touch the database.
func Open(db *sql.DB, keys *Keyring, p Policy) (*Book, error) {
	if db == nil || keys == nil || len(keys.keys) == 0 || len(keys.pepper) == 0 {
		return nil, errors.New("open book: a database and a keyring are required")
	}
	p, err := p.complete()
	if err != nil {
		return nil, fmt.Errorf("open book: %w", err)
	}
	return &Book{db: db, keys: keys, policy: p}, nil
}

// A job is one caller's part of a transaction. It may run twice, the first time
// in a transaction that was rolled back.
type job struct {
	ctx  context.Context
	do   func(ctx context.Context, tx *sql.Tx) error
	done chan error
}

// commit runs do in a transaction and returns when it is durable. Callers who
// wait at the same time share one commit. A refusal of do is committed (the
// attempt was counted), any other error rolls back. If ctx ends first the work
// may still be done: whoever walks away does not get an attempt back.
func (b *Book) commit(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	j := &job{ctx: ctx, do: do, done: make(chan error, 1)}
	b.mu.Lock()
	if len(b.queue) >= maxQueue {
		b.mu.Unlock()
		return errors.New("the database does not keep up")
	}
	b.queue = append(b.queue, j)
	if !b.busy {
		b.busy = true
		go b.drain()
	}
	b.mu.Unlock()
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain works the queue off and ends with it.
func (b *Book) drain() {
	for {
		b.mu.Lock()
		batch := b.queue[:min(len(b.queue), maxBatch)]
		b.queue = b.queue[len(batch):]
		if len(batch) == 0 {
			b.queue, b.busy = nil, false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.settle(batch)
	}
}

// settle commits a batch as one; if that fails, each job gets a transaction of
// its own, so that nobody suffers from a neighbour.
func (b *Book) settle(batch []*job) {
	answers, err := b.transact(batch)
	if err != nil && len(batch) > 1 {
		for i := range batch {
			b.settle(batch[i : i+1])
		}
		return
	}
	for i, j := range batch {
		if err != nil {
			j.done <- err
		} else {
			j.done <- answers[i]
		}
	}
}

// transact returns the answers of the jobs once they are durable, or the fault
// that rolled all of them back.
func (b *Book) transact(batch []*job) (answers []error, err error) {
	ctx := context.Background()
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	answers = make([]error, len(batch))
	for i, j := range batch {
		if answers[i] = j.ctx.Err(); answers[i] != nil {
			continue
		}
		answers[i] = j.do(ctx, tx)
		if answers[i] != nil && !refused(answers[i]) {
			return nil, answers[i]
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return answers, nil
}

// A standing is a user's row of holder with the active factors.
type standing struct {
	generation  int64
	lockedUntil int64
	frozen      bool
	codesLeft   int
	factors     []factor
}

type factor struct {
	id         int64
	generation int64
	key        Key
	lastStep   int64
}

// stand reads and unseals. It returns ErrUnknownUser for an unknown user.
func (b *Book) stand(ctx context.Context, tx *sql.Tx, user string) (standing, error) {
	var s standing
	rows, err := b.hot(ctx, tx, readStanding).QueryContext(ctx, user)
	if err != nil {
		return s, fmt.Errorf("read holder: %w", err)
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		var f factor
		var r sealedKey
		if err := rows.Scan(&s.generation, &s.lockedUntil, &s.frozen, &s.codesLeft,
			&f.id, &r.generation, &r.sealed, &r.label, &r.algorithm, &r.digits, &r.period, &f.lastStep); err != nil {
			return s, fmt.Errorf("read holder: %w", err)
		}
		found = true
		if f.id == 0 {
			continue
		}
		f.generation = r.generation
		if f.key, err = b.unseal(user, r); err != nil {
			return s, fmt.Errorf("read holder: %w", err)
		}
		s.factors = append(s.factors, f)
	}
	if err := rows.Err(); err != nil {
		return s, fmt.Errorf("read holder: %w", err)
	}
	if !found {
		return s, ErrUnknownUser
	}
	return s, nil
}

// A sealedKey is what a row of credential says about its key.
type sealedKey struct {
	generation     int64
	sealed         []byte
	label          string
	algorithm      string
	digits, period int
}

const purposeSecret = "totp secret"

// sealID binds a sealed secret to its user and generation. A user id may hold
// any character; the number before the first colon keeps pairs apart.
func sealID(user string, generation int64) string {
	return strconv.FormatInt(generation, 10) + ":" + user
}

func (b *Book) unseal(user string, r sealedKey) (Key, error) {
	secret, err := b.keys.Open(purposeSecret, sealID(user, r.generation), r.sealed)
	if err != nil {
		return Key{}, err
	}
	a, err := algorithmNamed(r.algorithm)
	if err != nil {
		return Key{}, err
	}
	if len(secret) < minSecretSize {
		return Key{}, errors.New("the stored secret is too short")
	}
	return Key{secret: secret, options: Options{
		Issuer: b.policy.Issuer, Account: r.label, Algorithm: a, Digits: r.digits, Period: r.period}}, nil
}

// hit tells whether a conditional statement found its row.
func hit(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
