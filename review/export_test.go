package review

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"
)

// LimitPages makes the database full at its present size and so many pages more,
// as a full disk would; 0 gives space again.
func (d *Desk) LimitPages(ctx context.Context, more int) error {
	limit := 1 << 30
	if more > 0 {
		var used int
		if err := d.db.write.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&used); err != nil {
			return err
		}
		limit = used + more
	}
	_, err := d.db.write.ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, limit))
	return err
}

// Pragmas reads a pragma of the writer and of a reader.
func (d *Desk) Pragmas(ctx context.Context, name string) (writer, reader string, err error) {
	err = d.db.write.QueryRowContext(ctx, `PRAGMA `+name).Scan(&writer)
	if err == nil {
		err = d.db.read.QueryRowContext(ctx, `PRAGMA `+name).Scan(&reader)
	}
	return writer, reader, err
}

// MailHead mails the head of the day, as Run does every hour.
func (d *Desk) MailHead(ctx context.Context) error { return d.mailHead(ctx) }

// Purge forgets what is due, as Run does every hour.
func (d *Desk) Purge(ctx context.Context) error { return d.purge(ctx) }

// ResealOneByOne makes each row of a rotation its own transaction until the test
// ends.
func ResealOneByOne(t testing.TB) {
	old := resealBatch
	resealBatch = 1
	t.Cleanup(func() { resealBatch = old })
}

// SealedTables are the tables with a column that the keyring sealed.
func SealedTables() (all []string) {
	for _, c := range sealedColumns {
		all = append(all, c.table)
	}
	return all
}

// BooksSQL is the query of the mail report, for its plan.
const BooksSQL = booksSQL

// CheckLists settles what is marked and compares every summary of an open case
// with a fresh judgement, the words of every case with those it should have, and
// every tally and shelf with what counting gives.
func (d *Desk) CheckLists(ctx context.Context) (faults []string, err error) {
	for left := true; left; {
		err := d.update(ctx, "settle", func(tx *sql.Tx) error { return nil })
		if err == nil {
			err = d.db.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM case_stale)`).Scan(&left)
		}
		if err != nil {
			return nil, err
		}
	}
	err = d.snapshot(ctx, "check lists", func(tx *sql.Tx) error {
		ids, err := numbers(ctx, tx, `SELECT id FROM reset_case ORDER BY id`)
		if err != nil {
			return err
		}
		for _, id := range ids {
			c, err := caseByID(ctx, tx, id)
			if err != nil {
				return err
			}
			var have summaryRow
			err = tx.QueryRowContext(ctx, `SELECT tab, place, rank, reason, verdict, match, waits_for, due_at, approvals, needed FROM case_summary WHERE case_id = $1`, id).
				Scan(&have.tab, &have.place, &have.rank, &have.reason, &have.verdict, &have.match, &have.waitsFor, &have.due, &have.approvals, &have.needed)
			if err != nil {
				return fmt.Errorf("%s has no summary: %w", c.number, err)
			}
			want, err := d.summaryOf(ctx, tx, c, time.Now())
			if err != nil {
				return err
			}
			if want.moves = 0; have != want {
				faults = append(faults, fmt.Sprintf("%s is listed as %+v, and judged as %+v", c.number, have, want))
			}
			words, err := wordsOf(ctx, tx, c)
			if err != nil {
				return err
			}
			stored, err := texts(ctx, tx, `SELECT word FROM case_word WHERE case_id = $1 ORDER BY word`, id)
			if err != nil {
				return err
			}
			if !slices.Equal(words, stored) {
				faults = append(faults, fmt.Sprintf("%s is found by %q, want %q", c.number, stored, words))
			}
		}
		var wrong string
		err = tx.QueryRowContext(ctx, `SELECT coalesce(group_concat(tab || ' ' || n), '') FROM queue_tally t
			WHERE n <> (SELECT count(*) FROM case_summary s WHERE s.tab = t.tab) + (SELECT count(*) FROM mail_shelf m WHERE m.tab = t.tab)`).Scan(&wrong)
		if err == nil && wrong != "" {
			faults = append(faults, "miscounted: "+wrong)
		}
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, `SELECT coalesce(group_concat(i.id || ' ' || coalesce(i.fate, '')), '') FROM inbound i
			LEFT JOIN assessment s ON s.inbound_id = i.id LEFT JOIN mail_shelf m ON m.inbound_id = i.id
			WHERE coalesce(m.tab, '') <> CASE WHEN i.fate = 'quarantined' THEN 'quarantine'
				WHEN i.fate IN ('parked', 'unfetchable') OR (i.fate = 'passed' AND s.request = 1) THEN 'parked' ELSE '' END`).Scan(&wrong)
		if err == nil && wrong != "" {
			faults = append(faults, "on the wrong shelf: mail "+wrong)
		}
		return err
	})
	return faults, err
}

// HotSQL are the queries of the pages that are asked for most, by name.
func HotSQL() map[string]string {
	filtered, _ := filters(QueueFilter{Risk: High, Verdict: "unverified", Claim: "mine"}, Session{}, 5)
	return map[string]string{
		"addresses of headers": lookUpSQL, "local parts of headers": inhabitedSQL, "tally": tallySQL, "page of mails": mailsSQL, "page of cases": pageSQL(""), "page of cases, filtered": pageSQL(filtered),
		"cases found": foundSQL([]int64{1, 2}, ""), "cases with a word": wordSQL, "cases with a beginning": beginningSQL,
		"has a word": hasWordSQL, "cases of an account": accountSQL, "pulse": pulseSQL, "cases of mine": mineSQL, "next case": nextSQL, "previous case": previousSQL, "stale summaries": staleSQL, "summaries that time moves": movedSQL,
		"events of a case":  `SELECT seq FROM audit WHERE object = $1 ORDER BY seq DESC LIMIT 500`,
		"page of the audit": `SELECT seq, at, actor, action, object, detail FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT 100`,
		"cases of a user":   summarySelect + ` WHERE user_id = $2 AND id < $3 ORDER BY id DESC LIMIT $1`,
	}
}

// GrowTree stores the nodes of all events, as Run does.
func (d *Desk) GrowTree(ctx context.Context) error { return d.growTree(ctx) }

// WatchAudit looks at what is new, as Run does every ten minutes.
func (d *Desk) WatchAudit(ctx context.Context) error { return d.watchAudit(ctx) }

// ForgetWatch makes the next look one at the whole audit.
func (d *Desk) ForgetWatch() { d.watch.follower = nil }
