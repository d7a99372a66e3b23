package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// An address that only changes its case is the same address: it stays as old as
// it was, and the first spelling stays. A real change still counts.
func TestImportRespelledAddress(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		before := h.text(`SELECT id || ' ' || address || ' ' || since || ' ' || coalesce(until, '') FROM address ORDER BY id`)
		time.Sleep(100 * day)
		r := h.importFile(strings.ReplaceAll(accountsFile, "anna@acme.example", "Anna@ACME.example"))
		if r != (review.ImportReport{Accounts: 4, Users: 6}) {
			t.Errorf("another spelling counts as a change: %+v", r)
		}
		if after := h.text(`SELECT id || ' ' || address || ' ' || since || ' ' || coalesce(until, '') FROM address ORDER BY id`); after != before {
			t.Errorf("addresses\n%s\nwere\n%s", after, before)
		}
		h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		v, _ := h.ask("Anna@acme.example", forUser("jane"))
		if reasons := strings.Join(v.Risk.Reasons, " "); strings.Contains(reasons, "changed") {
			t.Errorf("risk %s", reasons)
		}
		if r := h.importFile(strings.ReplaceAll(accountsFile, "anna@acme.example", "anna@acme2.example")); r.AddressesAdded != 1 || r.AddressesEnded != 1 {
			t.Errorf("another domain: %+v", r)
		}
	})
}
