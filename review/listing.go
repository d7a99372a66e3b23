package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// settleBatch is how many summaries one transaction writes anew; the clock does
// the rest. freshFor is how old the summary of an open case gets before the clock
// judges the case again, whatever happened.
const settleBatch, freshFor = 200, time.Hour

// A summaryRow is the row of case_summary.
type summaryRow struct {
	tab, reason, verdict, match, waitsFor string
	place, due, moves                     int64 // moves 0: never
	rank, approvals, needed               int
}

var ranks = []RiskLevel{High, Medium, Low}

const (
	staleSQL = `SELECT case_id FROM case_stale ORDER BY case_id LIMIT $1`
	movedSQL = `SELECT EXISTS (SELECT 1 FROM case_stale) OR EXISTS (SELECT 1 FROM case_summary WHERE moves_at <= $1)`
)

// settle writes the summaries anew of the cases that the transaction, or one
// outside the desk, changed: the schema marked them.
func (d *Desk) settle(ctx context.Context, tx *sql.Tx) error {
	ids, err := numbers(ctx, tx, staleSQL, settleBatch)
	if err != nil || len(ids) == 0 {
		return err
	}
	now := time.Now()
	for _, id := range ids {
		err := d.summarize(ctx, tx, id, now)
		if err != nil && ctx.Err() == nil { // one case that cannot be listed must not stop the desk
			d.log.Error("a case was not listed anew", "case", id, "error", err)
			_, err = tx.ExecContext(ctx, `UPDATE case_summary SET moves_at = $2 WHERE case_id = $1`, id, micros(now.Add(freshFor)))
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM case_stale WHERE case_id = $1`, id)
		}
		if err != nil {
			return fmt.Errorf("list case %d: %w", id, err)
		}
	}
	return nil
}

func numbers(ctx context.Context, tx totp.Querier, query string, args ...any) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

func (d *Desk) summarize(ctx context.Context, tx *sql.Tx, id int64, now time.Time) error {
	c, err := scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE id = $1`, id))
	if err != nil {
		return err
	}
	s, err := d.summaryOf(ctx, tx, c, now)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO case_summary (case_id, tab, place, rank, reason, verdict, match, waits_for, due_at, approvals, needed, entered_at, moves_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (case_id) DO UPDATE SET entered_at = CASE WHEN tab = excluded.tab THEN entered_at ELSE excluded.entered_at END,
			tab = excluded.tab, place = excluded.place, rank = excluded.rank, reason = excluded.reason, verdict = excluded.verdict, match = excluded.match,
			waits_for = excluded.waits_for, due_at = excluded.due_at, approvals = excluded.approvals, needed = excluded.needed, moves_at = excluded.moves_at`,
		id, s.tab, s.place, s.rank, s.reason, s.verdict, s.match, s.waitsFor, s.due, s.approvals, s.needed, micros(now), nullID(s.moves))
	if err != nil {
		return err
	}
	return d.rewordCase(ctx, tx, c)
}

// summaryOf judges a case for the lists. A closed one keeps what it was closed
// with, for later facts had no part in it.
func (d *Desk) summaryOf(ctx context.Context, tx totp.Querier, c caseRow, now time.Time) (summaryRow, error) {
	var s summaryRow
	if c.state.Closed() {
		err := tx.QueryRowContext(ctx, `SELECT rank, reason, verdict, match, approvals, needed FROM case_summary WHERE case_id = $1`, c.id).
			Scan(&s.rank, &s.reason, &s.verdict, &s.match, &s.approvals, &s.needed)
		s.tab, s.waitsFor = string(TabClosed), strings.ReplaceAll(string(c.state), "_", " ")
		s.place, s.due = -micros(c.closed), micros(c.closed)
		until, objected := objectedUntil(ctx, tx, c, now)
		if objected != nil {
			return s, objected
		}
		if !until.IsZero() {
			s.tab, s.waitsFor = string(TabHeld), "A contact objects to the reset"
			s.place, s.due, s.moves = micros(until), micros(until), micros(until)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return s, err
		}
	}
	f, _, err := readFacts(ctx, tx, c, d.cfg.Policy)
	if err != nil {
		return s, err
	}
	j := Judge(f, d.cfg.Policy, now)
	s.rank, s.verdict, s.match = slices.Index(ranks, j.Risk.Level), f.Verdict, f.Match
	s.approvals, s.needed = f.Votes, j.Approvals
	if len(j.Risk.Reasons) > 0 {
		s.reason = j.Risk.Reasons[0]
	}
	if c.state.Closed() {
		return s, nil
	}
	tab, waits := waitsFor(c, f, j)
	due := c.expires
	if tab == TabWaiting && !j.WaitUntil.IsZero() {
		due = j.WaitUntil
	}
	s.tab, s.waitsFor, s.place, s.due = string(tab), waits, micros(due), micros(due)
	s.moves, err = moves(ctx, tx, c, d.cfg.Policy.NoticeGrace, now)
	return s, err
}

// moves is when time alone may change the summary of an open case.
func moves(ctx context.Context, tx totp.Querier, c caseRow, grace time.Duration, now time.Time) (int64, error) {
	latest := micros(now.Add(freshFor))
	var put, vote, freeze int64 // when a notice that is put off will count as out, the first vote will not, and a freeze ends
	err := tx.QueryRowContext(ctx, `SELECT (SELECT coalesce(min(queued_at), 0) FROM letter
			WHERE case_id = $1 AND round = $2 AND kind IN ('acknowledgement', 'notice') AND serial = 1 AND state NOT IN ('sent', 'failed') AND queued_at > $3),
		(SELECT coalesce(min(expires_at), 0) FROM vote WHERE case_id = $1 AND round = $2 AND expires_at > $4),
		coalesce((SELECT until FROM account_freeze WHERE account_id = $5 ORDER BY id DESC LIMIT 1), 0)`,
		c.id, c.round, micros(now.Add(-grace)), micros(now), c.account).Scan(&put, &vote, &freeze)
	if put > 0 {
		latest = min(latest, put+grace.Microseconds())
	}
	for _, t := range []int64{vote, freeze} {
		if t > micros(now) {
			latest = min(latest, t)
		}
	}
	return latest, err
}

// waitsFor says whose turn it is.
func waitsFor(c caseRow, f Facts, j Judgement) (Tab, string) {
	switch {
	case c.state == StateHeld:
		return TabHeld, "On hold: " + c.heldReason
	case j.open("evidence"):
		return TabReview, "Evidence to record"
	case f.AskRefused:
		return TabReview, "The confirm letter was refused"
	case f.Votes < j.Approvals:
		return TabReview, fmt.Sprintf("%d of %d approvals", f.Votes, j.Approvals)
	case f.ConfirmedAt.IsZero():
		return TabOwner, "The owner has not confirmed"
	case f.FrozenUntil.After(time.Now()):
		return TabWaiting, "The account is frozen"
	case j.WaitUntil.IsZero():
		return TabWaiting, "The notices are not out yet"
	}
	return TabWaiting, "Waiting period"
}

// rewordCase writes the words anew by which a case is found, if they changed.
func (d *Desk) rewordCase(ctx context.Context, tx *sql.Tx, c caseRow) error {
	want, err := wordsOf(ctx, tx, c)
	if err != nil {
		return err
	}
	have, err := texts(ctx, tx, `SELECT word FROM case_word WHERE case_id = $1 ORDER BY word`, c.id)
	if err != nil || slices.Equal(have, want) {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM case_word WHERE case_id = $1`, c.id); err != nil {
		return err
	}
	for _, w := range want {
		if _, err := tx.ExecContext(ctx, `INSERT INTO case_word (word, case_id) VALUES ($1, $2)`, w, c.id); err != nil {
			return err
		}
	}
	return nil
}

