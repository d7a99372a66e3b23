package ui

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/sso"
)

// Config is what the pages need.
type Config struct {
	Desk *review.Desk
	// BaseURL is where people reach the pages, for example
	// https://reset.example.net. Plain http is accepted for loopback only.
	BaseURL string
	Brand   string       // the company, as its users know it
	Log     *slog.Logger // default: discard
	Status  func() []Line
	Banner  string         // shown on top of every page; the demo uses it
	Trusted []netip.Prefix // proxies whose X-Forwarded-For counts
	SSO     *sso.Provider  // nil: there is no single sign-on
	API     http.Handler   // serves /api/v1; nil: there is none
	// Connections can be tried by an admin. Source says where a key of the
	// configuration comes from, "" if from its default; nil: that is not known.
	Connections []Connection
	Guide       Guide // what the first-run pages give to copy
	Source      func(key string) string
	Stop        <-chan struct{} // closed when the server goes down: open pages let go
	Watched     []string        // mailbox/folder of each that is configured; nil: all that were ever read
}

// A Line is one lamp of the mailbox light: what is connected, in words.
type Line struct {
	OK   bool
	Text string
	At   time.Time // when it was last seen to work; zero: the line does not say
}

// A site is the running pages.
type site struct {
	Config
	host   string // of the base URL, as a Host header spells it
	secure bool   // https
	book   *books
	open   streams
	trials trials
	parked parkedFile
}

// New returns the desk's pages, the owner's pages and the reviewers' invitation.
// It fails if the base URL is not usable or a template is broken.
func New(c Config) (http.Handler, error) {
	if c.Desk == nil {
		return nil, fmt.Errorf("open pages: a desk is needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") ||
		strings.Trim(base.Path, "/") != "" || base.RawQuery != "" || base.User != nil {
		return nil, fmt.Errorf("open pages: the base URL %q must be like https://reset.example.net", c.BaseURL)
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("open pages: the base URL %q must be https; plain http is for loopback only", c.BaseURL)
	}
	b, err := openBooks()
	if err != nil {
		return nil, fmt.Errorf("open pages: %w", err)
	}
	s := &site{Config: c, host: plainHost(base.Host, base.Scheme), secure: base.Scheme == "https", book: b}
	return s.handler(), nil
}

// plainHost lowers a host and drops the default port of the scheme, so that
// "Reset.example.net:443" and "reset.example.net" are one.
func plainHost(host, scheme string) string {
	host = strings.ToLower(host)
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func loopback(name string) bool {
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}
