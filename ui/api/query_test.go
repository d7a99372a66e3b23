package api_test

import "testing"

// A query of which a part cannot be read must not pass without that part.
func TestBrokenQuery(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for _, q := range []string{"?dry_run=1;", "?dry_run=1;force=1", "?dry_run=1%zz", "?dry_run=1&;"} {
			h.importCSV(csvFile, q).problem(t, 422, "invalid")
		}
		if n := h.count(`SELECT count(*) FROM account`); n != 0 {
			t.Errorf("%d accounts by a dry run", n)
		}
	})
}

// The scheme is part of the header, in any letter case (RFC 9110 11.1).
func TestScheme(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for head, status := range map[string]int{"Bearer ": 200, "bearer ": 200, "BEARER  ": 200, "": 401, "Basic ": 401, "Bearer": 401} {
			h.ask("GET", "/accounts", "", "Authorization", head+h.key).want(t, status)
		}
	})
}
