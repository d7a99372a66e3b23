package ui

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/httprate"
	"github.com/resetdesk/resetdesk/review"
)

// doorRate is how often a minute one network may knock at the doors where nobody
// is known yet and no password makes a try expensive: passkeys and single sign-on.
const doorRate = 60

// doorWait is after how long a network may knock again: the count is of a window
// that slides, so a moment more than the minute.
const doorWait = 70 * time.Second

// door bounds what strangers can have done by a route: the desk's work, and what
// the provider of single sign-on is asked. All routes share the count.
func (s *site) door() func(page) page {
	limit := httprate.NewRateLimiter(doorRate, time.Minute, httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
	return func(next page) page {
		return func(w http.ResponseWriter, r *http.Request, who review.Session) error {
			if limit.OnLimit(w, r, networkOf(ip(r))) {
				return &review.Error{Kind: review.TooMany, Message: "Too many tries from your network. Wait " + doorWait.String() + " and try again.", Wait: doorWait}
			}
			return next(w, r, who)
		}
	}
}

// networkOf is the /24 or /48 of an address, as much as one customer commonly has:
// so many of them there are not that counting them fills the memory.
func networkOf(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "unknown"
	}
	bits := 48
	if addr = addr.Unmap(); addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
