package review_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

var due = time.Date(2000, 6, 30, 0, 0, 0, 0, time.UTC)

func mandatory(c *review.Config) { c.TOTP.MandatoryFrom = due }

// walk lets the clock go on, six hours at a time, until a day, and returns the
// reminders of that time: "day address topic".
func (h *house) walk(until time.Time) []string {
	h.t.Helper()
	var all []string
	for time.Now().Before(until) {
		h.work()
		for _, l := range h.post() {
			topic := h.text(`SELECT topic FROM letter WHERE message_id = $1`, strings.Trim(headerOf(h.t, l.raw, "Message-Id"), "<>"))
			all = append(all, time.Now().Format("01-02")+" "+l.to+" "+topic)
		}
		time.Sleep(6 * time.Hour)
	}
	slices.Sort(all)
	return all
}

func wantReminders(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// Over half a year: each user who is not enrolled hears of the date seven days
// before, one day before and on the day, once each, until enrolling; nobody else
// hears of it. Crashes in between change nothing.
func TestReminders(t *testing.T) {
	inHouse(t, mandatory, func(t *testing.T, h *house) {
		h.importFile(strings.Replace(accountsFile, "sanne@beta.example,user,0", "sanne@beta.example,user,1", 1)) // only through the API
		got := h.walk(due.Add(-5 * day))
		h.enroll("U-3", "")
		h.reopen()
		got = append(got, h.walk(due.Add(-12*time.Hour))...)
		h.importFile(strings.Replace(strings.Replace(accountsFile, "sanne@beta.example,user,0", "sanne@beta.example,user,1", 1), "A-3004,Gamma Two Ltd,en,U-6,olive,owner@gamma.example,admin,0,,Olive Owner\n", "", 1))
		h.reopen()
		got = append(got, h.walk(due.Add(60*day))...)
		wantReminders(t, "half a year", got,
			"06-23 anna@acme.example due:2000-06-30:7", "06-23 piet@beta.example due:2000-06-30:7", "06-23 owner@gamma.example due:2000-06-30:7", "06-23 owner@gamma.example due:2000-06-30:7",
			"06-29 anna@acme.example due:2000-06-30:1", "06-29 owner@gamma.example due:2000-06-30:1", "06-29 owner@gamma.example due:2000-06-30:1",
			"06-30 anna@acme.example due:2000-06-30:0", "06-30 owner@gamma.example due:2000-06-30:0")
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'user.reminded'`); n != 9 {
			t.Errorf("%d in the audit", n)
		}
		if n := h.count(`SELECT count(*) FROM panel_user WHERE remind_at IS NOT NULL AND removed_at IS NULL AND id <> 'U-4'`); n != 0 {
			t.Errorf("%d users are still looked at", n)
		}
		h.sound()
	})
}

// A desk that was off says the most urgent thing only; a date of long ago is no
// news; a date that is moved starts anew, and one that is moved back does not
// repeat what was said.
func TestRemindersMissedAndMoved(t *testing.T) {
	only := func(all []string) (anna []string) {
		for _, s := range all {
			if strings.Contains(s, "anna@") {
				anna = append(anna, s)
			}
		}
		return anna
	}
	move := func(h *house, to time.Time) {
		h.cfg.TOTP.MandatoryFrom = to
		h.reopen()
	}
	inHouse(t, nil, func(t *testing.T, h *house) {
		time.Sleep(time.Until(due.Add(-3 * day)))
		h.work()
		move(h, due)
		wantReminders(t, "three days before", only(h.walk(due.Add(-2*day))), "06-27 anna@acme.example due:2000-06-30:7")
		time.Sleep(time.Until(due.Add(5 * day)))
		wantReminders(t, "five days after", only(h.walk(due.Add(6*day))), "07-05 anna@acme.example due:2000-06-30:0")
		move(h, due.Add(20*day))
		wantReminders(t, "moved", only(h.walk(due.Add(14*day))), "07-13 anna@acme.example due:2000-07-20:7")
		move(h, due)
		wantReminders(t, "moved back", only(h.walk(due.Add(16*day))))
		move(h, due.Add(20*day))
		wantReminders(t, "and again", only(h.walk(due.Add(30*day))), "07-19 anna@acme.example due:2000-07-20:1", "07-20 anna@acme.example due:2000-07-20:0")
		move(h, due.Add(-20*day))
		wantReminders(t, "long ago", only(h.walk(due.Add(40*day))))
		move(h, time.Time{})
		wantReminders(t, "not any more", only(h.walk(due.Add(50*day))))
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'policy.mandatory'`); n != 6 {
			t.Errorf("%d changes of the policy in the audit", n)
		}
	})
}

