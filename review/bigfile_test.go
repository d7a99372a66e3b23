package review_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A copier writes copies of rows by plain SQL: what took years, in a minute.
type copier struct {
	t    testing.TB
	conn *sql.Conn
}

func (c copier) exec(query string, args ...any) {
	c.t.Helper()
	if _, err := c.conn.ExecContext(context.Background(), query, args...); err != nil {
		c.t.Fatalf("%.300s: %v", query, err)
	}
}

func (c copier) texts(query string) (all []string) {
	c.t.Helper()
	rows, err := c.conn.QueryContext(context.Background(), query)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			c.t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// copies inserts a row into the table for each row of the source (bound to n),
// from the first row that the condition finds: as it is but for the changes.
func (c copier) copies(table, condition, source string, changes map[string]string) {
	c.t.Helper()
	var names, values []string
	for _, column := range c.texts(`SELECT name FROM pragma_table_info('` + table + `')`) {
		value, ok := changes[column]
		if !ok {
			value = "r." + column
		}
		names, values = append(names, column), append(values, value)
	}
	c.exec(`INSERT INTO ` + table + ` (` + strings.Join(names, ", ") + `) SELECT ` + strings.Join(values, ", ") +
		` FROM ` + source + ` n, (SELECT * FROM ` + table + ` WHERE ` + condition + ` LIMIT 1) r ORDER BY n.i`)
}

// fill makes the database of the house as large as after so many closed cases,
// with five events each, and so many open ones: copies of two that the desk made.
// Triggers and indexes are absent meanwhile, so the hashes of the audit are none.
// The summaries of the open cases are the desk's own work afterwards.
func (h *house) fill(closed, open int) {
	h.t.Helper()
	h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")), request("piet@beta.example", "2FA reset", forUser("sanne")))
	number := h.text(`SELECT number FROM reset_case WHERE requester = 'piet@beta.example'`)
	v := h.view(number)
	if err := h.desk.Reject(h.t.Context(), h.rita, review.Decision{Number: number, Version: v.Version, Class: "other"}); err != nil {
		h.t.Fatal(err)
	}
	h.post()
	if err := errors.Join(h.desk.Close(), h.sql().Close()); err != nil {
		h.t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+h.path+"?_pragma=journal_mode(off)&_pragma=synchronous(0)&_pragma=cache_size(-400000)&_pragma=foreign_keys(0)")
	if err != nil {
		h.t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	c := copier{h.t, conn}
	absent := c.texts(`SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type`)
	for _, drop := range c.texts(`SELECT 'DROP ' || type || ' ' || name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL`) {
		c.exec(drop)
	}
	c.fill(closed, open)
	for _, create := range absent {
		c.exec(create)
	}
	if err := conn.Close(); err != nil {
		h.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.plain = nil
	h.open()
	if err := h.desk.Tick(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (c copier) fill(closed, open int) {
	total, now := closed+open, time.Now().UnixMicro()
	accounts := max(total/5, open, 1)
	// k is the account, from 1; i the case. Ids are far from those that are there.
	c.exec(`CREATE TEMP TABLE many AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + fmt.Sprint(total) + `)
		SELECT i, (i - 1) % ` + fmt.Sprint(accounts) + ` + 1 AS k, 1000 + i AS id, 'RST-' || printf('%06X', (i * 7919 + 77) % 16777216) AS number,
			i > ` + fmt.Sprint(closed) + ` AS open FROM n`)
	const accountOf, user, address = `'B-' || n.k`, `'BU-' || n.k`, `'owner' || n.k || '@bench' || (n.k % 1000) || '.example'`
	k := fmt.Sprintf(`(SELECT i, i AS k FROM many WHERE i <= %d)`, accounts)
	c.copies("account", `id = 'A-1001'`, k, map[string]string{"id": accountOf, "name": `'Bench ' || n.k || ' GmbH'`})
	c.copies("holder", `id = 'U-2'`, k, map[string]string{"id": user, "verified_at": "0"})
	c.copies("panel_user", `id = 'U-2'`, k, map[string]string{"id": user, "account_id": accountOf, "login": `'bench' || n.k`, "full_name": `'Berta Bench'`, "remind_at": "NULL"})
	c.copies("credential", `user_id = 'U-2'`, k, map[string]string{"id": "1000 + n.k", "user_id": user, "fingerprint": "randomblob(32)"})
	c.copies("address", `role = 'admin' AND lookup = 'anna@acme.example'`, k, map[string]string{"id": "1000 + n.k", "account_id": accountOf, "user_id": user, "address": address, "lookup": address})

	at := fmt.Sprintf(`%d - (%d - n.i) * 20000000`, now, total)
	for _, part := range []struct{ source, requester string }{{`(SELECT * FROM many WHERE open = 0)`, "piet@beta.example"}, {`(SELECT * FROM many WHERE open = 1)`, "anna@acme.example"}} {
		one := `(SELECT id FROM reset_case WHERE requester = '` + part.requester + `')`
		mail := `(SELECT opener_mail FROM reset_case WHERE requester = '` + part.requester + `')`
		when := map[string]string{"closed_at": at + " + 3600000000"}
		raw := "NULL"
		if part.requester[0] == 'a' {
			when, raw = map[string]string{}, "r.raw"
		}
		row := map[string]string{"id": "n.id", "number": "n.number", "requester": address, "opener_mail": "n.id", "account_id": accountOf, "user_id": user,
			"opened_at": at, "expires_at": at + " + 1209600000000", "due_at": at + " + 1209600000000", "watched_from": at}
		for column, value := range when {
			row[column] = value
		}
		c.copies("inbound", `id = `+mail, part.source, map[string]string{"id": "n.id", "uid": "n.id", "received_at": at, "raw": raw, "header": "NULL", "sha256": "randomblob(32)"})
		c.copies("assessment", `inbound_id = `+mail, part.source, map[string]string{"inbound_id": "n.id", "claimed": address, "from_addr": address,
			"message_id": `'m' || n.i || '@bench.example'`, "assessed_at": at, "verdict": `CASE n.i % 3 WHEN 0 THEN 'unverified' ELSE 'authenticated' END`,
			"match": `CASE n.i % 3 WHEN 1 THEN 'case_variant' ELSE 'exact' END`})
		c.copies("reset_case", `id = `+one, part.source, row)
		c.copies("case_mail", `case_id = `+one, part.source, map[string]string{"case_id": "n.id", "inbound_id": "n.id"})
		c.copies("letter", `kind = 'acknowledgement' AND case_id = `+one, part.source, map[string]string{"id": "n.id", "case_id": "n.id", "address_id": "1000 + n.k", "recipient": address,
			"message_id": `'l' || n.i || '@bench.example'`, "sealed": "substr(r.sealed, 1, 64)", "sha256": "randomblob(32)", "queued_at": at, "changed_at": at})
	}
	events := `(SELECT (SELECT max(seq) FROM audit) + i * 5 + e AS seq, i, number FROM many, (SELECT 0 AS e UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4))`
	c.copies("audit", `action = 'case.opened'`, events, map[string]string{"seq": "n.seq - 4", "object": "n.number", "at": at, "prev": "zeroblob(32)", "hash": "CAST(printf('%032d', n.seq) AS BLOB)"})

	c.copies("case_summary", `tab = 'closed'`, `(SELECT * FROM many WHERE open = 0)`, map[string]string{"case_id": "n.id", "place": "-(" + at + " + 3600000000)", "rank": "n.i % 3",
		"due_at": at + " + 3600000000", "entered_at": at + " + 3600000000"})
	for _, word := range []string{"lower(substr(n.number, 5))", `'b-' || n.k`, `'bu-' || n.k`, `'bench' || n.k`, `'bench'`, `'' || n.k`, `'gmbh'`, `'berta'`, address, `'bench' || (n.k % 1000) || '.example'`, `'m' || n.i || '@bench.example'`} {
		c.exec(`INSERT OR IGNORE INTO case_word (word, case_id) SELECT ` + word + `, n.id FROM many n WHERE n.open = 0 ORDER BY 1, 2`)
	}
	c.exec(`DELETE FROM queue_tally`)
	c.exec(`INSERT INTO queue_tally (tab, n) SELECT tab, count(*) FROM case_summary GROUP BY tab`)
}
