package webhook_test

import (
	"database/sql"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/webhook"
	_ "modernc.org/sqlite"
)

func (h *house) sql() *sql.DB {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.cfg.Path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)")
	if err != nil {
		h.t.Fatal(err)
	}
	return db
}

// inBubble runs f with the real database where time stands still but for sleeps.
func inBubble(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, newHouse(t, dir)) })
}

func courier(p *pipes) *webhook.Courier {
	c := &webhook.Courier{}
	c.DialBy(p.dial)
	return c
}

// Eight retries over a day, then dead; a replay begins a new series.
func TestRetriesOverADay(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		r := &receiver{answer: func(w http.ResponseWriter, _ *http.Request, n int) {
			if n <= 12 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}}
		stop := h.run(courier(listen(t, r)))
		w, _ := h.hook("http://panel.example/hook")
		h.happen("U-2")
		time.Sleep(25 * time.Hour)
		posts := r.got()
		if len(posts) != 9 {
			t.Fatalf("%d attempts", len(posts))
		}
		if span := posts[8].at.Sub(posts[0].at); span < 21*time.Hour || span > 24*time.Hour {
			t.Errorf("over %s", span)
		}
		for i := 1; i < 9; i++ {
			if i > 1 && posts[i].at.Sub(posts[i-1].at) <= posts[i-1].at.Sub(posts[i-2].at) {
				t.Errorf("pause %d is no longer than the one before", i)
			}
			if posts[i].body != posts[0].body || posts[i].header.Get("webhook-id") != posts[0].header.Get("webhook-id") {
				t.Errorf("attempt %d differs", i)
			}
		}
		if l := h.log(w.ID)[0]; l.State != "dead" || l.Attempts != 9 {
			t.Errorf("%+v", l)
		}
		if n, err := h.desk.Replay(t.Context(), key, w.ID, 0); err != nil || n != 1 {
			t.Fatalf("replay: %d, %v", n, err)
		}
		time.Sleep(time.Hour)
		if l := h.log(w.ID)[0]; l.State != "delivered" || l.Attempts != 13 {
			t.Errorf("after the replay %+v", l)
		}
		stop()
	})
}

// Killed between claim and answer, the delivery is made again under the same id,
// when the lease is over, and the dead attempt has no say.
func TestKilledBetweenClaimAndAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		w, secret := h.hook("http://panel.example/hook")
		h.happen("U-2")
		lost, ok, err := h.desk.ClaimDelivery(t.Context())
		if err != nil || !ok {
			t.Fatalf("claim: %t, %v", ok, err)
		}
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		h.open()
		time.Sleep(time.Minute)
		second, ok, err := h.desk.ClaimDelivery(t.Context())
		if err != nil || !ok || second.Attempt != 2 || second.EventID != lost.EventID {
			t.Fatalf("claim: %+v, %t, %v", second, ok, err)
		}
		if err := h.desk.SettleDelivery(t.Context(), lost, review.DeliveryEnd{Done: true}); err == nil || h.last(w.ID).State != "waiting" {
			t.Errorf("a dead attempt settled the delivery: %v", err)
		}
		r := &receiver{}
		stop := h.run(courier(listen(t, r)))
		time.Sleep(59 * time.Second)
		if n := len(r.got()); n != 0 {
			t.Fatalf("%d posts within the lease", n)
		}
		time.Sleep(7 * time.Second)
		posts := r.got()
		if len(posts) != 1 || posts[0].header.Get("webhook-id") != lost.EventID || posts[0].body != string(lost.Body) || posts[0].verified(t, secret) != 1 {
			t.Fatalf("%+v, lost %s", posts, lost.EventID)
		}
		if l := h.log(w.ID)[0]; l.State != "delivered" || l.Attempts != 3 {
			t.Errorf("%+v", l)
		}
		stop()
	})
}

// An endpoint that never answers costs ten seconds an attempt and holds up no
// other; one event after the other, nothing twice.
func TestSlowEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		slow := &receiver{answer: func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }}
		quick := &receiver{}
		mux := http.NewServeMux()
		mux.Handle("/slow", slow)
		mux.Handle("/quick", quick)
		p := listen(t, mux)
		ws, _ := h.hook("http://panel.example/slow")
		wq, _ := h.hook("http://panel.example/quick")
		stop, again := h.run(courier(p)), h.run(courier(p)) // two of them share the work
		begin := time.Now()
		for _, user := range []string{"U-1", "U-2", "U-3"} {
			h.happen(user)
		}
		time.Sleep(3 * time.Second)
		if n := len(quick.got()); n != 3 {
			t.Errorf("%d of 3 events at the quick endpoint", n)
		}
		time.Sleep(9 * time.Second)
		rows := h.log(ws.ID)
		if first := rows[len(rows)-1]; first.Answer != "No answer within 10 seconds." || first.Changed.Sub(begin) > 12*time.Second {
			t.Errorf("%+v", first)
		}
		time.Sleep(time.Hour)
		for _, l := range h.log(wq.ID) {
			if l.State != "delivered" || l.Attempts != 1 {
				t.Errorf("quick: %+v", l)
			}
		}
		if n := len(quick.got()); n != 3 {
			t.Errorf("%d posts at the quick endpoint", n)
		}
		stop()
		again()
	})
}

