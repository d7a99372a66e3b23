package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review/letters"
)

// An Approval is what a reviewer fills in to vote for a reset.
type Approval struct {
	Number       string
	Version      int64
	EvidenceHash string // hex, as it was on the page
	Account      string // the account number, typed by hand
	Reason       string
	Code         string // the reviewer's own second factor, fresh
}

// An Outcome says what a vote led to.
type Outcome struct {
	Cleared bool
	Message string
}

// A Decision is any other act on a case.
type Decision struct {
	Number  string
	Version int64
	Class   string
	Note    string
	Until   time.Time // of a hold: when a person wants to look again; zero for no time
	Other   string    // of a duplicate: the number of the case that goes on
}

// A Choice is an option of a form.
type Choice struct{ Key, Title string }

// RejectClasses are the reasons for rejecting. Which proof failed never leaves the
// desk: the requester is told the same in all these cases, and something else only
// where no proof is spoken of.
var RejectClasses = []Choice{
	{"sender", "The sender cannot be trusted"},
	{"unconfirmed", "The owner did not confirm"},
	{"evidence", "The evidence is not enough"},
	{"abuse", "An attempt to deceive"},
	{"other", "Another reason (see note)"},
	{"off", "The second factor is not on: the letter says so"},
	{"over", "Not needed any more, or asked for twice: the letter says so"},
	{"address", "It has to come from a registered address: the letter says so"},
}

// told is what the letter says of a class.
func told(class string) string {
	if slices.Contains(letters.Rejections, class) {
		return class
	}
	return ""
}

// Approve records the vote of a reviewer with a fresh second factor, over the
// evidence that was on the page. If nothing else is open, the desk clears in
// the same transaction; otherwise the last requirement to fall does it.
func (d *Desk) Approve(ctx context.Context, s Session, in Approval) (Outcome, error) {
	if strings.TrimSpace(in.Reason) == "" {
		return Outcome{}, invalid("reason", "Write why you approve; the audit keeps it.")
	}
	check := func(tx *sql.Tx) error { _, err := d.votable(ctx, tx, s, in); return err }
	if err := d.snapshot(ctx, "approve", check); err != nil {
		return Outcome{}, err // before the code is used up
	}
	steppedUp, err := d.stepUp(ctx, s, in.Code)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	err = d.update(ctx, "approve", func(tx *sql.Tx) error {
		c, err := d.votable(ctx, tx, s, in)
		if err != nil {
			return err
		}
		if err := castVote(ctx, tx, d.cfg.Policy, s, c, in, steppedUp); err != nil {
			return err
		}
		out.Cleared, err = d.advance(ctx, tx, c, time.Now())
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	out.Message = "Your approval is recorded. The reset happens as soon as every requirement is met."
	if out.Cleared {
		out.Message = "The second factor was reset. Everyone concerned is being told."
		d.lettersReady()
	}
	return out, nil
}

// votable checks a vote against the case as it is now.
func (d *Desk) votable(ctx context.Context, tx *sql.Tx, s Session, in Approval) (caseRow, error) {
	if err := d.allow(ctx, tx, s, Decide); err != nil {
		return caseRow{}, err
	}
	c, err := caseByNumber(ctx, tx, in.Number)
	if err != nil {
		return c, err
	}
	if c.state != StateOpen || c.version != in.Version {
		return c, errStale
	}
	if c.user == "" {
		return c, fail(Conflict, "Choose the account and the user first.")
	}
	if strings.TrimSpace(in.Account) != c.account {
		return c, invalid("account", "Type the account number exactly as it stands above.")
	}
	f, status, err := readFacts(ctx, tx, c, d.cfg.Policy)
	if err != nil {
		return c, err
	}
	for _, r := range Judge(f, d.cfg.Policy, time.Now()).Requirements {
		if r.State == Failed || (r.Name == "evidence" && r.State == Unmet) {
			return c, fail(Conflict, "This case cannot be approved: "+r.Why)
		}
	}
	hash, err := evidenceHash(ctx, tx, c, f, status.Generation)
	if err != nil {
		return c, err
	}
	if encodeBytes(hash) != in.EvidenceHash {
		return c, errStale
	}
	var voted bool
	err = tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM vote
		WHERE case_id = $1 AND round = $2 AND generation = $3 AND (reviewer_id = $4 OR person = $5) AND expires_at > $6`,
		c.id, c.round, status.Generation, s.Reviewer.ID, person(s.Reviewer.Email), micros(time.Now())).Scan(&voted)
	switch {
	case err != nil:
		return c, err
	case voted:
		return c, fail(Conflict, "You approved this case already; the second approval needs another person.")
	}
	return c, stranger(ctx, tx, s, c)
}

// stranger refuses whoever is of the account himself: about that somebody else decides,
// whatever it is.
func stranger(ctx context.Context, tx *sql.Tx, s Session, c caseRow) error {
	var own bool
	who := person(s.Reviewer.Email)
	err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM address WHERE account_id = $1 AND (lookup = $2 OR lookup LIKE replace($2, '@', '+%@'))`,
		c.account, who).Scan(&own)
	if err == nil && (own || person(c.requester) == who) {
		err = fail(Denied, "You belong to this account yourself; somebody else has to decide.")
	}
	return err
}

// person is the mailbox that an address of a reviewer leads to: a tag after "+" makes
// no second person of anybody (RFC 5233).
func person(email string) string {
	local, domain, _ := cutAddress(email)
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}

func castVote(ctx context.Context, tx *sql.Tx, p Policy, s Session, c caseRow, in Approval, steppedUp time.Time) error {
	hash, err := decodeBytes(in.EvidenceHash)
	if err != nil {
		return errStale
	}
	now := time.Now()
	f, status, err := readFacts(ctx, tx, c, p)
	if err != nil {
		return err
	}
	until := Judge(f, p, now).VotesUntil
	seq, err := record(ctx, tx, now, s.actor(), "case.approved", c.number, map[string]any{
		"user": c.user, "generation": status.Generation, "round": c.round, "reason": in.Reason, "evidence": in.EvidenceHash, "counts_until": stamp(until)})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO approval (case_id, round, user_id, generation, reviewer_id, session, step_up_at,
			evidence_hash, person, reason, decided_at, expires_at, audit_seq)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.id, c.round, c.user, status.Generation, s.Reviewer.ID, s.hash(), micros(steppedUp), hash, person(s.Reviewer.Email), in.Reason,
		micros(now), micros(until), seq)
	if err != nil {
		return fmt.Errorf("record vote: %w", err)
	}
	return keepClaim(ctx, tx, s, c, now)
}

