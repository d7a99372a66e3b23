package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// An address that is changed between the vote and the clearing stops the case:
// the enrollment pass would go to it.
func TestUserAddressChangedMeanwhile(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		h.importFile(strings.ReplaceAll(accountsFile, "jane@acme.example", "jane@evil.example"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.work()
		if v := h.view(v.Number); v.State != review.StateHeld || !strings.Contains(v.HeldReason, "address") {
			t.Errorf("%s: %s", v.State, v.HeldReason)
		}
	})
}

// An address of the user that was changed shortly before the request is High,
// and the old address is told and may object.
func TestUserAddressChangedBefore(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		time.Sleep(time.Hour)
		h.importFile(strings.ReplaceAll(accountsFile, "jane@acme.example", "jane@evil.example"))
		time.Sleep(time.Hour)
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		if v = h.view(v.Number); v.Risk.Level != review.High {
			t.Errorf("risk %+v", v.Risk)
		}
		told := false
		for _, l := range letters {
			told = told || l.to == "jane@acme.example"
		}
		if !told {
			t.Error("the former address was not told")
		}
	})
}

// A reply with the number of the case after the first vote holds it: it may be
// the owner's objection.
func TestObjectionByMail(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.vote(h.rita, v.Number)
		h.deliver(request("anna@acme.example", "Re: "+v.Number, "STOP! That was not me."))
		v = h.view(v.Number)
		if v.State != review.StateHeld || v.Mails[1].Role != "replied" {
			t.Fatalf("%s, %+v", v.State, v.Mails)
		}
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.work()
		if v = h.view(v.Number); v.State != review.StateHeld {
			t.Errorf("%s after the objection", v.State)
		}
	})
}

// Repeats of the request, which anybody can send, change nothing that a vote
// rests on; they stand behind replies.
func TestRepeatsDoNotDisturb(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		for range 25 {
			h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		}
		h.deliver(request("anna@acme.example", "Re: "+v.Number, "Any news?"))
		now := h.view(v.Number)
		if len(now.Mails) != 20 || now.Mails[1].Role != "replied" {
			t.Errorf("%d mails, the second is %s", len(now.Mails), now.Mails[1].Role)
		}
		again := h.view(v.Number)
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		if h.view(v.Number).EvidenceHash != again.EvidenceHash {
			t.Error("a repeat makes the page of a reviewer stale")
		}
		if v.EvidenceHash == now.EvidenceHash {
			t.Error("a reply does not make it stale")
		}
	})
}

// Unproven mail opens few cases: one that names many users opens a single open
// question, and an account gets three a day; the rest is parked for a person.
func TestFloodOfRequests(t *testing.T) {
	file := accountsFile
	for i := range 50 {
		file += fmt.Sprintf("A-1001,ACME GmbH,de,U-%d,worker%d,worker%d@acme.example,user,0,,\n", 100+i, i, i)
	}
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(file)
		var all []string
		for i := range 50 {
			all = append(all, fmt.Sprintf("worker%d", i))
		}
		h.deliver(request("anna@acme.example", "2FA reset", "Please reset the two-factor authentication of "+strings.Join(all, ", ")+". All lost their phones."))
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
			t.Fatalf("%d cases from one mail", n)
		}
		for i := range 10 {
			h.deliver(request("anna@acme.example", "2FA reset", forUser(fmt.Sprintf("worker%d", i))))
		}
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 3 {
			t.Errorf("%d cases in a day", n)
		}
		if n := h.count(`SELECT count(*) FROM inbound WHERE fate = 'parked'`); n != 8 {
			t.Errorf("%d parked", n)
		}
		id := int64(h.count(`SELECT max(id) FROM inbound`))
		if _, err := h.desk.OpenParked(t.Context(), h.rita, id); err != nil {
			t.Errorf("a person makes it a case: %v", err)
		}
	})
}

// A request forged in the name of one admin does not keep another one out: who
// asks for the same is asked to confirm too.
func TestOtherAdminIsAskedToo(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-7,bob,bob@acme.example,admin,0,,\n")
		v, _ := h.ask("bob@acme.example", forUser("jane"))
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		h.answer(confirmToken(t, h.post(), "anna@acme.example"), review.Reply{Yes: true})
		h.vote(h.rita, v.Number)
		if v = h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s", v.State)
		}
	})
}

