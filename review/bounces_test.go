package review_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// dsn is a report as Postfix writes it about a letter, of which it returns the header.
func dsn(to, action, status, recipient, said string, returned []byte) string {
	head, _, _ := bytes.Cut(returned, []byte("\r\n\r\n"))
	return fmt.Sprintf(`Return-Path: <>
From: MAILER-DAEMON@mx.acme.example (Mail Delivery System)
To: %s
Subject: Undelivered Mail Returned to Sender
Message-ID: <%d@mx.acme.example>
Date: %s
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.acme.example

Final-Recipient: rfc822; %s
Action: %s
Status: %s
Diagnostic-Code: smtp; %s

--b
Content-Type: text/rfc822-headers

%s
--b--
`, to, time.Now().UnixNano(), time.Now().Format(time.RFC1123Z), recipient, action, status, said, strings.ReplaceAll(string(head), "\r\n", "\n"))
}

// of finds the letter to an address.
func of(t testing.TB, letters []letter, to string) letter {
	t.Helper()
	for _, l := range letters {
		if l.to == to {
			return l
		}
	}
	t.Fatalf("no letter to %s", to)
	return letter{}
}

func (h *house) lastFate() (fate, reason string) {
	h.t.Helper()
	if err := h.sql().QueryRow(`SELECT fate, reason FROM inbound ORDER BY id DESC LIMIT 1`).Scan(&fate, &reason); err != nil {
		h.t.Fatal(err)
	}
	return fate, reason
}

const sayUnknown = `550 5.1.1 <it@acme.example>: <script>alert(1)</script> "no such user"`

// A notice that comes back holds the case, once, in words that name the letter,
// the class of the fault and what the server said.
func TestBounceHoldsTheCase(t *testing.T) {
	for _, kind := range []string{"acknowledgement", "notice"} {
		t.Run(kind, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				v, letters := h.ask("anna@acme.example", forUser("jane"))
				to := map[string]string{"acknowledgement": "anna@acme.example", "notice": "it@acme.example"}[kind]
				back := dsn("support@host.example", "failed", "5.1.1", to, sayUnknown, of(t, letters, to).raw)
				h.deliver(back)
				held := h.view(v.Number)
				if held.State != review.StateHeld || held.HeldBy != "bounce" {
					_, reason := h.lastFate()
					t.Fatalf("%s by %q: %s", held.State, held.HeldBy, reason)
				}
				for _, want := range []string{"came back", "•••@acme.example", "does not exist", "no such user"} {
					if !strings.Contains(held.HeldReason, want) {
						t.Errorf("the reason lacks %q: %s", want, held.HeldReason)
					}
				}
				if strings.Contains(held.HeldReason, "it@acme.example") {
					t.Errorf("an address in the clear: %s", held.HeldReason)
				}
				if fate, reason := h.lastFate(); fate != "automatic" || !strings.Contains(reason, "did not arrive") {
					t.Errorf("%s: %s", fate, reason)
				}
				if n := h.count(`SELECT count(*) FROM inbound WHERE raw IS NOT NULL AND fate = 'automatic'`); n != 0 {
					t.Errorf("%d reports kept their bytes, with the letter in them", n)
				}
				if n := h.count(`SELECT count(*) FROM audit WHERE action = 'letter.bounced'`); n != 1 {
					t.Errorf("%d events", n)
				}
				shown := ""
				for _, l := range held.Letters {
					if l.State == "bounced" {
						shown += l.Recipient
					}
				}
				if want := to[:1] + "•••@acme.example"; shown != want {
					t.Errorf("the page shows %q as bounced, want %q", shown, want)
				}

				// A person has looked. The same letter does not hold the case again.
				if err := h.desk.ResumeCase(t.Context(), h.rita, decision(held, "", "Called them: the address is old.")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // the same bytes at the same time are the same mail
				h.deliver(back)
				if s := h.view(v.Number).State; s != review.StateOpen {
					t.Errorf("a second report of the same letter: %s", s)
				}
				if _, reason := h.lastFate(); !strings.Contains(reason, "known already") {
					t.Error(reason)
				}
			})
		})
	}
}

