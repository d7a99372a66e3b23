package main

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A posted is a mail that the test gave to the mail server, as its journal has it.
type posted struct {
	id    string            // Message-ID
	user  string            // whose reset it asks for, "" when it may be in no case
	sum   [sha256.Size]byte // of the bytes that the desk keeps of it, if it keeps any
	at    time.Time         // when it was tried
	early bool              // the desk had not ended its first look by then
	taken bool              // its APPEND was answered with OK
}

// post enters a mail in the journal before it is tried.
func (k *killing) post(id, user string, raw []byte) *posted {
	if !k.looked {
		k.looked = k.w.sqlOn(k.w.dir, `SELECT count(*) FROM cursor WHERE uid >= backlog`) == "1"
	}
	if len(raw) > 1<<20 { // of a larger mail the beginning is read
		raw = raw[:256<<10]
	}
	p := &posted{id: id, user: user, sum: sha256.Sum256(raw), at: time.Now(), early: !k.looked}
	k.tried = append(k.tried, p)
	return p
}

// took notes that the server has answered for a mail.
func (k *killing) took(p *posted) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p.taken = true
	k.delivered++
}

// A row is what the desk has written down of a mail.
type row struct {
	validity, uid uint32
	fate          string
	fatedAt       int64
	backlog       bool
	raw           []byte         // SHA-256 of the bytes, nil when none are kept
	caseOf        sql.NullString // whose case it is in
}

// rows are all rows by Message-ID.
func (k *killing) rows() map[string][]row {
	found, err := k.w.plainSQL().Query(`SELECT CAST(header AS TEXT), uidvalidity, uid, coalesce(fate, ''), coalesce(fated_at, 0), backlog, raw,
		(SELECT coalesce(c.user_id, 'nobody') FROM case_mail m JOIN reset_case c ON c.id = m.case_id WHERE m.inbound_id = inbound.id) FROM inbound ORDER BY id`)
	if err != nil {
		k.w.t.Fatal(err)
	}
	defer found.Close()
	all := map[string][]row{}
	for found.Next() {
		var header sql.NullString
		var raw sql.RawBytes
		var r row
		if err := found.Scan(&header, &r.validity, &r.uid, &r.fate, &r.fatedAt, &r.backlog, &raw, &r.caseOf); err != nil {
			k.w.t.Fatal(err)
		}
		if raw != nil {
			sum := sha256.Sum256(raw)
			r.raw = sum[:]
		}
		id := messageID(header.String)
		all[id] = append(all[id], r)
	}
	if err := found.Err(); err != nil {
		k.w.t.Fatal(err)
	}
	return all
}

func messageID(header string) string {
	for line := range strings.Lines(header) {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Message-ID") {
			return strings.Trim(value, " <>\r\n")
		}
	}
	return ""
}

// checkMails compares the journal with the rows: no mail is lost, none is there
// without a cause a second time, its bytes are those that were delivered, and a
// request is in a case of its user, which nothing else is.
func (k *killing) checkMails() {
	t := k.w.t
	rows, twice, present := k.rows(), k.w.givenTwice(), 0
	for _, p := range k.tried {
		all := rows[p.id]
		if len(all) == 0 {
			if p.taken {
				k.toll.lost++
			}
			continue
		}
		present++
		k.toll.doubled += len(all) - 1
		if len(all) > 1 && !movedApart(p, all, twice) {
			t.Errorf("promise 2: %s has %d rows, and the server's log does not say that it gave it another UID", p.id, len(all))
		}
		for _, r := range all {
			k.checkRow(p, r, twice)
		}
		if p.user != "" {
			k.checkRequest(p, all)
		}
	}
	k.toll.unexpected = len(rows) - present
	k.toll.recovered = present - (k.delivered - k.toll.lost)
	if l := k.toll; l.lost > 0 || l.unexpected > 0 {
		t.Errorf("promise 1 and 2: %d mails lost, %d unexpected; the server gave %d UIDs twice", l.lost, l.unexpected, l.reused)
	}
}

// checkRow wants of a row the bytes that were delivered, and no case but the user's.
// The server may hand out no mail only where it took the UID from it.
func (k *killing) checkRow(p *posted, r row, twice []reuse) {
	t := k.w.t
	if r.raw != nil && !bytes.Equal(r.raw, p.sum[:]) {
		t.Errorf("promise 1: the bytes of %s (UID %d) are not those that were delivered", p.id, r.uid)
	}
	if r.fate == "unfetchable" && !movedAway(p, r, twice) {
		t.Errorf("promise 1: %s (UID %d) is unfetchable, and the server's log does not say why", p.id, r.uid)
	}
	if r.caseOf.Valid && r.caseOf.String != p.user {
		t.Errorf("promise 3: %s, which asks for the reset of %q, is in a case of %s", p.id, p.user, r.caseOf.String)
	}
}

