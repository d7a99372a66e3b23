package ui_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

var invitationPattern = regexp.MustCompile(`https://reset\.example/invite/([0-9A-Z]{52})`)

// invitation returns the token of the newest letter, which must go to this address
// and be nowhere on the page.
func (h *house) invitation(to string, page answer) string {
	h.t.Helper()
	h.work()
	l := h.letters[len(h.letters)-1]
	m := invitationPattern.FindStringSubmatch(l.text)
	if m == nil || l.to != to {
		h.t.Fatalf("no invitation to %s in the letter to %s: %s", to, l.to, l.text)
	}
	if strings.Contains(page.body, m[1]) || strings.Contains(page.body, "/invite/") {
		h.t.Errorf("the page shows the link: %s", page.main())
	}
	return m[1]
}

// The admin who invites, and those who reset a reviewer's factor, never see the link.
func TestLinkIsMailedNotShown(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ada, who := h.signIn("ada", review.Admin)
		eve, second := h.signIn("eve", review.Admin)
		_, sam := h.signIn("sam", review.Decider)
		const said = "An invitation was mailed to nora@host.example; it is valid for 72 hours."
		ada.get("/settings/reviewers/new").want(t, 200, "Send the invitation", "Nobody else sees it")
		ada.post("/settings/reviewers/new", "email", "Nora@host.example", "name", "Nora", "role", "admin", "code", h.fresh(who.Holder)).leads(t, "/settings/reviewers")
		first := h.invitation("nora@host.example", ada.get("/settings/reviewers").want(t, 200, said, "Nora", "invited"))
		nora := "/settings/reviewers/" + h.text(`SELECT id FROM reviewer WHERE name = 'Nora'`)
		ada.get(nora).want(t, 200, "Send again")
		ada.post(nora+"/invite", "code", h.fresh(who.Holder)).leads(t, nora)
		again := h.invitation("nora@host.example", ada.get(nora).want(t, 200, said))
		h.browser().get("/invite/"+first).want(t, 404)
		h.browser().get("/invite/"+again).want(t, 200, "Nora")

		one := "/settings/reviewers/" + h.text(`SELECT id FROM reviewer WHERE name = 'sam'`)
		ada.post(one+"/reset", "reason", "lost the phone", "code", h.fresh(who.Holder)).leads(t, one)
		eve.post(one+"/confirm", "code", h.fresh(second.Holder)).leads(t, one)
		token := h.invitation("sam@host.example", eve.get(one).want(t, 200, "An invitation was mailed to sam@host.example"))
		h.browser().get("/invite/"+token).want(t, 200, sam.Name)
	})
}
