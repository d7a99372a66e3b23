package review_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A world is a house under a random course of events, and what a simple model
// expects of the one case in it.
type world struct {
	*house
	t      *testing.T
	rng    *rand.Rand
	number string
	links  []string // every link that was ever mailed
	latest string   // the confirm link mailed last
	trace  []string

	// The model: what must have happened in this round before a reset may be.
	yes, no, signedIn bool
	votes             map[int64]bool
}

// events are what may happen to a case, in any order and state, by any role.
var events = []struct {
	name string
	act  func(*world) error
}{
	{"rita votes", func(w *world) error { return w.voteBy(w.rita) }},
	{"sam votes", func(w *world) error { return w.voteBy(w.sam) }},
	{"vera votes", func(w *world) error { return w.voteBy(w.signInAs("vera@host.example")) }},
	{"hold", func(w *world) error {
		if !w.rarely(4) {
			return nil
		}
		return w.desk.Hold(w.t.Context(), w.sam, decision(w.row(), "", "x"))
	}},
	{"resume", func(w *world) error {
		v := w.row()
		err := w.desk.ResumeCase(w.t.Context(), w.sam, decision(v, "", "x"))
		if err == nil && (v.HeldBy == "owner" || v.HeldBy == "verified") {
			w.yes, w.no, w.signedIn, w.votes = false, false, false, map[int64]bool{}
		}
		return err
	}},
	{"reject", func(w *world) error {
		if !w.rarely(12) {
			return nil
		}
		return w.desk.Reject(w.t.Context(), w.rita, decision(w.row(), "other", ""))
	}},
	{"ask again", func(w *world) error {
		return w.desk.Ask(w.t.Context(), w.rita, decision(w.row(), "", ""))
	}},
	{"yes", func(w *world) error { return w.say(true) }},
	{"yes of the latest link", func(w *world) error { return w.sayThrough(w.latest, true) }},
	{"letters go out first", func(w *world) error { w.gather(w.post()); return nil }},
	{"no", func(w *world) error {
		if !w.rarely(4) {
			return nil
		}
		return w.say(false)
	}},
	{"undo", func(w *world) error {
		if len(w.links) == 0 {
			return nil
		}
		return w.desk.Undo(w.t.Context(), w.links[w.rng.IntN(len(w.links))], "127.0.0.1")
	}},
	{"user signs in", func(w *world) error {
		if !w.rarely(5) {
			return nil
		}
		time.Sleep(30 * time.Second)
		_, err := w.desk.Book().Verify(w.t.Context(), "U-2", w.codeAt("U-2", time.Now()), totp.Web)
		if err == nil {
			w.signedIn = true
		}
		return nil
	}},
	{"the panel sees a login", func(w *world) error {
		if !w.rarely(6) {
			return nil
		}
		time.Sleep(time.Second) // after the request
		second := w.rarely(2)
		err := w.desk.AddSignal(w.t.Context(), "U-2", review.Signal{Kind: review.LoggedIn, SecondFactor: second, IP: "192.0.2.7"})
		if err == nil && second {
			w.signedIn = true
		}
		return err
	}},
	{"the panel sees a password", func(w *world) error {
		return w.desk.AddSignal(w.t.Context(), "U-2", review.Signal{Kind: review.PasswordVerified, IP: "192.0.2.7"})
	}},
	{"asked again in the panel", func(w *world) error {
		if w.row().State.Closed() {
			return nil // it would open another case
		}
		_, err := w.desk.OpenFromPanel(w.t.Context(), panelKey, review.PanelRequest{Account: "A-1001", User: "U-2"})
		return err
	}},
	{"letters go out", func(w *world) error { w.gather(w.post()); return nil }},
	{"a letter is refused", func(w *world) error {
		if !w.rarely(4) {
			return nil
		}
		l, ok, err := w.desk.Claim(w.t.Context())
		if err != nil || !ok {
			return err
		}
		w.gather([]letter{readLetter(w.t, l)})
		return w.desk.Failed(w.t.Context(), l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "no"})
	}},
	{"an hour passes", func(w *world) error { time.Sleep(time.Hour); w.work(); return nil }},
	{"a day passes", func(w *world) error { time.Sleep(24 * time.Hour); w.work(); return nil }},
	{"asked again by mail", func(w *world) error {
		w.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		return nil
	}},
	{"two weeks pass", func(w *world) error {
		if w.rarely(6) {
			time.Sleep(14 * day)
			w.work()
		}
		return nil
	}},
	{"restart", func(w *world) error { w.reopen(); return nil }},
}

