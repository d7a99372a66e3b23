package review_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// happens writes an event as the book does, and returns its number.
func (h *house) happens(user string, kind totp.EventKind, detail string) int {
	h.t.Helper()
	// What makes an account weaker is a licence that asks for a code of that moment.
	_, err := h.sql().Exec(`UPDATE holder SET verified_at = $2 WHERE id = $1`, user, time.Now().UnixMicro())
	if err != nil {
		h.t.Fatal(err)
	}
	var id int
	err = h.sql().QueryRow(`INSERT INTO factor_event (user_id, generation, at, kind, ip, agent, detail)
		SELECT id, generation, $2, $3, '192.0.2.7', 'Browser/1', $4 FROM holder WHERE id = $1 RETURNING id`, user, time.Now().UnixMicro(), string(kind), detail).Scan(&id)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// told lets the desk work and returns who got what: "address kind", sorted.
func (h *house) told() []string {
	h.t.Helper()
	h.work()
	var all []string
	for _, l := range h.post() {
		all = append(all, l.to+" "+strings.Split(headerOf(h.t, l.raw, "Message-Id"), ".")[1])
	}
	slices.Sort(all)
	return all
}

func wantTold(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

var jane, anna, it, boss = "jane@acme.example", "anna@acme.example", "it@acme.example", "boss@acme.example"

var factorKinds = []struct {
	kind   totp.EventKind
	detail string
	to     []string
}{
	{totp.EventEnrolled, "", []string{jane}},
	{totp.EventReplaced, "", []string{jane}},
	{totp.EventDeviceAdded, "Jane's Pixel 9", []string{jane}},
	{totp.EventDeviceRemoved, "Jane's Pixel 9", []string{jane, anna, it, boss}},
	{totp.EventTurnedOff, "", []string{jane, anna, it, boss}},
	{totp.EventCodesRenewed, "", []string{jane}},
	{totp.EventCodeUsed, "7", []string{jane}},
	{totp.EventCodesLow, "3", []string{jane}},
	{totp.EventCodeRepeated, "", []string{jane}},
	{totp.EventLocked, "7", []string{jane, anna}},
	{totp.EventAlarm, "50", []string{jane, anna}},
}

// Whoever takes an address away and then makes the account weaker is heard of:
// the addresses of the last 30 days are told of that, and of nothing else.
func TestFormerContactsHearOfAWeakerAccount(t *testing.T) {
	const evil, evilBoss = "jane@evil.example", "boss@evil.example"
	taken := strings.NewReplacer(jane, evil, boss, evilBoss).Replace(accountsFile)
	for _, kind := range []totp.EventKind{totp.EventTurnedOff, totp.EventDeviceRemoved, totp.EventEnrolled, totp.EventAlarm} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			told := func(what string, kind totp.EventKind, to ...string) {
				t.Helper()
				for i := range to {
					to[i] += " " + string(kind)
				}
				h.happens("U-2", kind, "")
				wantTold(t, what, h.told(), to...)
			}
			h.importFile(taken)
			time.Sleep(29 * day)
			switch kind {
			case totp.EventTurnedOff, totp.EventDeviceRemoved:
				told("lately", kind, evil, anna, it, evilBoss, jane, boss)
			case totp.EventEnrolled:
				told("lately", kind, evil)
			case totp.EventAlarm:
				told("lately", kind, evil, anna)
			}
			time.Sleep(2 * day)
			told("long ago", totp.EventTurnedOff, evil, anna, it, evilBoss)
			h.importFile(accountsFile) // back again: each mailbox once
			time.Sleep(2 * day)
			told("both", totp.EventTurnedOff, jane, anna, it, boss, evil, evilBoss)
			h.sound()
		})
	}
}

