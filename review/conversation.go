package review

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"time"
)

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
