package ui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// belongs says, for every route with an id in its address, whose the thing is that
// the id names. What belongs to the desk is for every role that may use the route
// (see the table needs); the others have tests with foreign ids below.
func belongs(route string) string {
	_, path, _ := strings.Cut(route, " ")
	switch {
	case strings.HasPrefix(path, "/r/{token}"), strings.HasPrefix(path, "/invite/{token}"):
		return "who holds the link"
	case path == "/cases/{number}/mails/{id}":
		return "the case"
	case strings.HasPrefix(path, "/mails/{id}"):
		return "the desk, and to leads what is in quarantine"
	case path == "/profile/passkeys/{id}/remove", path == "/profile/sessions/{session}/end":
		return "the reviewer who asks"
	case path == "/settings/reviewers/{id}/sessions/{session}/end":
		return "the reviewer in the address"
	case path == "/static/{file}", path == "/setup/{step}":
		return "nobody"
	}
	for _, prefix := range []string{"/cases/{number}", "/accounts/{id}", "/settings/reviewers/{id}", "/settings/api/{id}/", "/settings/webhooks/{id}", "/settings/connections/{id}/"} {
		if strings.HasPrefix(path, prefix) && strings.Count(path, "{") == 1 {
			return "the desk"
		}
	}
	return ""
}

// oddIDs name nothing, whatever stands before or behind them.
var oddIDs = []string{"0", "-1", "99999999", "9223372036854775808", "1e1", "2.0", "0x2", "%202", "%D9%A2", "2%00", "2%2F..%2F1", "2%27%20OR%201=1--", "%25", "_", "RST-______", "RST-%25", "rst-000000", "A-%25", "2%2C1", "2;1", "%F0%9F%94%91", "null", "..%2F2", "*"}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// No odd id leads to anything at any route, for anybody.
func TestOddIDsNameNothing(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.request()
		h.deliver("anna@acme.example", "Invoice", "Please find the invoice attached.")
		callers := map[string]*browser{"nobody": h.browser()}
		for _, row := range review.Roles {
			callers[string(row.Role)], _ = h.signIn(string(row.Role), row.Role)
		}
		cells, before := newTally(t, "odd ids"), h.tables()
		for i, route := range ui.Routes() {
			method, path, _ := strings.Cut(route, " ")
			if !strings.Contains(path, "{") {
				continue
			}
			if belongs(route) == "" {
				cells.errorf("%s: the test does not know whose this is", route)
			}
			for name, b := range callers {
				for j, id := range oddIDs {
					if (i+j)%3 != 0 && name != "admin" {
						continue
					}
					a := b.do(b.request(method, strings.TrimSuffix(parameter.ReplaceAllLiteralString(path, id), "*"), everything("RST-000000", "")))
					cells.ask(route, name, id)
					if a.status < 400 && !(a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/sign-in")) || a.status >= 500 {
						cells.errorf("%s: %s with %s: %d to %q", name, route, id, a.status, a.header.Get("Location"))
					}
				}
			}
		}
		if changed := changes(before, h.tables()); len(changed) > 0 {
			cells.errorf("odd ids changed %q", changed)
		}
		cells.end(4000)
	})
}

// A neighbour is a second case with mails, and a reviewer with things that are hers.
type neighbour struct {
	number, confirm            string // of her case
	mail, quarantined          string // ids
	vera                       *browser
	id                         int64
	passkey, session           string
	words, secret, view, query string // in her mail, in the quarantine, her view
}

