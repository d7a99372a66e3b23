package review_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// Promises 1 and 5 when the disk is full: a clear error, nothing half-written,
// and everything goes on when there is space again.
func TestDiskFull(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		confirm := confirmToken(t, letters, "anna@acme.example")
		h.answer(confirm, review.Reply{Yes: true})
		big := request("piet@beta.example", "2FA reset", forUser("sanne")) + strings.Repeat("and so on\n", 20_000)
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 40, Mails: []mailbox.Mail{received(39, "From: x@y.example\n\nhi"), received(40, big)}}
		if err := h.desk.LimitPages(ctx, 4); err != nil {
			t.Fatal(err)
		}
		before := fingerprint(t, h.sql())
		err := h.desk.Receive(ctx, b)
		if err == nil || !strings.Contains(err.Error(), "full") {
			t.Errorf("receive on a full disk: %v", err)
		}
		if after := fingerprint(t, h.sql()); after != before {
			t.Error("a batch was half-written")
		}
		failed := 0
		for more := range 9 { // fail at one page after the other of the reset itself
			if err := h.desk.LimitPages(ctx, more+1); err != nil {
				t.Fatal(err)
			}
			out, err := h.approve(h.rita, h.view(v.Number))
			if n := h.count(`SELECT (SELECT count(*) FROM approval) + (SELECT count(*) FROM reset)`); err != nil && n != 0 || err == nil && n != 2 {
				t.Fatalf("with %d pages: %+v, %v, and %d rows", more+1, out, err, n)
			}
			if err == nil {
				break
			}
			failed++
			if v := h.view(v.Number); v.State != review.StateOpen || !v.Enrolled {
				t.Fatalf("%s after %v", v.State, err)
			}
		}
		if failed == 0 {
			t.Error("the disk was never full for the reset")
		}
		if err := h.desk.LimitPages(ctx, 0); err != nil {
			t.Fatal(err)
		}
		h.receive(b)
		if h.view(v.Number).State == review.StateOpen {
			h.vote(h.sam, v.Number)
		}
		if v := h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s with space again: %+v", v.State, v.Requirements)
		}
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 2 {
			t.Errorf("%d cases", n)
		}
		h.sound()
	})
}

// sound checks the database as a whole (promises I2, I3, I6, I7, I9, I10).
func (h *house) sound() {
	h.t.Helper()
	if s := h.text(`PRAGMA integrity_check`); s != "ok" {
		h.t.Errorf("integrity: %s", s)
	}
	for what, query := range map[string]string{
		"broken references":        `SELECT count(*) FROM pragma_foreign_key_check`,
		"second open cases":        `SELECT count(*) FROM (SELECT 1 FROM reset_case WHERE state IN ('open', 'held', 'clearing') AND user_id IS NOT NULL GROUP BY user_id HAVING count(*) > 1)`,
		"resets without a vote":    `SELECT count(*) FROM reset r WHERE NOT EXISTS (SELECT 1 FROM approval a WHERE a.id = r.approval_id AND a.case_id = r.case_id AND a.decided_at <= r.cleared_at)`,
		"resets without a yes":     `SELECT count(*) FROM reset r WHERE NOT EXISTS (SELECT 1 FROM answer a WHERE a.id = r.answer_id AND a.answer = 'yes' AND a.user_id = r.user_id)`,
		"resets without letters":   `SELECT count(*) FROM reset r WHERE NOT EXISTS (SELECT 1 FROM letter WHERE reset_id = r.id AND kind = 'cleared') OR NOT EXISTS (SELECT 1 FROM letter WHERE reset_id = r.id AND kind = 'pass')`,
		"letters without a reset":  `SELECT count(*) FROM letter WHERE kind IN ('cleared', 'pass', 'undone') AND reset_id IS NULL`,
		"generations out of count": `SELECT count(*) FROM holder h WHERE generation <> 1 + (SELECT count(*) FROM reset WHERE user_id = h.id)`,
		"cleared without a reset":  `SELECT count(*) FROM reset_case c WHERE state IN ('cleared', 'undone') AND NOT EXISTS (SELECT 1 FROM reset WHERE case_id = c.id)`,
		"users with the password alone": `SELECT count(*) FROM holder h WHERE generation > 1 AND NOT EXISTS (SELECT 1 FROM credential WHERE user_id = h.id AND state = 'active')
			AND NOT EXISTS (SELECT 1 FROM reset r WHERE r.user_id = h.id AND r.generation = h.generation - 1)`,
	} {
		if n := h.count(query); n != 0 {
			h.t.Errorf("%d %s", n, what)
		}
	}
	if _, err := h.desk.VerifyAudit(h.t.Context()); err != nil {
		h.t.Errorf("audit: %v", err)
	}
}

