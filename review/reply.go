package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

// join attaches a mail to a live case and lets it do what a mail may do: stop the
// case, or withdraw it. Nothing in it approves, confirms or chooses a user (design
// 2, promise 3). It returns the reason of the mail's fate.
func (d *Desk) join(ctx context.Context, tx *sql.Tx, r *reading, t tie, says string) (reason string, queued bool, err error) {
	now := time.Now()
	withdraws := says == saysWithdraw && r.proven(t) && t.state == StateOpen && (t.quoted || r.aboutFactor())
	by, why := "", ""
	if !withdraws {
		if by, why, err = d.objection(ctx, tx, r, t, says); err != nil {
			return "", false, err
		}
	}
	if err := d.attach(ctx, tx, r, t, says, by != "", now); err != nil {
		return "", false, err
	}
	switch {
	case withdraws:
		reason, err = d.withdraw(ctx, tx, r, t.caseRow, now)
		return reason, err == nil, err
	case by != "":
		if _, err := record(ctx, tx, now, "desk", "case.held", t.number, map[string]any{"reason": why, "mail": r.id}); err != nil {
			return "", false, err
		}
		if err := d.hold(ctx, tx, t.caseRow, by, why); err != nil {
			return "", false, err
		}
		return "Case " + t.number + " is on hold: " + why, false, nil
	}
	return joinedWords(r, t, says), false, nil
}

// attach puts a mail to a case and records it with what it says.
func (d *Desk) attach(ctx context.Context, tx *sql.Tx, r *reading, t tie, says string, halted bool, now time.Time) error {
	role := "replied"
	switch {
	case t.standing == "":
		role = "foreign"
	case says == saysRequest, !t.quoted && !r.proven(t):
		role = "attached"
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO case_mail (case_id, inbound_id, role, says, halted, at) VALUES ($1, $2, $3, $4, $5, $6)`,
		t.id, r.id, role, says, flag(halted), micros(now))
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	detail := map[string]any{"mail": r.id, "from": maskAddress(r.verdict.From), "sender": string(r.verdict.State()), "says": says, "contact": t.standing}
	if _, err := record(ctx, tx, now, "desk", "mail.attached", t.number, detail); err != nil || says != saysObject || t.standing == "" && !t.letter {
		return err
	}
	_, err = record(ctx, tx, now, "desk", "case.objected", t.number, map[string]any{"mail": r.id, "from": maskAddress(r.verdict.From), "proven": r.proven(t)})
	return err
}

// objection says by whom and why a mail stops an open case, "" if it does not.
// Stopping destroys nothing, so that no proof is asked: an objection of any contact
// does it, and of whoever has our letter; so does a withdrawal that nothing proves,
// and words that nobody understood after a vote, which had not seen them.
func (d *Desk) objection(ctx context.Context, tx *sql.Tx, r *reading, t tie, says string) (by, why string, err error) {
	if t.state != StateOpen || t.standing == "" && !t.letter {
		return "", "", nil
	}
	who := map[string]string{"admin": "A registered address", "notify": "A notification address", "user": "The user's own address",
		"former": "An address that was a contact until lately", "": "An unknown address that has our letter"}[t.standing]
	by = "mail"
	switch says {
	case saysObject:
		if t.quoted && (r.proven(t) || t.letter && t.standing != "") {
			by = "owner"
		}
		why = who + " objects by mail."
	case saysWithdraw:
		if !t.quoted && !r.proven(t) {
			return "", "", nil
		}
		why = who + " withdraws the request by mail, but nothing proves who wrote it. Ask the owner before you close it or go on."
		if r.proven(t) {
			why = who + " may withdraw the request by mail; it does not say so plainly. Ask the owner before you close it or go on."
		}
	case saysFacts, "":
		voted, err := voted(ctx, tx, t.caseRow)
		if err != nil || !voted || t.standing == "" {
			return "", "", err
		}
		why = "A reply to our letter came in after the first approval. Read it before the case goes on."
	default:
		return "", "", nil
	}
	if again, err := d.haltedBefore(ctx, tx, r, t); err != nil || again {
		return "", "", err
	}
	return by, why, nil
}

func voted(ctx context.Context, tx *sql.Tx, c caseRow) (voted bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM approval WHERE case_id = $1 AND round = $2`, c.id, c.round).Scan(&voted)
	if err != nil {
		return false, fmt.Errorf("read votes: %w", err)
	}
	return voted, nil
}

