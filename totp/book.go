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
		SELECT h.generation, h.hold_until, h.frozen_at IS NOT NULL, c.id IS NULL AND ` + passDue + `,
			(SELECT count(*) FROM backup_set b JOIN backup_code n ON n.set_id = b.id
				WHERE b.user_id = h.id AND b.state = 'active' AND n.used_at IS NULL),
			coalesce(c.id, 0), coalesce(c.generation, 0), c.sealed, coalesce(c.name, ''),
			coalesce(c.algorithm, ''), coalesce(c.digits, 0), coalesce(c.period, 0),
			coalesce(c.last_step, 0), coalesce(c.drift, 0), coalesce(c.drift_step, 0)
		FROM holder h LEFT JOIN credential c ON c.user_id = h.id AND c.state = 'active'
		WHERE h.id = $1 ORDER BY c.id`,
	countAttempt: `
		UPDATE holder SET failures = failures + 1,
			day_failures = CASE WHEN day_from <= $3 THEN $4 ELSE day_failures + $4 END,
			day_from = CASE WHEN day_from <= $3 OR day_from > $2 THEN $2 ELSE day_from END
		WHERE id = $1 AND locked_until <= $2 AND frozen_at IS NULL
		RETURNING failures, day_failures, day_from`,
	claimTimeStep: `
		UPDATE credential SET last_step = $1 WHERE id = $2 AND state = 'active' AND last_step < $1`,
	endFailures: `
		UPDATE holder SET failures = 0, day_failures = day_failures - $3, locked_until = 0, verified_at = $1 WHERE id = $2`,
}

// passDue tells of a holder h without an active factor whether the next one
// needs an enrollment pass: after a reset, unless the user enrolled since and
// then turned it off. Trigger credential_activated says the same.
const passDue = `(h.generation > 1 AND NOT EXISTS (
	SELECT 1 FROM factor_event e JOIN credential o ON o.user_id = e.user_id AND o.state = 'retired' AND o.ended_at = e.at
	WHERE e.user_id = h.id AND e.generation = h.generation AND e.kind = 'turned_off'))`

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
// wait at the same time share one commit; who comes alone does the work itself.
// A refusal of do is committed (the attempt was counted), any other error rolls
// back. Whoever walks away does not get an attempt back: if ctx ends while the
// work waits for others, the caller goes and it may still be done; a caller who
// does it returns when the database has answered.
func (b *Book) commit(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	j := &job{ctx: ctx, do: do, done: make(chan error, 1)}
	b.mu.Lock()
	if len(b.queue) >= maxQueue {
		b.mu.Unlock()
		return errors.New("the database does not keep up")
	}
	if !b.busy { // alone: no need to hand the work to anybody, and nobody to wait with
		b.busy = true
		b.mu.Unlock()
		defer b.next()
		b.settle([]*job{j})
		return <-j.done
	}
	b.queue = append(b.queue, j)
	b.mu.Unlock()
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next lets a goroutine of its own work off what has gathered meanwhile.
func (b *Book) next() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy = len(b.queue) > 0; b.busy {
		go b.drain()
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
	noted := false
	answers = make([]error, len(batch))
	for i, j := range batch {
		if answers[i] = j.ctx.Err(); answers[i] != nil {
			continue
		}
		answers[i] = j.do(context.WithValue(context.WithoutCancel(j.ctx), notedKey{}, &noted), tx)
		if answers[i] != nil && !refused(answers[i]) {
			return nil, answers[i]
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	if noted && b.policy.Noted != nil {
		b.policy.Noted()
	}
	return answers, nil
}

// A standing is a user's row of holder with the active factors. Their keys have
// no account: they verify, and are not shown again.
type standing struct {
	generation int64
	holdUntil  int64
	frozen     bool
	passDue    bool // no factor, and the next one needs a pass
	codesLeft  int
	factors    []factor
}

type factor struct {
	id        int64
	name      string
	key       Key
	lastStep  int64
	drift     int64 // steps by which the device was seen to be fast
	driftStep int64
}

// missing is the answer to who has no factor.
func (s standing) missing() error {
	if s.passDue {
		return ErrPassRequired
	}
	return ErrNotEnrolled
}

// enrolled is stand for acts that need an active factor of a user who is not
// frozen.
func (b *Book) enrolled(ctx context.Context, tx *sql.Tx, user string) (standing, error) {
	s, err := b.stand(ctx, tx, user)
	switch {
	case err != nil:
		return s, err
	case s.frozen:
		return s, ErrFrozen
	case len(s.factors) == 0:
		return s, s.missing()
	}
	return s, nil
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
		if err := rows.Scan(&s.generation, &s.holdUntil, &s.frozen, &s.passDue, &s.codesLeft,
			&f.id, &r.generation, &r.sealed, &f.name, &r.algorithm, &r.digits, &r.period,
			&f.lastStep, &f.drift, &f.driftStep); err != nil {
			return s, fmt.Errorf("read holder: %w", err)
		}
		found = true
		if f.id == 0 {
			continue
		}
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
		Issuer: b.policy.Issuer, Account: r.label, Algorithm: a, Digits: r.digits, Period: r.period, BareLabel: b.policy.BareLabel}}, nil
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
