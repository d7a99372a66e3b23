package review_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
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
		{"nobody is named", request("anna@acme.example", "2FA reset", "A phone got lost. Please reset the two-factor authentication."),
			"case", "It opened case", "A-1001", "anna boss it"},
		{"the admin's own phone", request("anna@acme.example", "2FA reset", "I lost my phone. Please reset the two-factor authentication."),
			"case", "It opened case", "U-1", "anna boss it"},
		{"a forward with a word of the admin's", request("anna@acme.example", "Fwd: help", "Can you sort this out?\n\n---------- Forwarded message ----------\nFrom: Jane <jane@acme.example>\nSubject: help\n\nI lost my phone. Please get my 2FA reset."),
			"case", "It opened case", "U-2", "anna boss it jane"},
		{"a forward without", request("anna@acme.example", "Fwd: 2FA reset", "FYI\n\n---------- Forwarded message ----------\nFrom: Jane <jane@acme.example>\nSubject: help\n\nI lost my phone. Please get my 2FA reset."),
			"parked", "asks for no reset", "", ""},
		{"the admin himself", request("anna@acme.example", "2FA reset", "I lost my phone. Please reset the two-factor authentication of my user \"anna\"."),
			"case", "It opened case", "U-1", "anna boss it"},
		{"several accounts, none named", request("owner@gamma.example", "2FA reset", "I lost my phone. Please reset the two-factor authentication."),
			"case", "It opened case", "?", "owner"},
		{"several accounts, one named", request("owner@gamma.example", "2FA reset for A-3004", "A phone got lost. Please reset the two-factor authentication."),
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
		{"a bounce", "Return-Path: <>\n" + request("MAILER-DAEMON@acme.example", "Undelivered", "Your mail about the two-factor reset was not delivered."), "automatic", "its body was not kept", "", ""},
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
		if fate, reason := h.fate(); fate != "attached" || !strings.Contains(reason, "no contact of the account") {
			t.Errorf("a foreign admin with the number: %s %s", fate, reason)
		}
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
			t.Errorf("%d cases", n)
		}
		if more := h.post(); len(more) != 0 {
			t.Errorf("letters for attached mails: %q", more)
		}
		if got := len(h.view(v.Number).Mails); got != 5 {
			t.Errorf("the case shows %d mails, want 5", got)
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

// Who may only object learns no user of the account.
func TestOnlyTheOwnerSeesUsers(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		_, letters := h.ask("anna@acme.example", "A phone got lost. Please reset the two-factor authentication.")
		for _, l := range letters {
			page, err := h.desk.Owner(t.Context(), linkPattern.FindStringSubmatch(l.text)[1])
			if err != nil || !page.Found || (len(page.Choices) > 0) != (l.to == "anna@acme.example") {
				t.Errorf("%s sees %+v, %v", l.to, page.Choices, err)
			}
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
		if err != nil || len(page.Choices) != 1 || page.Choices[0].ID != "U-6" { // U-5 has no second factor
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
	return signerOf(t, "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type")
}

// signerOf signs the fields named.
func signerOf(t *testing.T, fields ...string) (*dnsZone, func(mail string) string) {
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
			HeaderKeys: fields})
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

// A second mail with a Message-ID that the sender signed before does nothing
// again, whoever signed it; one that a stranger wrote first stops nobody.
func TestRepeatedMessageID(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		mail := request("anna@acme.example", "2FA reset", forUser("jane"))
		_, id, _ := strings.Cut(mail, "Message-ID: ")
		id, _, _ = strings.Cut(id, "\n")
		forged := request("anna@acme.example", "Hello", "Nothing.")
		_, its, _ := strings.Cut(forged, "Message-ID: ")
		its, _, _ = strings.Cut(its, "\n")
		h.deliver(strings.Replace(forged, its, id, 1)) // not signed
		h.deliver(sign(mail))
		if v := h.onlyCase(); v.Mails[0].Verdict != "authenticated" {
			t.Fatalf("the forged mail before it makes it %s: %+v", v.Mails[0].Verdict, v.Mails[0].Reasons)
		}
		time.Sleep(time.Minute)
		h.deliver(sign(mail)) // a later second: another signature
		if fate, reason := h.fate(); fate != "passed" || !strings.Contains(reason, "second copy") {
			t.Errorf("signed anew it is %s: %s", fate, reason)
		}
		time.Sleep(time.Minute)
		h.deliver(sign(strings.Replace(mail, "jane", "somebody else", 1)))
		if v := h.onlyCase(); len(v.Mails) != 1 {
			t.Errorf("%d mails of the case", len(v.Mails))
		}
		h.accounted(4)
	})
}

