package simulation

import (
	"bytes"
	"crypto/sha256"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// checkAtEnd compares what everybody remembers with what there is.
func (w *town) checkAtEnd(sum *tally) {
	w.check()
	lost, vanished := 0, 0
	for _, m := range w.mails {
		var raw []byte
		var fate string
		err := w.plain.QueryRow(`SELECT coalesce(raw, x''), fate FROM inbound WHERE uid = $1 AND uidvalidity = (SELECT uidvalidity FROM cursor)`, m.uid).Scan(&raw, &fate)
		switch {
		case m.gone:
			vanished++
			continue
		case err != nil:
			lost++
			w.t.Errorf("I1: mail %d: %v", m.uid, err)
			continue
		}
		if len(raw) > 0 && !bytes.Equal(bytes.TrimRight(raw, "\r\n"), bytes.TrimRight(m.raw, "\r\n")) {
			w.t.Errorf("I1: mail %d is kept as %q", m.uid, raw)
		}
		if m.forged && (fate == "case" || fate == "attached") {
			w.t.Errorf("3: the forged mail %d became a %s: %s", m.uid, fate, m.raw)
		}
	}
	copies := w.checkLetters()
	w.checkMailbox()
	sum.add("requests", w.checkRequests())
	w.checkVotes()
	w.checkBounces()
	w.checkFailed()
	w.checkGivenUp()
	sum.add("signed", w.checkVerdicts())
	w.checkSecrets()
	w.checkLog()
	if n := w.count(`SELECT count(*) FROM pragma_foreign_key_check`); n != 0 {
		w.t.Errorf("I10: %d references lead nowhere", n)
	}
	if w.whole {
		w.checkWhole()
	}
	for what, query := range map[string]string{"ingested": "inbound", "cases": "reset_case", "approvals": "approval", "resets": "reset", "undone": "undo", "letters": "letter", "deferred": "inbound WHERE attempts > 0", "bounced": "bounce", "refused": "letter WHERE state = 'failed'", "threat turns": "threat_turn"} {
		sum.add(what, w.count(`SELECT count(*) FROM `+query))
	}
	sum.add("uncertain", w.count(`SELECT coalesce(sum(uncertain), 0) FROM letter`))
	for what, n := range map[string]int{"mails": len(w.mails), "lost": lost, "vanished": vanished, "second copies": copies, "crashes": w.crashes, "faults": w.faults, "enrolled again": w.again} {
		sum.add(what, n)
	}
}

// checkLog: the program tried nothing that the schema refuses. That it refuses is the
// last resort; who gets so far has forgotten a promise.
func (w *town) checkLog() {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	for line := range bytes.Lines(w.log.Bytes()) {
		if bytes.Contains(line, []byte("constraint failed")) {
			w.t.Errorf("the schema refused: %s", line)
			return
		}
	}
}

// checkWhole lets SQLite look through the whole file (I10).
func (w *town) checkWhole() {
	var whole string
	if err := w.plain.QueryRow(`PRAGMA integrity_check`).Scan(&whole); err != nil || whole != "ok" {
		w.t.Errorf("I10: %s %v", whole, err)
	}
}

// checkLetters: every letter that was sent arrived, where it should and as it is;
// a second copy only of one whose fate nobody could know (I5, I6).
func (w *town) checkLetters() (copies int) {
	at := map[string][]letter{}
	for _, l := range w.letters() {
		at[l.id] = append(at[l.id], l)
	}
	rows, err := w.plain.Query(`SELECT message_id, recipient, state, uncertain, sha256 FROM letter`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, to, state string
		var uncertain int
		var sum []byte
		if err := rows.Scan(&id, &to, &state, &uncertain, &sum); err != nil {
			w.t.Fatal(err)
		}
		if state == "sent" && len(at[id]) == 0 {
			w.t.Errorf("I5: letter %s counts as sent and never arrived", id)
		}
		for _, l := range at[id] {
			if h := sha256.Sum256(l.raw); l.to != to || !bytes.Equal(h[:], sum) {
				w.t.Errorf("I5: letter %s arrived at %s, changed or at the wrong place", id, l.to)
			}
		}
		w.checkCopies(id)
		if n := len(at[id]) - 1; n > 0 {
			copies += n
			if n > uncertain {
				w.t.Errorf("I5: %d second copies of %s, %d times uncertain", n, id, uncertain)
			}
		}
		delete(at, id)
	}
	for id, l := range at {
		w.t.Errorf("I6: a letter %s to %s that is in no outbox", id, l[0].to)
	}
	return copies
}

// checkMailbox: nothing in it is other than people made it, and only commands
// that cannot change it were sent (I8).
func (w *town) checkMailbox() {
	want, marked := 0, 0
	for _, m := range w.mails {
		if !m.gone {
			want++
			if w.marked[m.uid] {
				marked++
			}
		}
	}
	if mails, seen, err := w.imap.Count("INBOX"); err != nil || mails != want || seen != marked {
		w.t.Errorf("I8: %d mails, %d seen, %v; want %d and %d", mails, seen, err, want, marked)
	}
	for _, l := range w.imap.Commands() {
		switch v := mailtest.Verb(l); v {
		case "", "CAPABILITY", "AUTHENTICATE", "LOGIN", "EXAMINE", "UID SEARCH", "UID FETCH", "NOOP", "IDLE", "DONE", "LOGOUT":
			if v == "UID FETCH" && strings.Contains(l, "BODY[") {
				w.t.Errorf("I8: sent %q", l)
			}
		default:
			w.t.Errorf("I8: sent %q", l)
		}
	}
}

// checkVotes: every vote that was acknowledged is there, over the evidence that
// was on the page (I3); once more if it was cast again after it expired.
func (w *town) checkVotes() {
	for key, evidence := range w.voted {
		f := strings.Fields(key)
		if w.count(`SELECT count(*) FROM approval a JOIN reset_case c ON c.id = a.case_id JOIN reviewer r ON r.id = a.reviewer_id
			WHERE c.number = $1 AND r.email = $2 || '@host.example' AND lower(hex(a.evidence_hash)) = $3`, f[0], f[1], evidence) == 0 {
			w.t.Errorf("I3: the acknowledged vote %s is not there", key)
		}
	}
}
