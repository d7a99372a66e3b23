package ui_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp/panel"
)

var (
	shownKey  = regexp.MustCompile(`id="tfa-key"[^>]*>([A-Z2-7 ]+)<`)
	shownCode = regexp.MustCompile(`<li>([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]+)</li>`)
)

// proves enters the code of the shown key, as a person types it.
func proves(t *testing.T, b *browser, path string, page answer) (secret string, codes answer) {
	t.Helper()
	m := shownKey.FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("no key on %s", page.body)
	}
	secret = strings.ReplaceAll(m[1], " ", "")
	c := code(t, secret, time.Now())
	return secret, b.post(path+"/confirm", append(hiddenFields(page), "code", c[:3]+" "+c[3:])...)
}

// An invited reviewer sets a password, enrolls and signs in.
func TestInvitation(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		token, err := h.desk.Invite(t.Context(), "host", "new@host.example", "Nora New", review.Decider)
		if err != nil {
			t.Fatal(err)
		}
		b, path := h.browser(), "/invite/"+token
		b.get(path).want(t, 200, "Nora New", "reviewer", `minlength="12"`)
		b.post(path, "password", "short", "again", "short").want(t, http.StatusUnprocessableEntity, "at least 12")
		b.post(path, "password", password, "again", password+"x").want(t, http.StatusUnprocessableEntity, "not the same")
		b.post(path, "password", password, "again", password).leads(t, path+"/enroll")
		path += "/enroll"
		if page := b.get(path).want(t, 200, "Set it up"); strings.Contains(page.body, "share") {
			t.Error("a reviewer is told how to share a login")
		}
		b.post(path+"/start").leads(t, path+"/setup")
		page := b.get(path+"/setup").want(t, 200, "<svg", "otpauth://totp/", "SHA-1", `autocomplete="one-time-code"`)
		if strings.Contains(page.body, "shared") {
			t.Error("a reviewer is told how to share a key")
		}
		h.browser().get(path+"/setup").leads(t, path)
		secret, page := proves(t, b, path, page)
		page.want(t, 200, "Save your backup codes", "I have saved them")
		codes := shownCode.FindAllStringSubmatch(page.body, -1)
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		b.post(path+"/finish", hiddenFields(page)...).want(t, http.StatusUnprocessableEntity, codes[0][1], "tick the box")
		if state := b.get(path).want(t, 200, "Backup codes left: 10"); shownCode.MatchString(state.body) || strings.Contains(state.body, "<svg") {
			t.Error("a reload shows the codes or the key again")
		}
		b.get(path+"/off").want(t, http.StatusNotFound)
		b.post(path+"/off", "code", codes[1][1]).want(t, http.StatusNotFound)
		b.post(path+"/finish", append(hiddenFields(page), "saved", "yes")...).leads(t, "/sign-in")
		b.get(path).want(t, http.StatusNotFound, "unknown, used or older")
		time.Sleep(30 * time.Second)
		b.post("/sign-in", "email", "new@host.example", "password", password, "code", code(t, secret, time.Now())).leads(t, "/")
		for _, s := range []string{token, secret, codes[0][1]} {
			if strings.Contains(h.log.String(), s) {
				t.Errorf("a secret is in the log: %s", h.log)
			}
		}
	})
}

var mailedPass = regexp.MustCompile(`(?m)^\s*Code\s+([0-9A-Z-]{16,})`)

// After a reset the page asks for the enrollment pass before anything else.
func TestEnrollmentAfterAReset(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, confirm := h.request()
		rita, r := h.signIn("rita", review.Admin)
		h.browser().post("/r/"+confirm, "answer", "yes")
		path := "/cases/" + number + "/approve"
		rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "called", "code", h.fresh(r.Holder))...).leads(t, "/cases/"+number)
		h.work()
		pass := ""
		for _, l := range h.letters {
			if m := mailedPass.FindStringSubmatch(l.text); m != nil && l.to == "jane@acme.example" {
				pass = m[1]
			}
		}
		path = "/account/2fa"
		pages, err := panel.New(panel.Config{Book: h.desk.Book(), Path: path, Done: "/account",
			Identify: func(*http.Request) (panel.User, bool) { return panel.User{ID: "U-2", Account: "jane"}, true }})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, pages)
		b.get(path).want(t, 200, "Enrollment pass", `name="pass"`)
		b.post(path+"/start").want(t, http.StatusUnprocessableEntity, "That enrollment pass is not right")
		b.post(path+"/start", "pass", "0000-0000-0000-0000").want(t, http.StatusUnprocessableEntity, "That enrollment pass is not right")
		b.post(path+"/start", "pass", strings.ToLower(pass)).leads(t, path+"/setup")
		_, codes := proves(t, b, path, b.get(path+"/setup"))
		codes.want(t, 200, "Save your backup codes")
	})
}

