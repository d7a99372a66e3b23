package simulation

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A situation is where courses begin: a database, and what everybody remembers. The
// program itself came there, once in a process, on a way that goes on from another.
type situation struct {
	name, from string
	weight     int
	mute       bool // no letter goes out on it
	way        func(*town)

	once sync.Once
	at   time.Duration // since the beginning of the world
	db   []byte
	town *town // the memories
}

const (
	quiet = `SELECT NOT EXISTS (SELECT 1 FROM inbound WHERE fate IS NULL) AND NOT EXISTS (SELECT 1 FROM letter WHERE state NOT IN ('sent', 'failed'))
		AND NOT EXISTS (SELECT 1 FROM factor_event WHERE settled_at IS NULL)`
	owing = `SELECT count(*) FROM letter WHERE kind = 'acknowledgement'`
	reset = `SELECT count(*) FROM reset`
)

// The case of the way is that of user 0; at the end the others have some as well.
var situations = []*situation{
	{name: "nothing", weight: 6, way: func(*town) {}},
	{name: "a mail", from: "nothing", weight: 2, way: func(w *town) {
		w.crash()
		w.askFor(0)
	}},
	{name: "a case", from: "nothing", weight: 4, way: func(w *town) {
		w.askFor(0)
		w.await(owing, quiet)
	}},
	{name: "letters that wait", from: "nothing", weight: 2, mute: true, way: func(w *town) {
		w.askFor(0)
		w.await(owing)
	}},
	{name: "a letter nobody knows of", from: "nothing", weight: 2, way: func(w *town) {
		g := w.prog.gate
		w.onMail(g.kill)
		w.askFor(0)
		for !g.ended() {
			time.Sleep(time.Second)
		}
	}},
	{name: "the owner's yes", from: "a case", weight: 4, way: func(w *town) { w.reply(0, "Please confirm", "yes") }},
	{name: "the owner's no", from: "a case", weight: 2, way: func(w *town) {
		w.reply(0, "Please confirm", "no")
		w.await(quiet)
	}},
	{name: "a vote before the yes", from: "a case", weight: 4, way: func(w *town) { w.vote("rita", 0) }},
	{name: "one vote", from: "the owner's yes", weight: 4, way: func(w *town) { w.vote("sam", 0) }},
	{name: "held", from: "one vote", weight: 2, way: (*town).hold},
	{name: "the waiting period", from: "one vote", weight: 5, way: func(w *town) { w.vote("rita", 0) }},
	{name: "cleared, nobody told", from: "the waiting period", weight: 3, mute: true, way: func(w *town) { w.await(reset) }},
	{name: "cleared", from: "the waiting period", weight: 5, way: func(w *town) { w.await(reset, quiet) }},
	{name: "enrolled again", from: "cleared", weight: 3, way: func(w *town) {
		for w.again == 0 {
			w.users()
		}
		w.await(quiet)
	}},
	{name: "undone", from: "cleared", weight: 2, way: func(w *town) {
		w.reply(0, "", "undo")
		w.await(`SELECT count(*) FROM undo`, quiet)
	}},
	{name: "all at once", from: "cleared", weight: 5, way: func(w *town) {
		for i := 1; i < accounts; i++ {
			w.askFor(i)
		}
		w.await(`SELECT count(*) = 5 FROM reset_case`, quiet)
		w.reply(1, "Please confirm", "yes")
		w.reply(2, "Please confirm", "yes")
		w.reply(3, "Please confirm", "no")
		w.vote("rita", 1)
		w.vote("sam", 4)
		w.forge()
	}},
}

func situationOf(t *testing.T, name string) *situation {
	for _, s := range situations {
		if s.name == name {
			s.once.Do(func() { s.reach(t) })
			return s
		}
	}
	t.Fatalf("no situation %q", name)
	return nil
}

// anySituation draws one.
func anySituation(t *testing.T, rng *rand.Rand) *situation {
	sum := 0
	for _, s := range situations {
		sum += s.weight
	}
	n := rng.IntN(sum)
	for _, s := range situations {
		if n -= s.weight; n < 0 {
			return situationOf(t, s.name)
		}
	}
	panic("unreachable")
}

