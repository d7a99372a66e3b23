package panel_test

import (
	"database/sql"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/totp"
)

// second adds a device through the pages and returns its key.
func (h *house) second(b *browser, name string) string {
	h.Helper()
	b.post(path+"/add", "name", name, "code", h.fresh()).leads(path + "/setup")
	key := b.get(path + "/setup").want(200).key()
	b.post(path+"/confirm", "code", showing(h, key, time.Now())).leads(path + "?said=added")
	return key
}

var removal = regexp.MustCompile(`href="(/account/2fa/remove\?device=\d+)"`)

// A second device works beside the first, and is removed with a code of either.
func TestDevices(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		if removal.MatchString(b.get(path).want(200, "Add a second device").body) {
			t.Error("the only device can be removed")
		}
		b.get(path+"/add").want(200, "Tablet at home", `name="name"`)
		b.post(path+"/add", "code", h.fresh()).want(422, "give the new device a name")
		b.post(path+"/add", "name", strings.Repeat("x", 61), "code", h.fresh()).want(422, "at most 60 characters")
		b.post(path+"/add", "name", "Tablet <b>", "code", h.wrong()).want(422, "not right", `value="Tablet &lt;b&gt;"`)
		tablet := h.second(b, "Tablet <b>")
		page := b.get(path+"?said=added").want(200, "The new device works", "<b>Tablet &lt;b&gt;</b>", "<b>Authenticator</b>", "Backup codes left: 10", "A device was added: Tablet &lt;b&gt;", "from 192.0.2.7")
		if strings.Contains(page.body, "Add a second device") {
			t.Error("a third device is offered")
		}
		b.post(path+"/add", "name", "Third", "code", h.fresh()).want(409, "Two devices are set up already")
		time.Sleep(30 * time.Second)
		b.post("/code", "code", showing(h, tablet, time.Now())).leads("/account")
		links := removal.FindAllStringSubmatch(page.body, -1)
		if len(links) != 2 {
			t.Fatalf("links %v", links)
		}
		b.get(path+"/remove?device=99999").want(404, "not here any more")
		b.get(links[1][1]).want(200, "Remove “Tablet &lt;b&gt;”?", "with=backup")
		b.post(links[1][1], "code", h.wrong()).want(422, "not right", "Remove “Tablet")
		b.post(links[1][1], "code", h.fresh()).leads(path + "?said=removed")
		b.get(path+"?said=removed").want(200, "The device is removed", "A device was removed: Tablet &lt;b&gt;")
		if a := b.get(path + "?said=off").want(200); strings.Contains(a.body, "Two-factor authentication is off") {
			t.Error("a kept address says that it is off")
		}
		b.post(links[1][1], "code", h.fresh()).want(409, "not here any more")
		b.post(links[0][1], "code", h.fresh()).want(409, "This is the only device")
		time.Sleep(30 * time.Second)
		b.post("/code", "code", showing(h, tablet, time.Now())).want(422, "not right")
		if a := b.get(path + "?said=%3Cscript%3E").want(200); strings.Contains(a.body, "script&gt;") {
			t.Error("an address says something on the page")
		}
	})
}

// Turning off takes a code, says what it means, and is refused where a factor is
// mandatory, on hold, and where the panel wants it on.
func TestTurnOff(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		codes := h.enroll(b).codes()
		b.get(path).want(200, `href="/account/2fa/off"`)
		b.get(path+"/off").want(200, "your password alone opens this account", "Keep it on")
		b.post(path+"/off").want(422, "First enter a code")
		b.post(path+"/off", "code", h.wrong()).want(422, "not right")
		h.config.AlwaysOn = true
		always := h.browser()
		always.get(path + "/off").want(404)
		always.post(path+"/off", "code", h.fresh()).want(404)
		if a := always.get(path); strings.Contains(a.body, "Turn off") {
			t.Error("always on, and yet it can be turned off")
		}
		h.config.AlwaysOn = false
		b.post(path+"/off?with=backup", "code", codes[0]).leads(path + "?said=off")
		b.get(path+"?said=off").want(200, "Two-factor authentication is off", "Set it up")
		b.get(path + "/off").leads(path)
		b.get(path + "/codes").leads(path)
		b.post("/code", "code", h.fresh()).leads("/sign-in")
	})
}

func TestTurnOffIsRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		h.policy(totp.Policy{MandatoryFrom: time.Now().Add(24 * time.Hour)})
		b := h.browser()
		b.get(path).want(200, "Required from 2 January 2000", "nothing but this page opens")
		h.enroll(b)
		b.get(path+"/off").want(200, "It becomes required on 2 January 2000")
		time.Sleep(24 * time.Hour)
		b.get(path).want(200, "cannot be turned off, because it is required")
		if a := b.get(path+"/off").want(200, "cannot be turned off"); strings.Contains(a.body, "<form") {
			t.Error("a form for what is refused")
		}
		b.post(path+"/off", "code", h.fresh()).want(403, "A second factor is required for this user")

		pass := h.reset()
		b.get(path).want(200, "A second factor is required for this user")
		h.policy(totp.Policy{})
		b = h.browser()
		h.enroll(b, "pass", pass)
		b.get(path).want(200, "After the reset of your second factor", "wait until 2 January 2000, 01:")
		if a := b.get(path+"/off").want(200, "That has to wait until"); strings.Contains(a.body, "<form") {
			t.Error("a form for what is on hold")
		}
		b.post(path+"/off", "code", h.fresh()).want(409, "That has to wait until")
	})
}

