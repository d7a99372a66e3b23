package totp_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

func (d *desk) begin(p totp.Proof) error {
	_, err := d.book.Begin(d.Context(), jane, "jane", p)
	return err
}

func (d *desk) clear(generation int64) error {
	return d.tx(func(tx *sql.Tx) error {
		return totp.Clear(d.Context(), tx, jane, generation, totp.Reason{})
	})
}

// Without the row of an approved reset nothing is cleared (design 2, promise 4).
func TestClearNeedsReset(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		if err := d.clear(1); err == nil || errors.Is(err, totp.ErrConflict) || !strings.Contains(err.Error(), "approved reset") {
			d.Errorf("cleared without a reset: %v", err)
		}
		d.wants("a generation to come", d.clear(2), totp.ErrConflict)
		time.Sleep(time.Minute)
		d.must(d.verify(at(key, time.Now())))
		d.must(d.verify(codes[0]))
		err := d.tx(func(tx *sql.Tx) error {
			_, _, err := d.book.IssuePass(d.Context(), tx, jane, 1, time.Now())
			return err
		})
		if err == nil {
			d.Error("a pass without a reset")
		}
		err = d.tx(func(tx *sql.Tx) error { return totp.Undo(d.Context(), tx, jane, 1, time.Now()) })
		d.wants("an undo without a reset", err, totp.ErrConflict)
	})
}

// Design 2, promises 5 and 6: a reset takes all at once, and afterwards nothing
// but the pass enrolls.
func TestResetIsWhole(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: at(key, time.Now())})
		d.must(err)
		time.Sleep(time.Minute)
		d.wants("a failure before", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		pass := d.reset(1)

		d.wants("the old authenticator", d.verify(at(key, time.Now())), totp.ErrPassRequired)
		d.wants("an old backup code", d.verify(codes[0]), totp.ErrPassRequired)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("the enrollment of before", err, totp.ErrConflict)
		_, err = d.book.RenewBackupCodes(d.Context(), jane, totp.Proof{Code: codes[0]})
		d.wants("renew", err, totp.ErrPassRequired)
		s := d.status(jane)
		if s.Enrolled || !s.PassRequired || s.Generation != 2 || s.CodesLeft != 0 || s.Failures != 0 ||
			!s.SessionsFrom.Equal(time.Now()) || !s.HoldUntil.Equal(time.Now().Add(time.Hour)) {
			d.Errorf("status %+v", s)
		}
		d.wants("no proof", d.begin(totp.Proof{}), totp.ErrPassRequired)
		d.wants("an old code", d.begin(totp.Proof{Code: codes[0]}), totp.ErrPassRequired)
		d.wants("no pass at all", d.begin(totp.Proof{Pass: "x"}), totp.ErrInvalidPass)
		d.wants("a wrong pass", d.begin(totp.Proof{Pass: "0000-0000-0000-0000-0000-0000"}), totp.ErrInvalidPass)
		if n := d.status(jane).Failures; n != 1 {
			d.Errorf("%d failures: a wrong pass counts", n)
		}
		d.must(d.begin(totp.Proof{Pass: strings.ToLower(strings.ReplaceAll(pass, "-", " "))}))
		if n := d.status(jane).Failures; n != 1 {
			d.Errorf("%d failures: a pass ends no row of failures", n)
		}
		fresh, more := d.enroll(jane, totp.Proof{Pass: pass}) // an abandoned enrollment does not use it up
		if len(more) != 10 || d.status(jane).PassRequired {
			d.Error("not enrolled again")
		}
		time.Sleep(time.Minute)
		d.must(d.verify(at(fresh, time.Now())))
		d.wants("the pass again", d.begin(totp.Proof{Pass: pass}), totp.ErrProofRequired)
	})
}

// T3: wrong passes are on the same counter as codes.
func TestPassGuessesAreLimited(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		pass := d.reset(1)
		for range 5 {
			d.wants("a wrong pass", d.begin(totp.Proof{Pass: strings.Repeat("0", 24)}), totp.ErrInvalidPass)
		}
		var locked *totp.LockedError
		if err := d.begin(totp.Proof{Pass: strings.Repeat("0", 24)}); !errors.As(err, &locked) || locked.RetryAfter != 15*time.Second {
			d.Errorf("after five wrong passes: %v", err)
		}
		d.must(d.begin(totp.Proof{Pass: pass}))
	})
}