// reach goes the way, with a database of its own.
func (s *situation) reach(t *testing.T) {
	from := &situation{at: age + 5*time.Minute, town: &town{}}
	if s.from != "" {
		from = situationOf(t, s.from)
	} else {
		h := homeOf(t)
		from.db, from.town.home = h.db, h
	}
	path := filepath.Join(t.TempDir(), "desk.db")
	if err := os.WriteFile(path, from.db, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, rand.New(rand.NewPCG(0, 4)), from, 0, path, nil)
		defer w.end()
		w.approvals, w.whole, w.wait = 2, true, 2*time.Minute
		w.smtpLink.set(s.mute)
		w.start()
		synctest.Wait()
		s.way(w)
		synctest.Wait()
		w.crash()
		w.check()
		if s.from == "" {
			w.from = nil // what populate wrote was not looked through yet
		}
		w.checkSecrets()
		w.letters()
		s.at, s.town = time.Since(w.began), w
		if err := emptyLog(w.plain); err != nil {
			t.Error(err)
		}
	})
	var err error
	if s.db, err = os.ReadFile(path); err != nil || t.Failed() {
		t.Fatalf("the way to %q: %v\n%s\n%s", s.name, err, strings.Join(s.town.trace, "\n"), s.town.log.String())
	}
}

// remember begins with the memories of a situation.
func (w *town) remember(s *situation) {
	o := s.town
	w.home, w.crashes = o.home, 0
	w.secrets, w.steps = copied(o.secrets), copied(o.steps)
	w.sessions, w.shown, w.said, w.enrolled, w.voted = copied(o.sessions), copied(o.shown), copied(o.said), copied(o.enrolled), copied(o.voted)
	w.heads, w.gens, w.marked = copied(o.heads), copied(o.gens), copied(o.marked)
	w.arrived = append(w.arrived, o.arrived...)
	w.journal = o.journal.copied()
	for _, m := range o.mails {
		again := *m
		again.signed = false
		w.mails = append(w.mails, &again)
	}
}

func copied[K comparable, V any](m map[K]V) map[K]V {
	n := maps.Clone(m)
	if n == nil {
		n = map[K]V{}
	}
	return n
}

// refill puts into the mailbox what was in it.
func (w *town) refill() {
	for _, m := range w.mails {
		if uid, err := w.imap.Append("INBOX", m.raw); err != nil || uid != m.uid {
			w.t.Fatalf("mail %d came back as %d: %v", m.uid, uid, err)
		}
	}
}

// askFor lets the admin of an account ask for its user.
func (w *town) askFor(i int) { w.note("%s", w.deliver(w.request(i, w.newID()), false)) }

// await waits until each question is answered with yes.
func (w *town) await(queries ...string) {
	w.t.Helper()
	for _, q := range queries {
		for n := 0; w.count(q) == 0; n++ {
			if n > 300 {
				w.t.Fatalf("never: %s", q)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
	}
}

// reply answers the link in the newest letter to an admin with that subject.
func (w *town) reply(i int, subject, answer string) {
	w.t.Helper()
	all := w.letters()
	for n := len(all) - 1; n >= 0; n-- {
		l := all[n]
		m := linkPattern.FindStringSubmatch(l.text)
		if m == nil || w.said[m[1]] || !strings.HasPrefix(l.to, "admin@company"+string(rune('0'+i))) || !strings.Contains(l.subject, subject) {
			continue
		}
		if status, _ := w.post(m[1], "", "answer", answer); status != 303 {
			w.t.Fatalf("%s to %q: %d", answer, l.subject, status)
		}
		w.said[m[1]] = true
		if answer == "no" {
			w.journal.stops("owner", caseNumber.FindString(l.subject))
		}
		w.note("%s to %q", answer, l.subject)
		return
	}
	w.t.Fatalf("no letter %q to the admin of user %d", subject, i)
}

func (w *town) caseOf(i int) (number string) {
	w.t.Helper()
	if err := w.plain.QueryRow(`SELECT number FROM reset_case WHERE user_id = 'U-' || $1 ORDER BY id DESC LIMIT 1`, i).Scan(&number); err != nil {
		w.t.Fatal(err)
	}
	return number
}

// vote approves the case of a user, and wants that it counts.
func (w *town) vote(who string, i int) {
	w.t.Helper()
	if err := w.signIn(who); err != nil {
		w.t.Fatal(err)
	}
	before := w.count(`SELECT count(*) FROM approval`)
	said := w.approve(who, w.caseOf(i))
	w.note("%s", said)
	if w.count(`SELECT count(*) FROM approval`) == before {
		_, page := w.get("/cases/"+w.caseOf(i)+"/approve", who)
		w.t.Fatalf("%s's vote does not count: %s %s", who, said, page)
	}
}

// hold has a reviewer hold the case of user 0.
func (w *town) hold() {
	err := w.signIn("sam")
	if err == nil {
		var s review.Session
		if s, err = w.prog.desk.Authenticate(w.t.Context(), w.sessions["sam"]); err == nil {
			var v review.CaseView
			if v, err = w.prog.desk.Case(w.t.Context(), s, w.caseOf(0)); err == nil {
				err = w.prog.desk.Hold(w.t.Context(), s, review.Decision{Number: v.Number, Version: v.Version, Note: "a call"})
				w.journal.stops("reviewer", v.Number)
			}
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
