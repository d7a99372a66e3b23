package review

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

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
	copyOf     int64          // the mail that this is a second delivery of
	verdict    sender.Verdict
	message    message.Message
	intent     intent.Result
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
		if r.registered, err = registeredFor(ctx, compiled(tx), namesIn(header)); err != nil {
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
	r.verdict = sender.Verify(ctx, sender.Request{
		Raw: r.raw, Truncated: r.truncated, Registered: r.registered, Nonces: r.nonces,
		Mailboxes: append(slices.Clone(d.cfg.Addresses), d.cfg.From.Address), // who answers a letter writes to its sender
		Received:  r.internal, Now: time.Now(), Trust: d.cfg.Trust, Relaxed: d.cfg.Relaxed,
		Resolver: d.cfg.Resolver, LastTry: time.Since(r.received) > deferLimit,
	})
	r.message = message.Read(r.raw)
	r.intent = r.words().Classify()
}

// fromRegistered reports whether the mail says that it comes from a registered address.
func (r *reading) fromRegistered() bool {
	return r.verdict.Match == sender.MatchExact || r.verdict.Match == sender.MatchCaseVariant
}

// giveFate decides what becomes of the mail, in the caller's transaction. It
// reports whether letters were queued.
func (d *Desk) giveFate(ctx context.Context, tx *sql.Tx, r *reading) (queued bool, err error) {
	if first, err := seenBefore(ctx, tx, r); err != nil || first > 0 {
		if err != nil {
			return false, err
		}
		return false, setFate(ctx, tx, r.id, "passed", fmt.Sprintf("The same bytes as mail %d, read before the mailbox was rebuilt.", first))
	}
	if err := checkReplay(ctx, tx, r); err != nil {
		return false, err
	}
	if r.verdict.State() == sender.Deferred {
		wait := min(time.Minute<<min(r.attempts, 6), time.Hour)
		_, err := tx.ExecContext(ctx, `UPDATE inbound SET attempts = attempts + 1, retry_at = $2 WHERE id = $1`, r.id, micros(time.Now().Add(wait)))
		return false, err
	}
	if err := saveAssessment(ctx, tx, r); err != nil {
		return false, err
	}
	switch {
	case r.verdict.State() == sender.Automated:
		return false, setFate(ctx, tx, r.id, "automatic", because(r, "An automatic mail: never a request, never answered."))
	case r.verdict.State() == sender.Quarantine && r.copyOf > 0:
		return false, setFate(ctx, tx, r.id, "passed", fmt.Sprintf("A second copy of mail %d: the same signed mail, delivered twice.", r.copyOf))
	case r.verdict.State() == sender.Quarantine:
		return false, setFate(ctx, tx, r.id, "quarantined", because(r, "The sender check found signs of forgery."))
	case !r.fromRegistered():
		return false, d.passBy(ctx, tx, r)
	case r.backlog && !d.cfg.OpenBacklog:
		return false, setFate(ctx, tx, r.id, "parked", "It was in the mailbox before resetdesk first looked; nobody was mailed.")
	}
	if attached, err := d.attachByToken(ctx, tx, r); attached || err != nil {
		return false, err
	}
	if !r.intent.Request {
		return false, setFate(ctx, tx, r.id, "parked", "It comes from a registered address but asks for no reset.")
	}
	return d.openCases(ctx, tx, r)
}