// A mail built to be slow or large is judged in bounded time, and the next goes
// on.
func TestHostileMail(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		mail := request("anna@acme.example", "2FA reset", forUser("jane"))
		header, body, _ := strings.Cut(mail, "\n\n")
		for _, hostile := range []string{
			header + strings.Repeat("\nX-A: b", 200_000) + "\n\n" + body,
			strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1; h=From; bh=AAAA; b=AAAA\n", 1000) + mail,
			"Authentication-Results: (" + strings.Repeat("(", 900) + "\n" + strings.Replace(header, "2FA reset", "Hi", 1) +
				"\nX-A: " + strings.Repeat("\n a", 50_000) + "\n\nSee you at noon.\n",
		} {
			h.deliver(hostile)
		}
		h.deliver(sign(mail))
		if v := h.onlyCase(); v.Mails[0].Verdict != "authenticated" {
			t.Errorf("the mail after them is %s: %+v", v.Mails[0].Verdict, v.Mails[0].Reasons)
		}
		h.accounted(4)
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

// Promise 1: who gets a signed mail sends us a copy, spoiled where nothing is signed,
// and it is judged first, for name servers failed. What the mail says is heard all the
// same, once.
func TestCopyJudgedFirst(t *testing.T) {
	const plain = "Content-Type: text/plain; charset=utf-8"
	for name, spoil := range map[string]func(string) string{
		"text that nothing shows": func(m string) string {
			return strings.Replace(m, plain, `Content-Type: multipart/mixed; boundary="x"`, 1)
		},
		"text that is none": func(m string) string { return strings.Replace(m, plain, "Content-Type: image/png", 1) },
		"text in no alphabet": func(m string) string {
			return strings.Replace(m, plain, plain+"\nContent-Transfer-Encoding: base64", 1)
		},
		"nothing": func(m string) string { return m },
	} {
		t.Run(name, func(t *testing.T) {
			zone, sign := signerOf(t, "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID") // as Google does
			zone.broken = true
			inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
				mail := sign(request("anna@acme.example", "Please help", forUser("jane")))
				h.deliver(mail)
				for range 5 { // it is looked at after 1, 2, 4, 8 and 16 minutes
					time.Sleep(3 * time.Minute)
					h.work()
				}
				zone.broken = false
				h.deliver(spoil(mail))
				time.Sleep(time.Hour)
				h.work()
				if h.count(`SELECT count(*) FROM reset_case`) != 1 {
					t.Fatalf("no case: %s", h.text(`SELECT id || ' ' || fate || ': ' || reason FROM inbound`))
				}
				v := h.onlyCase()
				if v.Mails[0].Verdict != "authenticated" {
					t.Errorf("it is %s: %+v", v.Mails[0].Verdict, v.Mails[0].Reasons)
				}
				if err := h.desk.Reject(t.Context(), h.rita, decision(v, "other", "")); err != nil {
					t.Fatal(err)
				}
				for _, again := range []string{mail, spoil(mail), mail} { // a third copy is one
					time.Sleep(time.Minute)
					h.deliver(again)
				}
				if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
					t.Errorf("%d cases: %s", n, h.text(`SELECT id || ' ' || fate || ': ' || reason FROM inbound`))
				}
				h.accounted(5)
			})
		})
	}
}

// Promise 1: a mail program that gives two mails one Message-ID does not lose the
// second: it is no copy of the first.
func TestOtherMailOfOneMessageID(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = zone }, func(t *testing.T, h *house) {
		mail := request("anna@acme.example", "2FA reset", forUser("jane"))
		other := func(subject, text string) string {
			return sign(strings.Replace(strings.Replace(mail, "2FA reset", subject, 1), forUser("jane"), text, 1))
		}
		h.deliver(other("Office", "Which day is the office open? Anna"))
		time.Sleep(time.Minute)
		h.deliver(sign(mail))
		if fate, reason := h.fate(); fate != "case" {
			t.Fatalf("the request is %s: %s", fate, reason)
		}
		time.Sleep(time.Minute)
		h.deliver(other("2FA reset", forUser("anna")))
		if fate, reason := h.fate(); fate != "quarantined" || strings.Contains(reason, "second copy") {
			t.Errorf("another request is %s: %s", fate, reason)
		}
		time.Sleep(time.Minute)
		h.deliver(other("2FA reset", "This was not us! Do not reset the two-factor authentication of jane."))
		if v := h.onlyCase(); v.State != review.StateHeld {
			fate, reason := h.fate()
			t.Errorf("an objection is %s: %s", fate, reason)
		}
		h.accounted(4)
	})
}

// A person moves a mail out of the folder and back, or the server to another UID: it is
// the mail we know, also when its case has ended. One that was passed is looked at anew.
func TestMovedOutAndBack(t *testing.T) {
	for sender, want := range map[string]string{"anna@acme.example": "case passed", "dora@delta.example": "passed case"} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			m := received(1, request(sender, "2FA reset", forUser("dora")))
			h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{m}})
			if strings.HasPrefix(want, "case") {
				if err := h.desk.Reject(t.Context(), h.rita, decision(h.onlyCase(), "other", "")); err != nil {
					t.Fatal(err)
				}
			}
			h.importFile(moreAccounts)
			m.UID = 2
			h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 2, Mails: []mailbox.Mail{m}})
			if got := h.text(`SELECT group_concat(fate, ' ') FROM (SELECT fate FROM inbound ORDER BY id)`); got != want {
				t.Errorf("%s: %s, want %s", sender, got, want)
			}
		})
	}
}
