package simulation

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"strings"
)

// asks is what only the genuine requests of admins say, in [town.request].
var asks = regexp.MustCompile(`of user(\d)\. Serial \d+\.`)

// checkRequests: each genuine request came to a case of its account, or the same bytes
// did when they were delivered before (promise 1). Nothing else becomes of one but for a
// reason of which the town knows: it was spoiled, it has the Message-ID of another that was
// signed, or it was signed in what is the future for a clock that was set back.
func (w *town) checkRequests() (requests int) {
	w.t.Helper()
	for _, m := range w.mails {
		who := asks.FindSubmatch(m.raw)
		if who == nil || m.gone {
			continue
		}
		requests++
		sum := sha256.Sum256(m.raw)
		if w.count(`SELECT count(*) FROM inbound i JOIN case_mail x ON x.inbound_id = i.id JOIN reset_case c ON c.id = x.case_id
			WHERE i.sha256 = $1 AND i.fate IN ('case', 'attached') AND c.account_id = $2`, sum[:], "A-"+string(who[1])) > 0 {
			continue
		}
		var fate, reason string
		err := w.plain.QueryRow(`SELECT fate, reason FROM inbound WHERE uid = $1 AND uidvalidity = (SELECT uidvalidity FROM cursor)`, m.uid).Scan(&fate, &reason)
		switch {
		case fate == "quarantined" && spoiled(m.raw):
		case fate == "passed" && spoiled(m.raw) && strings.HasPrefix(reason, "The same bytes as mail "):
		case fate == "quarantined" && bytes.Contains(m.raw, []byte("Message-ID: <m0@mail.example>")) && strings.Contains(reason, "been here before"):
		case fate == "quarantined" && w.setBack && strings.Contains(reason, "from the future"):
		default:
			w.t.Errorf("I1: the request %d came to no case, but: %s: %s %v", m.uid, fate, reason, err)
		}
	}
	return requests
}

// spoiled reports whether a poisoner made of a request what no honest sender writes: a
// line without end, or a field changed that is signed.
func spoiled(raw []byte) bool {
	return bytes.Contains(raw, []byte("X-Long: ")) || bytes.Contains(raw, []byte("boundary=\"\xff\"")) && bytes.Contains(raw, []byte("DKIM-Signature: "))
}