// passBy gives a mail from an unregistered address its fate. Nobody is answered
// and nothing is told; one that asks for a reset stays readable for staff, and so
// does one that answers a letter of ours: it may be an objection.
func (d *Desk) passBy(ctx context.Context, tx *sql.Tx, r *reading) error {
	if r.intent.Request {
		return setFate(ctx, tx, r.id, "passed", "It asks for a reset, but its sender is no registered admin address of any account. Nobody was answered.")
	}
	if answer, err := answersLetter(ctx, tx, r); err != nil || answer {
		if err != nil {
			return err
		}
		return setFate(ctx, tx, r.id, "parked", "It answers a letter of ours, but its sender is no registered admin address of any account. Read it: it may object.")
	}
	if err := setFate(ctx, tx, r.id, "passed", "Not from a registered address and no request; its body was not kept."); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE inbound SET raw = NULL WHERE id = $1`, r.id)
	return err
}

func because(r *reading, general string) string {
	var words []string
	for _, code := range r.verdict.Reasons {
		if staff, _ := sender.Describe(code); staff != "" {
			words = append(words, staff)
		}
	}
	if len(words) == 0 {
		return general
	}
	return general + " " + strings.Join(words, " ")
}

func setFate(ctx context.Context, tx *sql.Tx, id int64, fate, reason string) error {
	_, err := tx.ExecContext(ctx, `UPDATE inbound SET fate = $2, reason = $3, fated_at = $4 WHERE id = $1`, id, fate, reason, micros(time.Now()))
	if err != nil {
		return fmt.Errorf("set fate %s: %w", fate, err)
	}
	return nil
}

// seenBefore finds the same bytes under an earlier UIDVALIDITY of the same
// folder: the mailbox was rebuilt, and this is the mail we know (promises 3.1).
func seenBefore(ctx context.Context, tx *sql.Tx, r *reading) (int64, error) {
	var id int64
	err := tx.QueryRowContext(ctx, `SELECT o.id FROM inbound n JOIN inbound o ON o.sha256 = n.sha256
		WHERE n.id = $1 AND o.id < n.id AND o.mailbox = n.mailbox AND o.folder = n.folder
			AND o.uidvalidity <> n.uidvalidity AND o.internal_date = n.internal_date AND o.size = n.size
		ORDER BY o.id LIMIT 1`, r.id).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// checkReplay lowers the verdict of a mail whose signature or Message-ID was seen
// on another one (sender-verification 4, condition 4), and remembers its
// signatures. A Message-ID counts only where the same sender signed it before:
// anybody can write one that is to come.
func checkReplay(ctx context.Context, tx *sql.Tx, r *reading) error {
	before := map[int64]bool{}
	if r.verdict.MessageID != "" && r.verdict.State().AtLeast(sender.Partial) {
		var first int64
		err := tx.QueryRowContext(ctx, `SELECT inbound_id FROM assessment WHERE message_id = $1 AND claimed = $2
			AND verdict IN ('authenticated', 'partial') AND inbound_id <> $3 ORDER BY inbound_id LIMIT 1`,
			r.verdict.MessageID, strings.ToLower(r.verdict.Registered), r.id).Scan(&first)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("check replay: %w", err)
		}
		before[first] = err == nil
	}
	for _, f := range r.verdict.Fingerprints {
		var first int64
		err := tx.QueryRowContext(ctx, `INSERT INTO signature_seen (fingerprint, inbound_id) VALUES ($1, $2)
			ON CONFLICT (fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint RETURNING inbound_id`, f, r.id).Scan(&first)
		if err != nil {
			return fmt.Errorf("check replay: %w", err)
		}
		before[first] = first != r.id
	}
	for first, another := range before {
		if !another {
			continue
		}
		r.verdict.Lower("R_REPLAY")
		if err := checkCopy(ctx, tx, r, first); err != nil {
			return err
		}
	}
	return nil
}

// checkCopy tells a mail that was delivered twice, to two of our addresses say,
// from a replay: the same Message-ID within three days, and nothing else wrong.
// It never does anything again, but it is no imitation either.
func checkCopy(ctx context.Context, tx *sql.Tx, r *reading, first int64) error {
	var id string
	var received int64
	err := tx.QueryRowContext(ctx, `SELECT s.message_id, i.received_at FROM assessment s JOIN inbound i ON i.id = s.inbound_id WHERE i.id = $1`, first).
		Scan(&id, &received)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check copy: %w", err)
	}
	if id != "" && id == r.verdict.MessageID && len(r.verdict.Reasons) == 1 && r.received.Sub(fromMicros(received)) < 72*time.Hour {
		r.copyOf = first
	}
	return nil
}

func saveAssessment(ctx context.Context, tx *sql.Tx, r *reading) error {
	text, err := json.Marshal(evidence{r.verdict, r.intent, r.message.Problems})
	if err != nil {
		return fmt.Errorf("save assessment: %w", err)
	}
	subject, words := clip(r.message.Subject, 300), excerpt(r.message.Text)
	if r.verdict.Registered == "" && !r.intent.Request { // none of our business
		subject, words = "", ""
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO assessment (inbound_id, verdict, match, from_addr, claimed, message_id, subject, excerpt,
			request, score, language, evidence, assessed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		r.id, string(r.verdict.State()), string(r.verdict.Match), r.verdict.From, strings.ToLower(r.verdict.Registered), r.verdict.MessageID,
		subject, words, flag(r.intent.Request), r.intent.Score, r.intent.Language,
		string(text), micros(time.Now()))
	if err != nil {
		return fmt.Errorf("save assessment: %w", err)
	}
	return nil
}

// excerpt is the beginning of the writer's words on one line.
func excerpt(text string) string {
	return clip(strings.Join(strings.Fields(clip(text, 2000)), " "), 160)
}

var caseNumberPattern = regexp.MustCompile(`\bRST-[0-9A-HJKMNP-TV-Z]{6}\b`)

// caseNumber returns the first case number in s, or "".
func caseNumber(s string) string { return caseNumberPattern.FindString(s) }

// attachByToken attaches a mail that names an open case of the same requester,
// in its subject or by answering one of our letters. Such a mail never opens a
// second case; a person reads it.
func (d *Desk) attachByToken(ctx context.Context, tx *sql.Tx, r *reading) (bool, error) {
	number := caseNumber(r.message.Subject)
	for _, id := range append(append([]string{}, r.message.InReplyTo...), r.message.References...) {
		if number == "" {
			number = caseNumber(strings.ToUpper(id))
		}
	}
	if number == "" {
		return false, nil
	}
	c, err := scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE number = $1 AND requester = $2 AND state IN ('open', 'held')`,
		number, strings.ToLower(r.verdict.Registered)))
	if KindOf(err) == NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if other, err := asksForOther(ctx, tx, r, c); other || err != nil {
		return false, err
	}
	return true, d.attach(ctx, tx, r, c)
}

