package simulation

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing/synctest"
	"time"
)

// always are the promises that hold at every moment, as questions whose answer
// is 0 (promises 4, I1 to I10).
var always = []struct{ promise, query string }{
	{"I1: a mail has one fate, with a reason", `SELECT count(*) FROM inbound WHERE fate IS NOT NULL AND trim(reason) = ''`},
	{"I2: one open case a user", `SELECT count(*) FROM (SELECT 1 FROM reset_case WHERE state IN ('open','held','clearing') AND user_id IS NOT NULL GROUP BY user_id HAVING count(*) > 1)`},
	{"I2: a mail is in one case", `SELECT count(*) FROM (SELECT 1 FROM case_mail GROUP BY inbound_id HAVING count(*) > 1)`},
	{"I3: a reset rests on a vote and on the owner's yes of its round", `SELECT count(*) FROM reset r JOIN reset_case c ON c.id = r.case_id WHERE NOT EXISTS (
		SELECT 1 FROM approval a JOIN answer o ON o.case_id = a.case_id AND o.round = a.round JOIN reviewer v ON v.id = a.reviewer_id
		WHERE a.id = r.approval_id AND a.case_id = r.case_id AND a.round = c.round AND a.decided_at <= r.cleared_at
			AND a.decided_at - a.step_up_at BETWEEN 0 AND 300000000 AND v.role IN ('reviewer', 'lead', 'admin') AND v.holder_id <> r.user_id
			AND o.answer = 'yes' AND o.at <= r.cleared_at AND o.user_id = r.user_id AND a.user_id = r.user_id AND a.generation = r.generation)`},
	{"I3: as many voters as were needed", `SELECT count(*) FROM reset r JOIN reset_case c ON c.id = r.case_id WHERE r.approvals_required > (
		SELECT count(DISTINCT reviewer_id) FROM approval WHERE case_id = r.case_id AND round = c.round AND generation = r.generation AND decided_at <= r.cleared_at)`},
	{"I3: no reset against an owner's no", `SELECT count(*) FROM reset r JOIN reset_case c ON c.id = r.case_id JOIN answer n ON n.case_id = c.id AND n.round = c.round WHERE n.answer = 'no' AND n.at <= r.cleared_at`},
	{"I3: the notices were out for the waiting period", `SELECT count(*) FROM reset r WHERE r.cleared_at < r.wait_until OR EXISTS (SELECT 1 FROM letter l JOIN reset_case c ON c.id = l.case_id
		WHERE l.case_id = r.case_id AND l.round = c.round AND l.kind IN ('acknowledgement', 'notice') AND l.serial = 1
			AND l.state IN ('sent', 'failed') AND l.changed_at > r.wait_until AND l.changed_at - l.queued_at < 14400000000)`},
	{"I3: no reset after a notice came back, until a person looked", `SELECT count(*) FROM reset r JOIN reset_case c ON c.id = r.case_id JOIN audit b ON b.object = c.number
		WHERE b.action = 'letter.bounced' AND b.seq < r.audit_seq AND (b.detail LIKE '%"kind":"acknowledgement"%' OR b.detail LIKE '%"kind":"notice"%')
			AND NOT EXISTS (SELECT 1 FROM audit e WHERE e.object = c.number AND e.action = 'case.resumed' AND e.seq BETWEEN b.seq AND r.audit_seq)`},
	{"I3: two voters in threat mode", `SELECT count(*) FROM reset r WHERE r.approvals_required < 2
		AND (SELECT action FROM audit WHERE action IN ('threat.on', 'threat.off') AND seq < r.audit_seq ORDER BY seq DESC LIMIT 1) = 'threat.on'`},
	{"I4: a case is reset once", `SELECT count(*) FROM (SELECT 1 FROM reset GROUP BY case_id HAVING count(*) > 1)`},
	{"I4: cleared and reset are one", `SELECT count(*) FROM reset_case c WHERE (state IN ('cleared', 'undone')) <> EXISTS (SELECT 1 FROM reset WHERE case_id = c.id)`},
	{"I5: a reset is whole", `SELECT count(*) FROM reset r WHERE NOT EXISTS (SELECT 1 FROM letter WHERE reset_id = r.id AND kind = 'pass')
		OR EXISTS (SELECT 1 FROM address a JOIN panel_user u ON u.account_id = a.account_id WHERE u.id = r.user_id AND a.until IS NULL AND NOT EXISTS (
			SELECT 1 FROM letter l JOIN address b ON b.id = l.address_id WHERE l.reset_id = r.id AND l.kind = 'cleared' AND b.lookup = a.lookup))
		OR NOT EXISTS (SELECT 1 FROM enrollment_pass WHERE reset_id = r.id)`},
	{"I6: no word of a reset without one", `SELECT count(*) FROM letter WHERE kind IN ('cleared', 'pass', 'undone') AND NOT EXISTS (SELECT 1 FROM reset WHERE id = letter.reset_id)`},
	{"I7: generations count resets", `SELECT count(*) FROM holder h WHERE generation <> 1 + (SELECT count(*) FROM reset WHERE user_id = h.id)`},
	{"I7: a generation is cleared once", `SELECT count(*) FROM (SELECT 1 FROM reset GROUP BY user_id, generation HAVING count(*) > 1)`},
	{"6: the password alone never enrolls", `SELECT count(*) FROM credential k JOIN holder h ON h.id = k.user_id WHERE k.state = 'active' AND k.generation > 1 AND k.adds = 0
		AND NOT EXISTS (SELECT 1 FROM enrollment_pass p WHERE p.user_id = k.user_id AND p.used_at IS NOT NULL AND p.generation = k.generation)`},
}

