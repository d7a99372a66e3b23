package review_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

func (h *house) report(days int) review.MailReport {
	h.t.Helper()
	r, err := review.ReadMailReport(h.t.Context(), h.path, days)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// mixed makes the n-th mail of a busy mailbox: most of them concern nobody.
func mixed(n uint32) mailbox.Mail {
	m := mailbox.Mail{UID: n, InternalDate: time.Now(), Size: 900, Header: []byte(fmt.Sprintf("From: <u%d@elsewhere.example>\r\nSubject: invoice %d\r\n\r\n", n, n))}
	switch n % 100 {
	case 1:
		return received(n, request("anna@acme.example", "2FA reset", forUser("jane")))
	case 2:
		return received(n, request("piet@beta.example", "Hello", fmt.Sprintf("No request, number %d.", n)))
	case 3:
		return received(n, strings.Replace(request("anna@acme.example", "Out of office", "I am away."), "\n\n", "\nAuto-Submitted: auto-replied\n\n", 1))
	case 4:
		return received(n, request("stranger@elsewhere.example", "2FA reset", "Please reset my 2FA."))
	case 5:
		return received(n, "no mail at all")
	case 6:
		m.Header, m.Unfetchable = nil, "the server lists this mail, but does not hand it out"
	}
	return m
}

// Promise 1: received = sum of fates, whatever the connection does: batches that
// come again in part or whole, a mailbox that was rebuilt, several folders, an
// unfetchable mail that comes after all, over two days.
func TestBooksBalance(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		rng := rand.New(rand.NewPCG(5, 8))
		const mails = 10_000
		taken := 0
		junk := mailbox.Source{Mailbox: "support", Folder: "Junk"}
		for part, b := range []mailbox.Batch{{Source: inbox, UIDValidity: 7}, {Source: junk, UIDValidity: 7}, {Source: inbox, UIDValidity: 8}} {
			last := []uint32{6000, 2000, 2000}[part]
			for from := uint32(1); from <= last; {
				b.Mails = nil
				to := min(last, from+uint32(rng.IntN(500)))
				for n := from; n <= to; n++ {
					b.Mails = append(b.Mails, mixed(n))
				}
				b.Through = to
				for range 1 + rng.IntN(2) { // done, but reported as failed: it comes again
					if err := h.desk.Receive(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				if from = to + 1; rng.IntN(3) == 0 && to < last {
					from = max(1, to-uint32(rng.IntN(200))) // a reconnection reads some again
				}
			}
			taken += int(last)
			time.Sleep(13 * time.Hour)
		}
		b := mailbox.Batch{Source: inbox, UIDValidity: 8, Through: 2000, Mails: []mailbox.Mail{received(6, request("piet@beta.example", "Hi", "At last."))}}
		h.receive(b) // was unfetchable
		r := h.report(30)
		if taken != mails || r.Received != mails || !r.Balanced || len(r.Days) < 3 {
			t.Fatalf("%d of %d mails: %+v", r.Received, mails, r)
		}
		sum := r.Waiting
		for _, f := range review.Fates {
			sum += r.Fates[f]
			if r.Fates[f] == 0 {
				t.Errorf("no mail has the fate %s: %v", f, r.Fates)
			}
		}
		if sum != mails || r.Waiting != 0 {
			t.Errorf("%d received, %d have a fate or wait, %d wait", mails, sum, r.Waiting)
		}
		f, err := h.desk.Figures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		counted := map[string]int{}
		for _, one := range f.Folders {
			n := 0
			for fate, mails := range one.Fates {
				counted[fate] += mails
				n += mails
			}
			if n != one.Received {
				t.Errorf("the schema counted %d received and %d with a fate in %s", one.Received, n, one.Folder)
			}
		}
		for _, fate := range review.Fates {
			if counted[fate] != r.Fates[fate] {
				t.Errorf("%s: the schema counted %d, the report %d", fate, counted[fate], r.Fates[fate])
			}
		}
		h.accounted(mails)
		time.Sleep(48 * time.Hour)
		if r := h.report(1); r.Received != 0 || len(r.Days) != 0 || !r.Balanced {
			t.Errorf("of today: %+v", r)
		}
	})
}

// A row that is gone, one that was never counted and a mail that nobody looks
// at are faults, and said in words.
func TestBooksDoNotBalance(t *testing.T) {
	for name, c := range map[string]struct{ spoil, want string }{
		"gone":        {`DROP TRIGGER inbound_kept; DELETE FROM inbound WHERE uid = 20`, "1 received, and 1 of them are gone"},
		"some gone":   {`DROP TRIGGER inbound_kept; DELETE FROM inbound WHERE uid > 28`, "20 received, and 2 of them are gone"},
		"not counted": {`DROP TRIGGER inbound_tallied; INSERT INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size) SELECT mailbox, folder, uidvalidity, 77, internal_date, received_at, size FROM inbound LIMIT 1`, "1 more are in the database"},
		"forgotten":   {`UPDATE inbound SET retry_at = received_at WHERE fate IS NULL`, "does serve run?"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 30}
				for n := uint32(10); n <= 30; n++ {
					b.Mails = append(b.Mails, mixed(n))
				}
				if name == "gone" {
					b.Mails = b.Mails[10:11]
				} else if name == "some gone" {
					b.Mails = b.Mails[1:]
				}
				h.receive(b)
				if name == "forgotten" {
					b.Through, b.Mails = 102, []mailbox.Mail{mixed(102)}
					if err := h.desk.Receive(t.Context(), b); err != nil {
						t.Fatal(err)
					}
					if r := h.report(30); !r.Balanced || r.Waiting != 1 || len(r.Unfated) != 1 {
						t.Errorf("a mail that came just now: %+v", r)
					}
					time.Sleep(16 * time.Minute)
				}
				if r := h.report(30); !r.Balanced && name != "forgotten" {
					t.Fatalf("before: %+v", r)
				}
				if _, err := h.sql().Exec(c.spoil); err != nil {
					t.Fatal(err)
				}
				if r := h.report(30); r.Balanced || !strings.Contains(strings.Join(r.Faults, "\n"), c.want) {
					t.Errorf("want %q: %+v", c.want, r)
				}
			})
		})
	}
}