// An account may have a date of its own, earlier, later or never, for the users it
// has and those that come later; a late one has the grace.
func TestAccountPolicy(t *testing.T) {
	inHouse(t, func(c *review.Config) { mandatory(c); c.TOTP.Grace = 14 * day }, func(t *testing.T, h *house) {
		ctx := t.Context()
		set := func(account, s string) {
			t.Helper()
			p, err := review.ParseAccountPolicy(s)
			if err != nil {
				t.Fatal(err)
			}
			if p.String() != s {
				t.Errorf("%q is written %q", s, p)
			}
			if err := h.desk.SetAccountPolicy(ctx, "host", account, p); err != nil {
				t.Fatal(err)
			}
		}
		from := func(user, want string) {
			t.Helper()
			s, err := h.desk.Book().Status(ctx, user)
			if err != nil {
				t.Fatal(err)
			}
			got := "never"
			if !s.RequiredFrom.IsZero() {
				got = s.RequiredFrom.Format(time.DateOnly)
			}
			if got != want {
				t.Errorf("%s must from %s, want %s", user, got, want)
			}
		}
		set("A-1001", "2000-03-31")
		set("A-2002", "2000-12-31")
		set("A-3003", "never")
		for user, want := range map[string]string{"U-1": "2000-03-31", "U-2": "2000-03-31", "U-3": "2000-12-31", "U-5": "never", "U-6": "2000-06-30"} {
			from(user, want)
		}
		h.walk(time.Date(2000, 6, 25, 0, 0, 0, 0, time.UTC))
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-7,new,new@acme.example,user,0,,\nA-3003,Gamma Ltd,en,U-8,nell,nell@gamma.example,user,0,,\n" +
			"A-3004,Gamma Two Ltd,en,U-9,nico,nico@gamma.example,user,0,,\n")
		from("U-7", "2000-07-09") // with the grace
		from("U-8", "never")
		from("U-9", "2000-07-09")
		got := slices.DeleteFunc(h.walk(time.Date(2000, 8, 1, 0, 0, 0, 0, time.UTC)), func(s string) bool { return !strings.Contains(s, "new@") && !strings.Contains(s, "nell@") })
		wantReminders(t, "late user", got, "07-02 new@acme.example due:2000-07-09:7", "07-08 new@acme.example due:2000-07-09:1", "07-09 new@acme.example due:2000-07-09:0")
		set("A-2002", "default")
		from("U-3", "2000-06-30")
		set("A-2002", "default") // changes nothing
		if s := h.text(`SELECT group_concat(object || ' ' || json_extract(detail, '$.before') || ' ' || json_extract(detail, '$.required_from'), ', ') FROM audit WHERE action = 'account.policy'`); s != "A-1001 default 2000-03-31, A-2002 default 2000-12-31, A-3003 default never, A-2002 2000-12-31 default" {
			t.Error(s)
		}
		if err := h.desk.SetAccountPolicy(ctx, "host", "A-0", review.AccountPolicy{}); review.KindOf(err) != review.NotFound {
			t.Errorf("unknown account: %v", err)
		}
		for _, bad := range []string{"", "Never", "31.01.2027", "2027-1-31", "2027-02-30", "1999-12-31", "3000-01-01", "2027-01-31T00:00:00Z"} {
			if _, err := review.ParseAccountPolicy(bad); review.KindOf(err) != review.Invalid {
				t.Errorf("%q: %v", bad, err)
			}
		}
		h.sound()
	})
}

