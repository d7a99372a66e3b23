package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// types lists the public events after a cursor.
func (h *house) types(after int64) (types []string, next int64) {
	h.t.Helper()
	events, next, err := h.desk.Events(h.t.Context(), after, 200, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types, next
}

// The story of a case as the world hears it, from the request to the undo.
func TestEventsOfACase(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		_, begin := h.types(0)
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		if err := h.desk.Hold(t.Context(), h.rita, decision(v, "", "lunch with Sam")); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.ResumeCase(t.Context(), h.rita, decision(h.view(v.Number), "", "back from lunch")); err != nil {
			t.Fatal(err)
		}
		h.vote(h.rita, v.Number)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if err := h.desk.Undo(t.Context(), token(t, h.post(), "anna@acme.example", "zurückgesetzt"), "192.0.2.7"); err != nil {
			t.Fatal(err)
		}
		types, _ := h.types(begin)
		want := "case.created case.held case.resumed case.approved case.confirmed case.cleared twofactor.cleared case.undone twofactor.restored"
		if got := strings.Join(types, " "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		events, _, err := h.desk.Events(t.Context(), begin, 200, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Account != "A-1001" || e.User != "U-2" || (e.Case != v.Number) != strings.HasPrefix(e.Type, "twofactor") || e.At.IsZero() {
				t.Errorf("%+v", e)
			}
		}
	})
}

// Whatever happened, events name no person of the staff, no address, no reason,
// and nothing of what the staff's own factors do.
func TestEventsAreThin(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.live()
		h.open()
		events, _, err := h.desk.Events(t.Context(), 0, 200, 0)
		if err != nil || len(events) < 20 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		for _, e := range events {
			e.At = time.Time{}
			s := fmt.Sprintf("%+v", e)
			for _, secret := range []string{"@", "Rita", "Sam", "reviewer", "staff", "192.0.2", "sender", "owner", "letter", "refused"} {
				if strings.Contains(s, secret) {
					t.Errorf("%s says %q", s, secret)
				}
			}
		}
	})
}

// A poller gets every event once, in order, in pages of any size, and goes on over
// a long stretch without any.
func TestEventsCursor(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.live()
		h.open()
		whole, _, err := h.desk.Events(t.Context(), 0, 200, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for after := int64(0); ; {
			events, next, err := h.desk.Events(t.Context(), after, 3, 0)
			if err != nil || next < after {
				t.Fatalf("next %d after %d: %v", next, after, err)
			}
			for _, e := range events {
				got = append(got, e.Seq)
			}
			if next == after {
				break
			}
			after = next
		}
		var want []int64
		for _, e := range whole {
			want = append(want, e.Seq)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
		_, after := h.types(0)
		h.dull(1200)
		end := int64(h.count(`SELECT max(seq) FROM audit`))
		steps := 0
		for next := after; next < end; steps++ {
			_, n := h.types(next)
			if n <= next {
				t.Fatalf("stuck at %d of %d", next, end)
			}
			next = n
		}
		if steps != 3 {
			t.Errorf("%d steps over 1200 events that are not public", steps)
		}
	})
}

// dull adds events to the audit that are not public.
func (h *house) dull(n int) {
	h.t.Helper()
	tx, err := h.sql().Begin()
	for range n {
		if err == nil {
			_, err = tx.Exec(`INSERT INTO audit SELECT seq + 1, at, 'host', 'accounts.imported', 'csv', '{}', hash, randomblob(32), '', '' FROM audit ORDER BY seq DESC LIMIT 1`)
		}
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// Waiting ends with the first event, or with the time.
func TestEventsWait(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		_, after := h.types(0)
		begin := time.Now()
		events, next, err := h.desk.Events(t.Context(), after, 10, 25*time.Second)
		if err != nil || len(events) != 0 || next != after || time.Since(begin) != 25*time.Second {
			t.Errorf("%v, %d, %v after %s", events, next, err, time.Since(begin))
		}
		begin = time.Now()
		go func() {
			time.Sleep(3500 * time.Millisecond)
			if _, err := h.desk.OpenFromPanel(t.Context(), panelKey, review.PanelRequest{Account: "A-1001", User: "U-2"}); err != nil {
				t.Error(err)
			}
		}()
		events, _, err = h.desk.Events(t.Context(), after, 10, 25*time.Second)
		if err != nil || len(events) != 1 || time.Since(begin) > 5*time.Second {
			t.Errorf("%v, %v after %s", events, err, time.Since(begin))
		}
	})
}
