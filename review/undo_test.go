package review_test

import (
	"bytes"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// verify tries the code that a holder's phone shows now.
func (h *house) verify(holder string) error {
	_, err := h.desk.Book().Verify(h.t.Context(), holder, h.codeAt(holder, time.Now()), totp.Web)
	return err
}

// Promise 8: the owner takes a reset back within the hold. The old phone works
// again, what the attacker set up does not, and the user is locked until a lead
// has looked.
func TestUndo(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		codes := h.renewCodes("U-2")
		old := h.phone["U-2"]
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		if err := h.desk.Book().Guard(ctx, "U-2", totp.TransferDomain); !errors.As(err, new(*totp.HoldError)) {
			t.Errorf("guard during the hold: %v", err)
		}
		pass, _ := passIn(t, letters)
		h.enroll("U-2", pass)
		attacker := h.phone["U-2"]
		time.Sleep(time.Minute)
		if err := h.verify("U-2"); err != nil {
			t.Fatal(err)
		}
		link := token(t, letters, "boss@acme.example", "wurde zurückgesetzt")
		page, err := h.desk.Owner(ctx, link)
		if err != nil || !page.CanUndo || page.Purpose != "undo" {
			t.Fatalf("page %+v, %v", page, err)
		}
		wantKind(t, "a yes through an undo link", h.desk.Answer(ctx, link, review.Reply{Yes: true}), review.Conflict)
		time.Sleep(time.Until(v.HoldUntil.Add(-time.Second)))
		if err := h.desk.Undo(ctx, link, "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "a second undo", h.desk.Undo(ctx, link, "127.0.0.1"), review.NotFound, review.Conflict)
		for _, secret := range []string{old, attacker} {
			h.phone["U-2"] = secret
			if err := h.verify("U-2"); !errors.Is(err, totp.ErrFrozen) {
				t.Errorf("while locked: %v", err)
			}
		}
		v = h.view(v.Number)
		if out := h.post(); v.State != review.StateUndone || !v.Frozen || len(out) != 4 {
			t.Fatalf("%s, frozen %t, %d letters", v.State, v.Frozen, len(out))
		}

		sam, rita := h.signIn("sam@host.example", h.sam.Reviewer.Holder), h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		in := ballot(v)
		in.Code = h.fresh(sam.Reviewer.Holder)
		wantKind(t, "a reviewer unlocks", h.desk.Unfreeze(ctx, sam, in), review.Denied)
		in.Code = h.fresh(rita.Reviewer.Holder)
		if err := h.desk.Unfreeze(ctx, rita, in); err != nil {
			t.Fatal(err)
		}
		h.phone["U-2"] = attacker
		if err := h.verify("U-2"); !errors.Is(err, totp.ErrInvalidCode) {
			t.Errorf("the attacker's phone: %v", err)
		}
		h.phone["U-2"] = old
		if err := h.verify("U-2"); err != nil {
			t.Errorf("the old phone: %v", err)
		}
		if _, err := h.desk.Book().Verify(ctx, "U-2", codes[0], totp.Web); err != nil {
			t.Errorf("an old backup code: %v", err)
		}
	})
}

func (h *house) renewCodes(holder string) []string {
	h.t.Helper()
	time.Sleep(30 * time.Second)
	codes, err := h.desk.Book().RenewBackupCodes(h.t.Context(), holder, totp.Proof{Code: h.codeAt(holder, time.Now())})
	if err != nil {
		h.t.Fatal(err)
	}
	return codes
}

