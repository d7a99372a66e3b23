package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/client"
	"github.com/resetdesk/resetdesk/ui/api"
)

const base = "https://reset.example"

// A house is a client of the real API on a real database, with a network between
// them that fails as told.
type house struct {
	t    *testing.T
	desk *review.Desk
	net  *network
	c    *client.Client
	key  totp.Key // jane's authenticator
}

// A network is a transport. The next faults are taken off it, one a request.
type network struct {
	to     http.Handler
	faults []fault
	sent   int
}

type fault int

const (
	none   fault = iota
	before       // the request is lost
	after        // it was done, and the answer is lost
	cut          // it was done, and the answer breaks off
	busy         // a proxy answers 503
)

var errNetwork = errors.New("connection reset")

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.sent++
	f := none
	if len(n.faults) > 0 {
		f, n.faults = n.faults[0], n.faults[1:]
	}
	if f == before {
		return nil, errNetwork
	}
	if f == busy {
		return &http.Response{StatusCode: 503, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>"))}, nil
	}
	r = r.Clone(r.Context())
	r.RemoteAddr, r.Host = "192.0.2.7:4711", "reset.example"
	w := httptest.NewRecorder()
	n.to.ServeHTTP(w, r)
	switch f {
	case after:
		return nil, errNetwork
	case cut:
		w.Body = bytes.NewBuffer(w.Body.Bytes()[:w.Body.Len()/2])
	}
	return w.Result(), nil
}

func inHouse(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		keys, err := totp.NewKeyring()
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, net: &network{}}
		h.desk, err = review.Open(t.Context(), review.Config{Path: filepath.Join(dir, "desk.db"), Keys: keys, Brand: "Example", BaseURL: base,
			From: mail.Address{Address: "support@host.example"}, Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.desk.Close() })
		_, token, err := h.desk.AddAPIKey(t.Context(), review.APIKey{Name: "panel", Scopes: review.Scopes})
		if err != nil {
			t.Fatal(err)
		}
		if h.net.to, err = api.New(api.Config{Desk: h.desk, BaseURL: base}); err != nil {
			t.Fatal(err)
		}
		if h.c, err = client.New(base, token, h.net); err != nil {
			t.Fatal(err)
		}
		f(t, h)
	})
}

func (h *house) account() {
	h.t.Helper()
	a, err := h.c.PutAccount(h.t.Context(), client.Account{ID: "A/1", Name: "ACME", Users: []client.User{
		{ID: "U-1", Login: "anna", Email: "anna@acme.example", Role: "admin"}, {ID: "U-2", Login: "jane", Email: "jane@acme.example", Role: "user"}}})
	if err != nil || len(a.Users) != 2 {
		h.t.Fatalf("account %+v, %v", a, err)
	}
}

