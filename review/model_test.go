package review_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"pgregory.net/rapid"
)

// A world is a house under a random course of events, and what a simple model
// expects of the one case in it.
type world struct {
	*house
	t      *testing.T
	rt     *rapid.T
	number string
	links  []string // every link that was ever mailed
	latest string   // the confirm link mailed last
	trace  []string

	// The model: what must have happened in this round before a reset may be.
	round             int
	yes, no, signedIn bool
	votes             map[int64]time.Time
	proof             string // the newest answer to the mandatory row
	frozen            time.Time
	faults            int
	judged            bool // the reset: what comes after it takes nothing from it
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
		return w.desk.ResumeCase(w.t.Context(), w.sam, decision(v, "", "x"))
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
		return w.desk.Undo(w.t.Context(), w.links[w.n(len(w.links))], "127.0.0.1")
	}},
	{"user signs in", func(w *world) error {
		if !w.rarely(5) {
			return nil
		}
		time.Sleep(30 * time.Second)
		_, err := w.desk.Book().Verify(w.t.Context(), "U-2", w.codeAt("U-2", time.Now()), totp.Web)
		w.signedIn = w.signedIn || err == nil
		return nil
	}},
	{"the panel sees a login", func(w *world) error {
		if !w.rarely(6) {
			return nil
		}
		time.Sleep(time.Second) // after the request
		second := w.rarely(2)
		err := w.desk.AddSignal(w.t.Context(), "U-2", review.Signal{Kind: review.LoggedIn, SecondFactor: second, IP: "192.0.2.7"})
		w.signedIn = w.signedIn || err == nil && second
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
	{"a good day", func(w *world) error { // what honest people do, or few courses would come to an end
		w.gather(w.post())
		err := w.sayThrough(w.latest, true)
		for _, do := range []func() error{func() error { return w.finds("pass") }, func() error { return w.voteBy(w.rita) }, func() error { return w.voteBy(w.sam) }} {
			if e := do(); e != nil && review.KindOf(e) == "" {
				return e
			}
		}
		time.Sleep(24 * time.Hour)
		w.work()
		return err
	}},
	{"the row holds", func(w *world) error { return w.finds("pass") }},
	{"the row fails", func(w *world) error {
		if !w.rarely(6) {
			return nil
		}
		return w.finds("fail")
	}},
	{"nobody answers", func(w *world) error { return w.finds("unknown") }},
	{"freeze", func(w *world) error {
		if !w.rarely(4) {
			return nil
		}
		v, until := w.row(), time.Now().Add(9*time.Hour)
		err := w.desk.FreezeAccount(w.t.Context(), w.signInAs("sam@host.example"), review.Freeze{Number: v.Number, Version: v.Version, Until: until, Reason: "x"})
		if err == nil {
			w.frozen = until
		}
		return err
	}},
	{"threat mode", func(w *world) error {
		if !w.rarely(3) {
			return nil
		}
		return w.desk.SwitchThreat(w.t.Context(), w.signInAs("rita@host.example"), true, "x", "")
	}},
	{"no threat mode", func(w *world) error {
		return w.desk.SwitchThreat(w.t.Context(), w.signInAs("rita@host.example"), false, "x", w.fresh(w.rita.Reviewer.Holder))
	}},
}

func (w *world) finds(result string) error {
	if len(w.cfg.Policy.Evidence) == 0 {
		return nil
	}
	v := w.row()
	err := w.desk.RecordEvidence(w.t.Context(), w.signInAs("sam@host.example"), review.Finding{Number: v.Number, Version: v.Version,
		Name: "callback", Result: result, Words: "x"})
	if err == nil || (done(err) && result == "pass") {
		w.proof = result
	}
	return err
}

// broken are the events whose commit may break: it fails, or it is done and reported
// as failed, and the program goes on or dies.
var broken = map[string]bool{"rita votes": true, "sam votes": true, "hold": true, "resume": true, "reject": true, "ask again": true, "yes": true,
	"yes of the latest link": true, "no": true, "undo": true, "the panel sees a login": true, "the row holds": true, "the row fails": true, "freeze": true}

// act does one event, sometimes through a commit that breaks, and brings the model to
// the round that the case is in.
func (w *world) act(name string, do func(*world) error) error {
	fault := review.CommitWorks
	if broken[name] {
		fault = rapid.SampledFrom([]review.CommitFault{review.CommitWorks, review.CommitWorks, review.CommitWorks, review.CommitWorks,
			review.CommitFails, review.CommitLost}).Draw(w.rt, "commit")
	}
	if fault == review.CommitWorks {
		err := do(w)
		w.follow()
		return err
	}
	w.faults++
	first := true
	mend, err := w.desk.BreakCommits(w.path, func() review.CommitFault {
		if first {
			first = false
			return fault
		}
		return review.CommitWorks
	})
	if err != nil {
		w.t.Fatal(err)
	}
	err = do(w)
	mend()
	if rapid.Bool().Draw(w.rt, "dies") {
		w.reopen()
	}
	w.follow()
	if errors.Is(err, review.ErrCommit) {
		return nil // unknown to whoever asked, and legal either way
	}
	return err
}

// follow makes void what was said before a round that began.
func (w *world) follow() {
	round := w.count(`SELECT round FROM reset_case WHERE number = $1`, w.number)
	if round != w.round {
		w.round, w.yes, w.no, w.signedIn, w.votes, w.proof = round, false, false, false, map[int64]time.Time{}, ""
	}
}

var sessions int

// signInAs begins a session past the password, which costs too much to ask often.
func (h *house) signInAs(email string) review.Session {
	h.t.Helper()
	sessions++
	token := fmt.Sprintf("session %d", sessions)
	hash, now := sha256.Sum256([]byte(token)), time.Now()
	_, err := h.sql().Exec(`INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at)
		SELECT $1, id, $2, $2, $3, '', '', $2 FROM reviewer WHERE email = $4`, hash[:], now.UnixMicro(), now.Add(time.Hour).UnixMicro(), email)
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := h.desk.Authenticate(h.t.Context(), token)
	if err != nil {
		h.t.Fatal(err)
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
func (w *world) rarely(n int) bool { return w.n(n) == n-1 } // rapid prefers small numbers

// n is a number below limit.
func (w *world) n(limit int) int { return rapid.IntRange(0, limit-1).Draw(w.rt, "n") }

// done reports whether an act may have happened: a commit that is reported as failed
// may have been done.
func done(err error) bool { return err == nil || errors.Is(err, review.ErrCommit) }

func (w *world) voteBy(s review.Session) error {
	s = w.signInAs(s.Reviewer.Email)
	_, err := w.approve(s, w.view(w.number))
	if done(err) {
		w.votes[s.Reviewer.ID] = time.Now()
	}
	return err
}

func (w *world) say(yes bool) error {
	if len(w.links) == 0 {
		return nil
	}
	return w.sayThrough(w.links[w.n(len(w.links))], yes)
}

func (w *world) sayThrough(link string, yes bool) error {
	err := w.desk.Answer(w.t.Context(), link, review.Reply{Yes: yes, UserID: map[bool]string{true: "U-2"}[yes], IP: "127.0.0.1"})
	if done(err) && yes {
		w.yes = true
	}
	if err == nil && !yes {
		w.no = true
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
		w.rt.Fatalf("%d resets, the case is %s\n%s", n, v.State, strings.Join(w.trace, "\n"))
	}
	if n == 0 || w.judged {
		return
	}
	w.judged = true
	needed := w.count(`SELECT approvals_required FROM reset WHERE case_id = (SELECT id FROM reset_case WHERE number = $1)`, w.number)
	var cleared int64
	if err := w.sql().QueryRow(`SELECT cleared_at FROM reset ORDER BY id DESC LIMIT 1`).Scan(&cleared); err != nil {
		w.t.Fatal(err)
	}
	at, votes := time.UnixMicro(cleared), 0
	for _, cast := range w.votes {
		if at.Sub(cast) <= 2*w.cfg.Policy.High.Wait+w.cfg.Policy.VoteLifetime {
			votes++
		}
	}
	proved := len(w.cfg.Policy.Evidence) == 0 || w.proof == "pass"
	if !w.yes || w.no || w.signedIn || votes < needed || !proved || at.Before(w.frozen) {
		w.rt.Fatalf("a reset with yes %t, no %t, signed in %t, %d of %d votes, row %q, frozen until %s\n%s",
			w.yes, w.no, w.signedIn, votes, needed, w.proof, w.frozen, strings.Join(w.trace, "\n"))
	}
	early := w.count(`SELECT count(*) FROM reset r WHERE EXISTS (SELECT 1 FROM letter l JOIN reset_case c ON c.id = l.case_id
		WHERE l.case_id = r.case_id AND l.round = c.round AND l.kind IN ('acknowledgement', 'notice') AND l.serial = 1
			AND (l.state NOT IN ('sent', 'failed') OR l.changed_at > r.wait_until))`)
	if early > 0 {
		w.rt.Fatalf("a reset before its notices\n%s", strings.Join(w.trace, "\n"))
	}
}

// ASVS 2.3.1: in whatever order things happen to a case, by whomever, through
// crashes and commits that break, no path leads to a reset with a requirement open;
// and some paths lead there. A failing course is cut down to the shortest that fails.
func TestRandomCourses(t *testing.T) {
	courses := 60
	if s := os.Getenv("RESETDESK_COURSES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		courses = n
	}
	if err := errors.Join(flag.Set("rapid.checks", strconv.Itoa(courses)), flag.Set("rapid.nofailfile", "true")); err != nil {
		t.Fatal(err)
	}
	policies := []review.Policy{review.Balanced, review.Cautious, review.SmallTeam, instant(review.Balanced)}
	ends, reached, steps, faults, n := map[review.State]int{}, map[string]bool{}, 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		policy := rapid.SampledFrom(policies).Draw(rt, "policy")
		if rapid.Bool().Draw(rt, "row") {
			policy.Evidence = testRules[:1]
		}
		n++
		var stopped any // rapid ends a course with a panic, which has to leave the bubble
		inHouse(t, func(c *review.Config) { c.Policy = policy }, func(t *testing.T, h *house) {
			defer func() {
				if stopped = recover(); stopped != nil && !strings.HasPrefix(fmt.Sprintf("%T", stopped), "rapid.") {
					t.Logf("%v\n%s", stopped, debug.Stack())
				}
			}()
			w := &world{house: h, t: t, rt: rt, round: 1, votes: map[int64]time.Time{}}
			w.course()
			ends[w.row().State]++
			steps, faults = steps+len(w.trace), faults+w.faults
			for _, e := range w.trace {
				pair, _, _ := strings.Cut(e, ":")
				reached[pair] = true
			}
		})
		rethrow(stopped)
	})
	t.Logf("%d courses of %d steps, %d commits that broke, ended %v; %d pairs of state and event", n, steps, faults, ends, len(reached))
	if courses > 50 && (ends[review.StateCleared]+ends[review.StateUndone] < 3 || ends[review.StateRejected] == 0 || ends[review.StateExpired] == 0) {
		t.Errorf("the courses reach too little: %v", ends)
	}
}

// rethrow panics with what rapid ended a course with, each kind in a line of its own:
// rapid tells failures apart by their tracebacks, and would cut a course that failed
// down to one that merely lacks data, and so lose the cause.
func rethrow(stopped any) {
	switch kind := fmt.Sprintf("%T", stopped); kind {
	case "<nil>":
	case "rapid.invalidData":
		panic(stopped)
	case "rapid.stopTest":
		panic(stopped)
	default:
		panic(stopped)
	}
}

// course is one life of a case.
func (w *world) course() {
	w.reviewer("vera@host.example", "Vera", review.Viewer)
	mails := 0
	if w.n(3) == 0 {
		in := review.PanelRequest{Account: "A-1001", User: "U-2"}
		if w.n(2) == 0 {
			in.PasswordAt = time.Now()
		}
		if _, err := w.desk.OpenFromPanel(w.t.Context(), panelKey, in); err != nil {
			w.t.Fatal(err)
		}
	} else {
		w.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		mails++
	}
	w.number = w.onlyCase().Number
	for range 50 {
		before := w.row().State
		e := rapid.SampledFrom(events).Draw(w.rt, "event")
		err := w.act(e.name, e.act)
		if e.name == "asked again by mail" {
			mails++
		}
		w.trace = append(w.trace, fmt.Sprintf("%s %s: %v", before, e.name, err))
		if err != nil && review.KindOf(err) == "" {
			w.rt.Fatalf("internal error\n%s", strings.Join(w.trace, "\n"))
		}
		w.check()
		w.checkLists()
		if v := w.row(); v.State.Closed() && (v.State != review.StateCleared || w.n(4) == 0) {
			break
		}
	}
	w.accounted(mails)
	w.sound()
}
