package ui_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

var (
	shownKey  = regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`)
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
		b.get(path).want(t, 200, "Set it up", "Better give each a user of their own")
		b.post(path+"/start").leads(t, path)
		page := b.get(path).want(t, 200, "<svg", "otpauth://totp/", "SHA-1, 6 digits, 30 seconds", `inputmode="numeric"`, `autocomplete="one-time-code"`, "shared password manager")
		if again := b.get(path); again.body != page.body {
			t.Error("a reload shows another key")
		}
		if other := h.browser().get(path); strings.Contains(other.body, "<svg") || shownKey.MatchString(other.body) {
			t.Error("another browser sees the pending key")
		}
		b.post(path+"/confirm", append(hiddenFields(page), "code", "000000")...).want(t, http.StatusUnprocessableEntity, "sets its clock automatically", time.Now().UTC().Format("15:04"), "<svg")
		secret, page := proves(t, b, path, page)
		page.want(t, 200, "Save your backup codes", "I have saved them")
		codes := shownCode.FindAllStringSubmatch(page.body, -1)
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		file := b.post(path+"/codes.txt", hiddenFields(page)...).want(t, 200, codes[0][1], codes[9][1], "new@host.example", "Example – backup codes")
		if got := file.header.Get("Content-Disposition"); got != `attachment; filename="Example-new_host.example-`+time.Now().UTC().Format("2006-01-02")+`.txt"` {
			t.Errorf("file is %s", got)
		}
		b.post(path+"/finish", hiddenFields(page)...).want(t, http.StatusUnprocessableEntity, codes[0][1], "tick the box")
		if state := b.get(path).want(t, 200, "Backup codes left: 10"); shownCode.MatchString(state.body) || strings.Contains(state.body, "<svg") {
			t.Error("a reload shows the codes or the key again")
		}
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

// panel is a panel that embeds the enrollment page.
func (h *house) panel(user *string, locale string) *browser {
	h.t.Helper()
	pages, err := ui.Enrollment{Book: h.desk.Book(), Path: "/account/2fa", Done: "/account", Brand: "Panel",
		Identify: func(*http.Request) (string, string, bool) { return *user, "jane@acme.example", *user != "" },
		Locale:   func(*http.Request) string { return locale }}.Handler()
	if err != nil {
		h.t.Fatal(err)
	}
	return newBrowser(h.t, pages)
}

func TestEnrollmentInAPanel(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		user := "U-2"
		b, path := h.panel(&user, "nl-BE"), "/account/2fa"
		a := b.get(path).want(t, 200, `<html lang="nl">`, "Instellen", `href="/account/2fa/static/desk.css`)
		if got := a.header.Get("Content-Security-Policy"); got != wantPolicy {
			t.Errorf("policy %q", got)
		}
		b.get(path+"/static/desk.css").want(t, 200, "color-scheme")
		for _, other := range []string{"/account/2fax", "/account", "/account/2fa/start", "/account/2fa/nothing", "/account/2fa/static/../ui.go"} {
			b.get(other).want(t, http.StatusNotFound)
		}
		r := b.request("POST", path+"/start", nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		b.do(r).want(t, http.StatusForbidden)
		b.post(path+"/start").leads(t, path)
		secret, _ := proves(t, b, path, b.get(path))
		h.phone["U-2"] = secret

		// The code that proved the key is burnt: "just used", not "wrong".
		used := b.post(path+"/codes", "code", code(t, secret, time.Now()))
		used.want(t, http.StatusUnprocessableEntity, "Deze code is net gebruikt")
		b.post(path+"/start").want(t, http.StatusUnprocessableEntity, "Voer eerst een code in")
		a = b.post(path+"/codes", "code", h.fresh("U-2")).want(t, 200)
		if n := len(shownCode.FindAllString(a.body, -1)); n != 10 {
			t.Errorf("%d new codes", n)
		}
		b.post(path+"/codes.txt", "backup", "<script>").want(t, http.StatusBadRequest)
		b.post(path+"/finish", "saved", "yes").leads(t, "/account")
		for range 12 {
			a = b.post(path+"/codes", "code", "000000")
		}
		a.want(t, http.StatusTooManyRequests, "Te veel verkeerde codes")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		user = ""
		b.get(path).want(t, http.StatusForbidden, "sign in")
		b.post(path+"/start").want(t, http.StatusForbidden)
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
		user := "U-2"
		b, path := h.panel(&user, "en"), "/account/2fa"
		b.get(path).want(t, 200, "Enrollment pass", `name="pass"`)
		b.post(path+"/start").want(t, http.StatusUnprocessableEntity, "That enrollment pass is not right")
		b.post(path+"/start", "pass", "0000-0000-0000-0000").want(t, http.StatusUnprocessableEntity, "That enrollment pass is not right")
		b.post(path+"/start", "pass", strings.ToLower(pass)).leads(t, path)
		_, codes := proves(t, b, path, b.get(path))
		codes.want(t, 200, "Save your backup codes")
	})
}

func TestEnrollmentAtTheRoot(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		pages, err := ui.Enrollment{Book: h.desk.Book(), Path: "/", Done: "/done",
			Identify: func(*http.Request) (string, string, bool) { return "U-2", "jane", true }}.Handler()
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, pages)
		b.get("/").want(t, 200, `action="/start"`, `href="/static/desk.css`)
		b.post("/start").leads(t, "/")
	})
}

func TestEnrollmentNeedsItsParts(t *testing.T) {
	if _, err := (ui.Enrollment{}).Handler(); err == nil {
		t.Error("an empty enrollment opens")
	}
}