// Rotating: for a day both secrets sign, then the new one alone.
func TestRotation(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		r := &receiver{}
		stop := h.run(courier(listen(t, r)))
		w, old := h.hook("http://panel.example/hook")
		fresh, err := h.desk.RotateWebhook(t.Context(), key, w.ID)
		if err != nil || fresh == old {
			t.Fatal(err)
		}
		for i, want := range []int{1, 0} {
			if err := h.desk.TestWebhook(t.Context(), key, w.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			p := r.got()[i]
			if p.verified(t, fresh) != 1 || p.verified(t, old) != want {
				t.Errorf("post %d: %d signatures by the new, %d by the old secret", i, p.verified(t, fresh), p.verified(t, old))
			}
			time.Sleep(24 * time.Hour)
		}
		stop()
	})
}

// Each endpoint gets what it asked for, from when it was added on; a test is for
// the one that is tested. A removed one gets nothing more.
func TestFilters(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.happen("U-1") // before anybody listened
		r := map[string]*receiver{"all": {}, "cases": {}, "factors": {}, "removed": {}}
		mux := http.NewServeMux()
		ids := map[string]int64{}
		for name, x := range r {
			mux.Handle("/"+name, x)
			w, _ := h.hook("http://panel.example/"+name, map[string][]string{"cases": {"case.created", "case.held"}, "factors": {"twofactor.*"}}[name]...)
			ids[name] = w.ID
		}
		stop := h.run(courier(listen(t, mux)))
		if err := h.desk.RemoveWebhook(t.Context(), key, ids["removed"]); err != nil {
			t.Fatal(err)
		}
		h.happen("U-2")
		if err := h.desk.TestWebhook(t.Context(), key, ids["factors"]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for name, want := range map[string]int{"all": 1, "cases": 1, "factors": 1, "removed": 0} {
			if got := r[name].got(); len(got) != want {
				t.Errorf("%s got %d posts, want %d", name, len(got), want)
			}
		}
		if err := h.desk.TestWebhook(t.Context(), key, ids["removed"]); review.KindOf(err) != review.NotFound {
			t.Errorf("a test of a removed webhook: %v", err)
		}
		stop()
	})
}

// To enable an endpoint that is not disabled skips nothing that waits for the
// courier.
func TestEnableSkipsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		r := &receiver{}
		w, _ := h.hook("http://panel.example/")
		h.happen("U-1") // no courier runs yet
		if err := h.desk.EnableWebhook(t.Context(), key, w.ID); err != nil {
			t.Fatal(err)
		}
		stop := h.run(courier(listen(t, r)))
		time.Sleep(10 * time.Second)
		if n := len(r.got()); n != 1 {
			t.Errorf("%d posts, want 1", n)
		}
		stop()
	})
}

// The addresses and filters that can never work are refused in words.
func TestAddWebhookRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		for _, url := range []string{"", "panel.example", "ftp://panel.example/", "https://", "https://:443/", "https://panel.example:99999/", "https://panel.example:0/", "https://user:pw@panel.example/", "https://panel.example/#x", "https://panel .example/", "javascript:alert(1)"} {
			if _, _, err := h.desk.AddWebhook(t.Context(), key, url, nil); review.KindOf(err) != review.Invalid {
				t.Errorf("%q: %v", url, err)
			}
		}
		for _, event := range []string{"", "*", "case", "case.", "case.nothing", "audit.*"} {
			if _, _, err := h.desk.AddWebhook(t.Context(), key, "https://panel.example/", []string{event}); review.KindOf(err) != review.Invalid {
				t.Errorf("event %q: %v", event, err)
			}
		}
		for range 20 {
			h.hook("https://panel.example/")
		}
		if _, _, err := h.desk.AddWebhook(t.Context(), key, "https://panel.example/", nil); review.KindOf(err) != review.TooMany {
			t.Errorf("the 21st: %v", err)
		}
	})
}