// Who is told as a former contact alone is told, and an address that only moved
// to another role is no former one.
func TestFormerContactsAlone(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(strings.Replace(accountsFile, "it@acme.example;boss@acme.example", "boss@acme.example;"+jane, 1))
		h.happens("U-2", totp.EventTurnedOff, "")
		wantTold(t, "a contact who left", h.told(), jane+" turned_off", anna+" turned_off", boss+" turned_off", it+" turned_off")
		if _, err := h.sql().Exec(`UPDATE address SET until = $1 WHERE account_id = 'A-1001' AND until IS NULL`, time.Now().UnixMicro()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		h.happens("U-2", totp.EventTurnedOff, "")
		wantTold(t, "nobody is left", h.told(), jane+" turned_off", anna+" turned_off", boss+" turned_off", it+" turned_off")
		h.sound()
	})
}

// N2, N3, B3, B4, T6: each event is told once to those who must know, in words
// that say what, when and from where, and is in the audit. Nothing else is.
func TestFactorLetters(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for _, c := range factorKinds {
			time.Sleep(25 * time.Hour)
			h.happens("U-2", c.kind, c.detail)
			var want []string
			for _, to := range c.to {
				want = append(want, to+" "+string(c.kind))
			}
			wantTold(t, string(c.kind), h.told(), want...)
			wantTold(t, string(c.kind)+" again", h.told())
			detail := h.text(`SELECT actor || ' ' || detail FROM audit WHERE action = $1 AND object = 'U-2'`, "factor."+string(c.kind))
			actor := "user "
			if slices.Contains([]totp.EventKind{totp.EventCodeRepeated, totp.EventLocked, totp.EventAlarm}, c.kind) {
				actor = "panel "
			}
			for _, part := range []string{actor, `"ip":"192.0.2.7"`, `"agent":"Browser/1"`, `"generation":1`, fmt.Sprintf(`"letters":%d`, len(c.to))} {
				if !strings.Contains(detail, part) {
					t.Errorf("%s: the audit has %s, want %s", c.kind, detail, part)
				}
			}
		}
		h.happens("U-2", totp.EventExempt, "api")
		wantTold(t, "exempt", h.told())
		if s := h.text(`SELECT detail FROM audit WHERE action = 'factor.exempt'`); !strings.Contains(s, "nothing to tell") {
			t.Error(s)
		}
		if n := h.count(`SELECT count(*) FROM factor_event WHERE settled_at IS NULL`); n != 0 {
			t.Errorf("%d events wait", n)
		}
		h.sound()
	})
}

// The real book: what users do is told, with its source, and no letter and no
// audit event has a code.
func TestFactorsAreTold(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		book, ctx := h.desk.Book(), totp.WithSource(t.Context(), totp.Source{IP: "2001:db8::7", Agent: "Browser/2"})
		e, err := book.Begin(ctx, "U-3", "piet", totp.Proof{})
		if err != nil {
			t.Fatal(err)
		}
		h.phone["U-3"] = e.Key.Secret().Base32()
		codes, err := book.Confirm(ctx, "U-3", e.ID, h.codeAt("U-3", time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		h.work()
		letters := h.post()
		if len(letters) != 1 || letters[0].to != "piet@beta.example" || !strings.Contains(letters[0].text, "2001:db8::7") {
			t.Fatalf("enrolling: %q", letters)
		}
		if _, err := book.Verify(ctx, "U-3", codes[0], totp.Web); err != nil {
			t.Fatal(err)
		}
		wantTold(t, "a backup code", h.told(), "piet@beta.example code_used")
		var used []string
		for _, c := range codes[1:7] { // three are left
			time.Sleep(time.Hour)
			if _, err := book.Verify(ctx, "U-3", c, totp.Web); err != nil {
				t.Fatal(err)
			}
			used = append(used, h.told()...)
		}
		wantTold(t, "six more", used, "piet@beta.example code_used", "piet@beta.example code_used", "piet@beta.example code_used",
			"piet@beta.example code_used", "piet@beta.example code_used", "piet@beta.example codes_low")
		time.Sleep(25 * time.Hour)
		if err := book.TurnOff(ctx, "U-3", totp.Proof{Code: h.fresh("U-3")}); err != nil {
			t.Fatal(err)
		}
		wantTold(t, "turning off", h.told(), "piet@beta.example turned_off")
		for _, c := range codes {
			for _, clear := range []string{c, strings.ReplaceAll(c, "-", "")} {
				if n := h.count(`SELECT count(*) FROM audit WHERE detail LIKE '%' || $1 || '%'`, clear); n != 0 {
					t.Error("a code is in the audit")
				}
			}
		}
		h.sound()
	})
}

