package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A request is the body of every act on a factor; what does not apply is left out.
type request struct {
	Account    string `json:"account,omitempty"`
	Name       string `json:"name,omitempty"`
	Enrollment string `json:"enrollment,omitempty"`
	Code       string `json:"code,omitempty"`
	Pass       string `json:"pass,omitempty"`
	Channel    string `json:"channel,omitempty"`
	IP         string `json:"ip,omitempty"`
	Agent      string `json:"agent,omitempty"`
}

// from adds the source of the context, see [totp.WithSource].
func (r request) from(ctx context.Context) request {
	s := totp.SourceOf(ctx)
	r.IP, r.Agent = s.IP, s.Agent
	return r
}

type enrollment struct {
	Enrollment string    `json:"enrollment"`
	Secret     string    `json:"secret"`
	URI        string    `json:"uri"`
	Expires    time.Time `json:"expires_at"`
}

// Begin is [totp.Book.Begin].
func (c *Client) Begin(ctx context.Context, user, account string, p totp.Proof) (totp.Enrollment, error) {
	return c.begin(ctx, path("users", user, "totp"), request{Account: account, Code: p.Code, Pass: p.Pass})
}

// BeginDevice is [totp.Book.BeginDevice].
func (c *Client) BeginDevice(ctx context.Context, user, account, name string, p totp.Proof) (totp.Enrollment, error) {
	return c.begin(ctx, path("users", user, "totp", "devices"), request{Account: account, Name: name, Code: p.Code})
}

func (c *Client) begin(ctx context.Context, path string, r request) (totp.Enrollment, error) {
	return c.enrollment(ctx, path, r.from(ctx))
}

// Pending is [totp.Book.Pending].
func (c *Client) Pending(ctx context.Context, user, id string) (totp.Enrollment, error) {
	return c.enrollment(ctx, path("users", user, "totp", "pending"), request{Enrollment: id})
}

func (c *Client) enrollment(ctx context.Context, path string, r request) (totp.Enrollment, error) {
	var e enrollment
	if err := c.call(ctx, "POST", path, r, &e); err != nil {
		return totp.Enrollment{}, err
	}
	key, err := readKey(e.Secret, e.URI)
	if err != nil {
		return totp.Enrollment{}, fmt.Errorf("read enrollment: %w", err)
	}
	return totp.Enrollment{ID: e.Enrollment, Key: key, Expires: e.Expires}, nil
}

// readKey makes the key of an otpauth URI; it must come out as the same URI.
func readKey(secret, uri string) (totp.Key, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return totp.Key{}, errors.New("the answer has no otpauth URI")
	}
	q := u.Query()
	o := totp.Options{Issuer: q.Get("issuer"), Account: strings.TrimPrefix(u.Path, "/")}
	if account, ok := strings.CutPrefix(o.Account, o.Issuer+":"); ok {
		o.Account = account
	} else {
		o.BareLabel = true
	}
	for _, a := range []totp.Algorithm{totp.SHA1, totp.SHA256, totp.SHA512} {
		if a.String() == q.Get("algorithm") {
			o.Algorithm = a
		}
	}
	o.Digits, _ = strconv.Atoi(q.Get("digits"))
	o.Period, _ = strconv.Atoi(q.Get("period"))
	key, err := totp.Restore(secret, o)
	if err == nil && key.URI() != uri {
		err = errors.New("the otpauth URI is not understood")
	}
	return key, err
}

type codes struct {
	Codes []string `json:"codes"`
}

// Confirm is [totp.Book.Confirm].
func (c *Client) Confirm(ctx context.Context, user, id, code string) ([]string, error) {
	return c.codes(ctx, path("users", user, "totp", "confirm"), request{Enrollment: id, Code: code})
}

// RenewBackupCodes is [totp.Book.RenewBackupCodes].
func (c *Client) RenewBackupCodes(ctx context.Context, user string, p totp.Proof) ([]string, error) {
	return c.codes(ctx, path("users", user, "backup-codes"), request{Code: p.Code})
}

func (c *Client) codes(ctx context.Context, path string, r request) ([]string, error) {
	var out codes
	err := c.call(ctx, "POST", path, r.from(ctx), &out)
	if err != nil || len(out.Codes) == 0 {
		return nil, err
	}
	return out.Codes, nil
}

