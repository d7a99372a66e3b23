package review_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

var inbox = mailbox.Source{Mailbox: "support", Folder: "INBOX"}

// received makes a mail as the watcher hands it over.
func received(uid uint32, raw string) mailbox.Mail {
	b := []byte(strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n"))
	return mailbox.Mail{UID: uid, InternalDate: time.Now(), Size: int64(len(b)), Header: b, Raw: b}
}

func (h *house) receive(b mailbox.Batch) {
	h.t.Helper()
	if err := h.desk.Receive(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
	h.work()
}

// fate returns fate and reason of the newest mail.
func (h *house) fate() (fate, reason string) {
	h.t.Helper()
	if err := h.sql().QueryRow(`SELECT coalesce(fate, ''), reason FROM inbound ORDER BY id DESC LIMIT 1`).Scan(&fate, &reason); err != nil {
		h.t.Fatal(err)
	}
	return fate, reason
}

// accounted checks promise 1: every mail has exactly one fate with a reason.
func (h *house) accounted(received int) {
	h.t.Helper()
	if n := h.count(`SELECT count(*) FROM inbound`); n != received {
		h.t.Errorf("%d mails in the database, %d were received", n, received)
	}
	if n := h.count(`SELECT count(*) FROM inbound WHERE fate IS NOT NULL AND reason <> ''`); n != received {
		h.t.Errorf("%d mails have a fate, %d were received", n, received)
	}
	if n := h.count(`SELECT count(*) FROM inbound i WHERE (fate IN ('case', 'attached')) <> (SELECT count(*) > 0 FROM case_mail WHERE inbound_id = i.id)`); n != 0 {
		h.t.Errorf("%d mails have another fate than their cases say", n)
	}
}

// Promises 1 to 3: what becomes of a mail, for whom it opens cases, and who is mailed.
func TestFates(t *testing.T) {
	for _, c := range []struct {
		name, mail   string
		fate, reason string
		cases        string // user or account of each case
		letters      string // first letters of the recipients
	}{
		{"one user", request("anna@acme.example", "2FA reset", forUser("jane")), "case", "It opened case", "U-2", "anna boss it jane"},
		{"two users are two cases", request("piet@beta.example", "2FA reset", "Hello, please reset the two-factor authentication of the users \"piet\" and \"sanne\", both lost their phones."),
			"case", "It opened case", "U-4", "piet sanne"},
		{"two other users", request("dora@delta.example", "2FA reset", "Please reset 2FA of the users \"dan\" and \"dirk\", they lost their phones."),
			"case", "It opened case", "U-8 U-9", "dan dirk dora dora"},
		{"nobody is named", request("anna@acme.example", "2FA reset", "I lost my phone. Please reset the two-factor authentication."),
			"case", "It opened case", "A-1001", "anna boss it"},
		{"the admin himself", request("anna@acme.example", "2FA reset", "I lost my phone. Please reset the two-factor authentication of my user \"anna\"."),
			"case", "It opened case", "U-1", "anna boss it"},
		{"several accounts, none named", request("owner@gamma.example", "2FA reset", "I lost my phone. Please reset the two-factor authentication."),
			"case", "It opened case", "?", "owner"},
		{"several accounts, one named", request("owner@gamma.example", "2FA reset for A-3004", "I lost my phone. Please reset the two-factor authentication."),
			"case", "It opened case", "A-3004", "owner"},
		{"several accounts, a user named", request("owner@gamma.example", "2FA reset", forUser("olive")), "case", "It opened case", "U-6", "owner"},
		{"other capitals", request("Anna@Acme.example", "2FA reset", forUser("jane")), "case", "It opened case", "U-2", "anna boss it jane"},
		{"no request", request("anna@acme.example", "Invoice", "Which day is the office open? Anna"), "parked", "asks for no reset", "", ""},
		{"a stranger asks", request("mallory@evil.example", "2FA reset", forUser("jane")), "passed", "no registered admin address", "", ""},
		{"a stranger writes", request("mallory@evil.example", "Hello", "Nice weather."), "passed", "its body was not kept", "", ""},
		{"the user asks, who is no admin", request("jane@acme.example", "2FA reset", "I lost my phone, please reset my two-factor authentication."),
			"passed", "no registered admin address", "", ""},
		{"a notification address asks", request("it@acme.example", "2FA reset", forUser("jane")), "passed", "no registered admin address", "", ""},
		{"an automatic answer", "Auto-Submitted: auto-replied\n" + request("anna@acme.example", "Re: 2FA reset", forUser("jane")), "automatic", "never answered", "", ""},
		{"a bounce", "Return-Path: <>\n" + request("MAILER-DAEMON@acme.example", "Undelivered", "Your mail about the two-factor reset was not delivered."), "", "", "", ""},
		{"two From lines", "From: mallory@evil.example\n" + request("anna@acme.example", "2FA reset", forUser("jane")), "quarantined", "signs of forgery", "", ""},
		{"an address that looks alike", request("anna@acrne.example", "2FA reset", forUser("jane")), "quarantined", "signs of forgery", "", ""},
		{"a name that shows the address", request(`"anna@acme.example" <mallory@evil.example>`, "2FA reset", forUser("jane")), "quarantined", "signs of forgery", "", ""},
		{"no header at all", "\n\nhello", "quarantined", "", "", ""},
		{"nothing", "", "quarantined", "", "", ""},
		{"rubbish", "\x00\xff\xfe: \r\r\n\x80", "quarantined", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				h.importFile(moreAccounts)
				h.deliver(c.mail)
				fate, reason := h.fate()
				if c.fate != "" && fate != c.fate || !strings.Contains(reason, c.reason) {
					t.Errorf("fate %s (%s), want %s (%s)", fate, reason, c.fate, c.reason)
				}
				h.accounted(1)
				if got := h.text(`SELECT coalesce(group_concat(coalesce(user_id, account_id, '?'), ' '), '') FROM (SELECT * FROM reset_case ORDER BY user_id)`); got != c.cases {
					t.Errorf("cases for %q, want %q", got, c.cases)
				}
				h.post()
				if got := h.text(`SELECT coalesce(group_concat(substr(recipient, 1, instr(recipient, '@') - 1), ' '), '') FROM (SELECT * FROM letter ORDER BY recipient)`); got != c.letters {
					t.Errorf("letters to %q, want %q", got, c.letters)
				}
				if kept := h.count(`SELECT count(*) FROM inbound WHERE raw IS NOT NULL`); kept == 0 != strings.Contains(c.reason, "was not kept") {
					t.Errorf("%d bodies are kept", kept)
				}
			})
		})
	}
}

