package ui_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// An admin tries a connection, not too often, and sees what the server said.
func TestConnectionsPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		tries := 0
		pages, err := ui.New(ui.Config{Desk: h.desk, BaseURL: base, Brand: "Example", Connections: []ui.Connection{
			{Name: "Mailbox a", Where: "imap.example:993", Test: func(context.Context) (ui.Found, error) { tries++; return ui.Found{Words: "signed in"}, nil }},
			{Name: "Outgoing mail", Where: "smtp.example:465", Test: func(context.Context) (ui.Found, error) { return ui.Found{}, errors.New("535 <b>no</b>") }}},
			Source: func(key string) string { return map[string]string{"policy.hold": "resetdesk.toml, line 7"}[key] }})
		if err != nil {
			t.Fatal(err)
		}
		h.pages = pages
		rita, _ := h.signIn("rita", review.Admin)
		rita.get("/settings/connections").want(t, 200, "imap.example:993", "not tried since the start", "No system is told")
		rita.post("/settings/connections/0/test").leads(t, "/settings/connections")
		rita.post("/settings/connections/1/test").leads(t, "/settings/connections")
		rita.get("/settings/connections").want(t, 200, "signed in", "535 &lt;b&gt;no")
		rita.post("/settings/connections/0/test").want(t, 429, "Wait 20 seconds")
		time.Sleep(21 * time.Second)
		rita.post("/settings/connections/0/test").leads(t, "/settings/connections")
		rita.post("/settings/connections/7/test").want(t, 404)
		if tries != 2 {
			t.Errorf("%d tries", tries)
		}
		rita.get("/settings/policy").want(t, 200, "policy.hold: resetdesk.toml, line 7", "There was no case")
	})
}

// Deliveries are seen and replayed by an admin, who stands in the audit.
func TestWebhookPages(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		if _, _, err := h.desk.AddWebhook(t.Context(), review.APIKey{ID: 1}, "https://panel.example/hook", nil); err != nil {
			t.Fatal(err)
		}
		rita, _ := h.signIn("rita", review.Admin)
		rita.post("/settings/webhooks/1", "do", "test").leads(t, "/settings/webhooks/1")
		d, ok, err := h.desk.ClaimDelivery(t.Context())
		if err != nil || !ok {
			t.Fatalf("%v, %v", ok, err)
		}
		if err := h.desk.SettleDelivery(t.Context(), d, review.DeliveryEnd{Done: true, Status: 200, Text: "<ok>"}); err != nil {
			t.Fatal(err)
		}
		rita.get("/settings/webhooks/1").want(t, 200, "panel.example/hook", "webhook.test", "Delivered", "&lt;ok&gt;", "Replay")
		rita.post("/settings/webhooks/1", "do", "replay", "delivery", "1").leads(t, "/settings/webhooks/1")
		rita.post("/settings/webhooks/1", "do", "replay", "delivery", "99").want(t, 404)
		rita.post("/settings/webhooks/1", "do", "nothing").want(t, 400)
		rita.get("/settings/webhooks/2").want(t, 404)
		rita.get("/audit?action=webhook.replayed").want(t, 200, ">rita<")
	})
}

// Each rule says what it did to the cases of 30 days.
func TestPolicyPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.request()
		vera, _ := h.signIn("vera", review.Viewer)
		a := vera.get("/settings/policy").want(t, 200, "No preset and no setting takes this away", "0 of 1 case were confirmed", "1 of 1 case was at high risk", "1 of 1 case was raised by it")
		if strings.Contains(a.body, "<form method=\"post\" action=\"/settings/policy") {
			t.Error("the page changes the policy")
		}
	})
}
