package totp_test

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/resetdesk/resetdesk/totp"
)

// addDevice proves a second authenticator with a code of the first.
func (d *desk) addDevice(user, name string, first totp.Key) totp.Key {
	d.Helper()
	time.Sleep(time.Minute)
	e, err := d.book.BeginDevice(d.Context(), user, user+"@example", name, totp.Proof{Code: at(first, time.Now())})
	d.must(err)
	codes, err := d.book.Confirm(d.Context(), user, e.ID, at(e.Key, time.Now()))
	d.must(err)
	if codes != nil {
		d.Errorf("a second device gets %d backup codes", len(codes))
	}
	time.Sleep(time.Minute)
	return e.Key
}

// kinds are the kinds of the user's events, oldest first.
func (d *desk) kinds(user string) string {
	d.Helper()
	all, err := d.book.History(d.Context(), user, 1000)
	d.must(err)
	var kinds []string
	for _, e := range slices.Backward(all) {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

func (d *desk) unfreeze() {
	d.Helper()
	d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
}

// L1: two authenticators at most, each by a code of the first; each works, each
// code once; one of them is removed by a code of either, the last one never.
func TestDevices(t *testing.T) {
	inBubble(t, func(d *desk) {
		_, err := d.book.BeginDevice(d.Context(), jane, "jane", "tablet", totp.Proof{})
		d.wants("a second device before the first", err, totp.ErrNotEnrolled)
		first, codes := d.enroll(jane, totp.Proof{})
		for _, name := range []string{strings.Repeat("é", 61), "a\nb", "\xff"} {
			_, err = d.book.BeginDevice(d.Context(), jane, "jane", name, totp.Proof{Code: codes[9]})
			d.wants("a bad name", err, totp.ErrDeviceName)
		}
		_, err = d.book.BeginDevice(d.Context(), jane, "jane", "tablet", totp.Proof{})
		d.wants("without a code", err, totp.ErrProofRequired)
		second := d.addDevice(jane, " "+strings.Repeat("é", 60), first)
		if s := d.status(jane); s.Devices != 2 || s.CodesLeft != 10 {
			d.Errorf("status %+v", s)
		}
		_, err = d.book.BeginDevice(d.Context(), jane, "jane", "third", totp.Proof{Code: codes[9]})
		d.wants("a third", err, totp.ErrTooManyDevices)
		for _, k := range []totp.Key{first, second} {
			code := at(k, time.Now())
			d.must(d.verify(code))
			d.wantsUsed("its code again", d.verify(code))
		}
		list, err := d.book.Devices(d.Context(), jane)
		d.must(err)
		if len(list) != 2 || list[0].Name != "" || list[1].Name != strings.Repeat("é", 60) || !list[0].Since.Before(list[1].Since) ||
			time.Since(list[0].LastUsed) >= time.Minute {
			d.Fatalf("devices %+v", list)
		}
		d.wants("remove without a code", d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{}), totp.ErrProofRequired)
		d.wants("remove with no code", d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{Code: "x"}), totp.ErrInvalidCode)
		d.wants("remove another's", d.book.RemoveDevice(d.Context(), jane, 999, totp.Proof{Code: codes[0]}), totp.ErrConflict)
		d.wants("remove with a wrong code", d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{Code: wrong(first, time.Now())}), totp.ErrInvalidCode)
		d.must(d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{Code: codes[0]}))
		d.wants("the last one", d.book.RemoveDevice(d.Context(), jane, list[1].ID, totp.Proof{Code: codes[1]}), totp.ErrLastDevice)
		time.Sleep(time.Minute)
		d.wants("the removed one", d.verify(at(first, time.Now())), totp.ErrInvalidCode)
		d.must(d.verify(at(second, time.Now())))
		want := "enrolled device_added code_repeated code_used device_removed"
		if got := d.kinds(jane); got != want {
			d.Errorf("events %s, want %s", got, want)
		}
	})
}

