package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Security says how a connection is protected.
type Security string

const (
	TLS      Security = "tls"      // TLS from the first byte (RFC 8314)
	StartTLS Security = "starttls" // plain greeting, then TLS or nothing
	Plain    Security = "plain"    // no protection; towards loopback only
)

// WatcherConfig says what to read and how patiently. Zero durations take the defaults named beside them.
type WatcherConfig struct {
	Mailbox  string   // the mailbox's own name, part of every mail's identity; the default is User
	Folders  []string // default INBOX; each has a connection and a goroutine of its own
	Host     string
	Port     int // default 993, or 143 without implicit TLS
	Security Security
	TLS      *tls.Config // default: the system's roots and Host as the name
	User     string
	// Password is asked before every sign-in, so that a changed secret needs no restart.
	Password func(context.Context) (string, error)
	Tokens   Tokens // instead of Password: sign in by OAuth

	Dedicated bool // fetch every body, whatever Inbox.Concerns says

	Poll        time.Duration // unconditional look, 3 min
	IdleReissue time.Duration // longest IDLE, 9 min (RFC 2177 asks for less than 29 min)
	Reconnect   time.Duration // longest life of a connection, 60 min
	Sweep       time.Duration // how often all mails of a folder are compared with the Inbox, 24 h

	Dial     time.Duration // 10 s
	Greeting time.Duration // 30 s
	Command  time.Duration // 60 s, and the longest silence of the server within any answer
	Body     time.Duration // 5 min for an answer that carries mails, plus a second for each KiB that arrived

	// Backoff is the wait before the n-th reconnection in a row (n counts from 1). Default: 5 s, doubled up to 15 min,
	// ±30 %.
	Backoff func(n int) time.Duration

	// Unfetchable are the waits before a mail that the server would not hand out is asked for again. Default: 1 min,
	// 10 min, 1 h, 6 h, 1 d, 2 d, 3 d. A restart ends the attempts: the row in the Inbox stays.
	Unfetchable []time.Duration
}

// PostmanConfig says where letters go and how patiently. Zero durations take the defaults named beside them.
type PostmanConfig struct {
	Host     string
	Port     int // default 465, or 587 without implicit TLS
	Security Security
	TLS      *tls.Config // default: the system's roots and Host as the name
	Hello    string      // the name given in EHLO, default "localhost"
	User     string      // empty: no sign-in
	// Password is asked before every sign-in.
	Password func(context.Context) (string, error)
	Tokens   Tokens // instead of Password: sign in by OAuth

	Poll          time.Duration // how often to ask for letters without a Kick, 3 s
	Dial          time.Duration // 30 s
	Command       time.Duration // 5 min (RFC 5321 4.5.3.2)
	AfterDot      time.Duration // 12 min (RFC 5321 4.5.3.2.6 asks for at least 10)
	UncertainWait time.Duration // before an uncertain letter is sent again, 15 min
	GiveUp        time.Duration // after its first queueing a letter is refused, 5 days

	// Backoff is the wait before attempt n+1 after n failed ones. Default: 1 m, 5 m, 15 m, 1 h, then 4 h.
	Backoff func(n int) time.Duration
}

// orDuration returns d, or def when d is zero or less.
func orDuration(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// endpoint checks what both directions share: an address and a protection that fits it.
func endpoint(host string, port int, s Security) error {
	if host == "" {
		return errors.New("host is empty")
	}
	if port < 0 || port > 65535 {
		return fmt.Errorf("port %d is out of range", port)
	}
	switch s {
	case TLS, StartTLS:
		return nil
	case Plain:
		if !loopback(host) {
			return fmt.Errorf("security %q is only for loopback, and %q is not: use %q or %q", Plain, host, TLS, StartTLS)
		}
		return nil
	}
	return fmt.Errorf("security %q is none of %q, %q, %q", s, TLS, StartTLS, Plain)
}

// loopback tells whether host names this machine without asking anybody: an address literal of the loopback net, or
// "localhost", which the dialer resolves to nothing else (RFC 6761 6.3) and connect checks again.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// address joins host and port, the port being def when it is zero.
func address(host string, port, def int) string {
	if port == 0 {
		port = def
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}

// tlsFor returns the TLS configuration for host: given, completed with the name, or a fresh one.
func tlsFor(given *tls.Config, host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if given != nil {
		c = given.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = strings.Trim(host, "[]")
	}
	return c
}