func (h *house) text(query string, args ...any) string {
	h.t.Helper()
	all, err := stringsOf(h.sql(), query, args...)
	if err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(all, "\n")
}

// Promise 2: asking again, in any way, never opens a second case.
func TestAskAgain(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", lostPhone)
		h.deliver(request("anna@acme.example", "2FA reset for jane", lostPhone))
		if fate, reason := h.fate(); fate != "attached" || !strings.Contains(reason, "asks again for the open case "+v.Number) {
			t.Errorf("the same again: %s %s", fate, reason)
		}
		h.deliver(request("anna@acme.example", "Re: ["+v.Number+"]", "Any news?"))
		if fate, reason := h.fate(); fate != "attached" || !strings.Contains(reason, v.Number) {
			t.Errorf("reply with the number: %s %s", fate, reason)
		}
		id := ""
		for _, l := range letters {
			if l.to == "anna@acme.example" {
				id = headerOf(t, l.raw, "Message-Id")
			}
		}
		h.deliver("In-Reply-To: " + id + "\n" + request("anna@acme.example", "Re: your mail", "Yes, that was me."))
		if fate, _ := h.fate(); fate != "attached" {
			t.Errorf("reply to our letter %s: %s", id, fate)
		}
		h.deliver(request("piet@beta.example", "Re: ["+v.Number+"]", "Let me in there."))
		if fate, _ := h.fate(); fate != "parked" {
			t.Errorf("a foreign admin with the number: %s", fate)
		}
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
			t.Errorf("%d cases", n)
		}
		if more := h.post(); len(more) != 0 {
			t.Errorf("letters for attached mails: %q", more)
		}
		if got := len(h.view(v.Number).Mails); got != 4 {
			t.Errorf("the case shows %d mails, want 4", got)
		}
		if err := h.desk.Reject(t.Context(), h.rita, decision(h.view(v.Number), "other", "")); err != nil {
			t.Fatal(err)
		}
		h.deliver(request("anna@acme.example", "2FA reset for jane", lostPhone))
		if fate, _ := h.fate(); fate != "case" {
			t.Errorf("after the case was closed: %s", fate)
		}
		h.accounted(6)
	})
}