// Replacing replaces both; a reset clears both, and its undo restores both.
func TestDevicesEndTogether(t *testing.T) {
	inBubble(t, func(d *desk) {
		first, _ := d.enroll(jane, totp.Proof{})
		second := d.addDevice(jane, "tablet", first)
		third, _ := d.enroll(jane, totp.Proof{Code: at(second, time.Now())})
		fourth := d.addDevice(jane, "watch", third)
		for _, k := range []totp.Key{first, second} {
			d.wants("a replaced one", d.verify(at(k, time.Now())), totp.ErrInvalidCode)
		}
		pass := d.reset(1)
		for _, k := range []totp.Key{third, fourth} {
			d.wants("a cleared one", d.verify(at(k, time.Now())), totp.ErrPassRequired)
		}
		theirs, _ := d.enroll(jane, totp.Proof{Pass: pass})
		more := d.addDevice(jane, "theirs", theirs)
		d.must(d.undo(1))
		d.unfreeze()
		for _, k := range []totp.Key{third, fourth} {
			d.must(d.verify(at(k, time.Now())))
		}
		for _, k := range []totp.Key{theirs, more} {
			d.wants("the intruder's", d.verify(at(k, time.Now())), totp.ErrInvalidCode)
		}
	})
}

// A user turns the factor off with a code, and is then like one who never
// enrolled; where a factor is mandatory, in a hold and while frozen it is not
// to be had.
func TestTurnOff(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.wants("nothing to turn off", d.book.TurnOff(d.Context(), jane, totp.Proof{}), totp.ErrNotEnrolled)
		first, codes := d.enroll(jane, totp.Proof{})
		second := d.addDevice(jane, "tablet", first)
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: codes[0]})
		d.must(err)
		d.wants("without a code", d.book.TurnOff(d.Context(), jane, totp.Proof{}), totp.ErrProofRequired)
		d.wants("with a wrong code", d.book.TurnOff(d.Context(), jane, totp.Proof{Code: wrong(first, time.Now())}), totp.ErrInvalidCode)
		if s := d.status(jane); s.Devices != 2 || s.Failures != 1 {
			d.Errorf("status %+v", s)
		}
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Require(d.Context(), tx, jane, time.Now()) }))
		d.wants("mandatory", d.book.TurnOff(d.Context(), jane, totp.Proof{Code: at(second, time.Now())}), totp.ErrRequired)
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Require(d.Context(), tx, jane, time.Time{}) }))
		d.must(d.book.TurnOff(d.Context(), jane, totp.Proof{Code: at(second, time.Now())}))
		time.Sleep(time.Minute)
		for _, code := range []string{at(first, time.Now()), at(second, time.Now()), codes[1]} {
			d.wants("afterwards", d.verify(code), totp.ErrNotEnrolled)
		}
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("the enrollment of before", err, totp.ErrConflict)
		if s := d.status(jane); s.Enrolled || s.PassRequired || s.CodesLeft != 0 {
			d.Errorf("status %+v", s)
		}
		third, _ := d.enroll(jane, totp.Proof{})
		if third.URI() == first.URI() {
			d.Error("the secret came back")
		}
	})
}

// After a reset the pass is always needed; turning off afterwards, with the
// factor in hand and after the hold, is a choice of its own; and the reset after
// that asks for its pass again.
func TestTurnOffAndResets(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		key, codes := d.enroll(jane, totp.Proof{Pass: d.reset(1)})
		time.Sleep(time.Minute)
		var hold *totp.HoldError
		if err := d.book.TurnOff(d.Context(), jane, totp.Proof{Code: at(key, time.Now())}); !errors.As(err, &hold) || hold.Action != totp.TurnOff {
			d.Errorf("in the hold: %v", err)
		}
		second := d.addDevice(jane, "tablet", key)
		list, err := d.book.Devices(d.Context(), jane)
		d.must(err)
		if err := d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{Code: codes[0]}); !errors.As(err, &hold) {
			d.Errorf("remove in the hold: %v", err)
		}
		time.Sleep(time.Hour)
		d.must(d.book.TurnOff(d.Context(), jane, totp.Proof{Code: at(second, time.Now())}))
		if s := d.status(jane); s.PassRequired || s.Generation != 2 {
			d.Errorf("after turning off: %+v", s)
		}
		d.wants("not asked", d.verify("000000"), totp.ErrNotEnrolled)
		d.enroll(jane, totp.Proof{})
		d.reset(2)
		if s := d.status(jane); !s.PassRequired {
			d.Errorf("after a reset: %+v", s)
		}
		d.wants("begin without the pass", d.begin(totp.Proof{}), totp.ErrPassRequired)
		d.must(d.undo(2))
		d.wants("frozen", d.book.TurnOff(d.Context(), jane, totp.Proof{Code: codes[1]}), totp.ErrFrozen)
	})
}

