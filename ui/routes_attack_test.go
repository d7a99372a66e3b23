package ui_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// No other site makes a browser of the desk do anything: not by any route, and
// whatever of the headers of a request it can choose.
func TestNoRouteObeysAnotherSite(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		targets, number := h.targets()
		before, cells := h.dump(), newTally(t, "cross-site requests")
		for _, x := range targets {
			if x.method != "POST" {
				continue
			}
			for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
				{"Origin", "https://reset.example.evil.example"}, {"Origin", "https://reset.example:8443"}, {"Origin", "http://reset.example"}} {
				q := rita.request("POST", x.path, everything(number, code(t, h.phone[r.Holder], nextStep())))
				q.Header.Del("Sec-Fetch-Site")
				q.Header.Set(header[0], header[1])
				if a := rita.do(q); a.status != http.StatusForbidden {
					cells.errorf("%s with %s: %d", x.route, header, a.status)
				}
				cells.ask(x.route, "admin", header[0]+header[1])
			}
		}
		if h.dump() != before {
			cells.errorf("a request from another site changed the database")
		}
		cells.end(400)
	})
}

// Neither a name that the visitor wrote nor a proxy's header moves the desk: what is
// not asked by its own name is refused, and no other name is in any answer.
func TestNoRouteBelievesAnotherHost(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		targets, number := h.targets()
		before, cells := h.dump(), newTally(t, "other hosts")
		for _, x := range targets {
			for _, host := range []string{"evil.example", "reset.example.", "reset.example@evil.example", "reset.example, evil.example", "[::1]", "reset.example:80", ""} {
				if x.path == "/healthz" {
					continue
				}
				q := rita.request(x.method, x.path, everything(number, ""))
				if q.Host = host; host == "" {
					q.Host = " "
				}
				q.Header.Set("X-Forwarded-Host", "reset.example")
				if a := rita.do(q); a.status != http.StatusMisdirectedRequest {
					cells.errorf("%s at %q: %d", x.route, host, a.status)
				}
				cells.ask(x.route, "admin", host)
			}
			if x.method == "GET" {
				q := rita.request("GET", x.path, nil)
				for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Server", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"} {
					q.Header.Set(name, "host=evil.example")
				}
				a := rita.do(q)
				if strings.Contains(a.body, "evil.example") || strings.Contains(a.header.Get("Location"), "evil") {
					cells.errorf("%s takes a name from a header", x.route)
				}
				cells.ask(x.route, "admin", "headers of a proxy")
			}
		}
		if h.dump() != before {
			cells.errorf("a request for another host changed the database")
		}
		cells.end(900)
	})
}

// GET, HEAD and everything that is no POST changes nothing, whatever its query, its
// body and its headers say.
func TestNoRouteActsButByPost(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		targets, number := h.targets()
		form := everything(number, code(t, h.phone[r.Holder], nextStep()))
		before, cells := h.dump(), newTally(t, "other methods")
		for _, x := range targets {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "QUERY"} {
				q := rita.request(method, x.path+"?"+form.Encode(), form)
				q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
					q.Header.Set(name, "POST")
				}
				if x.path == "/events" {
					ctx, stop := timeout(t)
					defer stop()
					q = q.WithContext(ctx)
				}
				a := rita.do(q)
				if method != "GET" && method != "HEAD" && a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotFound {
					cells.errorf("%s asked by %s: %d", x.route, method, a.status)
				}
				if a.status >= 500 {
					cells.errorf("%s asked by %s: %d", x.route, method, a.status)
				}
				cells.ask(x.route, "admin", method)
			}
			if h.dump() != before {
				t.Fatalf("%s was changed by something that is no POST", x.route)
			}
		}
		cells.end(1000)
	})
}

func timeout(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), time.Second)
}
