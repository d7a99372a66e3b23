package review

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A caseRow is one row of reset_case.
type caseRow struct {
	id, version, round    int64
	mail                  int64  // that opened it; 0: a request of the panel or a reviewer did
	channel               string // by which it came to the reviewer who opened it, "" if none did
	previous              int64  // the closed case that it comes back to; 0: none
	number, requester     string
	state                 State
	account, user, locale string // account and user "" while open
	opened, expires       time.Time
	watched, closed       time.Time
	heldBy, heldReason    string
	heldUntil             time.Time // zero: no time was set
	closedBy, closeReason string
}

const caseColumns = `id, coalesce(opener_mail, 0), coalesce((SELECT q.channel FROM hand_request q WHERE q.case_id = reset_case.id), ''), coalesce(previous_id, 0), version, round, number, requester, state, coalesce(account_id, ''), coalesce(user_id, ''), locale,
	opened_at, expires_at, watched_from, coalesce(closed_at, 0), held_by, held_reason, held_until, closed_by, close_reason`

func scanCase(row interface{ Scan(...any) error }) (caseRow, error) {
	var c caseRow
	var opened, expires, watched, closed, until int64
	err := row.Scan(&c.id, &c.mail, &c.channel, &c.previous, &c.version, &c.round, &c.number, &c.requester, &c.state, &c.account, &c.user, &c.locale,
		&opened, &expires, &watched, &closed, &c.heldBy, &c.heldReason, &until, &c.closedBy, &c.closeReason)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fail(NotFound, "There is no such case.")
	}
	c.opened, c.expires, c.watched, c.closed = fromMicros(opened), fromMicros(expires), fromMicros(watched), fromMicros(closed)
	c.heldUntil = fromMicros(until)
	return c, err
}

func caseByNumber(ctx context.Context, tx *sql.Tx, number string) (caseRow, error) {
	return scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE number = $1`, number))
}

func caseByID(ctx context.Context, tx *sql.Tx, id int64) (caseRow, error) {
	return scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE id = $1`, id))
}

// readFacts reads everything a judgement by p rests on, and the user's status, in
// the caller's transaction.
func readFacts(ctx context.Context, tx totp.Querier, c caseRow, p Policy) (Facts, totp.Status, error) {
	f := Facts{State: c.state, HeldReason: c.heldReason, Account: c.account, User: c.user, Opened: c.opened, Watched: c.watched}
	var status totp.Status
	if err := readOpener(ctx, tx, c, &f); err != nil {
		return f, status, err
	}
	if err := readAddressFacts(ctx, tx, c, p, &f); err != nil {
		return f, status, err
	}
	if err := readNotices(ctx, tx, c, p.NoticeGrace, &f); err != nil {
		return f, status, err
	}
	if err := readAnswers(ctx, tx, c, &f); err != nil {
		return f, status, err
	}
	if err := readProofs(ctx, tx, c, &f); err != nil {
		return f, status, err
	}
	if err := readHistory(ctx, tx, c, &f); err != nil {
		return f, status, err
	}
	if c.user == "" {
		return f, status, nil
	}
	status, err := totp.ReadStatus(ctx, tx, c.user)
	if err != nil {
		return f, status, fmt.Errorf("read 2FA status: %w", err)
	}
	f.Enrolled, f.VerifiedAt = status.Enrolled, status.LastUsed
	if err := readSignalFacts(ctx, tx, c, p.VouchedWithin, &f); err != nil {
		return f, status, err
	}
	return f, status, readUserFacts(ctx, tx, c, status.Generation, &f)
}

// readOpener reads what is known of who asked.
func readOpener(ctx context.Context, tx totp.Querier, c caseRow, f *Facts) error {
	if c.channel != "" {
		f.Verdict, f.Match = byHand, "exact"
		return nil
	}
	if c.mail == 0 {
		var password int64
		err := tx.QueryRowContext(ctx, `SELECT password_at FROM panel_request WHERE case_id = $1 AND serial = 1`, c.id).Scan(&password)
		if err != nil {
			return fmt.Errorf("read panel request: %w", err)
		}
		f.Verdict, f.Match, f.PasswordGiven = fromPanel, "exact", password > 0
		return nil
	}
	err := tx.QueryRowContext(ctx, `SELECT verdict, match FROM assessment WHERE inbound_id = $1`, c.mail).Scan(&f.Verdict, &f.Match)
	if err != nil {
		return fmt.Errorf("read sender verdict: %w", err)
	}
	return nil
}