func (h *house) neighbour() neighbour {
	h.t.Helper()
	n := neighbour{words: "WORDS-OF-THE-OTHER", secret: "WORDS-IN-QUARANTINE", view: "Vera's view", query: "q=vera"}
	h.enroll("U-4")
	time.Sleep(time.Minute)
	h.deliver("Piet <piet@beta.example>", "2FA reset for sanne", strings.NewReplacer("jane", "sanne", "Anna", "Piet").Replace(lostPhone)+" "+n.words)
	n.number, n.mail = h.text(`SELECT number FROM reset_case ORDER BY id DESC LIMIT 1`), h.text(`SELECT max(id) FROM inbound`)
	n.confirm = h.link("piet@beta.example")
	h.receive(strings.ReplaceAll("From: anna@acme.example\nFrom: piet@beta.example\nTo: support@host.example\nSubject: 2FA reset for jane\nMessage-ID: <q@example>\nDate: "+time.Now().Format(time.RFC1123Z)+"\n\n"+lostPhone+n.secret+"\n", "\n", "\r\n"))
	n.quarantined = h.text(`SELECT id FROM inbound WHERE fate = 'quarantined'`)
	var r review.Reviewer
	n.vera, r = h.signIn("vera", review.Lead)
	second := h.browser()
	second.post("/sign-in", "email", r.Email, "password", password, "code", h.fresh(r.Holder)).leads(h.t, "/")
	h.addPasskey(n.vera, r.Holder)
	n.id, n.passkey = r.ID, h.text(`SELECT max(id) FROM passkey`)
	n.vera.post("/views", "name", n.view, "query", n.query).want(h.t, 303)
	m := regexp.MustCompile(`/profile/sessions/([0-9A-Za-z]+)/end`).FindStringSubmatch(n.vera.get("/profile").body)
	if m == nil {
		h.t.Fatal("no session on the page")
	}
	n.session = m[1]
	return n
}

// No role reaches by its own routes what is another reviewer's, another case's or in
// quarantine; the owner of one case does nothing to another one.
func TestForeignIDsAreRefused(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		n := h.neighbour()
		cells := newTally(t, "foreign ids")
		for _, row := range review.Roles {
			b, r := h.signIn("own"+string(row.Role), row.Role)
			name := string(row.Role)
			asks := []struct {
				route, path string
				form        []string
				open        bool // the role may
			}{
				{"GET /cases/{number}/mails/{id}", "/cases/" + number + "/mails/" + n.mail, nil, false},
				{"GET /cases/{number}/mails/{id}", "/cases/" + number + "/mails/" + n.quarantined, nil, false},
				{"GET /mails/{id}", "/mails/" + n.quarantined, nil, row.Role.May(review.Leading)},
				{"GET /mails/{id}/source", "/mails/" + n.quarantined + "/source", nil, row.Role.May(review.Leading)},
				{"POST /mails/{id}/case", "/mails/" + n.quarantined + "/case", []string{"sure", "1"}, false},
				{"POST /mails/{id}/case", "/mails/" + n.mail + "/case", []string{"sure", "1"}, false},
				{"GET /profile/passkeys/{id}/remove", "/profile/passkeys/" + n.passkey + "/remove", nil, false},
				{"POST /profile/passkeys/{id}/remove", "/profile/passkeys/" + n.passkey + "/remove", []string{"code", "fresh"}, false},
				{"POST /profile/sessions/{session}/end", "/profile/sessions/" + n.session + "/end", []string{"x", "1"}, false},
				{"POST /settings/reviewers/{id}/sessions/{session}/end", fmt.Sprintf("/settings/reviewers/%d/sessions/%s/end", r.ID, n.session), []string{"x", "1"}, false},
				{"POST /views/remove", "/views/remove", []string{"name", n.view}, false},
			}
			for _, x := range asks {
				form := pairs(x.form)
				if form.Get("code") == "fresh" {
					form.Set("code", h.fresh(r.Holder))
				}
				method, _, _ := strings.Cut(x.route, " ")
				a := b.do(b.request(method, x.path, form))
				cells.ask(x.route, name, x.path)
				if x.open != (a.status < 400) || a.status >= 500 || !x.open && (strings.Contains(a.body, n.words) || strings.Contains(a.body, n.secret)) {
					cells.errorf("%s: %s: %d", name, x.path, a.status)
				}
			}
		}
		h.untouched(cells, n)
		owner := h.browser()
		cases := h.tables()["answer"]
		for _, user := range []string{"U-1", "U-2", "U-3", "nobody"} { // B is about U-4
			a := owner.post("/r/"+n.confirm, "answer", "yes", "asked", "who", "user_id", user)
			cells.ask("POST /r/{token}", "owner of another case", user)
			if a.status < 400 || h.tables()["answer"] != cases {
				cells.errorf("the owner of another case answers for %s: %d", user, a.status)
			}
		}
		cells.end(50)
	})
}