var codeField = regexp.MustCompile(`<input[^>]* name="code"[^>]*>`)

// takesEight wants every field for a code on the page to take eight digits, typed
// with a space, and a backup code, and to say nothing of six.
func takesEight(t *testing.T, page answer) answer {
	t.Helper()
	fields := codeField.FindAllString(page.body, -1)
	if len(fields) == 0 {
		t.Errorf("no field for a code on %s", page.main())
	}
	for _, f := range fields {
		m := regexp.MustCompile(`maxlength="(\d+)"`).FindStringSubmatch(f)
		if m == nil || len(m[1]) != 2 || m[1] < "20" || strings.Contains(f, "pattern=") || strings.Contains(f, "minlength=") {
			t.Errorf("too narrow for eight digits: %s", f)
		}
	}
	for _, six := range []string{"6 digit", "6-digit", "six digit", "six-digit"} {
		if strings.Contains(page.main(), six) {
			t.Errorf("the page says %q: %s", six, page.main())
		}
	}
	return page
}

// With digits = 8 and period = 60 a new reviewer enrolls, signs in, and steps up
// to approve and to make and revoke an API key. The first six digits are no code.
// Who enrolled before keeps the key of six.
func TestEightDigits(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, confirm := h.request()
		h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
		_, rita := h.signIn("rita", review.Decider)
		h.reopen(func(c *review.Config) { c.TOTP.Digits, c.TOTP.Period = 8, 60 })
		token, err := h.desk.Invite(t.Context(), "host", "new@host.example", "Nora New", review.Admin)
		if err != nil {
			t.Fatal(err)
		}
		b, path := h.browser(), "/invite/"+token
		b.post(path, "password", password, "again", password).leads(t, path+"/enroll")
		path += "/enroll"
		if page := b.get(path).want(t, 200, "Set it up"); strings.Contains(page.body, "30 seconds") {
			t.Errorf("a period of 60 seconds is told as 30: %s", page.main())
		}
		b.post(path+"/start").leads(t, path+"/setup")
		page := takesEight(t, b.get(path+"/setup").want(t, 200, "Code of 8 digits", "Digits: 8. Period: 60 seconds", "digits=8"))
		secret := strings.ReplaceAll(shownKey.FindStringSubmatch(page.body)[1], " ", "")
		next := func() string {
			time.Sleep(time.Minute)
			return codeOf(t, secret, time.Now(), otp.DigitsEight, 60)
		}
		c := codeOf(t, secret, time.Now(), otp.DigitsEight, 60)
		takesEight(t, b.post(path+"/confirm", "code", c[:6]).want(t, http.StatusUnprocessableEntity, "not right"))
		page = b.post(path+"/confirm", "code", c[:4]+" "+c[4:]).want(t, 200, "Save your backup codes")
		b.post(path+"/finish", append(hiddenFields(page), "saved", "yes")...).leads(t, "/sign-in")

		takesEight(t, b.get("/sign-in"))
		c = next()
		b.post("/sign-in", "email", "new@host.example", "password", password, "code", c[:6]).want(t, http.StatusUnauthorized, "not right")
		b.post("/sign-in", "email", "new@host.example", "password", password, "code", c[:4]+" "+c[4:]).leads(t, "/")
		approve := "/cases/" + number + "/approve"
		form := append(hiddenFields(takesEight(t, b.get(approve))), "account", "A-1001", "reason", "called")
		takesEight(t, b.post(approve, append(form, "code", c)...).want(t, http.StatusTooManyRequests, "just used"))
		b.post(approve, append(form, "code", next())...).leads(t, "/cases/"+number)

		h.browser().post("/sign-in", "email", rita.Email, "password", password, "code", h.fresh(rita.Holder)).leads(t, "/") // keeps the six digits of her key

		takesEight(t, b.get("/settings/api/new"))
		b.post("/settings/api/new", "name", "x", "scope", "totp:verify", "code", next()).want(t, 200, "never again")
		takesEight(t, b.get("/settings/api/1/revoke"))
		b.post("/settings/api/1/revoke", "code", next()).leads(t, "/settings/api")
	})
}
