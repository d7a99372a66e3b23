// Package client calls the JSON API of resetdesk from Go. A [Client] has the verbs
// of [totp.Book] and gives the same answers and the same errors, so that a panel
// can have its second factors in the desk of another host.
//
// Every change carries an Idempotency-Key of its own and is repeated when the
// network fails, also when it was done and only the answer was lost: a confirmation
// that is repeated gives the backup codes that the first one gave.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer   = 4 << 20
	attempts    = 4
	firstPause  = 100 * time.Millisecond
	longestWait = 5 * time.Second // of what the server asks for
)

// A Client is the API as one key sees it. Safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New returns a client for the desk at a base URL such as
// https://reset.example.net. Plain http is for loopback alone: answers hold
// secrets. transport may be nil.
func New(baseURL, key string, transport http.RoundTripper) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("open client: the base URL must be like https://reset.example.net")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("open client: the base URL must be https; plain http is for loopback only")
	}
	if !strings.HasPrefix(key, "rdk_") {
		return nil, errors.New("open client: the key must begin with rdk_")
	}
	return &Client{base: u.Scheme + "://" + u.Host + "/api/v1", key: key, http: &http.Client{Transport: transport, Timeout: 15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func loopback(name string) bool {
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// String names the desk, never the key.
func (c *Client) String() string { return c.base }

// GoString names the desk, never the key.
func (c *Client) GoString() string { return c.base }

// Format names the desk, never the key, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.base) }

// LogValue keeps the key out of logs.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.base) }

// path joins segments, each of which may hold any character.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// call sends a request and reads the answer into out, if out is not nil. It
// repeats what the network or a busy server cut, under one Idempotency-Key.
func (c *Client) call(ctx context.Context, method, path string, in, out any, head ...string) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("call API: %w", err)
		}
	}
	name := rand.Text()
	for n := 1; ; n++ {
		status, header, text, err := c.send(ctx, method, path, name, body, head)
		if err == nil && status < 300 {
			if out == nil {
				return nil
			}
			if err = json.Unmarshal(text, out); err == nil {
				return nil
			}
		}
		wait := firstPause << n
		if err == nil {
			p := readProblem(status, text)
			asked, again := p.repeat(header)
			if !again || n == attempts {
				return p.meaning()
			}
			wait = max(wait, asked)
		}
		if n == attempts || ctx.Err() != nil {
			return fmt.Errorf("call API: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("call API: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}

// send is one attempt.
func (c *Client) send(ctx context.Context, method, path, name string, body []byte, head []string) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		r.Header.Set("Idempotency-Key", name)
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	res, err := c.http.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, res.Header, text, err
}

// repeat tells whether the same request may succeed soon, and when.
func (p *Error) repeat(h http.Header) (wait time.Duration, again bool) {
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		wait = time.Duration(seconds) * time.Second
	}
	switch {
	case p.Status == http.StatusBadGateway, p.Status == http.StatusServiceUnavailable, p.Status == http.StatusGatewayTimeout:
	case p.Kind == "in-progress", p.Kind == "too-many-requests":
	default:
		return 0, false
	}
	return wait, wait <= longestWait
}