// An owner takes a reset back though the clock was set back since, behind the reset
// and behind what was enrolled on it.
func TestUndoAfterClockSetBack(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		old := h.phone["U-2"]
		_, letters := h.clearFor("anna@acme.example", forUser("jane"))
		pass, _ := passIn(t, letters)
		time.Sleep(time.Hour)
		h.enroll("U-2", pass)
		// Two hours back is the rows moved two hours ahead.
		for _, s := range []string{`DROP TRIGGER reset_fixed`, `DROP TRIGGER credential_fixed`, `DROP TRIGGER holder_hold`,
			`UPDATE reset SET cleared_at = cleared_at + 7200000000, hold_until = hold_until + 7200000000`,
			`UPDATE holder SET sessions_from = sessions_from + 7200000000, hold_until = hold_until + 7200000000 WHERE id = 'U-2'`,
			`UPDATE credential SET activated_at = activated_at + 7200000000, ended_at = ended_at + 7200000000 WHERE user_id = 'U-2'`} {
			if _, err := h.sql().Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		if err := h.desk.Undo(t.Context(), token(t, letters, "boss@acme.example", "wurde zurückgesetzt"), "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		if told := h.post(); len(told) != 4 {
			t.Errorf("%d letters say so at once", len(told))
		}
		if n := h.count(`SELECT count(*) FROM credential WHERE user_id = 'U-2' AND state = 'active' AND generation = 1`); n != 1 {
			t.Errorf("%d old factors work again", n)
		}
		if n := h.count(`SELECT count(*) FROM credential WHERE user_id = 'U-2' AND state = 'revoked' AND generation = 2`); n != 1 {
			t.Errorf("%d new factors are revoked", n)
		}
		h.phone["U-2"] = old
		if err := h.verify("U-2"); !errors.Is(err, totp.ErrFrozen) {
			t.Errorf("until somebody looked: %v", err)
		}
	})
}

// Reviewers see that a contact objects to a reset, though the clock was set back behind
// it.
func TestObjectionAfterClockSetBack(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.clearFor("anna@acme.example", forUser("jane"))
		// Two hours back is the end moved two hours ahead.
		for _, s := range []string{`DROP TRIGGER case_state`, `UPDATE reset_case SET closed_at = closed_at + 7200000000`} {
			if _, err := h.sql().Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		h.deliver(request("boss@acme.example", "Re: "+v.Number, "This was not us, I object to the two-factor reset."))
		page, err := h.desk.Queue(t.Context(), h.rita, review.QueueFilter{Tab: review.TabHeld})
		if err != nil || len(page.Cases) != 1 || len(h.post()) != 1 {
			t.Errorf("they see %+v, %v; or the contact has no letter", page.Cases, err)
		}
	})
}

// The owner says yes, the clock is set back, the owner says yes through a second
// letter: the case clears on the yes that the clock has reached.
func TestSecondYesAfterClockSetBack(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		if err := h.desk.Ask(t.Context(), h.rita, decision(h.view(v.Number), "", "")); err != nil {
			t.Fatal(err)
		}
		again := h.post()
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		// Two hours back is what was said moved two hours ahead.
		for _, s := range []string{`DROP TRIGGER answer_fixed`, `UPDATE answer SET at = at + 7200000000`} {
			if _, err := h.sql().Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		h.answer(confirmToken(t, again, "anna@acme.example"), review.Reply{Yes: true})
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Errorf("not cleared: %+v", h.view(v.Number).Requirements)
		}
	})
}

// After the hold the case is closed for good.
func TestUndoTooLate(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		link := token(t, letters, "anna@acme.example", "wurde zurückgesetzt")
		time.Sleep(time.Until(v.HoldUntil))
		h.work()
		wantKind(t, "undo after the hold", h.desk.Undo(t.Context(), link, "127.0.0.1"), review.NotFound, review.Conflict)
		if page, err := h.desk.Owner(t.Context(), link); err != nil || page.Found {
			t.Errorf("page %+v, %v", page, err)
		}
		if err := h.desk.Book().Guard(t.Context(), "U-2", totp.TransferDomain); err != nil {
			t.Errorf("guard after the hold: %v", err)
		}
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("state %s", v.State)
		}
	})
}

