package sso_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/sso"
	"github.com/resetdesk/resetdesk/ui/sso/ssotest"
)

const desk = "https://reset.example"

// open starts a provider on a socket, and the desk's side of it.
func open(t *testing.T, change func(*sso.Config)) (*ssotest.Provider, *sso.Provider) {
	t.Helper()
	p, err := ssotest.New("", map[string]any{"sub": "u-1", "email": "rita@host.example", "email_verified": true, "name": "Rita", "groups": []string{"support", "leads"}, "acr": "phr", "amr": []string{"hwk", "mfa"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.Issuer = server.URL
	c := sso.Config{Issuer: server.URL, ClientID: ssotest.ClientID, Secret: func() (string, error) { return ssotest.Secret, nil }, BaseURL: desk,
		Roles: map[string]review.Role{"support": review.Decider, "leads": review.Lead, "bosses": review.Admin}}
	if change != nil {
		change(&c)
	}
	o, err := sso.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p, o
}

// fetch goes to the provider as a browser does and returns what it brings back.
func fetch(t *testing.T, to string) url.Values {
	t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := c.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	back, err := a.Location()
	if err != nil || !strings.HasPrefix(back.String(), desk+"/sign-in/sso/callback?") {
		t.Fatalf("the provider answers %d to %v: %v", a.StatusCode, back, err)
	}
	return back.Query()
}

// travel is a whole trip.
func travel(t *testing.T, o *sso.Provider) (review.Identity, error) {
	t.Helper()
	to, trip, err := o.Begin(t.Context(), "/audit", "")
	if err != nil {
		return review.Identity{}, err
	}
	id, _, err := o.Finish(t.Context(), trip.String(), fetch(t, to))
	return id, err
}

func TestTrip(t *testing.T) {
	want := review.Identity{Subject: "u-1", Email: "rita@host.example", Verified: true, Name: "Rita", Governed: true, Role: review.Lead}
	for name, lie := range map[string]func(*ssotest.Provider){
		"whole token": func(*ssotest.Provider) {},
		"thin token":  func(p *ssotest.Provider) { p.Thin = true },
		"old":         func(p *ssotest.Provider) { p.NoISS = true },
		"two audiences": func(p *ssotest.Provider) {
			p.Claims = func(c map[string]any) { c["aud"], c["azp"] = []string{ssotest.ClientID, "x"}, ssotest.ClientID }
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := open(t, nil)
			lie(p)
			want := want
			want.Issuer = p.Issuer
			if id, err := travel(t, o); err != nil || id != want {
				t.Errorf("%+v, %v", id, err)
			}
			if v := p.Exchange[0].Get("code_verifier"); len(v) < 43 {
				t.Errorf("the verifier has %d characters", len(v))
			}
		})
	}
}

// Every answer that is not right is refused, and by the right cause.
func TestRefused(t *testing.T) {
	claim := func(k string, v any) func(*ssotest.Provider) {
		return func(p *ssotest.Provider) { p.Claims = func(c map[string]any) { c[k] = v } }
	}
	back := func(k, v string) func(*ssotest.Provider) {
		return func(p *ssotest.Provider) { p.Redirect = func(q url.Values) { q.Set(k, v) } }
	}
	sign := func(f func(p *ssotest.Provider, text []byte) string) func(*ssotest.Provider) {
		return func(p *ssotest.Provider) { p.Sign = f }
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for name, c := range map[string]struct {
		lie   func(*ssotest.Provider)
		cause string
	}{
		"nonce":       {claim("nonce", "another"), "the nonce"},
		"no nonce":    {claim("nonce", nil), "the nonce"},
		"audience":    {claim("aud", "another"), "expected audience"},
		"for another": {claim("aud", []string{ssotest.ClientID, "x"}), "made for"},
		"azp of another": {func(p *ssotest.Provider) {
			p.Claims = func(c map[string]any) { c["aud"], c["azp"] = []string{ssotest.ClientID, "x"}, "x" }
		}, "made for"},
		"issuer":       {claim("iss", "https://evil.example"), "different provider"},
		"expired":      {claim("exp", time.Now().Add(-time.Minute).Unix()), "expired"},
		"no expiry":    {claim("exp", 0), "expired"},
		"not yet":      {claim("nbf", time.Now().Add(time.Hour).Unix()), "before the nbf"},
		"acr":          {claim("acr", "pwd"), "acr"},
		"no acr":       {claim("acr", nil), "acr"},
		"amr":          {claim("amr", []string{"pwd"}), "amr"},
		"no amr":       {claim("amr", nil), "amr"},
		"state":        {back("state", "another"), "the state"},
		"no state":     {back("state", ""), "the state"},
		"mix-up":       {back("iss", "https://evil.example"), "of the issuer"},
		"iss left out": {back("iss", ""), "of the issuer"},
		"said no": {func(p *ssotest.Provider) {
			p.Redirect = func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
		}, "access_denied"},
		"code of nobody": {back("code", "x"), "invalid_grant"},
		"alg none": {sign(func(_ *ssotest.Provider, text []byte) string {
			return b64([]byte(`{"alg":"none"}`)) + "." + b64(text) + "."
		}), "malformed jwt"},
		"HS256 with the public key": {sign(func(p *ssotest.Provider, text []byte) string {
			return ssotest.SignWith(p.PublicPEMLike(), jose.HS256, p.KeyID(), text)
		}), "unexpected signature algorithm"},
		"HS256 with the secret": {sign(func(p *ssotest.Provider, text []byte) string {
			return ssotest.SignWith([]byte(strings.Repeat(ssotest.Secret, 4)), jose.HS256, p.KeyID(), text)
		}), "unexpected signature algorithm"},
		"a stranger's key": {sign(func(p *ssotest.Provider, text []byte) string {
			return ssotest.SignWith(stranger, jose.RS256, p.KeyID(), text)
		}), "verify signature"},
		"unknown kid": {sign(func(_ *ssotest.Provider, text []byte) string {
			return ssotest.SignWith(stranger, jose.RS256, "nobody", text)
		}), "verify signature"},
		"no token": {sign(func(*ssotest.Provider, []byte) string { return "" }), "malformed jwt"},
		"somebody else": {func(p *ssotest.Provider) {
			p.Thin, p.Info = true, map[string]any{"sub": "u-2", "email": "boss@host.example"}
			p.Claims = proved
		}, "somebody else"},
		"groups of another": {func(p *ssotest.Provider) {
			p.Thin, p.Info = true, map[string]any{"sub": "u-2", "groups": "bosses"}
			p.Claims = proved
		}, "somebody else"},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := open(t, func(c *sso.Config) { c.ACR, c.AMR = []string{"phr", "phrh"}, []string{"mfa"} })
			if _, err := travel(t, o); err != nil {
				t.Fatalf("without the lie: %v", err)
			}
			c.lie(p)
			id, err := travel(t, o)
			if !errors.Is(err, sso.ErrRefused) || !strings.Contains(err.Error(), c.cause) || id != (review.Identity{}) {
				t.Errorf("%+v, %v; want %q", id, err, c.cause)
			}
		})
	}
}

// proved adds what the thin token has to say.
func proved(c map[string]any) { c["acr"], c["amr"] = "phr", []string{"mfa"} }

// A trip is good once, in its own browser, and not for ever.
func TestReplay(t *testing.T) {
	p, o := open(t, nil)
	begin := func() (string, url.Values) {
		to, trip, err := o.Begin(t.Context(), "/", "")
		if err != nil {
			t.Fatal(err)
		}
		return trip.String(), fetch(t, to)
	}
	refused := func(what, cookie string, q url.Values) {
		t.Helper()
		if _, _, err := o.Finish(t.Context(), cookie, q); !errors.Is(err, sso.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	one, first := begin()
	if _, _, err := o.Finish(t.Context(), one, first); err != nil {
		t.Fatal(err)
	}
	refused("the same way back again", one, first)
	two, second := begin()
	refused("the way back of another trip", one, second)
	swapped := url.Values{"code": second["code"], "state": first["state"], "iss": first["iss"]}
	refused("the code of another trip: PKCE", one, swapped)
	three, third := begin()
	p.Forgetful = true
	refused("the code of another trip at a provider that forgets PKCE: nonce", three, url.Values{"code": first["code"], "state": third["state"], "iss": third["iss"]})
	four, fourth := begin()
	refused("that, with a code that is alive", four, url.Values{"code": third["code"], "state": fourth["state"], "iss": fourth["iss"]})
	refused("without a cookie", "", second)
	refused("with a cookie of chance", "e30", second)
	_ = two
	_, trip, err := o.Begin(t.Context(), "/", "")
	if err != nil {
		t.Fatal(err)
	}
	trip.Ends = time.Now().Add(-time.Second).Unix()
	refused("too late", trip.String(), url.Values{"state": {trip.State}, "code": {"x"}, "iss": {p.Issuer}})
}

// The provider itself refuses a code without its verifier, so that the tests of
// it mean something.
func TestProviderWantsPKCE(t *testing.T) {
	p, o := open(t, nil)
	to, trip, err := o.Begin(t.Context(), "/", "")
	if err != nil {
		t.Fatal(err)
	}
	back := fetch(t, to)
	trip.Verifier = "another-verifier-another-verifier-another-verifier"
	if _, _, err := o.Finish(t.Context(), trip.String(), back); !errors.Is(err, sso.ErrRefused) || len(p.Exchange) != 1 {
		t.Errorf("%v after %d exchanges", err, len(p.Exchange))
	}
	u, _ := url.Parse(to)
	if q := u.Query(); q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("scope") != "openid profile email" {
		t.Errorf("asked with %v", q)
	}
}

func TestKeyRotation(t *testing.T) {
	p, o := open(t, nil)
	for range 3 {
		if _, err := travel(t, o); err != nil {
			t.Fatal(err)
		}
		if err := p.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
}

// A provider that does not answer is not asked by everybody in turn, and works
// again when it does.
func TestProviderDown(t *testing.T) {
	p, o := open(t, nil)
	p.Down = true
	for range 10 {
		if _, err := travel(t, o); !errors.Is(err, sso.ErrDown) {
			t.Fatalf("down: %v", err)
		}
	}
	if p.Asked != 1 {
		t.Errorf("it was asked %d times", p.Asked)
	}
	_, o = func() (*ssotest.Provider, *sso.Provider) {
		again, err := sso.New(sso.Config{Issuer: p.Issuer, ClientID: ssotest.ClientID, Secret: func() (string, error) { return ssotest.Secret, nil }, BaseURL: desk})
		if err != nil {
			t.Fatal(err)
		}
		return p, again
	}()
	p.Down = false
	if _, err := travel(t, o); err != nil {
		t.Fatal(err)
	}
	p.Down = true
	to, trip, err := o.Begin(t.Context(), "/", "")
	if err != nil || to == "" {
		t.Fatal("what it said before does not do", err)
	}
	if _, _, err := o.Finish(t.Context(), trip.String(), url.Values{"state": {trip.State}, "code": {"x"}, "iss": {p.Issuer}}); !errors.Is(err, sso.ErrDown) && !errors.Is(err, sso.ErrRefused) {
		t.Errorf("down on the way back: %v", err)
	}
	p.Down = false
	p.Issuer = "https://other.example"
	other, err := sso.New(sso.Config{Issuer: o.Issuer, ClientID: "x", BaseURL: desk})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := travel(t, other); !errors.Is(err, sso.ErrDown) || !strings.Contains(err.Error(), "did not match") {
		t.Errorf("a provider that calls itself otherwise: %v", err)
	}
}

// The most entitled group counts, and none gives nothing.
func TestRoles(t *testing.T) {
	for name, c := range map[string]struct {
		groups any
		want   review.Role
	}{
		"list": {[]string{"support", "bosses", "leads"}, review.Admin}, "one text": {"support", review.Decider}, "unmapped": {[]string{"sales"}, ""},
		"none": {nil, ""}, "numbers": {[]int{1}, ""}, "an object": {map[string]string{"support": "support"}, ""}, "other case": {"Support", ""},
	} {
		p, o := open(t, nil)
		p.User["groups"] = c.groups
		if id, err := travel(t, o); err != nil || id.Role != c.want || !id.Governed {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// What a browser brings back is anybody's input.
func FuzzFinish(f *testing.F) {
	o, err := sso.New(sso.Config{Issuer: "http://127.0.0.1:1", ClientID: "x", BaseURL: desk})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("e30", "code=x&state=y")
	f.Add(sso.Trip{State: "s", Nonce: "n", Verifier: "v", Ends: 1}.String(), "state=s")
	f.Fuzz(func(t *testing.T, cookie, query string) {
		q, _ := url.ParseQuery(query)
		if id, _, err := o.Finish(t.Context(), cookie, q); err == nil {
			t.Errorf("signed in as %+v", id)
		}
	})
}