// act runs one decision: it checks the role, the version and the state, lets f
// do its work, and records the event, if action names one. f gets the case as it was.
func (d *Desk) act(ctx context.Context, s Session, in Decision, action string, from []State, f func(*sql.Tx, caseRow, time.Time) error) error {
	err := d.update(ctx, "decide", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Decide); err != nil {
			return err
		}
		c, err := caseByNumber(ctx, tx, in.Number)
		if err != nil {
			return err
		}
		allowed := false
		for _, state := range from {
			allowed = allowed || c.state == state
		}
		if !allowed || c.version != in.Version {
			return errStale
		}
		if err := stranger(ctx, tx, s, c); err != nil {
			return err
		}
		now := time.Now()
		if action != "" {
			detail := map[string]any{"class": in.Class, "note": in.Note}
			if !in.Until.IsZero() {
				detail["until"] = stamp(in.Until)
			}
			if in.Other != "" {
				detail["duplicate_of"] = in.Other
			}
			if _, err := record(ctx, tx, now, s.actor(), "case."+action, c.number, detail); err != nil {
				return err
			}
		}
		if err := f(tx, c, now); err != nil {
			return err
		}
		return keepClaim(ctx, tx, s, c, now)
	})
	if err == nil {
		d.lettersReady()
		d.nudge()
	}
	return err
}

// changed turns "no row was hit" of a compare-and-swap into the stale error.
func changed(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n != 1 {
		return errStale
	}
	return err
}

func (d *Desk) closeCase(ctx context.Context, tx *sql.Tx, c caseRow, to State, by, reason string, now time.Time) error {
	return changed(tx.ExecContext(ctx, `UPDATE reset_case SET state = $3, version = version + 1, held_by = '', held_reason = '', held_until = 0,
			closed_at = $4, closed_by = $5, close_reason = $6 WHERE id = $1 AND version = $2`,
		c.id, c.version, string(to), micros(now), by, reason))
}