// Whoever has not seen the letter cannot make it bounce. The mail is a fate, with a reason, and nothing else.
func TestForgedBounce(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.BounceAddress = "support+{token}@host.example" }, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		real := of(t, letters, "it@acme.example")
		head := string(real.raw[:bytes.Index(real.raw, []byte("\r\n\r\n"))+2])
		id := headerOf(t, real.raw, "Message-Id")
		local, domain, _ := strings.Cut(id, "@")
		invented := local[:strings.LastIndex(local, ".")] + ".000000000000@" + domain
		strip := func(names ...string) string {
			kept := ""
			for line := range strings.Lines(head) {
				drop := false
				for _, n := range names {
					drop = drop || strings.HasPrefix(strings.ToLower(line), n)
				}
				if !drop {
					kept += line
				}
			}
			return kept
		}
		bare := strip("message-id", "x-resetdesk-instance")
		forgeries := map[string]string{
			"no Message-ID":            dsn("support@host.example", "failed", "5.1.1", "it@acme.example", "no", []byte(bare)),
			"an invented Message-ID":   dsn("support@host.example", "failed", "5.1.1", "it@acme.example", "no", []byte(bare+"Message-ID: "+invented+"\r\n")),
			"a mark with a wrong MAC":  dsn("support@host.example", "failed", "5.1.1", "it@acme.example", "no", []byte(bare+"X-Resetdesk-Instance: "+strings.Trim(id, "<>")+" 0123456789abcdef\r\n")),
			"a token with a wrong MAC": dsn("support+b1-0123456789abcdef@host.example", "failed", "5.1.1", "it@acme.example", "no", []byte(bare)),
			"a token without a MAC":    dsn("support+b1@host.example", "failed", "5.1.1", "it@acme.example", "no", []byte(bare)),
			"no form at all":           "From: mailer-daemon@evil.example\nTo: support@host.example\nSubject: failure notice\n\nYour notice to it@acme.example could not be delivered (" + v.Number + ").\n",
		}
		before := h.view(v.Number)
		for name, m := range forgeries {
			h.deliver(m)
			if now := h.view(v.Number); now.State != review.StateOpen || now.Version != before.Version {
				t.Errorf("%s: %s", name, now.State)
			}
			if fate, reason := h.lastFate(); fate != "automatic" || !strings.Contains(reason, "changes nothing") {
				t.Errorf("%s: %s: %s", name, fate, reason)
			}
		}
		if n := h.count(`SELECT count(*) FROM bounce`); n != 0 {
			t.Errorf("%d bounces were believed", n)
		}
		if more := h.post(); len(more) != 0 {
			t.Errorf("%d letters were sent", len(more))
		}
	})
}

// A report that comes to the letter's own return path needs no Message-ID; one whose
// relay wrote another Message-ID is known by the mark.
func TestBounceByTokenAndMark(t *testing.T) {
	for _, by := range []string{"token", "mark"} {
		t.Run(by, func(t *testing.T) {
			inHouse(t, func(c *review.Config) { c.BounceAddress = "support+{token}@host.example" }, func(t *testing.T, h *house) {
				h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
				v := h.onlyCase()
				var l mailbox.Letter
				for {
					claimed, ok, err := h.desk.Claim(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						break
					}
					if err := errors.Join(h.desk.AtDot(t.Context(), claimed.ID, claimed.Attempt), h.desk.Sent(t.Context(), claimed.ID, claimed.Attempt, "ok")); err != nil {
						t.Fatal(err)
					}
					if claimed.To == "it@acme.example" {
						l = claimed
					}
				}
				if !strings.HasPrefix(l.From, "support+b") || !strings.HasSuffix(l.From, "@host.example") || strings.Contains(l.From, "{") {
					t.Fatalf("envelope sender %q", l.From)
				}
				to, head := strings.ToUpper(l.From), "Subject: x\r\n"
				if by == "mark" {
					to, head = "support@host.example", "Message-ID: <rewritten@relay.example>\r\nX-Resetdesk-Instance: "+headerOf(t, l.Raw, "X-Resetdesk-Instance")+"\r\n"
				}
				h.deliver(dsn(to, "failed", "5.2.2", "i@hidden.example", "552 full", []byte(head)))
				if s := h.view(v.Number); s.State != review.StateHeld || !strings.Contains(s.HeldReason, "mailbox is full") {
					t.Errorf("%s: %s", s.State, s.HeldReason)
				}
			})
		})
	}
}

