package review_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A start is a case brought to some point, and the events after which alone it may
// be cleared: "event by who".
type start struct {
	name   string
	make   func(w *walk)
	clears []string
}

// A walk is one house, one case, and the links that were mailed for it.
type walk struct {
	*house
	number                string
	confirm, object, undo string
	people                map[string]review.Session
}

// The case lacks nothing but what its start says: it has the owner's yes, the
// mandatory row and one vote of the two that are needed.
func (w *walk) begin(text string) {
	_, letters := w.ask("anna@acme.example", text)
	w.number = w.onlyCase().Number
	w.confirm, w.object = confirmToken(w.t, letters, "anna@acme.example"), token(w.t, letters, "it@acme.example", "angefragt")
}

func (w *walk) yes()      { w.answer(w.confirm, review.Reply{Yes: true}) }
func (w *walk) evidence() { w.must(w.found(w.sam, w.number, "callback", "pass")) }
func (w *walk) vote1()    { w.vote(w.rita, w.number) }
func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *walk) full() {
	w.begin(forUser("jane"))
	w.yes()
	w.evidence()
	w.vote1()
}

func (w *walk) clearIt() {
	w.full()
	w.vote(w.sam, w.number)
	w.undo = token(w.t, w.post(), "anna@acme.example", "zurückgesetzt")
}

var starts = []start{
	{"lacks a vote", (*walk).full, []string{"approve by reviewer", "approve by lead"}},
	{"lacks the yes", func(w *walk) {
		w.begin(forUser("jane"))
		w.evidence()
		w.vote1()
		w.vote(w.sam, w.number)
	}, []string{"yes by owner"}},
	{"lacks everything", func(w *walk) { w.begin(forUser("jane")) }, nil},
	{"lacks the user", func(w *walk) { w.begin("I lost my phone. Please reset my colleague's two-factor authentication.") }, nil},
	{"lacks the row", func(w *walk) { w.full(); w.must(w.found(w.sam, w.number, "callback", "unknown")) }, nil},
	{"lacks the row alone", func(w *walk) { // frozen until everything else is there
		w.begin(forUser("jane"))
		w.yes()
		w.evidence()
		w.freeze()
		w.vote1()
		w.vote(w.signInAs("lea@host.example"), w.number)
		w.must(w.found(w.sam, w.number, "callback", "unknown"))
		w.thaw()
	}, []string{"row holds by reviewer", "row holds by lead", "row holds by admin"}},
	{"lacks the end of a freeze", func(w *walk) { w.full(); w.freeze(); w.vote(w.sam, w.number) },
		[]string{"thaw by lead", "thaw by admin", "a day passes by clock"}},
	{"lacks the end of a hold", func(w *walk) { w.full(); w.freeze(); w.vote(w.sam, w.number); w.hold(); w.thaw() },
		[]string{"resume by reviewer", "resume by lead", "resume by admin"}},
	{"held by the owner", func(w *walk) { w.full(); w.answer(w.object, review.Reply{}) }, nil},
	{"held by evidence", func(w *walk) { w.full(); w.must(w.found(w.sam, w.number, "callback", "fail")) }, nil},
	{"held by a login", func(w *walk) {
		w.full()
		time.Sleep(time.Second)
		w.must(w.desk.AddSignal(w.t.Context(), "U-2", review.Signal{Kind: review.LoggedIn, SecondFactor: true}))
	}, nil},
	{"clearing", func(w *walk) { w.full(); w.force("clearing") }, nil},
	{"cleared", (*walk).clearIt, nil},
	{"undone", func(w *walk) { w.clearIt(); w.must(w.desk.Undo(w.t.Context(), w.undo, "")) }, nil},
	{"rejected", func(w *walk) {
		w.full()
		w.must(w.desk.Reject(w.t.Context(), w.rita, decision(w.view(w.number), "other", "")))
	}, nil},
	{"withdrawn", func(w *walk) { w.full(); w.close("withdrawn") }, nil},
	{"not a request", func(w *walk) { w.full(); w.close("not_a_request") }, nil},
	{"expired", func(w *walk) { w.full(); time.Sleep(14 * day); w.work() }, nil},
}

func (w *walk) close(class string) {
	w.must(w.desk.CloseCase(w.t.Context(), w.rita, decision(w.view(w.number), class, "x")))
}
func (w *walk) hold() {
	w.must(w.desk.Hold(w.t.Context(), w.sam, decision(w.view(w.number), "", "x")))
}
func (w *walk) freeze() {
	v := w.view(w.number)
	w.must(w.desk.FreezeAccount(w.t.Context(), w.sam, review.Freeze{Number: v.Number, Version: v.Version, Until: time.Now().Add(20 * time.Hour), Reason: "x"}))
}

