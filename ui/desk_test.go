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

// Text of strangers is text, wherever it is shown.
func TestMarkupInMailIsText(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll("U-2")
		time.Sleep(time.Minute)
		payload := `<script>alert(1)</script>"'><img src=x onerror=alert(2)> </pre></textarea>{{.Body}}`
		hidden := "\u202egnp.exe\u200b"
		h.deliver(`"<b onclick=alert(3)>Anna" <anna@acme.example>`, "2FA reset jane "+payload+hidden, lostPhone+"\n"+payload+hidden+"\n\n> "+payload)
		h.deliver("anna@acme.example", "Invoice "+payload, payload)
		h.deliver("stranger@evil.example", "2fa reset "+payload, lostPhone+payload)
		number := h.text(`SELECT number FROM reset_case`)
		rita, _ := h.signIn("rita", review.Admin)
		rita.post("/cases/"+number+"/hold", "version", h.text(`SELECT version FROM reset_case`), "note", payload+hidden).leads(t, "/cases/"+number)
		shown := 0
		for _, path := range []string{"/", "/?tab=held", "/?tab=parked", "/?tab=quarantine", "/?q=" + "%3Cscript%3Ealert(1)", "/audit", "/cases/" + number,
			"/cases/" + number + "/approve", "/cases/" + number + "/resume", "/mails/2", "/mails/3"} {
			a := rita.get(path).want(t, 200)
			for _, bad := range []string{"<script>", "<img", "<b onclick", "{{", "\u202e", "\u200b"} {
				if strings.Contains(a.body, bad) && !(bad == "{{" && strings.Contains(a.body, "{{.Body}}")) {
					t.Errorf("%s carries %q", path, bad)
				}
			}
			if strings.Contains(a.body, "&lt;script&gt;alert(1)") {
				shown++
			}
		}
		if shown < 6 {
			t.Errorf("the text is shown on %d pages only", shown)
		}
		rita.get("/cases/"+number).want(t, 200, "⟨U&#43;202E⟩", "⟨U&#43;200B⟩")
		src := rita.get("/cases/"+number+"/mails/1").want(t, 200, "<script>")
		if kind := src.header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
			t.Errorf("the source is served as %s", kind)
		}
	})
}

var radio = regexp.MustCompile(`<input type="(radio|checkbox)"[^>]*>`)

// The way of a case through the pages: the form names the act, asks for what it
// needs, keeps what was typed, and the last vote clears.
func TestApprove(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, confirm := h.request()
		rita, r := h.signIn("rita", review.Admin)
		rita.get("/").want(t, 200, number, "ACME GmbH", "Mailbox connected")
		rita.get("/cases/"+number).want(t, 200, "Skip to decision", "The owner confirmed through the link", "jane<sup>1</sup></mark> lost her phone", "/cases/"+number+"/approve")
		path := "/cases/" + number + "/approve"
		form := rita.get(path).want(t, 200, "Approve the reset of two-factor authentication for jane of ACME GmbH (A-1001)",
			"as soon as the requirements that are still open are met", "Cancel", "Approve the reset for A-1001", "stop working")
		if strings.Index(form.body, ">Cancel<") > strings.Index(form.body, "<button class=\"danger\"") {
			t.Error("Cancel is not first")
		}
		fields := hiddenFields(form)
		again := rita.post(path, append(fields, "account", "A-2002", "reason", "called the number on file", "code", h.fresh(r.Holder))...)
		again.want(t, http.StatusUnprocessableEntity, "called the number on file", "exactly as it stands")
		again = rita.post(path, append(fields, "account", "A-1001", "reason", "called the number on file", "code", "000000")...)
		again.want(t, http.StatusUnprocessableEntity, "called the number on file", "The code is not right")

		h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
		rita.get(path).want(t, 200, "Reset two-factor authentication for jane", "This happens at once", "Reset 2FA for A-1001")
		c := h.fresh(r.Holder)
		rita.post(path, append(fields, "account", " A-1001 ", "reason", "called the number on file", "code", c[:3]+" "+c[3:])...).leads(t, "/cases/"+number)
		done := rita.get("/cases/"+number).want(t, 200, "The second factor was reset. Everyone concerned is being told.", "Cleared", "Send a new enrollment pass")
		if strings.Contains(rita.get("/cases/"+number).body, "Everyone concerned is being told.") {
			t.Error("the sentence is said twice")
		}
		if strings.Contains(done.body, path) {
			t.Error("a cleared case can be approved")
		}
		rita.get(path).want(t, 200, "the case cannot do this")
	})
}

// A form that is older than the case answers 409, says what happened, and keeps
// the text that was typed.
func TestStaleFormKeepsTheText(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		rita, _ := h.signIn("rita", review.Admin)
		sam, _ := h.signIn("sam", review.Decider)
		old := hiddenFields(sam.get("/cases/" + number + "/reject"))
		rita.post("/cases/"+number+"/hold", append(hiddenFields(rita.get("/cases/"+number+"/hold")), "note", "waiting for a call")...).leads(t, "/cases/"+number)
		stale := sam.post("/cases/"+number+"/reject", append(old, "class", "evidence", "note", "the voice did not match")...)
		stale.want(t, http.StatusConflict, "the voice did not match", "Case held", "waiting for a call", `value="evidence" required checked`)
		sam.post("/cases/"+number+"/reject", append(hiddenFields(stale), "class", "evidence", "note", "the voice did not match")...).leads(t, "/cases/"+number)
		rita.post("/cases/"+number+"/resume", append(old, "note", "it was Anna")...).want(t, http.StatusConflict, "it was Anna", "cannot do this")
		rita.get("/cases/"+number).want(t, 200, "Closed: rejected.", "the voice did not match")
	})
}

