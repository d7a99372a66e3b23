package ui_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// The history of an account, its export and its erasure.
func TestAccountPages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		rita, _ := h.signIn("rita", review.Admin)
		vera, _ := h.signIn("vera", review.Viewer)
		vera.get("/accounts").want(t, 200, "ACME GmbH", "anna@acme.example", "Beta BV")
		for query, want := range map[string]string{"A-10": "ACME GmbH", "U-2": "ACME GmbH", "Anna@acme.example": "ACME GmbH", "A-2002": "Beta BV"} {
			a := vera.get("/accounts?q="+query).want(t, 200, want)
			if strings.Contains(a.body, "ACME GmbH") && strings.Contains(a.body, "Beta BV") {
				t.Errorf("%s finds both", query)
			}
		}
		vera.get("/accounts?q=nobody").want(t, 200, "No account matches")
		vera.get("/accounts/A-1001").want(t, 200, number, "jane", "10 left")
		vera.get("/accounts/A-1001?tab=factors").want(t, 200, "Enrolled")
		vera.get("/accounts/A-1001?tab=addresses").want(t, 200, "registered admin", "current")
		vera.get("/accounts/A-1001?tab=letters").want(t, 200, "Acknowledgement", "250")
		vera.get("/accounts/A-9").want(t, 404)
		vera.post("/accounts/A-1001/export").want(t, 403)
		vera.post("/accounts/A-1001/erase", "reason", "x").want(t, 403)

		a := rita.post("/accounts/A-1001/export").want(t, 200, `"anna@acme.example"`, number)
		if strings.Contains(a.body, "secret") || strings.Contains(a.body, "/r/") {
			t.Error("the export has a secret")
		}
		rita.post("/accounts/A-1001/erase", "reason", " ").want(t, 422, "who asked")
		rita.post("/accounts/A-1001/erase", "reason", "Anna, by letter").leads(t, "/accounts/A-1001")
		rita.get("/accounts/A-1001").want(t, 200, "The bytes of 0 mails are erased") // the case is open
		who, err := h.desk.Authenticate(t.Context(), rita.session())
		if err != nil {
			t.Fatal(err)
		}
		v, err := h.desk.Case(t.Context(), who, number)
		if err != nil {
			t.Fatal(err)
		}
		page := rita.get("/cases/" + number + "/reject")
		rita.post("/cases/"+number+"/reject", append(hiddenFields(page), "class", "abuse")...).leads(t, "/cases/"+number)
		rita.post("/accounts/A-1001/erase", "reason", "Anna, by letter").leads(t, "/accounts/A-1001")
		rita.get("/accounts/A-1001").want(t, 200, "The bytes of 1 mails are erased")
		after, err := h.desk.Case(t.Context(), who, number)
		if err != nil || after.Mails[0].Text != "" || v.Mails[0].Text == "" || after.Mails[0].Verdict != v.Mails[0].Verdict {
			t.Errorf("%q, then %q, %v", v.Mails[0].Text, after.Mails[0].Text, err)
		}
		if _, err := h.desk.VerifyAudit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Leads see the banner on every page, others nowhere; the page names the cases.
func TestAttackPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		rita, _ := h.signIn("rita", review.Admin)
		vera, _ := h.signIn("vera", review.Viewer)
		rita.get("/attack").want(t, 200, "Nothing stands out")
		page := rita.get("/cases/" + number + "/reject")
		rita.post("/cases/"+number+"/reject", append(hiddenFields(page), "class", "abuse")...).leads(t, "/cases/"+number)
		time.Sleep(time.Minute)
		h.deliver("anna@acme.example", "2FA reset", "Hello, jane lost the phone. Please reset the two-factor authentication of the user \"jane\".")
		time.Sleep(2 * time.Minute)
		for _, path := range []string{"/", "/audit", "/numbers"} {
			rita.get(path).want(t, 200, "asked for again after a refusal", `href="/attack"`)
			if strings.Contains(vera.get(path).body, "after a refusal") {
				t.Errorf("a viewer sees the banner on %s", path)
			}
		}
		rita.get("/attack").want(t, 200, "U-2 was asked for again", "Threat mode is off", "/cases/RST-")
		vera.get("/attack").want(t, 403)
	})
}

func TestNumbersPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		vera, _ := h.signIn("vera", review.Viewer)
		vera.get("/numbers").want(t, 200, "Open now: 0", "Nothing was rejected", `role="img"`, "<desc")
		h.request()
		vera.get("/numbers").want(t, 200, "Open now: 1", "1 by mail", "<tbody>")
		vera.get("/settings/letters?in=de").want(t, 200, "Bitte bestätigen", `lang="de"`)
	})
}
