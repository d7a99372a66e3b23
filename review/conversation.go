package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
)

var caseNumberPattern = regexp.MustCompile(`\bRST-[0-9A-HJKMNP-TV-Z]{6}\b`)

// caseNumber returns the first case number in s, or "".
func caseNumber(s string) string {
	if !strings.Contains(s, "RST-") { // most do not, and to search for a pattern is slow
		return ""
	}
	return caseNumberPattern.FindString(s)
}

// A tie is how a mail belongs to a case.
type tie struct {
	caseRow
	standing string // of the sender's address in the case: admin, notify, user, former, or "" for a stranger
	quoted   bool   // the mail names the case, or answers a letter of it
	letter   bool   // it quotes what only a letter of the case carried
}

// maxTies is how many letters and cases one mail may quote.
const maxTies = 10

// tied finds the case that a mail quotes: by the Message-ID of a letter that went
// out, whatever else those fields say, or by a case's number in the subject or in
// the address it is sent to. Of several, one where the sender is a contact counts.
// It reports whether there is one.
func (d *Desk) tied(ctx context.Context, tx *sql.Tx, r *reading) (best tie, ok bool, err error) {
	all, err := d.quotedCases(ctx, tx, r)
	for _, t := range all {
		if t.standing, err = standing(ctx, tx, r, t.caseRow); err != nil {
			return best, false, err
		}
		if !ok || best.standing == "" && t.standing != "" {
			best, ok = t, true
		}
	}
	return best, ok, err
}

func (d *Desk) quotedCases(ctx context.Context, tx *sql.Tx, r *reading) (all []tie, err error) {
	add := func(c caseRow, err error, letter bool) error {
		if KindOf(err) == NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].id == c.id {
				all[i].letter = all[i].letter || letter
				return nil
			}
		}
		all = append(all, tie{caseRow: c, quoted: true, letter: letter})
		return nil
	}
	answers := append(slices.Clone(r.message.References), r.message.InReplyTo...)
	slices.Reverse(answers) // the newest first
	for _, id := range answers[:min(len(answers), maxTies)] {
		c, err := scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case
			WHERE id = (SELECT case_id FROM letter WHERE message_id = $1 AND attempt > 0)`, strings.ToLower(id)))
		if err := add(c, err, true); err != nil {
			return nil, err
		}
	}
	about := strings.ToUpper(r.message.Subject)
	numbers := caseNumberPattern.FindAllString(about+" "+strings.ToUpper(r.message.To+" "+r.message.Cc), maxTies)
	for _, number := range numbers {
		c, err := caseByNumber(ctx, tx, number)
		if err := add(c, err, strings.Contains(about, d.reference(c))); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// writer is the address that the mail says it comes from, as addresses are looked up.
func (r *reading) writer() string {
	if r.fromRegistered() {
		return strings.ToLower(r.verdict.Registered)
	}
	return strings.ToLower(r.verdict.From)
}

// standing says what the writer's address is to a case: it may be any contact of
// the account, or one of the last 30 days, who were told and may object.
func standing(ctx context.Context, tx *sql.Tx, r *reading, c caseRow) (role string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT CASE WHEN until IS NULL THEN role ELSE 'former' END FROM address
		WHERE lookup = $1 AND (account_id = $2 OR ($2 = '' AND lookup = $3)) AND (role <> 'user' OR user_id = $4) AND (until IS NULL OR until > $5)
		ORDER BY CASE WHEN until IS NULL THEN 0 ELSE 1 END, CASE role WHEN 'admin' THEN 0 WHEN 'notify' THEN 1 ELSE 2 END LIMIT 1`,
		r.writer(), c.account, c.requester, c.user, micros(time.Now().Add(-30*24*time.Hour))).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read standing: %w", err)
	}
	return role, nil
}

// What a mail says to a case, beside the kinds of replies of package intent.
const (
	saysRequest  = "request"
	saysFacts    = "facts"
	saysObject   = string(intent.Object)
	saysWithdraw = string(intent.Withdraw)
	saysThanks   = string(intent.Thanks)
	saysQuestion = string(intent.Question)
)

// says is what the writer's own words say. An objection weighs more than all else
// in an answer to a letter.
func (r *reading) says(quoted bool) string {
	switch {
	case r.intent.Reply == intent.Object && (quoted || !r.intent.Request):
		return saysObject
	case r.intent.Request:
		return saysRequest
	case r.intent.Reply != "":
		return string(r.intent.Reply)
	case len(r.meant.Targets) > 0:
		return saysFacts
	}
	return ""
}

// aboutFactor reports whether the words name a second factor: those of a mail that
// quotes nothing could be about anything.
func (r *reading) aboutFactor() bool {
	return intent.SmellsOf2FA(r.message.Subject) ||
		slices.ContainsFunc(r.intent.Signals, func(s intent.Signal) bool { return s.Name == "names-factor" })
}

// proven reports whether the mail is an admin's of the case, for whom at least its
// domain speaks.
func (r *reading) proven(t tie) bool {
	return t.standing == "admin" && r.verdict.State().AtLeast(sender.Partial)
}

