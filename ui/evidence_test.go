package ui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

var testRules = []review.EvidenceRule{
	{Name: "callback", Title: "Called back the number on file", Why: "A voice is harder to have than a mailbox.", How: review.Callback, At: []review.RiskLevel{review.Low, review.Medium, review.High}},
	{Name: "domain", Title: "A record on a domain of the account", How: review.DNSRecord},
	{Name: "colleague", Title: "A second admin vouches", How: review.SecondAdmin},
}

func withRules(c *review.Config) { c.Policy.Evidence = testRules }

// The operator's rows are on the page; a mandatory one stands before the approval, and
// whoever may not decide records nothing.
func TestEvidencePages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		path := "/cases/" + number
		vera, _ := h.signIn("vera", review.Viewer)
		if a := vera.get(path).want(t, 200, "Called back the number on file", "mandatory", "Not answered yet."); strings.Contains(a.body, path+"/evidence-callback") {
			t.Error("a viewer is offered to record evidence")
		}
		vera.get(path+"/evidence-callback").want(t, http.StatusForbidden)
		vera.post(path+"/evidence-callback", "class", "pass", "note", "x").want(t, http.StatusForbidden)
		rita, _ := h.signIn("rita", review.Decider)
		if a := rita.get(path).want(t, 200, path+"/evidence-callback"); strings.Contains(a.body, path+"/approve") {
			t.Error("a case can be approved before the mandatory row is answered")
		}
		form := rita.get(path+"/evidence-callback").want(t, 200, "Record: Called back", "A voice is harder")
		rita.post(path+"/evidence-callback", append(hiddenFields(form), "note", "rang twice")...).want(t, http.StatusUnprocessableEntity, "Choose how it came out", "rang twice")
		rita.post(path+"/evidence-callback", append(hiddenFields(form), "class", "pass", "note", "Anna answered on +49 30 1")...).leads(t, path)
		rita.get(path).want(t, 200, "Anna answered on", path+"/approve")
		rita.get(path+"/evidence-domain").want(t, 200, "No domain of this account was known")
		rita.get(path+"/evidence-colleague").want(t, 200, "no other admin who could vouch")
	}, withRules)
}

// Threat mode is on every page of the desk from the moment on in which it is on.
func TestThreatPages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, confirm := h.request()
		lee, r := h.signIn("lee", review.Lead)
		vera, _ := h.signIn("vera", review.Viewer)
		vera.get("/settings/threat").want(t, 200, "Threat mode is off", "A lead or an admin can turn it on")
		lee.post("/settings/threat", "turn", "sideways", "reason", "x").want(t, http.StatusBadRequest)
		lee.post("/settings/threat", "turn", "on", "reason", "").want(t, http.StatusUnprocessableEntity, "Write why")
		lee.post("/settings/threat", "turn", "on", "reason", "forged requests since noon").leads(t, "/settings/threat")
		for _, path := range []string{"/", "/audit", "/cases/" + number, "/cases/" + number + "/approve", "/settings/threat", "/profile"} {
			vera, lee := vera.get(path), lee.get(path)
			if vera.status == 200 && !strings.Contains(vera.body, "forged requests since noon") || !strings.Contains(lee.body, `class="banner threat"`) {
				t.Errorf("%s says nothing of threat mode", path)
			}
		}
		if a := h.browser().get("/r/"+confirm).want(t, 200); strings.Contains(a.body, "hreat") || strings.Contains(a.body, "forged") {
			t.Error("the owner is told of threat mode")
		}
		lee.get("/cases/"+number).want(t, 200, "2 different reviewers")
		lee.post("/settings/threat", "turn", "off", "reason", "it is over", "code", "000000").want(t, http.StatusUnprocessableEntity, "The code is not right", "it is over")
		lee.post("/settings/threat", "turn", "off", "reason", "it is over", "code", h.fresh(r.Holder)).leads(t, "/settings/threat")
		if a := lee.get("/"); strings.Contains(a.body, `class="banner threat"`) {
			t.Error("the banner stays")
		}
	})
}