// Another admin of the account asks for the same user: one case, one requester.
func TestAskByAnotherAdmin(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-10,udo,udo@acme.example,admin,0,,\n")
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		h.deliver(request("udo@acme.example", "2FA reset", forUser("jane")))
		if fate, _ := h.fate(); fate != "attached" || h.view(v.Number).Requester != "anna@acme.example" {
			t.Errorf("fate %s, requester %s", fate, h.view(v.Number).Requester)
		}
	})
}

// The owner answers the open question: which user, of which account.
func TestOwnerNamesTheUser(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.enroll("U-6", "")
		v, letters := h.ask("owner@gamma.example", "I lost my phone. Please reset the two-factor authentication.")
		link := confirmToken(t, letters, "owner@gamma.example")
		page, err := h.desk.Owner(ctx, link)
		if err != nil || len(page.Choices) != 2 {
			t.Fatalf("choices %+v, %v", page.Choices, err)
		}
		if err := h.desk.Answer(ctx, link, review.Reply{Yes: true}); review.KindOf(err) != review.Invalid {
			t.Errorf("a yes for nobody: %v", err)
		}
		for _, user := range []string{"U-2", "nobody"} {
			if err := h.desk.Answer(ctx, link, review.Reply{Yes: true, UserID: user}); review.KindOf(err) != review.Invalid {
				t.Errorf("a yes for %s: %v", user, err)
			}
		}
		h.answer(link, review.Reply{Yes: true, UserID: "U-6"})
		if v = h.view(v.Number); v.AccountID != "A-3004" || v.UserID != "U-6" {
			t.Fatalf("the case is for %s %s", v.AccountID, v.UserID)
		}
		h.answer(link, review.Reply{Yes: true, UserID: "U-6"}) // twice is once
		if err := h.desk.Answer(ctx, link, review.Reply{Yes: true, UserID: "U-5"}); review.KindOf(err) != review.Stale {
			t.Errorf("a yes for another user than the case's: %v", err)
		}
		if n := h.count(`SELECT count(*) FROM answer`); n != 1 {
			t.Errorf("%d answers", n)
		}
		h.post()
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Errorf("not cleared: %+v", h.view(v.Number).Requirements)
		}
	})
}

// Promise 3: a quarantined mail opens nothing, and it makes the next case of its
// victim a case of high risk.
func TestQuarantineRaisesRisk(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.deliver("From: mallory@evil.example\n" + request("anna@acme.example", "2FA reset", forUser("jane")))
		h.deliver(request("anna@acrne.example", "2FA reset", forUser("jane")))
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 0 {
			t.Fatalf("%d cases", n)
		}
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		v = h.view(v.Number)
		if v.Risk.Level != review.High || !strings.Contains(strings.Join(v.Risk.Reasons, " "), "1 mail in quarantine") {
			t.Errorf("risk %+v", v.Risk)
		}
	})
}

// dnsZone answers TXT for one name; broken makes it fail for a while.
type dnsZone struct {
	name, record string
	broken       bool
}