// Promise 7 through a crash at each step of a letter: claimed, it is claimed
// again at once; at its dot, only after UncertainWait; sent, never. The bytes
// are the same each time.
func TestCrashWhileSending(t *testing.T) {
	for step, c := range map[string]struct {
		wait      time.Duration // until it is claimed again
		again     bool
		uncertain int
	}{
		"queued": {0, true, 0}, "sending": {0, true, 0}, "dot": {time.Minute, true, 1}, "sent": {0, false, 0}, "deferred": {5 * time.Minute, true, 0},
	} {
		t.Run(step, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				ctx := t.Context()
				h.enroll("U-3", "")
				h.deliver(request("piet@beta.example", "2FA reset", forUser("piet"))) // one letter
				var first mailbox.Letter
				if step != "queued" {
					first = h.claim()
				}
				if step == "dot" || step == "sent" {
					if err := h.desk.AtDot(ctx, first.ID, first.Attempt); err != nil {
						t.Fatal(err)
					}
				}
				if step == "sent" {
					if err := h.desk.Sent(ctx, first.ID, first.Attempt, "250 ok"); err != nil {
						t.Fatal(err)
					}
				}
				if step == "deferred" {
					err := h.desk.Failed(ctx, first.ID, first.Attempt, mailbox.Outcome{Phase: mailbox.Deferred, Code: 451, Text: "451 later", Next: time.Now().Add(5 * time.Minute)})
					if err != nil {
						t.Fatal(err)
					}
				}
				if step != "queued" {
					if _, ok, err := h.desk.Claim(ctx); ok || err != nil {
						t.Errorf("one run claims twice: %t, %v", ok, err)
					}
				}
				h.reopen()
				if c.wait > 0 {
					time.Sleep(c.wait - time.Second)
					if _, ok, _ := h.desk.Claim(ctx); ok {
						t.Errorf("claimed a second early")
					}
					time.Sleep(time.Second)
				}
				again, ok, err := h.desk.Claim(ctx)
				if err != nil || ok != c.again {
					t.Fatalf("claimed again %t, %v", ok, err)
				}
				if n := h.count(`SELECT sum(uncertain) FROM letter`); n != c.uncertain {
					t.Errorf("uncertain %d times, want %d", n, c.uncertain)
				}
				if !c.again || step == "queued" {
					return
				}
				if !bytes.Equal(again.Raw, first.Raw) || again.To != first.To || again.Attempt != first.Attempt+1 {
					t.Error("the repeat is another letter")
				}
				if err := h.desk.AtDot(ctx, first.ID, first.Attempt); err == nil {
					t.Error("the dead run still writes")
				}
				if err := errors.Join(h.desk.AtDot(ctx, again.ID, again.Attempt), h.desk.Sent(ctx, again.ID, again.Attempt, "250 ok")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A crash between any two commits of the story: the desk is closed in the middle
// and opened again, and the story ends as it should, with one reset.
func TestCrashAtEveryStep(t *testing.T) {
	for crash := range 8 {
		inHouse(t, nil, func(t *testing.T, h *house) {
			step := 0
			here := func() {
				if step == crash {
					h.reopen()
				}
				step++
			}
			raw := received(1, request("anna@acme.example", "2FA reset", forUser("jane")))
			if err := h.desk.Receive(t.Context(), mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{raw}}); err != nil {
				t.Fatal(err)
			}
			here()
			h.work()
			here()
			h.claim() // never heard of again
			here()
			h.reopen()
			letters := h.post()
			here()
			v := h.onlyCase()
			h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
			here()
			h.vote(h.rita, v.Number)
			here()
			letters = h.post()
			here()
			pass, _ := passIn(t, letters)
			h.enroll("U-2", pass)
			here()
			h.work()
			h.accounted(1)
			if v := h.onlyCase(); v.State != review.StateCleared || len(letters) != 5 {
				t.Errorf("crash %d: %s, %d letters", crash, v.State, len(letters))
			}
			h.sound()
		})
	}
}

// Promise 4 in real time: of 64 who decide the same case at the same moment,
// exactly one decision stands.
func TestDecideAtOnce(t *testing.T) {
	for name, mix := range map[string]string{"all at once": "aaaarcyy", "votes and answers": "ay", "decisions": "rcw"} {
		t.Run(name, func(t *testing.T) { decideAtOnce(t, mix) })
	}
}

func decideAtOnce(t *testing.T, mix string) {
	h := newHouse(t, t.TempDir(), nil)
	v, letters := h.ask("anna@acme.example", forUser("jane"))
	confirm := confirmToken(t, letters, "anna@acme.example")
	var wg sync.WaitGroup
	var mu sync.Mutex
	results := map[string]int{}
	ready := make(chan struct{})
	soon := time.Now().Add(30 * time.Second)
	for i := range 64 {
		s := []review.Session{h.rita, h.sam}[i/2%2]
		in := ballot(v)
		in.Code = h.codeAt(s.Reviewer.Holder, soon) // within the window, not used yet
		wg.Go(func() {
			<-ready
			what, err := "", error(nil)
			switch mix[i%len(mix)] {
			case 'a':
				what = "approve"
				_, err = h.desk.Approve(t.Context(), s, in)
			case 'r':
				what, err = "reject", h.desk.Reject(t.Context(), s, decision(v, "other", "x"))
			case 'c':
				what, err = "close", h.desk.CloseCase(t.Context(), s, decision(v, "not_a_request", "x"))
			case 'w':
				what, err = "withdraw", h.desk.CloseCase(t.Context(), s, decision(v, "withdrawn", "x"))
			default:
				what, err = "yes", h.desk.Answer(t.Context(), confirm, review.Reply{Yes: true})
			}
			if err != nil && review.KindOf(err) == "" {
				t.Errorf("%s: %v", what, err)
			}
			if err == nil {
				mu.Lock()
				results[what]++
				mu.Unlock()
			}
		})
	}
	close(ready)
	wg.Wait()
	h.work()
	v = h.view(v.Number)
	decided := h.count(`SELECT count(*) FROM audit WHERE object = $1 AND action IN ('case.rejected', 'case.withdrawn', 'case.not_a_request', 'case.cleared')`, v.Number)
	if decided != 1 || !v.State.Closed() {
		t.Errorf("%d decisions, the case is %s: %v", decided, v.State, results)
	}
	if n := h.count(`SELECT count(*) FROM answer`); n > 1 {
		t.Errorf("%d answers through one link", n)
	}
	if n := h.count(`SELECT count(*) FROM (SELECT 1 FROM approval GROUP BY reviewer_id HAVING count(*) > 1)`); n > 0 {
		t.Errorf("%d reviewers voted twice", n)
	}
	h.sound()
	t.Logf("%s; %v", v.State, results)
}

// Promise 9: whatever is done to the audit with the triggers out of the way is
// found, and decisions without their events are.
func TestTamperedAudit(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.live()
		if _, err := review.VerifyAuditFile(t.Context(), h.path); err != nil {
			t.Fatal(err)
		}
		whole := h.bytes()
		tampers := map[string]string{
			"a gap":               `DELETE FROM audit WHERE seq = 5`,
			"the first":           `DELETE FROM audit WHERE seq = 1`,
			"two exchanged":       `UPDATE audit SET seq = -1 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = -1`,
			"truncated":           `DELETE FROM audit WHERE seq >= (SELECT audit_seq FROM reset ORDER BY id DESC LIMIT 1)`,
			"everything":          `DELETE FROM audit`,
			"a vote of another":   `UPDATE audit SET action = 'case.seen' WHERE action = 'case.approved' AND seq = (SELECT max(audit_seq) FROM approval)`,
			"an answer unwritten": `DELETE FROM audit WHERE seq >= (SELECT max(seq) FROM audit WHERE action = 'owner.yes')`,
			"a case uncleared":    `DROP TRIGGER case_state; UPDATE reset_case SET state = 'expired', version = version + 1 WHERE state = 'cleared'`,
			"an unknown answer":   `UPDATE answer SET answer = 'yes', user_id = 'U-3' WHERE answer = 'no'`,
		}
		for _, column := range []string{"at = at + 1", "actor = actor || 'x'", "action = action || 'x'", "object = object || 'x'", "detail = detail || ' '", "prev = zeroblob(32)", "hash = zeroblob(32)"} {
			for _, seq := range []string{"1", "7", "(SELECT max(seq) FROM audit)"} {
				if column != "prev = zeroblob(32)" || seq != "1" {
					tampers[column+" at "+seq] = `UPDATE audit SET ` + column + ` WHERE seq = ` + seq
				}
			}
		}
		for what, script := range tampers {
			h.path = filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(h.path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := h.sql().Exec(`PRAGMA foreign_keys = off; DROP TRIGGER audit_fixed; DROP TRIGGER audit_kept; DROP TRIGGER answer_fixed; DROP TRIGGER case_recorded; ` + script)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if head, err := review.VerifyAuditFile(t.Context(), h.path); err == nil {
				t.Errorf("%s: not found, head %d", what, head.Seq)
			}
		}
		t.Logf("%d of %d were found", len(tampers), len(tampers))
	})
}

// bytes is the database as a file, once the desk is closed.
func (h *house) bytes() []byte {
	h.t.Helper()
	if _, err := h.sql().Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		h.t.Fatal(err)
	}
	whole, err := os.ReadFile(h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	return whole
}

// What cannot be found without an outside witness: a chain cut behind its last
// decision. The head, written down elsewhere, shows it.
func TestTruncatedBehindTheLastDecision(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		if err := h.desk.AddNote(t.Context(), panelKey, v.Number, "The customer called."); err != nil {
			t.Fatal(err)
		}
		before, err := h.desk.VerifyAudit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.sql().Exec(`DROP TRIGGER audit_kept; DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)`); err != nil {
			t.Fatal(err)
		}
		after, err := review.VerifyAuditFile(t.Context(), h.path)
		if err != nil || after.Seq != before.Seq-1 || after.Hash == before.Hash {
			t.Errorf("%+v then %+v, %v", before, after, fmt.Sprint(err))
		}
	})
}
