package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/webhook"
)

// loopback allows the receivers of these tests.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// The example of the text of Standard Webhooks 1.0.0.
func TestSignatureOfTheStandard(t *testing.T) {
	k, err := review.NewSigningKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := k.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if s := fmt.Sprintf("%v %+v %s %x %d", k, k, k, k, k); strings.ContainsAny(strings.ReplaceAll(s, "[redacted]", ""), "0123456789") {
		t.Errorf("a key prints as %s", s)
	}
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_???"} {
		if _, err := review.NewSigningKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// What a receiver gets: signed, thin, once.
func TestDelivers(t *testing.T) {
	h := newHouse(t, t.TempDir())
	r := &receiver{}
	server := httptest.NewServer(r)
	defer server.Close()
	w, secret := h.hook(server.URL + "/hook?x=1")
	number := h.happen("U-2")
	h.run(&webhook.Courier{Private: loopback})
	eventually(t, "the event arrives", func() bool { return len(r.got()) == 1 && h.last(w.ID).State == "delivered" })
	p := r.got()[0]
	if p.verified(t, secret) != 1 || p.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", p.header)
	}
	var body struct {
		ID        int64
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	if err := json.Unmarshal([]byte(p.body), &body); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("map[account:A-1 case:%s user:U-2]", number)
	if body.Type != "case.created" || time.Since(body.Timestamp) > time.Minute || fmt.Sprint(body.Data) != want {
		t.Errorf("%s, want data %s", p.body, want)
	}
	if p.header.Get("webhook-id") != fmt.Sprintf("evt_%d", body.ID) {
		t.Errorf("id %s of %s", p.header.Get("webhook-id"), p.body)
	}
}

// An endpoint that fails is tried again, with the same bytes; one that has gone is
// left alone.
func TestAnswers(t *testing.T) {
	h := newHouse(t, t.TempDir())
	elsewhere := &receiver{}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	r := &receiver{}
	var mode atomic.Value
	r.answer = func(w http.ResponseWriter, req *http.Request, _ int) {
		switch mode.Load() {
		case "500":
			http.Error(w, strings.Repeat("ä", 5000), 500)
		case "redirect":
			http.Redirect(w, req, other.URL, http.StatusTemporaryRedirect)
		case "drop": // done, but reported failed
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.Close()
			}
		case "410":
			w.WriteHeader(http.StatusGone)
		case "204":
			w.WriteHeader(http.StatusNoContent)
		}
	}
	server := httptest.NewServer(r)
	defer server.Close()
	w, secret := h.hook(server.URL)
	mode.Store("500")
	h.happen("U-2")
	h.run(&webhook.Courier{Private: loopback})
	for i, c := range []struct {
		mode   string
		status int
		state  string
		answer string
	}{{"500", 500, "waiting", "ää"}, {"redirect", 307, "waiting", ""}, {"drop", 0, "waiting", "The connection failed"}, {"204", 204, "delivered", ""}, {"410", 410, "dead", ""}} {
		if i > 0 {
			mode.Store(c.mode)
			if c.mode == "410" {
				if n, err := h.desk.Replay(t.Context(), key, w.ID, h.log(w.ID)[0].ID); err != nil || n != 1 {
					t.Fatalf("replay: %d, %v", n, err)
				}
			} else {
				h.due(w.ID)
			}
		}
		eventually(t, c.mode, func() bool {
			l := h.last(w.ID)
			return l.Attempts == i+1 && l.Status == c.status && l.State == c.state
		})
		l := h.last(w.ID)
		if len(l.Answer) > 200 || !strings.Contains(l.Answer, c.answer) || l.State == "waiting" && (l.Next.Before(l.Changed.Add(8*time.Second)) || l.Next.After(l.Changed.Add(6*time.Minute))) {
			t.Errorf("%s: %+v", c.mode, l)
		}
	}
	posts := r.got()
	if len(posts) != 5 || len(elsewhere.got()) != 0 {
		t.Fatalf("%d posts, %d elsewhere", len(posts), len(elsewhere.got()))
	}
	for _, p := range posts {
		if p.body != posts[0].body || p.header.Get("webhook-id") != posts[0].header.Get("webhook-id") || p.verified(t, secret) != 1 {
			t.Errorf("a repeat differs: %v %s", p.header, p.body)
		}
	}
	h.gone(w.ID)
}

// due makes what waits for a webhook due now.
func (h *house) due(id int64) {
	h.t.Helper()
	db := h.sql()
	defer db.Close()
	if _, err := db.Exec(`UPDATE webhook_delivery SET next_at = 1 WHERE webhook_id = $1 AND state = 'waiting'`, id); err != nil {
		h.t.Fatal(err)
	}
	h.kick()
}

