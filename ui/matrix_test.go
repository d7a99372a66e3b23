package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// rightOf is the right behind a word of the table needs.
var rightOf = map[string]review.Right{"looks": review.Look, "oversees": review.Oversee, "decides": review.Decide, "audits": review.TakeOut, "leads": review.Leading, "administers": review.Administer}

// A caller is one row of the matrix: a browser, and where it is sent that may not.
type caller struct {
	name    string
	browser *browser
	door    string      // where somebody who is not in is sent; "": is in, by the role
	role    review.Role // of who is in
}

// callers are all roles, and everybody who is not in: without a session, with one
// that is over, idle, signed out or ended by an admin, whose reviewer is disabled,
// and without a second factor.
func (h *house) callers() []caller {
	h.t.Helper()
	ctx := h.t.Context()
	all := []caller{{name: "nobody", browser: h.browser(), door: "/sign-in"}}
	out := func(name string, b *browser) { all = append(all, caller{name: name, browser: b, door: "/sign-in"}) }
	expired, _ := h.signIn("expired", review.Admin)
	for range 13 * 3 { // busy all day
		time.Sleep(20 * time.Minute)
		expired.get("/healthz")
		expired.get("/profile")
	}
	out("expired", expired)
	idle, _ := h.signIn("idle", review.Admin)
	time.Sleep(31 * time.Minute)
	out("idle", idle)
	gone, _ := h.signIn("gone", review.Admin)
	gone.jarAfterSignOut()
	out("signed out", gone)
	disabled, d := h.signIn("disabled", review.Decider)
	if err := h.desk.HostDisable(ctx, d.Email, false); err != nil {
		h.t.Fatal(err)
	}
	out("disabled", disabled)
	token, err := h.desk.SignInBySSO(ctx, review.Identity{Issuer: "https://id.example", Subject: "7", Email: "otto@host.example", Verified: true, Governed: true, Role: review.Admin}, review.Entry{})
	if err != nil {
		h.t.Fatal(err)
	}
	owed := h.browser()
	owed.give(token)
	all = append(all, caller{name: "owes the second factor", browser: owed, door: "/sign-in/factor"})
	for _, row := range review.Roles {
		b, _ := h.signIn(string(row.Role), row.Role)
		all = append(all, caller{name: string(row.Role), browser: b, role: row.Role})
	}
	revoked, r := h.signIn("revoked", review.Admin)
	h.exec(`UPDATE session SET ended_at = seen_at WHERE reviewer_id = $1`, r.ID)
	out("revoked", revoked)
	return all
}

// give puts a session into the browser.
func (b *browser) give(token string) {
	u, _ := url.Parse(b.base)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-resetdesk", Value: token, Path: "/", Secure: true}})
}

// session is the token that the browser has.
func (b *browser) session() string {
	u, _ := url.Parse(b.base)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "__Host-resetdesk" {
			return c.Value
		}
	}
	return ""
}

// jarAfterSignOut signs out and keeps the cookie, as a thief would.
func (b *browser) jarAfterSignOut() {
	token := b.session()
	b.post("/sign-out").leads(b.t, "/sign-in")
	b.give(token)
}

// Every route that the router knows is asked by every role and by everybody who is
// not in. A route that the table above does not know fails.
func TestMatrix(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		callers := h.callers()
		number, _ := h.request()
		h.deliver("anna@acme.example", "Invoice", "Please find the invoice attached.")
		fill := strings.NewReplacer("{number}", number, "{id}", "2", "{token}", strings.Repeat("0", 52), "{file}", "desk.css", "*", "start", "{session}", "0123456789abcdef")
		routes := sortedRoutes()
		for _, route := range routes {
			if needs[route] == "" {
				t.Errorf("%s is not in the table of the test", route)
			}
		}
		if len(routes) != len(needs) {
			t.Errorf("the router has %d routes, the table %d", len(routes), len(needs))
		}
		cells := newTally(t, "roles")
		for _, c := range callers {
			for _, route := range routes {
				c.knock(cells, route, fill.Replace(route))
				cells.ask(route, c.name, "knock")
			}
		}
		cells.end(1500)
	})
}

func (c caller) knock(cells *tally, route, filled string) {
	cells.t.Helper()
	method, path, _ := strings.Cut(filled, " ")
	a := c.browser.do(c.browser.request(method, path, nil))
	need, to := needs[route], a.header.Get("Location")
	sentTo := func(door string) bool { return a.status == http.StatusSeeOther && strings.HasPrefix(to, door) }
	switch {
	case a.status >= 500:
		cells.errorf("%s: %s answers %d", c.name, route, a.status)
	case need == "anyone", need == "owes" && c.door != "/sign-in":
		if a.status == http.StatusForbidden {
			cells.errorf("%s: %s answers %d", c.name, route, a.status)
		}
	case c.door != "":
		if !sentTo(c.door) {
			cells.errorf("%s: %s answers %d to %q, want the way to %s", c.name, route, a.status, to, c.door)
		}
	case c.role.May(rightOf[need]):
		if a.status == http.StatusForbidden || sentTo("/sign-in") {
			cells.errorf("%s: %s answers %d", c.name, route, a.status)
		}
	case a.status != http.StatusForbidden:
		cells.errorf("%s: %s answers %d, want 403", c.name, route, a.status)
	}
}

// exec runs plain SQL, past all of our code.
func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	db := h.sqlWriter()
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		h.t.Fatal(err)
	}
}