// A second reset within the hold of the first: only the later one can be taken
// back, and the link of the first says so in words.
func TestUndoAfterSecondReset(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		_, first := h.clearFor("anna@acme.example", forUser("jane"))
		pass, _ := passIn(t, first)
		h.enroll("U-2", pass)
		phone := h.phone["U-2"]
		_, second := h.clearFor("anna@acme.example", forUser("jane"))
		wantKind(t, "undo of the first", h.desk.Undo(t.Context(), token(t, first, "anna@acme.example", "wurde zurückgesetzt"), "127.0.0.1"), review.Conflict)
		if err := h.desk.Undo(t.Context(), token(t, second, "anna@acme.example", "wurde zurückgesetzt"), "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		if n := h.count(`SELECT count(*) FROM credential WHERE user_id = 'U-2' AND state = 'active'`); n != 1 {
			t.Errorf("%d factors, want the one from between the resets", n)
		}
		h.phone["U-2"] = phone
	})
}

// Promise 7: the notice of a reset also goes to a registered address that was
// replaced or demoted in the last 30 days, whoever did that.
func TestFormerAddressIsTold(t *testing.T) {
	taken := strings.Replace(accountsFile, "A-1001,ACME GmbH,de,U-1,anna,anna@acme.example,admin", "A-1001,ACME GmbH,de,U-1,anna,mallory@evil.example,admin", 1)
	demoted := strings.Replace(accountsFile, "anna@acme.example,admin", "anna@acme.example,user", 1) + "A-1001,ACME GmbH,de,U-10,mallory,mallory@evil.example,admin,0,,\n"
	for name, c := range map[string]struct {
		file string
		ago  time.Duration
		told bool
	}{"replaced": {taken, 29 * day, true}, "replaced long ago": {taken, 31 * day, false}, "demoted": {demoted, day, true}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				time.Sleep(day)
				h.importFile(c.file)
				time.Sleep(c.ago)
				h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
				v, letters := h.clearFor("mallory@evil.example", forUser("jane"))
				told := slices.ContainsFunc(letters, func(l letter) bool { return l.to == "anna@acme.example" })
				if told != c.told {
					t.Errorf("told %t, want %t, in %d letters", told, c.told, len(letters))
				}
				if fresh := c.ago < 14*day; v.Risk.Level == review.High != fresh {
					t.Errorf("risk %+v", v.Risk)
				}
				if told {
					if err := h.desk.Undo(t.Context(), token(t, letters, "anna@acme.example", "wurde zurückgesetzt"), "127.0.0.1"); err != nil {
						t.Errorf("the former address takes it back: %v", err)
					}
				}
			})
		})
	}
}

// Promise 6: the pass goes to the user's own address and stands nowhere else: in
// no other letter, no page, and in the database not readable at all.
func TestPassGoesToTheUserAlone(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		pass, to := passIn(t, letters)
		if to != "jane@acme.example" || len(pass) < 24 {
			t.Fatalf("pass %q to %s", pass, to)
		}
		bare := strings.ReplaceAll(pass, "-", "")
		for _, l := range letters {
			if has := strings.Contains(l.text, pass) || bytes.Contains(l.raw, []byte(bare)); has != (l.to == to && strings.Contains(l.text, "  Code ")) {
				t.Errorf("letter to %s (%s) has the pass: %t", l.to, l.subject, has)
			}
		}
		for _, e := range v.Timeline {
			if strings.Contains(e.Detail, pass) {
				t.Error("the audit has the pass")
			}
		}
		all := fingerprint(t, h.sql())
		if strings.Contains(all, pass) || strings.Contains(all, bare) {
			t.Error("the database has the pass in clear")
		}
	})
}

