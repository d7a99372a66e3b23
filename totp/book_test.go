package totp_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// wants reports whether err is the answer want.
func (d *desk) wants(what string, err, want error) {
	d.Helper()
	if !errors.Is(err, want) {
		d.Errorf("%s: %v; want %v", what, err, want)
	}
}

func (d *desk) wantsUsed(what string, err error) time.Duration {
	d.Helper()
	var used *totp.UsedError
	if !errors.As(err, &used) {
		d.Errorf("%s: %v; want a UsedError", what, err)
		return 0
	}
	return used.RetryAfter
}

func (d *desk) verify(code string) error {
	_, err := d.book.Verify(d.Context(), jane, code, totp.Web)
	return err
}

// inBubble runs a test with a virtual clock and the real database.
func inBubble(t *testing.T, test func(d *desk)) {
	synctest.Test(t, func(t *testing.T) { test(newDesk(t)) })
}

func TestEnrollAndVerify(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.wants("before enrolling", d.verify("123456"), totp.ErrNotEnrolled)
		_, err := d.book.Pending(d.Context(), jane, "1.0")
		d.wants("nothing pending", err, totp.ErrNotEnrolled)
		e, err := d.book.Begin(d.Context(), jane, "jane@acme.example", totp.Proof{})
		d.must(err)
		_, err = d.book.Pending(d.Context(), jane, strings.Split(e.ID, ".")[0]+".00000000000000000000000000000000")
		d.wants("the row alone, in another browser", err, totp.ErrNotEnrolled)
		p, err := d.book.Pending(d.Context(), jane, e.ID)
		d.must(err)
		if p.ID != e.ID || p.Key.URI() != e.Key.URI() || !p.Expires.Equal(e.Expires) || time.Until(e.Expires) != 15*time.Minute {
			d.Errorf("pending %s until %v, begun %s until %v", p.ID, p.Expires, e.ID, e.Expires)
		}
		d.wants("pending is not active", d.verify(at(e.Key, time.Now())), totp.ErrNotEnrolled)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, wrong(e.Key, time.Now()))
		d.wants("confirm with a wrong code", err, totp.ErrInvalidCode)
		code := at(e.Key, time.Now())
		codes, err := d.book.Confirm(d.Context(), jane, e.ID, code)
		d.must(err)
		if len(codes) != 10 {
			d.Errorf("%d backup codes", len(codes))
		}
		// The setup code is burnt: whoever watched the setup cannot log in with it.
		if wait := d.wantsUsed("setup code as login code", d.verify(code)); wait <= 0 || wait > 30*time.Second {
			d.Errorf("wait %v", wait)
		}
		_, err = d.book.Confirm(d.Context(), jane, e.ID, code)
		d.wants("confirm twice", err, totp.ErrConflict)

		time.Sleep(30 * time.Second)
		code = at(e.Key, time.Now())
		for _, c := range []string{"", "12345", "1234567", "٣٤٥٦٧٨", "+" + code, code[:5] + "½", strings.Repeat("1", 1<<20)} {
			d.wants("no code", d.verify(c), totp.ErrInvalidCode)
		}
		if n := d.status(jane).Failures; n != 0 {
			d.Errorf("%d failures for what cannot be a code", n)
		}
		wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
		res, err := d.book.Verify(d.Context(), jane, " "+wide[:9]+"\u00a0-\u2011"+wide[9:]+"\u200b\n", totp.Web)
		d.must(err)
		if res != (totp.Result{Method: totp.MethodTOTP, CodesLeft: 10}) {
			d.Errorf("result %+v", res)
		}
		d.wantsUsed("the same code again", d.verify(code))
		s := d.status(jane)
		if !s.Enrolled || s.Failures != 0 || s.CodesLeft != 10 || !s.LastUsed.Equal(time.Now()) || time.Since(s.Since) != 30*time.Second || s.Generation != 1 {
			d.Errorf("status %+v", s)
		}
	})
}