// thaw ends the freeze in the way that only a test can: without judging the case.
func (w *walk) thaw() {
	w.must(w.desk.Close())
	db := w.sql()
	for _, s := range []string{`DROP TRIGGER account_freeze_kept`, `DELETE FROM account_freeze`,
		`CREATE TRIGGER account_freeze_kept BEFORE DELETE ON account_freeze
BEGIN SELECT RAISE(ABORT, 'a freeze is never deleted'); END`} {
		if _, err := db.Exec(s); err != nil {
			w.t.Fatal(err)
		}
	}
	w.open()
}

func (w *walk) force(state string) {
	if _, err := w.sql().Exec(`UPDATE reset_case SET state = $1, version = version + 1 WHERE number = $2`, state, w.number); err != nil {
		w.t.Fatal(err)
	}
}

func (w *walk) finding(s review.Session, v review.CaseView, result string) error {
	return w.desk.RecordEvidence(w.t.Context(), s, review.Finding{Number: v.Number, Version: v.Version, Name: "callback", Result: result, Words: "x"})
}

// A step is one event. byStaff is done by each role in turn.
type step struct {
	name string
	who  string // "" for each role of staff
	do   func(w *walk, s review.Session, v review.CaseView) error
}

func (w *walk) form(s review.Session, v review.CaseView) review.Approval {
	in := ballot(v)
	in.Account, in.Code = "A-1001", w.codeAt(s.Reviewer.Holder, time.Now())
	return in
}

var steps = []step{
	{"approve", "", func(w *walk, s review.Session, v review.CaseView) error {
		_, err := w.desk.Approve(w.t.Context(), s, w.form(s, v))
		return err
	}},
	{"reject", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.Reject(w.t.Context(), s, decision(v, "other", "x"))
	}},
	{"ask", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.Ask(w.t.Context(), s, decision(v, "", ""))
	}},
	{"hold", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.Hold(w.t.Context(), s, decision(v, "", "x"))
	}},
	{"resume", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.ResumeCase(w.t.Context(), s, decision(v, "", "x"))
	}},
	{"not a request", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.CloseCase(w.t.Context(), s, decision(v, "not_a_request", "x"))
	}},
	{"withdrawn", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.CloseCase(w.t.Context(), s, decision(v, "withdrawn", "x"))
	}},
	{"resolve", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.Resolve(w.t.Context(), s, review.Resolution{Number: v.Number, Version: v.Version, UserID: "U-2"})
	}},
	{"row holds", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.finding(s, v, "pass")
	}},
	{"row fails", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.finding(s, v, "fail")
	}},
	{"claim", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.ClaimCase(w.t.Context(), s, v.Number, "x")
	}},
	{"release", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.ReleaseCase(w.t.Context(), s, v.Number)
	}},
	{"freeze", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.FreezeAccount(w.t.Context(), s, review.Freeze{Number: v.Number, Version: v.Version, Until: time.Now().Add(30 * time.Hour), Reason: "x"})
	}},
	{"thaw", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.ThawAccount(w.t.Context(), s, w.form(s, v))
	}},
	{"threat on", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.SwitchThreat(w.t.Context(), s, true, "x", "")
	}},
	{"threat off", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.SwitchThreat(w.t.Context(), s, false, "x", w.codeAt(s.Reviewer.Holder, time.Now()))
	}},
	{"new pass", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.ReissuePass(w.t.Context(), s, w.form(s, v))
	}},
	{"unfreeze", "", func(w *walk, s review.Session, v review.CaseView) error {
		return w.desk.Unfreeze(w.t.Context(), s, w.form(s, v))
	}},
	{"restart", "host", func(w *walk, _ review.Session, v review.CaseView) error {
		w.reopen()
		w.work()
		return nil
	}},
	{"yes", "owner", func(w *walk, _ review.Session, v review.CaseView) error {
		return w.desk.Answer(w.t.Context(), w.confirm, review.Reply{Yes: true, UserID: "U-2"})
	}},
	{"yes through the wrong link", "owner", func(w *walk, _ review.Session, v review.CaseView) error {
		return w.desk.Answer(w.t.Context(), w.object, review.Reply{Yes: true, UserID: "U-2"})
	}},
	{"no", "owner", func(w *walk, _ review.Session, v review.CaseView) error {
		return w.desk.Answer(w.t.Context(), w.confirm, review.Reply{})
	}},
	{"no of a contact", "owner", func(w *walk, _ review.Session, v review.CaseView) error {
		return w.desk.Answer(w.t.Context(), w.object, review.Reply{})
	}},
	{"undo", "owner", func(w *walk, _ review.Session, v review.CaseView) error {
		return w.desk.Undo(w.t.Context(), map[bool]string{true: w.confirm, false: w.undo}[w.undo == ""], "")
	}},
	{"sign in", "user", func(w *walk, _ review.Session, v review.CaseView) error {
		time.Sleep(30 * time.Second)
		_, err := w.desk.Book().Verify(w.t.Context(), "U-2", w.codeAt("U-2", time.Now()), totp.Web)
		w.work()
		if err != nil {
			return &review.Error{Kind: review.Denied, Message: err.Error()}
		}
		return nil
	}},
	{"mail again", "owner", func(w *walk, _ review.Session, v review.CaseView) error {
		w.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		return nil
	}},
	{"a day passes", "clock", func(w *walk, _ review.Session, v review.CaseView) error {
		time.Sleep(23 * time.Hour)
		w.work()
		return nil
	}},
	{"a fortnight passes", "clock", func(w *walk, _ review.Session, v review.CaseView) error {
		time.Sleep(14 * day)
		w.work()
		return nil
	}},
}