// all asks the questions of always at once.
var all = func() string {
	text := "SELECT "
	for i, a := range always {
		if i > 0 {
			text += ", "
		}
		text += "(" + a.query + ")"
	}
	return text
}()

func (w *town) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.plain.QueryRow(query, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// check reads what must hold at any moment, if anything was committed since it did.
func (w *town) check() {
	w.t.Helper()
	version := int64(w.count(`PRAGMA data_version`))
	if version == w.checked {
		return
	}
	w.checked = version
	broken := make([]int, len(always))
	places := make([]any, len(always))
	for i := range broken {
		places[i] = &broken[i]
	}
	if err := w.plain.QueryRow(all).Scan(places...); err != nil {
		w.t.Fatal(err)
	}
	for i, n := range broken {
		if n != 0 {
			w.t.Errorf("%s: broken %d times", always[i].promise, n)
		}
	}
	w.checkGenerations()
	w.checkAudit()
	w.checkHolds()
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// checkGenerations wants that none ever falls.
func (w *town) checkGenerations() {
	rows, err := w.plain.Query(`SELECT id, generation FROM holder`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var g int64
		if err := rows.Scan(&id, &g); err != nil {
			w.t.Fatal(err)
		}
		if g < w.gens[id] {
			w.t.Errorf("I7: the generation of %s fell from %d to %d", id, w.gens[id], g)
		}
		w.gens[id] = g
	}
}

// checkAudit computes the chain by itself, from the last event that it has seen,
// and wants that one as it was.
func (w *town) checkAudit() {
	from := int64(max(1, len(w.heads)))
	rows, err := w.plain.Query(`SELECT seq, at, actor, action, object, detail, ip, request, prev, hash FROM audit WHERE seq >= $1 ORDER BY seq`, from)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	want := from
	for ; rows.Next(); want++ {
		var seq, at int64
		var actor, action, object, detail, ip, request string
		var prev, hash []byte
		if err := rows.Scan(&seq, &at, &actor, &action, &object, &detail, &ip, &request, &prev, &hash); err != nil {
			w.t.Fatal(err)
		}
		h := sha256.New()
		for _, part := range [][]byte{binary.BigEndian.AppendUint64(nil, uint64(seq)), binary.BigEndian.AppendUint64(nil, uint64(at)),
			[]byte(actor), []byte(action), []byte(object), []byte(detail), []byte(ip), []byte(request), prev} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			h.Write(part)
		}
		sum := hex.EncodeToString(h.Sum(nil))
		before, seen := w.heads[seq]
		switch {
		case seq != want, sum != hex.EncodeToString(hash), seen && before != sum,
			seq > 1 && w.heads[seq-1] != "" && w.heads[seq-1] != hex.EncodeToString(prev):
			w.t.Errorf("I9: event %d (%s) does not fit the chain", seq, action)
		}
		w.heads[seq] = sum
	}
	if want < int64(len(w.heads))+1 {
		w.t.Errorf("I9: %d events, there were %d", want-1, len(w.heads))
	}
}

// settle heals everything and waits: what is owed must be done within two minutes
// of quiet (I12), but for the time that the program waits on purpose. A clock that
// was set back holds up nothing but what has a time of its own.
func (w *town) settle() {
	w.heal()
	w.onMail(nil)
	w.prog.gate.plan(-1, 0, false)
	for _, m := range w.mails {
		w.imap.Reveal(m.uid)
	}
	if n := w.count(`SELECT coalesce(max(retry_at), 0) FROM inbound WHERE fate IS NULL`); n > 0 { // name servers were asked for long
		if wait := time.Until(time.UnixMicro(int64(n))); wait > time.Hour+max(0, w.behind()) {
			w.t.Errorf("I12: a mail waits another %s for its name servers", wait)
		} else {
			time.Sleep(wait)
		}
	}
	if w.behind() > 0 {
		w.within2Minutes("with the clock set back", w.owedAnyway)
		w.catchUp()
	}
	w.within2Minutes("after the faults ended", w.owed)
	if w.count(unread) > 0 {
		w.crash()
		time.Sleep(time.Minute)
		w.start()
		w.within2Minutes("after a start", w.owed)
	}
}

// unread are the mails that the server did not hand out: it is asked for them again, also
// by a program that does not remember them.
const unread = `SELECT count(*) FROM inbound WHERE fate = 'unfetchable'`

func (w *town) within2Minutes(of string, owed func() string) {
	w.t.Helper()
	left := ""
	for range 24 {
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if left = owed(); left == "" {
			return
		}
	}
	w.t.Errorf("I12: two minutes %s: %s", of, left)
}

// owedAnyway is what no time stands in the way of.
func (w *town) owedAnyway() string {
	return w.anyOf(map[string]string{
		"mails without fate": `SELECT count(*) FROM inbound WHERE fate IS NULL`,
		"events not taken":   `SELECT count(*) FROM factor_event WHERE settled_at IS NULL`,
		"letters not sent":   `SELECT count(*) FROM letter WHERE state NOT IN ('sent', 'failed') AND max(next_at, changed_at) < ` + ago(time.Minute),
	})
}

func ago(d time.Duration) string { return fmt.Sprint(time.Now().Add(-d).UnixMicro()) }

// owed says what the program should have done; a vote lives for a day.
// An owner who said yes has the acknowledgement, whatever its server said; where none
// counts as arrived, the waiting period begins with the yes.
func (w *town) owed() string {
	wait := w.wait
	if w.from != nil {
		wait = max(wait, 2*time.Minute) // a case is due when it was said in its situation
	}
	needed := max(1, w.approvals)
	if w.threatened() {
		needed, wait = 2, 2*wait
	}
	return w.anyOf(map[string]string{
		"mails without fate": `SELECT count(*) FROM inbound WHERE fate IS NULL`,
		"letters not sent":   `SELECT count(*) FROM letter WHERE state NOT IN ('sent', 'failed')`,
		"events not taken":   `SELECT count(*) FROM factor_event WHERE settled_at IS NULL`,
		"cases with everything that are not cleared": `SELECT count(*) FROM reset_case c WHERE state = 'open'
			AND (SELECT count(DISTINCT reviewer_id) FROM approval a JOIN holder h ON h.id = a.user_id WHERE a.case_id = c.id AND a.round = c.round AND a.generation = h.generation AND a.decided_at > ` + ago(24*time.Hour) + `) >= ` + fmt.Sprint(needed) + `
			AND EXISTS (SELECT 1 FROM answer o WHERE o.case_id = c.id AND o.round = c.round AND o.answer = 'yes' AND (o.at < ` + ago(wait) + ` OR EXISTS (
				SELECT 1 FROM letter l WHERE l.case_id = c.id AND l.round = c.round AND l.kind = 'acknowledgement' AND l.state = 'sent'
					AND NOT EXISTS (SELECT 1 FROM bounce WHERE letter_id = l.id AND action = 'failed'))))
			AND coalesce((SELECT max(changed_at) FROM letter WHERE case_id = c.id AND kind IN ('acknowledgement', 'notice')), 0) < ` + ago(wait),
	})
}

// anyOf names the first question with an answer above 0, or mails that are missing.
func (w *town) anyOf(queries map[string]string) string {
	for what, query := range queries {
		if n := w.count(query); n > 0 {
			return fmt.Sprintf("%d %s", n, what)
		}
	}
	if n := w.missing(); n > 0 {
		return fmt.Sprintf("%d mails not read", n)
	}
	return ""
}

// missing counts mails that lie in the mailbox and have no row.
func (w *town) missing() (n int) {
	for _, m := range w.mails {
		if !m.gone && w.count(`SELECT count(*) FROM inbound WHERE uid = $1 AND uidvalidity = (SELECT uidvalidity FROM cursor)`, m.uid) != 1 {
			n++
		}
	}
	return n
}
