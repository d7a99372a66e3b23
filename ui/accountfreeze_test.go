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