// The report reads indexes alone: a mail's row carries its bytes.
func TestReportReadsNoRow(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		rows, err := h.sql().Query(`EXPLAIN QUERY PLAN `+review.BooksSQL, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		plan := ""
		for rows.Next() {
			var a, b, c int
			var line string
			if err := rows.Scan(&a, &b, &c, &line); err != nil {
				t.Fatal(err)
			}
			plan += line + "\n"
		}
		if !strings.Contains(plan, "inbound USING COVERING INDEX inbound_by_day") || strings.Contains(plan, "SCAN inbound") ||
			!strings.Contains(plan, "SEARCH mail_tally") {
			t.Error(plan)
		}
		t.Log(plan)
	})
}

// What was taken in once is not missing, but for what the server did not hand out; a row that was
// removed by force is, and the books go on saying so after it came again.
func TestMissing(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		began := time.Now()
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 120}
		for n := uint32(1); n <= 110; n++ {
			if n%20 != 0 {
				b.Mails = append(b.Mails, mixed(n))
			}
		}
		h.receive(b)
		missing := func(s mailbox.Source, validity uint32, want string, uids ...uint32) {
			t.Helper()
			got, err := h.desk.Missing(t.Context(), s, validity, uids)
			if err != nil || fmt.Sprint(got) != want {
				t.Errorf("of %v missing: %v, %v, want %s", uids, got, err, want)
			}
		}
		missing(inbox, 7, "[20 40 120]", 1, 6, 20, 39, 40, 41, 110, 120)
		for _, a := range []struct {
			after time.Duration
			want  string
		}{{time.Minute - 1, "[]"}, {time.Minute, "[6]"}, {7 * 24 * time.Hour, "[6]"}, {7*24*time.Hour + time.Second, "[]"}} {
			time.Sleep(time.Until(began.Add(a.after)))
			missing(inbox, 7, a.want, 5, 6, 7) // the server did not hand out 6
		}
		missing(inbox, 7, "[]", 1, 2, 3)
		missing(inbox, 7, "[]")
		missing(inbox, 8, "[1 2]", 1, 2)
		missing(mailbox.Source{Mailbox: "support", Folder: "Junk"}, 7, "[3]", 3)
		if _, err := h.sql().Exec(`DROP TRIGGER inbound_kept; DELETE FROM inbound WHERE uid = 12`); err != nil {
			t.Fatal(err)
		}
		missing(inbox, 7, "[12]", 11, 12, 13)
		b.Mails = []mailbox.Mail{mixed(12)}
		h.receive(b)
		missing(inbox, 7, "[]", 11, 12, 13)
		if r := h.report(10); r.Balanced {
			t.Error("a mail was lost for a while, and the books do not say so")
		}
	})
}
