package ui

import (
	"net/http"
	"slices"

	"github.com/resetdesk/resetdesk/review"
)

// A setting is a page of settings, as the list of them shows it.
type setting struct {
	Path, Name, Says string
	needs            access
}

var settings = []setting{
	{"/settings/policy", "Policy", "every rule in a sentence, where its numbers come from, what it did in the last 30 days", looks},
	{"/settings/threat", "Threat mode", "two approvals for everything and doubled waiting periods, by one switch", looks},
	{"/attack", "Signs of an attack", "what single cases do not show", audits},
	{"/settings/letters", "Letters", "every letter in every language, as it would go out", looks},
	{"/settings/mail", "Mail", "what became of all mail that came in", looks},
	{"/settings/reviewers", "Reviewers", "who works here, with which role, factors and sessions; invitations", oversees},
	{"/settings/connections", "Connections", "mailboxes, the mail server and webhooks: try them, see deliveries, replay", administers},
	{"/settings/api", "API keys", "which programs of the panel may call the JSON API", administers},
	{"/setup", "Set up", "the first run, step by step: what is done, what is left, what to write where", administers},
	{"/profile", "Your profile", "how you sign in, your sessions, colours, times and keys", looks},
}

// isSetting reports whether a page is one of the list, and not below one.
func isSetting(path string) bool {
	return slices.ContainsFunc(settings, func(x setting) bool { return x.Path == path && path != "/profile" })
}

// showSettings lists the pages that the role may open.
func (s *site) showSettings(w http.ResponseWriter, r *http.Request, who review.Session) error {
	var mine []setting
	for _, x := range settings {
		if x.needs.allows(who.Reviewer.Role) {
			mine = append(mine, x)
		}
	}
	return s.render(w, r, http.StatusOK, "settings", view{Title: "Settings", Body: mine})
}
