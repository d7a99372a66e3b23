package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// How far back a judgement looks, and how long it waits for a notice, is the
// operator's to say.
func TestWindowsAreSettable(t *testing.T) {
	for name, set := range map[string]func(*review.Policy){
		"preset": func(*review.Policy) {},
		"longer": func(p *review.Policy) {
			p.VouchedWithin, p.Imitations, p.NoticeGrace = 40*time.Hour, 30*day, 8*time.Hour
		},
	} {
		longer := name == "longer"
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(c *review.Config) { set(&c.Policy) }, func(t *testing.T, h *house) {
				h.deliver(request("anna@acrne.example", "2FA reset", forUser("jane")))
				time.Sleep(20 * day)
				h.signal("U-2", review.Signal{Kind: review.PasswordVerified, IP: "192.0.2.7"})
				time.Sleep(30 * time.Hour)
				h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
				v := h.view(h.onlyCase().Number)
				if imitated := strings.Contains(strings.Join(v.Risk.Reasons, " "), "imitates"); imitated != longer {
					t.Errorf("imitated %t: %q", imitated, v.Risk.Reasons)
				}
				text := ""
				for _, c := range v.Checks {
					text += c.Title + ": " + c.Result + "\n"
				}
				if vouched := strings.Contains(text, "Password: pass"); vouched != longer {
					t.Errorf("vouched %t:\n%s", vouched, text)
				}

				for { // the notices are put off
					l, ok, err := h.desk.Claim(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						break
					}
					if readLetter(t, l).to == "anna@acme.example" {
						err = errors.Join(h.desk.AtDot(t.Context(), l.ID, l.Attempt), h.desk.Sent(t.Context(), l.ID, l.Attempt, "250 ok"))
					} else {
						err = h.desk.Failed(t.Context(), l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Deferred, Code: 451, Text: "451 later", Next: time.Now().Add(48 * time.Hour)})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				for _, c := range []struct {
					after time.Duration
					out   bool
				}{{3 * time.Hour, false}, {5 * time.Hour, !longer}, {9 * time.Hour, true}} {
					time.Sleep(time.Until(v.Opened.Add(c.after)))
					if got := !h.view(v.Number).WaitUntil.IsZero(); got != c.out {
						t.Errorf("after %s the notices are out: %t", c.after, got)
					}
				}
			})
		})
	}
}
