package review_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// Of the first three commits that give mails their fates each works, fails, or is
// lost: it was done and is reported failed. Whatever the mails shared, each has one
// fate in the end, and each request its one case, audited and told once.
func TestMailsThroughTheCommit(t *testing.T) {
	want := ""
	for n := range 27 {
		plan := string([]byte{".fl"[n/9], ".fl"[n/3%3], ".fl"[n%3]})
		t.Run(plan, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				got := mailsThroughTheCommit(t, h, plan)
				if plan == "..." {
					want = got
				}
				if got != want {
					t.Errorf("it ends with %s, want %s", got, want)
				}
			})
		})
	}
}

func mailsThroughTheCommit(t *testing.T, h *house, plan string) string {
	t.Helper()
	b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 4, Mails: []mailbox.Mail{
		received(1, request("anna@acme.example", "2FA reset", forUser("jane"))), received(2, request("piet@beta.example", "2FA reset", forUser("sanne"))),
		received(3, request("anna@acme.example", "2FA reset", forUser("jane"))), received(4, request("x@y.example", "2FA reset", forUser("jane")))}}
	if err := h.desk.Receive(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	commits := 0
	mend, err := h.desk.BreakCommits(h.path, func() review.CommitFault {
		if commits++; commits > len(plan) {
			return review.CommitWorks
		}
		return map[byte]review.CommitFault{'f': review.CommitFails, 'l': review.CommitLost}[plan[commits-1]]
	})
	if err != nil {
		t.Fatal(err)
	}
	err = h.desk.Work(t.Context()) // fails where the plan says so
	mend()
	for line := range strings.Lines(fmt.Sprint(err)) {
		if err != nil && !strings.Contains(line, review.ErrCommit.Error()) {
			t.Errorf("a mail fails by itself: %s", line)
		}
	}
	time.Sleep(time.Hour)
	h.work()
	h.accounted(4)
	h.sound()
	var all []string
	for _, query := range []string{`SELECT count(*) || ' ' || fate AS n FROM inbound GROUP BY fate`, `SELECT user_id AS n FROM reset_case`,
		`SELECT count(*) || ' ' || kind AS n FROM letter GROUP BY kind`,
		`SELECT count(*) || ' ' || action AS n FROM audit WHERE action LIKE 'case.%' OR action LIKE 'mail.%' GROUP BY action`} {
		all = append(all, h.text(`SELECT group_concat(n, ', ') FROM (`+query+` ORDER BY n)`))
	}
	return strings.Join(all, "; ")
}

// Many mails share their commits, and large ones, which do not fit into the line
// together, wait for each other only as long as they must.
func TestMailsShareCommits(t *testing.T) {
	var commits atomic.Int64
	inHouse(t, func(c *review.Config) { c.HooksReady = func() { commits.Add(1) } }, func(t *testing.T, h *house) {
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 100}
		for i := range b.Through {
			text := "Which day is the office open?"
			if i%10 == 9 {
				text = strings.Repeat("a line of a long letter about nothing\n", 3000*int(i%9))
			}
			b.Mails = append(b.Mails, received(i+1, request("anna@acme.example", "2FA", text)))
		}
		if err := h.desk.Receive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		commits.Store(0)
		h.work()
		h.accounted(100)
		if n := commits.Load(); n > 50 {
			t.Errorf("%d commits for 100 mails", n)
		}
		if got, want := h.text(`SELECT group_concat(id, ' ') FROM (SELECT id FROM inbound ORDER BY fated_at, id)`), h.text(`SELECT group_concat(id, ' ') FROM inbound`); got != want {
			t.Errorf("fates in the order %s", got)
		}
	})
}

// A mail whose assessment fails among others is the only one that waits.
func TestFailsAmongOthers(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		b := mailbox.Batch{Source: inbox, UIDValidity: 7, Through: 50}
		for i := range b.Through {
			b.Mails = append(b.Mails, received(i+1, request("anna@acme.example", "2FA", "Which day is the office open?")))
		}
		if err := h.desk.Receive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for _, id := range []int{25, 40} { // somebody wrote down a finding: ours collides with it
			if _, err := h.sql().Exec(`INSERT INTO assessment SELECT $1, 'unverified', 'exact', '', '', '', '', '', 0, 0, '', '{}', 0`, id); err != nil {
				t.Fatal(err)
			}
		}
		err := h.desk.Work(t.Context())
		if got := fmt.Sprint(err); !strings.Contains(got, "assess mail 25:") || !strings.Contains(got, "assess mail 40:") || strings.Count(got, "assess mail") != 2 {
			t.Errorf("the failures are reported as %s", got)
		}
		if got := h.text(`SELECT group_concat(id || ': ' || attempts, ', ') FROM inbound WHERE fate IS NULL OR attempts > 0`); got != "25: 1, 40: 1" {
			t.Errorf("mails that wait, with their attempts: %s", got)
		}
	})
}
