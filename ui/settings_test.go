package ui_test

import (
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
	"github.com/resetdesk/resetdesk/ui/api"
)

var tokenPattern = regexp.MustCompile(`rdk_[0-9A-Z]{52}`)

// An admin makes a key with a fresh code, sees its token once, uses it, and
// revokes it with another code.
func TestKeysOfTheAPI(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		rita.get("/settings/api").want(t, 200, "There is no key yet")
		form := []string{"name", "panel <b>", "scope", "accounts:read", "scope", "accounts:write", "scope", "totp:verify", "allow", "192.0.2.0/24 2001:db8::1", "days", "30"}
		rita.post("/settings/api/new", append(form, "code", "000000")...).want(t, 422, "The code is not right", "value=\"panel &lt;b&gt;\"", `value="totp:verify" checked`)
		rita.post("/settings/api/new", "name", "x", "scope", "totp:verify", "allow", "nowhere", "code", h.fresh(r.Holder)).want(t, 422, "is no address or network")
		rita.post("/settings/api/new", "name", "x", "code", h.fresh(r.Holder)).want(t, 422, "at least one scope")
		rita.post("/settings/api/new", "name", "x", "scope", "totp:verify", "days", "soon", "code", h.fresh(r.Holder)).want(t, 422, "Write 1 to 3650 days")
		code := h.fresh(r.Holder)
		shown := rita.post("/settings/api/new", append(form, "code", code)...).want(t, 200, "never again")
		token := tokenPattern.FindString(shown.body)
		if token == "" || shown.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("no token in %s", shown.main())
		}
		if again := rita.post("/settings/api/new", append(form, "code", code)...); again.status == 200 || tokenPattern.MatchString(again.body) {
			t.Errorf("the page sent again gives %d", again.status)
		}
		list := rita.get("/settings/api").want(t, 200, "panel &lt;b&gt;", "accounts:read", "192.0.2.0/24", "Live", "never used")
		if tokenPattern.MatchString(list.body) {
			t.Error("the token is shown again")
		}
		call := func(want int) {
			t.Helper()
			req := rita.request("GET", api.Prefix+"/accounts", nil)
			req.Header.Set("Authorization", "Bearer "+token)
			if a := rita.do(req); a.status != want {
				t.Errorf("the key gets %d, want %d: %s", a.status, want, a.body)
			}
		}
		call(200)
		put := rita.request("PUT", api.Prefix+"/accounts/A-3003", nil)
		put.Body, put.ContentLength = io.NopCloser(strings.NewReader(`{"name":"Gamma","users":[{"id":"U-5","login":"o","email":"o@gamma.example","role":"admin"}]}`)), -1
		put.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
		if a := rita.do(put); a.status != 201 {
			t.Errorf("the key writes an account: %d %s", a.status, a.body)
		}
		rita.get("/settings/api/1/revoke").want(t, 200, "This cannot be taken back")
		rita.post("/settings/api/1/revoke", "code", "000000").want(t, 422, "The code is not right")
		call(200)
		rita.post("/settings/api/1/revoke", "code", h.fresh(r.Holder)).leads(t, "/settings/api")
		rita.get("/settings/api").want(t, 200, "is revoked", "Revoked")
		call(401)
		rita.get("/settings/api/1/revoke").want(t, 200, "revoked already")
		rita.get("/settings/api/9/revoke").want(t, 404)
		audit := html.UnescapeString(rita.get("/audit").want(t, 200).body)
		if !strings.Contains(audit, "API key created") || !strings.Contains(audit, "API key revoked") || !strings.Contains(audit, "API key panel <b>") || tokenPattern.MatchString(audit) {
			t.Error("the audit does not tell of the key")
		}
	})
}

// The API stands outside what guards browsers: a program sends no Origin, and a
// page of another site that does gets no further than its missing key.
func TestAPIBesideThePages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		b := h.browser()
		req := b.request("POST", api.Prefix+"/users/U-1/verify", nil)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Origin", "https://evil.example")
		if a := b.do(req); a.status != http.StatusUnauthorized || !strings.Contains(a.header.Get("Content-Type"), "problem+json") {
			t.Errorf("%d %s", a.status, a.body)
		}
		without, err := ui.New(ui.Config{Desk: h.desk, BaseURL: base, Brand: "Example"})
		if err != nil {
			t.Fatal(err)
		}
		newBrowser(t, without).get(api.Prefix+"/health").want(t, 404)
		newBrowser(t, h.pages).get(api.Prefix+"/health").want(t, 200)
	})
}