// What happens in the same process is told at once, not at the next tick.
func TestFactorIsToldAtOnce(t *testing.T) {
	var ready chan time.Time
	inHouse(t, func(c *review.Config) {
		ready = make(chan time.Time, 1)
		c.LettersReady = func() { ready <- time.Now() }
	}, func(t *testing.T, h *house) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.desk.Run(ctx) }()
		time.Sleep(30*time.Second + time.Second/2) // between two ticks
		at := time.Now()
		if _, err := h.desk.Book().RenewBackupCodes(ctx, "U-2", totp.Proof{Code: h.codeAt("U-2", at)}); err != nil {
			t.Fatal(err)
		}
		if told := <-ready; told.Sub(at) > 0 {
			t.Errorf("told after %s", told.Sub(at))
		}
		stop()
		<-done
	})
}

// N2, B4: whoever changes what gets in right after the user did is told of all the
// same, behind any noise; who goes on and on is told of once an hour. One letter
// of a kind in an hour, whatever it is, turns this red.
func TestEveryChangeIsTold(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for range 8 {
			h.happens("U-2", totp.EventCodeUsed, "5")
			h.work()
			time.Sleep(61 * time.Minute)
		}
		h.post()
		for range 2 { // the user, and then somebody else
			for _, kind := range []totp.EventKind{totp.EventReplaced, totp.EventDeviceAdded, totp.EventCodesRenewed} {
				h.happens("U-2", kind, "")
				wantTold(t, string(kind), h.told(), jane+" "+string(kind))
				time.Sleep(time.Second)
			}
		}
		told := 0
		for range 60 {
			h.happens("U-2", totp.EventTurnedOff, "")
			h.work()
			told += len(h.post())
			time.Sleep(2 * time.Minute)
		}
		if told != 4*(20-6+1) {
			t.Errorf("%d letters in two hours of switching, want %d", told, 4*(20-6+1))
		}
		h.sound()
	})
}