// Delayed only notes; delivered approves of nothing.
func TestDelayedAndDelivered(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		before := h.view(v.Number)
		for _, action := range []string{"delayed", "delivered", "relayed", "expanded"} {
			h.deliver(dsn("support@host.example", action, map[bool]string{true: "4.4.1", false: "2.0.0"}[action == "delayed"], "anna@acme.example", "x", of(t, letters, "anna@acme.example").raw))
			if now := h.view(v.Number); now.State != review.StateOpen || now.Version != before.Version || len(now.Approvals) != 0 {
				t.Errorf("%s: %s", action, now.State)
			}
			if fate, _ := h.lastFate(); fate != "automatic" {
				t.Errorf("%s: %s", action, fate)
			}
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'letter.delayed'`); n != 1 {
			t.Errorf("%d notes of a delay", n)
		}
	})
}

// A pass that does not arrive leaves the user outside: staff are told until there is a new one.
func TestPassBounces(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		var pass letter
		for _, l := range letters {
			if strings.Contains(headerOf(t, l.raw, "Message-Id"), ".pass.") {
				pass = l
			}
		}
		trouble := func() []string {
			t.Helper()
			tr, err := h.desk.LetterTrouble(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return tr.Lines()
		}
		if lines := trouble(); len(lines) != 0 {
			t.Fatalf("trouble before any: %q", lines)
		}
		h.deliver(dsn("support@host.example", "failed", "5.1.1", pass.to, "550 5.1.1 no", pass.raw))
		if lines := trouble(); len(lines) != 1 || !strings.Contains(lines[0], v.Number) || !strings.Contains(lines[0], "cannot get in") {
			t.Fatalf("%q", lines)
		}
		if s := h.view(v.Number).State; s != review.StateCleared {
			t.Errorf("the case is %s", s)
		}
		now := h.view(v.Number)
		err := h.desk.ReissuePass(t.Context(), h.rita, review.Approval{Number: now.Number, Version: now.Version, EvidenceHash: now.EvidenceHash, Account: now.AccountID,
			Reason: "the address was put right", Code: h.fresh(h.rita.Reviewer.Holder)})
		if err != nil {
			t.Fatal(err)
		}
		if lines := trouble(); len(lines) != 0 {
			t.Errorf("there is a new pass, and still: %q", lines)
		}
	})
}

// A letter that nobody knows the fate of is settled by its copy in the watched
// mailbox, whoever sent it on, and is not sent again; its case goes on.
func TestReceiptSettles(t *testing.T) {
	for name, rewrite := range map[string]func(string) string{
		"as it was": func(s string) string { return s },
		"rewritten": func(s string) string {
			m, err := mail.ReadMessage(strings.NewReader(s))
			if err != nil {
				panic(err)
			}
			return strings.Replace(s, m.Header.Get("Message-Id"), "<other@relay.example>", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				h.deliver(request("piet@beta.example", "2FA reset", forUser("sanne")))
				l, ok, err := h.desk.Claim(t.Context())
				if err != nil || !ok {
					t.Fatal(ok, err)
				}
				err = errors.Join(h.desk.AtDot(t.Context(), l.ID, l.Attempt),
					h.desk.Failed(t.Context(), l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Uncertain, Text: "the line broke", Next: time.Now().Add(15 * time.Minute)}))
				if err != nil {
					t.Fatal(err)
				}
				h.deliver("Received: from us\n" + rewrite(strings.ReplaceAll(string(l.Raw), "\r\n", "\n")))
				if fate, reason := h.lastFate(); fate != "automatic" || !strings.Contains(reason, "so it was sent") {
					t.Errorf("%s: %s", fate, reason)
				}
				if n := h.count(`SELECT count(*) FROM letter WHERE id = $1 AND state = 'sent'`, l.ID); n != 1 {
					t.Error("it is not settled")
				}
				time.Sleep(time.Hour)
				for _, again := range h.post() {
					if bytes.Equal(again.raw, l.Raw) {
						t.Error("it was sent again")
					}
				}
				h.deliver(strings.ReplaceAll(string(l.Raw), "\r\n", "\n")) // once more: nothing is left to settle
				if fate, reason := h.lastFate(); fate != "automatic" || !strings.Contains(reason, "came back") {
					t.Errorf("%s: %s", fate, reason)
				}
				if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
					t.Errorf("%d cases", n)
				}
			})
		})
	}
}

// Without a receipt an uncertain letter goes out again, with the same bytes.
func TestNoReceiptRepeats(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.deliver(request("piet@beta.example", "2FA reset", forUser("sanne")))
		l, _, err := h.desk.Claim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(h.desk.AtDot(t.Context(), l.ID, l.Attempt),
			h.desk.Failed(t.Context(), l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Uncertain, Text: "the line broke", Next: time.Now().Add(15 * time.Minute)}))
		if err != nil {
			t.Fatal(err)
		}
		for _, early := range h.post() {
			if bytes.Equal(early.raw, l.Raw) {
				t.Error("it did not wait for its receipt")
			}
		}
		time.Sleep(15 * time.Minute)
		if again := h.post(); len(again) != 1 || !bytes.Equal(again[0].raw, l.Raw) {
			t.Errorf("%d letters, or other bytes", len(again))
		}
	})
}

// A letter of ours that comes back, rewritten or not, opens nothing and answers nothing.
func TestOwnLetterComesBack(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		for _, l := range letters {
			text := strings.ReplaceAll(string(l.raw), "\r\n", "\n")
			_, body, _ := strings.Cut(text, "\n\n")
			mark := headerOf(t, l.raw, "X-Resetdesk-Instance")
			h.deliver(text, "From: anna@acme.example\nTo: support@host.example\nSubject: please reset 2FA of jane\nX-Resetdesk-Instance: "+mark+"\n\nplease reset two-factor authentication\n"+body)
		}
		if n := h.count(`SELECT count(*) FROM inbound WHERE fate <> 'automatic'`); n != 1 {
			t.Errorf("%d mails beside the request have another fate", n-1)
		}
		if now := h.view(v.Number); now.State != review.StateOpen || len(now.Approvals) != 0 || h.count(`SELECT count(*) FROM reset_case`) != 1 {
			t.Errorf("%s", now.State)
		}
		if more := h.post(); len(more) != 0 {
			t.Errorf("%d letters answer our own", len(more))
		}
	})
}

// A contact who objects with a report attached, or under its subject, is a person
// and no mail server: the mail is read.
func TestPersonWithReport(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", lostPhone)
		const words = "This was not us! Do not reset the two-factor authentication of jane."
		attached := "--b\nContent-Type: text/plain\n\n" + words + "\n--b\nContent-Type: message/rfc822\n\nFrom: mailer-daemon@x.example\nSubject: failure\n" +
			"Content-Type: multipart/report; report-type=delivery-status; boundary=c\n\n--c\nContent-Type: message/delivery-status\n\n" +
			"Final-Recipient: rfc822;a@x.example\nAction: failed\nStatus: 5.1.1\n\n--c--\n--b--\n"
		for i, mail := range []string{
			strings.Replace(request("it@acme.example", v.Number, attached), "text/plain; charset=utf-8", "multipart/mixed; boundary=b", 1),
			request("boss@acme.example", "Undeliverable: "+v.Number, words),
		} {
			h.deliver(mail)
			if fate, reason := h.fate(); fate != "attached" || h.view(v.Number).State != review.StateHeld {
				t.Errorf("mail %d is %s: %s", i, fate, reason)
			}
		}
	})
}