// asksForOther reports whether a mail that quotes a case asks for another user
// than the case's.
func asksForOther(ctx context.Context, tx *sql.Tx, r *reading, c caseRow) (bool, error) {
	if !r.intent.Request || c.user == "" {
		return false, nil
	}
	targets, err := findTargets(ctx, tx, r, c.requester)
	for _, t := range targets {
		if t.user != "" && t.user != c.user {
			return true, nil
		}
	}
	return false, err
}

// attach puts a reply to its case. Who writes with the number of a case has read
// our letter, so it may be the owner's objection: after the first vote it holds
// the case until a person has read it.
func (d *Desk) attach(ctx context.Context, tx *sql.Tx, r *reading, c caseRow) error {
	now := time.Now()
	_, err := tx.ExecContext(ctx, `INSERT INTO case_mail (case_id, inbound_id, role) VALUES ($1, $2, 'replied')`, c.id, r.id)
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if _, err := record(ctx, tx, now, "desk", "mail.attached", c.number, map[string]any{"mail": r.id}); err != nil {
		return err
	}
	var votes int
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM approval WHERE case_id = $1 AND round = $2`, c.id, c.round).Scan(&votes)
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if votes > 0 && c.state == StateOpen {
		const why = "A reply to our letter came in after the first approval. Read it before the case goes on."
		if _, err := record(ctx, tx, now, "desk", "case.held", c.number, map[string]string{"reason": why}); err != nil {
			return err
		}
		if err := d.hold(ctx, tx, c, "verified", why); err != nil {
			return err
		}
	}
	return setFate(ctx, tx, r.id, "attached", "It belongs to the open case "+c.number+".")
}
