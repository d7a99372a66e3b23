// Package oauth gets the access tokens with which mail servers are signed in to instead of a password: from Microsoft
// 365 (client credentials), from Google Workspace (a service account that acts for the mailbox), from any provider by a
// refresh token, or from a command.
//
// What it promises: a [Source] asks for a new token before the old one ends, and once for all who wait; it waits between
// attempts that fail; every wait and every answer has a limit; no redirect is followed; and neither a token nor a secret
// is ever part of an error or a log.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Kind says where tokens come from. The values are those of the configuration.
type Kind string

// The kinds.
const (
	Microsoft    Kind = "microsoft"     // client credentials of an app in Entra
	Google       Kind = "google"        // a service account with domain-wide delegation
	RefreshToken Kind = "refresh_token" // a refresh token (RFC 6749 6) of any provider
	Command      Kind = "command"       // a program that prints a token
)

// Secret reads a secret. It is asked before every use, so that a changed file needs no restart.
type Secret func(context.Context) (string, error)

// Config says where tokens come from. Which fields are needed depends on Kind.
type Config struct {
	Kind Kind
	User string // Google: the mailbox that the service account acts for

	Tenant       string // Microsoft: the directory's id or domain
	ClientID     string // Microsoft, RefreshToken
	ClientSecret Secret // Microsoft; RefreshToken: nil for a public client

	ServiceAccount Secret   // Google: the JSON of the key
	RefreshToken   Secret   // RefreshToken
	Command        []string // Command: the program and its arguments; no shell sees them

	TokenURL string        // https, or http on loopback; Microsoft and Google have a default
	Scope    string        // Microsoft and Google have a default
	Timeout  time.Duration // of one attempt to get a token, 30 s
}

// Scopes and endpoints of the providers.
const (
	microsoftScope = "https://outlook.office365.com/.default"
	googleScope    = "https://mail.google.com/"
	googleToken    = "https://oauth2.googleapis.com/token"
)

// New returns a source of tokens. It reads no secret and asks nobody yet.
func New(c Config) (*Source, error) {
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.TokenURL != "" {
		if err := CheckURL(c.TokenURL); err != nil {
			return nil, fmt.Errorf("token endpoint: %w", err)
		}
	}
	g := &grants{c: c, wire: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second,
		DisableKeepAlives: true, MaxResponseHeaderBytes: maxAnswer, // one request an hour needs no open connection
	}}
	s := &Source{kind: c.Kind, timeout: c.Timeout}
	switch c.Kind {
	case Microsoft:
		if !validTenant(c.Tenant) || c.ClientID == "" || c.ClientSecret == nil {
			return nil, errors.New("microsoft: tenant, client id and client secret are needed")
		}
		s.fetch = g.microsoft
	case Google:
		if c.ServiceAccount == nil || c.User == "" {
			return nil, errors.New("google: the key of a service account and the mailbox's address are needed")
		}
		s.fetch = g.google
	case RefreshToken:
		if c.ClientID == "" || c.RefreshToken == nil || c.TokenURL == "" {
			return nil, errors.New("refresh token: client id, refresh token and the token endpoint are needed")
		}
		s.fetch = g.refresh
	case Command:
		if len(c.Command) == 0 || c.Command[0] == "" {
			return nil, errors.New("command: the program is needed")
		}
		s.fetch = func(ctx context.Context) (grant, error) { return run(ctx, c.Command, c.Timeout) }
	default:
		return nil, fmt.Errorf("kind %q is none of %q, %q, %q, %q", c.Kind, Microsoft, Google, RefreshToken, Command)
	}
	return s, nil
}

// CheckURL tells whether secrets may be sent to address: by https, or within this machine.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("write it as https://host/path")
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("write https:// (http is for loopback only)")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// validTenant accepts an id or a domain: it becomes part of a path.
func validTenant(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-") == "" &&
		strings.Trim(s, ".") != ""
}

// title names the kind for people.
func (k Kind) title() string {
	switch k {
	case Microsoft:
		return "Microsoft 365"
	case Google:
		return "a Google service account"
	case RefreshToken:
		return "a refresh token"
	}
	return "the token command"
}