func readAddressFacts(ctx context.Context, tx totp.Querier, c caseRow, p Policy, f *Facts) error {
	var since, imported int64
	err := tx.QueryRowContext(ctx, `SELECT coalesce(max(d.since), 0), coalesce(max(a.created_at), 0)
		FROM address d JOIN account a ON a.id = d.account_id
		WHERE d.lookup = $1 AND d.until IS NULL AND d.role = 'admin' AND (d.account_id = $2 OR $2 = '')`,
		c.requester, c.account).Scan(&since, &imported)
	if err != nil {
		return fmt.Errorf("read address history: %w", err)
	}
	f.AddressSince, f.ImportedAt = fromMicros(since), fromMicros(imported)
	if since == 0 {
		f.Match = "none" // the address was registered when the case opened and is not any more
	}
	// Only up to the opening: later ones must not let a stranger disturb a case.
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM assessment s JOIN inbound i ON i.id = s.inbound_id
		WHERE s.claimed = $1 AND s.claimed <> '' AND s.verdict = 'quarantine' AND s.assessed_at > $2 AND s.assessed_at <= $3 AND i.fate = 'quarantined'`,
		c.requester, micros(c.opened.Add(-p.Imitations)), micros(c.opened)).Scan(&f.Quarantined)
	if err != nil {
		return fmt.Errorf("read imitations: %w", err)
	}
	return nil
}

// readNotices finds when the last notice of this round went out. One that failed
// for good was looked at by a person, who resumed the case; one that is put off
// for grace counts as out, so that a dead address cannot stop a case for days.
// The acknowledgement itself must have been taken: the server said so and no other
// says that it came back, or its reader answered with the link that is in no other
// letter.
func readNotices(ctx context.Context, tx totp.Querier, c caseRow, grace time.Duration, f *Facts) error {
	var all, done, last, taken, answered, asked, refused int64
	err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(CASE WHEN serial = 1 THEN 1 ELSE 0 END), 0),
			coalesce(sum(CASE WHEN serial = 1 AND (state IN ('sent', 'failed') OR (attempt > 0 AND queued_at <= $3)) THEN 1 ELSE 0 END), 0),
			coalesce(max(CASE WHEN serial = 1 THEN CASE WHEN state IN ('sent', 'failed') THEN changed_at ELSE queued_at + $4 END END), 0),
			coalesce(min(CASE WHEN kind = 'acknowledgement' AND state = 'sent' AND NOT back THEN changed_at END), 0),
			coalesce((SELECT min(at) FROM answer WHERE case_id = $1 AND round = $2 AND answer = 'yes'), 0),
			coalesce(sum(CASE WHEN kind = 'acknowledgement' THEN 1 ELSE 0 END), 0),
			coalesce(sum(CASE WHEN kind = 'acknowledgement' AND (state = 'failed' OR back) THEN 1 ELSE 0 END), 0)
		FROM (SELECT l.*, EXISTS (SELECT 1 FROM bounce b WHERE b.letter_id = l.id AND b.action = 'failed') AS back
			FROM letter l WHERE l.case_id = $1 AND l.round = $2 AND l.kind IN ('acknowledgement', 'notice')) AS told`,
		c.id, c.round, micros(time.Now().Add(-grace)), grace.Microseconds()).Scan(&all, &done, &last, &taken, &answered, &asked, &refused)
	if err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	if taken == 0 || answered > 0 && answered < taken {
		taken = answered
	}
	if all > 0 && done == all && taken > 0 {
		f.NoticesOutAt = fromMicros(max(last, taken))
	}
	f.AskRefused = asked > 0 && refused == asked && answered == 0
	return nil
}

