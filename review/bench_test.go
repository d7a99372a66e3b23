package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// BenchmarkReceive commits 500 mails a batch that were passed by their header:
// the way of a shared mailbox's backlog.
func BenchmarkReceive(b *testing.B) {
	h := newHouse(b, b.TempDir(), nil)
	batch := mailbox.Batch{Source: inbox, UIDValidity: 7}
	header := []byte("From: news@shop.example\r\nTo: support@host.example\r\nSubject: Our offers of the week\r\nMessage-ID: <1@shop.example>\r\n\r\n")
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
}

// BenchmarkConcerns asks of 500 headers whether they concern us.
func BenchmarkConcerns(b *testing.B) {
	h := newHouse(b, b.TempDir(), nil)
	headers := make([][]byte, 500)
	for i := range headers {
		headers[i] = fmt.Appendf(nil, "From: \"Shop %d\" <news%d@shop%d.example>\r\nTo: support@host.example\r\nSubject: Our offers of the week\r\n\r\n", i, i, i)
	}
	for b.Loop() {
		if _, err := h.desk.Concerns(b.Context(), inbox, headers); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "headers/s")
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
	var file strings.Builder
	file.WriteString(accountsFile)
	var mails []string
	for i := range n {
		fmt.Fprintf(&file, "B-%d,Bench %d,en,B%d,bench%d,owner%d@bench.example,admin,0,,\n", i, i, i, i, i)
		mails = append(mails, request(fmt.Sprintf("owner%d@bench.example", i), "2FA reset", forUser(fmt.Sprintf("bench%d", i))))
	}
	h.importFile(file.String())
	h.deliver(mails...)
	if got := h.count(`SELECT count(*) FROM reset_case WHERE state = 'open' AND user_id IS NOT NULL`); got != n {
		b.Fatalf("%d open cases, want %d", got, n)
	}
	return h, h.text(`SELECT number FROM reset_case ORDER BY id LIMIT 1`)
}
