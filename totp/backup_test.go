package totp_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

var backupShape = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]$`)

// B1: 13 characters of 5 random bits are 65 bits; every character occurs at
// every place (a set of 2,000 codes leaves one out with less than 1e-24).
func TestBackupCodesAreRandom(t *testing.T) {
	d := newDesk(t)
	_, codes := d.enroll(jane, totp.Proof{})
	seen := map[string]bool{}
	place := map[[2]int]bool{}
	for len(seen) < 2000 {
		for _, c := range codes {
			if !backupShape.MatchString(c) || seen[c] {
				t.Fatalf("code %q", c)
			}
			seen[c] = true
			for i, r := range strings.ReplaceAll(c, "-", "") {
				place[[2]int{i, int(r)}] = true
			}
		}
		var err error
		codes, err = d.book.RenewBackupCodes(t.Context(), jane, totp.Proof{Code: codes[0]})
		d.must(err)
	}
	if len(place) != 13*32 {
		t.Errorf("%d of %d characters and places occur", len(place), 13*32)
	}
}

// B3, ASVS 6.5.1: each code works once, however it is typed.
func TestBackupCodeOnce(t *testing.T) {
	inBubble(t, func(d *desk) {
		_, codes := d.enroll(jane, totp.Proof{})
		typed := []func(string) string{
			func(s string) string { return s },
			strings.ToLower,
			func(s string) string { return strings.ReplaceAll(s, "-", "") },
			func(s string) string { return "  " + strings.ReplaceAll(s, "-", " \u2011 ") + "\r\n" },
			func(s string) string { return strings.NewReplacer("0", "O", "1", "I").Replace(s) },
			func(s string) string { return strings.NewReplacer("0", "o", "1", "l").Replace(strings.ToLower(s)) },
		}
		for i, form := range typed {
			res, err := d.book.Verify(d.Context(), jane, form(codes[i]), totp.Web)
			if err != nil || res.Method != totp.MethodBackupCode || res.CodesLeft != 9-i {
				d.Errorf("form %d: %+v, %v", i, res, err)
			}
		}
		for i := range typed {
			time.Sleep(20 * time.Minute)
			d.wants("a used code", d.verify(codes[i]), totp.ErrInvalidCode)
		}
		if n := d.status(jane).CodesLeft; n != 4 {
			d.Errorf("%d codes left", n)
		}
		time.Sleep(time.Hour)
		fresh, err := d.book.RenewBackupCodes(d.Context(), jane, totp.Proof{Code: codes[8]})
		d.must(err)
		d.wants("a code of the old set", d.verify(codes[9]), totp.ErrInvalidCode)
		d.must(d.verify(fresh[9]))
		_, err = d.book.RenewBackupCodes(d.Context(), jane, totp.Proof{})
		d.wants("renew without proof", err, totp.ErrProofRequired)
		d.register("U-18", false)
		_, err = d.book.RenewBackupCodes(d.Context(), "U-18", totp.Proof{Code: fresh[0]})
		d.wants("renew without a factor", err, totp.ErrNotEnrolled)
	})
}

// B2: a code is good for its user only, even if the rows are moved.
func TestBackupCodeOfAnotherUser(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.register("mallory", false)
		d.register("late", false)
		_, codes := d.enroll(jane, totp.Proof{})
		_, theirs := d.enroll("mallory", totp.Proof{})
		d.wants("another user's code", d.verify(theirs[0]), totp.ErrInvalidCode)
		// Mallory, with a pen in the database, copies her salt and a hash into jane's set.
		_, before := d.enroll("late", totp.Proof{})
		d.must(d.exec(`DROP TRIGGER backup_code_new`))
		d.must(d.exec(`DROP TRIGGER backup_set_state`))
		d.must(d.exec(`UPDATE backup_set SET salt = (SELECT salt FROM backup_set WHERE user_id = 'mallory') WHERE user_id = 'late'`))
		d.must(d.exec(`INSERT INTO backup_code (set_id, hash)
			SELECT (SELECT id FROM backup_set WHERE user_id = 'late'), hash FROM backup_code n
			JOIN backup_set s ON s.id = n.set_id WHERE s.user_id = 'mallory'`))
		for _, c := range []string{theirs[0], before[0]} {
			_, err := d.book.Verify(d.Context(), "late", c, totp.Web)
			d.wants("a copied hash", err, totp.ErrInvalidCode)
		}
		d.must(d.verify(codes[0]))
	})
}

func FuzzBackupCode(f *testing.F) {
	for _, s := range []string{"", "0000-0000-0000-0", "oooo-IIII-llll-o", "UUUU", "\u2011", "\xff", strings.Repeat("-", 99) + "0"} {
		f.Add(s)
	}
	d := newDesk(f)
	_, codes := d.enroll(jane, totp.Proof{})
	f.Fuzz(func(t *testing.T, typed string) {
		got, ok := totp.ReadBackupCode(typed)
		if !ok {
			return
		}
		if len(got) != 13 || !backupShape.MatchString(got[:4]+"-"+got[4:8]+"-"+got[8:12]+"-"+got[12:]) {
			t.Errorf("%q reads as %q", typed, got)
		}
		if again, ok := totp.ReadBackupCode(strings.ToLower(got)); !ok || again != got {
			t.Errorf("%q reads back as %q", got, again)
		}
		for _, c := range codes {
			if got == strings.ReplaceAll(c, "-", "") {
				t.Error("guessed 65 bits")
			}
		}
	})
}
