package simulation

import (
	"database/sql"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// giveUp is how long a letter is tried: what the postman does if nobody says otherwise.
const giveUp = 5 * 24 * time.Hour

var (
	messageID  = regexp.MustCompile(`(?mi)^Message-ID: *<([^>]+)>`)
	caseNumber = regexp.MustCompile(`RST-[0-9A-Z]{6}`)
)

// A journal is what the town saw of letters and of what stops a case, beside the
// program's own books: with these alone it could excuse whatever it does.
type journal struct {
	mu      sync.Mutex
	letters map[string]carrying // by Message-ID
	hand    string              // the letter that the postman took last; he carries one at a time
	stopped map[string]bool     // who stopped which case
}

// A carrying is the way of one letter.
type carrying struct {
	from, to string    // on the envelope; from is another for each letter
	since    time.Time // it was first taken

	heard    bool // the 250 for its last copy got through to the program
	hindered bool // which could not write that down: it was ended, or the disk was full
	again    int  // copies that were made all the same, with nothing in the way

	refused bool // a server said so, and was heard
	aged    bool // it was tried for as long as letters are
}

func (j *journal) copied() *journal {
	if j == nil {
		j = &journal{}
	}
	return &journal{letters: copied(j.letters), stopped: copied(j.stopped)}
}

// change notes something about a letter.
func (j *journal) change(id string, note func(*carrying)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.letters[id]
	note(&c)
	j.letters[id] = c
}

func (j *journal) of(id string) carrying {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.letters[id]
}

func idOf(raw []byte) string {
	if m := messageID.FindSubmatch(raw); m != nil {
		return string(m[1])
	}
	return ""
}

// taken: the postman has a letter in hand.
func (j *journal) taken(l mailbox.Letter) {
	j.hand = idOf(l.Raw)
	j.change(j.hand, func(c *carrying) {
		if c.from, c.to = l.From, l.To; c.since.IsZero() {
			c.since = time.Now()
		}
	})
}

// stored: the server has a copy more. Of one before it the program must not have
// known.
func (j *journal) stored(d mailtest.Delivered) {
	j.change(idOf(d.Raw), func(c *carrying) {
		if c.heard && !c.hindered {
			c.again++
		}
		c.heard, c.hindered = false, false
	})
}

// answered: the program heard what the server says. It may have another letter in
// hand by now.
func (j *journal) answered(a mailtest.Answer) {
	if a.Raw != nil {
		j.change(idOf(a.Raw), func(c *carrying) {
			c.heard, c.refused = c.heard || a.Code == 250, c.refused || a.Code >= 500
		})
		return
	}
	for _, id := range j.between(a.From, a.To) {
		j.change(id, func(c *carrying) { c.refused = c.refused || a.Code >= 500 })
	}
}

// between are the letters from one address to another.
func (j *journal) between(from, to string) (ids []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, c := range j.letters {
		if c.from == from && c.to == to {
			ids = append(ids, id)
		}
	}
	return ids
}

// written: the program wrote down that the letter is out, or was kept from it.
func (j *journal) written(through bool) {
	j.change(j.hand, func(c *carrying) { c.hindered = !through })
}

// failed: the program says that an attempt is over. The town does not believe why.
func (j *journal) failed() {
	j.change(j.hand, func(c *carrying) { c.aged = c.aged || time.Since(c.since) >= giveUp })
}

// stops: somebody stopped a case, the owner or a reviewer.
func (j *journal) stops(who, number string) { j.stopped[who+" "+number] = true }

// onMail lets something happen at the moment the server has a letter.
func (w *town) onMail(then func()) {
	w.smtp.OnMail(func(d mailtest.Delivered) {
		w.journal.stored(d)
		if then != nil {
			then()
		}
	})
}

// checkCopies: each copy of a letter but the last is one whose 250 the program never
// heard, or could not write down (I5).
func (w *town) checkCopies(id string) {
	if w.journal == nil {
		return
	}
	if n := w.journal.of(id).again; n > 0 {
		w.t.Errorf("I5: %d second copies of %s, whose 250 was heard, and nothing kept the program from writing that down", n, id)
	}
}

// undeliverable tells whether the town knows why a letter cannot arrive.
func (w *town) undeliverable(id string) bool {
	c := w.journal.of(id)
	return c.refused || c.aged || slices.ContainsFunc(w.mails, func(m *sentMail) bool { return m.returns == id })
}

// checkGivenUp: a letter is given up only if a server refused it for good, if it came
// back, or if it was tried for days (I5).
func (w *town) checkGivenUp() {
	if w.journal == nil {
		return
	}
	var all sql.NullString
	if err := w.plain.QueryRow(`SELECT group_concat(message_id, ' ') FROM letter WHERE state = 'failed'`).Scan(&all); err != nil {
		w.t.Fatal(err)
	}
	for _, id := range strings.Fields(all.String) {
		if !w.undeliverable(id) {
			w.t.Errorf("I5: letter %s was given up, and no server had refused it", id)
		}
	}
}

// checkHolds: a case is on hold only for what somebody did, or what a server said of
// the letters about it.
func (w *town) checkHolds() {
	if w.journal == nil {
		return
	}
	rows, err := w.plain.Query(`SELECT number, held_by, watched_from, coalesce(user_id, ''), coalesce((SELECT group_concat(message_id, ' ') FROM letter
		WHERE case_id = c.id AND kind IN ('acknowledgement', 'notice')), '') FROM reset_case c WHERE state = 'held'`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var number, by, user, letters string
		var watched int64
		if err := rows.Scan(&number, &by, &watched, &user, &letters); err != nil {
			w.t.Fatal(err)
		}
		cause := w.journal.stopped[by+" "+number]
		switch by {
		case "bounce":
			cause = slices.ContainsFunc(strings.Fields(letters), w.undeliverable)
		case "verified":
			cause = w.steps[w.secrets[user]] >= step(time.UnixMicro(watched)) // the mail may have waited for name servers
		}
		if !cause {
			w.t.Errorf("4: case %s is on hold (%s), and nothing happened that stops it", number, by)
		}
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
}
