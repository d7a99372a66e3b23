package totp_test

import (
	"encoding/base32"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// Traps that others fell into; each label names the one that is tested.

// Trap "watermark of the secret": the last used step belongs to the secret that
// it was used with. A new authenticator is not held back by the codes of the old
// one, and a code of the old one is worth nothing after the change.
func TestTrapWatermarkBelongsToSecret(t *testing.T) {
	inBubble(t, func(d *desk) {
		old, codes := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		d.must(d.verify(at(old, time.Now().Add(30*time.Second)))) // the newest step there is
		fresh, _ := d.enroll(jane, totp.Proof{Code: codes[0]})
		d.must(d.verify(at(fresh, time.Now().Add(30*time.Second))))
		time.Sleep(time.Minute)
		d.wants("a code of the old secret", d.verify(at(old, time.Now())), totp.ErrInvalidCode)
		d.must(d.verify(at(fresh, time.Now())))
	})
}

// Trap "used codes without the user": two users whose authenticators show the
// same code at the same time both get in, each once.
func TestTrapSameCodeOfTwoUsers(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.register("U-18", false)
		d.enroll(jane, totp.Proof{})
		d.enroll("U-18", totp.Proof{})
		time.Sleep(time.Hour)
		seen := map[string]totp.Key{}
		var pair [2]totp.Key
		var code string
		for ; ; code = "" { // about 1,200 keys, by the birthday paradox
			k, err := totp.Generate(totp.Options{Issuer: "Example Panel", Account: "x"})
			d.must(err)
			code = at(k, time.Now())
			if other, ok := seen[code]; ok {
				pair = [2]totp.Key{other, k}
				break
			}
			seen[code] = k
		}
		d.must(d.exec(`DROP TRIGGER credential_fixed`))
		for i, user := range []string{jane, "U-18"} {
			raw := decodeSecret(d, pair[i])
			d.must(d.exec(`UPDATE credential SET sealed = $1 WHERE user_id = $2`, d.keys.Seal("totp secret", "1:"+user, raw), user))
		}
		for _, user := range []string{jane, "U-18"} {
			_, err := d.book.Verify(d.Context(), user, code, totp.Web)
			d.must(err)
			_, err = d.book.Verify(d.Context(), user, code, totp.Web)
			d.wantsUsed(user+" again", err)
		}
	})
}

// Trap "disable and enable yields the same secret", and "the recovery code is
// the secret": every enrollment of a user has a new secret, and no backup code
// is one.
func TestTrapSecretIsAlwaysNew(t *testing.T) {
	inBubble(t, func(d *desk) {
		seen := map[string]bool{}
		for range 5 {
			e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{})
			d.must(err)
			codes, err := d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
			d.must(err)
			for _, s := range append(codes, e.Key.Secret().Base32()) {
				if seen[s] {
					d.Error("it came back")
				}
				seen[s] = true
			}
			d.must(d.book.TurnOff(d.Context(), jane, totp.Proof{Code: codes[0]}))
		}
	})
}

