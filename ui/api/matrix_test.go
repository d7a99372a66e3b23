package api_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/api"
)

var fill = strings.NewReplacer("{id}", "A-1", "{user}", "U-1", "{device}", "1", "{number}", "RST-000000", "{endpoint}", "1")

// Every route refuses whoever may not use it, and every body that is none.
func TestEveryRouteRefuses(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		short := h.addKey(review.APIKey{Name: "short", Scopes: review.Scopes, Expires: time.Now().Add(time.Minute)})
		ended := h.addKey(review.APIKey{Name: "ended", Scopes: review.Scopes})
		office := h.addKey(review.APIKey{Name: "office", Scopes: review.Scopes, Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
		keys, err := h.desk.APIKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.desk.RevokeAPIKey(t.Context(), keys[1].ID); err != nil {
			t.Fatal(err)
		}
		lacking := map[review.Scope]string{}
		for _, s := range review.Scopes {
			rest := slices.DeleteFunc(slices.Clone(review.Scopes), func(x review.Scope) bool { return x == s })
			lacking[s] = h.addKey(review.APIKey{Name: "without " + string(s), Scopes: rest})
		}
		time.Sleep(time.Minute)
		for i, r := range api.Routes() {
			time.Sleep(time.Second) // so that the key keeps its pace
			path := fill.Replace(r.Path)
			h.ask("PATCH", path, "").problem(t, 405, "method")
			if r.Scope == "" {
				continue
			}
			var same []string
			for j, key := range []string{"", "Bearer rdk_" + strings.Repeat("0", 52), "Bearer nonsense", "Bearer " + short, "Bearer " + ended, "Basic " + h.key} {
				a := h.ask(r.Method, path, "", "Authorization", key, "X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", i, j)).problem(t, 401, "no-key")
				same = append(same, a.text+fmt.Sprint(a.header))
			}
			if len(slices.Compact(same)) != 1 {
				t.Errorf("%s %s: refusals differ: %q", r.Method, path, same)
			}
			h.ask(r.Method, path, "", "Authorization", "Bearer "+office).problem(t, 403, "address")
			a := h.ask(r.Method, path, "", "Authorization", "Bearer "+lacking[r.Scope]).problem(t, 403, "scope")
			if a.json["scope"] != string(r.Scope) {
				t.Errorf("%s %s: missing scope %v", r.Method, path, a.json["scope"])
			}
			// from its network, the office may ask what everybody may
			if a := h.ask(r.Method, path+"?nonsense=1", "", "Authorization", "Bearer "+office, "X-Forwarded-For", "198.51.100.9"); a.status != 422 {
				t.Errorf("%s %s: an unknown parameter gets %d", r.Method, path, a.status)
			}
			if (r.Method == "POST" || r.Method == "PUT") && !r.Stream {
				refuseBodies(t, h, r.Method, path)
			}
		}
	})
}

func refuseBodies(t *testing.T, h *house, method, path string) {
	t.Helper()
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/json; a=b; c=d", ""} {
		h.ask(method, path, `{}`, "Content-Type", kind).problem(t, 415, "media-type")
	}
	h.ask(method, path, `{}`, "Content-Encoding", "gzip").problem(t, 415, "media-type")
	h.ask(method, path, `{"name":"`+strings.Repeat("x", 64<<10)+`"}`).problem(t, 413, "too-large")
	for _, text := range []string{`{`, `{"name":}`, `[]`, `null x`, `{} {}`, ` `, `"text"`, "{\"name\":\"\xff\"}", strings.Repeat(`[`, 30000), strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9), `{"code":"1","code":"2"}`} {
		h.ask(method, path, text).problem(t, 400, "json")
	}
	if a := h.ask(method, path, `{"nonsense":1}`).problem(t, 400, "unknown-member"); a.json["field"] != "nonsense" {
		t.Errorf("%s %s: unknown member %v", method, path, a.json["field"])
	}
	h.ask(method, path, `{}`, "Idempotency-Key", "two words").problem(t, 422, "invalid")
}

