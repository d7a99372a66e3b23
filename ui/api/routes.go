package api

import (
	"net/http"
	"slices"

	"github.com/resetdesk/resetdesk/review"
)

// A route is one line of the only table of routes. Path values are those of
// net/http patterns; openapi.json describes every route, which a test demands.
type route struct {
	method, path string
	scope        review.Scope
	query        []string // parameters that are understood
	serve        func(*server, *call) (answer, error)
	stream       bool                                              // serve reads the body itself, and a repeat needs no Idempotency-Key
	page         func(*server, http.ResponseWriter, *http.Request) // for everybody, instead of serve
}

var routes = []route{
	{method: "GET", path: "/health", page: (*server).health},
	{method: "GET", path: "/openapi.json", page: (*server).openAPI},
	{method: "GET", path: "/problems", page: (*server).problemsPage},

	{method: "GET", path: "/accounts", scope: review.AccountsRead, serve: (*server).listAccounts, query: []string{"after", "limit"}},
	{method: "GET", path: "/accounts/{id}", scope: review.AccountsRead, serve: (*server).getAccount},
	{method: "PUT", path: "/accounts/{id}", scope: review.AccountsWrite, serve: (*server).putAccount},
	{method: "DELETE", path: "/accounts/{id}", scope: review.AccountsWrite, serve: (*server).deleteAccount},
	{method: "GET", path: "/accounts/{id}/users/{user}", scope: review.AccountsRead, serve: (*server).getUser},
	{method: "PUT", path: "/accounts/{id}/users/{user}", scope: review.AccountsWrite, serve: (*server).putUser},
	{method: "DELETE", path: "/accounts/{id}/users/{user}", scope: review.AccountsWrite, serve: (*server).deleteUser},
	{method: "POST", path: "/accounts:import", scope: review.AccountsWrite, serve: (*server).importAccounts, stream: true, query: []string{"dry_run", "force"}},

	{method: "GET", path: "/users/{id}/2fa", scope: review.TOTPRead, serve: (*server).status},
	{method: "GET", path: "/users/{id}/2fa/events", scope: review.TOTPRead, serve: (*server).history, query: []string{"limit"}},
	{method: "POST", path: "/users/{id}/guard", scope: review.TOTPRead, serve: (*server).guard},
	{method: "POST", path: "/users/{id}/verify", scope: review.TOTPVerify, serve: (*server).verify},
	{method: "POST", path: "/users/{id}/totp", scope: review.TOTPEnroll, serve: (*server).beginEnrollment},
	{method: "POST", path: "/users/{id}/totp/pending", scope: review.TOTPEnroll, serve: (*server).pending},
	{method: "POST", path: "/users/{id}/totp/confirm", scope: review.TOTPEnroll, serve: (*server).confirm},
	{method: "POST", path: "/users/{id}/totp/turn-off", scope: review.TOTPEnroll, serve: (*server).turnOff},
	{method: "GET", path: "/users/{id}/totp/devices", scope: review.TOTPRead, serve: (*server).listDevices},
	{method: "POST", path: "/users/{id}/totp/devices", scope: review.TOTPEnroll, serve: (*server).beginDevice},
	{method: "POST", path: "/users/{id}/totp/devices/{device}/remove", scope: review.TOTPEnroll, serve: (*server).removeDevice},
	{method: "POST", path: "/users/{id}/backup-codes", scope: review.TOTPEnroll, serve: (*server).renewCodes},
	{method: "POST", path: "/users/{id}/signals", scope: review.SignalsWrite, serve: (*server).addSignal},

	{method: "GET", path: "/cases", scope: review.CasesRead, serve: (*server).listCases, query: []string{"after", "limit", "state", "account", "user"}},
	{method: "POST", path: "/cases", scope: review.CasesWrite, serve: (*server).openCase},
	{method: "GET", path: "/cases/{number}", scope: review.CasesRead, serve: (*server).getCase},
	{method: "POST", path: "/cases/{number}/notes", scope: review.CasesWrite, serve: (*server).addNote},
	{method: "GET", path: "/events", scope: review.EventsRead, serve: (*server).listEvents, query: []string{"after", "limit", "wait"}},

	{method: "GET", path: "/webhooks", scope: review.WebhooksWrite, serve: (*server).listWebhooks},
	{method: "POST", path: "/webhooks", scope: review.WebhooksWrite, serve: (*server).addWebhook},
	{method: "DELETE", path: "/webhooks/{endpoint}", scope: review.WebhooksWrite, serve: (*server).removeWebhook},
	{method: "POST", path: "/webhooks/{endpoint}/rotate", scope: review.WebhooksWrite, serve: (*server).rotateWebhook},
	{method: "POST", path: "/webhooks/{endpoint}/enable", scope: review.WebhooksWrite, serve: (*server).enableWebhook},
	{method: "POST", path: "/webhooks/{endpoint}/test", scope: review.WebhooksWrite, serve: (*server).testWebhook},
	{method: "GET", path: "/webhooks/{endpoint}/deliveries", scope: review.WebhooksWrite, serve: (*server).listDeliveries, query: []string{"before"}},
	{method: "POST", path: "/webhooks/{endpoint}/replay", scope: review.WebhooksWrite, serve: (*server).replay},
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