func TestPendingExpires(t *testing.T) {
	inBubble(t, func(d *desk) {
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{})
		d.must(err)
		second, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{})
		d.must(err)
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.wants("an older enrollment", err, totp.ErrConflict)
		_, err = d.book.Confirm(d.Context(), jane, "999.0", at(e.Key, time.Now()))
		d.wants("an unknown enrollment", err, totp.ErrNotEnrolled)
		time.Sleep(15 * time.Minute)
		_, err = d.book.Pending(d.Context(), jane, second.ID)
		d.wants("show after its time", err, totp.ErrExpired)
		_, err = d.book.Confirm(d.Context(), jane, second.ID, at(second.Key, time.Now()))
		d.wants("confirm after its time", err, totp.ErrExpired)
		d.register("U-18", false)
		_, err = d.book.Confirm(d.Context(), "U-18", second.ID, at(second.Key, time.Now()))
		d.wants("another user's enrollment", err, totp.ErrNotEnrolled)
	})
}

// T7: while a factor is active a new one needs its code, and the old one works
// until the new one is proved.
func TestReplaceNeedsCode(t *testing.T) {
	inBubble(t, func(d *desk) {
		old, oldCodes := d.enroll(jane, totp.Proof{})
		time.Sleep(time.Minute)
		_, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{})
		d.wants("no proof", err, totp.ErrProofRequired)
		_, err = d.book.Begin(d.Context(), jane, "jane", totp.Proof{Pass: "0000-0000-0000-0000-0000-0000"})
		d.wants("a pass is no proof", err, totp.ErrProofRequired)
		_, err = d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: wrong(old, time.Now())})
		d.wants("wrong proof", err, totp.ErrInvalidCode)
		if n := d.status(jane).Failures; n != 1 {
			d.Errorf("%d failures counted", n)
		}
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: at(old, time.Now())})
		d.must(err)
		if e.Key.URI() == old.URI() {
			d.Error("the same secret came back")
		}
		time.Sleep(time.Minute)
		d.must(d.verify(at(old, time.Now())))
		d.wants("the new one before its proof", d.verify(at(e.Key, time.Now())), totp.ErrInvalidCode)
		codes, err := d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now()))
		d.must(err)
		time.Sleep(time.Minute)
		d.wants("the old one afterwards", d.verify(at(old, time.Now())), totp.ErrInvalidCode)
		d.wants("an old backup code", d.verify(oldCodes[0]), totp.ErrInvalidCode)
		d.must(d.verify(at(e.Key, time.Now())))
		d.must(d.verify(codes[0]))
		// A backup code is proof as well: the phone may be what changes.
		_, err = d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: codes[1]})
		d.must(err)
	})
}

// T2: of 64 submissions of one code at once, over two Books with a handle each
// on one file, exactly one succeeds.
func TestParallelSubmissionsOneSuccess(t *testing.T) {
	d := newDesk(t)
	key, codes := d.enroll(jane, totp.Proof{})
	books := []*totp.Book{d.book, d.open(open(t, d.path))}
	race := func(code string) (won int, errs []error) {
		var mu sync.Mutex
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			all.Go(func() {
				<-start
				_, err := books[i%2].Verify(t.Context(), jane, code, totp.Web)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else {
					errs = append(errs, err)
				}
			})
		}
		close(start)
		all.Wait()
		return won, errs
	}
	won, errs := race(at(key, time.Now().Add(30*time.Second))) // the step after the setup code's
	if won != 1 {
		t.Errorf("%d of 64 succeeded", won)
	}
	for _, err := range errs {
		d.wantsUsed("a loser", err)
	}
	if n := d.status(jane).Failures; n != 0 {
		t.Errorf("%d failures for a right code", n)
	}
	// A backup code under the same race (ASVS 6.5.1); the losers' count stays.
	won, errs = race(codes[0])
	if won != 1 {
		t.Errorf("backup code: %d of 64 succeeded", won)
	}
	for _, err := range errs {
		var locked *totp.LockedError
		if !errors.Is(err, totp.ErrInvalidCode) && !errors.As(err, &locked) {
			t.Errorf("a loser: %v", err)
		}
	}
	if n := d.status(jane).CodesLeft; n != 9 {
		t.Errorf("%d codes left", n)
	}
}

