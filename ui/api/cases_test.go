package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What a panel's form "I lost my phone" does: a case, once, that the panel can
// follow without learning who decides and why.
func TestCases(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1", acme).want(t, 201)
		h.ask("GET", "/cases", "").want(t, 200)
		lost := fmt.Sprintf(`{"account":"A-1","user":"U-2","password_verified_at":%q,"note":"stolen on the train","ip":"192.0.2.9","agent":"Firefox"}`, time.Now().UTC().Format(time.RFC3339))
		first := h.ask("POST", "/cases", lost, "Idempotency-Key", "a").want(t, 201)
		number := first.str("number")
		if again := h.ask("POST", "/cases", lost, "Idempotency-Key", "a").want(t, 201); again.text != first.text {
			t.Errorf("the repeat: %s", again.text)
		}
		if more := h.ask("POST", "/cases", `{"account":"A-1","user":"U-2","asked_by":"U-1"}`).want(t, 200); more.str("number") != number || more.json["opened"] != false {
			t.Errorf("asked again: %s", more.text)
		}
		a := h.ask("GET", "/cases/"+number, "").want(t, 200)
		if a.str("state") != "open" || a.str("user") != "U-2" || a.str("account") != "A-1" || a.str("origin") != "panel" || a.json["confirmed"] != false || strings.Contains(a.text, "train") {
			t.Errorf("%s", a.text)
		}
		h.ask("GET", "/cases/RST-000000", "").problem(t, 404, "not-found")
		h.ask("GET", "/cases?state=opened", "").problem(t, 422, "invalid")
		h.ask("POST", "/cases", `{"account":"A-1","user":"U-99"}`).problem(t, 409, "conflict")
		h.ask("POST", "/cases", `{"account":"A-1"}`).problem(t, 422, "invalid")
		h.ask("POST", "/cases", `{"account":"A-1","user":"U-1","password_verified_at":"yesterday"}`).problem(t, 422, "invalid")
		h.ask("POST", "/cases", `{"account":"A-1","user":"U-1","note":"`+strings.Repeat("x", 2001)+`"}`).problem(t, 422, "invalid")

		h.ask("POST", "/cases/"+number+"/notes", `{"text":"The customer called."}`).want(t, 204)
		h.ask("POST", "/cases/"+number+"/notes", `{"text":" "}`).problem(t, 422, "invalid")
		h.ask("POST", "/cases/RST-000000/notes", `{"text":"x"}`).problem(t, 404, "not-found")

		second := h.ask("POST", "/cases", `{"account":"A-1","user":"U-1"}`).want(t, 201).str("number")
		page := h.ask("GET", "/cases?limit=1", "").want(t, 200)
		if next := page.str("next"); next != second {
			t.Errorf("next %q, want %q", next, second)
		}
		if rest := h.ask("GET", "/cases?limit=1&after="+second, "").want(t, 200); rest.str("next") != "" || !strings.Contains(rest.text, number) {
			t.Errorf("the second page: %s", rest.text)
		}
		for query, want := range map[string]int{"?user=U-2": 1, "?account=A-1": 2, "?account=A-2": 0, "?state=open": 2, "?state=cleared": 0} {
			if got := h.ask("GET", "/cases"+query, "").want(t, 200); len(got.json["cases"].([]any)) != want {
				t.Errorf("%s: %s", query, got.text)
			}
		}
		h.ask("GET", "/cases?after=RST-000000", "").problem(t, 422, "invalid")
		h.ask("GET", "/cases?limit=201", "").problem(t, 422, "invalid")
	})
}

// A login with the second factor that the panel saw holds the case at once.
func TestSignals(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1", acme).want(t, 201)
		number := h.ask("POST", "/cases", `{"account":"A-1","user":"U-2"}`).want(t, 201).str("number")
		time.Sleep(time.Minute)
		h.ask("POST", "/users/U-2/signals", `{"type":"login_failed","ip":"192.0.2.9"}`).want(t, 204)
		h.ask("POST", "/users/U-2/signals", `{"type":"password_verified","at":"`+time.Now().UTC().Format(time.RFC3339)+`"}`).want(t, 204)
		if a := h.ask("GET", "/cases/"+number, "").want(t, 200); a.str("state") != "open" {
			t.Errorf("%s", a.text)
		}
		h.ask("POST", "/users/U-2/signals", `{"type":"logged_in","second_factor":true,"agent":"Firefox"}`).want(t, 204)
		if a := h.ask("GET", "/cases/"+number, "").want(t, 200); a.str("state") != "held" {
			t.Errorf("%s", a.text)
		}
		h.ask("POST", "/users/U-99/signals", `{"type":"logged_in"}`).problem(t, 404, "not-found")
		h.ask("POST", "/users/staff:1/signals", `{"type":"logged_in"}`).problem(t, 404, "unknown-user")
		h.ask("POST", "/users/U-2/signals", `{"type":"walked_in"}`).problem(t, 422, "invalid")
		h.ask("POST", "/users/U-2/signals", `{"type":"logged_in","at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`).problem(t, 422, "invalid")
	})
}

