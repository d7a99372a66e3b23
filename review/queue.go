package review

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/totp"
)

const pageSize = 50

// Queue reads one page of a tab, with the counts of all tabs. after is the Next
// of the page before; search finds case numbers, accounts, logins and addresses.
func (d *Desk) Queue(ctx context.Context, s Session, tab Tab, after, search string) (QueuePage, error) {
	page := QueuePage{Tab: tab, Counts: map[Tab]int{}}
	if tab == TabQuarantine && !seesQuarantine(s) {
		return page, fail(Denied, "Quarantined mail is for leads and admins.")
	}
	err := d.snapshot(ctx, "read queue", func(tx *sql.Tx) error {
		open, err := d.openRows(ctx, tx, search)
		if err != nil {
			return err
		}
		for _, o := range open {
			page.Counts[o.tab]++
		}
		if err := mailCounts(ctx, tx, s, page.Counts); err != nil {
			return err
		}
		switch tab {
		case TabParked, TabQuarantine:
			return d.mailRows(ctx, tx, &page, after)
		case TabClosed:
			return d.closedRows(ctx, tx, &page, after, search)
		}
		pageOpen(&page, open, after)
		return nil
	})
	return page, err
}

func seesQuarantine(s Session) bool { return s.Reviewer.Role == Lead || s.Reviewer.Role == Admin }

// mailCounts counts what stands in the tabs of mails and of closed cases, up to
// 100.
func mailCounts(ctx context.Context, tx *sql.Tx, s Session, counts map[Tab]int) error {
	for tab, where := range mailTabs {
		if tab == TabQuarantine && !seesQuarantine(s) {
			continue
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM inbound i LEFT JOIN assessment s ON s.inbound_id = i.id
			WHERE `+where+` LIMIT 100) few`).Scan(&n); err != nil {
			return fmt.Errorf("count mails: %w", err)
		}
		counts[tab] = n
	}
	var closed int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM reset_case
		WHERE state IN ('cleared', 'undone', 'rejected', 'withdrawn', 'duplicate', 'not_a_request', 'expired') LIMIT 100) few`).Scan(&closed); err != nil {
		return fmt.Errorf("count closed cases: %w", err)
	}
	counts[TabClosed] = closed
	return nil
}

// mailTabs says which mails without a case a tab shows. Parked has all that a
// person may want to look at: mail from registered addresses, requests of
// strangers, and what the server would not hand out.
var mailTabs = map[Tab]string{
	TabParked:     `i.fate IN ('parked', 'unfetchable', 'passed') AND (i.fate <> 'passed' OR s.request = 1)`,
	TabQuarantine: `i.fate = 'quarantined'`,
}

func (d *Desk) mailRows(ctx context.Context, tx *sql.Tx, page *QueuePage, after string) error {
	before, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		before = 1 << 62
	}
	rows, err := tx.QueryContext(ctx, `SELECT i.id, i.received_at, i.fate, i.reason, coalesce(s.from_addr, ''), coalesce(s.subject, ''),
			coalesce(s.excerpt, ''), coalesce(s.verdict, '')
		FROM inbound i LEFT JOIN assessment s ON s.inbound_id = i.id
		WHERE i.id < $1 AND `+mailTabs[page.Tab]+` ORDER BY i.id DESC LIMIT $2`, before, pageSize+1)
	if err != nil {
		return fmt.Errorf("read mails: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m MailRow
		var received int64
		if err := rows.Scan(&m.ID, &received, &m.Fate, &m.Reason, &m.From, &m.Subject, &m.Excerpt, &m.Verdict); err != nil {
			return fmt.Errorf("read mails: %w", err)
		}
		m.Received = fromMicros(received)
		if len(page.Mails) == pageSize {
			page.Next = strconv.FormatInt(page.Mails[pageSize-1].ID, 10)
			break
		}
		page.Mails = append(page.Mails, m)
	}
	return rows.Err()
}

// An openRow is an open case with the tab it belongs to.
type openRow struct {
	QueueRow
	tab Tab
	id  int64
}

