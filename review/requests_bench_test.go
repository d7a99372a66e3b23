package review_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
	"github.com/resetdesk/resetdesk/review"
)

// BenchmarkRequests takes 200 signed requests in, each of an account of its own, and
// waits until the running desk has a case on the queue for each of them, its
// letters queued, all durable.
func BenchmarkRequests(b *testing.B) {
	const requests = 200
	var commits atomic.Int64
	for b.Loop() {
		b.StopTimer()
		zone, accounts, batch := signedRequests(requests)
		h := newHouse(b, b.TempDir(), func(c *review.Config) {
			c.Resolver = zone
			c.HooksReady = func() { commits.Add(1) }
		})
		h.importFile(accounts)
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error)
		go func() { ended <- h.desk.Run(ctx) }()
		time.Sleep(100 * time.Millisecond) // what the import left is done
		commits.Store(0)
		b.StartTimer()
		if err := h.desk.Receive(ctx, batch); err != nil {
			b.Fatal(err)
		}
		for h.count(`SELECT count(*) FROM case_summary WHERE tab = 'review'`) < requests {
			time.Sleep(time.Millisecond)
		}
		b.StopTimer()
		b.ReportMetric(float64(commits.Load())/requests, "commits/case")
		cancel()
		<-ended
		if got := h.count(`SELECT count(*) FROM reset_case c JOIN letter l ON l.case_id = c.id WHERE l.state = 'queued'`); got != requests {
			b.Fatalf("%d letters", got)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*requests/b.Elapsed().Seconds(), "cases/s")
}

// signedRequests are mails from admins of accounts of their own, with the accounts
// file and the zone with their keys.
func signedRequests(n int) (sendertest.Zone, string, mailbox.Batch) {
	asks := []string{
		"my phone is gone and with it the authenticator. There are no backup codes. Please reset the two-factor authentication of bench%d.",
		"Handy defekt, keine Backup-Codes mehr. Bitte die Zwei-Faktor-Authentifizierung von bench%d zurücksetzen.",
		"mijn telefoon is gestolen en ik heb geen back-upcodes. Kunt u de tweestapsverificatie van bench%d resetten?",
	}
	zone, batch := sendertest.Zone{}, mailbox.Batch{Source: inbox, UIDValidity: 7, Through: uint32(n)}
	key := ed25519.NewKeyFromSeed([]byte("a key that signs for all of them"))
	var accounts strings.Builder
	accounts.WriteString(accountsFile)
	for i := range n {
		domain := fmt.Sprintf("bench%d.example", i)
		fmt.Fprintf(&accounts, "B-%d,Bench %d,en,B%d,bench%d,admin@%s,admin,0,,\n", i, i, i, i, domain)
		s := sendertest.Signer{Domain: domain, Selector: "s1", Key: key, Headers: "from:to:subject:date:message-id", Dated: true}
		s.Publish(zone)
		zone["_dmarc."+domain] = []string{"v=DMARC1; p=reject"}
		m := strings.ReplaceAll(request("admin@"+domain, "Two-factor reset", "Hello,\n\n"+fmt.Sprintf(asks[i%3], i)+"\n\nThank you"), "\n", "\r\n")
		batch.Mails = append(batch.Mails, received(uint32(i+1), s.Sign(m, time.Now())+m))
	}
	return zone, accounts.String(), batch
}

// BenchmarkOutbox claims letters within a budget and sends them, one after the other as
// the postman does.
func BenchmarkOutbox(b *testing.B) {
	h := newHouse(b, b.TempDir(), func(c *review.Config) { c.Budget = review.Budget{Account: 100, Hour: 1_000_000} })
	const users = 1500
	h.importFile(accountsFile + benchUsers(users))
	var mails []string
	for i := range users {
		mails = append(mails, request(fmt.Sprintf("owner%d@bench.example", i), "2FA reset", forUser(fmt.Sprintf("bench%d", i))))
	}
	h.deliver(mails...)
	begin := spent(b)
	for b.Loop() {
		l, ok, err := h.desk.Claim(b.Context())
		if err != nil || !ok {
			b.Fatalf("no letter is left; fewer iterations, please: %v", err)
		}
		if err := h.desk.AtDot(b.Context(), l.ID, l.Attempt); err != nil {
			b.Fatal(err)
		}
		if err := h.desk.Sent(b.Context(), l.ID, l.Attempt, "250 2.0.0 accepted"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((spent(b)-begin).Microseconds())/float64(b.N), "µs-cpu/letter")
}
