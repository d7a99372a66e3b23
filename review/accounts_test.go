package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// The same file twice changes nothing; a dry run changes nothing either and
// counts what it would change.
func TestImportTwiceAndDry(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		time.Sleep(time.Hour) // what is new is told by its time
		r := h.importFile(accountsFile)
		if r != (review.ImportReport{Accounts: 4, Users: 6}) {
			t.Errorf("the same file again: %+v", r)
		}
		before := fingerprint(t, h.sql())
		r, err := h.tryImport(moreAccounts, false, true)
		if err != nil || r != (review.ImportReport{Accounts: 5, Users: 9, Added: 4, AddressesAdded: 3, DryRun: true}) {
			t.Errorf("dry run %+v, %v", r, err)
		}
		if fingerprint(t, h.sql()) != before {
			t.Error("the dry run changed something")
		}
		if r := h.importFile(moreAccounts); r != (review.ImportReport{Accounts: 5, Users: 9, Added: 4, AddressesAdded: 3}) {
			t.Errorf("import %+v", r)
		}
		time.Sleep(time.Hour)
		if _, err := h.tryImport(strings.Replace(moreAccounts, "A-4004,Delta Inc,en,U-9", "A-1001,ACME GmbH,de,U-9", 1), false, true); err == nil {
			t.Error("a dry run does not say that the file would fail")
		}
	})
}

// Design 4: a changed address is history and makes the next case one of high risk.
func TestImportedAddressChange(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		time.Sleep(100 * day)
		r := h.importFile(strings.ReplaceAll(accountsFile, "anna@acme.example", "anna@new.example"))
		if r.AddressesAdded != 1 || r.AddressesEnded != 1 || r.Added != 0 {
			t.Errorf("report %+v", r)
		}
		if got := h.text(`SELECT address || ' ' || (until IS NULL) FROM address WHERE user_id = 'U-1' ORDER BY id`); got != "anna@acme.example 0\nanna@new.example 1" {
			t.Errorf("history %q", got)
		}
		h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		time.Sleep(time.Hour)
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		if fate, _ := h.fate(); fate != "passed" {
			t.Errorf("a mail from the former address is %s", fate)
		}
		v, letters := h.ask("anna@new.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@new.example"), review.Reply{Yes: true})
		v = h.view(v.Number)
		if v.Risk.Level != review.High || !strings.Contains(strings.Join(v.Risk.Reasons, " "), "address was changed less than a day") {
			t.Errorf("risk %+v", v.Risk)
		}
	})
}

// A requester who is replaced while the case is open cannot have it cleared.
func TestRequesterReplacedMeanwhile(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		h.importFile(strings.ReplaceAll(accountsFile, "anna@acme.example", "anna@new.example"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.work()
		if v := h.view(v.Number); v.State != review.StateHeld || v.HeldBy != "verified" {
			t.Errorf("%s on the word of an address that is not registered any more", v.State)
		}
	})
}

// A file that lost most of its lines does not take the users away.
func TestImportRemovals(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(moreAccounts) // 9 users
		lines := strings.SplitAfter(moreAccounts, "\n")
		without := func(ids ...string) string {
			var b strings.Builder
			for _, l := range lines {
				keep := true
				for _, id := range ids {
					keep = keep && !strings.Contains(l, ","+id+",")
				}
				if keep {
					b.WriteString(l)
				}
			}
			return b.String()
		}
		before := fingerprint(t, h.sql())
		_, err := h.tryImport(without("U-8", "U-9"), false, false)
		wantKind(t, "two of nine", err, review.Conflict)
		if fingerprint(t, h.sql()) != before {
			t.Error("a refused import changed something")
		}
		if r, err := h.tryImport(without("U-9"), false, false); err != nil || r.Removed != 1 {
			t.Errorf("one of nine: %+v, %v", r, err)
		}
		if r, err := h.tryImport(without("U-9", "U-7", "U-8"), true, false); err != nil || r.Removed != 2 {
			t.Errorf("forced: %+v, %v", r, err)
		}
		if got := h.text(`SELECT group_concat(id) FROM panel_user WHERE removed_at IS NOT NULL`); got != "U-7,U-8,U-9" {
			t.Errorf("removed %s", got)
		}
		if n := h.count(`SELECT count(*) FROM account WHERE removed_at IS NOT NULL`); n != 1 {
			t.Errorf("%d accounts removed", n)
		}
		h.deliver(request("dora@delta.example", "2FA reset", forUser("dan")))
		if fate, _ := h.fate(); fate != "passed" {
			t.Errorf("a mail for a removed account is %s", fate)
		}
		time.Sleep(time.Hour)
		if r := h.importFile(moreAccounts); r.Added != 0 || r.AddressesAdded != 3 {
			t.Errorf("they come back: %+v", r)
		}
		if n := h.count(`SELECT count(*) FROM panel_user WHERE removed_at IS NOT NULL`); n != 0 {
			t.Errorf("%d users are still removed", n)
		}
	})
}

// Whose admins may ask for a user is decided once.
func TestImportMovesNobody(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		before := fingerprint(t, h.sql())
		_, err := h.tryImport(strings.Replace(accountsFile, "A-1001,ACME GmbH,de,U-2", "A-2002,Beta BV,nl,U-2", 1), true, false)
		wantKind(t, "a move", err, review.Invalid)
		if fingerprint(t, h.sql()) != before {
			t.Error("a refused import changed something")
		}
	})
}

// Users of the API have no address; their case cannot end in a pass, and says so.
func TestImportAPIUser(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-20,whmcs,,user,yes,,\n")
		if n := h.count(`SELECT count(*) FROM address WHERE user_id = 'U-20'`); n != 0 {
			t.Errorf("%d addresses", n)
		}
		h.enroll("U-20", "")
		v, _ := h.ask("anna@acme.example", forUser("whmcs"))
		_, err := h.approve(h.rita, v)
		wantKind(t, "a vote", err, review.Conflict)
		if err == nil || !strings.Contains(err.Error(), "no e-mail address on file") {
			t.Errorf("it says %v", err)
		}
	})
}