// converse takes a mail that quotes a case. It reports whether that is all to be
// done: a request for somebody else, or after the end, goes on to a case of its
// own.
func (d *Desk) converse(ctx context.Context, tx *sql.Tx, r *reading, t tie) (done, queued bool, err error) {
	says := r.says(true)
	if says == saysRequest && r.fromRegistered() {
		if t.standing != "" && t.state.Closed() {
			r.previous = t.id
		}
		if t.standing != "admin" || t.state.Closed() || r.asksForOther(t.caseRow) {
			return false, false, nil
		}
	}
	var reason string
	if t.state.Closed() {
		if reason, queued, err = d.afterwards(ctx, tx, r, t, says); err != nil || reason == "" {
			return false, false, err
		}
	} else {
		if full, err := crowded(ctx, tx, r, t, says); err != nil || full {
			return false, false, err
		}
		if reason, queued, err = d.join(ctx, tx, r, t, says); err != nil {
			return false, false, err
		}
	}
	return true, queued, setFate(ctx, tx, r.id, "attached", reason)
}

// asksForOther reports whether a mail that quotes a case asks for another user
// than the case's.
func (r *reading) asksForOther(c caseRow) bool {
	return c.user != "" && slices.ContainsFunc(r.targets(), func(t target) bool { return t.user != "" && t.user != c.user })
}

// maxJoined is how many mails of one contact a case takes, and how many of
// strangers together, before those that nothing proves are parked or passed like
// any other mail; objections are counted by themselves. So neither strangers nor
// requests in a contact's name take the room of what the contact has to say.
const maxJoined = 40

func crowded(ctx context.Context, tx *sql.Tx, r *reading, t tie, says string) (bool, error) {
	if r.proven(t) {
		return false, nil
	}
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM case_mail m JOIN assessment s ON s.inbound_id = m.inbound_id
		WHERE m.case_id = $1 AND m.role <> 'opened' AND (m.says = 'object') = $4
			AND CASE WHEN $2 = '' THEN m.role = 'foreign' ELSE m.role <> 'foreign' AND lower(s.from_addr) = $3 END`,
		t.id, t.standing, r.writer(), flag(says == saysObject)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("count mails of case: %w", err)
	}
	return n >= maxJoined, nil
}

// mailOrder is the order in which the mails of a case are shown and packed: the
// opener, objections, what else contacts seem to send, then strangers.
const mailOrder = `CASE WHEN m.role = 'opened' THEN 0 WHEN m.role = 'foreign' THEN CASE WHEN m.says = 'object' THEN 4 ELSE 5 END
	WHEN m.says = 'object' THEN 1 WHEN m.role = 'replied' THEN 2 ELSE 3 END`

// unquoted takes a mail that quotes nothing and yet seems to belong to a case: any
// contact may object to all that is open for the account; an admin with one open
// request may withdraw it, ask for it, or answer what it left open.
func (d *Desk) unquoted(ctx context.Context, tx *sql.Tx, r *reading) (done, queued bool, err error) {
	says := r.says(false)
	if says == "" || says == saysRequest || says == saysObject && !r.aboutFactor() {
		return false, false, nil
	}
	if answer, err := answersLetter(ctx, tx, r); err != nil || answer {
		return false, false, err // it is about a user's own factor, and waits for a person
	}
	cases, err := d.casesOf(ctx, tx, r, says == saysObject)
	if err != nil || len(cases) == 0 {
		return false, false, err
	}
	if says != saysObject && (!r.fromRegistered() || len(cases) > 1 || says == saysFacts && cases[0].user != "") {
		return false, false, nil
	}
	var reasons []string
	for _, t := range cases {
		if full, err := crowded(ctx, tx, r, t, says); err != nil || full {
			return false, false, err
		}
		act := d.join
		if t.state.Closed() {
			act = d.afterwards
		}
		reason, mailed, err := act(ctx, tx, r, t, says)
		if err != nil {
			return false, false, err
		}
		queued, reasons = queued || mailed, append(reasons, reason)
	}
	return true, queued, setFate(ctx, tx, r.id, "attached", strings.Join(reasons, " "))
}

// casesOf returns the writer's open requests, or, for an objection, all that are
// open for accounts where the writer is a contact or were cleared and can be undone.
func (d *Desk) casesOf(ctx context.Context, tx *sql.Tx, r *reading, objection bool) (all []tie, err error) {
	where := `requester = $1 AND state IN ('open', 'held', 'clearing')`
	args := []any{r.writer()}
	if objection {
		where = `(state IN ('open', 'held', 'clearing') OR state = 'cleared' AND EXISTS (SELECT 1 FROM reset WHERE case_id = reset_case.id AND hold_until > $2))
			AND (requester = $1 AND account_id IS NULL OR account_id IN (SELECT account_id FROM address WHERE lookup = $1 AND (until IS NULL OR until > $3)))`
		args = append(args, micros(time.Now()), micros(time.Now().Add(-30*24*time.Hour)))
	}
	cases, err := casesWhere(ctx, tx, where+` ORDER BY id DESC LIMIT 5`, args...)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		t := tie{caseRow: c}
		if t.standing, err = standing(ctx, tx, r, c); err != nil {
			return nil, err
		}
		if t.standing != "" {
			all = append(all, t)
		}
	}
	return all, nil
}

func casesWhere(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]caseRow, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+caseColumns+` FROM reset_case WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	defer rows.Close()
	var all []caseRow
	for rows.Next() {
		c, err := scanCase(rows)
		if err != nil {
			return nil, fmt.Errorf("read cases: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}
