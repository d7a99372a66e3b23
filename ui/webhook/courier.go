// Package webhook carries what happened to the endpoints of the operator, signed
// as Standard Webhooks 1.0.0 has it. It knows no events and no SQL: what is due,
// and what became of it, are rows behind [Outbox].
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// An Outbox hands out what is due and keeps what became of it.
type Outbox interface {
	// ClaimDelivery takes the next delivery that is due, for a minute.
	ClaimDelivery(ctx context.Context) (review.Delivery, bool, error)
	// SettleDelivery records how the attempt ended.
	SettleDelivery(ctx context.Context, l review.Delivery, end review.DeliveryEnd) error
}

const (
	deadline    = 10 * time.Second // of one attempt, from the name to the end of the answer
	answerLimit = 4 << 10          // of an answer that is read
	answerKept  = 200              // of an answer that is kept
	poll        = 30 * time.Second // when nobody kicks: after a crash
	carriers    = 4                // attempts at a time
)

// retries are the pauses after each failed attempt. All together they last a day.
var retries = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 7 * time.Hour, 12*time.Hour + 23*time.Minute}

// A Courier takes deliveries from Outbox and posts them. Fill in the exported
// fields, then call Run once. Every delivery is made at least once; a repeat has
// the same webhook-id.
type Courier struct {
	Outbox Outbox
	// Private are networks of the operator's own that endpoints may be in. All
	// other addresses that are not public are refused, when the connection is made.
	Private []netip.Prefix
	Log     *slog.Logger // nil: nothing is logged

	dial   func(context.Context, string, string) (net.Conn, error) // nil: TCP, by control; tests put a pipe here
	once   sync.Once
	kick   chan struct{}
	client *http.Client
}

func (c *Courier) begin() {
	c.once.Do(func() {
		c.kick = make(chan struct{}, 1)
		if c.Log == nil {
			c.Log = slog.New(slog.DiscardHandler)
		}
		if c.dial == nil {
			c.dial = (&net.Dialer{Timeout: deadline, ControlContext: c.control}).DialContext
		}
		c.client = &http.Client{
			Transport: &http.Transport{DialContext: c.dial, MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 1,
				IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: deadline, ForceAttemptHTTP2: true, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
}

// Kick says that there may be something to carry. It never blocks.
func (c *Courier) Kick() {
	c.begin()
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Run carries deliveries until ctx is done, and returns nil. An attempt that is
// under way then is cut; the endpoint gets it again.
func (c *Courier) Run(ctx context.Context) error {
	c.begin()
	defer c.client.CloseIdleConnections()
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, carriers)
	for ctx.Err() == nil {
		free <- struct{}{}
		l, ok, err := c.Outbox.ClaimDelivery(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.Error("claim a webhook delivery", "error", err)
		}
		if ok {
			all.Go(func() {
				defer func() { <-free; c.Kick() }()
				c.carry(ctx, l)
			})
			continue
		}
		<-free
		select {
		case <-ctx.Done():
		case <-c.kick:
			if err != nil { // a kick must not make a full disk run hot
				sleep(ctx, time.Second)
			}
		case <-time.After(poll):
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// carry makes one attempt and records how it ended.
func (c *Courier) carry(ctx context.Context, l review.Delivery) {
	end := c.attempt(ctx, l)
	if ctx.Err() != nil && !end.Done {
		return // we cut it; when the lease ends it is due again
	}
	if !end.Done && !end.Gone && l.Try <= len(retries) {
		pause := jitter(retries[l.Try-1])
		end.Next = time.Now().Add(pause)
		time.AfterFunc(pause, c.Kick)
	}
	c.Log.Info("webhook delivery", "webhook", l.Webhook, "event", l.EventID, "attempt", l.Attempt, "status", end.Status, "done", end.Done)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	if err := c.Outbox.SettleDelivery(late, l, end); err != nil {
		c.Log.Error("record a webhook delivery", "webhook", l.Webhook, "event", l.EventID, "error", err)
	}
}

// jitter shortens a pause by up to a tenth, so that endpoints which failed
// together are not all tried again together.
func jitter(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/10)) }

// attempt posts the delivery and reads the answer.
func (c *Courier) attempt(ctx context.Context, l review.Delivery) review.DeliveryEnd {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, bytes.NewReader(l.Body))
	if err != nil {
		return review.DeliveryEnd{Text: "The address cannot be used."}
	}
	if r.URL.Scheme != "https" { // it was parsed: "HTTP" is "http" now
		r = r.WithContext(context.WithValue(ctx, plainKey{}, true))
	}
	now := time.Now()
	var signatures []string
	for _, k := range l.Keys {
		signatures = append(signatures, k.Sign(l.EventID, now, l.Body))
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "resetdesk")
	r.Header.Set("webhook-id", l.EventID)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", strings.Join(signatures, " "))
	res, err := c.client.Do(r)
	if err != nil {
		return review.DeliveryEnd{Text: reason(err)}
	}
	defer res.Body.Close()
	end := review.DeliveryEnd{Done: res.StatusCode/100 == 2, Gone: res.StatusCode == http.StatusGone, Status: res.StatusCode}
	text, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if end.Text = string(text[:min(len(text), answerKept)]); err != nil && end.Text == "" {
		end.Text = "The answer broke off."
	}
	return end
}

// errPrivate says that an endpoint is in a network that nobody allowed.
var errPrivate = errors.New("the address is not public, and webhook_allow_private does not name its network")

// reason says what went wrong, without the names and addresses that Go puts
// around it: the log of deliveries is for the panel.
func reason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, errPrivate):
		return "Refused: " + errPrivate.Error() + "."
	case errors.Is(err, context.DeadlineExceeded):
		return "No answer within 10 seconds."
	case errors.As(err, &dns):
		return "The name has no address."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The connection was refused."
	}
	var e *net.OpError
	if errors.As(err, &e) {
		return "The connection failed: " + e.Op + "."
	}
	if text := errors.Unwrap(err); text != nil {
		return "The connection failed: " + text.Error() + "."
	}
	return "The connection failed."
}

type plainKey struct{}

// control refuses a connection by the address that it goes to, after the name was
// resolved: so a name that leads elsewhere the second time does not help.
func (c *Courier) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errPrivate, err)
	}
	plain, _ := ctx.Value(plainKey{}).(bool)
	if !Allowed(to.Addr(), c.Private, plain) {
		return errPrivate
	}
	return nil
}