func (z *dnsZone) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch {
	case z.broken:
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	case strings.TrimSuffix(name, ".") == z.name:
		return []string{z.record}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// signer makes a zone and what signs mails of acme.example with its key.
func signer(t *testing.T) (*dnsZone, func(mail string) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	zone := &dnsZone{name: "s1._domainkey.acme.example", record: "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}
	return zone, func(mail string) string {
		t.Helper()
		var out bytes.Buffer
		err := dkim.Sign(&out, strings.NewReader(strings.ReplaceAll(mail, "\n", "\r\n")), &dkim.SignOptions{Domain: "acme.example", Selector: "s1",
			Signer: private, HeaderCanonicalization: dkim.CanonicalizationRelaxed,
			HeaderKeys: []string{"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type"}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(out.String(), "\r\n", "\n")
	}
}

// Sender-verification 4, condition 4: a signature is good for one mail.
func TestReplayedSignature(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		mail := sign(request("anna@acme.example", "2FA reset", forUser("jane")))
		h.deliver(mail)
		v := h.onlyCase()
		if v.Mails[0].Verdict != "authenticated" || v.Risk.Level != review.Low {
			t.Fatalf("verdict %s, risk %+v: %+v", v.Mails[0].Verdict, v.Risk, v.Mails[0].Reasons)
		}
		time.Sleep(time.Minute)
		h.deliver(mail) // to another of our addresses
		if fate, reason := h.fate(); fate != "passed" || !strings.Contains(reason, "second copy of mail 1") {
			t.Errorf("the second copy is %s: %s", fate, reason)
		}
		time.Sleep(80 * time.Hour)
		h.deliver(mail)
		if fate, reason := h.fate(); fate != "quarantined" {
			t.Errorf("the replay is %s: %s", fate, reason)
		}
		if v, _ := h.desk.Case(t.Context(), h.rita, v.Number); v.Risk.Level != review.Low || len(v.Mails) != 1 {
			t.Errorf("the replay disturbs the case: %+v", v.Risk)
		}
		h.accounted(3)
	})
}

// Promise 1: what DNS cannot tell now is asked again, at growing distances, for a
// day; then the mail goes on as unverified.
func TestDeferred(t *testing.T) {
	for name, heals := range map[string]time.Duration{"heals": 3 * time.Hour, "never heals": 100 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			zone, sign := signer(t)
			zone.broken = true
			inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
				h.deliver(sign(request("anna@acme.example", "2FA reset", forUser("jane"))))
				if fate, _ := h.fate(); fate != "" {
					t.Fatalf("fate %s while DNS is down", fate)
				}
				begin, tries := time.Now(), 0
				for h.count(`SELECT count(*) FROM reset_case`) == 0 && time.Since(begin) < 30*time.Hour {
					time.Sleep(time.Minute)
					zone.broken = time.Since(begin) < heals
					h.work()
					tries = max(tries, h.count(`SELECT attempts FROM inbound`))
				}
				took, v := time.Since(begin), h.onlyCase()
				if want := map[bool]string{true: "authenticated", false: "unverified"}[heals < day]; v.Mails[0].Verdict != want {
					t.Errorf("verdict %s, want %s", v.Mails[0].Verdict, want)
				}
				if took > min(heals, day)+time.Hour+time.Minute || took < min(heals, day) {
					t.Errorf("decided after %s", took)
				}
				if tries < 4 || tries > 40 {
					t.Errorf("%d tries in %s", tries, took)
				}
				h.accounted(1)
			})
		})
	}
}

// Promise 2: a mailbox that was rebuilt hands out the same mails under new
// numbers. They are the same mails, whatever state the first reading was in.
func TestMailboxRebuilt(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		mails := []mailbox.Mail{received(1, sign(request("anna@acme.example", "2FA reset", forUser("jane")))),
			received(2, request("piet@beta.example", "2FA reset", forUser("sanne"))), received(3, request("piet@beta.example", "Hello", "No request."))}
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 3, Mails: mails})
		for i := range mails {
			mails[i].UID += 40
		}
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 8, Through: 43, Mails: mails})
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 2 {
			t.Errorf("%d cases, want 2", n)
		}
		if n := h.count(`SELECT count(*) FROM inbound WHERE uidvalidity = 8 AND fate = 'passed' AND reason LIKE '%before the mailbox was rebuilt%'`); n != 3 {
			t.Errorf("%d of 3 mails were recognised", n)
		}
		h.accounted(6)
	})
}

// The same, while the first reading still waits for DNS: one of the two opens
// the case, neither is passed over for the other's sake.
func TestMailboxRebuiltWhileDeferred(t *testing.T) {
	zone, sign := signer(t)
	zone.broken = true
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		m := received(1, sign(request("anna@acme.example", "2FA reset", forUser("jane"))))
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{m}})
		m.UID = 9
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 8, Through: 9, Mails: []mailbox.Mail{m}})
		zone.broken = false
		time.Sleep(2 * time.Hour)
		h.work()
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
			t.Errorf("%d cases, want 1: %s", n, h.text(`SELECT fate || ': ' || reason FROM inbound`))
		}
		h.accounted(2)
	})
}

// Receive may run twice, also when the first run was done and only its answer
// was lost. A cursor never goes back.
func TestReceiveTwice(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 2, Backlog: 1,
			Mails: []mailbox.Mail{received(1, request("anna@acme.example", "2FA reset", forUser("jane"))), received(2, request("x@y.example", "Hi", "Hi"))}}
		h.receive(b)
		before := h.text(`SELECT id || fate || hex(sha256) FROM inbound`)
		other := b
		other.Mails = []mailbox.Mail{received(1, request("piet@beta.example", "2FA reset", forUser("sanne")))}
		h.receive(b)
		h.receive(other) // other bytes under a known number change nothing
		h.reopen()
		h.receive(b)
		if after := h.text(`SELECT id || fate || hex(sha256) FROM inbound`); after != before {
			t.Errorf("the rows moved:\n%s\n%s", before, after)
		}
		b.Through, b.Mails = 1, nil
		h.receive(b)
		c, err := h.desk.Resume(t.Context(), inbox)
		if err != nil || c != (mailbox.Cursor{UIDValidity: 7, UID: 2, Backlog: 1}) {
			t.Errorf("cursor %+v, %v", c, err)
		}
		if c, err := h.desk.Resume(t.Context(), mailbox.Source{Mailbox: "support", Folder: "Junk"}); err != nil || c != (mailbox.Cursor{}) {
			t.Errorf("cursor of a folder never read: %+v, %v", c, err)
		}
		h.accounted(2)
	})
}

