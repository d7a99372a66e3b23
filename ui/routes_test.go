package ui_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// noDNS answers that no name exists: nothing is signed in these tests.
type noDNS struct{}

func (noDNS) LookupTXT(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// needs says, apart from the code's own table, who may use which route.
var needs = map[string]string{
	"GET /healthz": "anyone", "GET /static/{file}": "anyone", "GET /sign-in": "anyone", "POST /sign-in": "anyone",
	"GET /r/{token}": "anyone", "POST /r/{token}": "anyone", "GET /invite/{token}": "anyone", "POST /invite/{token}": "anyone",
	"GET /invite/{token}/enroll": "anyone", "GET /invite/{token}/enroll/*": "anyone", "POST /invite/{token}/enroll/*": "anyone",
	"GET /favicon.ico": "anyone", "GET /events": "looks", "POST /bulk": "decides", "POST /views": "looks", "POST /views/remove": "looks", "POST /profile/display": "looks",
	"GET /": "looks", "GET /audit": "looks", "GET /cases/{number}": "looks", "GET /cases/{number}/mails/{id}": "looks",
	"GET /mails/{id}": "looks", "GET /mails/{id}/source": "looks", "POST /sign-out": "owes",
	"POST /mails/{id}/case":       "decides",
	"GET /cases/{number}/approve": "decides", "POST /cases/{number}/approve": "decides",
	"GET /cases/{number}/reject": "decides", "POST /cases/{number}/reject": "decides",
	"GET /cases/{number}/hold": "decides", "POST /cases/{number}/hold": "decides",
	"GET /cases/{number}/resume": "decides", "POST /cases/{number}/resume": "decides",
	"GET /cases/{number}/close": "decides", "POST /cases/{number}/close": "decides",
	"GET /cases/{number}/ask": "decides", "POST /cases/{number}/ask": "decides",
	"GET /cases/{number}/resolve": "decides", "POST /cases/{number}/resolve": "decides",
	"GET /cases/{number}/pass": "decides", "POST /cases/{number}/pass": "decides",
	"GET /cases/{number}/pack": "audits", "POST /cases/{number}/pack": "audits", "GET /accounts": "looks", "GET /accounts/{id}": "looks", "GET /accounts/{id}/export": "audits", "POST /accounts/{id}/export": "audits",
	"GET /accounts/{id}/open": "decides", "POST /accounts/{id}/open": "decides", "GET /accounts/{id}/freeze": "decides", "POST /accounts/{id}/freeze": "decides", "GET /accounts/{id}/thaw": "leads", "POST /accounts/{id}/thaw": "leads",
	"GET /accounts/{id}/erase": "administers", "POST /accounts/{id}/erase": "administers", "GET /numbers": "looks", "GET /attack": "audits", "GET /settings": "looks", "GET /settings/letters": "looks", "POST /settings/letters": "looks", "GET /settings/policy": "looks",
	"GET /settings/connections": "administers", "POST /settings/connections/{id}/test": "administers", "GET /settings/webhooks/{id}": "administers", "POST /settings/webhooks/{id}": "administers",
	"GET /setup": "administers", "GET /setup/{step}": "administers", "POST /setup/accounts": "administers", "POST /setup/accounts/import": "administers",
	"GET /audit/export": "audits", "POST /audit/export": "audits",
	"GET /settings/mail": "looks", "POST /settings/mail": "decides",
	"GET /settings/threat": "looks", "POST /settings/threat": "leads",
	"GET /cases/{number}/claim": "decides", "POST /cases/{number}/claim": "decides",
	"GET /cases/{number}/release": "decides", "POST /cases/{number}/release": "decides",
	"GET /cases/{number}/freeze": "decides", "POST /cases/{number}/freeze": "decides",
	"GET /cases/{number}/thaw": "leads", "POST /cases/{number}/thaw": "leads",
	"GET /settings/api": "administers", "GET /settings/api/new": "administers", "POST /settings/api/new": "administers",
	"GET /settings/api/{id}/revoke": "administers", "POST /settings/api/{id}/revoke": "administers",
	"GET /cases/{number}/unfreeze": "leads", "POST /cases/{number}/unfreeze": "leads",

	"GET /sign-in/passkey": "anyone", "POST /sign-in/passkey": "anyone", "GET /sign-in/sso": "anyone", "GET /sign-in/sso/callback": "anyone",
	"GET /invite/{token}/sso": "anyone",
	"GET /sign-in/factor":     "owes", "POST /sign-in/factor": "owes", "GET /sign-in/enroll": "owes", "GET /sign-in/enroll/*": "owes", "POST /sign-in/enroll/*": "owes",
	"GET /step-up/passkey": "owes",
	"GET /profile":         "looks", "GET /profile/password": "looks", "POST /profile/password": "looks",
	"GET /profile/factor": "looks", "GET /profile/factor/*": "looks", "POST /profile/factor/*": "looks",
	"GET /profile/passkeys/new": "looks", "POST /profile/passkeys/new": "looks", "GET /profile/passkeys/options": "looks",
	"GET /profile/passkeys/{id}/remove": "looks", "POST /profile/passkeys/{id}/remove": "looks",
	"POST /profile/sessions/end": "looks", "POST /profile/sessions/{session}/end": "looks", "POST /profile/reset/stop": "looks",
	"GET /settings/reviewers": "oversees", "GET /settings/reviewers/{id}": "oversees",
	"GET /settings/reviewers/new": "administers", "POST /settings/reviewers/new": "administers",
	"GET /settings/reviewers/{id}/role": "administers", "POST /settings/reviewers/{id}/role": "administers",
	"GET /settings/reviewers/{id}/invite": "administers", "POST /settings/reviewers/{id}/invite": "administers",
	"GET /settings/reviewers/{id}/reset": "administers", "POST /settings/reviewers/{id}/reset": "administers",
	"GET /settings/reviewers/{id}/confirm": "administers", "POST /settings/reviewers/{id}/confirm": "administers",
	"GET /settings/reviewers/{id}/disable": "administers", "POST /settings/reviewers/{id}/disable": "administers",
	"GET /settings/reviewers/{id}/enable": "administers", "POST /settings/reviewers/{id}/enable": "administers",
	"POST /settings/reviewers/{id}/stop": "administers", "POST /settings/reviewers/{id}/sessions/end": "administers",
	"POST /settings/reviewers/{id}/sessions/{session}/end": "administers",
}

// visit lists one address for each GET route, and error pages. b is left in the
// middle of an enrollment.
func (h *house) visit(b *browser) []string {
	h.t.Helper()
	number, confirm := h.request()
	h.deliver("anna@acme.example", "Invoice", "Please find the invoice attached.")
	invite, err := h.desk.Invite(h.t.Context(), "host", "new@host.example", "New", review.Viewer)
	if err != nil {
		h.t.Fatal(err)
	}
	b.post("/invite/"+invite+"/enroll/start").leads(h.t, "/invite/"+invite+"/enroll/setup")
	paths := []string{"/", "/profile", "/profile/password", "/profile/factor", "/profile/passkeys/new", "/profile/passkeys/options", "/profile/passkeys/1/remove", "/step-up/passkey",
		"/settings/reviewers", "/settings/reviewers/new", "/settings/reviewers/1", "/settings/reviewers/1/role", "/settings/reviewers/2/reset", "/settings/reviewers/2/confirm",
		"/settings/reviewers/2/disable", "/settings/reviewers/2/enable", "/settings/reviewers/2/invite", "/settings/reviewers/x",
		"/sign-in", "/sign-in/passkey", "/sign-in/sso", "/sign-in/sso/callback?code=x&state=y", "/sign-in/factor", "/sign-in/enroll", "/invite/" + invite + "/sso", "/static/passkey.js",
		"/settings/threat", "/settings/mail", "/settings/mail?days=30", "/settings/api", "/settings/api/new", "/settings/api/1/revoke", "/?live=1&q=acme", "/audit", "/audit?actor=rita&action=case.opened&from=2000-01-01&to=2000-01-02", "/audit?from=x", "/audit/export?actor=x", "/accounts", "/accounts?q=anna@acme.example", "/accounts?q=A-1&after=A-1001", "/accounts/A-1001", "/accounts/A-1001?tab=factors", "/accounts/A-1001?tab=addresses", "/accounts/A-1001?tab=letters", "/accounts/A-1001/export", "/accounts/A-1001/erase", "/accounts/A-1001/open", "/accounts/A-1001/freeze", "/accounts/A-1001/thaw", "/accounts/A-0", "/numbers", "/attack", "/settings", "/settings/letters", "/settings/letters?in=de", "/settings/policy", "/settings/connections", "/setup", "/setup/address", "/setup/mailbox", "/setup/sending", "/setup/accounts", "/setup/policy", "/setup/running", "/setup/x", "/settings/webhooks/1", "/sign-in?next=/audit", "/healthz", "/nowhere", "/cases/RST-000000", "/mails/2", "/mails/2/source",
		"/cases/" + number, "/cases/" + number + "/mails/1", "/cases/" + number + "/pack", "/r/" + confirm, "/r/" + strings.Repeat("0", 52), "/r/x",
		"/invite/" + invite, "/invite/" + invite + "/enroll", "/invite/" + invite + "/enroll/setup", "/invite/x", "/static/desk.css", "/static/desk.js", "/static/..%2fdoc.go"}
	paths = append(paths, "/?risk=high&verdict=unverified&account=A-1001", "/profile", "/static/queue.css", "/static/live.js")
	for _, tab := range []string{"review", "owner", "waiting", "held", "closed", "parked", "quarantine"} {
		paths = append(paths, "/?tab="+tab)
	}
	for _, act := range []string{"approve", "reject", "hold", "resume", "close", "ask", "resolve", "pass", "unfreeze", "claim", "release", "freeze", "thaw"} {
		paths = append(paths, "/cases/"+number+"/"+act)
	}
	return paths
}

// Scanners, prefetchers and reloads open everything, often.
func TestGetChangesNothing(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		paths := h.visit(rita)
		if i := slices.IndexFunc(paths, func(p string) bool { return strings.HasSuffix(p, "/enroll/setup") }); i >= 0 {
			rita.get(paths[i]).want(t, 200, "<svg")
		}
		before := h.dump()
		for _, b := range []*browser{rita, h.browser()} {
			for _, path := range paths {
				for range 5 {
					if a := b.get(path); a.status >= 500 {
						t.Errorf("GET %s: %d", path, a.status)
					}
				}
				if a := b.do(b.request("HEAD", path, nil)); a.body != "" && path != "/healthz" && !strings.Contains(path, "source") && !strings.Contains(path, "/mails/1") {
					t.Errorf("HEAD %s has a body", path)
				}
				if h.dump() != before {
					t.Fatalf("GET or HEAD %s changed the database", path)
				}
			}
		}
	})
}

const wantPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

var (
	inline  = regexp.MustCompile(`(?i)<style|\sstyle=|<script>|\son[a-z]+=|javascript:`)
	foreign = regexp.MustCompile(`(?i)(src|href)="(https?:)?//`)
)

func TestEveryPageIsHardened(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		for _, path := range h.visit(rita) {
			a := rita.get(path)
			for name, want := range map[string]string{"Content-Security-Policy": wantPolicy, "Referrer-Policy": "no-referrer",
				"X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=31536000"} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %s is %q", path, name, got)
				}
			}
			static := strings.HasPrefix(path, "/static/") && !strings.Contains(path, "..")
			if cache := a.header.Get("Cache-Control"); (cache == "no-store") == static {
				t.Errorf("%s: Cache-Control is %q", path, cache)
			}
			if n := len(a.body); n > 60<<10 || (path == "/static/desk.css" && n > 16<<10) || (path == "/static/desk.js" && n > 6<<10) {
				t.Errorf("%s weighs %d bytes", path, n)
			}
			if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				if m := inline.FindString(a.body); m != "" {
					t.Errorf("%s has %q inline", path, m)
				}
				if m := foreign.FindString(a.body); m != "" {
					t.Errorf("%s loads from elsewhere: %s", path, m)
				}
			}
		}
	})
}