// maxHalts is how often mail that nothing proves may stop one case.
const maxHalts = 4

// haltedBefore reports whether a mail of the same address stopped the case before,
// with no more proof, and a person went on all the same: else whoever forges an
// address could keep a case on hold for ever.
func (d *Desk) haltedBefore(ctx context.Context, tx *sql.Tx, r *reading, t tie) (bool, error) {
	if r.proven(t) {
		return false, nil
	}
	var same, all int
	err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(CASE WHEN lower(s.from_addr) = $2 THEN 1 ELSE 0 END), 0), count(*)
		FROM case_mail m JOIN assessment s ON s.inbound_id = m.inbound_id
		WHERE m.case_id = $1 AND m.halted = 1`, t.id, r.writer()).Scan(&same, &all)
	if err != nil {
		return false, fmt.Errorf("read holds by mail: %w", err)
	}
	return same > 0 || all >= maxHalts, nil
}

// withdraw closes a case because its account's admin says so.
func (d *Desk) withdraw(ctx context.Context, tx *sql.Tx, r *reading, c caseRow, now time.Time) (reason string, err error) {
	from := maskAddress(r.verdict.Registered)
	_, err = record(ctx, tx, now, "owner", "case.withdrawn", c.number, map[string]any{"mail": r.id, "from": from, "sender": string(r.verdict.State())})
	if err != nil {
		return "", err
	}
	if err := d.closeCase(ctx, tx, c, StateWithdrawn, "owner", "Withdrawn by a mail from "+from+".", now); err != nil {
		return "", err
	}
	return "It withdraws case " + c.number + ", which is closed now.", d.tellRequester(ctx, tx, c, "withdrawn", "", now)
}

// joinedWords is the fate of a mail that changed nothing.
func joinedWords(r *reading, t tie, says string) string {
	state := "the open case "
	if t.state == StateHeld {
		state = "the case on hold "
	}
	state += t.number
	switch {
	case t.standing == "" && says == saysRequest:
		return "It quotes " + state + " and asks for a reset, but its sender is no registered admin address of the account. It is shown there and changes nothing."
	case t.standing == "" && says == saysObject:
		return "It quotes " + state + " and objects, but its sender is no contact of the account. It is shown there. Read it."
	case t.standing == "":
		return "It quotes " + state + ", but its sender is no contact of the account. It is shown there and changes nothing."
	}
	switch says {
	case saysRequest:
		return "It asks again for " + state + "."
	case saysObject:
		if t.state == StateOpen {
			return "It objects to " + state + ". Such a mail stopped the case before and a person went on; nothing new proves this one. Read it."
		}
		return "It objects to " + state + "."
	case saysWithdraw:
		if r.verdict.State().AtLeast(sender.Partial) {
			return "It withdraws " + state + ". A person closes it."
		}
		return "It withdraws " + state + ", but nothing proves who wrote it: nothing was put away."
	case saysThanks:
		return "It says thanks, for " + state + ". Nothing follows from it."
	case saysQuestion:
		return "It asks how " + state + " stands. Nobody was answered by itself."
	case saysFacts:
		return "It belongs to " + state + " and names a user. A reply chooses nobody and confirms nothing: the owner's page or a reviewer does."
	}
	return "It belongs to " + state + "."
}

// afterwards attaches a mail to a closed case where it asks for nothing new: an
// objection, which alarms people, thanks, or a withdrawal that comes late. It
// returns "" for all else, which is parked for a person to read.
func (d *Desk) afterwards(ctx context.Context, tx *sql.Tx, r *reading, t tie, says string) (reason string, queued bool, err error) {
	if t.standing == "" && !(says == saysObject && t.letter) {
		return "", false, nil
	}
	ended := "case " + t.number + ", which is " + strings.ReplaceAll(string(t.state), "_", " ")
	switch says {
	case saysObject:
		reason = "It objects to " + ended + "."
	case saysThanks:
		reason = "It says thanks, for " + ended + ". Nothing follows from it."
	case saysWithdraw:
		reason = "It withdraws " + ended + " already. Nothing follows from it."
	default:
		return "", false, nil
	}
	if full, err := crowded(ctx, tx, r, t, says); err != nil || full {
		return "", false, err
	}
	now := time.Now()
	// If the clock was set back, it counts as said right after the end: then people look.
	if err := d.attach(ctx, tx, r, t, says, false, latest(now, t.closed.Add(time.Microsecond))); err != nil {
		return "", false, err
	}
	if says != saysObject || t.state != StateCleared {
		return reason, false, nil
	}
	queued, err = d.tellUndoAgain(ctx, tx, r, t.caseRow, now)
	if queued {
		reason += " Nothing was undone by it: the link that takes the reset back was mailed again to that contact. Call the number on file."
	} else {
		reason += " Nothing was undone by it. Call the number on file."
	}
	return reason, queued, err
}

// objectedUntil is until when a cleared case is on the reviewers' list again: a
// contact objected since, and until the end of the hold it can be undone. Zero
// for all others.
func objectedUntil(ctx context.Context, tx totp.Querier, c caseRow, now time.Time) (time.Time, error) {
	if c.state != StateCleared {
		return time.Time{}, nil
	}
	var until int64
	err := tx.QueryRowContext(ctx, `SELECT hold_until FROM reset WHERE case_id = $1 AND hold_until > $2
		AND EXISTS (SELECT 1 FROM case_mail WHERE case_id = $1 AND says = 'object' AND role <> 'foreign' AND at > $3)`,
		c.id, micros(now), micros(c.closed)).Scan(&until)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read objections: %w", err)
	}
	return fromMicros(until), nil
}

// tellRequester mails the requester how the case ended.
func (d *Desk) tellRequester(ctx context.Context, tx *sql.Tx, c caseRow, kind, rejected string, now time.Time) error {
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	w.Rejected = rejected
	for _, to := range people {
		if to.lookup == c.requester {
			return d.queueLetter(ctx, tx, c, kind, to, 0, 1, w, now)
		}
	}
	return nil // the address is not registered any more: nobody to tell
}

// tellUndoAgain mails a contact who objects after the reset the letter about it
// once more, with a link of its own that takes it back: to the stored address, and
// once. It reports whether it did.
func (d *Desk) tellUndoAgain(ctx context.Context, tx *sql.Tx, r *reading, c caseRow, now time.Time) (bool, error) {
	var reset, until int64
	err := tx.QueryRowContext(ctx, `SELECT id, hold_until FROM reset WHERE case_id = $1 AND hold_until > $2`, c.id, micros(now)).Scan(&reset, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read hold: %w", err)
	}
	hold := fromMicros(until)
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return false, err
	}
	former, err := formerContacts(ctx, tx, c.account, c.user, now)
	if err != nil {
		return false, err
	}
	for _, to := range append(people, former...) {
		if to.lookup != r.writer() {
			continue
		}
		var told int64
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM letter WHERE reset_id = $1 AND kind = 'cleared' AND address_id = $2`, reset, to.id).Scan(&told)
		if err != nil || told > 1 {
			return false, err
		}
		w, err := d.caseWords(ctx, tx, c)
		if err != nil {
			return false, err
		}
		w.When, w.HoldUntil = letters.When(c.closed, c.locale), letters.When(hold, c.locale)
		if w.Link, err = d.newLink(ctx, tx, c, "undo", to, now, hold); err != nil {
			return false, err
		}
		return true, d.queueLetter(ctx, tx, c, "cleared", to, reset, told+1, w, now)
	}
	return false, nil
}