func TestEvents(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1", acme).want(t, 201)
		begin := h.ask("GET", "/events", "").want(t, 200)
		next := int(begin.json["next"].(float64))
		number := h.ask("POST", "/cases", `{"account":"A-1","user":"U-2"}`).want(t, 201).str("number")
		a := h.ask("GET", fmt.Sprintf("/events?after=%d&limit=10", next), "").want(t, 200)
		events := a.json["events"].([]any)
		if len(events) != 1 || !strings.Contains(a.text, `"type":"case.created"`) || !strings.Contains(a.text, number) {
			t.Fatalf("%s", a.text)
		}
		next = int(a.json["next"].(float64))
		at := time.Now()
		if a := h.ask("GET", fmt.Sprintf("/events?after=%d&wait=25", next), "").want(t, 200); len(a.json["events"].([]any)) != 0 || time.Since(at) != 25*time.Second {
			t.Errorf("after %s: %s", time.Since(at), a.text)
		}
		for _, query := range []string{"after=-1", "after=x", "limit=0", "wait=26"} {
			h.ask("GET", "/events?"+query, "").problem(t, 422, "invalid")
		}
	})
}

// The life of a webhook over the API; its secret is shown when it is made.
func TestWebhooks(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1", acme).want(t, 201)
		made := h.ask("POST", "/webhooks", `{"url":"https://panel.example/hook","events":["case.*"]}`, "Idempotency-Key", "w").want(t, 201)
		if !strings.HasPrefix(made.str("secret"), "whsec_") || made.json["id"] != 1.0 {
			t.Fatalf("%s", made.text)
		}
		if list := h.ask("GET", "/webhooks", "").want(t, 200); strings.Contains(list.text, "whsec_") || !strings.Contains(list.text, "case.*") {
			t.Errorf("%s", list.text)
		}
		if r := h.ask("POST", "/webhooks/1/rotate", `{}`).want(t, 200); r.str("secret") == made.str("secret") {
			t.Error("the secret stayed")
		}
		if list := h.ask("GET", "/webhooks", "").want(t, 200); !strings.Contains(list.text, "rotating_until") {
			t.Errorf("%s", list.text)
		}
		h.ask("POST", "/webhooks/1/test", `{}`).want(t, 204)
		h.ask("POST", "/cases", `{"account":"A-1","user":"U-2"}`).want(t, 201)
		if _, ok, err := h.desk.ClaimDelivery(t.Context()); err != nil || !ok {
			t.Fatalf("%t, %v", ok, err)
		}
		if log := h.ask("GET", "/webhooks/1/deliveries", "").want(t, 200); len(log.json["deliveries"].([]any)) != 2 || strings.Contains(log.text, "next_at\":\"0001") {
			t.Errorf("%s", log.text)
		}
		if r := h.ask("POST", "/webhooks/1/replay", `{}`).want(t, 200); r.json["replayed"] != 0.0 {
			t.Errorf("%s", r.text)
		}
		h.ask("POST", "/webhooks/1/replay", `{"delivery":99}`).problem(t, 404, "not-found")
		h.ask("POST", "/webhooks/1/enable", `{}`).want(t, 204)
		h.ask("POST", "/webhooks", `{"url":"http://127.0.0.1/"}`).problem(t, 422, "invalid")
		h.ask("POST", "/webhooks", `{"url":"https://panel.example/","events":["everything"]}`).problem(t, 422, "invalid")
		h.ask("DELETE", "/webhooks/1", "").want(t, 204)
		h.ask("DELETE", "/webhooks/1", "").problem(t, 404, "not-found")
		h.ask("GET", "/webhooks/x/deliveries", "").problem(t, 404, "not-found")
	})
}
