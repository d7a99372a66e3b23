package ui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// An account is frozen and thawed where no case is.
func TestFreezeFromAccountPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Lead)
		sam, _ := h.signIn("sam", review.Decider)
		vera, _ := h.signIn("vera", review.Viewer)
		const path = "/accounts/A-1001"
		at := func(d time.Duration) string { return time.Now().UTC().Add(d).Format("2006-01-02T15:04") }
		if a := vera.get(path); strings.Contains(a.body, "/freeze") {
			t.Error("a viewer is offered a freeze")
		}
		sam.get(path).want(t, 200, path+"/freeze")
		sam.post(path+"/freeze", "until", at(time.Hour), "note", " ").want(t, http.StatusUnprocessableEntity, "Write why")
		sam.post(path+"/freeze", "until", "x", "note", "legal").want(t, http.StatusUnprocessableEntity, "Choose a time to come", "legal")
		sam.post(path+"/freeze", "until", at(5*time.Hour), "note", "legal asked").leads(t, path)
		sam.post(path+"/freeze", "until", at(time.Hour), "note", "shorter").want(t, http.StatusUnprocessableEntity, "frozen for longer already")
		vera.get(path).want(t, 200, "frozen until", "by sam", "legal asked")
		sam.post("/accounts/A-9/freeze", "until", at(time.Hour), "note", "x").want(t, 404)

		rita.get(path+"/thaw").want(t, 200, "legal asked", "Your own code")
		rita.post(path+"/thaw", "note", "settled", "code", "000000").want(t, http.StatusUnprocessableEntity, "The code is not right", "settled")
		rita.post(path+"/thaw", "note", "settled", "code", h.fresh(r.Holder)).leads(t, path)
		if a := vera.get(path); strings.Contains(a.body, "frozen until") {
			t.Error("the account is still frozen")
		}
		rita.post(path+"/thaw", "note", "settled", "code", h.fresh(r.Holder)).want(t, http.StatusConflict, "not frozen")
		rita.get("/audit?object=A-1001").want(t, 200, "settled", "legal asked")
	})
}

// A case is opened by hand on the page of its account, and its page says so.
func TestOpenByHandPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		sam, _ := h.signIn("sam", review.Decider)
		vera, _ := h.signIn("vera", review.Viewer)
		const path = "/accounts/A-1001"
		if a := vera.get(path); strings.Contains(a.body, path+"/open") {
			t.Error("a viewer is offered to open a case")
		}
		sam.get(path).want(t, 200, path+"/open")
		sam.get(path+"/open").want(t, 200, "jane", "By telephone", "cannot be the only one")
		sam.post(path+"/open", "choice", "user:U-2", "class", "phone", "other", " ", "note", "long story <b>").want(t, http.StatusUnprocessableEntity, "number of the ticket", "long story &lt;b&gt;")
		sam.post(path+"/open", "choice", "user:U-3", "class", "phone", "other", "4711", "note", "x").want(t, http.StatusConflict, "user of this account")
		a := sam.post(path+"/open", "choice", "user:U-2", "class", "ticket", "other", "T-4711 <i>", "note", "lost the phone")
		to := a.header.Get("Location")
		if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/cases/RST-") {
			t.Fatalf("%d to %s", a.status, to)
		}
		vera.get(to).want(t, 200, "Opened by hand", "T-4711 &lt;i&gt;", "in a support ticket · to confirm:", "sam", "Nothing proves who called")
		vera.get("/").want(t, 200, "By hand", "lost the phone")
		vera.get(path).want(t, 200, "opened by hand")
		vera.get("/numbers").want(t, 200, "1 by hand")
		sam.post(path+"/open", "choice", "user:U-2", "class", "ticket", "other", "T-4712", "note", "again").want(t, http.StatusConflict, strings.TrimPrefix(to, "/cases/"))
	})
}

// A reviewer sees a letter in the own mailbox.
func TestSendTestLetter(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		vera, v := h.signIn("vera", review.Viewer)
		vera.get("/settings/letters?in=de").want(t, 200, "Send a test to me", v.Email)
		vera.post("/settings/letters", "in", "de", "kind", "x").want(t, http.StatusUnprocessableEntity, "Choose a letter")
		vera.post("/settings/letters", "in", "de", "kind", "cleared").leads(t, "/settings/letters?in=de")
		vera.get("/settings/letters?in=de").want(t, 200, "on its way to "+v.Email)
	})
}