// A batch is whole or not there: neither rows nor cursor.
func TestReceiveIsWhole(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{received(1, request("anna@acme.example", "2FA", "reset"))}}
		if err := h.desk.Receive(ctx, b); err == nil {
			t.Error("a cancelled Receive succeeded")
		}
		b.UIDValidity = 0 // no server may say this (RFC 9051 2.3.1.1)
		if err := h.desk.Receive(t.Context(), b); err == nil {
			t.Error("a batch without UIDVALIDITY was taken")
		}
		if n := h.count(`SELECT (SELECT count(*) FROM inbound) + (SELECT count(*) FROM cursor)`); n != 0 {
			t.Errorf("%d rows of a batch that failed", n)
		}
	})
}

// Promise 1: a mail that the server would not hand out is on record, and is read
// when it comes after all.
func TestUnfetchableThenFetched(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{{UID: 1, InternalDate: time.Now(), Unfetchable: "the server sent nothing"}}}
		h.receive(b)
		if fate, reason := h.fate(); fate != "unfetchable" || reason != "the server sent nothing" {
			t.Fatalf("%s: %s", fate, reason)
		}
		page, err := h.desk.Queue(t.Context(), h.rita, review.TabParked, "", "")
		if err != nil || len(page.Mails) != 1 {
			t.Errorf("people see %+v, %v", page.Mails, err)
		}
		h.receive(b) // and again nothing
		b.Mails[0] = received(1, request("anna@acme.example", "2FA reset", forUser("jane")))
		h.receive(b)
		if fate, _ := h.fate(); fate != "case" {
			t.Errorf("fetched after all: %s", fate)
		}
		h.accounted(1)
	})
}

// What was in the mailbox before the first look is listed and nobody is mailed;
// a person may open it, but not one who only looks.
func TestBacklog(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		m := received(1, request("anna@acme.example", "2FA reset", forUser("jane")))
		m.Backlog = true
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Backlog: 1, Mails: []mailbox.Mail{m}})
		h.uid = 1
		if fate, _ := h.fate(); fate != "parked" || len(h.post()) != 0 {
			t.Fatalf("fate %s, or somebody was mailed", fate)
		}
		vera := h.reviewer("vera@host.example", "Vera", review.Viewer)
		if _, err := h.desk.OpenParked(ctx, vera, 1); review.KindOf(err) != review.Denied {
			t.Errorf("a viewer opened it: %v", err)
		}
		if _, err := h.desk.OpenParked(ctx, h.sam, 99); review.KindOf(err) != review.NotFound {
			t.Errorf("an unknown mail: %v", err)
		}
		number, err := h.desk.OpenParked(ctx, h.sam, 1)
		if err != nil {
			t.Fatal(err)
		}
		if v := h.view(number); v.UserID != "U-2" || v.Mails[0].Verdict != "unverified" || len(h.post()) != 4 {
			t.Errorf("opened %+v", v)
		}
		if _, err := h.desk.OpenParked(ctx, h.sam, 1); review.KindOf(err) != review.Conflict {
			t.Errorf("opened twice: %v", err)
		}
		h.deliver("From: mallory@evil.example\n" + request("anna@acme.example", "2FA reset", forUser("jane")))
		if _, err := h.desk.OpenParked(ctx, h.sam, 2); review.KindOf(err) != review.Conflict {
			t.Errorf("opened a quarantined mail: %v", err)
		}
		h.accounted(2)
	})
	inHouse(t, func(c *review.Config) { c.OpenBacklog = true }, func(t *testing.T, h *house) {
		m := received(1, request("anna@acme.example", "2FA reset", forUser("jane")))
		m.Backlog = true
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{m}})
		if fate, _ := h.fate(); fate != "case" {
			t.Errorf("with OpenBacklog: %s", fate)
		}
	})
}