// A reviewer who belongs to the account decides nothing there.
func TestReviewerOfTheAccount(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-7,rita,rita@host.example,admin,0,,\n")
		v, _ := h.ask("rita@host.example", forUser("jane"))
		_, err := h.approve(h.rita, h.view(v.Number))
		wantKind(t, "the admin's own request", err, review.Denied)
		if _, err := h.approve(h.sam, h.view(v.Number)); err != nil {
			t.Error(err)
		}
	})
}

// A code that was accepted after the mail arrived, and before it was read,
// speaks against it.
func TestSignedInBeforeTheMailWasRead(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		arrived := time.Now()
		time.Sleep(time.Hour)
		if err := h.verify("U-2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		h.uid++
		raw := []byte(strings.ReplaceAll(request("anna@acme.example", "2FA reset", forUser("jane")), "\n", "\r\n"))
		h.receive(mailbox.Batch{Source: mailbox.Source{Mailbox: "support", Folder: "INBOX"}, UIDValidity: 7, Through: h.uid,
			Mails: []mailbox.Mail{{UID: h.uid, InternalDate: arrived, Size: int64(len(raw)), Header: raw, Raw: raw}}})
		h.work()
		h.work()
		if v := h.onlyCase(); v.State != review.StateHeld || v.HeldBy != "verified" {
			t.Errorf("%s by %q", v.State, v.HeldBy)
		}
	})
}

// A mail that quotes an open case and asks for somebody else opens a case of its
// own.
func TestQuotedNumberOfAnother(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		h.deliver(request("anna@acme.example", "Re: "+v.Number, forUser("anna")))
		if n := h.count(`SELECT count(*) FROM reset_case WHERE user_id = 'U-1'`); n != 1 {
			t.Errorf("%d cases for the other user", n)
		}
	})
}

// Who forges an admin's mails keeps out nobody: a mail for which its domain speaks,
// wholly or in part, gets a case, and one that asks for what is open joins it,
// whatever nothing proved before it.
func TestForgeryKeepsNobodyOut(t *testing.T) {
	for verdict, fields := range map[string][]string{
		"authenticated": {"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type"},
		"partial":       {"From", "Subject", "Date", "Message-ID", "Content-Type"},
	} {
		t.Run(verdict, func(t *testing.T) {
			zone, sign := signerOf(t, fields...)
			inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
				file := accountsFile
				for i := range 6 {
					file += fmt.Sprintf("A-1001,ACME GmbH,de,U-%d,worker%d,worker%d@acme.example,user,0,,\n", 100+i, i, i)
				}
				h.importFile(file)
				ask := func(login string) string { return request("anna@acme.example", "2FA reset", forUser(login)) }
				fate := func(want, said string) {
					t.Helper()
					if fate, reason := h.lastFate(); fate != want || !strings.Contains(reason, said) {
						t.Errorf("%s: %s, want %s: %s", fate, reason, want, said)
					}
				}
				for i := range 4 { // forged, over the cap of a day
					h.deliver(ask(fmt.Sprintf("worker%d", i)))
				}
				fate("parked", "nothing proves")
				h.deliver(sign(ask("jane"))) // honest, for somebody else
				fate("case", "opened case")
				if got := h.count(`SELECT count(*) FROM assessment WHERE verdict = $1`, verdict); got != 1 {
					t.Errorf("%d mails are %s", got, verdict)
				}
				h.deliver(sign(ask("worker0"))) // honest, for whom a forged one has opened a case
				fate("attached", "asks again for the open case")
				h.deliver(ask("worker1")) // unproven, as of an honest house that signs nothing
				fate("attached", "asks again for the open case")
				for range 4 { // and for the same user, after each forged case was closed
					time.Sleep(time.Minute)
					h.deliver(ask("worker5"))
				}
				h.deliver(sign(ask("worker5")))
				fate("case", "opened case")
			})
		})
	}
}

// The cases of mail that is proven do not use up the room of mail that is not.
func TestProvenCasesLeaveRoom(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		for i := range 5 {
			h.deliver(sign(request("anna@acme.example", fmt.Sprintf("2FA reset %d", i), forUser("jane"))))
			if fate, reason := h.lastFate(); fate != "case" {
				t.Fatalf("request %d within half an hour: %s: %s", i, fate, reason)
			}
			if err := h.desk.CloseCase(t.Context(), h.rita, decision(h.onlyCase(), "not_a_request", "")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Minute)
		}
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		if fate, reason := h.lastFate(); fate != "case" {
			t.Errorf("the first that nothing proves: %s: %s", fate, reason)
		}
	})
}