// signInAs begins a session past the password, which costs too much to ask often.
func (w *world) signInAs(email string) review.Session {
	w.t.Helper()
	token := fmt.Sprintf("session %d", w.rng.Uint64())
	hash, now := sha256.Sum256([]byte(token)), time.Now()
	_, err := w.sql().Exec(`INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at)
		SELECT $1, id, $2, $2, $3, '', '', $2 FROM reviewer WHERE email = $4`, hash[:], now.UnixMicro(), now.Add(time.Hour).UnixMicro(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.desk.Authenticate(w.t.Context(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// row is of the case what an act needs, without all that the page shows.
func (w *world) row() (v review.CaseView) {
	w.t.Helper()
	err := w.sql().QueryRow(`SELECT number, version, state, held_by FROM reset_case WHERE number = $1`, w.number).Scan(&v.Number, &v.Version, &v.State, &v.HeldBy)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// rarely is true once in n times.
func (w *world) rarely(n int) bool { return w.rng.IntN(n) == 0 }

func (w *world) voteBy(s review.Session) error {
	s = w.signInAs(s.Reviewer.Email)
	out, err := w.approve(s, w.view(w.number))
	if err == nil {
		w.votes[s.Reviewer.ID] = true
	}
	_ = out
	return err
}

func (w *world) say(yes bool) error {
	if len(w.links) == 0 {
		return nil
	}
	return w.sayThrough(w.links[w.rng.IntN(len(w.links))], yes)
}

func (w *world) sayThrough(link string, yes bool) error {
	err := w.desk.Answer(w.t.Context(), link, review.Reply{Yes: yes, UserID: map[bool]string{true: "U-2"}[yes], IP: "127.0.0.1"})
	if err == nil {
		w.yes, w.no = w.yes || yes, w.no || !yes
	}
	return err
}

func (w *world) gather(letters []letter) {
	for _, l := range letters {
		if m := linkPattern.FindStringSubmatch(l.text); m != nil {
			w.links = append(w.links, m[1])
			if strings.Contains(l.subject, "Bitte bestätigen") {
				w.latest = m[1]
			}
		}
	}
}

// check holds the case to the model: a reset there is only if the round has a
// yes, no no, no code since, and the votes of as many entitled persons as needed.
func (w *world) check() {
	w.t.Helper()
	n := w.count(`SELECT count(*) FROM reset WHERE case_id = (SELECT id FROM reset_case WHERE number = $1)`, w.number)
	v := w.row()
	if n > 0 != (v.State == review.StateCleared || v.State == review.StateUndone) {
		w.t.Fatalf("%d resets, the case is %s\n%s", n, v.State, strings.Join(w.trace, "\n"))
	}
	if n == 0 {
		return
	}
	needed := w.count(`SELECT approvals_required FROM reset WHERE case_id = (SELECT id FROM reset_case WHERE number = $1)`, w.number)
	if !w.yes || w.no || w.signedIn || len(w.votes) < needed {
		w.t.Fatalf("a reset with yes %t, no %t, signed in %t, %d of %d votes\n%s", w.yes, w.no, w.signedIn, len(w.votes), needed, strings.Join(w.trace, "\n"))
	}
	early := w.count(`SELECT count(*) FROM reset r WHERE EXISTS (SELECT 1 FROM letter l JOIN reset_case c ON c.id = l.case_id
		WHERE l.case_id = r.case_id AND l.round = c.round AND l.kind IN ('acknowledgement', 'notice') AND l.serial = 1
			AND (l.state NOT IN ('sent', 'failed') OR l.changed_at > r.wait_until))`)
	if early > 0 {
		w.t.Fatalf("a reset before its notices\n%s", strings.Join(w.trace, "\n"))
	}
}

// ASVS 2.3.1: in whatever order things happen to a case, by whomever, no path
// leads to a reset with a requirement open; and some paths lead there.
func TestRandomCourses(t *testing.T) {
	policies := []review.Policy{review.Balanced, review.Cautious, review.SmallTeam, instant(review.Balanced)}
	ends, reached := map[review.State]int{}, map[string]bool{}
	for seed := range courses {
		inHouse(t, func(c *review.Config) { c.Policy = policies[seed%len(policies)] }, func(t *testing.T, h *house) {
			w := &world{house: h, t: t, rng: rand.New(rand.NewPCG(uint64(seed), 1)), votes: map[int64]bool{}}
			h.reviewer("vera@host.example", "Vera", review.Viewer)
			mails := 0
			if seed%3 == 0 {
				in := review.PanelRequest{Account: "A-1001", User: "U-2"}
				if seed%2 == 0 {
					in.PasswordAt = time.Now()
				}
				if _, err := h.desk.OpenFromPanel(t.Context(), panelKey, in); err != nil {
					t.Fatal(err)
				}
			} else {
				h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
				mails++
			}
			w.number = h.onlyCase().Number
			for range 50 {
				before := w.row().State
				e := events[w.rng.IntN(len(events))]
				err := e.act(w)
				if e.name == "asked again by mail" {
					mails++
				}
				w.trace = append(w.trace, fmt.Sprintf("%s %s: %v", before, e.name, err))
				if err != nil && review.KindOf(err) == "" {
					t.Fatalf("seed %d: internal error\n%s", seed, strings.Join(w.trace, "\n"))
				}
				reached[string(before)+" "+e.name] = true
				w.check()
				w.checkLists()
				if v := w.row(); v.State.Closed() && (v.State != review.StateCleared || w.rng.IntN(4) == 0) {
					break
				}
			}
			ends[w.row().State]++
			h.accounted(mails)
			h.sound()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d courses ended %v; %d pairs of state and event", courses, ends, len(reached))
	if courses > 50 && (ends[review.StateCleared]+ends[review.StateUndone] < 3 || ends[review.StateRejected] == 0 || ends[review.StateExpired] == 0) {
		t.Errorf("the courses reach too little: %v", ends)
	}
}