// untouched wants everything of the neighbour as it was.
func (h *house) untouched(cells *tally, n neighbour) {
	h.t.Helper()
	n.vera.get("/profile").want(h.t, 200)
	for query, want := range map[string]string{
		`SELECT count(*) FROM passkey WHERE removed_at IS NULL AND id = ` + n.passkey:                 "1",
		`SELECT count(*) FROM saved_view WHERE query = 'q=vera'`:                                      "1",
		`SELECT coalesce(fate, '') FROM inbound WHERE id = ` + n.quarantined:                          "quarantined",
		`SELECT count(*) FROM reset_case`:                                                             "2",
		fmt.Sprintf(`SELECT count(*) FROM session WHERE reviewer_id = %d AND ended_at IS NULL`, n.id): "2",
	} {
		if got := h.text(query); got != want {
			cells.errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A secret opens the door it was made for, and no other: session, links of letters of
// each purpose, invitation, key of the API, each at the place of all others.
func TestSecretsOpenNoOtherDoor(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		_, confirm := h.request()
		invite, err := h.desk.Invite(t.Context(), "host", "new@host.example", "New", review.Admin)
		if err != nil {
			t.Fatal(err)
		}
		_, key, err := h.desk.AddAPIKey(t.Context(), review.APIKey{Name: "k", Scopes: review.Scopes})
		if err != nil {
			t.Fatal(err)
		}
		secrets := map[string]string{"session": rita.session(), "link to confirm": confirm, "link to object": h.link("jane@acme.example"), "invitation": invite, "key of the API": key, "key without its mark": strings.TrimPrefix(key, "rdk_")}
		cells, before := newTally(t, "secrets at other doors"), h.tables()
		for name, secret := range secrets {
			thief := h.browser()
			thief.give(secret)
			for _, route := range sortedRoutes() {
				method, path, _ := strings.Cut(route, " ")
				own := strings.HasPrefix(path, "/r/") && strings.HasPrefix(name, "link") || strings.HasPrefix(path, "/invite/") && name == "invitation" || path == "/events"
				if own || name == "session" && !strings.Contains(path, "{token}") {
					continue
				}
				path = strings.TrimSuffix(strings.NewReplacer("{token}", url.PathEscape(secret), "{number}", "RST-000000", "{file}", "none").Replace(path), "*")
				a := thief.do(thief.request(method, parameter.ReplaceAllLiteralString(path, "1"), everything("RST-000000", "000000")))
				cells.ask(route, name, "cookie and address")
				public := needs[route] == "anyone" && !strings.Contains(route, "{token}")
				if out := a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/sign-in"); !public && !out && a.status != 404 && a.status != 429 {
					cells.errorf("%s at %s: %d", name, route, a.status)
				}
			}
			q := thief.request("GET", "/api/v1/accounts", nil)
			q.Header.Set("Authorization", "Bearer "+secret)
			if a := thief.do(q); (a.status == 200) != (name == "key of the API") {
				cells.errorf("%s at the API: %d", name, a.status)
			}
			cells.ask("GET /api/v1/accounts", name, "Authorization")
		}
		if changed := changes(before, h.tables()); len(changed) > 0 {
			cells.errorf("secrets at other doors changed %q", changed)
		}
		cells.end(500)
	})
}
