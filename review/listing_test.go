package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// What a list shows is what a fresh judgement of each case would show, and each
// tally what counting would give: after every step of every random course.
func (w *world) checkLists() {
	w.t.Helper()
	checkLists(w.t, w.house)
}

func checkLists(t testing.TB, h *house) {
	t.Helper()
	faults, err := h.desk.CheckLists(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

func TestSearch(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")), request("piet@beta.example", "2FA reset", forUser("sanne")))
		number := h.text(`SELECT number FROM reset_case WHERE requester = 'anna@acme.example'`)
		id := h.text(`SELECT message_id FROM assessment s JOIN case_mail m ON m.inbound_id = s.inbound_id JOIN reset_case c ON c.id = m.case_id WHERE c.number = $1`, number)
		find := func(query string) (found []string) {
			t.Helper()
			page, err := h.desk.Queue(t.Context(), h.rita, review.QueueFilter{Tab: review.TabReview, Query: query})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Cases {
				found = append(found, c.Number)
			}
			return found
		}
		for _, query := range []string{number, number[4:], number[4:7], "A-1001", "a-10", "ACME", "acme gm", "GmbH", "jane", "JA", "anna@acme.example", "anna@", "acme.example", "<" + id + ">", id} {
			if got := find(query); len(got) != 1 || got[0] != number {
				t.Errorf("%q finds %v, want %s", query, got, number)
			}
		}
		for _, query := range []string{"acme beta", "nobody", "%", "_", "cme", "\xff"} {
			if got := find(query); len(got) != 0 {
				t.Errorf("%q finds %v", query, got)
			}
		}
		if got := find("example"); len(got) != 0 {
			t.Errorf("the middle of a word finds %v", got)
		}
		if page, err := h.desk.Queue(t.Context(), h.rita, review.QueueFilter{Account: "A-1001"}); err != nil || len(page.Cases) != 1 {
			t.Errorf("the account has %+v, %v", page.Cases, err)
		}
		rows, err := h.sql().Exec(`UPDATE account SET name = 'Renamed AG' WHERE id = 'A-1001'`)
		if _ = rows; err != nil {
			t.Fatal(err)
		}
		h.work()
		if got := find("renamed"); len(got) != 1 {
			t.Errorf("the new name finds %v", got)
		}
		if got := find("gmbh"); len(got) != 0 {
			t.Errorf("the old name finds %v", got)
		}
		checkLists(t, h)
	})
}

// Lists follow what happens around a case too: mails that imitate, addresses and
// names that change, mails that leave their shelf, notices that nobody takes.
func TestLists(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		tabs := func(want ...any) {
			t.Helper()
			checkLists(t, h)
			page, err := h.desk.Queue(t.Context(), h.rita, review.QueueFilter{Tab: review.TabReview})
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(want); i += 2 {
				if got := page.Counts[want[i].(review.Tab)]; got != want[i+1].(int) {
					t.Errorf("%d in %s, want %d", got, want[i], want[i+1])
				}
			}
		}
		h.deliver("From: mallory@evil.example\n"+request("anna@acme.example", "2FA reset", forUser("jane")),
			request("stranger@evil.example", "2FA reset", forUser("jane")), request("anna@acme.example", "Invoice", "Please find it attached."))
		tabs(review.TabQuarantine, 1, review.TabParked, 2)
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")), "From: mallory@evil.example\n"+request("anna@acme.example", "2FA reset", forUser("jane")))
		tabs(review.TabReview, 1, review.TabQuarantine, 2)
		if number, err := h.desk.OpenParked(t.Context(), h.rita, 3); err != nil || number == "" {
			t.Fatal(err)
		}
		tabs(review.TabReview, 2, review.TabParked, 1)
		time.Sleep(time.Minute)
		h.importFile(strings.Replace(accountsFile, "jane@acme.example,user,0,,Jane Doe", "jane@elsewhere.example,user,0,,Jane Roe", 1))
		tabs(review.TabReview, 2)
		h.importFile(strings.NewReplacer("jane@acme.example,user,0,,Jane Doe", "jane@elsewhere.example,user,0,,Jane Roe", "it@acme.example;", "", "ACME GmbH", "Acme AG").Replace(accountsFile))
		h.work()
		tabs()
		l, ok, err := h.desk.Claim(t.Context()) // a notice that stays under way counts as out after hours
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		for range 6 {
			time.Sleep(time.Hour)
			h.work()
			tabs()
		}
		if err := h.desk.Failed(t.Context(), l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "no"}); err != nil {
			t.Fatal(err)
		}
		tabs()
		time.Sleep(14 * day)
		h.work()
		tabs(review.TabClosed, 2, review.TabReview, 0, review.TabHeld, 0)
		h.reopen()
		tabs(review.TabClosed, 2)
	})
}