// R3: a pass dies after 24 hours, with its enrollment, and a new one kills it.
func TestPassExpires(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		pass := d.reset(1)
		time.Sleep(24*time.Hour - 5*time.Minute)
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Pass: pass})
		d.must(err)
		if left := time.Until(e.Expires); left != 5*time.Minute {
			d.Errorf("the enrollment outlives its pass: %v", left)
		}
		time.Sleep(5 * time.Minute)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("confirm after the pass", err, totp.ErrExpired)
		d.wants("the pass after a day", d.begin(totp.Proof{Pass: pass}), totp.ErrExpired)
		var second string
		var until time.Time
		d.must(d.tx(func(tx *sql.Tx) (err error) {
			second, until, err = d.book.IssuePass(d.Context(), tx, jane, 1, time.Now())
			return err
		}))
		if second == pass || !until.Equal(time.Now().Add(24*time.Hour)) {
			d.Errorf("second pass until %v", until)
		}
		d.wants("a revoked pass", d.begin(totp.Proof{Pass: pass}), totp.ErrInvalidPass)
		// A pass that is revoked between Begin and Confirm is worth nothing.
		e, err = d.book.Begin(d.Context(), jane, "jane", totp.Proof{Pass: second})
		d.must(err)
		d.must(d.tx(func(tx *sql.Tx) (err error) {
			pass, _, err = d.book.IssuePass(d.Context(), tx, jane, 1, time.Now())
			return err
		}))
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("confirm with a revoked pass", err, totp.ErrInvalidPass)
		d.enroll(jane, totp.Proof{Pass: pass})
	})
}

// A reset ends the live pass of the one before, also when no new one is issued.
func TestClearRevokesPass(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		pass, live := d.reset(1), 1
		d.must(d.begin(totp.Proof{Pass: pass}))
		time.Sleep(time.Minute)
		d.must(d.tx(func(tx *sql.Tx) error {
			if err := d.script(tx, "reset.sql", 2, 2, time.Now()); err != nil {
				return err
			}
			if err := totp.Clear(d.Context(), tx, jane, 2, totp.Reason{}); err != nil {
				return err
			}
			return tx.QueryRow(`SELECT count(*) FROM enrollment_pass WHERE used_at IS NULL AND revoked_at IS NULL`).Scan(&live)
		}))
		if live != 0 {
			d.Error("a pass outlives the reset")
		}
		d.wants("the pass of before", d.begin(totp.Proof{Pass: pass}), totp.ErrInvalidPass)
	})
}

// Promise 5: a retry for generation N never touches N+1.
func TestRetryOfOldGeneration(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		key, codes := d.enroll(jane, totp.Proof{Pass: d.reset(1)})
		before := d.status(jane)
		for range 3 {
			d.wants("a retry", d.clear(1), totp.ErrConflict)
		}
		// Not even a hand that forgets the condition gets past the schema.
		if err := d.exec(`UPDATE credential SET state = 'cleared', ended_at = 1 WHERE user_id = $1 AND state = 'active'`, jane); err == nil {
			d.Error("cleared by hand")
		}
		if after := d.status(jane); after != before {
			d.Errorf("before %+v, after %+v", before, after)
		}
		time.Sleep(time.Minute)
		d.must(d.verify(at(key, time.Now())))
		d.must(d.verify(codes[0]))
	})
}