func readAnswers(ctx context.Context, tx totp.Querier, c caseRow, f *Facts) error {
	var yes, no int64
	err := tx.QueryRowContext(ctx, `SELECT coalesce(min(CASE WHEN answer = 'yes' AND user_id = $3 THEN at END), 0),
			coalesce(max(CASE WHEN answer = 'no' THEN at END), 0)
		FROM answer WHERE case_id = $1 AND round = $2`, c.id, c.round, c.user).Scan(&yes, &no)
	if err != nil {
		return fmt.Errorf("read answers: %w", err)
	}
	f.ConfirmedAt, f.Objected = fromMicros(yes), no > 0
	return nil
}

func readUserFacts(ctx context.Context, tx totp.Querier, c caseRow, generation int64, f *Facts) error {
	var voted, last, changed, ended int64
	err := tx.QueryRowContext(ctx, `SELECT
		(SELECT count(DISTINCT person) FROM vote WHERE case_id = $1 AND round = $2 AND generation = $3 AND expires_at > $6),
		(SELECT count(DISTINCT v.person) FROM vote v WHERE v.case_id = $1 AND v.round = $2 AND v.generation = $3 AND v.expires_at > $6
			AND NOT EXISTS (SELECT 1 FROM hand_request q WHERE q.case_id = v.case_id AND (q.person = v.person OR q.reviewer_id = v.reviewer_id))),
		(SELECT coalesce(max(decided_at), 0) FROM vote WHERE case_id = $1 AND round = $2 AND generation = $3 AND expires_at > $6),
		(SELECT coalesce(max(cleared_at), 0) FROM reset WHERE user_id = $4 AND case_id <> $1),
		(SELECT count(*) > 0 FROM address WHERE user_id = $4 AND until IS NULL),
		(SELECT coalesce(max(d.since), 0) FROM address d JOIN panel_user u ON u.id = d.user_id
			WHERE u.id = $4 AND d.until IS NULL AND d.since > u.created_at),
		(SELECT coalesce(max(until), 0) FROM address WHERE account_id = $5 AND until IS NOT NULL)`,
		c.id, c.round, generation, c.user, c.account, micros(time.Now())).Scan(&f.Votes, &f.OtherVotes, &voted, &last, &f.UserAddress, &changed, &ended)
	if err != nil {
		return fmt.Errorf("read votes: %w", err)
	}
	f.VotedAt, f.LastReset, f.UserChanged, f.ContactEnded = fromMicros(voted), fromMicros(last), fromMicros(changed), fromMicros(ended)
	return nil
}

// evidenceHash names what a reviewer saw: everything that a vote rests on but
// the votes, the owner's answer and the clock, which only ever complete it, and
// repeats of the request, which a stranger can send at will.
func evidenceHash(ctx context.Context, tx *sql.Tx, c caseRow, f Facts, generation int64) ([]byte, error) {
	rows, err := tx.QueryContext(ctx, `SELECT inbound_id FROM case_mail WHERE case_id = $1 AND role IN ('opened', 'replied') ORDER BY inbound_id`, c.id)
	if err != nil {
		return nil, fmt.Errorf("hash evidence: %w", err)
	}
	defer rows.Close()
	mails := []int64{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("hash evidence: %w", err)
		}
		mails = append(mails, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("hash evidence: %w", err)
	}
	text, err := json.Marshal(map[string]any{
		"case": c.number, "round": c.round, "account": c.account, "user": c.user, "generation": generation,
		"state": c.state, "requester": c.requester, "verdict": f.Verdict, "match": f.Match, "mails": mails,
		"address_since": micros(f.AddressSince), "last_reset": micros(f.LastReset), "imitations": f.Quarantined,
		"objected": f.Objected, "user_changed": micros(f.UserChanged), "contact_ended": micros(f.ContactEnded), "verified_after": f.signedIn(),
		"password_given": f.PasswordGiven, "vouched": !f.VouchedAt.IsZero(), "proofs": proofIDs(f.Evidence), "circular": f.Circular,
	})
	if err != nil {
		return nil, fmt.Errorf("hash evidence: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}
