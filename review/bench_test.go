package review_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
	"github.com/resetdesk/resetdesk/review"
)

// BenchmarkReceive commits 500 mails a batch that were passed by their header:
// the way of a shared mailbox's backlog.
func BenchmarkReceive(b *testing.B) {
	h := newHouse(b, b.TempDir(), nil)
	batch := mailbox.Batch{Source: inbox, UIDValidity: 7}
	header := []byte("From: news@shop.example\r\nTo: support@host.example\r\nSubject: Our offers of the week\r\nMessage-ID: <1@shop.example>\r\n\r\n")
	begin := spent(b)
	for b.Loop() {
		batch.Mails = batch.Mails[:0]
		for range 500 {
			batch.Through++
			batch.Mails = append(batch.Mails, mailbox.Mail{UID: batch.Through, InternalDate: time.Now(), Size: 4000, Header: header})
		}
		if err := h.desk.Receive(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "mails/s")
	b.ReportMetric(float64((spent(b)-begin).Microseconds())/float64(b.N)/500, "µs-cpu/mail")
}

// BenchmarkAssess gives mails that wait for it their fate: what came from the
// registered address of an account and asks for nothing, and what opens a case and
// queues its letters; signed, with the key in the cache, and not signed.
func BenchmarkAssess(b *testing.B) {
	zone := sendertest.Zone{}
	signer := sendertest.Signer{Domain: "bench.example", Selector: "s1", Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)),
		Headers: "from:to:subject:date:message-id", Dated: true}
	signer.Publish(zone)
	h := newHouse(b, b.TempDir(), func(c *review.Config) { c.Resolver = sender.NewCache(zone, 100) })
	const users, atOnce = 12000, 100
	h.importFile(accountsFile + benchUsers(users))
	user := 0
	for _, signed := range []bool{true, false} {
		for _, asks := range []bool{false, true} {
			b.Run(fmt.Sprintf("signed=%t/asks=%t", signed, asks), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					batch := mailbox.Batch{Source: inbox, UIDValidity: 7}
					for range atOnce {
						if user++; user == users {
							b.Fatal("every user has asked; fewer iterations, please")
						}
						h.uid++
						batch.Mails = append(batch.Mails, received(h.uid, benchMail(user, asks, signed, signer)))
					}
					batch.Through = h.uid
					if err := h.desk.Receive(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					h.work()
				}
				b.ReportMetric(float64(b.N)*atOnce/b.Elapsed().Seconds(), "mails/s")
			})
		}
	}
	if open, fated := h.count(`SELECT count(*) FROM reset_case`), h.count(`SELECT count(*) FROM inbound WHERE fate IS NOT NULL`); open == 0 || fated != user {
		b.Fatalf("%d cases, %d of %d mails have a fate", open, fated, user)
	}
}

// benchUsers are the rows of n accounts with a user and an admin each.
func benchUsers(n int) string {
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "B-%d,Bench %d,en,B%d,bench%d,owner%d@bench.example,admin,0,,\n", i, i, i, i, i)
	}
	return file.String()
}

// benchMail is a mail of some 3 KB of the admin of a user.
func benchMail(user int, asks, signed bool, signer sendertest.Signer) string {
	subject, text := "Invoice", "When is the invoice of last month due?\n"
	if asks {
		subject, text = "2FA reset", forUser(fmt.Sprintf("bench%d", user))
	}
	text += "\n-- \n" + strings.Repeat("The words of a signature that goes on, as they do.\n", 50)
	raw := strings.ReplaceAll(request(fmt.Sprintf("owner%d@bench.example", user), subject, text), "\n", "\r\n")
	if signed {
		raw = signer.Sign(raw, time.Now()) + raw
	}
	return raw
}

// BenchmarkConcerns asks of 500 headers whether they concern us.
func BenchmarkConcerns(b *testing.B) {
	h := newHouse(b, b.TempDir(), nil)
	headers := make([][]byte, 500)
	for i := range headers {
		headers[i] = fmt.Appendf(nil, "Return-Path: <bounce%d@relay.shop%d.example>\r\nDelivered-To: support@host.example\r\n"+
			"From: \"Shop %d\" <news%d@shop%d.example>\r\nReply-To: service@shop%d.example\r\nTo: support@host.example\r\n"+
			"Subject: Our offers of the week\r\nDate: Tue, 6 Oct 2026 10:00:00 +0000\r\nMessage-ID: <%d.4711@shop%d.example>\r\n"+
			"Content-Type: text/plain; charset=utf-8\r\nList-Id: <news.shop%d.example>\r\n\r\n", i, i, i, i, i, i, i, i, i)
	}
	begin := spent(b)
	for b.Loop() {
		if _, err := h.desk.Concerns(b.Context(), inbox, headers); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "headers/s")
	b.ReportMetric(float64((spent(b)-begin).Microseconds())/float64(b.N)/500, "µs-cpu/header")
}

// BenchmarkQueue reads the first page with 1,000 open cases, BenchmarkCase one of them.
func BenchmarkQueue(b *testing.B) {
	h, _ := crowded(b, 1000)
	for b.Loop() {
		page, err := h.desk.Queue(b.Context(), h.rita, review.QueueFilter{Tab: review.TabReview})
		if err != nil || len(page.Cases) != 40 {
			b.Fatalf("%d cases, %v", len(page.Cases), err)
		}
	}
}

func BenchmarkCase(b *testing.B) {
	h, number := crowded(b, 10)
	for b.Loop() {
		if _, err := h.desk.Case(b.Context(), h.rita, number); err != nil {
			b.Fatal(err)
		}
	}
}

// crowded is a house with n open cases, each of a user of its own.
func crowded(b *testing.B, n int) (*house, string) {
	b.Helper()
	h := newHouse(b, b.TempDir(), nil)
	var mails []string
	for i := range n {
		mails = append(mails, request(fmt.Sprintf("owner%d@bench.example", i), "2FA reset", forUser(fmt.Sprintf("bench%d", i))))
	}
	h.importFile(accountsFile + benchUsers(n))
	h.deliver(mails...)
	if got := h.count(`SELECT count(*) FROM reset_case WHERE state = 'open' AND user_id IS NOT NULL`); got != n {
		b.Fatalf("%d open cases, want %d", got, n)
	}
	return h, h.text(`SELECT number FROM reset_case ORDER BY id LIMIT 1`)
}

// spent is the CPU time of this process so far, of all its threads.
func spent(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