// A factor that an undo put back is of an older generation; turning it off
// leaves a user who may enroll.
func TestTurnOffAfterUndo(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		d.reset(1)
		d.must(d.undo(1))
		d.unfreeze()
		time.Sleep(time.Minute)
		d.must(d.book.TurnOff(d.Context(), jane, totp.Proof{Code: at(key, time.Now())}))
		d.enroll(jane, totp.Proof{})
	})
}

// The day from which a factor is mandatory: of the installation, or of the user,
// and never before a late user's grace; never for api_only.
func TestRequired(t *testing.T) {
	inBubble(t, func(d *desk) {
		begin := time.Now()
		date := begin.Add(10 * 24 * time.Hour)
		b, err := totp.Open(d.db, d.keys, totp.Policy{Issuer: "Example", MandatoryFrom: date, Grace: 7 * 24 * time.Hour})
		d.must(err)
		check := func(user string, want time.Time) {
			d.Helper()
			s, err := b.Status(d.Context(), user)
			if err != nil || !s.RequiredFrom.Equal(want) || s.Required != (!want.IsZero() && !time.Now().Before(want)) {
				d.Errorf("%s: from %v, %v, %v; want %v", user, s.RequiredFrom, s.Required, err, want)
			}
		}
		require := func(user string, day time.Time) error {
			return d.tx(func(tx *sql.Tx) error { return totp.Require(d.Context(), tx, user, day) })
		}
		d.register("robot", true)
		check(jane, date)
		check("robot", time.Time{})
		d.must(require(jane, begin.Add(8*24*time.Hour)))
		check(jane, begin.Add(8*24*time.Hour))
		time.Sleep(9 * 24 * time.Hour)
		d.register("late", false)
		check("late", time.Now().Add(7*24*time.Hour))
		check(jane, begin.Add(8*24*time.Hour))
		d.register("late", false) // the next import
		time.Sleep(24 * time.Hour)
		check("late", time.Now().Add(6*24*time.Hour))
		d.must(require(jane, time.Time{}))
		check(jane, date)
		d.wants("for nobody", require("nobody", date), totp.ErrUnknownUser)
		free, err := totp.Open(d.db, d.keys, totp.Policy{Issuer: "Example", Grace: time.Hour})
		d.must(err)
		if s, err := free.Status(d.Context(), "late"); err != nil || !s.RequiredFrom.IsZero() || s.Required {
			d.Errorf("not mandatory: %+v, %v", s, err)
		}
	})
}

// T2: a code that both authenticators show at the same time, by chance, is good
// once. Claiming it for the first alone turns this red.
func TestEqualCodesOfTwoDevices(t *testing.T) {
	inBubble(t, func(d *desk) {
		first, _ := d.enroll(jane, totp.Proof{})
		second := d.addDevice(jane, "tablet", first)
		codes := func(k totp.Key) func(time.Time) string {
			u, err := otp.NewKeyFromURL(k.URI())
			d.must(err)
			return func(t time.Time) string { return atURL(u, t) }
		}
		a, b := codes(first), codes(second)
		now := time.Now()
		before := "" // the second one's code a step ago, which is good as well
		for ; ; now = now.Add(30 * time.Second) {
			code, other := a(now), b(now)
			if code == other || code == before {
				break
			}
			before = other
		}
		time.Sleep(time.Until(now))
		code := a(now)
		d.must(d.verify(code))
		d.wantsUsed("the same code again", d.verify(code))
	})
}