// Reject closes a case without a reset and tells the requester so, in the words of
// its class.
func (d *Desk) Reject(ctx context.Context, s Session, in Decision) error {
	title := ""
	for _, c := range RejectClasses {
		if c.Key == in.Class {
			title = c.Title
		}
	}
	if title == "" {
		return invalid("class", "Choose a reason.")
	}
	return d.act(ctx, s, in, "rejected", []State{StateOpen, StateHeld}, func(tx *sql.Tx, c caseRow, now time.Time) error {
		if err := d.closeCase(ctx, tx, c, StateRejected, s.actor(), strings.TrimSpace(title+". "+in.Note), now); err != nil {
			return err
		}
		return d.tellRequester(ctx, tx, c, "rejected", told(in.Class), now)
	})
}

// CloseCase ends a case that needs no decision: "not_a_request", "duplicate" or
// "withdrawn".
func (d *Desk) CloseCase(ctx context.Context, s Session, in Decision) error {
	to := State(in.Class)
	if to != StateNotARequest && to != StateDuplicate && to != StateWithdrawn {
		return invalid("class", "Choose why the case is closed.")
	}
	in.Other = strings.ToUpper(strings.TrimSpace(in.Other))
	if to != StateDuplicate {
		in.Other = ""
	}
	return d.act(ctx, s, in, in.Class, []State{StateOpen, StateHeld}, func(tx *sql.Tx, c caseRow, now time.Time) error {
		if to == StateDuplicate {
			return closeDuplicate(ctx, tx, c, s.actor(), in, now)
		}
		return d.closeCase(ctx, tx, c, to, s.actor(), in.Note, now)
	})
}

// closeDuplicate closes a case in favour of another of the same account.
func closeDuplicate(ctx context.Context, tx *sql.Tx, c caseRow, by string, in Decision, now time.Time) error {
	o, err := caseByNumber(ctx, tx, in.Other)
	switch {
	case KindOf(err) == NotFound:
		return invalid("other", "Write the number of the case that goes on, such as RST-8K2M4Q.")
	case err != nil:
		return err
	case o.id == c.id:
		return invalid("other", "That is this case itself.")
	case o.state == StateDuplicate:
		return invalid("other", "That case is closed as a duplicate itself; name the one that goes on.")
	case o.requester != c.requester && (c.account == "" || o.account != c.account):
		return invalid("other", "That case belongs to another account.")
	}
	return changed(tx.ExecContext(ctx, `UPDATE reset_case SET state = 'duplicate', version = version + 1, held_by = '', held_reason = '', held_until = 0,
			duplicate_of = $6, closed_at = $3, closed_by = $4, close_reason = $5 WHERE id = $1 AND version = $2`,
		c.id, c.version, micros(now), by, strings.TrimSpace("Duplicate of "+o.number+". "+in.Note), o.id))
}

// Hold stops a case until a person resumes it.
func (d *Desk) Hold(ctx context.Context, s Session, in Decision) error {
	if strings.TrimSpace(in.Note) == "" {
		return invalid("note", "Write why the case is on hold.")
	}
	return d.act(ctx, s, in, "held", []State{StateOpen}, func(tx *sql.Tx, c caseRow, now time.Time) error {
		if !in.Until.IsZero() && (!in.Until.After(now) || in.Until.After(c.expires)) {
			return invalid("until", "Choose a time to come, before the case expires at "+stamp(c.expires)+".")
		}
		return holdUntil(ctx, tx, c, "reviewer", in.Note, in.Until)
	})
}

func (d *Desk) hold(ctx context.Context, tx *sql.Tx, c caseRow, by, reason string) error {
	return holdUntil(ctx, tx, c, by, reason, time.Time{})
}

// holdUntil stops a case. until, if there is one, brings it to a person's attention
// and lets nothing go on by itself.
func holdUntil(ctx context.Context, tx *sql.Tx, c caseRow, by, reason string, until time.Time) error {
	due, at := c.expires, int64(0)
	if !until.IsZero() {
		due, at = until, micros(until)
	}
	return changed(tx.ExecContext(ctx, `UPDATE reset_case SET state = 'held', version = version + 1, held_by = $3, held_reason = $4, held_until = $5, due_at = $6
		WHERE id = $1 AND version = $2`, c.id, c.version, by, reason, at, micros(due)))
}

