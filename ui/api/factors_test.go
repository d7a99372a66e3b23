package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/review"
)

// code is what an authenticator shows at a time.
func code(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	c, err := potp.GenerateCodeCustom(secret, at, potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A phone is an authenticator of a user.
type phone struct {
	h      *house
	secret string
	codes  []string // backup codes
}

// fresh waits for the next code.
func (p *phone) fresh() string {
	p.h.t.Helper()
	time.Sleep(30 * time.Second)
	return code(p.h.t, p.secret, time.Now())
}

func body(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, fmt.Sprintf("%q:%q", pairs[i], pairs[i+1]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// enroll gives jane a phone, over the API.
func (h *house) enroll(more ...string) *phone {
	h.t.Helper()
	if h.count(`SELECT count(*) FROM panel_user WHERE id = 'U-2'`) == 0 {
		h.ask("PUT", "/accounts/A-1001", acme).want(h.t, 201)
	}
	e := h.ask("POST", "/users/U-2/totp", body(append([]string{"account", "jane", "ip", "198.51.100.7", "agent", "Firefox"}, more...)...)).want(h.t, 201)
	p := &phone{h: h, secret: e.str("secret")}
	if !strings.Contains(e.str("uri"), "secret="+p.secret) || !strings.HasPrefix(e.str("svg"), "<svg") {
		h.t.Errorf("enrollment %s", e.text)
	}
	done := h.ask("POST", "/users/U-2/totp/confirm", body("enrollment", e.str("enrollment"), "code", p.fresh())).want(h.t, 200)
	for _, c := range done.json["codes"].([]any) {
		p.codes = append(p.codes, c.(string))
	}
	if len(p.codes) != 10 {
		h.t.Errorf("%d backup codes", len(p.codes))
	}
	return p
}

func (h *house) verify(code string) reply {
	h.t.Helper()
	return h.ask("POST", "/users/U-2/verify", body("code", code, "channel", "web", "ip", "198.51.100.7"))
}

func (a reply) verdict(t *testing.T, ok bool, method, reason string) reply {
	t.Helper()
	a.want(t, 200)
	if a.json["ok"] != ok || a.json["method"] != method || a.json["reason"] != reason || len(a.json) != 7 {
		t.Fatalf("verdict %s, want %v %s %s", a.text, ok, method, reason)
	}
	return a
}

// A whole life of a factor, as a panel sees it.
func TestFactorLife(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("POST", "/users/U-2/totp", body("account", "jane")).problem(t, 404, "unknown-user")
		h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
		h.verify("123456").problem(t, 409, "not-enrolled")
		h.ask("POST", "/users/U-2/totp", body("account", "ja:ne")).problem(t, 422, "invalid")
		h.ask("POST", "/users/U-2/totp/confirm", body("enrollment", "1.0", "code", "123456")).problem(t, 409, "not-enrolled")
		p := h.enroll()
		now := p.fresh()
		h.verify(now).verdict(t, true, "totp", "")
		if a := h.verify(now).verdict(t, false, "none", "code-used"); a.json["retry_after"].(float64) < 1 {
			t.Errorf("just used: %s", a.text)
		}
		h.verify("000000").verdict(t, false, "none", "code-invalid")
		if a := h.verify(code(t, p.secret, time.Now().Add(-5*time.Minute))); a.json["drift"].(float64) > -200 {
			// the code of a step before the last one used is old, not slow
			a.verdict(t, false, "none", "code-invalid")
		}
		if a := h.verify(p.codes[0]).verdict(t, true, "backup_code", ""); a.json["codes_left"].(float64) != 9 {
			t.Errorf("codes left: %s", a.text)
		}
		h.ask("POST", "/users/U-2/verify", body("channel", "api")).verdict(t, true, "none", "")
		h.ask("POST", "/users/U-2/verify", body("code", "1", "channel", "phone")).problem(t, 422, "invalid")

		h.ask("POST", "/users/U-2/backup-codes", `{"code":""}`).problem(t, 422, "proof-required")
		if a := h.ask("POST", "/users/U-2/backup-codes", body("code", p.fresh())).want(t, 200); len(a.json["codes"].([]any)) != 10 {
			t.Errorf("renewed %s", a.text)
		}
		h.verify(p.codes[1]).verdict(t, false, "none", "code-invalid")
		h.ask("POST", "/users/U-2/totp", body("account", "jane")).problem(t, 422, "proof-required")

		st := h.ask("GET", "/users/U-2/2fa", "").want(t, 200)
		if st.json["enrolled"] != true || st.json["codes_left"].(float64) != 10 || st.json["hold_until"] != nil {
			t.Errorf("status %s", st.text)
		}
		if e := h.ask("GET", "/users/U-2/2fa/events?limit=50", "").want(t, 200); !strings.Contains(e.text, `"enrolled"`) || !strings.Contains(e.text, "198.51.100.7") {
			t.Errorf("history %s", e.text)
		}
		h.ask("GET", "/users/U-2/2fa/events?limit=201", "").problem(t, 422, "invalid")
		h.ask("GET", "/users/U-99/2fa/events", "").problem(t, 404, "unknown-user")
		if g := h.ask("POST", "/users/U-2/guard", body("action", "transfer domain")).want(t, 200); g.json["allowed"] != true {
			t.Errorf("guard %s", g.text)
		}
		h.ask("POST", "/users/U-2/guard", `{"action":""}`).problem(t, 422, "invalid")
		h.ask("POST", "/users/U-2/totp/turn-off", body("code", p.fresh())).want(t, 204)
		h.verify(p.fresh()).problem(t, 409, "not-enrolled")
	})
}

func TestDevices(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.enroll()
		h.ask("POST", "/users/U-2/totp/devices", body("account", "jane", "pass", "x")).problem(t, 400, "unknown-member")
		e := h.ask("POST", "/users/U-2/totp/devices", body("account", "jane", "name", "tablet", "code", p.fresh())).want(t, 201)
		tablet := &phone{h: h, secret: e.str("secret")}
		if again := h.ask("POST", "/users/U-2/totp/pending", body("enrollment", e.str("enrollment"))).want(t, 200); again.text != e.text {
			t.Errorf("shown again %s", again.text)
		}
		h.ask("POST", "/users/U-2/totp/pending", body("enrollment", "1.00")).problem(t, 409, "not-enrolled")
		done := h.ask("POST", "/users/U-2/totp/confirm", body("enrollment", e.str("enrollment"), "code", tablet.fresh())).want(t, 200)
		if len(done.json["codes"].([]any)) != 0 {
			t.Errorf("codes of a second device: %s", done.text)
		}
		h.ask("POST", "/users/U-2/totp/devices", body("account", "jane", "code", p.fresh())).problem(t, 409, "too-many-devices")
		list := h.ask("GET", "/users/U-2/totp/devices", "").want(t, 200)
		devices := list.json["devices"].([]any)
		if len(devices) != 2 || devices[1].(map[string]any)["name"] != "tablet" {
			t.Fatalf("devices %s", list.text)
		}
		id := int64(devices[0].(map[string]any)["id"].(float64))
		h.ask("POST", "/users/U-2/totp/devices/x/remove", body("code", "1")).problem(t, 404, "not-found")
		h.ask("POST", fmt.Sprintf("/users/U-2/totp/devices/%d/remove", id), body("code", tablet.fresh())).want(t, 204)
		h.ask("POST", fmt.Sprintf("/users/U-2/totp/devices/%d/remove", int64(devices[1].(map[string]any)["id"].(float64))), body("code", tablet.fresh())).problem(t, 409, "last-device")
		h.verify(p.fresh()).verdict(t, false, "none", "code-invalid")
		h.verify(tablet.fresh()).verdict(t, true, "totp", "")
		h.ask("GET", "/users/U-99/totp/devices", "").problem(t, 404, "unknown-user")
	})
}