// Verify is [totp.Book.Verify].
func (c *Client) Verify(ctx context.Context, user, code string, ch totp.Channel) (totp.Result, error) {
	r := request{Code: code, Channel: "web"}
	if ch == totp.API {
		r.Channel = "api"
	}
	var v struct {
		OK         bool   `json:"ok"`
		Method     string `json:"method"`
		CodesLeft  int    `json:"codes_left"`
		Exempt     bool   `json:"exempt"`
		Reason     string `json:"reason"`
		RetryAfter int64  `json:"retry_after"`
		Drift      int64  `json:"drift"`
	}
	err := c.call(ctx, "POST", path("users", user, "verify"), r.from(ctx), &v)
	switch {
	case err != nil:
		return totp.Result{}, err
	case v.OK && v.Method == "none":
		return totp.Result{CodesLeft: v.CodesLeft, Exempt: v.Exempt}, nil
	case v.OK:
		return totp.Result{Method: totp.Method(v.Method), CodesLeft: v.CodesLeft, Exempt: v.Exempt}, nil
	case v.Reason == "code-used":
		return totp.Result{}, &totp.UsedError{RetryAfter: time.Duration(v.RetryAfter) * time.Second}
	}
	return totp.Result{}, wrongCode(time.Duration(v.Drift) * time.Second)
}

// TurnOff is [totp.Book.TurnOff].
func (c *Client) TurnOff(ctx context.Context, user string, p totp.Proof) error {
	return c.call(ctx, "POST", path("users", user, "totp", "turn-off"), request{Code: p.Code}.from(ctx), nil)
}

// Devices is [totp.Book.Devices].
func (c *Client) Devices(ctx context.Context, user string) ([]totp.Device, error) {
	var out struct {
		Devices []struct {
			ID       int64     `json:"id"`
			Name     string    `json:"name"`
			Since    time.Time `json:"since"`
			LastUsed time.Time `json:"last_used"`
		} `json:"devices"`
	}
	if err := c.call(ctx, "GET", path("users", user, "totp", "devices"), nil, &out); err != nil {
		return nil, err
	}
	var all []totp.Device
	for _, d := range out.Devices {
		all = append(all, totp.Device(d))
	}
	return all, nil
}

// RemoveDevice is [totp.Book.RemoveDevice].
func (c *Client) RemoveDevice(ctx context.Context, user string, id int64, p totp.Proof) error {
	return c.call(ctx, "POST", path("users", user, "totp", "devices", strconv.FormatInt(id, 10), "remove"), request{Code: p.Code}.from(ctx), nil)
}

// Status is [totp.Book.Status].
func (c *Client) Status(ctx context.Context, user string) (totp.Status, error) {
	var s struct {
		Enrolled     bool      `json:"enrolled"`
		Devices      int       `json:"devices"`
		Since        time.Time `json:"since"`
		LastUsed     time.Time `json:"last_used"`
		CodesLeft    int       `json:"codes_left"`
		Generation   int64     `json:"generation"`
		APIOnly      bool      `json:"exempt"`
		RequiredFrom time.Time `json:"required_from"`
		Required     bool      `json:"required"`
		PassRequired bool      `json:"pass_required"`
		HoldUntil    time.Time `json:"hold_until"`
		SessionsFrom time.Time `json:"sessions_from"`
		LockedUntil  time.Time `json:"locked_until"`
		Frozen       bool      `json:"frozen"`
		Failures     int       `json:"failures"`
		Alarm        bool      `json:"alarm"`
	}
	err := c.call(ctx, "GET", path("users", user, "2fa"), nil, &s)
	return totp.Status(s), err
}

// History is [totp.Book.History]; limit is 200 at most.
func (c *Client) History(ctx context.Context, user string, limit int) ([]totp.Event, error) {
	var out struct {
		Events []struct {
			ID         int64     `json:"id"`
			Generation int64     `json:"generation"`
			Kind       string    `json:"kind"`
			At         time.Time `json:"at"`
			IP         string    `json:"ip"`
			Agent      string    `json:"agent"`
			Detail     string    `json:"detail"`
		} `json:"events"`
	}
	if err := c.call(ctx, "GET", path("users", user, "2fa", "events")+"?limit="+strconv.Itoa(limit), nil, &out); err != nil {
		return nil, err
	}
	var all []totp.Event
	for _, e := range out.Events {
		all = append(all, totp.Event{ID: e.ID, User: user, Generation: e.Generation, Kind: totp.EventKind(e.Kind), At: e.At,
			Source: totp.Source{IP: e.IP, Agent: e.Agent}, Detail: e.Detail})
	}
	return all, nil
}

// Guard is [totp.Book.Guard].
func (c *Client) Guard(ctx context.Context, user string, a totp.Action) error {
	var out struct {
		Allowed bool      `json:"allowed"`
		Reason  string    `json:"reason"`
		Until   time.Time `json:"until"`
	}
	err := c.call(ctx, "POST", path("users", user, "guard"), map[string]string{"action": string(a)}, &out)
	switch {
	case err != nil || out.Allowed:
		return err
	case out.Reason == "frozen":
		return totp.ErrFrozen
	}
	return &totp.HoldError{Action: a, Until: out.Until}
}
