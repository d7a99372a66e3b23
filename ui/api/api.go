// Package api is the JSON API of the desk, /api/v1, for control panels in any
// language. Its reference for people is docs/api.md, for machines openapi.json,
// which it serves itself.
//
// Every request passes one table of routes. A handler parses, makes one call on
// the desk or its book of second factors, and names what to answer; keys, scopes,
// limits, repeats and problems are the business of the frame around it.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/resetdesk/resetdesk/review"
)

// Prefix is where the API is mounted.
const Prefix = "/api/v1"

// Config is what the API needs.
type Config struct {
	Desk *review.Desk
	// BaseURL is where panels reach the server, as people do: a request for
	// another Host is refused.
	BaseURL string
	Log     *slog.Logger   // default: discard
	Trusted []netip.Prefix // proxies whose X-Forwarded-For counts
	Rate    int            // requests a second of one key, default 100; twice as many at once
}

// A server is the running API.
type server struct {
	Config
	host, scheme string
	mux          *http.ServeMux
	keys         *limiter[int64]      // requests of each key
	strangers    *limiter[netip.Addr] // refused requests of each address
	busy         inProgress
	importing    chan struct{} // held by the one import
}

// New returns the API. It serves paths that begin with [Prefix].
func New(c Config) (http.Handler, error) {
	base, err := url.Parse(c.BaseURL)
	if c.Desk == nil || err != nil || base.Host == "" {
		return nil, fmt.Errorf("open API: a desk and a base URL are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Rate <= 0 {
		c.Rate = 100
	}
	s := &server{Config: c, scheme: base.Scheme, mux: http.NewServeMux(),
		keys: newLimiter[int64](float64(c.Rate), 2*c.Rate), strangers: newLimiter[netip.Addr](0.2, 20), importing: make(chan struct{}, 1)}
	s.host = plainHost(base.Host, base.Scheme)
	paths := map[string]*resource{}
	for _, r := range routes {
		if paths[r.path] == nil {
			paths[r.path] = &resource{server: s, routes: map[string]route{}}
			s.mux.Handle(Prefix+r.path, paths[r.path])
		}
		paths[r.path].routes[r.method] = r
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, errNoRoute) })
	return s.frame(s.clientIP(http.HandlerFunc(s.dispatch))), nil
}

// plainHost lowers a host and drops the default port of the scheme.
func plainHost(host, scheme string) string {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// frame is what every answer has, and what becomes of a panic.
func (s *server) frame(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if s.scheme == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.refuse(w, r, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *server) clientIP(next http.Handler) http.Handler {
	if len(s.Trusted) == 0 {
		return middleware.ClientIPFromRemoteAddr(next)
	}
	var prefixes []string
	for _, p := range s.Trusted {
		prefixes = append(prefixes, p.String())
	}
	return middleware.ClientIPFromXFF(prefixes...)(next)
}

// address is where a request came from, as far as trusted proxies tell. Where they
// all are trusted, the nearest one is who asks; behind a header that cannot be read
// it is nobody, who is in no network.
func address(r *http.Request) netip.Addr {
	if a := middleware.GetClientIPAddr(r.Context()); a.IsValid() {
		return a
	}
	for _, hop := range strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",") {
		if _, err := netip.ParseAddr(strings.TrimSpace(hop)); err != nil && hop != "" {
			return netip.Addr{}
		}
	}
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}

// dispatch finds the resource. A path is taken as it stands: a cleaned one would
// be another.
func (s *server) dispatch(w http.ResponseWriter, r *http.Request) {
	p := r.URL.EscapedPath()
	switch {
	case plainHost(r.Host, s.scheme) != s.host:
		s.refuse(w, r, errOtherHost)
	case path.Clean(p) != p:
		s.refuse(w, r, errNoRoute)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// A resource is the routes of one path, by method.
type resource struct {
	*server
	routes map[string]route
}

func (x *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	t, ok := x.routes[method]
	if !ok {
		var allow []string
		for m := range x.routes {
			allow = append(allow, m)
		}
		w.Header().Set("Allow", strings.Join(sorted(allow), ", "))
		x.refuse(w, r, errNoMethod)
		return
	}
	if t.page != nil {
		t.page(x.server, w, r)
		return
	}
	a, err := x.serve(w, r, t)
	if err == nil {
		err = a.write(w, r)
	}
	if err != nil {
		x.refuse(w, r, err)
	}
}

// serve lets a request through its gates in their order: who, from where, what
// for, how often, what it carries; and whether it was answered before.
func (s *server) serve(w http.ResponseWriter, r *http.Request, t route) (answer, error) {
	key, err := s.admit(r, t.scope)
	if err != nil {
		return answer{}, err
	}
	r = r.WithContext(review.WithOrigin(r.Context(), review.Origin{IP: address(r).String(), Request: rand.Text()[:8]}))
	c := &call{Request: r, key: key}
	if err := c.checkQuery(t.query); err != nil {
		return answer{}, err
	}
	if t.stream {
		return t.serve(s, c.streaming(w))
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if err := c.readBody(w); err != nil {
			return answer{}, err
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return t.serve(s, c)
	}
	// The act goes on when the caller hangs up: half of the time it is done already.
	c.Request = r.WithContext(context.WithoutCancel(r.Context()))
	return s.once(c, func() (answer, error) { return t.serve(s, c) })
}

// admit checks the key, its network, its scope and its pace.
func (s *server) admit(r *http.Request, scope review.Scope) (review.APIKey, error) {
	from := address(r)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110 11.1: in any letter case
		token = ""
	}
	key, err := s.Desk.APIKey(r.Context(), strings.TrimSpace(token))
	if review.KindOf(err) == review.Denied {
		if wait := s.strangers.take(neighbourhood(from)); wait > 0 {
			return key, tooFast(wait)
		}
		s.Log.Warn("a request to the API had no live key", "method", r.Method, "route", r.Pattern)
		return key, errNoKey
	}
	if err != nil {
		return key, err
	}
	if !key.Admits(from) {
		s.Log.Warn("an API key was used from an address that it does not allow", "key", key.ID)
		return key, errAddress
	}
	if !key.Has(scope) {
		return key, missingScope(scope)
	}
	if wait := s.keys.take(key.ID); wait > 0 {
		return key, tooFast(wait)
	}
	return key, nil
}

// neighbourhood is what counts as one stranger: an address, or the network of an
// IPv6 host, who has as many addresses as she likes.
func neighbourhood(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// explain turns what a handler returns into a problem. Errors that are not meant
// for the caller become one with a reference.
func (s *server) explain(r *http.Request, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if p = fromDesk(err); p != nil {
		return p
	}
	if p = fromBook(err); p != nil {
		return p
	}
	return s.internal(r, err)
}
