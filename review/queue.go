package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/totp"
)

// pageSize is how many rows a page of the queue has: so many weigh less than 60 KB
// whatever strangers write.
const pageSize = 40

// scanned is how many rows a filtered page looks at before it gives way to the
// next one; foundMost how many cases a search finds.
const scanned, foundMost = 2000, 200

// Queue reads one page of the queue, with the counts of all tabs. Nothing is
// judged and nothing counted here: the rows stand as the transactions that
// changed the cases left them.
func (d *Desk) Queue(ctx context.Context, s Session, f QueueFilter) (QueuePage, error) {
	page := QueuePage{QueueFilter: f, Counts: map[Tab]int{}, At: time.Now()}
	if f.Tab == TabQuarantine && !seesQuarantine(s) {
		return page, fail(Denied, "Quarantined mail is for leads and admins.")
	}
	err := d.snapshot(ctx, "read queue", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Look); err != nil {
			return err
		}
		mine, err := numbers(ctx, tx, mineSQL, s.Reviewer.ID, micros(page.At), foundMost)
		if err != nil {
			return fmt.Errorf("read claims: %w", err)
		}
		if err := readTally(ctx, tx, s, page.Counts); err != nil {
			return err
		}
		page.Counts[TabMine] = len(mine)
		switch {
		case f.Found():
			ids, err := findCases(ctx, tx, &page)
			if err != nil {
				return err
			}
			return foundRows(ctx, tx, s, ids, &page)
		case f.Tab == TabMine:
			return foundRows(ctx, tx, s, mine, &page)
		case f.Tab == TabParked || f.Tab == TabQuarantine:
			return mailRows(ctx, tx, &page)
		}
		return caseRows(ctx, tx, s, &page)
	})
	return page, err
}

func seesQuarantine(s Session) bool { return s.Reviewer.Role.May(Leading) }

