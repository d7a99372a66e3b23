package review

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/bounce"
	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
)

// deferLimit is how long a verdict that DNS keeps open is retried before it
// counts as unverified (sender-verification 2).
const deferLimit = 24 * time.Hour

// A reading is one mail with everything that was found out about it outside any
// transaction: nothing of it is decided yet.
type reading struct {
	id         int64
	mailbox    string
	folder     string
	validity   int64
	raw        []byte
	truncated  bool
	backlog    bool
	internal   time.Time
	received   time.Time
	attempts   int
	registered []string
	nonces     []sender.Nonce // references of its cases
	byHand     bool           // a person makes it a case
	previous   int64          // the closed case that it comes back to
	meant      intent.Whom    // of the writer's accounts, as the words say
	copyOf     int64          // the mail that this is a second delivery of
	verdict    sender.Verdict
	message    message.Message
	intent     intent.Result
	bounced    bool // a mail server reports on a letter; bounce says what
	bounce     bounce.Report
}

// words are those that the intent is read from.
func (r *reading) words() intent.Words {
	m := &r.message
	return intent.Words{Subject: m.Subject, Text: m.Text, Forwarded: m.Forwarded, ForwardedFrom: m.ForwardedFrom}
}

// evidence is what an assessment keeps of a reading, as JSON.
type evidence struct {
	Verdict  sender.Verdict `json:"verdict"`
	Intent   intent.Result  `json:"intent"`
	Problems []string       `json:"problems,omitempty"`
	Places   []intent.Place `json:"places,omitempty"` // where the words name users
}

// assessors is how many mails are examined at a time: one whose name server is
// slow does not hold up the others for long.
const assessors = 4

// assessWaiting gives every waiting mail its fate. Each mail is its own unit of
// failure. They are examined side by side, and get their fates in the order they
// came in: who asked first is the requester, and the later of two mails is the
// copy.
func (d *Desk) assessWaiting(ctx context.Context) error {
	select {
	case d.assessing <- struct{}{}: // nobody else works on the same mails
		defer func() { <-d.assessing }()
	case <-ctx.Done():
		return nil
	}
	var mu sync.Mutex
	var errs []error
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	var all sync.WaitGroup
	free := make(chan struct{}, assessors)
	turn := make(chan struct{}) // closed when the mail before has its fate
	close(turn)
	for after := int64(0); ctx.Err() == nil; {
		free <- struct{}{}
		id, err := d.nextMail(ctx, after)
		if err != nil || id == 0 {
			if err != nil {
				failed(err)
			}
			break
		}
		after = id
		mine, next := turn, make(chan struct{})
		turn = next
		all.Go(func() {
			defer func() { <-mine; close(next); <-free }()
			if err := d.assess(ctx, id, mine); err != nil && ctx.Err() == nil {
				failed(fmt.Errorf("assess mail %d: %w", id, errors.Join(err, d.postpone(ctx, id))))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// nextMail returns the first waiting mail behind after, 0 if there is none.
func (d *Desk) nextMail(ctx context.Context, after int64) (int64, error) {
	var id int64
	err := d.db.read.QueryRowContext(ctx, `SELECT id FROM inbound WHERE fate IS NULL AND retry_at <= $1 AND id > $2 ORDER BY id LIMIT 1`,
		micros(time.Now()), after).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("next mail: %w", err)
	}
	return id, nil
}

// maxAssessments is how often a mail is tried whose assessment ends in an
// internal error, over about a day.
const maxAssessments = 30

// postpone puts a mail back whose assessment failed. One that never succeeds is
// quarantined in the end, where a person sees it.
func (d *Desk) postpone(ctx context.Context, id int64) error {
	return d.update(ctx, "postpone mail", func(tx *sql.Tx) error {
		var attempts int
		now := time.Now()
		err := tx.QueryRowContext(ctx, `UPDATE inbound SET attempts = attempts + 1, retry_at = $2 WHERE id = $1 AND fate IS NULL RETURNING attempts`,
			id, micros(now)).Scan(&attempts)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if attempts >= maxAssessments {
			return setFate(ctx, tx, id, "quarantined", "It could not be processed: an internal error each time. An operator must look at the log.")
		}
		_, err = tx.ExecContext(ctx, `UPDATE inbound SET retry_at = $2 WHERE id = $1`, id, micros(now.Add(retryAfter(attempts))))
		return err
	})
}

// retryAfter is the pause before a mail is assessed again: 2 s, doubled up to an
// hour.
func retryAfter(attempts int) time.Duration { return min(time.Second<<min(attempts, 12), time.Hour) }

// assess reads one mail, outside any transaction, waits for its turn, and then
// gives it its fate in one transaction. A panic in a parser is that mail's problem alone: it is quarantined.
func (d *Desk) assess(ctx context.Context, id int64, turn <-chan struct{}) error {
	r, err := d.load(ctx, id)
	if err != nil {
		return err
	}
	d.examine(ctx, &r)
	select {
	case <-turn:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err() // a cut look-up is no finding
	}
	queued := false
	err = d.update(ctx, "give fate", func(tx *sql.Tx) error {
		var err error
		queued, err = d.giveFate(ctx, tx, &r)
		return err
	})
	if err == nil && queued {
		d.lettersReady()
	}
	return err
}

func (d *Desk) load(ctx context.Context, id int64) (reading, error) {
	r := reading{id: id}
	err := d.snapshot(ctx, "load mail", func(tx *sql.Tx) error {
		var internal, received int64
		err := tx.QueryRowContext(ctx, `SELECT mailbox, folder, uidvalidity, raw, truncated, backlog, internal_date, received_at, attempts
			FROM inbound WHERE id = $1`, id).Scan(&r.mailbox, &r.folder, &r.validity, &r.raw, &r.truncated, &r.backlog, &internal, &received, &r.attempts)
		if err != nil {
			return err
		}
		r.internal, r.received = fromMicros(internal), fromMicros(received)
		header := headerOf(r.raw)
		if r.registered, err = registeredFor(ctx, tx, namesIn(header)); err != nil {
			return err
		}
		r.nonces, err = d.nonces(ctx, tx, header, r.registered)
		return err
	})
	return r, err
}

// headerOf returns the header block of raw.
func headerOf(raw []byte) []byte {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(raw, []byte(end)); i >= 0 {
			return raw[:i+len(end)]
		}
	}
	return raw
}

// examine asks the pure rooms what they make of the mail. They never fail; a
// panic counts as the worst verdict.
func (d *Desk) examine(ctx context.Context, r *reading) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("a parser panicked", "mail", r.id, "panic", fmt.Sprint(p))
			r.verdict.Lower("X_PANIC")
		}
	}()
	rules := d.cfg.rules(r.mailbox)
	r.verdict = sender.Verify(ctx, sender.Request{
		Raw: r.raw, Truncated: r.truncated, Registered: r.registered, Nonces: r.nonces,
		Mailboxes: append(slices.Clone(d.cfg.Addresses), d.cfg.From.Address), // who answers a letter writes to its sender
		Received:  r.internal, Now: time.Now(), Trust: rules.Trust, Relaxed: rules.Relaxed,
		Resolver: d.cfg.Resolver, LastTry: time.Since(r.received) > deferLimit,
	})
	r.message = message.Read(r.raw)
	r.intent = r.words().Classify()
	r.bounce, r.bounced = bounce.Read(r.raw)
}

// fromRegistered reports whether the mail says that it comes from a registered address.
func (r *reading) fromRegistered() bool {
	return r.verdict.Match == sender.MatchExact || r.verdict.Match == sender.MatchCaseVariant
}
