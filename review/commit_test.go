package review_test

import (
	"errors"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// Of the batch of three events the commit is lost: it was done and is reported
// failed. Or it fails, and of the three commits that then take the events one by
// one each works, fails, or is lost. Each event is in the audit
// once, and its letters are queued once.
func TestFactorEventsThroughTheCommit(t *testing.T) {
	for _, plan := range []string{"l", "f...", "ffff", "flll", "f.fl", "ffl.", "fl.f"} {
		t.Run(plan, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) { throughTheCommit(t, h, plan) })
		})
	}
}

func throughTheCommit(t *testing.T, h *house, plan string) {
	t.Helper()
	ids := []int{h.happens("U-2", totp.EventTurnedOff, ""), h.happens("U-2", totp.EventCodesRenewed, ""), h.happens("U-4", totp.EventEnrolled, "")}
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
	err = h.desk.Tick(t.Context())
	mend()
	if healed := plan == "l" || plan == "f..."; healed != (err == nil) || err != nil && !errors.Is(err, review.ErrCommit) {
		t.Errorf("after %d commits: %v", commits, err)
	}
	for i, id := range ids {
		want := 1
		if plan != "l" && plan[i+1] == 'f' {
			want = 0
		}
		if settled, audited, letters := h.event(id); settled != want || audited != want || (letters > 0) != (want > 0) {
			t.Errorf("event %d: %d settled, %d audited, %d letters", i, settled, audited, letters)
		}
	}
	h.reopen()
	wantTold(t, "in the end", h.told(), jane+" turned_off", anna+" turned_off", it+" turned_off", boss+" turned_off",
		jane+" codes_renewed", "sanne@beta.example enrolled")
	wantTold(t, "once more", h.told())
	for _, id := range ids {
		if settled, audited, _ := h.event(id); settled != 1 || audited != 1 {
			t.Errorf("event %d in the end: %d settled, %d audited", id, settled, audited)
		}
	}
	h.sound()
}

// event counts what was made of an event.
func (h *house) event(id int) (settled, audited, letters int) {
	h.t.Helper()
	return h.count(`SELECT count(*) FROM factor_event WHERE id = $1 AND settled_at IS NOT NULL`, id),
		h.count(`SELECT count(*) FROM audit WHERE action LIKE 'factor.%' AND json_extract(detail, '$.event') = $1`, id),
		h.count(`SELECT count(*) FROM letter WHERE topic = 'event:' || $1`, id)
}
