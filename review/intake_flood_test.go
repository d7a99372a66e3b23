package review_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// A header full of addresses like ours costs a moment, however many accounts
// share a local part; and it hides nothing (promise 1).
func TestHeaderFlood(t *testing.T) {
	h := newHouse(t, t.TempDir(), nil)
	file := []string{strings.TrimSpace(accountsFile)}
	for i := range 600 {
		file = append(file, fmt.Sprintf("F-%d,Flood %d,en,F%d,flood%d,info@flood%04d.example,admin,0,,", i, i, i, i, i))
	}
	h.importFile(strings.Join(file, "\n") + "\n")
	var crowd []string
	for i := range 600 {
		crowd = append(crowd, fmt.Sprintf("info@crowd%04d.example", i))
	}
	// What one look-alike search costs here: the crowd of 600 must not cost as
	// many of them.
	_, one := h.concerns("From: info@crowd0000.example\r\n")
	cc := "Cc: " + strings.Join(crowd, ",\r\n ") + "\r\n"
	for header, want := range map[string]bool{
		"From: x@y.example\r\n" + cc:                                                                   false,
		"From: x@y.example\r\n" + cc + "X-Last: info@flood0599.example\r\n":                            true,
		cc + "From: info@fl00d0377.example\r\n":                                                        true,
		"Sender: " + strings.Join(crowd, " ") + "\r\nFrom: info@flood0234.exampel\r\n":                 true,
		"From: " + strings.Join(crowd[:500], " ") + " <info@flood0234.exampel>\r\n":                    true,
		"From: x@y.example\r\nReply-To: " + strings.Join(crowd, " ") + "\r\nCc: anna@acme.example\r\n": true,
	} {
		got, took := h.concerns(header)
		if got != want {
			t.Errorf("%.60q concerns us: %v, want %t", header, got, want)
		}
		if took > 150*one {
			t.Errorf("%.60q cost %d searches", header, took/one)
		} else {
			t.Logf("%.30q cost %d searches", header, took/one)
		}
	}
}

// concerns asks whether a mail with this header concerns us, and says what that
// costs: the least of five, since others use the machine, too.
func (h *house) concerns(header string) (bool, time.Duration) {
	h.t.Helper()
	least, last := time.Hour, false
	for range 5 {
		begin := time.Now()
		got, err := h.desk.Concerns(h.t.Context(), inbox, [][]byte{[]byte(header + "\r\n")})
		if err != nil {
			h.t.Fatal(err)
		}
		least, last = min(least, time.Since(begin)), got[0]
	}
	return last, least
}

// mute is a name server that never answers, but that there are no policies.
type mute struct{}

func (mute) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if strings.HasPrefix(name, "_dmarc.") {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// slowMails delivers n mails whose signatures name a server that never answers.
func (h *house) slowMails(n int, from string) {
	h.t.Helper()
	_, domain, _ := strings.Cut(from, "@")
	b := mailbox.Batch{Source: inbox, UIDValidity: 7}
	for i := range n {
		h.uid++
		b.Mails = append(b.Mails, received(h.uid, fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=s%d; h=from; bh=%s=; b=%s==\n",
			domain, i, strings.Repeat("A", 43), strings.Repeat("A", 342))+request(from, "2FA anna@acme.example", "Which day is the office open?")))
	}
	b.Through = h.uid
	if err := h.desk.Receive(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
}

// Name servers that are slow on purpose delay the mail of others little: those of
// strangers not at all.
func TestSlowNameServers(t *testing.T) {
	for from, most := range map[string]time.Duration{"mallory@evil.example": 0, "anna@acme.example": 20 * 5 * time.Second / 4} {
		inHouse(t, func(c *review.Config) { c.Resolver = mute{} }, func(t *testing.T, h *house) {
			h.slowMails(20, from)
			begin := time.Now()
			h.deliver(request("piet@beta.example", "2FA reset", forUser("sanne")))
			if took := time.Since(begin); took > most {
				t.Errorf("20 mails from %s delay the honest one by %s, want at most %s", from, took, most)
			}
			if n := h.count(`SELECT count(*) FROM reset_case WHERE user_id = 'U-4'`); n != 1 {
				t.Errorf("%d cases of the honest mail", n)
			}
		})
	}
}

// The clock does not wait for mail: a case is cleared when it is due.
func TestClockBesideMail(t *testing.T) {
	inHouse(t, func(c *review.Config) {
		c.Resolver = mute{}
		c.Policy.Low.Wait, c.Policy.Medium.Wait, c.Policy.High.Wait = time.Hour, time.Hour, time.Hour
	}, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
		h.vote(h.rita, v.Number)
		if s := h.view(v.Number).State; s != review.StateOpen {
			t.Fatalf("%s before it was due", s)
		}
		time.Sleep(2 * time.Hour)
		h.slowMails(400, "piet@beta.example")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.desk.Run(ctx) }()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := h.count(`SELECT count(*) FROM inbound WHERE fate IS NULL AND attempts = 0`); n < 300 {
			t.Errorf("only %d mails wait: nothing was slow", n)
		}
		if v = h.view(v.Number); v.State != review.StateCleared {
			t.Errorf("%s after it was due, %+v", v.State, v.Requirements)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// Several mails are examined at a time, and each gets one fate, in the order they
// came in: the first to ask is the requester.
func TestFatesInOrder(t *testing.T) {
	zone, sign := signer(t)
	inHouse(t, func(c *review.Config) { c.Resolver = late{zone} }, func(t *testing.T, h *house) {
		h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-10,udo,udo@delta.example,admin,0,,\n")
		mails := []string{sign(request("anna@acme.example", "2FA reset", forUser("jane")))} // its key takes a second
		for range 9 {
			mails = append(mails, request("udo@delta.example", "2FA reset", forUser("jane")))
		}
		begin := time.Now()
		both := make(chan error)
		go func() { both <- h.desk.Work(t.Context()) }() // a second worker finds nothing to do twice
		h.deliver(mails...)
		if err := <-both; err != nil {
			t.Error(err)
		}
		if v := h.onlyCase(); v.Requester != "anna@acme.example" || len(v.Mails) != 10 {
			t.Errorf("requester %s, %d mails", v.Requester, len(v.Mails))
		}
		if got := h.text(`SELECT group_concat(id, ' ') FROM (SELECT id FROM inbound ORDER BY fated_at, id)`); got != "1 2 3 4 5 6 7 8 9 10" {
			t.Errorf("fates in the order %s", got)
		}
		// Its key, and two steps to the policy of each of the others, take a second
		// each: 19 of them, some at a time.
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("took %s", took)
		}
		h.accounted(10)
	})
}

// late answers after a second.
type late struct{ zone *dnsZone }

func (l late) LookupTXT(ctx context.Context, name string) ([]string, error) {
	time.Sleep(time.Second)
	return l.zone.LookupTXT(ctx, name)
}