// Nobody is flooded: of what changes nothing at most one letter of a kind in an
// hour and eight a day.
func TestFactorFlood(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for range 30 {
			h.happens("U-2", totp.EventCodeUsed, "5")
			time.Sleep(time.Second)
		}
		wantTold(t, "thirty in a minute", h.told(), jane+" code_used")
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'factor.code_used'`); n != 30 {
			t.Errorf("%d of 30 are in the audit", n)
		}
		for range 12 {
			time.Sleep(61 * time.Minute)
			h.happens("U-2", totp.EventCodeUsed, "5")
			h.work()
		}
		if n := len(h.post()); n != 7 {
			t.Errorf("%d more letters, want 7", n)
		}
		h.happens("U-2", totp.EventTurnedOff, "")
		if n := len(h.told()); n != 4 {
			t.Errorf("turned off behind the noise: %d letters", n)
		}
		time.Sleep(25 * time.Hour)
		h.happens("U-2", totp.EventCodeUsed, "5")
		wantTold(t, "the next day", h.told(), jane+" code_used")
		h.happens("U-2", totp.EventLocked, "")
		wantTold(t, "locked", h.told(), jane+" locked", anna+" locked")
		time.Sleep(2 * time.Hour)
		h.happens("U-2", totp.EventLocked, "")
		wantTold(t, "locked again that day", h.told())
	})
}

// Who has no address is told through the admins; reviewers and holders that no
// account has are audited alone (promise 3: mail goes to stored addresses only).
func TestFactorOfNobody(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-8,whmcs,,user,1,,\n")
		h.happens("U-8", totp.EventEnrolled, "")
		wantTold(t, "no address", h.told(), anna+" enrolled")
		if _, err := h.sql().Exec(`INSERT INTO holder (id) VALUES ('X-1')`); err != nil {
			t.Fatal(err)
		}
		h.happens("X-1", totp.EventEnrolled, "")
		h.happens("staff:1", totp.EventReplaced, "")
		if _, err := h.sql().Exec(`UPDATE address SET until = since WHERE account_id = 'A-3003'`); err != nil {
			t.Fatal(err)
		}
		h.happens("U-5", totp.EventEnrolled, "")
		wantTold(t, "nobody", h.told())
		for object, want := range map[string]string{"X-1": "user not a user of an account", "staff:1": "reviewer:1 not a user of an account", "U-5": "user no address on file"} {
			if s := h.text(`SELECT actor || ' ' || json_extract(detail, '$.untold') FROM audit WHERE object = $1 AND action LIKE 'factor.%'`, object); s != want {
				t.Errorf("%s: %q, want %q", object, s, want)
			}
		}
	})
}

// An event is taken whole or not at all: through a disk that is full at one page
// after the other (it failed), and through a crash right after the commit (it was
// done, and nobody heard of it). None is lost and no letter is doubled.
func TestFactorEventsThroughFaults(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		ids := []int{h.happens("U-2", totp.EventTurnedOff, ""), h.happens("U-2", totp.EventCodesRenewed, ""), h.happens("U-4", totp.EventEnrolled, "")}
		if _, err := h.sql().Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for more := range 40 {
			if err := h.desk.LimitPages(ctx, more+1); err != nil {
				t.Fatal(err)
			}
			err := h.desk.Tick(ctx)
			for _, id := range ids {
				settled, audited, letters := h.event(id)
				if settled != audited || (letters > 0) != (settled > 0) {
					t.Fatalf("event %d: %d settled, %d audited, %d letters, %v", id, settled, audited, letters, err)
				}
			}
			if err == nil {
				break
			}
			failed++
		}
		if failed == 0 {
			t.Error("the disk was never full")
		}
		if err := h.desk.LimitPages(ctx, 0); err != nil {
			t.Fatal(err)
		}
		h.work()
		h.reopen() // after the commit, before anything else
		wantTold(t, "in the end", h.told(), jane+" turned_off", anna+" turned_off", it+" turned_off", boss+" turned_off",
			jane+" codes_renewed", "sanne@beta.example enrolled")
		wantTold(t, "once more", h.told())
		h.sound()
		t.Logf("failed %d times", failed)
	})
}

// The outbox treats a letter without a case like any other: a repeat after a
// crash at the dot is byte-identical, and a refusal is on record and stops no case.
func TestLetterWithoutCaseInOutbox(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.happens("U-2", totp.EventEnrolled, "")
		h.work()
		first := h.claim()
		if err := h.desk.AtDot(ctx, first.ID, first.Attempt); err != nil {
			t.Fatal(err)
		}
		h.reopen()
		time.Sleep(time.Minute)
		again := h.claim()
		if !bytes.Equal(again.Raw, first.Raw) || again.To != first.To || again.Attempt != 2 {
			t.Error("the repeat is another letter")
		}
		err := errors.Join(h.desk.AtDot(ctx, again.ID, again.Attempt), h.desk.Failed(ctx, again.ID, again.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "550 no"}))
		if err != nil {
			t.Fatal(err)
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'letter.refused' AND object = 'U-2'`); n != 1 {
			t.Errorf("%d events of the refusal", n)
		}
		h.happens("U-2", totp.EventReplaced, "")
		wantTold(t, "sent", h.told(), jane+" replaced")
		h.sound()
	})
}