// Wrong codes lock, with the time to wait as member and header.
func TestLocked(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll()
		for range 5 {
			h.verify("000000").verdict(t, false, "none", "code-invalid")
		}
		a := h.verify("000000")
		a.problem(t, 423, "locked")
		if wait, ok := a.json["retry_after"].(float64); !ok || wait < 1 || a.header.Get("Retry-After") != fmt.Sprint(int(wait)) {
			t.Errorf("wait %v, header %q", a.json["retry_after"], a.header.Get("Retry-After"))
		}
	})
}

// A device whose clock is slow is told so.
func TestDrift(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.enroll()
		time.Sleep(time.Hour)
		if a := h.verify(code(t, p.secret, time.Now().Add(-3*time.Minute))).verdict(t, false, "none", "code-invalid"); a.json["drift"].(float64) != -180 {
			t.Errorf("drift %s", a.text)
		}
		a := h.ask("POST", "/users/U-2/backup-codes", body("code", code(t, p.secret, time.Now().Add(-3*time.Minute)))).problem(t, 422, "code-invalid")
		if a.json["drift"].(float64) != -180 {
			t.Errorf("drift %s", a.text)
		}
	})
}

// The factors of the reviewers are out of reach, whatever the key may do.
func TestNoKeyReachesStaff(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		token, err := h.desk.Invite(t.Context(), "host", "mia@host.example", "Mia", review.Admin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.desk.AcceptInvitation(t.Context(), token, "correct horse battery"); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"staff:1", "STAFF:1", "staff%3A1"} {
			h.ask("GET", "/users/"+id+"/2fa", "").problem(t, 404, "unknown-user")
			h.ask("GET", "/users/"+id+"/2fa/events", "").problem(t, 404, "unknown-user")
			h.ask("GET", "/users/"+id+"/totp/devices", "").problem(t, 404, "unknown-user")
			for _, path := range []string{"/totp", "/totp/devices", "/totp/pending", "/totp/confirm", "/totp/turn-off", "/totp/devices/1/remove", "/verify", "/backup-codes", "/guard"} {
				h.ask("POST", "/users/"+id+path, `{}`).problem(t, 404, "unknown-user")
			}
		}
	})
}
