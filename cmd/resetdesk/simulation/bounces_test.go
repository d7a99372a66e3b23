package simulation

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// bounce has a mail server say, after it took a letter, that it does not arrive
// (RFC 3464): of the letter it shows the head, or nothing but where it came from.
func (w *town) bounce() string {
	letters := w.letters()
	if len(letters) == 0 {
		return "took no letter"
	}
	l := letters[w.rng.IntN(len(letters))]
	head, _, _ := bytes.Cut(l.raw, []byte("\r\n\r\n"))
	if w.rng.IntN(2) == 0 {
		head = []byte("Subject: a letter")
	}
	said := w.deliver([]byte(strings.ReplaceAll(fmt.Sprintf("Return-Path: <>\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\nTo: %s\n"+
		"Subject: Undelivered Mail Returned to Sender\nDate: %s\nMessage-ID: <%s>\nMIME-Version: 1.0\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nIt could not be delivered.\n"+
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; %s\nAction: failed\nStatus: 5.1.1\n\n"+
		"--b\nContent-Type: text/rfc822-headers\n\n%s\n--b--\n", l.from, time.Now().Format(time.RFC1123Z), w.newID(), l.to,
		strings.ReplaceAll(string(head), "\r\n", "\n")), "\n", "\r\n")), false)
	w.mails[len(w.mails)-1].returns = l.id
	return fmt.Sprintf("%s: %q to %s comes back", said, l.subject, l.to)
}

// checkBounces: what a mail server said of a letter is known, and no request.
func (w *town) checkBounces() {
	w.t.Helper()
	for _, m := range w.mails {
		if m.returns == "" || m.gone {
			continue
		}
		if n := w.count(`SELECT count(*) FROM inbound WHERE uid = $1 AND uidvalidity = (SELECT uidvalidity FROM cursor) AND (fate = 'unfetchable'
			OR fate = 'automatic' AND EXISTS (SELECT 1 FROM bounce b JOIN letter l ON l.id = b.letter_id WHERE l.message_id = $2))`, m.uid, m.returns); n != 1 {
			w.t.Errorf("7: that letter %s came back is not known", m.returns)
		}
	}
}

// checkFailed: each letter that a server refused for good, or that came back before it
// counted as sent, is in the audit, and staff are told that there are such letters (I5).
func (w *town) checkFailed() {
	w.t.Helper()
	const failed = `FROM letter l LEFT JOIN reset_case c ON c.id = l.case_id WHERE l.state = 'failed'`
	if w.count(`SELECT count(*) `+failed) == 0 {
		return
	}
	const refused = `action IN ('letter.refused', 'letter.bounced')`
	if n := w.count(`SELECT count(*) FROM (SELECT count(*) - (SELECT count(*) FROM audit WHERE ` + refused + ` AND object = x.object AND detail LIKE '%"kind":"' || x.kind || '"%') AS untold
		FROM (SELECT coalesce(c.number, l.user_id, 'reviewer:' || l.reviewer_id, '') AS object, l.kind AS kind ` + failed + `) x GROUP BY x.object, x.kind) WHERE untold > 0`); n > 0 {
		w.t.Errorf("I5: %d letters failed, and no event says so", n)
	}
	if w.prog == nil || w.count(`SELECT count(*) `+failed+` AND l.kind <> 'pass' AND l.changed_at > `+ago(23*time.Hour)) == 0 {
		return
	}
	if trouble, err := w.prog.desk.LetterTrouble(w.t.Context()); err != nil || trouble.Failed == 0 || len(trouble.Lines()) == 0 {
		w.t.Errorf("I5: a letter failed, and staff are not told: %+v %v", trouble, err)
	}
}

// threat turns the switch of threat mode.
func (w *town) threat() string {
	if w.prog == nil {
		return "no program"
	}
	if err := w.signIn("rita"); err != nil {
		return "cannot sign in: " + err.Error()
	}
	s, err := w.prog.desk.Authenticate(w.t.Context(), w.sessions["rita"])
	if err != nil {
		return err.Error()
	}
	on, code := !w.threatened(), ""
	if !on {
		code = w.freshCode(w.secrets["rita"])
	}
	err = w.prog.desk.SwitchThreat(w.t.Context(), s, on, "a wave of calls", code)
	if err == nil && !on {
		w.accepted(w.secrets[w.secrets["rita"]])
	}
	return fmt.Sprintf("on %t: %v", on, err)
}

func (w *town) threatened() bool {
	return w.count(`SELECT coalesce((SELECT active FROM threat_turn ORDER BY id DESC LIMIT 1), 0)`) == 1
}