// Claims, holds with a time, duplicates and freezes through the pages.
func TestClaimHoldFreeze(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		path := "/cases/" + number
		rita, r := h.signIn("rita", review.Admin)
		sam, _ := h.signIn("sam", review.Decider)
		sam.get(path).want(t, 200, `action="`+path+`/claim"`)
		sam.post(path+"/claim").leads(t, path)
		sam.get(path).want(t, 200, "claimed by you", `role="timer" data-left="900"`, "ends by itself", `action="`+path+`/release"`)
		time.Sleep(14*time.Minute + 55*time.Second)
		rita.get(path).want(t, 200, "claimed by sam", `data-left="5"`, "Take over from sam")
		time.Sleep(5 * time.Second) // the clock lets it go
		if a := rita.get(path).want(t, 200, `action="`+path+`/claim"`); strings.Contains(a.body, "claimed by") || strings.Contains(a.body, "data-left") {
			t.Error("a claim outlasts its time")
		}
		sam.post(path+"/claim").leads(t, path)
		rita.get(path).want(t, 200, "claimed by sam", "Take over from sam")
		rita.post(path+"/claim").want(t, http.StatusUnprocessableEntity, "Write why you take over")
		rita.post(path+"/claim", append(hiddenFields(rita.get(path+"/claim")), "note", "Sam is ill")...).leads(t, path)
		sam.get(path).want(t, 200, "claimed by rita")

		until := time.Now().UTC().Add(3 * time.Hour).Format("2006-01-02T15:04")
		form := hiddenFields(rita.get(path + "/hold"))
		rita.post(path+"/hold", append(form, "note", "they call back", "until", "2000-01-01T00:00")...).want(t, http.StatusUnprocessableEntity, "Choose a time to come", "they call back")
		old := hiddenFields(sam.get(path + "/reject"))
		time.Sleep(time.Second)
		rita.post(path+"/hold", append(form, "note", "they call back", "until", until)...).leads(t, path)
		rita.get(path).want(t, 200, "on hold until")
		sam.post(path+"/reject", append(old, "class", "other", "note", "typed for long")...).want(t, http.StatusConflict, "rita put this case on hold 0s ago.", "typed for long")
		rita.post(path+"/close", append(hiddenFields(rita.get(path+"/close")), "class", "duplicate", "other", "RST-000000")...).
			want(t, http.StatusUnprocessableEntity, "number of the case that goes on")

		rita.post(path+"/freeze", append(hiddenFields(rita.get(path+"/freeze")), "note", "legal asked", "until", until)...).leads(t, path)
		sam.get(path+"/thaw").want(t, http.StatusForbidden)
		form = hiddenFields(rita.get(path+"/thaw").want(t, 200, "Lift the freeze"))
		rita.post(path+"/thaw", append(form, "account", "A-1001", "reason", "settled", "code", h.fresh(r.Holder))...).leads(t, path)
		if a := rita.get(path); strings.Contains(a.body, path+"/thaw") {
			t.Error("a freeze that was lifted can be lifted")
		}
	})
}

// A hold and a claim can be taken back from the sentence that says they are done.
// When somebody acted since, Undo of a hold does nothing and shows what happened.
func TestUndoOfActs(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		path := "/cases/" + number
		state := func() string { return h.text(`SELECT state FROM reset_case WHERE number = '` + number + `'`) }
		rita, _ := h.signIn("rita", review.Admin)
		sam, _ := h.signIn("sam", review.Decider)
		undo := func(act string) []string {
			page := rita.get(path).want(t, 200, ">Undo</button>", `action="`+path+"/"+act+`"`)
			_, form, _ := strings.Cut(page.body, `class="flash"`)
			form, _, _ = strings.Cut(form, "</form>")
			page.body = form
			return hiddenFields(page)
		}
		rita.post(path+"/claim").leads(t, path)
		rita.post(path+"/release", undo("release")...).leads(t, path)
		rita.post(path+"/claim", undo("claim")...).leads(t, path)
		rita.get(path).want(t, 200, "claimed by you")

		rita.post(path+"/hold", append(hiddenFields(rita.get(path+"/hold")), "note", "wrong case")...).leads(t, path)
		rita.post(path+"/resume", undo("resume")...).leads(t, path)
		if got := state(); got != "open" {
			t.Errorf("after Undo of the hold the case is %s", got)
		}
		rita.get(path).want(t, 200, "Taken back at once, by Undo.")

		rita.post(path+"/hold", append(hiddenFields(rita.get(path+"/hold")), "note", "wrong case")...).leads(t, path)
		old := undo("resume")
		sam.post(path+"/resume", append(hiddenFields(sam.get(path+"/resume")), "note", "it is fine")...).leads(t, path)
		sam.post(path+"/hold", append(hiddenFields(sam.get(path+"/hold")), "note", "no, it is not")...).leads(t, path)
		rita.post(path+"/resume", old...).want(t, http.StatusConflict, "sam")
		if got := state(); got != "held" {
			t.Errorf("Undo of an old hold made the case %s", got)
		}
	})
}

// A second admin vouches on a page of his own, in the language of the account.
func TestVouchPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.importFile(strings.Replace(accountsFile, "A-1001,ACME GmbH,de,U-2", "A-1001,ACME GmbH,de,U-9,bert,bert@acme.example,admin,0\nA-1001,ACME GmbH,de,U-2", 1))
		time.Sleep(time.Minute)
		number, _ := h.request()
		path := "/cases/" + number
		rita, _ := h.signIn("rita", review.Decider)
		form := rita.get(path+"/evidence-colleague").want(t, 200, "b•••@acme.example")
		id := radioValue(t, form.body, "other")
		rita.post(path+"/evidence-colleague", append(hiddenFields(form), "other", id)...).leads(t, path)
		h.work()
		link := "/r/" + h.link("bert@acme.example")
		h.browser().get(link).want(t, 200, `<html lang="de">`, "Sie sind Administrator dieses Kontos", "Ja, ich weiß davon")
		h.browser().post(link).want(t, http.StatusUnprocessableEntity)
		h.browser().post(link, "answer", "yes").leads(t, link)
		h.browser().get(link).want(t, 200, "Sie haben sich für diese Anfrage verbürgt")
		rita.get(path).want(t, 200, "knows of the request", "a second admin")
		h.browser().post(link, "answer", "no").leads(t, link)
		rita.get(path).want(t, 200, "On hold: Evidence failed")
	}, withRules)
}

func radioValue(t *testing.T, body, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `name="`+name+`" value="`)
	if !ok {
		t.Fatalf("no choice %s", name)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