// After an undo the user is frozen: nothing but the word of it.
func TestFrozen(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		h.reset()
		h.tx(func(tx *sql.Tx) error {
			h.must(h.script(tx, "undo.sql", time.Now()))
			return totp.Undo(h.Context(), tx, jane, 1, time.Now())
		})
		for _, a := range []answer{b.get(path), b.post(path+"/codes", "code", h.fresh()), b.post("/code", "code", h.fresh())} {
			a.want(a.status, "This user is locked")
		}
		b.post("/code", "code", h.fresh()).want(403)
		b.get(path + "/codes").leads(path)
	})
}

// A wrong clock gets the hint, not the door.
func TestDrift(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		b.post(path + "/start")
		key := b.get(path + "/setup").key()
		b.post(path+"/confirm", "code", showing(h, key, time.Now().Add(3*time.Minute))).want(422, "the clock of your device is about 3 minutes fast", "<svg")
		b.post(path+"/confirm", "code", showing(h, key, time.Now().Add(-4*time.Minute))).want(422, "the clock of your device is about 4 minutes slow")
		h.user.Locale = "de"
		b.post(path+"/confirm", "code", showing(h, key, time.Now().Add(-4*time.Minute))).want(422, "etwa 4 Minuten nach")
	})
}

// The status of those who are not asked, or have few codes, or were attacked.
func TestStatus(t *testing.T) {
	inHouse(t, func(h *house) {
		h.policy(totp.Policy{MandatoryFrom: time.Now().Add(-time.Hour), Digits: 8, Period: 60, Algorithm: totp.SHA256})
		h.register("U-18", true)
		h.user.ID = "U-18"
		b := h.browser()
		if a := b.get(path).want(200, "for the API only"); strings.Contains(a.body, "required") {
			t.Error("an exempt user is told of a duty")
		}
		h.user.ID = "U-99"
		b.get(path).want(200, "not known here yet")
		b.post(path+"/start").want(409, "not known here yet")
		h.user.ID = jane
		b.post(path + "/start").leads(path + "/setup")
		b.get(path+"/setup").want(200, "Algorithm: SHA-256. Digits: 8. Period: 60 seconds.", "Code of 8 digits")

		h.policy(totp.Policy{})
		h.config.ClientIP = func(r *http.Request) string { return r.Header.Get("X-Real-IP") }
		b = h.browser()
		codes := h.enroll(b).codes()
		for _, c := range codes[:7] {
			r := b.request("POST", "/code", map[string][]string{"code": {c}})
			r.Header.Set("X-Real-IP", "203.0.113.9")
			b.do(r).leads("/account")
		}
		b.get(path).want(200, `class="tfa-alert tfa-warn"><i aria-hidden="true">▲</i> Backup codes left: 3.`, "A backup code was used", "Few backup codes are left", "from 203.0.113.9")
		for range 8 {
			time.Sleep(5 * time.Minute)
			b.post("/code", "code", h.wrong())
		}
		b.get(path).want(200, "no code is accepted until", "Too many wrong codes")
	})
}

// Digits of a Japanese keyboard, spaces and hyphens are digits.
func TestTypedAnyhow(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, h.fresh())
		b.post("/code", "code", wide).leads("/account")
		c := h.fresh()
		b.post("/code", "code", "\u00a0"+c[:2]+"-"+c[2:4]+" "+c[4:]+"\r\n").leads("/account")
	})
}

var codeField = regexp.MustCompile(`<input name="code"[^>]*>`)

// An installation may want eight digits: a key of eight passes the challenge and
// proves each change, and every field has room for it. A key from before keeps
// its six, and is replaced by one of eight.
func TestEightDigits(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		h.policy(totp.Policy{Digits: 8, Period: 60})
		b = h.browser()
		roomy := func(a answer) answer {
			h.Helper()
			fields := codeField.FindAllString(a.body, -1)
			if len(fields) == 0 {
				h.Errorf("no field for a code in %s", a.body)
			}
			for _, f := range fields {
				if m := regexp.MustCompile(`maxlength="([2-9]\d)"`).FindString(f); m == "" || strings.Contains(f, "pattern") || strings.Contains(a.body, "6 digits") {
					h.Errorf("no room for eight digits: %s in %s", f, a.body)
				}
			}
			return a
		}
		next := func() string {
			h.Helper()
			time.Sleep(time.Minute)
			c, err := potp.GenerateCodeCustom(h.phone, time.Now(), potp.ValidateOpts{Period: 60, Digits: otp.DigitsEight})
			h.must(err)
			return c[:4] + " " + c[4:]
		}
		b.post("/code", "code", h.fresh()).leads("/account")
		roomy(b.get(path + "/replace").want(200))
		b.post(path+"/start", "code", h.fresh()).leads(path + "/setup")
		h.phone = roomy(b.get(path+"/setup").want(200, "Code of 8 digits")).key()
		b.post(path+"/confirm", "code", next()).want(200, "Save your backup codes")

		roomy(b.get("/code").want(200))
		c := next()
		b.post("/code", "code", c[:4]+c[5:7]).want(422, "not right")
		b.post("/code", "code", c).leads("/account")
		for _, act := range []string{"/codes", "/off"} {
			roomy(b.get(path + act).want(200))
			if a := b.post(path+act, "code", next()); a.status >= 400 {
				h.Errorf("%s: %d %s", act, a.status, a.body)
			}
		}
	})
}