// What a stranger chose (an agent, the name of a device, a forged address) makes
// no link and no line of its own in a letter.
func TestFactorLettersWithNastyNames(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		id := h.happens("U-2", totp.EventDeviceRemoved, "https://evil.example/<b>call 0800 123456\r\nBcc: x@y")
		if _, err := h.sql().Exec(`DROP TRIGGER factor_event_fixed; UPDATE factor_event SET ip = 'call +1 555', agent = 'https://evil.example' WHERE id = $1`, id); err != nil {
			t.Fatal(err)
		}
		h.work()
		for _, l := range h.post() {
			for _, bad := range []string{"://evil", "evil.example", "x@y", "call +1", "123456\n", "\r", "<b>"} {
				if strings.Contains(l.text, bad) {
					t.Errorf("%q in\n%s", bad, l.text)
				}
			}
			m, err := mail.ReadMessage(bytes.NewReader(l.raw))
			if err != nil {
				t.Fatal(err)
			}
			checkHTML(t, "nasty", 0, m)
		}
	})
}

// The letters without a case as people read them, all kinds of a language in a
// file, with everything configured and with nothing.
func TestNoticeWords(t *testing.T) {
	for _, locale := range []string{"en", "de", "nl", "fr", "es"} {
		for variant, change := range map[string]func(*review.Config){"full": nil, "bare": bare} {
			t.Run(locale+" "+variant, func(t *testing.T) {
				letters := everyNotice(t, locale, change)
				var all strings.Builder
				for _, l := range letters {
					kind := strings.Split(headerOf(t, l.raw, "Message-Id"), ".")[1]
					checkLetter(t, kind, locale, l)
					checkNotice(t, kind, l, variant)
					fmt.Fprintf(&all, "==== %s to %s\n%s\n\n%s\n", kind, l.to, l.subject, l.text)
				}
				golden(t, filepath.Join("testdata", "letters", "notices."+locale+"."+variant+".txt"), all.String())
			})
		}
	}
}

// everyNotice is one letter of each kind to the user, one to an admin, one to a
// former contact, and the reminders.
func everyNotice(t *testing.T, locale string, change func(*review.Config)) []letter {
	var all []letter
	inHouse(t, func(c *review.Config) {
		c.TOTP.MandatoryFrom = time.Date(2000, 3, 31, 0, 0, 0, 0, time.UTC)
		if change != nil {
			change(c)
		}
	}, func(t *testing.T, h *house) {
		file := strings.ReplaceAll(accountsFile, "ACME GmbH,de", "ACME GmbH,"+locale)
		h.importFile(strings.Replace(file, boss, boss+";gone@acme.example", 1))
		h.importFile(file)
		for _, c := range factorKinds {
			time.Sleep(25 * time.Hour)
			h.happens("U-2", c.kind, c.detail)
			h.work()
			for _, l := range h.post() {
				if l.to == jane || (l.to == anna || l.to == "gone@acme.example") && c.kind == totp.EventTurnedOff {
					all = append(all, l)
				}
			}
		}
		for _, days := range []int{-7, -1, 0, 3} {
			until := time.Date(2000, 3, 31+days, 9, 0, 0, 0, time.UTC)
			time.Sleep(time.Until(until))
			if days == 3 { // those who come late hear of it late
				h.importFile(strings.ReplaceAll(accountsFile, "ACME GmbH,de", "ACME GmbH,"+locale) + "A-1001,ACME GmbH," + locale + ",U-8,late,late@acme.example,user,0,,\n")
			}
			h.work()
			for _, l := range h.post() {
				if l.to == anna || l.to == "late@acme.example" {
					all = append(all, l)
				}
			}
		}
		if len(all) != len(factorKinds)+2+4 {
			t.Errorf("%d letters", len(all))
		}
	})
	return all
}

// checkNotice holds a notice to N3: when, from where, what to do, one way to
// object, and no link that does anything.
func checkNotice(t *testing.T, kind string, l letter, variant string) {
	t.Helper()
	if strings.Contains(l.text, "https://reset.example") {
		t.Errorf("%s has a link of ours", kind)
	}
	if n := strings.Count(l.text, "+49 30 1234567"); variant == "full" && n != 1 {
		t.Errorf("%s names the phone %d times", kind, n)
	}
	if kind != "reminder" && (!strings.Contains(l.text, " UTC") || !strings.Contains(l.text, "192.0.2.7")) {
		t.Errorf("%s does not say when and from where", kind)
	}
}

