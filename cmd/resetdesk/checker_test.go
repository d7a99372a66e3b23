package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// check reads the promises from outside (promises 4, the checker): the database
// by plain SQL, the letters as files, the mailbox as files.
func (k *killing) check() {
	t := k.w.t
	t.Helper()
	none := func(promise, query string) {
		t.Helper()
		var n int
		if err := k.w.plainSQL().QueryRow(query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", promise, err)
		}
		if n != 0 {
			t.Errorf("%s: broken %d times (%s)", promise, n, query)
		}
	}
	number := func(query string) (n int) {
		t.Helper()
		if err := k.w.plainSQL().QueryRow(query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	k.toll.ready = k.w.served() - 1 // the last run was stopped
	k.toll.reused = len(k.w.givenTwice())
	k.checkMails()
	none("promise 1, every mail has a fate", `SELECT count(*) FROM inbound WHERE fate IS NULL OR reason = ''`)
	none("promise 2, one open case a user", `SELECT count(*) FROM (SELECT 1 FROM reset_case WHERE state IN ('open','held','clearing') GROUP BY user_id HAVING count(*) > 1)`)
	none("promise 2, a request has one case", `SELECT count(*) FROM (SELECT 1 FROM case_mail GROUP BY inbound_id HAVING count(*) > 1)`)
	none("promise 4, a reset has an earlier approval by a stepped-up reviewer and the owner's yes", `SELECT count(*) FROM reset r WHERE NOT EXISTS (
		SELECT 1 FROM approval a JOIN answer o ON o.case_id = a.case_id WHERE a.case_id = r.case_id AND a.decided_at <= r.cleared_at
			AND a.decided_at - a.step_up_at BETWEEN 0 AND 300000000 AND o.answer = 'yes' AND o.at <= r.cleared_at
			AND a.user_id = r.user_id AND a.generation = r.generation AND length(a.evidence_hash) = 32)`)
	none("promise 4, every approved and confirmed case is cleared", `SELECT count(*) FROM reset_case c WHERE state <> 'cleared'
		AND EXISTS (SELECT 1 FROM approval WHERE case_id = c.id) AND EXISTS (SELECT 1 FROM answer WHERE case_id = c.id AND answer = 'yes')`)
	none("promise 4, cleared cases and resets are one to one", `SELECT (SELECT count(*) FROM reset) - (SELECT count(*) FROM reset_case WHERE state = 'cleared')`)
	none("promise 5, a reset is whole", `SELECT count(*) FROM reset r JOIN holder h ON h.id = r.user_id WHERE h.generation <> r.generation + 1
		OR EXISTS (SELECT 1 FROM credential WHERE user_id = r.user_id AND state = 'active')
		OR EXISTS (SELECT 1 FROM backup_set WHERE user_id = r.user_id AND state = 'active')
		OR NOT EXISTS (SELECT 1 FROM enrollment_pass WHERE reset_id = r.id)`)
	none("promise 5, nobody else was touched", `SELECT count(*) FROM holder h WHERE id NOT LIKE 'staff:%' AND h.generation <> 1 + (SELECT count(*) FROM reset WHERE user_id = h.id)`)
	none("L1, every event of a factor is taken", `SELECT count(*) FROM factor_event WHERE settled_at IS NULL`)
	none("L1, each once", `SELECT count(*) FROM factor_event e WHERE 1 <> (SELECT count(*) FROM audit a WHERE a.object = e.user_id
		AND a.action = 'factor.' || e.kind AND json_extract(a.detail, '$.event') = e.id)`)
	none("N2, every enrollment is told once", `SELECT count(*) FROM factor_event e WHERE kind = 'enrolled' AND user_id NOT LIKE 'staff:%' AND 1 <> (
		SELECT count(*) FROM letter WHERE topic = 'event:' || e.id)`)
	none("integrity", `SELECT count(*) FROM pragma_foreign_key_check`)
	k.checkApprovals()
	k.toll.uncertain = number(`SELECT coalesce(sum(uncertain), 0) FROM letter`)
	k.checkLetters()
	k.checkMailbox()
	if code := run(t.Context(), []string{"mail", "report", "-config", k.w.config}); code != 0 {
		t.Errorf("promise 1: mail report ended with %d", code)
	}
	if code := run(t.Context(), []string{"audit", "verify", "-config", k.w.config}); code != 0 {
		t.Errorf("audit verify ended with %d", code)
	}
	k.toll.attempted, k.toll.acknowledged, k.toll.votes = len(k.tried), k.delivered, len(k.approved)
	k.toll.cases, k.toll.resets, k.toll.letters = number(`SELECT count(*) FROM reset_case`), number(`SELECT count(*) FROM reset`), number(`SELECT count(*) FROM letter`)
	t.Log(k.toll)
}

// A toll is what rounds of killing came to.
type toll struct {
	kills, ready, servers, stops                                  int
	attempted, acknowledged, lost, unexpected, doubled, recovered int
	requests, inCase, early, beyond                               int
	cases, votes, votesUnsure, resets, letters, uncertain, copies int
	reused                                                        int
}

func (l *toll) counts() []*int {
	return []*int{&l.kills, &l.ready, &l.servers, &l.stops, &l.attempted, &l.acknowledged, &l.lost, &l.unexpected, &l.doubled, &l.recovered,
		&l.requests, &l.inCase, &l.early, &l.beyond, &l.cases, &l.votes, &l.votesUnsure, &l.resets, &l.letters, &l.uncertain, &l.copies, &l.reused}
}

func (l *toll) add(more toll) {
	for i, n := range more.counts() {
		*l.counts()[i] += *n
	}
}

func (l toll) String() string {
	var all []any
	for _, n := range l.counts() {
		all = append(all, *n)
	}
	return fmt.Sprintf("kills %d, when it served %d, of servers beside %d, stops %d; mails attempted %d, acknowledged %d, lost %d, unexpected %d, doubled %d, recovered without an answer %d; "+
		"requests %d, of them in a case %d, from before the first look %d, beyond an account's limits %d; cases %d, approvals acknowledged %d, without answer %d, resets %d; letters %d, uncertain %d, second copies %d; UIDs that the server gave twice %d", all...)
}

// checkApprovals wants a durable row for every approval that was acknowledged.
func (k *killing) checkApprovals() {
	db := k.w.plainSQL()
	for number := range k.approved {
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM approval a JOIN reset_case c ON c.id = a.case_id WHERE c.number = $1`, number).Scan(&n); err != nil {
			k.w.t.Fatal(err)
		}
		if n == 0 {
			k.w.t.Errorf("promise 4: the acknowledged approval of %s is gone", number)
		}
	}
}

// checkLetters wants every letter of the database at the mail server, at the
// right address, and nothing else. More copies than one are legal only where
// nobody could know, and they are byte-identical.
func (k *killing) checkLetters() {
	t := k.w.t
	first, copies := map[string]receipt{}, map[string]int{}
	all := k.w.letters()
	slices.SortStableFunc(all, func(a, b receipt) int { return a.at.Compare(b.at) })
	last := map[string]int{} // where the latest copy of a letter stands in all
	for i, l := range all {
		before, ok := last[l.messageID]
		if ok && !k.w.diedAround(all, before) {
			t.Errorf("promise 7: a second copy of %s, and nothing died when the one before was sent at %s", l.messageID, all[before].at.Format(time.TimeOnly))
		}
		last[l.messageID] = i
		if before, ok := first[l.messageID]; ok {
			k.toll.copies++
			copies[l.messageID]++
			if before.raw != l.raw || before.to != l.to {
				t.Errorf("promise 7: two copies of %s differ", l.messageID)
			}
			continue
		}
		first[l.messageID] = l
	}
	rows, err := k.w.plainSQL().Query(`SELECT message_id, recipient, uncertain FROM letter`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	known := map[string]bool{}
	for rows.Next() {
		var id, to string
		var uncertain int
		if err := rows.Scan(&id, &to, &uncertain); err != nil {
			t.Fatal(err)
		}
		id = "<" + id + ">"
		known[id] = true
		if got, ok := first[id]; !ok || got.to != to {
			t.Errorf("promise 7: letter %s to %s did not arrive (got %q)", id, to, got.to)
		}
		if copies[id] > uncertain {
			t.Errorf("promise 7: %d second copies of %s, whose sending was uncertain %d times", copies[id], id, uncertain)
		}
	}
	for id := range first {
		if !known[id] {
			t.Errorf("promise 7: letter %s is not in the outbox", id)
		}
	}
	k.checkTold()
}

// diedAround reports whether the program or the SMTP server was killed between the
// receipts around that one. Letters go one by one: a program that sends the next knows
// the answer to the one before. What it had written when it was killed the server may
// read later, but before it reads a word of the next run.
func (w *world) diedAround(all []receipt, i int) bool {
	return slices.ContainsFunc(w.deaths, func(d span) bool {
		return (i == 0 || !d.end.Before(all[i-1].at)) && (i+1 == len(all) || !d.begin.After(all[i+1].at.Add(clockTick)))
	})
}

// clockTick is how far the time of a file may lie behind the clock.
const clockTick = 10 * time.Millisecond

// checkTold wants a cleared letter for every contact of every reset.
func (k *killing) checkTold() {
	var missing int
	err := k.w.plainSQL().QueryRow(`SELECT count(*) FROM reset r JOIN reset_case c ON c.id = r.case_id JOIN address a ON a.account_id = c.account_id AND a.until IS NULL
		WHERE NOT EXISTS (SELECT 1 FROM letter l JOIN address b ON b.id = l.address_id WHERE l.reset_id = r.id AND l.kind = 'cleared' AND b.lookup = a.lookup)`).Scan(&missing)
	if err != nil {
		k.w.t.Fatal(err)
	}
	if missing > 0 {
		k.w.t.Errorf("promise 7: %d contacts were not told of a reset", missing)
	}
}

// checkMailbox wants the mailbox as people left it: every mail there that nobody
// removed, no flag set.
func (k *killing) checkMailbox() {
	t := k.w.t
	var files []string
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(k.w.dovecot.MailDir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files = append(files, e.Name())
		}
	}
	if len(files) < k.delivered-k.removed {
		t.Errorf("promise 10: %d mails in the mailbox, %d were delivered and %d removed", len(files), k.delivered, k.removed)
	}
	for _, f := range files {
		if _, flags, ok := strings.Cut(f, ":2,"); ok && flags != "" {
			t.Errorf("promise 10: %s carries flags", f)
		}
	}
}