// Promise 6: a lost pass is replaced by a person; the old one dies.
func TestReissuePass(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		first, _ := passIn(t, letters)
		in := ballot(v)
		for what, c := range map[string]struct {
			change func(*review.Approval)
			kind   review.Kind
		}{
			"an older version": {func(a *review.Approval) { a.Version-- }, review.Stale},
			"another account":  {func(a *review.Approval) { a.Account = "A-1002" }, review.Invalid},
			"no reason":        {func(a *review.Approval) { a.Reason = "  " }, review.Invalid},
			"no code":          {func(a *review.Approval) { a.Code = "" }, review.Invalid},
		} {
			bad := in
			bad.Code = h.fresh(h.sam.Reviewer.Holder)
			c.change(&bad)
			wantKind(t, what, h.desk.ReissuePass(ctx, h.sam, bad), c.kind)
		}
		in.Code = h.fresh(h.sam.Reviewer.Holder)
		if err := h.desk.ReissuePass(ctx, h.sam, in); err != nil {
			t.Fatal(err)
		}
		letters = h.post()
		second, to := passIn(t, letters)
		if len(letters) != 1 || to != "jane@acme.example" || second == first {
			t.Errorf("letters %q", letters)
		}
		if _, err := h.desk.Book().Begin(ctx, "U-2", "jane", totp.Proof{Pass: first}); !errors.Is(err, totp.ErrInvalidPass) {
			t.Errorf("the first pass: %v", err)
		}
		h.enroll("U-2", second)
		in = ballot(h.view(v.Number))
		in.Code = h.fresh(h.sam.Reviewer.Holder)
		wantKind(t, "a pass after the enrollment", h.desk.ReissuePass(ctx, h.sam, in), review.Conflict)
		w, _ := h.ask("anna@acme.example", forUser("jane"))
		in = ballot(w)
		in.Code = h.fresh(h.sam.Reviewer.Holder)
		wantKind(t, "a pass of an open case", h.desk.ReissuePass(ctx, h.sam, in), review.Conflict)
	})
}

// Promise 5: whatever is repeated after a reset, the factor enrolled since stays.
func TestRetryNeverTouchesTheNextFactor(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		confirm := confirmToken(t, letters, "anna@acme.example")
		h.answer(confirm, review.Reply{Yes: true})
		open := h.view(v.Number)
		h.vote(h.rita, v.Number)
		pass, _ := passIn(t, h.post())
		h.enroll("U-2", pass)

		in := ballot(open)
		in.Code = h.fresh(h.sam.Reviewer.Holder)
		_, err := h.desk.Approve(ctx, h.sam, in)
		wantKind(t, "a vote from the old page", err, review.Stale)
		wantKind(t, "a yes from the old page", h.desk.Answer(ctx, confirm, review.Reply{Yes: true}), review.Conflict)
		h.reopen()
		for range 5 {
			h.work()
			time.Sleep(time.Hour)
		}
		db := h.sql()
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if err := totp.Clear(ctx, tx, "U-2", 1, totp.Reason{}); !errors.Is(err, totp.ErrConflict) {
			t.Errorf("clearing generation 1 again: %v", err)
		}
		if err := totp.Clear(ctx, tx, "U-2", 2, totp.Reason{}); err == nil {
			t.Error("generation 2 was cleared without a reset of its own")
		}
		if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			t.Fatal(err)
		}
		if err := h.verify("U-2"); err != nil {
			t.Errorf("the new phone: %v", err)
		}
	})
}

// An address that was written in two ways before it was replaced is one address.
func TestFormerAddressWrittenInTwoWays(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for _, as := range []string{"Anna@acme.example", "mallory@evil.example"} {
			time.Sleep(time.Hour)
			h.importFile(strings.ReplaceAll(accountsFile, "anna@acme.example", as))
		}
		_, letters := h.clearFor("mallory@evil.example", forUser("jane"))
		told := 0
		for _, l := range letters {
			if strings.EqualFold(l.to, "anna@acme.example") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// The clock ran far ahead when the notices went out, further than a vote may count: one
// of now is taken all the same.
func TestVoteAfterClockSetFarBack(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		for _, s := range []string{`DROP TRIGGER letter_fixed`, `UPDATE letter SET changed_at = changed_at + 8640000000000`} {
			if _, err := h.sql().Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		if _, err := h.approve(h.rita, h.view(v.Number)); err != nil {
			t.Errorf("a vote: %v", err)
		}
	})
}