// arrows are the transitions of design 4.
var arrows = map[review.State][]review.State{
	review.StateOpen: {review.StateHeld, review.StateCleared, review.StateRejected, review.StateWithdrawn, review.StateNotARequest, review.StateExpired},
	review.StateHeld: {review.StateOpen, review.StateCleared, // resumed, and with nothing left to wait for
		review.StateRejected, review.StateWithdrawn, review.StateNotARequest, review.StateExpired},
	review.StateClearing: {review.StateCleared, review.StateHeld},
	review.StateCleared:  {review.StateUndone},
}

var staff = []struct {
	who, email string
	role       review.Role
}{
	{"viewer", "vera@host.example", review.Viewer}, {"auditor", "otto@host.example", review.Auditor}, {"reviewer", "sam@host.example", review.Decider},
	{"lead", "lea@host.example", review.Lead}, {"admin", "rita@host.example", review.Admin}, {"the user", "jane@acme.example", review.Decider},
}

// ASVS 2.3.1, 2.3.5: every event by every role in every state. No pair leads along an
// arrow that design 4 does not have, and none to a reset but those that remove the one
// thing that was missing.
func TestEveryStateEventAndRole(t *testing.T) {
	var n tally
	want, copies := 0, 0
	for _, from := range starts {
		want += len(from.clears)
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			w := &walk{house: movedIn(t, dir, func(c *review.Config) {
				withRules(c)
				c.Policy.Low.Approvals, c.Policy.Medium.Approvals, c.Policy.High.Approvals = 2, 2, 2
			})}
			for _, p := range staff {
				if p.role != review.Admin && p.email != "sam@host.example" {
					w.reviewer(p.email, p.who, p.role)
				}
			}
			from.make(w)
			time.Sleep(30 * time.Second) // every code is a new one
			if err := errors.Join(w.sql().Close(), w.desk.Close()); err != nil {
				t.Fatal(err)
			}
			bytes, err := os.ReadFile(w.path)
			if err != nil {
				t.Fatal(err)
			}
			var c *walk
			for _, pair := range pairs() {
				if c == nil {
					copies++
					c = w.copied(t, filepath.Join(dir, fmt.Sprintf("%d.db", copies)), bytes)
				}
				if c.take(pair.step, pair.who, from, &n) { // the next one finds the start as it was
					c.demolish()
					c = nil
				}
			}
			if c != nil {
				c.demolish()
			}
		})
	}
	t.Logf("%d states x %d events x %d roles: %d pairs, %d refused, %d changed the case, %d cleared", len(starts), len(steps), len(staff), n.pairs, n.refused, n.moved, n.cleared)
	if n.cleared != want {
		t.Errorf("%d pairs cleared, want %d", n.cleared, want)
	}
}

// A tally counts what came of the pairs.
type tally struct{ pairs, refused, moved, cleared int }

type pair struct {
	step
	who string
}