// T2: the used step is in the database, not in a process.
func TestReplayAfterRestart(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		time.Sleep(30 * time.Second)
		code := at(key, time.Now())
		d.must(d.verify(code))
		d.must(d.verify(codes[3]))
		d.wants("a wrong code", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
		d.must(d.db.Close())
		file := filepath.Join(d.TempDir(), "keys")
		d.must(d.keys.Write(file))
		keys, err := totp.LoadKeyring(file)
		d.must(err)
		d.keys, d.db = keys, open(d, d.path)
		d.book = d.open(d.db)
		d.wantsUsed("replay after a restart", d.verify(code))
		d.wants("backup code after a restart", d.verify(codes[3]), totp.ErrInvalidCode)
		if n := d.status(jane).Failures; n != 2 {
			d.Errorf("%d failures after a restart", n)
		}
	})
}

// The second factor belongs to the web; the exemption is told, not hidden.
func TestChannels(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.register("robot", true)
		for _, user := range []string{jane, "robot", "nobody"} {
			res, err := d.book.Verify(d.Context(), user, "", totp.API)
			if err != nil || !res.Exempt || res.Method != totp.MethodNone {
				d.Errorf("%s on the API: %+v, %v", user, res, err)
			}
			_, err = d.book.Verify(d.Context(), user, "123456", totp.Web)
			d.wants(user+" on the web", err, totp.ErrNotEnrolled)
		}
		if _, err := d.book.Verify(d.Context(), jane, "123456", totp.Channel(7)); err == nil {
			d.Error("an unknown channel is let through")
		}
		_, err := d.book.Begin(d.Context(), "nobody", "nobody", totp.Proof{})
		d.wants("begin for nobody", err, totp.ErrUnknownUser)
		_, err = d.book.Status(d.Context(), "nobody")
		d.wants("status of nobody", err, totp.ErrUnknownUser)

		from := time.Now().Add(24 * time.Hour)
		b, err := totp.Open(d.db, d.keys, totp.Policy{Issuer: "Example", MandatoryFrom: from})
		d.must(err)
		for user, want := range map[string]time.Time{jane: from, "robot": {}} {
			s, err := b.Status(d.Context(), user)
			if err != nil || !s.RequiredFrom.Equal(want) || s.APIOnly != (user == "robot") {
				d.Errorf("%s: %+v, %v", user, s, err)
			}
		}
		d.register("robot", false)
		if d.status("robot").APIOnly {
			d.Error("still exempt")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	d := newDesk(t)
	for _, p := range []totp.Policy{{}, {Issuer: "a:b"}, {Issuer: "a", PassLifetime: 49 * time.Hour}, {Issuer: "a", Skew: 2},
		{Issuer: "a", PendingLifetime: -1}} {
		if _, err := totp.Open(d.db, d.keys, p); err == nil {
			t.Errorf("%+v accepted", p)
		}
	}
	for _, keys := range []*totp.Keyring{nil, {}} {
		if _, err := totp.Open(d.db, keys, totp.Policy{Issuer: "a"}); err == nil {
			t.Error("opened without keys")
		}
	}
}

// A sealed secret moved to another user's row does not open, and one user's
// broken row does not disturb others who share the commit.
func TestSealedSecretStaysWithItsUser(t *testing.T) {
	d := newDesk(t)
	d.register("mallory", false)
	key, _ := d.enroll(jane, totp.Proof{})
	own, _ := d.enroll("mallory", totp.Proof{})
	d.must(d.exec(`UPDATE credential SET sealed = (SELECT sealed FROM credential WHERE user_id = 'mallory')
		WHERE user_id = $1`, jane))
	later := time.Now().Add(30 * time.Second)
	blocker, err := open(t, d.path).Begin() // while it holds the writer's lock, the others gather
	d.must(err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, k := range []totp.Key{own, key} {
				if err := d.verify(at(k, later)); err == nil || errors.Is(err, totp.ErrInvalidCode) {
					t.Errorf("a swapped secret gives %v; want a fault", err)
				}
			}
		})
	}
	all.Go(func() {
		if _, err := d.book.Verify(t.Context(), "mallory", at(own, later), totp.Web); err != nil {
			t.Errorf("the other user: %v", err)
		}
	})
	time.Sleep(100 * time.Millisecond)
	d.must(blocker.Rollback())
	all.Wait()
}

