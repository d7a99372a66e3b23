package ui_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// everything is a form with a value for each field that any form of the desk has.
func everything(number, code string) url.Values {
	return url.Values{"email": {"x@host.example"}, "name": {"x"}, "password": {"correct horse battery 2"}, "again": {"correct horse battery 2"}, "old": {password},
		"code": {code}, "answer": {"no"}, "user_id": {"U-2"}, "version": {"1"}, "class": {"sender"}, "note": {"x"}, "reason": {"x"}, "account": {"A-1001"}, "turn": {"on"},
		"until": {"2100-01-01T00:00"}, "theme": {"dark"}, "keys": {"off"}, "query": {"q=x"}, "act": {"not_a_request"}, "case": {number + ":1"}, "sure": {"1"}, "back": {"/?tab=held"},
		"role": {"viewer"}, "format": {"csv"}, "do": {"test"}, "mail": {"2"}, "choice": {"user:U-2"}, "next": {"//evil.example/"}, "days": {"30"}, "_method": {"POST"}}
}

// A target is one route with an address that leads to something.
type target struct{ route, method, path string }

// targets are all routes of the router. Those that leave the browser without a
// session stand last.
func (h *house) targets() (all []target, number string) {
	h.t.Helper()
	number, confirm := h.request()
	h.deliver("anna@acme.example", "Invoice", "Please find the invoice attached.")
	invite, err := h.desk.Invite(h.t.Context(), "host", "new@host.example", "New", review.Viewer)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, route := range sortedRoutes() {
		method, path, _ := strings.Cut(route, " ")
		token, id := confirm, "2"
		if strings.HasPrefix(path, "/invite/") {
			token = invite
		}
		if strings.HasPrefix(path, "/accounts/") {
			id = "A-1001"
		}
		path = strings.NewReplacer("{number}", number, "{id}", id, "{token}", token, "{file}", "desk.css", "*", "start", "{session}", "0123456789abcdef").Replace(path)
		all = append(all, target{route, method, path})
	}
	return all, number
}

// sortedRoutes are the routes of the router, signing out behind all others.
func sortedRoutes() []string {
	routes := ui.Routes()
	slices.SortStableFunc(routes, func(a, b string) int { return last(a) - last(b) })
	return routes
}

// last puts signing out behind everything else.
func last(route string) int {
	if route == "POST /sign-out" {
		return 1
	}
	return 0
}

// A tally counts what a matrix asked, for the line that it prints.
type tally struct {
	t                        *testing.T
	name                     string
	routes, callers, attacks map[string]bool
	asked, findings          int
}

func newTally(t *testing.T, name string) *tally {
	return &tally{t: t, name: name, routes: map[string]bool{}, callers: map[string]bool{}, attacks: map[string]bool{}}
}

// ask notes one cell.
func (x *tally) ask(route, caller, attack string) {
	x.asked++
	x.routes[route], x.callers[caller], x.attacks[attack] = true, true, true
}

// errorf reports a finding.
func (x *tally) errorf(format string, args ...any) {
	x.t.Helper()
	x.findings++
	x.t.Errorf(format, args...)
}

// end prints the line, and fails a matrix that asked next to nothing.
func (x *tally) end(least int) {
	x.t.Helper()
	x.t.Logf("matrix of %s: routes %d, callers %d, attacks %d, cells asked %d, findings %d", x.name, len(x.routes), len(x.callers), len(x.attacks), x.asked, x.findings)
	if x.asked < least {
		x.t.Errorf("only %d cells were asked, want %d", x.asked, least)
	}
}

// nextStep is a moment whose code was used by nobody.
func nextStep() time.Time { return time.Now().Add(30 * time.Second) }