// pairs are all events with all who may try them; those that the clock moves are last.
func pairs() (all []pair) {
	for _, e := range steps {
		if e.who != "" {
			all = append(all, pair{e, e.who})
			continue
		}
		for _, p := range staff {
			all = append(all, pair{e, p.who})
		}
	}
	return all
}

// copied is the walk once more, on a copy of its file.
func (w *walk) copied(t *testing.T, path string, bytes []byte) *walk {
	t.Helper()
	c, h := *w, *w.house
	c.house, h.t, h.path, h.cfg.Path, h.plain = &h, t, path, path, nil
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	h.open()
	c.people = map[string]review.Session{}
	h.sql().SetMaxOpenConns(1) // whose data_version then counts the commits of all others
	return &c
}

func (w *walk) demolish() {
	if err := errors.Join(w.desk.Close(), w.plain.Close(), os.Remove(w.path)); err != nil {
		w.t.Fatal(err)
	}
}

// take does one event, holds what came of it to the rules, and reports whether
// anything at all was written or time passed.
func (w *walk) take(e step, who string, from start, n *tally) bool {
	w.t.Helper()
	for _, p := range staff {
		if _, in := w.people[who]; p.who == who && !in {
			w.people[who] = w.signInAs(p.email)
		}
	}
	began, commits, v, resets := time.Now(), w.commits(), w.glance(), w.count(`SELECT count(*) FROM reset`)
	if e.name == "approve" { // it vouches for the evidence on the page
		v = w.view(w.number)
	}
	err := e.do(w, w.people[who], v)
	w.work() // the clock looks at once
	name := from.name + ", " + e.name + " by " + who
	n.pairs++
	if err != nil {
		n.refused++
		if review.KindOf(err) == "" {
			w.t.Errorf("%s: internal error %v", name, err)
		}
	}
	now := w.glance()
	if now.State != v.State {
		n.moved++
		if !slices.Contains(arrows[v.State], now.State) {
			w.t.Errorf("%s: from %s to %s", name, v.State, now.State)
		}
		if who == "viewer" || who == "auditor" || who == "the user" {
			w.t.Errorf("%s: moved the case to %s", name, now.State)
		}
	}
	may := slices.Contains(from.clears, e.name+" by "+who)
	if did := w.count(`SELECT count(*) FROM reset`) > resets; did != may {
		w.t.Errorf("%s: cleared %t, want %t (%v): %+v", name, did, may, err, w.view(w.number).Requirements)
	} else if did {
		n.cleared++
		w.whole(name)
	}
	return e.name == "restart" || time.Since(began) > 0 || w.commits() != commits
}

// commits changes with every commit of the desk.
func (w *walk) commits() int { return w.count(`PRAGMA data_version`) }

// glance is the case without all that the page shows.
func (w *walk) glance() (v review.CaseView) {
	w.t.Helper()
	err := w.sql().QueryRow(`SELECT number, version, state FROM reset_case WHERE number = $1`, w.number).Scan(&v.Number, &v.Version, &v.State)
	w.must(err)
	return v
}

// whole holds a reset to the rules with plain SQL alone.
func (w *walk) whole(what string) {
	w.t.Helper()
	for rule, query := range map[string]string{
		"the owner's yes in its round": `SELECT count(*) = 1 FROM answer o JOIN reset_case c ON c.id = o.case_id AND c.round = o.round WHERE o.answer = 'yes'`,
		"no no in its round":           `SELECT count(*) = 0 FROM answer o JOIN reset_case c ON c.id = o.case_id AND c.round = o.round WHERE o.answer = 'no'`,
		"two persons": `SELECT count(DISTINCT r.email) = 2 FROM approval a JOIN reset_case c ON c.id = a.case_id AND c.round = a.round
			JOIN reviewer r ON r.id = a.reviewer_id AND r.role IN ('reviewer', 'lead', 'admin')`,
		"the row":   `SELECT result = 'pass' FROM evidence ORDER BY id DESC LIMIT 1`,
		"no freeze": `SELECT NOT EXISTS (SELECT 1 FROM account_freeze f, reset r WHERE f.id = (SELECT max(id) FROM account_freeze) AND f.until > r.cleared_at)`,
		"notices":   `SELECT count(*) = 0 FROM letter WHERE kind IN ('acknowledgement', 'notice') AND serial = 1 AND state <> 'sent'`,
	} {
		var ok bool
		if err := w.sql().QueryRow(query).Scan(&ok); err != nil || !ok {
			w.t.Errorf("%s: a reset without %s (%v)", what, rule, err)
		}
	}
}