func TestOtherHostsAreRefused(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for host, want := range map[string]int{"reset.example": 200, "RESET.example:443": 200, "evil.example": 421, "reset.example:8443": 421, "reset.example.evil.example": 421, "127.0.0.1": 421} {
			r := httptest.NewRequest("GET", "/sign-in", nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.pages.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("Host %s: %d, want %d", host, w.Code, want)
			}
		}
		r := httptest.NewRequest("GET", "/healthz", nil)
		r.Host = "10.0.0.9:8080"
		w := httptest.NewRecorder()
		if h.pages.ServeHTTP(w, r); w.Code != 200 || w.Body.String() != "ok\n" {
			t.Errorf("health check by address: %d %q", w.Code, w.Body)
		}
	})
}

func TestLargeBodiesAreRefused(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.browser().post("/sign-in", "password", strings.Repeat("x", 65<<10)).want(t, http.StatusRequestEntityTooLarge, "too much text")
	})
}

func TestBaseURL(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for base, ok := range map[string]bool{"https://reset.example": true, "https://reset.example/": true, "http://127.0.0.1:8080": true, "http://localhost:1": true,
			"http://[::1]:8080": true, "http://reset.example": false, "reset.example": false, "ftp://reset.example": false, "https://reset.example/desk": false, "https://u@reset.example": false, "": false} {
			if _, err := ui.New(ui.Config{Desk: h.desk, BaseURL: base}); (err == nil) != ok {
				t.Errorf("%q: %v", base, err)
			}
		}
		if _, err := ui.New(ui.Config{BaseURL: base}); err == nil {
			t.Error("pages without a desk")
		}
	})
}

// The address of a client is the proxy's word only where the proxy is trusted.
func TestClientAddress(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		_, confirm := h.request()
		pages, err := ui.New(ui.Config{Desk: h.desk, BaseURL: base, Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, pages)
		r := b.request("POST", "/r/"+confirm, url.Values{"answer": {"yes"}})
		r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.4")
		b.do(r).leads(t, "/r/"+confirm)
		if got := h.text(`SELECT ip FROM answer`); got != "198.51.100.4" {
			t.Errorf("recorded %s", got)
		}
		time.Sleep(time.Minute)
		r = h.browser().request("POST", "/r/"+confirm, url.Values{"answer": {"no"}})
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		h.browser().do(r)
		if got := h.text(`SELECT ip FROM answer ORDER BY id DESC`); got != "192.0.2.7" {
			t.Errorf("recorded %s from an untrusted header", got)
		}
	})
}