func readTally(ctx context.Context, tx totp.Querier, s Session, counts map[Tab]int) error {
	rows, err := tx.QueryContext(ctx, tallySQL)
	if err != nil {
		return fmt.Errorf("read tally: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var tab Tab
		var n int
		if err := rows.Scan(&tab, &n); err != nil {
			return fmt.Errorf("read tally: %w", err)
		}
		if tab != TabQuarantine || seesQuarantine(s) {
			counts[tab] = n
		}
	}
	return rows.Err()
}

const (
	tallySQL = `SELECT tab, n FROM queue_tally`

	mailsSQL = `SELECT i.id, i.received_at, i.fate, i.reason, coalesce(s.from_addr, ''), coalesce(s.subject, ''),
			coalesce(s.excerpt, ''), coalesce(s.verdict, '')
		FROM (SELECT inbound_id FROM mail_shelf WHERE tab = $1 AND inbound_id < $2 ORDER BY inbound_id DESC LIMIT $3) m
			JOIN inbound i ON i.id = m.inbound_id LEFT JOIN assessment s ON s.inbound_id = i.id
		ORDER BY m.inbound_id DESC`

	// A page of a list: the next rows of the tab.
	listSQL = `SELECT case_id, tab, place, rank, reason, verdict, match, waits_for, due_at, approvals, needed FROM case_summary
		WHERE tab = $1 AND (place, rank, case_id) > ($2, $3, $4) ORDER BY place, rank, case_id LIMIT $5`

	// What is shown of the rows of such a page.
	rowsSQL = `SELECT s.case_id, s.tab, s.place, s.rank, s.reason, s.verdict, s.match, s.waits_for, s.due_at, s.approvals, s.needed,
			c.number, c.version, c.state, coalesce(c.account_id, ''), coalesce(a.name, ''), coalesce(u.login, ''), c.requester, c.opened_at,
			c.opener_mail IS NULL, coalesce(m.subject, ''), coalesce(m.excerpt, p.note, q.reason, ''),
			coalesce(k.reviewer_id, 0), coalesce(k.until, 0), coalesce(w.name, '')
		FROM page s JOIN reset_case c ON c.id = s.case_id
			LEFT JOIN account a ON a.id = c.account_id LEFT JOIN panel_user u ON u.id = c.user_id
			LEFT JOIN assessment m ON m.inbound_id = c.opener_mail
			LEFT JOIN panel_request p ON p.case_id = c.id AND p.serial = 1 LEFT JOIN hand_request q ON q.case_id = c.id
			LEFT JOIN case_claim k ON k.case_id = c.id LEFT JOIN reviewer w ON w.id = k.reviewer_id
		ORDER BY s.place, s.rank, s.case_id`

	wordSQL = `SELECT case_id FROM case_word WHERE word = $1 ORDER BY case_id DESC LIMIT $2`

	beginningSQL = `SELECT case_id FROM case_word WHERE word >= $1 AND word < $2 LIMIT $3`

	hasWordSQL = `SELECT EXISTS (SELECT 1 FROM case_word WHERE case_id = $1 AND word >= $2 AND word < $3)`

	mineSQL = `SELECT k.case_id FROM case_claim k JOIN case_summary s ON s.case_id = k.case_id AND s.tab <> 'closed'
		WHERE k.reviewer_id = $1 AND k.until > $2 LIMIT $3`

	accountSQL = `SELECT id FROM reset_case WHERE account_id = $1 ORDER BY id DESC LIMIT $2`
)

func mailRows(ctx context.Context, tx totp.Querier, page *QueuePage) error {
	before, err := strconv.ParseInt(page.After, 10, 64)
	if err != nil {
		before = 1 << 62
	}
	rows, err := tx.QueryContext(ctx, mailsSQL, page.Tab, before, pageSize+1)
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

// A place is where a case stands in its list: the cursor behind it.
type place struct{ place, rank, id int64 }

func (p place) String() string { return fmt.Sprintf("%d_%d_%d", p.place, p.rank, p.id) }

// placeOf reads a cursor. One that is none begins the list.
func placeOf(s string) place {
	p := place{place: -1 << 62}
	var q place
	if n, err := fmt.Sscanf(s, "%d_%d_%d", &q.place, &q.rank, &q.id); n == 3 && err == nil {
		return q
	}
	return p
}

// caseRows reads a page of a list of cases. A filter thins the rows out on the
// way; where it leaves few, the page ends after so many rows and the next one
// goes on there, so that no page costs more than its bound.
func caseRows(ctx context.Context, tx totp.Querier, s Session, page *QueuePage) error {
	after, limit := placeOf(page.After), pageSize+1
	conditions, args := filters(page.QueueFilter, s, 5)
	if conditions != "" {
		limit = scanned
	}
	args = append([]any{page.Tab, after.place, after.rank, after.id, limit}, args...)
	passed, err := readRows(ctx, tx, s, pageSQL(conditions), args, page)
	if err != nil || passed != (place{}) || conditions == "" {
		if passed != (place{}) {
			page.Next = passed.String()
		}
		return err
	}
	// All rows that were looked at are on the page; there may be more behind them.
	var last place
	err = tx.QueryRowContext(ctx, `SELECT place, rank, case_id FROM (`+listSQL+`) listed ORDER BY place DESC, rank DESC, case_id DESC LIMIT 1 OFFSET 0`,
		page.Tab, after.place, after.rank, after.id, limit).Scan(&last.place, &last.rank, &last.id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read queue: %w", err)
	}
	var more bool
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (`+listSQL+`)`, page.Tab, last.place, last.rank, last.id, 1).Scan(&more)
	if more {
		page.Next = last.String()
	}
	return err
}

// pageSQL is listSQL, thinned out by the conditions, with what is shown of it.
func pageSQL(conditions string) string {
	return `WITH listed AS (` + listSQL + `), page AS (SELECT * FROM listed s WHERE 1 = 1` + conditions +
		` ORDER BY place, rank, case_id LIMIT ` + strconv.Itoa(pageSize+1) + `) ` + rowsSQL
}

// foundSQL is the cases with these ids, the open ones first.
func foundSQL(ids []int64, conditions string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strconv.FormatInt(id, 10)
	}
	return `WITH page AS (SELECT * FROM case_summary s WHERE s.case_id IN (` + strings.Join(list, ", ") + `)` + conditions + `) ` +
		strings.Replace(rowsSQL, "ORDER BY ", "ORDER BY s.tab = 'closed', ", 1)
}

// filters are the conditions on the rows of a list, numbered from after.
func filters(f QueueFilter, s Session, after int) (conditions string, args []any) {
	add := func(condition string, values ...any) {
		var at []any
		for range values {
			at = append(at, after+len(args)+len(at)+1)
		}
		args = append(args, values...)
		conditions += fmt.Sprintf(` AND `+condition, at...)
	}
	if i := slices.Index(ranks, f.Risk); i >= 0 {
		add(`s.rank = $%d`, i)
	}
	if f.Verdict != "" {
		add(`s.verdict = $%d`, f.Verdict)
	}
	now := micros(time.Now())
	switch f.Claim {
	case "none":
		add(`NOT EXISTS (SELECT 1 FROM case_claim k WHERE k.case_id = s.case_id AND k.until > $%d)`, now)
	case "any":
		add(`EXISTS (SELECT 1 FROM case_claim k WHERE k.case_id = s.case_id AND k.until > $%d)`, now)
	case "mine":
		add(`EXISTS (SELECT 1 FROM case_claim k WHERE k.case_id = s.case_id AND k.until > $%d AND k.reviewer_id = $%d)`, now, s.Reviewer.ID)
	}
	return conditions, args
}

// readRows reads the rows of a query into the page, up to its size, and returns
// the place of the last one if there are more.
func readRows(ctx context.Context, tx totp.Querier, s Session, query string, args []any, page *QueuePage) (next place, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return next, fmt.Errorf("read queue: %w", err)
	}
	defer rows.Close()
	var last place
	for rows.Next() {
		var r QueueRow
		var at place
		var due, opened, claimer, until int64
		var panel bool
		if err := rows.Scan(&at.id, &r.Tab, &at.place, &at.rank, &r.Reason, &r.Verdict, &r.Match, &r.WaitsFor, &due, &r.Approvals, &r.Needed,
			&r.Number, &r.Version, &r.State, &r.AccountID, &r.AccountName, &r.UserLogin, &r.Requester, &opened, &panel, &r.Subject, &r.Excerpt,
			&claimer, &until, &r.ClaimedBy); err != nil {
			return next, fmt.Errorf("read queue: %w", err)
		}
		if len(page.Cases) == pageSize {
			next = last
			break
		}
		r.Risk, r.Due, r.Opened = ranks[at.rank], fromMicros(due), fromMicros(opened)
		if until <= micros(page.At) || r.State.Closed() {
			claimer, r.ClaimedBy = 0, ""
		}
		r.Mine = claimer == s.Reviewer.ID
		if panel {
			r.Match, r.Subject, r.Excerpt = "", "Asked for in the control panel", excerpt(r.Excerpt)
			if r.Verdict == byHand {
				r.Subject = "Opened by hand"
			}
		}
		last, page.Cases = at, append(page.Cases, r)
	}
	return next, rows.Err()
}

// foundRows reads cases that were found by words, account or claim: the open ones
// first. Of very many it shows the newest; then the query should say more.
func foundRows(ctx context.Context, tx *sql.Tx, s Session, ids []int64, page *QueuePage) error {
	if len(ids) == 0 {
		return nil
	}
	conditions, args := filters(page.QueueFilter, s, 0)
	next, err := readRows(ctx, tx, s, foundSQL(ids, conditions), args, page)
	page.More = page.More || next != place{}
	return err
}

// findCases returns the newest cases that have all words of the query, by their
// beginnings, and the account.
func findCases(ctx context.Context, tx *sql.Tx, page *QueuePage) ([]int64, error) {
	words := searchWords(page.Query)
	if len(words) == 0 && page.Account == "" {
		return nil, nil
	}
	var ids []int64
	var err error
	if page.Account != "" {
		ids, err = numbers(ctx, tx, accountSQL, page.Account, foundMost+1)
	} else {
		slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
		ids, err = beginning(ctx, tx, words[0])
		words = words[1:]
	}
	if err != nil {
		return nil, fmt.Errorf("find cases: %w", err)
	}
	page.More = len(ids) > foundMost
	var kept []int64
	for _, id := range ids[:min(len(ids), foundMost)] {
		ok := true
		for _, w := range words {
			if err := tx.QueryRowContext(ctx, hasWordSQL, id, w, after(w)).Scan(&ok); err != nil {
				return nil, fmt.Errorf("find cases: %w", err)
			}
			if !ok {
				break
			}
		}
		if ok {
			kept = append(kept, id)
		}
	}
	return kept, nil
}

// beginning finds cases with a word that begins so: those with the very word
// first, the newest before all others.
func beginning(ctx context.Context, tx totp.Querier, word string) ([]int64, error) {
	ids, err := numbers(ctx, tx, wordSQL, word, foundMost+1)
	if err != nil || len(ids) > foundMost {
		return ids, err
	}
	more, err := numbers(ctx, tx, beginningSQL, word, after(word), 2*foundMost)
	if err != nil {
		return nil, err
	}
	for _, id := range more {
		if !slices.Contains(ids, id) && len(ids) <= foundMost {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// after is the first text behind all that begin with the word, whatever sorts them.
func after(word string) string { return word + "\U0010ffff" }

// Mail reads a mail that has no case.
func (d *Desk) Mail(ctx context.Context, s Session, id int64) (MailView, error) {
	var v MailView
	err := d.snapshot(ctx, "read mail", func(tx *sql.Tx) error {
		err := d.allow(ctx, tx, s, Look)
		if err != nil {
			return err
		}
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
	if err := d.allow(ctx, d.db.read, s, Decide); err != nil { // before the work that it makes
		return "", err
	}
	r := d.load(ctx, []inLine{{id: id}})[0]
	if r.failed != nil {
		return "", fail(NotFound, "There is no such mail.")
	}
	if r.raw == nil {
		return "", fail(Conflict, "The text of this mail was deleted when its time was over. Its sender has to write again.")
	}
	r.byHand = true
	d.examine(ctx, &r)
	var number string
	err := d.update(ctx, "open parked mail", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Decide); err != nil {
			return err
		}
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
		var err error
		if r.meant, err = whom(ctx, tx, &r); err != nil {
			return err
		}
		t, tied, err := d.tied(ctx, tx, &r)
		if err != nil {
			return err
		}
		if tied && t.standing != "" && t.state.Closed() {
			r.previous = t.id
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
