package review_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

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
		if n := h.count(`SELECT count(*) FROM inbound WHERE uidvalidity = 8 AND fate = 'passed' AND reason LIKE 'The same bytes as mail%new number or date.'`); n != 3 {
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

// A batch of any length and mixture is taken in whole: each mail with what is its own,
// and those that wait in the order they came in.
func TestReceiveMany(t *testing.T) {
	h := newHouse(t, t.TempDir(), nil)
	came := time.Now().Truncate(time.Second)
	b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 247, Backlog: 100}
	var want, waiting []string
	for uid := uint32(1); uid <= b.Through; uid++ {
		m := mailbox.Mail{UID: uid, InternalDate: came.Add(time.Duration(uid) * time.Second), Size: int64(uid) * 3,
			Header: fmt.Appendf(nil, "Subject: mail %d\r\n\r\n", uid), Backlog: uid <= b.Backlog, Truncated: uid%14 == 0}
		fate, reason, raw := "passed", "Neither", ""
		switch {
		case uid%7 == 0:
			fate, reason, raw = "waits", "", fmt.Sprintf("%sbody %d", m.Header, uid)
			m.Raw = []byte(raw)
			waiting = append(waiting, fmt.Sprint(uid))
		case uid%11 == 0:
			fate, reason = "unfetchable", fmt.Sprintf("reason %d", uid)
			m.Unfetchable = reason
		}
		b.Mails = append(b.Mails, m)
		want = append(want, fmt.Sprintf("%d|%d|%d|%s|%s|%d|%d|%s|%.7s", uid, m.InternalDate.UnixMicro(), m.Size, m.Header, raw,
			btoi(m.Truncated), btoi(m.Backlog), fate, reason))
	}
	for range 2 { // the second time nothing is new
		if err := h.desk.Receive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		got := strings.Split(h.text(`SELECT group_concat(line, char(1)) FROM (SELECT concat_ws('|', uid, internal_date, size, CAST(header AS TEXT),
			coalesce(CAST(raw AS TEXT), ''), truncated, backlog, coalesce(fate, 'waits'), substr(reason, 1, 7)) AS line FROM inbound ORDER BY uid)`), "\x01")
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("%d rows; got %q, want %q", len(got), got[min(i, len(got)-1)], want[i])
			}
		}
		if n := h.count(`SELECT (SELECT sum(received) FROM mail_tally) + (SELECT sum(mails) FROM fate_tally)`); len(got) != len(want) || n != 2*len(want) {
			t.Errorf("%d rows, %d counted twice", len(got), n)
		}
	}
	if got := h.text(`SELECT group_concat(uid, ' ') FROM (SELECT uid FROM inbound WHERE fate IS NULL ORDER BY id)`); got != strings.Join(waiting, " ") {
		t.Errorf("they wait in the order %s", got)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
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
		page, err := h.desk.Queue(t.Context(), h.rita, review.QueueFilter{Tab: review.TabParked})
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

// Promise 2: such a mail is known when its mailbox is rebuilt, though its date and size
// were not when it was first on record.
func TestUnfetchableThenRebuilt(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		m := received(1, request("anna@acme.example", "2FA reset", forUser("jane")))
		for _, m := range []mailbox.Mail{{UID: 1, Unfetchable: "the server sent nothing"}, m} {
			h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 1, Mails: []mailbox.Mail{m}})
		}
		if err := h.desk.Reject(t.Context(), h.rita, decision(h.onlyCase(), "other", "")); err != nil {
			t.Fatal(err)
		}
		m.UID = 41
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 8, Through: 41, Mails: []mailbox.Mail{m}})
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 1 {
			t.Errorf("%d cases: %s", n, h.text(`SELECT fate || ': ' || reason FROM inbound`))
		}
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

// Promise 1 and 2: the server gave the UID of a mail to another one, and that mail a
// new UID. The other one has a case of its own, the first is known; the watcher asks
// for all that had a UID, also when their headers are forgotten.
func TestUIDGivenTwice(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		first := received(5, request("anna@acme.example", "2FA reset", forUser("jane")))
		plain := received(4, "From: x@y.example\n\nhi")
		plain.InternalDate = time.Time{}
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 5, Mails: []mailbox.Mail{plain, first}})
		second := received(5, request("piet@beta.example", "2FA reset", forUser("sanne")))
		second.Reuse = 1
		first.UID = 6
		for range 2 {
			h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 6, Mails: []mailbox.Mail{second, first}})
		}
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 2 {
			t.Errorf("%d cases, want 2: %s", n, h.text(`SELECT group_concat(fate || ': ' || reason, x'0a') FROM inbound`))
		}
		h.accounted(4)
		if _, err := h.sql().Exec(`UPDATE inbound SET header = NULL WHERE uid = 4`); err != nil {
			t.Fatal(err)
		}
		if latest, err := h.desk.Latest(t.Context(), inbox, 7, 4, 1); err != nil || len(latest) != 1 || !latest[0].InternalDate.IsZero() || latest[0].Header != nil {
			t.Errorf("the latest is %+v, %v", latest, err)
		}
		for _, c := range []struct {
			upTo uint32
			n    int
			want string // UID and Reuse
		}{{5, 1, "5.1"}, {5, 2, "5.0 5.1"}, {5, 3, "4.0 5.0 5.1"}, {9, 50, "4.0 5.0 5.1 6.0"}, {3, 50, ""}} {
			latest, err := h.desk.Latest(t.Context(), inbox, 7, c.upTo, c.n)
			var got []string
			for _, m := range latest {
				got = append(got, fmt.Sprintf("%d.%d", m.UID, m.Reuse))
			}
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("the latest %d up to %d are %v, %v; want %s", c.n, c.upTo, got, err, c.want)
			}
		}
		latest, err := h.desk.Latest(t.Context(), inbox, 7, 5, 1)
		if err != nil || !latest[0].InternalDate.Equal(second.InternalDate.Truncate(time.Microsecond)) || string(latest[0].Header) != string(second.Header) {
			t.Errorf("the latest is %+v, %v", latest, err)
		}
		second.Reuse, second.UID = 1, 9
		if err := h.desk.Receive(t.Context(), mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 9, Mails: []mailbox.Mail{second}}); err == nil {
			t.Error("a UID was used again that was not used before")
		}
	})
}

// Promise 2: a mail without a Message-ID whose file was copied has another date, and
// so it looks like another mail behind its UID. Its bytes tell that it is not.
func TestDateChanged(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		m := received(5, strings.Replace(request("anna@acme.example", "2FA reset", forUser("jane")), "Message-ID", "X-Other", 1))
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 5, Mails: []mailbox.Mail{m}})
		m.Reuse, m.InternalDate = 1, m.InternalDate.Add(time.Hour)
		h.receive(mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 5, Mails: []mailbox.Mail{m}})
		if got := h.text(`SELECT fate || ': ' || reason FROM inbound WHERE reuse = 1`); !strings.HasPrefix(got, "passed: The same bytes as mail 1") {
			t.Errorf("it is %s", got)
		}
		h.accounted(2)
	})
}
