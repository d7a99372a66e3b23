package review_test

import (
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// What a person does to a case and the event that tells of it are one: if the event
// cannot be written, nothing has happened, and if nothing happens, nothing is told.
func TestDecisionIsOneWithItsEvent(t *testing.T) {
	for name, act := range map[string]func(*house, review.CaseView) error{
		"hold": func(h *house, v review.CaseView) error {
			return h.desk.Hold(h.t.Context(), h.sam, decision(v, "", "to be called"))
		},
		"reject": func(h *house, v review.CaseView) error {
			return h.desk.Reject(h.t.Context(), h.sam, decision(v, "other", "x"))
		},
		"close": func(h *house, v review.CaseView) error {
			return h.desk.CloseCase(h.t.Context(), h.sam, decision(v, "not_a_request", "x"))
		},
		"approve": func(h *house, v review.CaseView) error {
			in := ballot(v)
			in.Code = h.fresh(h.sam.Reviewer.Holder)
			_, err := h.desk.Approve(h.t.Context(), h.sam, in)
			return err
		},
	} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			v, _ := h.ask("anna@acme.example", forUser("jane"))
			stands := func() [4]int {
				return [4]int{h.count(`SELECT version FROM reset_case`), h.count(`SELECT count(*) FROM approval`), h.count(`SELECT count(*) FROM letter`),
					h.count(`SELECT count(*) FROM audit WHERE object = (SELECT number FROM reset_case)`)}
			}
			before := stands()
			for what, trigger := range map[string]string{
				"no event":    `CREATE TRIGGER broken BEFORE INSERT ON audit WHEN NEW.action LIKE 'case.%' BEGIN SELECT RAISE(ABORT, 'broken'); END`,
				"no decision": `CREATE TRIGGER broken BEFORE UPDATE ON reset_case BEGIN SELECT RAISE(ABORT, 'broken'); END`,
			} {
				if name == "approve" && what == "no decision" {
					trigger = `CREATE TRIGGER broken BEFORE INSERT ON approval BEGIN SELECT RAISE(ABORT, 'broken'); END`
				}
				if _, err := h.sql().Exec(trigger); err != nil {
					t.Fatal(err)
				}
				if err := act(h, v); err == nil || review.KindOf(err) != "" {
					t.Errorf("%s, %s: %v", name, what, err)
				}
				if now := stands(); now != before {
					t.Errorf("%s, %s: version, votes, letters and events were %v and are %v", name, what, before, now)
				}
				if _, err := h.sql().Exec(`DROP TRIGGER broken`); err != nil {
					t.Fatal(err)
				}
			}
			if err := act(h, v); err != nil || stands() == before {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