// Who answers a notice is no requester: the answer waits for staff under "Not a
// request", with and without the quoted letter, in every language.
func TestReplyToNoticeWaitsForStaff(t *testing.T) {
	words := map[string]string{"en": "That was not me!", "de": "Das war ich nicht!", "nl": "Dat was ik niet!", "fr": "Ce n'était pas moi !", "es": "¡No he sido yo!"}
	for locale, text := range words {
		letters := everyNotice(t, locale, bare)
		inHouse(t, nil, func(t *testing.T, h *house) {
			for _, l := range letters {
				h.deliver(request("anna@acme.example", "Re: "+l.subject, text),
					request("anna@acme.example", "Re: "+l.subject, text+"\n\n> "+strings.ReplaceAll(l.text, "\n", "\n> ")))
			}
			for _, l := range letters { // of a user, in a mailbox that is not ours alone
				header := request(jane, "Re: "+l.subject, "")
				if got, err := h.desk.Concerns(t.Context(), inbox, [][]byte{[]byte(header)}); err != nil || !got[0] {
					t.Errorf("%s: an answer to %q is not read: %v", locale, l.subject, err)
				}
			}
			if n := h.count(`SELECT count(*) FROM inbound WHERE fate = 'parked'`); n != 2*len(letters) {
				t.Errorf("%s: %d of %d answers wait", locale, n, 2*len(letters))
			}
		})
	}
}

// Users, contacts and former ones object by an answer, too: to a case it stops the
// case, else it waits for staff, whoever it comes from, and nothing else from them
// does.
func TestObjectionOfAnybodyTold(t *testing.T) {
	inHouse(t, bare, func(t *testing.T, h *house) {
		h.importFile(strings.Replace(accountsFile, "it@acme.example;", "", 1))
		h.happens("U-2", totp.EventTurnedOff, "")
		h.work()
		letters := h.post()
		v, more := h.ask("anna@acme.example", forUser("sanne at Beta")) // the notices of a case
		if len(letters) != 4 || len(more) < 3 {
			t.Fatalf("%d and %d letters about %s", len(letters), len(more), v.Number)
		}
		for i, l := range append(letters, more...) {
			for _, header := range []string{"In-Reply-To", "References"} {
				plain := request(l.to, "Re: "+l.subject, "That was not me!")
				h.deliver(strings.Replace(plain, "Message-ID", header+": <other@host.example> "+headerOf(t, l.raw, "Message-Id")+"\nMessage-ID", 1))
				want := map[bool]string{true: "parked", false: "attached"}[i < len(letters)] // to a case: it stops it
				if fate, reason := h.fate(); fate != want {
					t.Errorf("%d: the answer of %s is %s: %s", i, l.to, fate, reason)
				}
			}
			h.deliver(request(l.to, "2FA", "Thank you!"))
			if fate, reason := h.fate(); l.to != anna && fate != "passed" {
				t.Errorf("a thank-you of %s is %s: %s", l.to, fate, reason)
			}
		}
		answering := "In-Reply-To: " + headerOf(t, letters[0].raw, "Message-Id") + "\nMessage-ID"
		for _, from := range []string{jane, "Anna <anna@acme.exampel>", "\"anna@acme.example\" <x@stranger.example>", "x@stranger.example\nReply-To: anna@acme.example"} {
			h.deliver(strings.Replace(request(from, "Re: 2FA", "That was not me!"), "Message-ID", answering, 1))
			fate, _ := h.fate()
			_, err := h.desk.OpenParked(t.Context(), h.rita, int64(h.count(`SELECT max(id) FROM inbound`)))
			if fate != "parked" && fate != "quarantined" || review.KindOf(err) != review.Conflict {
				t.Errorf("an answer from %q is %s, and made a case: %v", from, fate, err)
			}
		}
		h.deliver(strings.Replace(request("x@stranger.example", "Re: 2FA", "Hi"), "Message-ID", "In-Reply-To: <'; --@host.example>\nMessage-ID", 1))
		if fate, _ := h.fate(); fate != "passed" {
			t.Errorf("an answer to nothing of ours is %s", fate)
		}
	})
}