func code(t *testing.T, k totp.Key, at time.Time) string {
	t.Helper()
	c, err := potp.GenerateCodeCustom(k.Secret().Base32(), at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fresh waits for the next code.
func (h *house) fresh(k totp.Key) string {
	h.t.Helper()
	time.Sleep(30 * time.Second)
	return code(h.t, k, time.Now())
}

func (h *house) enroll() []string {
	h.t.Helper()
	e, err := h.c.Begin(h.t.Context(), "U-2", "jane", totp.Proof{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.key = e.Key
	codes, err := h.c.Confirm(h.t.Context(), "U-2", e.ID, h.fresh(e.Key))
	if err != nil || len(codes) != 10 {
		h.t.Fatalf("confirm %v, %v", codes, err)
	}
	return codes
}

// A client answers what the book answers.
func TestLikeTheBook(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ctx, book := totp.WithSource(t.Context(), totp.Source{IP: "198.51.100.7", Agent: "Firefox"}), h.desk.Book()
		if _, err := h.c.Verify(ctx, "U-2", "123456", totp.Web); !errors.Is(err, totp.ErrUnknownUser) || !errors.Is(err, totp.ErrNotEnrolled) {
			t.Errorf("unknown user: %v", err)
		}
		h.account()
		if _, err := h.c.Verify(ctx, "U-2", "123456", totp.Web); !errors.Is(err, totp.ErrNotEnrolled) || errors.Is(err, totp.ErrUnknownUser) {
			t.Errorf("not enrolled: %v", err)
		}
		codes := h.enroll()
		now := h.fresh(h.key)
		res, err := h.c.Verify(ctx, "U-2", now, totp.Web)
		if err != nil || res != (totp.Result{Method: totp.MethodTOTP, CodesLeft: 10}) {
			t.Errorf("verify %+v, %v", res, err)
		}
		var used *totp.UsedError
		if _, err := h.c.Verify(ctx, "U-2", now, totp.Web); !errors.As(err, &used) || used.RetryAfter <= 0 || used.RetryAfter > time.Minute {
			t.Errorf("used: %v", err)
		}
		if res, err := h.c.Verify(ctx, "U-2", codes[0], totp.Web); err != nil || res != (totp.Result{Method: totp.MethodBackupCode, CodesLeft: 9}) {
			t.Errorf("backup code %+v, %v", res, err)
		}
		if res, err := h.c.Verify(ctx, "U-2", "", totp.API); err != nil || !res.Exempt || res.Method != totp.MethodNone {
			t.Errorf("api channel %+v, %v", res, err)
		}
		if _, err := h.c.RenewBackupCodes(ctx, "U-2", totp.Proof{}); !errors.Is(err, totp.ErrProofRequired) {
			t.Errorf("no proof: %v", err)
		}
		if codes, err = h.c.RenewBackupCodes(ctx, "U-2", totp.Proof{Code: h.fresh(h.key)}); err != nil || len(codes) != 10 {
			t.Errorf("renew %v, %v", codes, err)
		}
		tablet, err := h.c.BeginDevice(ctx, "U-2", "jane", "tablet", totp.Proof{Code: h.fresh(h.key)})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := h.c.Pending(ctx, "U-2", tablet.ID); err != nil || again.Key.URI() != tablet.Key.URI() || !again.Expires.Equal(tablet.Expires) || again.ID != tablet.ID {
			t.Errorf("pending %+v, %v", again, err)
		}
		if _, err := h.c.Pending(ctx, "U-2", "1.00"); !errors.Is(err, totp.ErrNotEnrolled) {
			t.Errorf("somebody else's enrollment: %v", err)
		}
		if codes, err := h.c.Confirm(ctx, "U-2", tablet.ID, h.fresh(tablet.Key)); err != nil || codes != nil {
			t.Errorf("second device: %v, %v", codes, err)
		}
		if _, err := h.c.BeginDevice(ctx, "U-2", "jane", strings.Repeat("x", 61), totp.Proof{Code: "1"}); !errors.Is(err, totp.ErrDeviceName) {
			t.Errorf("device name: %v", err)
		}
		if _, err := h.c.BeginDevice(ctx, "U-2", "jane", "", totp.Proof{Code: h.fresh(h.key)}); !errors.Is(err, totp.ErrTooManyDevices) {
			t.Errorf("third device: %v", err)
		}
		h.same(ctx, book)
		devices, err := h.c.Devices(ctx, "U-2")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.c.RemoveDevice(ctx, "U-2", devices[0].ID, totp.Proof{Code: h.fresh(tablet.Key)}); err != nil {
			t.Errorf("remove: %v", err)
		}
		if err := h.c.RemoveDevice(ctx, "U-2", devices[1].ID, totp.Proof{Code: h.fresh(tablet.Key)}); !errors.Is(err, totp.ErrLastDevice) {
			t.Errorf("remove the last: %v", err)
		}
		if err := h.c.Guard(ctx, "U-2", totp.TransferDomain); err != nil {
			t.Errorf("guard: %v", err)
		}
		if err := h.c.TurnOff(ctx, "U-2", totp.Proof{Code: h.fresh(tablet.Key)}); err != nil {
			t.Errorf("turn off: %v", err)
		}
		h.same(ctx, book)
	})
}

// same compares what can be read with what the book says.
func (h *house) same(ctx context.Context, book *totp.Book) {
	h.t.Helper()
	compare := func(what string, got, want any, errs ...error) {
		h.t.Helper()
		if err := errors.Join(errs...); err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			h.t.Errorf("%s: %+v, want %+v (%v)", what, got, want, err)
		}
	}
	gotStatus, err1 := h.c.Status(ctx, "U-2")
	wantStatus, err2 := book.Status(ctx, "U-2")
	compare("status", gotStatus, wantStatus, err1, err2)
	gotDevices, err1 := h.c.Devices(ctx, "U-2")
	wantDevices, err2 := book.Devices(ctx, "U-2")
	compare("devices", gotDevices, wantDevices, err1, err2)
	gotEvents, err1 := h.c.History(ctx, "U-2", 100)
	wantEvents, err2 := book.History(ctx, "U-2", 100)
	compare("history", gotEvents, wantEvents, err1, err2)
	if !slices.ContainsFunc(gotEvents, func(e totp.Event) bool { return e.Source.IP == "198.51.100.7" }) {
		h.t.Error("no event has its source")
	}
}

// Locks and clocks come through with their times.
func TestErrorsWithTimes(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.account()
		h.enroll()
		time.Sleep(time.Hour)
		var drift *totp.DriftError
		if _, err := h.c.Verify(ctx, "U-2", code(t, h.key, time.Now().Add(-3*time.Minute)), totp.Web); !errors.As(err, &drift) || drift.Drift != -3*time.Minute || !errors.Is(err, totp.ErrInvalidCode) {
			t.Errorf("drift: %v", err)
		}
		var locked *totp.LockedError
		for range 6 {
			_, err := h.c.Verify(ctx, "U-2", "000000", totp.Web)
			if errors.As(err, &locked) {
				break
			}
			if !errors.Is(err, totp.ErrInvalidCode) {
				t.Errorf("wrong code: %v", err)
			}
		}
		if locked == nil || locked.RetryAfter < time.Second {
			t.Errorf("locked: %v", locked)
		}
	})
}