// holdOver says that the time of a hold is over. The case stays held: a person
// resumes it or closes it.
func holdOver(ctx context.Context, tx *sql.Tx, c caseRow, now time.Time) error {
	if _, err := record(ctx, tx, now, "clock", "case.hold_over", c.number, nil); err != nil {
		return err
	}
	return changed(tx.ExecContext(ctx, `UPDATE reset_case SET held_reason = $3, held_until = 0, due_at = expires_at WHERE id = $1 AND version = $2`,
		c.id, c.version, "The time of the hold is over since "+stamp(now)+": resume the case or close it. "+c.heldReason))
}

// ResumeCase takes a case up again. After the owner's no, a code that was used
// meanwhile or evidence that failed, a new round begins: every yes and every vote before it is void,
// and the contacts are told and asked again; so too after a mail that stopped the
// case when there were votes, which had not seen it. Otherwise the round goes on, and so
// does the watch for codes: one that was accepted during the hold still counts.
func (d *Desk) ResumeCase(ctx context.Context, s Session, in Decision) error {
	if strings.TrimSpace(in.Note) == "" {
		return invalid("note", "Write why the case goes on.")
	}
	return d.act(ctx, s, in, "resumed", []State{StateHeld}, func(tx *sql.Tx, c caseRow, now time.Time) error {
		newRound, watched := 0, c.watched
		voted, err := voted(ctx, tx, c)
		if err != nil {
			return err
		}
		if c.heldBy == "owner" || c.heldBy == "verified" || c.heldBy == "evidence" || c.heldBy == "mail" && voted {
			newRound, watched = 1, now
		}
		err = changed(tx.ExecContext(ctx, `UPDATE reset_case SET state = 'open', version = version + 1, round = round + $3,
				held_by = '', held_reason = '', held_until = 0, watched_from = $4, due_at = $5 WHERE id = $1 AND version = $2`,
			c.id, c.version, newRound, micros(watched), micros(now)))
		if err != nil || newRound == 0 {
			return err
		}
		return d.announce(ctx, tx, c.id, now)
	})
}

// Ask mails the confirm link to the registered address once more.
func (d *Desk) Ask(ctx context.Context, s Session, in Decision) error {
	return d.act(ctx, s, in, "asked", []State{StateOpen}, func(tx *sql.Tx, c caseRow, now time.Time) error {
		return d.askAgain(ctx, tx, c, now)
	})
}

// A Resolution answers which account and user a case is about.
type Resolution struct {
	Number            string
	Version           int64
	AccountID, UserID string
}

// Resolve sets the account, and the user if one is given. Both are set once; a
// wrong choice is closed and opened anew.
func (d *Desk) Resolve(ctx context.Context, s Session, in Resolution) error {
	if in.AccountID == "" && in.UserID == "" {
		return invalid("user", "Choose the user that is meant.")
	}
	return d.act(ctx, s, Decision{Number: in.Number, Version: in.Version, Class: in.UserID}, "resolved", []State{StateOpen, StateHeld},
		func(tx *sql.Tx, c caseRow, now time.Time) error {
			if err := d.resolve(ctx, tx, c, in.AccountID, in.UserID, now); err != nil {
				return err
			}
			return d.announce(ctx, tx, c.id, now)
		})
}

// resolve sets account and user of an open question. The requester must be an
// admin of that account.
func (d *Desk) resolve(ctx context.Context, tx *sql.Tx, c caseRow, account, user string, now time.Time) error {
	if user != "" {
		err := tx.QueryRowContext(ctx, `SELECT account_id FROM panel_user WHERE id = $1 AND removed_at IS NULL`, user).Scan(&account)
		if errors.Is(err, sql.ErrNoRows) {
			return invalid("user", "There is no such user.")
		}
		if err != nil {
			return err
		}
	}
	var admin bool
	err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM address WHERE account_id = $1 AND lookup = $2 AND role = 'admin' AND until IS NULL`,
		account, c.requester).Scan(&admin)
	if err != nil {
		return err
	}
	if !admin {
		return invalid("user", "The sender is no admin of that account.")
	}
	var taken bool
	err = tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM reset_case WHERE id <> $1 AND state IN ('open', 'held', 'clearing') AND user_id = $2`,
		c.id, user).Scan(&taken)
	if err != nil {
		return err
	}
	if taken {
		return fail(Conflict, "Another case for this user is open already.")
	}
	return changed(tx.ExecContext(ctx, `UPDATE reset_case SET account_id = $3, user_id = $4, version = version + 1, due_at = $5
		WHERE id = $1 AND version = $2`, c.id, c.version, account, null(user), micros(now)))
}