// Who turns the second factor off before the date is reminded after all.
func TestReminderAfterTurningOff(t *testing.T) {
	inHouse(t, mandatory, func(t *testing.T, h *house) {
		h.walk(due.Add(-30 * day))
		if err := h.desk.Book().TurnOff(t.Context(), "U-2", totp.Proof{Code: h.fresh("U-2")}); err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(h.walk(due.Add(-6*day)), func(s string) bool { return !strings.Contains(s, "jane@") || strings.Contains(s, "event:") })
		wantReminders(t, "jane", got, "06-23 jane@acme.example due:2000-06-30:7")
	})
}

// Three hundred users at once: reminders come in small batches and wait while the
// outbox is full, so that a letter about a case does not stand in line behind
// them; and looking for them uses the index.
func TestRemindersWaitTheirTurn(t *testing.T) {
	inHouse(t, mandatory, func(t *testing.T, h *house) {
		var file strings.Builder
		file.WriteString(accountsFile)
		for i := range 300 {
			fmt.Fprintf(&file, "A-1001,ACME GmbH,de,V-%d,v%d,v%d@acme.example,user,0,,\n", i, i, i)
		}
		h.importFile(file.String())
		time.Sleep(time.Until(due))
		most := 0
		for range 60 {
			h.work()
			waiting := h.count(`SELECT count(*) FROM letter WHERE state <> 'sent'`)
			most = max(most, waiting)
			if waiting == 0 {
				break
			}
			h.post()
		}
		if n := h.count(`SELECT count(*) FROM letter WHERE kind = 'reminder'`); n != 305 {
			t.Errorf("%d reminders, want 305", n)
		}
		if n := h.count(`SELECT count(*) FROM (SELECT user_id FROM letter WHERE kind = 'reminder' GROUP BY user_id HAVING count(*) > 1)`); n != 0 {
			t.Errorf("%d users were told twice", n)
		}
		if most > 150 {
			t.Errorf("%d letters waited at once", most)
		}
		var plan string
		err := h.sql().QueryRow(`EXPLAIN QUERY PLAN SELECT id FROM panel_user WHERE remind_at IS NOT NULL AND remind_at <= 5 AND removed_at IS NULL
			ORDER BY remind_at, id LIMIT 50`).Scan(new(int), new(int), new(int), &plan)
		if err != nil || !strings.Contains(plan, "panel_user_to_remind") {
			t.Errorf("looking for users: %s, %v", plan, err)
		}
	})
}

// A user whose reminder cannot be made keeps nobody else from theirs, and gets
// it when it can.
func TestReminderOfOneFails(t *testing.T) {
	inHouse(t, mandatory, func(t *testing.T, h *house) {
		time.Sleep(time.Until(due))
		if _, err := h.sql().Exec(`CREATE TRIGGER stop BEFORE INSERT ON letter WHEN NEW.user_id = 'U-1' BEGIN SELECT RAISE(ABORT, 'no paper'); END`); err != nil {
			t.Fatal(err)
		}
		h.work()
		others := h.count(`SELECT count(DISTINCT user_id) FROM letter WHERE kind = 'reminder'`)
		if others < 2 || h.count(`SELECT count(*) FROM letter WHERE user_id = 'U-1'`) != 0 {
			t.Errorf("%d others were reminded", others)
		}
		if _, err := h.sql().Exec(`DROP TRIGGER stop`); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		h.work()
		if n := h.count(`SELECT count(*) FROM letter WHERE user_id = 'U-1' AND kind = 'reminder'`); n != 1 {
			t.Errorf("%d reminders of the one", n)
		}
	})
}