// Promise 8: what was cleared comes back, what an intruder enrolled ends, and
// the user is frozen until a person looked.
func TestUndo(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		last := at(key, time.Now())
		d.must(d.verify(last))
		pass := d.reset(1)
		theirs, theirCodes := d.enroll(jane, totp.Proof{Pass: pass})
		time.Sleep(time.Minute)
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: theirCodes[0]})
		d.must(err)
		d.must(d.undo(1))

		for what, err := range map[string]error{
			"the owner's code":    d.verify(at(key, time.Now())),
			"the intruder's code": d.verify(at(theirs, time.Now())),
			"begin":               d.begin(totp.Proof{Code: codes[0]}),
			"guard":               d.book.Guard(d.Context(), jane, totp.TransferDomain),
		} {
			d.wants(what+" while frozen", err, totp.ErrFrozen)
		}
		_, err = d.book.Verify(d.Context(), jane, "", totp.API)
		d.wants("the API while frozen", err, totp.ErrFrozen)
		if s := d.status(jane); !s.Frozen || !s.Enrolled || s.CodesLeft != 10 || s.Generation != 2 || !s.SessionsFrom.Equal(time.Now()) {
			d.Errorf("status %+v", s)
		}
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
		d.wants("the intruder's code", d.verify(at(theirs, time.Now())), totp.ErrInvalidCode)
		d.wants("the intruder's backup code", d.verify(theirCodes[1]), totp.ErrInvalidCode)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("the intruder's enrollment", err, totp.ErrConflict)
		d.must(d.verify(at(key, time.Now())))
		d.must(d.verify(codes[0]))
		err = d.tx(func(tx *sql.Tx) error { return totp.Undo(d.Context(), tx, jane, 1, time.Now()) })
		d.wants("undo again", err, totp.ErrConflict)

		// Life goes on: the factor put back is replaced by proof, reset once more
		// and put back once more.
		time.Sleep(time.Minute)
		second := d.reset(2)
		d.wants("cleared again", d.verify(codes[1]), totp.ErrPassRequired)
		d.must(d.undo(2))
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
		d.must(d.verify(at(key, time.Now())))
		d.wants("the pass of an undone reset", d.begin(totp.Proof{Pass: second}), totp.ErrProofRequired)
		time.Sleep(time.Minute)
		fresh, _ := d.enroll(jane, totp.Proof{Code: at(key, time.Now())})
		time.Sleep(time.Minute)
		d.must(d.verify(at(fresh, time.Now())))
		d.wants("the replaced one", d.verify(at(key, time.Now())), totp.ErrInvalidCode)
	})
}

// An undo of the second reset puts back what the second one cleared, not what
// the first did.
func TestUndoIsOfOneReset(t *testing.T) {
	inBubble(t, func(d *desk) {
		lost, _ := d.enroll(jane, totp.Proof{})
		key, _ := d.enroll(jane, totp.Proof{Pass: d.reset(1)})
		time.Sleep(time.Minute)
		d.reset(2)
		d.must(d.undo(2))
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
		d.must(d.verify(at(key, time.Now())))
		d.wants("the lost one", d.verify(at(lost, time.Now())), totp.ErrInvalidCode)
	})
}

func TestUndoAfterTheHold(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		d.reset(1)
		time.Sleep(time.Hour + time.Second)
		d.wants("late", d.tx(func(tx *sql.Tx) error { return totp.Undo(d.Context(), tx, jane, 1, time.Now()) }), totp.ErrConflict)
		if err := d.undo(1); err == nil || errors.Is(err, totp.ErrConflict) {
			d.Errorf("the schema lets a late undo pass: %v", err)
		}
	})
}

// After an undo the old factor is an ordinary one again: it renews its backup
// codes, and the undone reset is a licence for nothing.
func TestAfterUndo(t *testing.T) {
	inBubble(t, func(d *desk) {
		_, codes := d.enroll(jane, totp.Proof{})
		d.reset(1)
		d.must(d.undo(1))
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
		more, err := d.book.RenewBackupCodes(d.Context(), jane, totp.Proof{Code: codes[0]})
		d.must(err)
		time.Sleep(time.Minute)
		d.enroll(jane, totp.Proof{Code: more[0]})
		now := time.Now().UnixMicro()
		for _, attack := range []string{
			`UPDATE credential SET state = 'cleared', ended_at = $1 WHERE state = 'active'`,
			`UPDATE credential SET state = 'revoked', ended_at = $1 WHERE state = 'active'`,
			`UPDATE backup_set SET state = 'cleared', ended_at = $1 WHERE state = 'active'`,
			`UPDATE backup_set SET state = 'revoked', ended_at = $1 WHERE state = 'active'`,
		} {
			if err := d.tx(func(tx *sql.Tx) error { _, err := tx.Exec(attack, now); return err }); err == nil {
				t.Errorf("the schema lets pass: %s", attack)
			}
		}
		d.wants("still asked", d.verify("000000"), totp.ErrInvalidCode)
	})
}

func TestGuard(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.must(d.book.Guard(d.Context(), "nobody", totp.TransferDomain))
		d.enroll(jane, totp.Proof{})
		d.must(d.book.Guard(d.Context(), jane, totp.TransferDomain))
		end := time.Now().Add(time.Hour)
		d.reset(1)
		var hold *totp.HoldError
		for _, a := range []totp.Action{totp.TransferDomain, "anything"} {
			if err := d.book.Guard(d.Context(), jane, a); !errors.As(err, &hold) || !hold.Until.Equal(end) || hold.Action != a {
				d.Errorf("%s: %v", a, err)
			}
		}
		time.Sleep(time.Hour)
		d.must(d.book.Guard(d.Context(), jane, totp.TransferDomain))
	})
}