// Pages of a list are cut by the place of their last row: none is shown twice or
// left out, in the order of deadline, risk and age, with a filter and without.
func TestPages(t *testing.T) {
	h := newHouse(t, t.TempDir(), nil)
	h.fill(500, 400)
	all := func(f review.QueueFilter) (numbers []string) {
		t.Helper()
		seen := map[string]bool{}
		var last review.QueueRow
		for pages := 0; ; pages++ {
			page, err := h.desk.Queue(t.Context(), h.rita, f)
			if err != nil || pages > 40 || len(page.Cases) > 50 {
				t.Fatalf("page %d of %d cases, %v", pages, len(page.Cases), err)
			}
			for _, c := range page.Cases {
				if seen[c.Number] || (f.Tab != review.TabClosed && c.Due.Before(last.Due)) || (f.Tab == review.TabClosed && last.Number != "" && c.Due.After(last.Due)) {
					t.Errorf("%s after %s on page %d", c.Number, last.Number, pages)
				}
				seen[c.Number], last = true, c
				numbers = append(numbers, c.Number)
			}
			if f.After = page.Next; f.After == "" {
				return numbers
			}
		}
	}
	closed := all(review.QueueFilter{Tab: review.TabClosed})
	if len(closed) != 501 {
		t.Errorf("%d closed cases, want 501", len(closed))
	}
	parts := 0
	for _, risk := range []review.RiskLevel{review.Low, review.Medium, review.High} {
		n := len(all(review.QueueFilter{Tab: review.TabReview, Risk: risk}))
		if n == 0 {
			t.Errorf("no case of risk %s", risk)
		}
		parts += n
	}
	if n := len(all(review.QueueFilter{Tab: review.TabReview})); n != 401 || parts != n {
		t.Errorf("%d open cases, %d by risk; want 401", n, parts)
	}
	if n := len(all(review.QueueFilter{Tab: review.TabReview, Verdict: "quarantine"})); n != 0 {
		t.Errorf("%d cases of a verdict that none has", n)
	}
}

// In the waiting period the place of a case is its end, which is known when the last
// notice went out.
func TestListsFollowTheWait(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Policy = review.Balanced; c.Policy.VouchedWait = time.Hour }, func(t *testing.T, h *house) {
		ctx := t.Context()
		if _, err := h.desk.OpenFromPanel(ctx, panelKey, review.PanelRequest{Account: "A-1001", User: "U-2", PasswordAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		number := h.text(`SELECT number FROM reset_case`)
		waits := func() review.QueueRow {
			t.Helper()
			checkLists(t, h)
			page, err := h.desk.Queue(ctx, h.rita, review.QueueFilter{Tab: review.TabWaiting})
			if err != nil || len(page.Cases) != 1 {
				t.Fatalf("%d cases wait, %v", len(page.Cases), err)
			}
			return page.Cases[0]
		}
		h.vote(h.rita, number)
		for answered := false; !answered; {
			l, ok, err := h.desk.Claim(ctx)
			if err != nil || !ok {
				t.Fatal("no acknowledgement", err)
			}
			if err := errors.Join(h.desk.AtDot(ctx, l.ID, l.Attempt), h.desk.Sent(ctx, l.ID, l.Attempt, "250 ok")); err != nil {
				t.Fatal(err)
			}
			if m := linkPattern.FindStringSubmatch(readLetter(t, l).text); m != nil {
				answered = h.desk.Answer(ctx, m[1], review.Reply{Yes: true, UserID: "U-2"}) == nil
			}
		}
		if r := waits(); r.WaitsFor != "The notices are not out yet" {
			t.Errorf("it waits for %q", r.WaitsFor)
		}
		h.post()
		if left := time.Until(waits().Due); left <= 0 || left > time.Hour {
			t.Errorf("with the notices out it waits %v", left)
		}
	})
}