// checkRequest wants a request in a case, with its bytes, or a reason why it is in
// none that shows without the desk's own word for it.
func (k *killing) checkRequest(p *posted, all []row) {
	k.toll.requests++
	for _, r := range all {
		switch {
		case r.caseOf.Valid && r.raw != nil && (r.fate == "case" || r.fate == "attached"):
			k.toll.inCase++
			return
		case p.early && r.backlog && r.fate == "parked":
			k.toll.early++
			return
		case r.fate == "parked" && k.beyond(p.user, r.fatedAt):
			k.toll.beyond++
			return
		}
	}
	k.w.t.Errorf("promise 1: the request %s for %s is in no case: its fate is %q (backlog %t)", p.id, p.user, all[0].fate, all[0].backlog)
}

// beyond reports whether mail that nothing proves had used up the room of the user's
// account at that time: three cases in the day and none of them open, or one that is
// open with forty mails after the first.
func (k *killing) beyond(user string, at int64) (full bool) {
	err := k.w.plainSQL().QueryRow(`WITH c AS (SELECT id, closed_at IS NULL OR closed_at > $2 AS open FROM reset_case WHERE user_id = $1 AND opened_at <= $2)
		SELECT (SELECT count(*) >= 3 AND NOT max(open) FROM c)
			OR EXISTS (SELECT 1 FROM c WHERE open AND (SELECT count(*) FROM case_mail WHERE case_id = c.id AND at <= $2) > 40)`, user, at).Scan(&full)
	if err != nil {
		k.w.t.Fatal(err)
	}
	return full
}

// A reuse is a UID that the mail server gave to two mails, by its own log. Dovecot
// 2.3 does so when it is killed between its list of UIDs and its index, and then
// gives one of the two a new one (RFC 3501 section 2.3.1.1 forbids it). Both are read,
// and those that were moved, it and the ones behind it, may be read a second time, under
// their new numbers; a mail of whose body we have the hash is then known, any other is
// written down once more.
type reuse struct {
	uid uint32
	at  time.Time // when it was noticed, in whole seconds
}

var notOrdered = regexp.MustCompile(`(?m)^(\w+ +\d+ [\d:]+) .*UIDs not ordered \(\d+ >= (\d+)\)`)

func (w *world) givenTwice() (all []reuse) {
	w.t.Helper()
	for _, m := range notOrdered.FindAllStringSubmatch(w.dovecot.Log(), -1) {
		uid, err := strconv.ParseUint(m[2], 10, 32)
		if err != nil {
			w.t.Fatal(err)
		}
		at, err := time.ParseInLocation("2006 Jan _2 15:04:05", fmt.Sprint(time.Now().Year(), " ", m[1]), time.Local)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, reuse{uint32(uid), at})
	}
	return all
}

// movedAway reports whether the server may have taken its UID from a mail: it lay at
// or behind one that was given twice, and was there when that was noticed, or a moment later.
func movedAway(p *posted, r row, twice []reuse) bool {
	for _, u := range twice {
		if r.uid >= u.uid && p.at.Before(u.at.Add(2*time.Second)) {
			return true
		}
	}
	return false
}

// movedApart reports whether rows of one mail come of new UIDs: each has another, and
// all but the last were taken away.
func movedApart(p *posted, all []row, twice []reuse) bool {
	seen, kept := map[[2]uint32]bool{}, 0
	for _, r := range all {
		seen[[2]uint32{r.validity, r.uid}] = true
		if !movedAway(p, r, twice) {
			kept++
		}
	}
	return len(seen) == len(all) && kept <= 1
}

// TestMovedApart wants that a line in the server's log excuses second rows of the mails
// that it moved, and of no others.
func TestMovedApart(t *testing.T) {
	noticed := time.Now()
	twice := []reuse{{49, noticed}}
	rows := func(uids ...uint32) (all []row) {
		for _, uid := range uids {
			all = append(all, row{validity: 1, uid: uid})
		}
		return all
	}
	for _, c := range []struct {
		name  string
		tried time.Duration // since the line
		rows  []row
		twice []reuse
		want  bool
	}{
		{"moved from the UID of the line", -time.Minute, rows(49, 55), twice, true},
		{"moved from behind it", -time.Minute, rows(51, 60), twice, true},
		{"no such line", -time.Minute, rows(49, 55), nil, false},
		{"one UID, two rows", -time.Minute, rows(49, 49), twice, false},
		{"two UIDs before that of the line", -time.Minute, rows(47, 48), twice, false},
		{"tried when all was in order again", time.Minute, rows(56, 57), twice, false},
	} {
		if got := movedApart(&posted{at: noticed.Add(c.tried)}, c.rows, c.twice); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
