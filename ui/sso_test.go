package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/sso"
	"github.com/resetdesk/resetdesk/ui/sso/ssotest"
)

// provide puts a provider beside the desk. With roles its groups govern.
func (h *house) provide(roles map[string]review.Role) *ssotest.Provider {
	h.t.Helper()
	p, err := ssotest.New("https://id.example", map[string]any{"sub": "u-1", "email": "olga@host.example", "email_verified": true, "name": "Olga", "groups": []string{"support"}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.sso, err = sso.New(sso.Config{Name: "Example ID", Issuer: p.Issuer, ClientID: ssotest.ClientID, BaseURL: base, Roles: roles, Client: p.Client(),
		Secret: func() (string, error) { return ssotest.Secret, nil }})
	if err != nil {
		h.t.Fatal(err)
	}
	h.reopen(func(*review.Config) {})
	return p
}

// travel goes through the provider and comes back.
func (b *browser) travel(p *ssotest.Provider, from string) answer {
	b.t.Helper()
	a := b.get(from)
	if a.status != http.StatusSeeOther {
		return a
	}
	r, err := http.NewRequest("GET", a.header.Get("Location"), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	c := p.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	res.Body.Close()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.get(back.RequestURI())
}

var support = map[string]review.Role{"support": review.Decider, "bosses": review.Admin}

// From the button over the provider and the second factor to the queue, and what
// the groups say at each next time.
func TestSingleSignOn(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.provide(support)
		h.signIn("ada", review.Admin)
		b := h.browser()
		b.get("/sign-in?next=/audit").want(t, 200, `href="/sign-in/sso?next=%2faudit">Continue with Example ID`)
		b.travel(p, "/sign-in/sso?next=/audit").leads(t, "/sign-in/factor?next=/audit")
		b.get("/audit").leads(t, "/sign-in/factor") // nothing opens before
		b.get("/sign-in/factor").want(t, 200, "Set it up")
		if a := b.get("/sign-in/sso/callback?code=x&state=y"); a.status != http.StatusUnauthorized {
			t.Errorf("the way back again: %d", a.status)
		}
		b.post("/sign-in/enroll/start").leads(t, "/sign-in/enroll/setup")
		holder := h.text(`SELECT holder_id FROM reviewer WHERE email = 'olga@host.example'`)
		h.phone[holder], _ = proves(t, b, "/sign-in/enroll", b.get("/sign-in/enroll/setup"))
		b.post("/sign-in/factor", "next", "/audit", "code", h.fresh(holder)).leads(t, "/audit")
		b.get("/").want(t, 200, "Sign out")
		if role := h.text(`SELECT role FROM reviewer WHERE email = 'olga@host.example'`); role != "reviewer" {
			t.Errorf("the group gives %s", role)
		}

		p.User["groups"] = []string{"support", "bosses"}
		again := h.browser()
		again.travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
		b.get("/settings/reviewers").want(t, 200, "Olga") // the role is another at once

		p.User["groups"] = []string{"sales"}
		again.travel(p, "/sign-in/sso").want(t, 401, "Your groups give you no role at the desk")
		b.get("/").leads(t, "/sign-in")
		again.get("/sign-in/factor").leads(t, "/sign-in")
		p.User["groups"] = []string{"support"}
		again.travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
		again.post("/sign-in/factor", "code", h.fresh(holder)).leads(t, "/")
		again.get("/settings/reviewers").want(t, 403)

		// Whom an admin disables the groups do not enable.
		if err := h.desk.HostDisable(t.Context(), "olga@host.example", false); err != nil {
			t.Fatal(err)
		}
		again.travel(p, "/sign-in/sso").want(t, 401, "You are disabled at the desk")
		if err := h.desk.HostDisable(t.Context(), "olga@host.example", true); err != nil {
			t.Fatal(err)
		}
		p.User["groups"] = nil
		again.travel(p, "/sign-in/sso").want(t, 401, "no role")
		if err := h.desk.HostDisable(t.Context(), "olga@host.example", false); err != nil { // barred, and by a person as well
			t.Fatal(err)
		}
		p.User["groups"] = "bosses"
		again.travel(p, "/sign-in/sso").want(t, 401, "You are disabled at the desk")
	})
}

// An address binds nobody, verified or not.
func TestAddressBindsNobody(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.provide(support)
		_, sam := h.signIn("sam", review.Lead)
		p.User["email"] = "SAM@host.example"
		b := h.browser()
		b.travel(p, "/sign-in/sso").want(t, 401, "There is a reviewer with your address already")
		p.User["email_verified"] = false
		b.travel(p, "/sign-in/sso").want(t, 401, "The desk does not know you")
		p.User["email"] = "olga@host.example"
		b.travel(p, "/sign-in/sso").want(t, 401, "The desk does not know you")
		p.User["email_verified"] = true
		p.User["groups"] = "sales"
		b.travel(p, "/sign-in/sso").want(t, 401, "no role")
		if n := h.text(`SELECT count(*) FROM sso_identity`); n != "0" {
			t.Errorf("%s identities", n)
		}
		if n := h.text(`SELECT count(*) FROM reviewer`); n != "1" || sam.ID != 1 {
			t.Errorf("%s reviewers", n)
		}
	})
}

