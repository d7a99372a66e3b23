package totp_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A begun is an enrollment that somebody has the ID and the key of.
type begun struct {
	id    string
	key   totp.Key
	adds  bool
	until time.Time
}

// A walk is a random course of acts by a user, by somebody who knows the
// password and every code and pass that was ever used, and by staff and owners;
// and what a simple model expects of it.
type walk struct {
	*desk
	rng   *rand.Rand
	trace []string

	generation        int64
	active, cleared   []totp.Key // cleared: by the last reset
	codes, clearedSet []string   // unused backup codes
	lost              []totp.Key
	pass              string    // the live pass
	passUntil         time.Time // of it
	off               bool      // in this generation the user turned it off
	frozen            bool
	hold              time.Time

	mine   begun   // the user's last enrollment
	theirs []begun // the intruder's
	old    []string
}

func (w *walk) say(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *walk) wrongly(format string, args ...any) {
	w.Helper()
	w.Fatalf("%s\nafter:\n  %s", fmt.Sprintf(format, args...), strings.Join(w.trace, "\n  "))
}

// free: a password is enough to enroll.
func (w *walk) free() bool { return len(w.active) == 0 && (w.generation == 1 || w.off) && !w.frozen }

// code is a fresh code of the user's, of an authenticator or, outside a hold, in
// which it may stay unused, a backup code.
func (w *walk) code() string {
	if len(w.codes) > 5 && w.rng.IntN(4) == 0 && time.Now().After(w.hold) {
		code := w.codes[0]
		w.codes = w.codes[1:]
		return w.spent(code)
	}
	time.Sleep(2 * time.Minute)
	return w.spent(at(w.active[w.rng.IntN(len(w.active))], time.Now()))
}

func (w *walk) spent(code string) string {
	w.old = append(w.old, code)
	return code
}

// proof is what a user has: a code, or a pass, or nothing.
func (w *walk) proof() (p totp.Proof) {
	if len(w.active) > 0 {
		p.Code = w.code()
	} else if w.pass != "" {
		p.Pass = w.pass
	}
	return p
}

// begin is the user's.
func (w *walk) begin(device bool) {
	if device && len(w.active) != 1 || w.frozen {
		return
	}
	var e totp.Enrollment
	var err error
	p := w.proof()
	may := len(w.active) > 0 || w.free() || w.pass != "" && time.Now().Before(w.passUntil)
	if device {
		e, err = w.book.BeginDevice(w.Context(), jane, "jane", "tablet", p)
	} else {
		e, err = w.book.Begin(w.Context(), jane, "jane", p)
	}
	if may != (err == nil) {
		w.wrongly("begin (device %v) by the user: %v, want success %v", device, err, may)
	}
	if err == nil {
		w.mine = begun{e.ID, e.Key, device, e.Expires}
	}
	w.say("user begins, device %v: %v", device, err)
}

func (w *walk) confirm() {
	b := w.mine
	if b.id == "" {
		return
	}
	codes, err := w.book.Confirm(w.Context(), jane, b.id, w.spent(at(b.key, time.Now())))
	w.say("user confirms: %v", err)
	if err != nil {
		return
	}
	if time.Now().After(b.until) || w.frozen {
		w.wrongly("confirmed what must not be")
	}
	w.mine = begun{}
	if w.generation > 1 && !w.off && len(w.active) == 0 {
		w.old, w.pass = append(w.old, w.pass), ""
	}
	if !b.adds {
		w.lost, w.active = append(w.lost, w.active...), nil
		w.old, w.codes = append(w.old, w.codes...), codes
	}
	w.active = append(w.active, b.key)
	time.Sleep(2 * time.Minute)
}

func (w *walk) turnOff() {
	if len(w.active) == 0 || w.frozen {
		return
	}
	held := time.Now().Before(w.hold)
	code := w.code()
	held = held && time.Now().Before(w.hold)
	err := w.book.TurnOff(w.Context(), jane, totp.Proof{Code: code})
	if held == (err == nil) {
		w.wrongly("turn off in the hold %v: %v", held, err)
	}
	w.say("user turns off: %v", err)
	time.Sleep(2 * time.Minute) // a code that was refused unread is good until then
	if err == nil {
		w.lost, w.active, w.off, w.mine = append(w.lost, w.active...), nil, true, begun{}
		w.old, w.codes = append(w.old, w.codes...), nil
	}
}