// Promise 1: the choice by header is liberal.
func TestConcerns(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for header, want := range map[string]bool{
			"From: anna@acme.example\r\n\r\n":                                         true,
			"From: ANNA@ACME.EXAMPLE\r\n\r\n":                                         true,
			"From: x@y.example\r\nReply-To: Anna <anna@acme.example>\r\n\r\n":         true,
			"From: \"anna@acme.example\" <x@y.example>\r\n\r\n":                       true,
			"From: =?utf-8?q?anna=40acme.example?= <x@y.example>\r\n\r\n":             true,
			"From: anna@acrne.example\r\n\r\n":                                        true,
			"From: anna@acme.exampel\r\n\r\n":                                         true,
			"From: x@y.example\r\nSubject: 2FA reset\r\n\r\n":                         true,
			"From: x@y.example\r\nSubject: =?utf-8?b?UmU6IFJTVC04SzJNNFE=?=\r\n\r\n":  true,
			"From: x@y.example\r\nReferences: <rst-8k2m4q.notice.x@host.example>\r\n": true,
			"From: x@y.example\r\nIn-Reply-To: <RST-8K2M4Q.x@host.example>\r\n\r\n":   true,
			"From: jane@acme.example\r\nSubject: Invoice\r\n\r\n":                     false,
			"From: x@y.example\r\nSubject: Your invoice\r\n\r\n":                      false,
			"":             false,
			"\xff\xfe\x00": false,
		} {
			got, err := h.desk.Concerns(t.Context(), inbox, [][]byte{[]byte(header)})
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%q concerns us: %v, %v, want %t", header, got, err, want)
			}
		}
	})
}

// One mail that cannot be read stops no other.
func TestPoison(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		deep := "From: anna@acme.example\nContent-Type: multipart/mixed; boundary=a\nSubject: 2FA reset\n\n" + strings.Repeat("--a\nContent-Type: multipart/mixed; boundary=a\n\n", 10_000)
		mails := []string{deep, strings.Repeat("X: y\n", 50_000), "From: " + strings.Repeat("<", 100_000), strings.Repeat("\x00", 1<<20), ""}
		h.deliver(append(mails, request("anna@acme.example", "2FA reset", forUser("jane")))...)
		h.accounted(len(mails) + 1)
		if fate, _ := h.fate(); fate != "case" {
			t.Errorf("the good mail behind them: %s", fate)
		}
	})
}

// Headers that nobody asked for are passed at once, without a body.
func TestPassedByHeader(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 500}
		for uid := range uint32(500) {
			b.Mails = append(b.Mails, mailbox.Mail{UID: uid + 1, InternalDate: time.Now(), Header: fmt.Appendf(nil, "From: n%d@news.example\r\n\r\n", uid)})
		}
		h.receive(b)
		h.accounted(500)
		if n := h.count(`SELECT count(*) FROM inbound WHERE fate = 'passed' AND raw IS NULL`); n != 500 {
			t.Errorf("%d passed", n)
		}
	})
}

// A mail whose assessment fails inside, each time, holds up no other and ends
// where a person sees it; a failure that passes costs nothing but time.
func TestAssessmentFails(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 2, Mails: []mailbox.Mail{
			received(1, request("anna@acme.example", "2FA reset", forUser("jane"))), received(2, request("piet@beta.example", "2FA reset", forUser("sanne")))}}
		if err := h.desk.Receive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		// Somebody wrote down a finding of the first: ours collides with it.
		if _, err := h.sql().Exec(`INSERT INTO assessment SELECT 1, 'unverified', 'exact', '', '', '', '', '', 0, 0, '', '{}', 0`); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Work(t.Context()); err == nil {
			t.Error("the failure is not reported")
		}
		if n := h.count(`SELECT count(*) FROM reset_case WHERE user_id = 'U-4'`); n != 1 {
			t.Fatalf("%d cases behind it", n)
		}
		begin := time.Now()
		for h.count(`SELECT count(*) FROM inbound WHERE fate IS NULL`) > 0 && time.Since(begin) < 3*day {
			time.Sleep(10 * time.Minute)
			_ = h.desk.Work(t.Context()) // fails as long as it fails
		}
		if took := time.Since(begin); took < 12*time.Hour || took > 36*time.Hour {
			t.Errorf("given up after %s", took)
		}
		if got := h.text(`SELECT fate || ': ' || reason FROM inbound WHERE id = 1`); !strings.HasPrefix(got, "quarantined: It could not be processed") {
			t.Errorf("it is %s", got)
		}
		h.accounted(2)
	})
}
