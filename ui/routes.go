package ui

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/api"
)

// access is what a route needs.
type access int

const (
	anyone      access = iota // a link from a letter, or nothing secret
	looks                     // any signed-in reviewer
	decides                   // a role that may vote
	leads                     // lead or admin
	audits                    // auditor, lead or admin
	administers               // admin
)

// allows reports whether a signed-in role has the access.
func (a access) allows(r review.Role) bool {
	switch a {
	case anyone, looks:
		return true
	case decides:
		return r.Decides()
	case audits:
		return r.Audits()
	case administers:
		return r == review.Admin
	default:
		return r == review.Lead || r == review.Admin
	}
}

// A page serves one route. The session is empty where anyone may come.
type page func(w http.ResponseWriter, r *http.Request, who review.Session) error

// A route is one line of the only table of routes.
type route struct {
	method, path string
	needs        access
	serve        page
}

func (s *site) routes() []route {
	table := []route{
		{"GET", "/healthz", anyone, s.health},
		{"GET", "/static/{file}", anyone, s.static},
		{"GET", "/sign-in", anyone, s.showSignIn},
		{"POST", "/sign-in", anyone, s.signIn},
		{"GET", "/r/{token}", anyone, s.showOwner},
		{"POST", "/r/{token}", anyone, s.answerOwner},
		{"GET", "/invite/{token}", anyone, s.showInvitation},
		{"POST", "/invite/{token}", anyone, s.acceptInvitation},
		{"GET", "/invite/{token}/enroll", anyone, s.inviteEnrollment},
		{"GET", "/invite/{token}/enroll/*", anyone, s.inviteEnrollment},
		{"POST", "/invite/{token}/enroll/*", anyone, s.inviteEnrollment},

		{"POST", "/sign-out", looks, s.signOut},
		{"GET", "/", looks, s.showQueue},
		{"GET", "/events", looks, s.events},
		{"POST", "/bulk", decides, s.bulk},
		{"POST", "/views", looks, s.saveView},
		{"POST", "/views/remove", looks, s.removeView},
		{"GET", "/preferences", looks, s.showPreferences},
		{"POST", "/preferences", looks, s.savePreferences},
		{"GET", "/audit", looks, s.showAudit},
		{"GET", "/accounts", looks, s.showAccounts},
		{"GET", "/accounts/{id}", looks, s.showAccount},
		{"GET", "/accounts/{id}/export", audits, s.showExportAccount},
		{"POST", "/accounts/{id}/export", audits, s.exportAccount},
		{"GET", "/accounts/{id}/erase", administers, s.showErase},
		{"POST", "/accounts/{id}/erase", administers, s.erase},
		{"GET", "/numbers", looks, s.showNumbers},
		{"GET", "/attack", audits, s.showAttack},
		{"GET", "/settings", looks, s.showSettings},
		{"GET", "/settings/letters", looks, s.showLetters},
		{"GET", "/settings/policy", looks, s.showPolicy},
		{"GET", "/settings/connections", administers, s.showConnections},
		{"POST", "/settings/connections/{id}/test", administers, s.tryConnection},
		{"GET", "/settings/webhooks/{id}", administers, s.showDeliveries},
		{"POST", "/settings/webhooks/{id}", administers, s.tellWebhook},
		{"GET", "/audit/export", audits, s.showAuditExport},
		{"POST", "/audit/export", audits, s.exportAudit},
		{"GET", "/cases/{number}", looks, s.showCase},
		{"GET", "/cases/{number}/mails/{id}", looks, s.showCaseSource},
		{"GET", "/cases/{number}/pack", audits, s.showPack},
		{"POST", "/cases/{number}/pack", audits, s.takePack},
		{"GET", "/mails/{id}", looks, s.showMail},
		{"GET", "/mails/{id}/source", looks, s.showMailSource},
		{"POST", "/mails/{id}/case", decides, s.openParked},
		{"GET", "/settings/mail", looks, s.showBooks},
		{"POST", "/settings/mail", decides, s.takeBacklog},
		{"GET", "/settings/threat", looks, s.showThreat},
		{"POST", "/settings/threat", leads, s.switchThreat},
		{"GET", "/settings/api", administers, s.showKeys},
		{"GET", "/settings/api/new", administers, s.showNewKey},
		{"POST", "/settings/api/new", administers, s.createKey},
		{"GET", "/settings/api/{id}/revoke", administers, s.showRevokeKey},
		{"POST", "/settings/api/{id}/revoke", administers, s.revokeKey},
	}
	for _, a := range s.acts() {
		table = append(table,
			route{"GET", "/cases/{number}/" + a.Key, a.needs, s.showAct(a)},
			route{"POST", "/cases/{number}/" + a.Key, a.needs, s.doAct(a)})
	}
	return table
}

// handler puts the table behind what every request passes: the order is from
// the outside to the inside.
func (s *site) handler() http.Handler {
	mux := chi.NewRouter()
	mux.Use(s.recovered, s.headers, s.ourHost, s.clientIP, origin, s.sameOrigin, limited, middleware.GetHead)
	for _, t := range s.routes() {
		mux.Method(t.method, t.path, s.guard(t))
	}
	mux.NotFound(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoPage) })
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoMethod) })
	if s.API == nil {
		return mux
	}
	// Programs have no cookies, so the API stands outside what guards browsers.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.Prefix+"/") {
			s.API.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// guard lets only those through whom the route is for.
func (s *site) guard(t route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var who review.Session
		if t.needs != anyone {
			var err error
			who, err = s.Desk.Authenticate(r.Context(), s.token(r))
			if kind := review.KindOf(err); kind == review.Denied || kind == review.NotFound {
				s.toSignIn(w, r)
				return
			}
			if err != nil {
				s.fail(w, r, err)
				return
			}
			if !t.needs.allows(who.Reviewer.Role) {
				s.fail(w, r, errNotYours)
				return
			}
			r = withReviewer(r, who.Reviewer)
		}
		if err := t.serve(w, r, who); err != nil {
			s.fail(w, r, err)
		}
	})
}