// spellings are the forms in which a secret, a code or a pass could be found.
func spellings(d *desk, keys []totp.Key, codes []string, pass string) (all []string) {
	d.Helper()
	words := append([]string{pass}, codes...)
	for _, k := range keys {
		words = append(words, k.Secret().Base32(), k.Grouped())
		raw, err := base32.StdEncoding.DecodeString(k.Secret().Base32())
		d.must(err)
		words = append(words, string(raw))
	}
	for _, w := range words {
		for _, form := range []string{w, strings.ReplaceAll(w, "-", "")} {
			all = append(all, form, strings.ToLower(form), hex.EncodeToString([]byte(form)), strings.ToUpper(hex.EncodeToString([]byte(form))),
				base64.RawStdEncoding.EncodeToString([]byte(form)), base64.RawURLEncoding.EncodeToString([]byte(form)))
		}
	}
	return all
}

// T5, B2: neither secrets nor codes nor passes are in the database files.
func TestNoSecretInFiles(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		pass := d.reset(1)
		second, more := d.enroll(jane, totp.Proof{Pass: pass})
		needles := spellings(d, []totp.Key{key, second}, append(codes, more...), pass)
		for round := range 2 {
			read := 0
			for _, suffix := range []string{"", "-wal"} {
				b, err := os.ReadFile(d.path + suffix)
				if err != nil {
					continue
				}
				read += len(b)
				for _, n := range needles {
					if bytes.Contains(b, []byte(n)) {
						d.Errorf("round %d: a secret is in %s", round, "desk.db"+suffix)
					}
				}
				if suffix == "-wal" && round == 0 && !bytes.Contains(b, []byte(jane)) {
					d.Error("the scan does not see what is there")
				}
			}
			if read == 0 {
				d.Fatal("nothing scanned")
			}
			if _, err := d.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
				d.Fatal(err)
			}
		}
	})
}

// The same secret never comes back: its fingerprint is unique over all time.
func TestFingerprintIsUnique(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.enroll(jane, totp.Proof{})
		d.register("mallory", false)
		err := d.exec(`INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
			SELECT 'mallory', 1, 'pending', sealed, fingerprint, algorithm, digits, period, created_at, expires_at FROM credential`)
		if err == nil || !strings.Contains(err.Error(), "fingerprint") {
			d.Errorf("a second row with the fingerprint: %v", err)
		}
		pass := d.reset(1)
		d.enroll(jane, totp.Proof{Pass: pass})
		var rows, different int
		d.must(d.db.QueryRow(`SELECT count(*), count(DISTINCT fingerprint) FROM credential`).Scan(&rows, &different))
		if rows != 2 || different != 2 {
			d.Errorf("%d factors, %d fingerprints", rows, different)
		}
	})
}

// Whoever walks away does not get the attempt back.
func TestCancelledAttemptCounts(t *testing.T) {
	d := newDesk(t)
	key, _ := d.enroll(jane, totp.Proof{})
	blocker := open(t, d.path)
	tx, err := blocker.Begin() // holds the writer's lock
	d.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	attempt := func() chan error {
		done := make(chan error, 1)
		go func() {
			_, err := d.book.Verify(ctx, jane, wrong(key, time.Now()), totp.Web)
			done <- err
		}()
		time.Sleep(50 * time.Millisecond) // it waits for the lock by now, or for the one that does
		return done
	}
	first, second := attempt(), attempt()
	cancel()
	d.wants("a cancelled attempt", <-second, context.Canceled)
	d.must(tx.Rollback())
	if err := <-first; !errors.Is(err, totp.ErrInvalidCode) && !errors.Is(err, context.Canceled) {
		t.Errorf("the one that was at work: %v", err)
	}
	dead, stop := context.WithCancel(t.Context())
	stop()
	_, err = d.book.Verify(dead, jane, wrong(key, time.Now()), totp.Web)
	d.wants("a dead context", err, context.Canceled)
	d.wants("the next attempt", d.verify(wrong(key, time.Now())), totp.ErrInvalidCode)
	if n := d.status(jane).Failures; n < 1 || n > 3 {
		t.Errorf("%d failures", n)
	}
}

func TestFaultsAreNotAnswers(t *testing.T) {
	d := newDesk(t)
	key, _ := d.enroll(jane, totp.Proof{})
	d.must(d.db.Close())
	err := d.verify(at(key, time.Now()))
	if err == nil || errors.Is(err, totp.ErrInvalidCode) || errors.Is(err, totp.ErrNotEnrolled) {
		t.Errorf("a closed database gives %v", err)
	}
	if _, err := d.book.Status(t.Context(), jane); err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Errorf("status of a closed database: %v", err)
	}
}
