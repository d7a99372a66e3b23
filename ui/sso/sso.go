// Package sso asks a provider of OpenID Connect who somebody is: the code flow
// with state, nonce and PKCE (OpenID Connect Core 3.1, RFC 9700). It keeps
// nothing between the way out and the way back but a [Trip] in the browser's own
// cookie, and decides nothing: what an identity may do is the desk's to say.
package sso

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/resetdesk/resetdesk/review"
	"golang.org/x/oauth2"
)

// Config says who the provider is and what its groups mean here.
type Config struct {
	Name     string // on the button; default: the host of the issuer
	Issuer   string // exactly as in the tokens
	ClientID string
	Secret   func() (string, error) // read at each sign-in
	BaseURL  string                 // of the desk
	Scopes   []string               // beside openid; default: profile, email
	// GroupsClaim names the claim with the groups, Roles what a group makes of
	// somebody; the most entitled one counts. Without Roles the desk says who is
	// what, and nobody comes in who was not invited.
	GroupsClaim string
	Roles       map[string]review.Role
	// ACR and AMR, if there are any: one of them must be in the token.
	ACR, AMR []string
	Client   *http.Client // default: one with a timeout of ten seconds
}

// ErrDown: the provider does not answer.
var ErrDown = errors.New("the provider of single sign-on does not answer")

// ErrRefused: the way back is not right, or the provider said no. What exactly is
// in the error's text, for the log.
var ErrRefused = errors.New("single sign-on was refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

// A Provider is a configured provider. Safe for concurrent use.
type Provider struct {
	Config
	mu    sync.Mutex
	known *metadata // nil until it answered once
	asked time.Time // when it was asked last
	err   error     // what came of that
}

// metadata is what the provider says of itself.
type metadata struct {
	*oidc.Provider
	NamesItself bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 3
	UserInfo    string   `json:"userinfo_endpoint"`
	Auth        []string `json:"token_endpoint_auth_methods_supported"`
}

// What the provider says of itself is asked anew after a day. One that did not
// answer is left alone for a moment, so that a crowd at the door does not wait in
// a line, each for the whole timeout.
const (
	metadataLifetime = 24 * time.Hour
	discoveryPause   = 5 * time.Second
)

// New checks a configuration. It asks nobody anything.
func New(c Config) (*Provider, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("single sign-on: the issuer %q must be like https://id.example.net", c.Issuer)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("single sign-on: the issuer %q must be https; plain http is for loopback only", c.Issuer)
	}
	if c.ClientID == "" {
		return nil, errors.New("single sign-on: a client ID is needed")
	}
	if len(c.Roles) > 0 && c.GroupsClaim == "" {
		c.GroupsClaim = "groups"
	}
	if c.Name == "" {
		c.Name = u.Hostname()
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"profile", "email"}
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 10 * time.Second}
	}
	bounded := *c.Client
	bounded.Transport = small{cmp.Or[http.RoundTripper](bounded.Transport, http.DefaultTransport)}
	bounded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &bounded
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	return &Provider{Config: c}, nil
}

func loopback(name string) bool {
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// small bounds every answer of the provider: the libraries read them whole.
type small struct{ http.RoundTripper }

func (t small) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(a.Body, 1<<20), a.Body}
	}
	return a, err
}

// discover asks the provider for its addresses. The first visitor's leaving does
// not fail those who wait with him.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := time.Since(p.asked)
	switch {
	case p.known != nil && since < metadataLifetime, p.known != nil && p.err != nil && since < discoveryPause:
		return p.known, nil
	case p.err != nil && since < discoveryPause:
		return nil, p.err
	}
	var m metadata
	m.Provider, p.err = oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.Client), p.Issuer)
	if p.err == nil {
		p.err = m.Claims(&m)
	}
	p.asked = time.Now()
	if p.err == nil {
		p.known = &m
		return p.known, nil
	}
	p.err = fmt.Errorf("%w: %.300s", ErrDown, p.err.Error())
	if p.known != nil { // what it said before may still do
		return p.known, nil
	}
	return nil, p.err
}

func (p *Provider) flow(ctx context.Context) (*metadata, *oauth2.Config, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return nil, nil, err
	}
	c := &oauth2.Config{ClientID: p.ClientID, Endpoint: found.Endpoint(), RedirectURL: p.BaseURL + "/sign-in/sso/callback",
		Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}
	if p.Secret != nil {
		if c.ClientSecret, err = p.Secret(); err != nil {
			return nil, nil, fmt.Errorf("single sign-on: %w", err)
		}
	}
	// To guess the style would spend the code on the first guess.
	c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.ClientSecret == "" || slices.Contains(found.Auth, "client_secret_post") && !slices.Contains(found.Auth, "client_secret_basic") {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return found, c, nil
}

// A Trip is what the browser carries in a cookie until it comes back.
type Trip struct {
	State, Nonce, Verifier string
	Next                   string // the page to go to
	Invitation             string // the token of the link that began it, "" if none did
	Ends                   int64  // Unix time
}

// tripLifetime is how long somebody may take at the provider.
const tripLifetime = 10 * time.Minute

// String packs a trip into a cookie.
func (t Trip) String() string {
	text, _ := json.Marshal(t) // a struct of strings
	return base64.RawURLEncoding.EncodeToString(text)
}

func readTrip(cookie string) (Trip, error) {
	var t Trip
	text, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || json.Unmarshal(text, &t) != nil || t.State == "" || t.Nonce == "" || t.Verifier == "" {
		return t, refuse("no trip was begun in this browser")
	}
	if time.Now().Unix() > t.Ends {
		return t, refuse("the trip took too long")
	}
	return t, nil
}