// gone checks that a webhook which answered 410 gets nothing until it is enabled.
func (h *house) gone(id int64) {
	h.t.Helper()
	all, err := h.desk.Webhooks(h.t.Context())
	if err != nil || all[0].Disabled.IsZero() || all[0].Dead != 1 {
		h.t.Errorf("%+v, %v", all, err)
	}
	if _, err := h.desk.Replay(h.t.Context(), key, id, 0); review.KindOf(err) != review.Conflict {
		h.t.Errorf("replay of a disabled webhook: %v", err)
	}
	if err := h.desk.EnableWebhook(h.t.Context(), key, id); err != nil {
		h.t.Error(err)
	}
	if n, err := h.desk.Replay(h.t.Context(), key, id, 0); err != nil || n != 1 {
		h.t.Errorf("replay of an enabled webhook: %d, %v", n, err)
	}
}

// Without leave no connection is made into a private network, by whatever name,
// and none without TLS anywhere else.
func TestPrivateNetworks(t *testing.T) {
	h := newHouse(t, t.TempDir())
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(&receiver{})
	server.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	server.StartTLS()
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	var ids []int64
	for _, url := range []string{"https://127.0.0.1" + port, "https://localhost" + port, "https://[::ffff:127.0.0.1]" + port, "https://2130706433" + port, "https://[::1]" + port} {
		w, _ := h.hook(url)
		ids = append(ids, w.ID)
	}
	h.happen("U-2")
	h.run(&webhook.Courier{Private: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for _, id := range ids {
		eventually(t, "an attempt", func() bool { l := h.log(id); return len(l) == 1 && l[0].Answer != "" })
		if l := h.log(id)[0]; l.State != "waiting" || !strings.HasPrefix(l.Answer, "Refused: ") && !strings.Contains(l.Answer, "no address") {
			t.Errorf("webhook %d: %+v", id, l)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// However the scheme is written, without TLS a connection is one without TLS: it
// may go to the networks of the operator only.
func TestPlainInCapitals(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var mu sync.Mutex
		plain := map[string]bool{}
		var c webhook.Courier
		c.DialBy(func(ctx context.Context, _, to string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			plain[to] = webhook.Plain(ctx)
			return nil, syscall.ECONNREFUSED
		})
		for _, url := range []string{"http://192.0.2.1:81/", "HTTP://192.0.2.1:82/", "https://192.0.2.1:83/", "HTTPS://192.0.2.1:84/"} {
			h.hook(url)
		}
		h.happen("U-2")
		stop := h.run(&c)
		time.Sleep(time.Second)
		stop()
		if want := map[string]bool{"192.0.2.1:81": true, "192.0.2.1:82": true, "192.0.2.1:83": false, "192.0.2.1:84": false}; !maps.Equal(plain, want) {
			t.Errorf("without TLS: %v", plain)
		}
	})
}

func TestAllowed(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for _, c := range []struct {
		address    string
		tls, plain bool
	}{
		{"8.8.8.8", true, false}, {"1.1.1.1", true, false}, {"2606:4700::1111", true, false}, {"172.32.0.1", true, false}, {"100.128.0.1", true, false},
		{"10.1.2.3", true, true}, {"::ffff:10.1.2.3", true, true}, {"fd00:1::5", true, true},
		{"10.2.0.1", false, false}, {"127.0.0.1", false, false}, {"0.0.0.0", false, false}, {"169.254.169.254", false, false},
		{"172.16.0.1", false, false}, {"172.31.255.255", false, false}, {"192.168.1.1", false, false}, {"100.64.0.1", false, false},
		{"100.127.255.255", false, false}, {"224.0.0.1", false, false}, {"239.1.1.1", false, false}, {"255.255.255.255", false, false},
		{"192.0.2.1", false, false}, {"198.18.0.1", false, false}, {"::1", false, false}, {"::", false, false}, {"fe80::1", false, false},
		{"fe80::1%eth0", false, false}, {"fc00::1", false, false}, {"fd00:2::1", false, false}, {"ff02::1", false, false},
		{"::ffff:127.0.0.1", false, false}, {"::ffff:8.8.8.8", false, false}, {"::ffff:169.254.169.254", false, false},
		{"64:ff9b::7f00:1", false, false}, {"64:ff9b:1::a00:1", false, false}, {"2002:7f00:1::", false, false}, {"2001:0:7f00:1::", false, false},
		{"2001:db8::1", false, false}, {"::127.0.0.1", false, false}, {"fec0::1", false, false}, {"100::1", false, false},
	} {
		a := netip.MustParseAddr(c.address)
		if webhook.Allowed(a, own, false) != c.tls || webhook.Allowed(a, own, true) != c.plain {
			t.Errorf("%s: with TLS %t, without %t", a, !c.tls, !c.plain)
		}
	}
}