func (w *walk) remove() {
	if len(w.active) != 2 || w.frozen {
		return
	}
	code := w.code()
	list, err := w.book.Devices(w.Context(), jane)
	w.must(err)
	i := w.rng.IntN(2)
	held := time.Now().Before(w.hold)
	err = w.book.RemoveDevice(w.Context(), jane, list[i].ID, totp.Proof{Code: code})
	if held == (err == nil) {
		w.wrongly("remove in the hold %v: %v", held, err)
	}
	w.say("user removes a device: %v", err)
	time.Sleep(2 * time.Minute)
	if err == nil {
		w.lost = append(w.lost, w.active[i])
		w.active = slices.Delete(slices.Clone(w.active), i, i+1)
	}
}

// clearIt is what staff do when the user says that all is lost.
func (w *walk) clearIt() {
	if w.generation > 8 || w.frozen || w.rng.IntN(4) > 0 {
		return
	}
	time.Sleep(time.Second)
	w.old = append(w.old, w.pass)
	w.pass = w.reset(w.generation)
	w.passUntil, w.hold = time.Now().Add(24*time.Hour), time.Now().Add(time.Hour)
	w.lost = append(w.lost, w.active...)
	w.cleared, w.clearedSet = w.active, w.codes
	w.active, w.codes, w.off, w.mine = nil, nil, false, begun{}
	w.generation++
	w.say("reset, now generation %d", w.generation)
}

func (w *walk) undoIt() {
	if w.generation == 1 || w.hold.IsZero() || time.Now().After(w.hold) {
		return
	}
	w.must(w.undo(w.generation - 1))
	w.say("undo")
	w.old = append(append(w.old, w.pass), w.codes...)
	w.lost = append(w.lost, w.active...)
	w.lost = slices.DeleteFunc(w.lost, func(k totp.Key) bool {
		return slices.ContainsFunc(w.cleared, func(c totp.Key) bool { return c.URI() == k.URI() })
	})
	w.active, w.codes, w.pass, w.hold, w.frozen, w.mine = w.cleared, w.clearedSet, "", time.Time{}, true, begun{}
}

func (w *walk) unfreezeIt() {
	if w.frozen {
		w.unfreeze()
		w.frozen = false
		w.say("unfreeze")
	}
}

// reissue is a new pass for one who let the last one expire.
func (w *walk) reissue() {
	if w.generation == 1 || w.frozen || len(w.active) > 0 || w.off || w.hold.IsZero() {
		return
	}
	w.must(w.tx(func(tx *sql.Tx) (err error) {
		w.old = append(w.old, w.pass)
		w.pass, w.passUntil, err = w.book.IssuePass(w.Context(), tx, jane, w.generation-1, time.Now())
		return err
	}))
	w.say("new pass")
}

// stolen is a code or pass that was used before, or of an authenticator that is
// no factor any more, or a guess.
func (w *walk) stolen() totp.Proof {
	switch n := w.rng.IntN(4); {
	case n == 0 && len(w.lost) > 0:
		return totp.Proof{Code: at(w.lost[w.rng.IntN(len(w.lost))], time.Now())}
	case n == 1 && len(w.old) > 0:
		s := w.old[w.rng.IntN(len(w.old))]
		return totp.Proof{Code: s, Pass: s}
	case n == 2:
		return totp.Proof{Pass: "0000-0000-0000-0000-0000-0000"}
	}
	return totp.Proof{}
}

