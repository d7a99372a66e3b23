package ui

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A seenAddress is how the request for this very page came, against the
// configuration.
type seenAddress struct {
	Base, Host, Proto, Peer, Client string
	Points                          []addressPoint
}

// An addressPoint is one thing that is right, or that has to be changed.
type addressPoint struct {
	OK          bool
	Says, Paste string
}

// seen judges the way of a request. Its Host is the configured one, or it would
// not have come so far.
func (s *site) seen(r *http.Request) seenAddress {
	a := seenAddress{Base: strings.TrimSuffix(s.BaseURL, "/"), Host: r.Host, Client: ip(r), Proto: "plain http"}
	a.Peer = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.Peer = host
	}
	forwarded := strings.ToLower(r.Header.Get("X-Forwarded-Proto"))
	switch {
	case r.TLS != nil:
		a.Proto = "https"
	case forwarded == "https" || forwarded == "http":
		a.Proto = forwarded + ", says the proxy"
	case s.secure:
		a.Proto = "plain http on the last stretch; how you came to the proxy it does not say"
	}
	a.Points = append(a.Points, addressPoint{OK: true, Says: "The Host of the request is that of base_url. Any other is refused, so links in letters lead here."})
	switch {
	case !s.secure:
		a.Points = append(a.Points, addressPoint{Says: "base_url is plain http on loopback: good for a trial, but no owner can open a link.",
			Paste: "[server]\nbase_url = \"https://reset.example.net\"\n"})
	case forwarded == "http" && r.TLS == nil:
		a.Points = append(a.Points, addressPoint{Says: "base_url is https, but the proxy says that you came by plain http. Let it send everybody to https.",
			Paste: "server { listen 80; server_name " + s.host + "; return 301 https://$host$request_uri; }\n"})
	}
	a.Points = append(a.Points, s.proxyPoint(r, a))
	return a
}

// proxyPoint says whether the addresses of clients are known.
func (s *site) proxyPoint(r *http.Request, a seenAddress) addressPoint {
	addr, err := netip.ParseAddr(a.Peer)
	addr = addr.Unmap()
	trusted := err == nil && slices.ContainsFunc(s.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
	forwarded := r.Header.Get("X-Forwarded-For") != ""
	switch {
	case forwarded && !trusted && err == nil:
		return addressPoint{Says: "A proxy at " + a.Peer + " says for whom it asks, but it is not trusted, so the audit has its address for everybody. If it is yours, name it.",
			Paste: "[server]\ntrusted_proxies = [\"" + netip.PrefixFrom(addr, addr.BitLen()).String() + "\"]\n"}
	case trusted && !forwarded:
		return addressPoint{Says: "The trusted proxy at " + a.Peer + " does not say for whom it asks, so the audit has its address for everybody.",
			Paste: "proxy_set_header X-Forwarded-For $remote_addr;   # nginx\n"}
	case trusted:
		return addressPoint{OK: true, Says: "You came from " + a.Client + ", through the trusted proxy at " + a.Peer + "."}
	}
	return addressPoint{OK: true, Says: "You came from " + a.Client + ", without a proxy. If that is the address of one, let it set X-Forwarded-For and name it in trusted_proxies."}
}
