package api_test

import (
	"strings"
	"testing"
)

// What a lenient reader would take for another request is refused, and nothing is
// done: names that differ in letter case, repeats, null, a time that is none.
func TestMembersAreExact(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for _, c := range []struct{ body, name, field string }{
			{strings.Replace(acme, `"name"`, `"Name"`, 1), "unknown-member", "Name"},
			{strings.Replace(acme, `"role":"user"`, `"role":"user","ROLE":"admin"`, 1), "unknown-member", "ROLE"},
			{strings.Replace(acme, `"users"`, `"uſers"`, 1), "unknown-member", "uſers"},
			{strings.Replace(acme, `"role":"user"`, `"role":"user","role":"admin"`, 1), "json", ""},
			{strings.Replace(acme, `["it@acme.example"]`, `null`, 1), "invalid", "notify"},
			{strings.Replace(acme, `["it@acme.example"]`, `["it@acme.example",null]`, 1), "invalid", "notify"},
			{`null`, "json", ""},
		} {
			a := h.ask("PUT", "/accounts/A-1", c.body)
			if !strings.HasSuffix(a.str("type"), "#"+c.name) || a.str("field") != c.field {
				t.Errorf("%s: %s", c.body, a.text)
			}
			line := `{"id":"A-1",` + strings.TrimPrefix(strings.ReplaceAll(c.body, "\n", ""), "{")
			h.ask("POST", "/accounts:import", line, "Content-Type", "application/x-ndjson").problem(t, 422, "invalid")
		}
		h.ask("POST", "/accounts:import", `{"id":"A-1","id":"A-2",`+strings.ReplaceAll(acme, "\n", "")[1:], "Content-Type", "application/x-ndjson").problem(t, 422, "invalid")
		if n := h.count(`SELECT count(*) FROM account`); n != 0 {
			t.Errorf("%d accounts", n)
		}
		for _, at := range []string{`"yesterday"`, `5`, `"2026-11-23 10:00"`} {
			a := h.ask("POST", "/users/U-1/signals", `{"type":"logged_in","at":`+at+`}`).problem(t, 422, "invalid")
			if !strings.Contains(a.str("detail"), "RFC 3339") {
				t.Errorf("at %s: %s", at, a.text)
			}
		}
	})
}
