package review_test

import (
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// Three accounts confirmed from one network, and a user who is asked for again
// after a refusal.
func TestAlarms(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy.High.Wait = 1000 * time.Hour; c.Policy.Low.Wait = 1000 * time.Hour }, func(t *testing.T, h *house) {
		h.importFile(moreAccounts)
		for _, user := range []string{"U-4", "U-7"} {
			h.enroll(user, "")
		}
		none, err := h.desk.Alarms(t.Context())
		if err != nil || len(none.Signals) != 0 {
			t.Fatalf("%+v, %v", none, err)
		}
		var numbers []string
		for i, ask := range [][2]string{{"anna@acme.example", "jane"}, {"piet@beta.example", "sanne"}, {"dora@delta.example", "dora"}} {
			h.deliver(request(ask[0], "2FA reset", forUser(ask[1])))
			letters := h.post()
			number := h.text(`SELECT number FROM reset_case ORDER BY id DESC LIMIT 1`)
			numbers = append(numbers, number)
			in := review.Reply{Yes: true, UserID: h.text(`SELECT coalesce(user_id, '') FROM reset_case WHERE number = $1`, number), IP: "198.51.100." + string(rune('1'+i))}
			if err := h.desk.Answer(t.Context(), confirmToken(t, letters, ask[0]), in); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		got, err := h.desk.Alarms(t.Context())
		if err != nil || len(got.Signals) != 1 || got.Signals[0].Kind != "network" || len(got.Signals[0].Cases) != 3 || got.Signals[0].Cases[0] != numbers[2] {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := h.desk.Reject(t.Context(), h.rita, decision(h.view(numbers[0]), "abuse", "x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * 24 * time.Hour) // the refusal is older than the week that is looked at
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		got, err = h.desk.Alarms(t.Context())
		if err != nil || len(got.Signals) != 1 || got.Signals[0].Kind != "repeat" || len(got.Signals[0].Cases) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

// The counters say what the cases say.
func TestNumbers(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.live()
		h.open()
		n, err := h.desk.Numbers(t.Context(), 12)
		if err != nil {
			t.Fatal(err)
		}
		opened, ended, took := 0, map[review.State]int{}, 0
		for _, w := range n.Weeks {
			opened += w.Opened()
			for s, k := range w.Ended {
				ended[s] += k
			}
			for _, k := range w.Within {
				took += k
			}
			if w.Monday.Weekday() != time.Monday {
				t.Errorf("a week begins on a %s", w.Monday.Weekday())
			}
		}
		if want := h.count(`SELECT count(*) FROM reset_case`); opened != want {
			t.Errorf("%d opened, want %d", opened, want)
		}
		if want := h.count(`SELECT count(*) FROM reset_case WHERE closed_at IS NULL`); n.Open != want {
			t.Errorf("%d open, want %d", n.Open, want)
		}
		undone := h.count(`SELECT count(*) FROM reset_case WHERE state = 'undone'`)
		if want := h.count(`SELECT count(*) FROM reset_case WHERE closed_at IS NOT NULL`); took != want {
			t.Errorf("%d took their time, want %d", took, want)
		}
		if ended[review.StateCleared] != h.count(`SELECT count(*) FROM reset`) || ended[review.StateUndone] != undone || undone == 0 {
			t.Errorf("%v", ended)
		}
	})
}