func TestPaths(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for _, path := range []string{"", "/", "/nothing", "/accounts/", "/accounts//users/U-1", "/accounts/../accounts", "/accounts/A-1/users", "/users/U-1/2FA"} {
			h.ask("GET", path, "").problem(t, 404, "no-route")
		}
		r, err := http.NewRequest("GET", "https://other.example"+api.Prefix+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := direct{h.api}.RoundTrip(r)
		if err != nil || res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("another host: %v %v", res.Status, err)
		}
		// an id with a slash is one segment
		h.ask("PUT", "/accounts/A%2F1", strings.ReplaceAll(acme, "U-", "U/")).want(t, 201)
		if a := h.ask("GET", "/accounts/A%2F1/users/U%2F1", "").want(t, 200); a.str("id") != "U/1" {
			t.Errorf("read %s", a.text)
		}
		h.ask("HEAD", "/accounts/A%2F1", "").want(t, 200)
	})
}

// The network of a key is held against who asks: the nearest hop that is no proxy
// of ours, and nobody behind a header that is none.
func TestNetworkOfAKey(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		key := func(network string) string {
			return "Bearer " + h.addKey(review.APIKey{Name: network, Scopes: review.Scopes, Allow: []netip.Prefix{netip.MustParsePrefix(network)}})
		}
		proxy, office := key("192.0.2.7/32"), key("198.51.100.0/24")
		for _, c := range []struct {
			key, forwarded string
			status         int
		}{
			{proxy, "", 200}, {proxy, "192.0.2.7", 200}, {proxy, "garbage", 403}, {proxy, "198.51.100.9", 403}, {proxy, "192.0.2.7, garbage", 403},
			{office, "198.51.100.9", 200}, {office, "::ffff:198.51.100.9", 200}, {office, "198.51.100.9, 203.0.113.5", 403}, {office, "198.51.100.9, garbage", 403}, {office, "", 403},
		} {
			if a := h.ask("GET", "/accounts", "", "Authorization", c.key, "X-Forwarded-For", c.forwarded); a.status != c.status {
				t.Errorf("forwarded for %q: %d, want %d", c.forwarded, a.status, c.status)
			}
		}
	})
}

// A key has its pace, and strangers theirs; neither stands in the other's way.
func TestPace(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for range 200 {
			h.ask("GET", "/accounts", "").want(t, 200)
		}
		a := h.ask("GET", "/accounts", "").problem(t, 429, "too-many-requests")
		if a.header.Get("Retry-After") != "1" || a.json["retry_after"].(float64) != 1 {
			t.Errorf("wait %s %q", a.text, a.header.Get("Retry-After"))
		}
		other := h.addKey(review.APIKey{Name: "other", Scopes: review.Scopes})
		h.ask("GET", "/accounts", "", "Authorization", "Bearer "+other).want(t, 200)
		time.Sleep(time.Second)
		h.ask("GET", "/accounts", "").want(t, 200)

		for range 20 {
			h.ask("GET", "/accounts", "", "Authorization", "Bearer rdk_no").problem(t, 401, "no-key")
		}
		h.ask("GET", "/accounts", "", "Authorization", "Bearer rdk_no").problem(t, 429, "too-many-requests")
		h.ask("GET", "/accounts", "", "Authorization", "Bearer rdk_no", "X-Forwarded-For", "203.0.113.1").problem(t, 401, "no-key")
		for i := range 20 {
			h.ask("GET", "/accounts", "", "Authorization", "Bearer rdk_no", "X-Forwarded-For", fmt.Sprintf("2001:db8::%d", i)).problem(t, 401, "no-key")
		}
		h.ask("GET", "/accounts", "", "Authorization", "Bearer rdk_no", "X-Forwarded-For", "2001:db8::99").problem(t, 429, "too-many-requests")
		h.ask("GET", "/accounts", "").want(t, 200) // a good key is never shut out by its neighbours
	})
}

func TestKeyUseIsNoted(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		used := func() time.Time {
			keys, err := h.desk.APIKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return keys[0].Used
		}
		if !used().IsZero() {
			t.Error("used before its use")
		}
		time.Sleep(90 * time.Second)
		h.ask("GET", "/accounts", "").want(t, 200)
		first := used()
		if first.IsZero() || !first.Equal(first.Truncate(time.Minute)) {
			t.Errorf("used at %s", first)
		}
		time.Sleep(time.Minute)
		h.ask("GET", "/accounts", "").want(t, 200)
		if got := used(); got.Sub(first) != time.Minute {
			t.Errorf("used at %s, before at %s", got, first)
		}
	})
}
