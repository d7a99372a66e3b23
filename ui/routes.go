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
type access string

// A right of package review, or one of the first two.
const (
	anyone      access = "anyone" // a link from a letter, or nothing secret
	owes        access = "owes"   // a session, even one whose second factor is owed
	looks              = access(review.Look)
	oversees           = access(review.Oversee)
	decides            = access(review.Decide)
	leads              = access(review.Leading)
	audits             = access(review.TakeOut)
	administers        = access(review.Administer)
)

// allows reports whether a signed-in role has the access.
func (a access) allows(r review.Role) bool {
	return a == anyone || a == owes || r.May(review.Right(a))
}

// A page serves one route. The session is empty where anyone may come. The form of
// a POST is read, but for the one that takes a file.
type page func(w http.ResponseWriter, r *http.Request, who review.Session) error

// A route is one line of the only table of routes.
type route struct {
	method, path string
	needs        access
	serve        page
}

func (s *site) routes() []route {
	door := s.door()
	table := []route{
		{"GET", "/healthz", anyone, s.health},
		{"GET", "/static/{file}", anyone, s.static},
		{"GET", "/favicon.ico", anyone, s.icon},
		{"GET", "/sign-in", anyone, s.showSignIn},
		{"POST", "/sign-in", anyone, s.signIn},
		{"GET", "/r/{token}", anyone, s.showOwner},
		{"POST", "/r/{token}", anyone, s.answerOwner},
		{"GET", "/invite/{token}", anyone, s.showInvitation},
		{"POST", "/invite/{token}", anyone, s.acceptInvitation},
		{"GET", "/invite/{token}/enroll", anyone, s.inviteEnrollment},
		{"GET", "/invite/{token}/enroll/*", anyone, s.inviteEnrollment},
		{"POST", "/invite/{token}/enroll/*", anyone, s.inviteEnrollment},

		{"GET", "/sign-in/passkey", anyone, door(s.askPasskey)},
		{"POST", "/sign-in/passkey", anyone, door(s.signInByPasskey)},
		{"GET", "/sign-in/sso", anyone, door(s.beginSSO)},
		{"GET", "/sign-in/sso/callback", anyone, door(s.finishSSO)},
		{"GET", "/invite/{token}/sso", anyone, door(s.inviteBySSO)},

		{"POST", "/sign-out", owes, s.signOut},
		{"GET", "/sign-in/factor", owes, s.showFactor},
		{"POST", "/sign-in/factor", owes, s.giveFactor},
		{"GET", "/sign-in/enroll", owes, s.firstFactor},
		{"GET", "/sign-in/enroll/*", owes, s.firstFactor},
		{"POST", "/sign-in/enroll/*", owes, s.firstFactor},
		{"GET", "/", looks, s.showQueue},
		{"GET", "/events", looks, s.events},
		{"POST", "/bulk", decides, s.bulk},
		{"POST", "/views", looks, s.saveView},
		{"POST", "/views/remove", looks, s.removeView},
		{"GET", "/audit", looks, s.showAudit},
		{"GET", "/accounts", looks, s.showAccounts},
		{"GET", "/accounts/{id}", looks, onAccount(s.showAccount)},
		{"GET", "/accounts/{id}/export", audits, onAccount(s.showExportAccount)},
		{"POST", "/accounts/{id}/export", audits, onAccount(s.exportAccount)},
		{"GET", "/accounts/{id}/erase", administers, onAccount(s.showErase)},
		{"POST", "/accounts/{id}/erase", administers, onAccount(s.erase)},
		{"GET", "/accounts/{id}/open", decides, s.showDeed(s.opening())},
		{"POST", "/accounts/{id}/open", decides, s.doDeed(s.opening())},
		{"GET", "/accounts/{id}/freeze", decides, s.showDeed(s.freezing())},
		{"POST", "/accounts/{id}/freeze", decides, s.doDeed(s.freezing())},
		{"GET", "/accounts/{id}/thaw", leads, s.showDeed(s.thawing())},
		{"POST", "/accounts/{id}/thaw", leads, s.doDeed(s.thawing())},
		{"GET", "/numbers", looks, s.showNumbers},
		{"GET", "/attack", audits, s.showAttack},
		{"GET", "/settings", looks, s.showSettings},
		{"GET", "/settings/letters", looks, s.showLetters},
		{"POST", "/settings/letters", looks, s.sendTest},
		{"GET", "/settings/policy", looks, s.showPolicy},
		{"GET", "/settings/connections", administers, s.showConnections},
		{"POST", "/settings/connections/{id}/test", administers, s.tryConnection},
		{"GET", "/settings/webhooks/{id}", administers, s.showDeliveries},
		{"POST", "/settings/webhooks/{id}", administers, s.tellWebhook},
		{"GET", "/setup", administers, s.showSetup},
		{"GET", "/setup/{step}", administers, s.showSetupStep},
		{"POST", "/setup/accounts", administers, s.tryAccounts},
		{"POST", "/setup/accounts/import", administers, s.importAccounts},
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
	table = append(table, s.profileRoutes()...)
	table = append(table, s.staffRoutes()...)
	for _, a := range s.acts() {
		table = append(table,
			route{"GET", "/cases/{number}/" + a.Key, a.needs, s.showAct(a)},
			route{"POST", "/cases/{number}/" + a.Key, a.needs, s.doAct(a)})
	}
	return table
}

// router puts the table behind what every request passes: the order is from
// the outside to the inside.
func (s *site) router() *chi.Mux {
	mux := chi.NewRouter()
	mux.Use(s.recovered, s.headers, s.ourHost, s.clientIP, origin, s.sameOrigin, s.limited, middleware.GetHead)
	for _, t := range s.routes() {
		mux.Method(t.method, t.path, s.guard(t))
	}
	mux.NotFound(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoPage) })
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoMethod) })
	return mux
}

// handler is the router, beside the API.
func (s *site) handler() http.Handler {
	mux := s.router()
	// Programs have no cookies, so the API stands outside what guards browsers.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lastOfItsConnection(w, r)
		if s.API != nil && strings.HasPrefix(r.URL.Path, api.Prefix+"/") {
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
			if !who.Proved && t.needs != owes {
				http.Redirect(w, r, "/sign-in/factor", http.StatusSeeOther)
				return
			}
			if !t.needs.allows(who.Reviewer.Role) {
				s.fail(w, r, errNotYours)
				return
			}
			r = withReviewer(r, who.Reviewer)
			w = &renewing{ResponseWriter: w, site: s, who: who}
		}
		var err error
		if t.method == http.MethodPost && t.path != uploadPath {
			err = readForm(r)
		}
		if err == nil {
			err = t.serve(w, r, who)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}
