package ui

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/resetdesk/resetdesk/review"
)

// bodyLimit is the most that a form may carry, in bytes.
const bodyLimit = 64 << 10

// policy is the Content-Security-Policy of every answer.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// harden sets the headers that every answer carries.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func (s *site) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		if s.secure {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// lastOfItsConnection ends the connection behind a body in chunks. Where a proxy in
// front read the request otherwise than we do, what it took for the rest of the body
// would be our next request, and a stranger's. Such a request may have had a
// Content-Length as well, which RFC 9112 6.3 wants answered so; net/http drops it
// unseen. Browsers send no form in chunks.
func lastOfItsConnection(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}

// ourHost answers 421 to a Host that is not the base URL's: behind a wildcard
// name, or by DNS rebinding, a stranger's page could otherwise speak to us as
// its own origin. The health check is asked by address and says nothing.
func (s *site) ourHost(next http.Handler) http.Handler {
	scheme := "http"
	if s.secure {
		scheme = "https"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" && plainHost(r.Host, scheme) != s.host {
			s.fail(w, r, errOtherHost)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what a page of another site sends. The library takes http for
// https where a browser is too old to say Sec-Fetch-Site: whoever is on the way could
// then speak with a page of his own at http.
func (s *site) sameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	deny := func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errOtherSite) }
	p.SetDenyHandler(http.HandlerFunc(deny))
	return p.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.secure && strings.HasPrefix(r.Header.Get("Origin"), "http:") {
			deny(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// limited caps the body of every request. One page takes a file, and reads it only
// from those who may send one. Nothing is unpacked: what says that it is packed is
// refused unread.
func (s *site) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most := int64(bodyLimit)
		if r.URL.Path == uploadPath {
			most += uploadLimit
		}
		if r.Header.Get("Content-Encoding") != "" {
			s.fail(w, r, errFormType)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into the page of an internal error. What was written
// before it stands: pages are written whole.
func (s *site) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.fail(w, r, panicked{v, debug.Stack()})
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *site) clientIP(next http.Handler) http.Handler {
	if len(s.Trusted) == 0 {
		return middleware.ClientIPFromRemoteAddr(next)
	}
	var prefixes []string
	for _, p := range s.Trusted {
		prefixes = append(prefixes, p.String())
	}
	return middleware.ClientIPFromXFF(prefixes...)(next)
}

// ip is the address the request came from, as far as trusted proxies tell.
func ip(r *http.Request) string {
	if a := middleware.GetClientIP(r.Context()); a != "" {
		return a
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return host
}

// origin lets the audit say from where, and in which request, an act came.
func origin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := review.Origin{IP: ip(r), Request: rand.Text()[:8]}
		next.ServeHTTP(w, r.WithContext(review.WithOrigin(r.Context(), o)))
	})
}

type reviewerKey struct{}

// withReviewer lets the top bar of every page, error pages too, name who is
// signed in.
func withReviewer(r *http.Request, who review.Reviewer) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), reviewerKey{}, who))
}

func reviewerOf(r *http.Request) review.Reviewer {
	who, _ := r.Context().Value(reviewerKey{}).(review.Reviewer)
	return who
}
