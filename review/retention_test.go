package review_test

import (
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// Mail that is no request keeps no body, unless it came from a registered
// address: that one is kept for seven days, and one click makes a case of it.
// Afterwards its fate and hash remain, so that it is never taken in twice.
func TestBodiesOfNoRequests(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.KeepParked = 7 * 24 * time.Hour }, func(t *testing.T, h *house) {
		ctx := t.Context()
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 3, Mails: []mailbox.Mail{
			received(1, request("someone@elsewhere.example", "Your 2FA page", "What nice weather.")),
			received(2, request("anna@acme.example", "Invoice", "Thank you for the invoice.")),
			received(3, request("piet@beta.example", "Invoice", "Thank you for the other one.")),
		}}
		h.receive(b)
		kept := func(uid int) int {
			return h.count(`SELECT count(*) FROM inbound WHERE raw IS NOT NULL AND uid = $1`, uid)
		}
		if kept(1) != 0 || kept(2) != 1 || kept(3) != 1 {
			t.Fatalf("kept: stranger %d, registered %d %d", kept(1), kept(2), kept(3))
		}
		time.Sleep(6 * 24 * time.Hour)
		if err := h.desk.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := h.desk.OpenParked(ctx, h.rita, 2); err != nil {
			t.Errorf("one click on the sixth day: %v", err)
		}
		time.Sleep(25 * time.Hour)
		if err := h.desk.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		if kept(2) != 1 || kept(3) != 0 {
			t.Errorf("after a week: of the case %d, parked %d", kept(2), kept(3))
		}
		if _, err := h.desk.OpenParked(ctx, h.rita, 3); review.KindOf(err) != review.Conflict {
			t.Errorf("a case of a mail whose text is gone: %v", err)
		}
		if n := h.count(`SELECT count(*) FROM inbound WHERE uid = 3 AND fate = 'parked' AND sha256 IS NOT NULL AND header IS NULL`); n != 1 {
			t.Error("its fate and hash are gone, or its header is not")
		}
		h.receive(b) // the server still has it
		if kept(3) != 0 || h.count(`SELECT count(*) FROM inbound`) != 3 {
			t.Error("it was taken in again")
		}
	})
}