// Whatever the network loses, an act is done once and its answer comes.
func TestNetworkFaults(t *testing.T) {
	for name, faults := range map[string][]fault{"lost": {before}, "answer lost": {after}, "answer cut": {cut}, "proxy busy": {busy, busy},
		"all of it": {before, after, cut}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(t *testing.T, h *house) {
				ctx := t.Context()
				h.net.faults = slices.Clone(faults)
				h.account()
				h.net.faults = slices.Clone(faults)
				e, err := h.c.Begin(ctx, "U-2", "jane", totp.Proof{})
				if err != nil {
					t.Fatal(err)
				}
				proof := h.fresh(e.Key)
				h.net.faults = slices.Clone(faults)
				codes, err := h.c.Confirm(ctx, "U-2", e.ID, proof)
				if err != nil || len(codes) != 10 {
					t.Fatalf("confirm: %v, %v", codes, err)
				}
				h.net.faults = slices.Clone(faults)
				if res, err := h.c.Verify(ctx, "U-2", codes[3], totp.Web); err != nil || res.CodesLeft != 9 {
					t.Errorf("a code that was shown does not work: %+v, %v", res, err)
				}
				h.net.faults = slices.Clone(faults)
				if res, err := h.c.Verify(ctx, "U-2", h.fresh(e.Key), totp.Web); err != nil || res.Method != totp.MethodTOTP {
					t.Errorf("verify: %+v, %v", res, err)
				}
			})
		})
	}
}

// A network that is down ends in its own error, and a refusal is not repeated.
func TestNoHope(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.net.faults = slices.Repeat([]fault{before}, 10)
		if _, err := h.c.Status(t.Context(), "U-2"); !errors.Is(err, errNetwork) || h.net.sent != 4 {
			t.Errorf("%d attempts: %v", h.net.sent, err)
		}
		h.net.faults, h.net.sent = nil, 0
		var refused *client.Error
		_, err := h.c.PutUser(t.Context(), "A/1", client.User{ID: "U-1", Login: "x", Role: "user", Email: "a@b.example"})
		if !errors.As(err, &refused) || refused.Status != 404 || refused.Kind != "not-found" || h.net.sent != 1 {
			t.Errorf("%d attempts: %v", h.net.sent, err)
		}
		_, err = h.c.PutAccount(t.Context(), client.Account{ID: "A/1", Name: "x", Users: []client.User{{ID: "U-1", Login: "x", Role: "boss"}}})
		if !errors.As(err, &refused) || len(refused.Faults) < 2 {
			t.Errorf("faults: %v", err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer stop()
		h.net.faults = slices.Repeat([]fault{before}, 10)
		if _, err := h.c.Status(ctx, "U-2"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("late: %v", err)
		}
	})
}

func TestAccountCalls(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.account()
		if u, err := h.c.PutUser(ctx, "A/1", client.User{ID: "U-3", Login: "whmcs", Role: "user", APIOnly: true}); err != nil || !u.APIOnly {
			t.Errorf("put user %+v, %v", u, err)
		}
		if err := h.c.RemoveUser(ctx, "A/1", "U-2"); err != nil {
			t.Errorf("remove user: %v", err)
		}
		if a, err := h.c.Account(ctx, "A/1"); err != nil || len(a.Users) != 2 || a.ID != "A/1" {
			t.Errorf("account %+v, %v", a, err)
		}
		if err := h.c.RemoveAccount(ctx, "A/1"); err != nil {
			t.Errorf("remove account: %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, c := range [][2]string{{"http://reset.example", "rdk_x"}, {"https://reset.example/api", "rdk_x"}, {"reset.example", "rdk_x"}, {"https://reset.example", "x"}} {
		if _, err := client.New(c[0], c[1], nil); err == nil {
			t.Errorf("%q was accepted", c)
		}
	}
	c, err := client.New("http://127.0.0.1:8080/", "rdk_secret", nil)
	if err != nil || strings.Contains(fmt.Sprintf("%v %+v %#v %s", c, c, c, c), "secret") {
		t.Errorf("%v %v", c, err)
	}
}
