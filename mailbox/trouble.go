package mailbox

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// errNarrowing marks the end of a connection that died in a FETCH: the next one asks for fewer mails at a time.
var errNarrowing = errors.New("the connection broke while mail was read")

// How often one mail alone may end a connection before the next thing is tried.
const (
	deathsToPlain = 2 // then the first bytes of the mail are asked for, and nothing else
	deathsToSkip  = 3 // then it is handed on as unfetchable
)

// trouble finds the mail that kills the connection (a header line of 10 MB ends Dovecot's process, a malformed answer
// ends ours). The first mail of a set that did not come is suspected: what lies before it is read, then it alone. Where
// it was innocent (the server answers in another order, or kept answers back) the set is cut to a quarter each time,
// until the mail stands alone.
type trouble struct {
	last    uint32 // mails up to this UID are read in small sets
	size    int    // so many at a time
	suspect uint32 // read alone, after all before it; 0: none

	headers, bodies map[uint32]int // how often reading this mail alone ended a connection
}

// limit is how many mails, from UID next on and up to which UID, may be asked for in one FETCH.
func (t *trouble) limit(next uint32, n int) (size int, last uint32) {
	switch {
	case next > t.last:
		return n, ^uint32(0)
	case next < t.suspect:
		return n, t.suspect - 1
	case next == t.suspect:
		return 1, next
	}
	return min(n, t.size), t.last
}

// died records that the connection ended, or the server refused, while set was being read, of which it had seen some.
func (t *trouble) died(set imap.UIDSet, seen map[uint32]bool, body bool, err error) error {
	n := count(set)
	if t.headers == nil {
		t.headers, t.bodies = make(map[uint32]int), make(map[uint32]int)
	}
	switch {
	case n == 1 && body:
		t.bodies[highest(set)]++
	case n == 1:
		t.headers[highest(set)]++
	}
	t.last, t.size, t.suspect = highest(set), max(1, n/4), 0
	each(set, func(uid uint32) {
		if t.suspect == 0 && !seen[uid] {
			t.suspect = uid
		}
	})
	return fmt.Errorf("%w: %w", errNarrowing, err)
}

// passed forgets what lies behind the committed cursor.
func (t *trouble) passed(through uint32) {
	if through >= t.last {
		*t = trouble{}
	}
}

// apart makes t the trouble of what is read until the returned function is called: what breaks the connection there is
// not forgotten because new mail was read well.
func (f *folder) apart(t *trouble) func() {
	f.trouble, *t = *t, f.trouble
	return func() { f.trouble, *t = *t, f.trouble }
}

// forget drops the record of one mail.
func (t *trouble) forget(uid uint32) {
	delete(t.headers, uid)
	delete(t.bodies, uid)
}

// again is a mail that was handed on as unfetchable and will be asked for once more.
type again struct {
	validity, uid uint32
	reuse         int
	tries         int
	at            time.Time
}

// manyAgain bounds the memory of a server that hands out nothing at all.
const manyAgain = 1000

// askAgain plans the next attempt for a, if there is one. What a UID named before is not asked for any more.
func (f *folder) askAgain(a again) {
	same := func(b again) bool { return b.validity == a.validity && b.uid == a.uid }
	if slices.ContainsFunc(f.again, func(b again) bool { return same(b) && b.reuse >= a.reuse }) {
		return
	}
	f.again = slices.DeleteFunc(f.again, same)
	if a.tries < len(f.c.Unfetchable) && len(f.again) < manyAgain {
		a.at = time.Now().Add(f.c.Unfetchable[a.tries])
		f.again = append(f.again, a)
	}
}

// dueAgain takes the mails whose time has come; those of another UIDVALIDITY are forgotten, for they are read anew.
func (f *folder) dueAgain(validity uint32) []again {
	var due, rest []again
	for _, a := range f.again {
		switch {
		case a.validity != validity:
		case time.Now().Before(a.at):
			rest = append(rest, a)
		default:
			due = append(due, a)
		}
	}
	f.again = rest
	return due
}

// untilAgain is how long until the next such mail is due.
func (f *folder) untilAgain() time.Duration {
	wait := f.c.Poll
	for _, a := range f.again {
		wait = min(wait, max(time.Until(a.at), 0))
	}
	return wait
}