// wordsOf are the words by which a case is found, in order.
func wordsOf(ctx context.Context, tx totp.Querier, c caseRow) ([]string, error) {
	var account, login, name string
	err := tx.QueryRowContext(ctx, `SELECT coalesce((SELECT name FROM account WHERE id = $1), ''), coalesce((SELECT login FROM panel_user WHERE id = $2), ''),
		coalesce((SELECT full_name FROM panel_user WHERE id = $2), '')`, c.account, c.user).Scan(&account, &login, &name)
	if err != nil {
		return nil, err
	}
	// The newest are enough: anybody can send repeats.
	ids, err := texts(ctx, tx, `SELECT s.message_id FROM case_mail m JOIN assessment s ON s.inbound_id = m.inbound_id
		WHERE m.case_id = $1 ORDER BY m.inbound_id DESC LIMIT 20`, c.id)
	if err != nil {
		return nil, err
	}
	all := searchWords(account + " " + name)
	for _, whole := range append(ids, c.number, c.account, c.user, login, c.requester) {
		all = append(all, searchWords(whole)...)
		all = append(all, searchWord(whole))
	}
	if _, domain, ok := cutAddress(c.requester); ok {
		all = append(all, searchWord(domain))
	}
	all = slices.DeleteFunc(all, func(w string) bool { return w == "" })
	slices.Sort(all)
	return slices.Compact(all), nil
}

// searchWord is a word as it is stored and sought: in lower case, without what
// people and mail programs put around it, and no longer than needed.
func searchWord(s string) string {
	s = strings.Trim(strings.ToLower(s), "<>\"'()[]{}.,;:!?|/\\ \t\r\n")
	return strings.ToValidUTF8(clip(strings.TrimPrefix(s, "rst-"), 120), "")
}

// searchWords splits a text into at most 20 words.
func searchWords(s string) []string {
	var all []string
	for _, w := range strings.Fields(clip(s, 1000)) {
		if w = searchWord(w); w != "" && len(all) < 20 {
			all = append(all, w)
		}
	}
	return all
}

func texts(ctx context.Context, tx totp.Querier, query string, args ...any) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// judgeAnew marks every open case: the policy may be another one, under which a case
// that somebody voted for is complete, or complete earlier.
func judgeAnew(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO case_stale SELECT id FROM reset_case WHERE state IN ('open', 'held', 'clearing') ON CONFLICT DO NOTHING`)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE reset_case SET due_at = $1
		WHERE state = 'open' AND due_at > $1 AND EXISTS (SELECT 1 FROM approval WHERE case_id = reset_case.id)`, micros(time.Now()))
	return err
}

// tickSummaries writes anew what time, or a transaction outside the desk, changed.
func (d *Desk) tickSummaries(ctx context.Context) error {
	for {
		var due bool
		err := d.db.read.QueryRowContext(ctx, movedSQL, micros(time.Now())).Scan(&due)
		if err != nil || !due {
			return err
		}
		err = d.update(ctx, "refresh lists", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO case_stale SELECT case_id FROM case_summary WHERE moves_at <= $1 LIMIT $2 ON CONFLICT DO NOTHING`,
				micros(time.Now()), settleBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
}
