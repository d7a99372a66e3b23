package api_test

import (
	"strings"
	"testing"
)

func TestAccounts(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		a := h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
		tag := a.header.Get("ETag")
		settle()
		h.ask("PUT", "/accounts/A-1001", acme, "If-Match", tag).want(t, 200)
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'account.written'`); n != 1 {
			t.Errorf("%d events of one change", n)
		}
		got := h.ask("GET", "/accounts/A-1001", "").want(t, 200)
		if got.header.Get("ETag") != tag || got.text != a.text {
			t.Errorf("read %s, wrote %s", got.text, a.text)
		}
		h.ask("PUT", "/accounts/A-1001", strings.Replace(acme, "anna@acme", "anna@new", 1), "If-Match", `"other"`).problem(t, 412, "changed")
		h.ask("PUT", "/accounts/A-1001", strings.Replace(acme, "anna@acme", "anna@new", 1), "If-Match", tag).want(t, 200)
		if n := h.count(`SELECT count(*) FROM address WHERE user_id = 'U-1' AND (until IS NULL) = (address = 'anna@new.example')`); n != 2 {
			t.Errorf("%d addresses in the history", n)
		}
	})
}

// Domains are part of an account: left out they stay, an empty list ends them, and
// what went stays on record.
func TestAccountDomains(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		with := func(list string) string { return strings.Replace(acme, `"users"`, `"domains":`+list+`,"users"`, 1) }
		current := func(what string, want int) {
			t.Helper()
			if n := h.count(`SELECT count(*) FROM account_domain WHERE until IS NULL`); n != want {
				t.Errorf("%s: %d domains, want %d", what, n, want)
			}
		}
		a := h.ask("PUT", "/accounts/A-1001", with(`["ACME.example.","bücher.example"]`)).want(t, 201)
		if !strings.Contains(a.text, `"domains":["acme.example","xn--bcher-kva.example"]`) {
			t.Errorf("wrote %s", a.text)
		}
		tag := a.header.Get("ETag")
		settle()
		h.ask("PUT", "/accounts/A-1001", acme, "If-Match", tag).want(t, 200)
		h.ask("PUT", "/accounts/A-1001/users/U-9", `{"login":"jan","full_name":"Jan","email":"jan@acme.example","role":"user"}`).want(t, 201)
		current("left out", 2)
		h.ask("PUT", "/accounts/A-1001", with(`["acme.example"]`), "If-Match", tag).problem(t, 412, "changed")
		h.ask("PUT", "/accounts/A-1001", with(`["acme.example"]`)).want(t, 200)
		current("one", 1)
		h.ask("PUT", "/accounts/A-1001", with(`["no domain"]`)).problem(t, 422, "invalid")
		h.ask("PUT", "/accounts/A-1001", with(`[]`)).want(t, 200)
		current("none", 0)
		h.ask("PUT", "/accounts/A-1001", with(`["acme.example"]`)).want(t, 200)
		h.ask("DELETE", "/accounts/A-1001", "").want(t, 204)
		current("removed", 0)
		if n := h.count(`SELECT count(*) FROM account_domain`); n != 3 {
			t.Errorf("%d domains on record", n)
		}
	})
}

func TestUsers(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		const jan = `{"login":"jan","full_name":"Jan","email":"jan@acme.example","role":"user"}`
		h.ask("PUT", "/accounts/A-1001/users/U-9", jan).problem(t, 404, "not-found")
		h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
		settle()
		h.ask("PUT", "/accounts/A-1001/users/U-9", jan).want(t, 201)
		h.ask("PUT", "/accounts/A-1001/users/U-9", jan).want(t, 200)
		if u := h.ask("GET", "/accounts/A-1001/users/U-9", "").want(t, 200); u.str("email") != "jan@acme.example" {
			t.Errorf("read %s", u.text)
		}
		h.ask("DELETE", "/accounts/A-1001/users/U-1", "").problem(t, 409, "conflict")
		h.ask("DELETE", "/accounts/A-1001/users/U-9", "").want(t, 204)
		h.ask("DELETE", "/accounts/A-1001/users/U-9", "").problem(t, 404, "not-found")
		h.ask("GET", "/accounts/A-1001/users/U-9", "").problem(t, 404, "not-found")
		h.ask("DELETE", "/accounts/A-1001", "").want(t, 204)
		h.ask("GET", "/accounts/A-1001", "").problem(t, 404, "not-found")
		if n := h.count(`SELECT count(*) FROM address WHERE until IS NULL`); n != 0 {
			t.Errorf("%d addresses are current", n)
		}
		h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
	})
}

func TestAccountPages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for _, id := range []string{"A-1", "A-2", "A-3"} {
			h.ask("PUT", "/accounts/"+id, strings.NewReplacer("U-", id+"-U-", "@acme", "@"+strings.ToLower(id)).Replace(acme)).want(t, 201)
		}
		page := h.ask("GET", "/accounts?limit=2", "").want(t, 200)
		if len(page.json["accounts"].([]any)) != 2 || page.str("next") != "A-2" {
			t.Errorf("first page %s", page.text)
		}
		page = h.ask("GET", "/accounts?limit=2&after="+page.str("next"), "").want(t, 200)
		if len(page.json["accounts"].([]any)) != 1 || page.str("next") != "" {
			t.Errorf("last page %s", page.text)
		}
		h.ask("GET", "/accounts?limit=0", "").problem(t, 422, "invalid")
		h.ask("GET", "/accounts?page=2", "").problem(t, 422, "invalid")
	})
}

// Every fault is named at once, with the number of the user.
func TestAccountFaults(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		a := h.ask("PUT", "/accounts/A-1", `{"name":"x","locale":"german","users":[{"id":"U-1","login":"a b","email":"no","role":"boss"},{"id":"staff:1","login":"x","email":"x@y.example","role":"user"}]}`)
		a.problem(t, 422, "invalid")
		if n := len(a.json["errors"].([]any)); n < 5 {
			t.Errorf("%d faults: %s", n, a.text)
		}
		h.ask("PUT", "/accounts/A-1", `{"name":"x","users":[]}`).problem(t, 422, "invalid")
		h.ask("PUT", "/accounts/A-1", `{"name":"x","owner":1,"users":[]}`).problem(t, 400, "unknown-member")
		h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
		h.ask("PUT", "/accounts/A-2", strings.NewReplacer("U-", "V-", "anna@acme", "Anna@acme").Replace(acme)).problem(t, 422, "invalid")
		h.ask("PUT", "/accounts/A-2", acme).problem(t, 422, "invalid") // users do not move
	})
}

func TestOpenPages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for _, path := range []string{"/health", "/openapi.json", "/problems"} {
			h.ask("GET", path, "", "Authorization", "").want(t, 200)
		}
		if p := h.ask("GET", "/problems", ""); !strings.Contains(p.text, `<dt id="locked">`) {
			t.Errorf("problems %s", p.text)
		}
	})
}

// The day from which a factor is mandatory comes with the account, and its new
// users have it.
func TestAccountPolicy(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		if a := h.ask("PUT", "/accounts/A-1001", acme).want(t, 201); a.str("required_from") != "default" {
			t.Errorf("at first %s", a.text)
		}
		dated := strings.Replace(acme, `"locale"`, `"required_from":"2027-01-31","locale"`, 1)
		if a := h.ask("PUT", "/accounts/A-1001", dated).want(t, 200); a.str("required_from") != "2027-01-31" {
			t.Errorf("dated %s", a.text)
		}
		h.ask("PUT", "/accounts/A-1001/users/U-9", `{"login":"jan","email":"jan@acme.example","role":"user"}`).want(t, 201)
		for _, user := range []string{"U-2", "U-9"} {
			if st := h.ask("GET", "/users/"+user+"/2fa", "").want(t, 200); st.str("required_from") != "2027-01-31T00:00:00Z" {
				t.Errorf("%s %s", user, st.text)
			}
		}
		if a := h.ask("PUT", "/accounts/A-1001", acme).want(t, 200); a.str("required_from") != "2027-01-31" {
			t.Errorf("left out %s", a.text)
		}
		h.ask("PUT", "/accounts/A-1001", strings.Replace(dated, "2027-01-31", "soon", 1)).problem(t, 422, "invalid")
		list := strings.TrimSuffix(strings.TrimPrefix(h.ask("GET", "/accounts", "").text, `{"accounts":[`), "],\"next\":\"\"}\n")
		h.ask("POST", "/accounts:import", strings.Replace(list, "2027-01-31", "never", 1), "Content-Type", "application/x-ndjson").want(t, 200)
		if st := h.ask("GET", "/users/U-2/2fa", "").want(t, 200); st.json["required_from"] != nil {
			t.Errorf("never %s", st.text)
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'account.policy' AND actor = 'api:1'`); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}