// An invitation binds whom it was meant for. From then on the address is no matter.
func TestInvitationBinds(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.provide(nil)
		token, err := h.desk.Invite(t.Context(), "host", "mia@host.example", "Mia", review.Lead)
		if err != nil {
			t.Fatal(err)
		}
		b := h.browser()
		b.travel(p, "/sign-in/sso").want(t, 401, "The desk does not know you")
		b.travel(p, "/invite/"+token+"/sso").want(t, 401, "This invitation is for another address")
		p.User["email"] = "mia@host.example"
		b.travel(p, "/sign-in/sso").want(t, 401, "The desk does not know you")
		b.get("/invite/"+token).want(t, 200, "continue with Example ID")
		b.travel(p, "/invite/"+token+"/sso").leads(t, "/sign-in/factor")
		b.get("/sign-in/factor").want(t, 200, "Set it up")
		b.get("/invite/"+token).want(t, 404)
		p.User["email"] = "ole@host.example"
		b.travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
		if email := h.text(`SELECT r.email FROM sso_identity i JOIN reviewer r ON r.id = i.reviewer_id`); email != "mia@host.example" {
			t.Errorf("bound to %s", email)
		}
		other, err := h.desk.Invite(t.Context(), "host", "ole@host.example", "Ole", review.Admin)
		if err != nil {
			t.Fatal(err)
		}
		b.travel(p, "/invite/"+other+"/sso").want(t, 401, "belongs to another reviewer")
	})
}

// Without the provider there are the other doors; under "only" there are none.
func TestProviderIsDown(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.provide(nil)
		p.Down = true
		h.browser().get("/sign-in/sso").want(t, 503, "Single sign-on does not answer")
		b, r := h.signIn("rita", review.Lead)
		b.get("/").want(t, 200)
		h.reopen(func(c *review.Config) { c.OnlySSO = true })
		b.client.Transport = direct{h.pages}
		b.get("/").leads(t, "/sign-in")
		page := b.get("/sign-in").want(t, 200, "Continue with Example ID")
		if strings.Contains(page.body, "password") || strings.Contains(page.body, "data-passkey") {
			t.Errorf("other doors on %s", page.main())
		}
		b.post("/sign-in", "email", r.Email, "password", password, "code", h.fresh(r.Holder)).want(t, 401, "single sign-on alone")
		b.post("/sign-in/passkey", "answer", "{}").want(t, 401, "single sign-on alone")
		token, err := h.desk.Invite(t.Context(), "host", "mia@host.example", "Mia", review.Lead)
		if err != nil {
			t.Fatal(err)
		}
		b.get("/invite/"+token).want(t, 200, `/sso">Continue with Example ID`)
		if a := b.post("/invite/"+token, "password", password, "again", password); a.status < 400 {
			t.Errorf("a password is set: %d", a.status)
		}
	})
}

// from is a browser at an address.
func (h *house) from(ip string) *browser {
	b := h.browser()
	b.client.Transport = moved{direct{h.pages}, ip}
	return b
}

type moved struct {
	direct
	ip string
}

func (m moved) RoundTrip(r *http.Request) (*http.Response, error) {
	return direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = m.ip + ":4711"
		m.ServeHTTP(w, r)
	})}.RoundTrip(r)
}

// One network waits after sixty knocks at the doors, no other does, and no
// network makes the provider work for it without end.
func TestDoors(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.provide(support)
		h.signIn("ada", review.Admin)
		for _, path := range []string{"/sign-in/sso", "/sign-in/sso/callback?code=x&state=y", "/sign-in/passkey", "/invite/x/sso"} {
			b, other := h.from("203.0.113.9"), h.from("203.0.114.9")
			for i := range 60 {
				if a := b.get(path); a.status == http.StatusTooManyRequests {
					t.Fatalf("%s: waits at knock %d", path, i)
				}
			}
			asked := p.Asked
			a := h.from("203.0.113.77").get(path).want(t, 429, "Too many tries from your network. Wait 1m10s")
			if a.header.Get("Retry-After") != "70" || p.Asked != asked {
				t.Errorf("%s: Retry-After %q, the provider was asked %d times more", path, a.header.Get("Retry-After"), p.Asked-asked)
			}
			b.post("/sign-in/passkey", "answer", "{}").want(t, 429, "Too many tries")
			if a := other.get(path); a.status == 429 {
				t.Errorf("%s: another network waits as well", path)
			}
			b.get("/sign-in").want(t, 200)
			time.Sleep(70 * time.Second)
			if a := b.get(path); a.status == 429 {
				t.Errorf("%s: it waits longer than it says", path)
			}
			time.Sleep(2 * time.Minute)
		}
		// One reviewer begins twenty times, from wherever.
		for i := range 20 {
			h.from("198.51."+string(rune('1'+i%9))+".9").travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
		}
		h.from("192.0.2.9").travel(p, "/sign-in/sso").want(t, 429, "Too many tries. Wait 15m0s")
		time.Sleep(15 * time.Minute)
		h.from("192.0.2.9").travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
	})
}