func chance() string {
	b := make([]byte, 24)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Begin returns where to send the browser, and the trip for its cookie.
func (p *Provider) Begin(ctx context.Context, next, invitation string) (to string, t Trip, err error) {
	_, c, err := p.flow(ctx)
	if err != nil {
		return "", t, err
	}
	t = Trip{State: chance(), Nonce: chance(), Verifier: oauth2.GenerateVerifier(), Next: next, Invitation: invitation, Ends: time.Now().Add(tripLifetime).Unix()}
	options := []oauth2.AuthCodeOption{oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)}
	if len(p.ACR) > 0 {
		options = append(options, oauth2.SetAuthURLParam("acr_values", strings.Join(p.ACR, " ")))
	}
	return c.AuthCodeURL(t.State, options...), t, nil
}

// claims are what we read of a token.
type claims struct {
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Name          string   `json:"name"`
	ACR           string   `json:"acr"`
	AMR           []string `json:"amr"`
	AZP           string   `json:"azp"`
}

// Finish checks the way back against the cookie and returns who it is.
func (p *Provider) Finish(ctx context.Context, cookie string, query url.Values) (review.Identity, Trip, error) {
	t, err := readTrip(cookie)
	if err != nil {
		return review.Identity{}, t, err
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(t.State)) != 1 {
		return review.Identity{}, t, refuse("the state is another one")
	}
	found, c, err := p.flow(ctx)
	if err != nil {
		return review.Identity{}, t, err
	}
	// Whoever else answers is a mix-up (RFC 9207 2.4).
	if iss := query.Get("iss"); iss != p.Issuer && (iss != "" || found.NamesItself) {
		return review.Identity{}, t, refuse("the answer is of the issuer %q", iss)
	}
	if e := query.Get("error"); e != "" {
		return review.Identity{}, t, refuse("the provider says %q", e)
	}
	ctx = oidc.ClientContext(ctx, p.Client)
	tokens, err := c.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(t.Verifier))
	var said *oauth2.RetrieveError
	switch {
	case errors.As(err, &said):
		return review.Identity{}, t, refuse("the code was not taken: %s", said.ErrorCode)
	case err != nil:
		return review.Identity{}, t, fmt.Errorf("%w: %w", ErrDown, err)
	}
	id, err := p.identify(ctx, found, tokens, t.Nonce)
	return id, t, err
}

func (p *Provider) identify(ctx context.Context, found *metadata, tokens *oauth2.Token, nonce string) (review.Identity, error) {
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return review.Identity{}, refuse("there is no ID token")
	}
	token, err := found.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return review.Identity{}, refuse("%w", err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return review.Identity{}, refuse("the nonce is another one")
	}
	var c claims
	var all map[string]any
	if err := errors.Join(token.Claims(&c), token.Claims(&all)); err != nil {
		return review.Identity{}, refuse("the claims cannot be read: %w", err)
	}
	switch {
	case len(token.Audience) > 1 && c.AZP != p.ClientID:
		return review.Identity{}, refuse("the token was made for %q", c.AZP)
	case len(p.ACR) > 0 && !slices.Contains(p.ACR, c.ACR):
		return review.Identity{}, refuse("acr %q is not enough", c.ACR)
	case len(p.AMR) > 0 && !slices.ContainsFunc(p.AMR, func(m string) bool { return slices.Contains(c.AMR, m) }):
		return review.Identity{}, refuse("amr %q is not enough", c.AMR)
	}
	if err := p.complete(ctx, found, tokens, token.Subject, &c, all); err != nil {
		return review.Identity{}, err
	}
	return review.Identity{Issuer: token.Issuer, Subject: token.Subject, Email: c.Email, Verified: c.EmailVerified, Name: c.Name,
		Governed: len(p.Roles) > 0, Role: p.role(all[p.GroupsClaim])}, nil
}

// complete asks for what a thin ID token leaves out: the address and the groups.
// How somebody signed in is believed of the ID token alone.
func (p *Provider) complete(ctx context.Context, found *metadata, tokens *oauth2.Token, subject string, c *claims, all map[string]any) error {
	_, groups := all[p.GroupsClaim]
	if found.UserInfo == "" || c.Email != "" && (groups || len(p.Roles) == 0) {
		return nil
	}
	info, err := found.Provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("%w: %.300s", ErrDown, err.Error())
	}
	if info.Subject != subject { // OpenID Connect Core 5.3.2
		return refuse("the user information is of somebody else")
	}
	var more map[string]any
	if err := info.Claims(&more); err != nil {
		return refuse("the user information cannot be read: %w", err)
	}
	if c.Email == "" {
		c.Email, c.EmailVerified = info.Email, info.EmailVerified
	}
	if name, ok := more["name"].(string); ok && c.Name == "" {
		c.Name = name
	}
	if !groups {
		all[p.GroupsClaim] = more[p.GroupsClaim]
	}
	return nil
}

// role is the most entitled one that the groups of a claim give, "" for none.
func (p *Provider) role(claim any) review.Role {
	var groups []string
	switch v := claim.(type) {
	case string:
		groups = []string{v}
	case []any:
		for _, g := range v {
			if name, ok := g.(string); ok {
				groups = append(groups, name)
			}
		}
	}
	var best review.Role
	for _, row := range review.Roles { // from the least to the most entitled
		for _, g := range groups {
			if p.Roles[g] == row.Role {
				best = row.Role
			}
		}
	}
	return best
}
