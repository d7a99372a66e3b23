package review

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
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
	inLine
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
	failed     error // it could not be loaded
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

// loadTogether is how many headers are looked up in one snapshot: a long one would
// keep the database from forgetting old pages.
const loadTogether = 16

// load reads mails, and what the desk knows of their headers. Each mail is its own
// unit of failure.
func (d *Desk) load(ctx context.Context, mails []inLine) []reading {
	all := make([]reading, len(mails))
	err := d.snapshot(ctx, "load mails", func(tx *sql.Tx) error {
		near := newLikeness(tx)
		for i, m := range mails {
			all[i] = reading{inLine: m}
			all[i].failed = d.loadOne(ctx, tx, near, &all[i])
		}
		return nil
	})
	for i := range all {
		if err != nil {
			all[i] = reading{inLine: mails[i], failed: err}
		}
	}
	return all
}

func (d *Desk) loadOne(ctx context.Context, tx *sql.Tx, near *likeness, r *reading) error {
	var internal, received int64
	err := tx.QueryRowContext(ctx, `SELECT mailbox, folder, uidvalidity, raw, truncated, backlog, internal_date, received_at, attempts
		FROM inbound WHERE id = $1`, r.id).Scan(&r.mailbox, &r.folder, &r.validity, &r.raw, &r.truncated, &r.backlog, &internal, &received, &r.attempts)
	if err != nil {
		return fmt.Errorf("load mail: %w", err)
	}
	r.internal, r.received = fromMicros(internal), fromMicros(received)
	header := headerOf(r.raw)
	if r.registered, err = near.registeredFor(ctx, namesIn(header)); err != nil {
		return fmt.Errorf("load mail: %w", err)
	}
	r.nonces, err = d.nonces(ctx, tx, header, r.registered)
	return err
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