func TestResolveAndOtherActs(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll("U-4")
		time.Sleep(time.Minute)
		h.deliver("piet@beta.example", "2FA reset please", "Please reset our two-factor authentication, the phone is lost.")
		number := h.text(`SELECT number FROM reset_case`)
		rita, _ := h.signIn("rita", review.Decider)
		form := rita.get("/cases/"+number+"/resolve").want(t, 200, `value="user:U-4"`)
		rita.post("/cases/"+number+"/resolve", hiddenFields(form)...).want(t, http.StatusUnprocessableEntity, "Choose the user")
		rita.post("/cases/"+number+"/resolve", append(hiddenFields(form), "choice", "user:U-4")...).leads(t, "/cases/"+number)
		rita.get("/cases/"+number).want(t, 200, "The choice is recorded.", "sanne")
		rita.post("/cases/"+number+"/ask", hiddenFields(rita.get("/cases/"+number+"/ask"))...).leads(t, "/cases/"+number)
		rita.post("/cases/"+number+"/close", append(hiddenFields(rita.get("/cases/"+number+"/close")), "class", "withdrawn")...).leads(t, "/cases/"+number)
		rita.get("/?tab=closed").want(t, 200, number, "Withdrawn")
	})
}

func TestParkedMailBecomesACase(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll("U-2")
		time.Sleep(time.Minute)
		h.deliver("anna@acme.example", "Question", "Can you call me about jane?")
		rita, _ := h.signIn("rita", review.Decider)
		parked := rita.get("/?tab=parked").want(t, 200, "/mails/1")
		if strings.Contains(parked.body, "tab=quarantine") {
			t.Error("a reviewer is shown the way to the quarantine")
		}
		rita.get("/mails/1").want(t, 200, "Make it a case")
		a := rita.post("/mails/1/case")
		a.leads(t, "/cases/"+h.text(`SELECT number FROM reset_case`))
		rita.post("/mails/1/case").want(t, http.StatusConflict, "Only a parked mail")
	})
}

func TestSignIn(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		b := h.browser()
		b.get("/cases/RST-8K2M4Q").leads(t, "/sign-in?next=%2Fcases%2FRST-8K2M4Q")
		wrong := b.post("/sign-in", "email", "rita@host.example", "password", "wrong", "code", "123456").want(t, http.StatusUnauthorized)
		unknown := b.post("/sign-in", "email", "rita@host.example", "password", password, "code", "123456").want(t, http.StatusUnauthorized)
		if wrong.body != unknown.body {
			t.Error("a wrong password and a wrong code give different pages")
		}
		c := h.fresh(r.Holder)
		a := b.post("/sign-in", "email", "rita@host.example", "password", password, "code", " "+c[:3]+" "+c[3:], "next", "/cases/RST-8K2M4Q")
		a.leads(t, "/cases/RST-8K2M4Q")
		cookie := a.header.Get("Set-Cookie")
		for _, part := range []string{"__Host-resetdesk=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
			if !strings.Contains(cookie, part) {
				t.Errorf("cookie without %s: %s", part, cookie[:20])
			}
		}
		b.post("/sign-in", "email", "rita@host.example", "password", password, "code", c).want(t, http.StatusTooManyRequests, "just used")
		for _, next := range []string{"//evil.example", "https://evil.example", "/\\evil.example", "/r/token", "javascript:alert(1)"} {
			h.browser().post("/sign-in", "email", "rita@host.example", "password", password, "code", h.fresh(r.Holder), "next", next).leads(t, "/")
		}
		for range 8 {
			a = h.browser().post("/sign-in", "email", "rita@host.example", "password", "wrong", "code", "123456")
		}
		a.want(t, http.StatusTooManyRequests, "Too many tries. Wait")
		rita.post("/sign-out").leads(t, "/sign-in")
		rita.get("/").leads(t, "/sign-in")
	})
}

// On loopback without TLS the cookie has no prefix, or no browser would keep it.
func TestPlainLoopback(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		_, r := h.signIn("rita", review.Viewer)
		const local = "http://127.0.0.1:8080"
		pages, err := ui.New(ui.Config{Desk: h.desk, BaseURL: local})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, pages)
		b.base = local
		a := b.post("/sign-in", "email", "rita@host.example", "password", password, "code", h.fresh(r.Holder))
		a.leads(t, "/")
		if c := a.header.Get("Set-Cookie"); !strings.HasPrefix(c, "resetdesk=") || strings.Contains(c, "Secure") || !strings.Contains(c, "HttpOnly") {
			t.Errorf("cookie %s", c)
		}
		if a := b.get("/").want(t, 200, "Nothing to review"); a.header.Get("Strict-Transport-Security") != "" {
			t.Error("HSTS without TLS")
		}
	})
}

// An internal error shows a reference and nothing else; the log has the same
// reference, and neither has a token.
func TestInternalErrorHasAReference(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		_, confirm := h.request()
		h.desk.Close()
		a := h.browser().get("/r/"+confirm).want(t, http.StatusInternalServerError, "Internal error, reference ")
		_, rest, _ := strings.Cut(a.body, "Internal error, reference ")
		if ref := rest[:8]; !strings.Contains(h.log.String(), "reference="+ref) || !strings.Contains(h.log.String(), "route=/r/{token}") {
			t.Errorf("reference %s is not in the log: %s", ref, h.log)
		}
		if strings.Contains(h.log.String(), confirm) || strings.Contains(a.body, "sql") {
			t.Errorf("a token in the log or an error text on the page: %s %s", h.log, a.body)
		}
	})
}