// intrude tries everything with the password and what is worth nothing.
func (w *walk) intrude() {
	p, free := w.stolen(), w.free()
	e, err := w.book.Begin(w.Context(), jane, "jane", p)
	if free != (err == nil) {
		w.wrongly("begin with %v %q %q, free %v: %v", p, p.Code, p.Pass, free, err)
	}
	if err == nil {
		w.theirs = append(w.theirs, begun{e.ID, e.Key, false, e.Expires})
		w.mine = begun{} // it expired
		return           // it is as anybody's first, until somebody else begins
	}
	if _, err := w.book.BeginDevice(w.Context(), jane, "jane", "x", p); err == nil {
		w.wrongly("a device more with %q", p.Code)
	}
	for _, b := range w.theirs {
		if _, err := w.book.Confirm(w.Context(), jane, b.id, at(b.key, time.Now())); err == nil {
			w.wrongly("an old enrollment was confirmed")
		}
	}
	if w.mine.id != "" {
		if _, err := w.book.Confirm(w.Context(), jane, strings.Split(w.mine.id, ".")[0]+"."+strings.Repeat("0", 32), at(w.mine.key, time.Now())); err == nil {
			w.wrongly("confirmed without the ID")
		}
	}
	if _, err := w.book.Verify(w.Context(), jane, p.Code, totp.Web); err == nil {
		w.wrongly("signed in with %q", p.Code)
	}
	if _, err := w.book.RenewBackupCodes(w.Context(), jane, p); err == nil {
		w.wrongly("new backup codes with %q", p.Code)
	}
	if list, err := w.book.Devices(w.Context(), jane); err == nil && len(list) > 0 {
		if w.book.RemoveDevice(w.Context(), jane, list[0].ID, p) == nil {
			w.wrongly("a device removed with %q", p.Code)
		}
	}
	if w.book.TurnOff(w.Context(), jane, p) == nil {
		w.wrongly("turned off with %q", p.Code)
	}
}

// signIn is of a user who is not locked out.
func (w *walk) signIn() {
	if len(w.active) == 0 || w.frozen {
		return
	}
	if _, err := w.book.Verify(w.Context(), jane, w.code(), totp.Web); err != nil {
		w.wrongly("the user does not get in: %v", err)
	}
}

// agrees compares what the book says with the model.
func (w *walk) agrees() {
	s := w.status(jane)
	due := len(w.active) == 0 && w.generation > 1 && !w.off
	if s.Devices != len(w.active) || s.PassRequired != due || s.Frozen != w.frozen || s.CodesLeft != len(w.codes) || s.Generation != w.generation {
		w.wrongly("status %+v, want %d devices, pass %v, frozen %v, %d codes, generation %d", s, len(w.active), due, w.frozen, len(w.codes), w.generation)
	}
	if err := w.book.Guard(w.Context(), jane, totp.TransferDomain); (err == nil) != (!w.frozen && !time.Now().Before(w.hold)) {
		w.wrongly("guard: %v", err)
	}
}

// Promise 6: in whatever order users enroll, add, remove, replace and turn off,
// staff reset, owners undo and somebody else tries: nobody enrolls after a reset
// without the pass, nobody changes a factor that is there without a code, and who
// has the pass or a code is never kept out.
func TestRandomWalks(t *testing.T) {
	acts := []func(*walk){
		func(w *walk) { w.begin(false); w.confirm() }, func(w *walk) { w.begin(true) }, func(w *walk) { w.begin(true); w.confirm() }, (*walk).confirm, (*walk).confirm, (*walk).confirm, (*walk).turnOff, (*walk).turnOff, (*walk).remove,
		(*walk).clearIt, (*walk).undoIt, (*walk).unfreezeIt, (*walk).unfreezeIt, (*walk).reissue, (*walk).signIn,
		func(w *walk) { time.Sleep(time.Duration(w.rng.IntN(3000)) * time.Second) },
		func(w *walk) { time.Sleep(25 * time.Hour) },
	}
	for seed := range 40 {
		synctest.Test(t, func(t *testing.T) {
			w := &walk{desk: newDesk(t), rng: rand.New(rand.NewPCG(uint64(seed), 17)), generation: 1}
			for range 60 {
				if w.rng.IntN(3) == 0 {
					w.intrude()
					w.relent()
				}
				acts[w.rng.IntN(len(acts))](w)
				w.agrees()
			}
		})
	}
}

// relent forgets the wrong codes: locks are other tests' matter.
func (w *walk) relent() {
	w.must(w.exec(`UPDATE holder SET failures = 0, day_failures = 0, locked_until = 0`))
}