// openRows reads and judges every open case. There are as many as staff can
// have on the desk; closed ones are paged from the index instead.
func (d *Desk) openRows(ctx context.Context, tx *sql.Tx, search string) ([]openRow, error) {
	cases, err := casesWhere(ctx, tx, `state IN ('open', 'held', 'clearing') ORDER BY id LIMIT 2000`)
	if err != nil {
		return nil, err
	}
	var all []openRow
	queries := compiled(tx)
	for _, c := range cases {
		row, err := d.queueRow(ctx, queries, c)
		if err != nil {
			return nil, err
		}
		if matches(row.QueueRow, search) {
			all = append(all, row)
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

func (d *Desk) queueRow(ctx context.Context, tx totp.Querier, c caseRow) (openRow, error) {
	f, _, err := readFacts(ctx, tx, c)
	if err != nil {
		return openRow{}, err
	}
	j := Judge(f, d.cfg.Policy, time.Now())
	r := openRow{id: c.id, QueueRow: QueueRow{Number: c.number, State: c.state, AccountID: c.account, Requester: c.requester,
		Verdict: f.Verdict, Match: f.Match, Risk: j.Risk, Opened: c.opened, Due: c.expires, Approvals: f.Votes, Needed: j.Approvals}}
	err = tx.QueryRowContext(ctx, `SELECT coalesce((SELECT name FROM account WHERE id = $2), ''), coalesce((SELECT login FROM panel_user WHERE id = $3), ''),
			coalesce(s.subject, ''), coalesce(s.excerpt, p.note, '')
		FROM (SELECT 1) one LEFT JOIN assessment s ON s.inbound_id = $1
			LEFT JOIN panel_request p ON p.case_id = $4 AND p.serial = 1`,
		c.mail, c.account, c.user, c.id).Scan(&r.AccountName, &r.UserLogin, &r.Subject, &r.Excerpt)
	if err != nil {
		return r, fmt.Errorf("read case: %w", err)
	}
	if c.mail == 0 {
		r.Match, r.Subject, r.Excerpt = "", "Asked for in the control panel", excerpt(r.Excerpt)
	}
	r.tab, r.WaitsFor = waitsFor(c, f, j)
	if r.tab == TabWaiting {
		r.Due = j.WaitUntil
	}
	return r, nil
}

// waitsFor says whose turn it is.
func waitsFor(c caseRow, f Facts, j Judgement) (Tab, string) {
	switch {
	case c.state.Closed():
		return TabClosed, strings.ReplaceAll(string(c.state), "_", " ")
	case c.state == StateHeld:
		return TabHeld, "On hold: " + c.heldReason
	case f.Votes < j.Approvals:
		return TabReview, fmt.Sprintf("%d of %d approvals", f.Votes, j.Approvals)
	case f.ConfirmedAt.IsZero():
		return TabOwner, "The owner has not confirmed"
	}
	return TabWaiting, "Waiting period"
}

func matches(r QueueRow, search string) bool {
	search = strings.ToLower(strings.TrimSpace(search))
	if search == "" {
		return true
	}
	for _, s := range []string{r.Number, r.AccountID, r.AccountName, r.UserLogin, r.Requester} {
		if strings.Contains(strings.ToLower(s), search) {
			return true
		}
	}
	return false
}

func pageOpen(page *QueuePage, open []openRow, after string) {
	for _, o := range open {
		if o.tab != page.Tab || (after != "" && o.Number != after) {
			continue
		}
		after = ""
		if len(page.Cases) == pageSize {
			page.Next = o.Number
			return
		}
		page.Cases = append(page.Cases, o.QueueRow)
	}
}

func (d *Desk) closedRows(ctx context.Context, tx *sql.Tx, page *QueuePage, after, search string) error {
	before, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		before = 1 << 62
	}
	search = strings.ToUpper(strings.TrimSpace(search))
	cases, err := casesWhere(ctx, tx, `id < $1 AND state NOT IN ('open', 'held', 'clearing')
		AND ($2 = '' OR number = $2 OR upper(account_id) = $2 OR upper(requester) = $2) ORDER BY id DESC LIMIT $3`, before, search, pageSize+1)
	if err != nil {
		return err
	}
	queries := compiled(tx)
	for i, c := range cases {
		if i == pageSize {
			page.Next = strconv.FormatInt(cases[i-1].id, 10)
			break
		}
		row, err := d.queueRow(ctx, queries, c)
		if err != nil {
			return err
		}
		row.Due = c.closed
		page.Cases = append(page.Cases, row.QueueRow)
	}
	return nil
}

// Mail reads a mail that has no case.
func (d *Desk) Mail(ctx context.Context, s Session, id int64) (MailView, error) {
	var v MailView
	err := d.snapshot(ctx, "read mail", func(tx *sql.Tx) error {
		var err error
		v, err = mailView(ctx, tx, id, "")
		return err
	})
	if err == nil && v.Fate == "quarantined" && !seesQuarantine(s) {
		return MailView{}, fail(Denied, "Quarantined mail is for leads and admins.")
	}
	return v, err
}

// OpenParked makes a case of a parked mail, because a person read a request in
// it. Its sender verdict stays what it was.
func (d *Desk) OpenParked(ctx context.Context, s Session, id int64) (string, error) {
	if err := mayDecide(s); err != nil {
		return "", err
	}
	r, err := d.load(ctx, id)
	if err != nil {
		return "", fail(NotFound, "There is no such mail.")
	}
	r.byHand = true
	d.examine(ctx, &r)
	var number string
	err = d.update(ctx, "open parked mail", func(tx *sql.Tx) error {
		var fate string
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(fate, '') FROM inbound WHERE id = $1`, id).Scan(&fate); err != nil {
			return err
		}
		if fate != "parked" || !r.verdict.State().AtLeast(sender.Unverified) || !r.fromRegistered() {
			return fail(Conflict, "Only a parked mail from a registered address can become a case.")
		}
		if _, err := record(ctx, tx, time.Now(), s.actor(), "mail.opened", fmt.Sprintf("mail:%d", id), nil); err != nil {
			return err
		}
		if _, err := d.openCases(ctx, tx, &r); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT c.number FROM case_mail m JOIN reset_case c ON c.id = m.case_id WHERE m.inbound_id = $1 ORDER BY c.id LIMIT 1`, id).Scan(&number)
	})
	if err == nil {
		d.lettersReady()
	}
	return number, err
}
