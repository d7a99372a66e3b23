package review_test

import (
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
)

// Admins who want it get a signed head a day, in the text of a mail that can be
// checked as it is; nobody else gets one, and nobody by hand.
func TestHeadByMail(t *testing.T) {
	k, change := withAuditKey(t)
	inHouse(t, func(c *review.Config) { change(c); c.HeadsByMail = true }, func(t *testing.T, h *house) {
		h.reviewer("ada@host.example", "Ada", review.Admin) // beside Rita
		h.reviewer("lea@host.example", "Lea", review.Lead)
		for range 3 { // as Run does every hour
			if err := h.desk.MailHead(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if got := h.text("SELECT group_concat(recipient) FROM (SELECT recipient FROM letter WHERE kind = 'staff' ORDER BY recipient)"); got != "ada@host.example,rita@host.example" {
			t.Fatalf("letters: %s", got)
		}
		l := h.sendOne()
		heads := chain.Split([]byte(l.text))
		if len(heads) != 1 {
			t.Fatalf("%d heads in %s", len(heads), l.text)
		}
		head, err := chain.Open(heads[0], k.Public())
		if err != nil {
			t.Fatalf("%v in %s", err, l.text)
		}
		if _, err := h.desk.VerifyAudit(t.Context(), head); err != nil {
			t.Error(err)
		}
		time.Sleep(22 * time.Hour)
		if err := h.desk.MailHead(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.text("SELECT count(*) FROM letter WHERE kind = 'staff'"); got != "4" {
			t.Errorf("after a day %s letters", got)
		}
	})
}