// Bad input, each with its answer: another user's code, ticket and pass, a pass
// used twice, l for 1, and users that are not there.
func TestBadInput(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.register("U-18", false)
		key, codes := d.enroll(jane, totp.Proof{})
		e, err := d.book.Begin(d.Context(), "U-18", "x", totp.Proof{})
		d.must(err)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("a foreign enrollment", err, totp.ErrNotEnrolled)
		_, err = d.book.Confirm(d.Context(), "U-18", e.ID, codes[0])
		d.wants("a backup code for an enrollment", err, totp.ErrInvalidCode)
		_, err = d.book.Confirm(d.Context(), "U-18", e.ID, at(e.Key, time.Now()))
		d.must(err)
		time.Sleep(time.Minute)
		_, err = d.book.Verify(d.Context(), "U-18", at(key, time.Now()), totp.Web)
		d.wants("a code of another user", err, totp.ErrInvalidCode)
		pass := d.reset(1)
		_, err = d.book.Begin(d.Context(), "U-18", "x", totp.Proof{Pass: pass})
		d.wants("the pass of another user", err, totp.ErrProofRequired)
		d.enroll(jane, totp.Proof{Pass: pass})
		d.wants("a pass used twice", d.begin(totp.Proof{Pass: pass}), totp.ErrProofRequired)
		for what, err := range map[string]error{
			"verify":   func() error { _, err := d.book.Verify(d.Context(), "nobody", "123456", totp.Web); return err }(),
			"turn off": d.book.TurnOff(d.Context(), "nobody", totp.Proof{Code: "123456"}),
			"remove":   d.book.RemoveDevice(d.Context(), "nobody", 1, totp.Proof{Code: "123456"}),
			"add": func() error {
				_, err := d.book.BeginDevice(d.Context(), "nobody", "x", "", totp.Proof{Code: "123456"})
				return err
			}(),
		} {
			d.wants(what+" for nobody", err, totp.ErrUnknownUser)
		}
		if list, err := d.book.Devices(d.Context(), "nobody"); err != nil || len(list) != 0 {
			d.Errorf("devices of nobody: %v, %v", list, err)
		}
	})
}

// Whatever is typed is read as a code of its form or refused, never a fault, and
// what is read is in its one form.
func FuzzTyped(f *testing.F) {
	for _, s := range []string{"", "123456", "１２３ ４５６", "12345678", "0000-0000-0000-0", "oooo IIII llll o", "\u00a0\u200b\u2212", "\xff\xfe", "1234567"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		method, code, ok := totp.ReadGuess(typed)
		if !ok {
			return
		}
		if again, same, ok := totp.ReadGuess(" " + code + "-"); !ok || again != method || same != code {
			t.Errorf("%q reads as %q and then as %q", typed, code, same)
		}
		if method == totp.MethodTOTP && len(code) != 6 && len(code) != 8 || method == totp.MethodBackupCode && len(code) != 13 {
			t.Errorf("%q reads as %q", typed, code)
		}
	})
}

// Faults of the database in the middle of an act leave nothing half done: at
// every write of a confirmation with a device there, of turning off and of a
// removal, the act fails whole and then succeeds whole.
func TestFaultAtEveryWrite(t *testing.T) {
	for _, table := range []string{"credential", "backup_set", "backup_code", "factor_event", "holder"} {
		for _, event := range []string{"INSERT", "UPDATE"} {
			inBubble(t, func(d *desk) {
				first, codes := d.enroll(jane, totp.Proof{})
				d.addDevice(jane, "tablet", first)
				list, err := d.book.Devices(d.Context(), jane)
				d.must(err)
				e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: codes[0]})
				d.must(err)
				acts := []func() error{
					func() error { return d.book.RemoveDevice(d.Context(), jane, list[0].ID, totp.Proof{Code: codes[1]}) },
					func() error { return d.book.TurnOff(d.Context(), jane, totp.Proof{Code: codes[2]}) },
					func() error { _, err := d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now())); return err },
				}
				before := d.status(jane)
				d.must(d.exec(fmt.Sprintf(`CREATE TRIGGER stop AFTER %s ON %s BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`, event, table)))
				failed := 0
				for _, act := range acts {
					if err := act(); err != nil {
						failed++
						if errors.Is(err, totp.ErrInvalidCode) {
							d.Errorf("a fault is an answer: %v", err)
						}
						if after := d.status(jane); after != before {
							d.Errorf("%s of %s: before %+v, after %+v", event, table, before, after)
						}
					} else {
						break // it does not touch the table in this way, and is done
					}
				}
				d.must(d.exec(`DROP TRIGGER stop`))
				if failed == len(acts) {
					d.must(acts[2]())
					if s := d.status(jane); s.Devices != 1 || s.CodesLeft != 10 {
						d.Errorf("afterwards %+v", s)
					}
				}
			})
		}
	}
}

func decodeSecret(d *desk, k totp.Key) []byte {
	d.Helper()
	raw, err := base32.StdEncoding.DecodeString(k.Secret().Base32())
	d.must(err)
	return raw
}
