package ui

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// numberWeeks is how many weeks the page looks back.
const numberWeeks = 12

type numbersPage struct {
	review.Numbers
	Cases, Took chart
	Ends        []review.State
	Within      []timeCount
	Reasons     []reasonCount
}

// A timeCount is how many cases of all weeks were decided within a time.
type timeCount struct {
	Title string
	N     int
}

type reasonCount struct {
	Title string
	N     int
}

func (s *site) showNumbers(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	n, err := s.Desk.Numbers(r.Context(), numberWeeks)
	if err != nil {
		return err
	}
	p := numbersPage{Numbers: n, Ends: []review.State{review.StateCleared, review.StateRejected, review.StateUndone, review.StateExpired,
		review.StateWithdrawn, review.StateDuplicate, review.StateNotARequest}}
	var cases, took []column
	within, reasons := map[string]int{}, map[string]int{}
	for _, w := range n.Weeks {
		label := w.Monday.Format("2 Jan")
		week := "Week of " + label + ": "
		cases = append(cases, column{label, []float64{float64(w.ByMail), float64(w.ByPanel), float64(w.ByHand)},
			[]string{fmt.Sprintf("%s%d by mail", week, w.ByMail), fmt.Sprintf("%s%d in the panel", week, w.ByPanel), fmt.Sprintf("%s%d by hand", week, w.ByHand)}})
		took = append(took, column{label, []float64{w.Took.Hours()}, []string{week + span(w.Took)}})
		for k, c := range w.Within {
			within[k] += c
		}
		for k, c := range w.Reasons {
			reasons[k] += c
		}
	}
	p.Cases = draw("cases", "Cases opened a week", "Bars of twelve weeks; the table below has the numbers.", []legend{{"b1", "by mail"}, {"b2", "in the control panel"}, {"b3", "by hand"}}, "", cases)
	p.Took = draw("took", "Time to the decision, on average", "Bars of twelve weeks in hours, by the week of the decision; the table below has the numbers.", []legend{{"b1", "hours"}}, " h", took)
	for _, b := range [][2]string{{"1", "within 1 hour"}, {"4", "1 to 4 hours"}, {"12", "4 to 12 hours"}, {"24", "12 to 24 hours"}, {"72", "1 to 3 days"}, {"more", "longer"}} {
		p.Within = append(p.Within, timeCount{b[1], within[b[0]]})
	}
	for _, k := range slices.SortedFunc(maps.Keys(reasons), func(a, b string) int { return reasons[b] - reasons[a] }) {
		p.Reasons = append(p.Reasons, reasonCount{k, reasons[k]})
	}
	return s.render(w, r, http.StatusOK, "numbers", view{Title: "Numbers", Body: p})
}

// Ended is how many cases of a week ended so.
func (p numbersPage) Ended(w review.Week, s review.State) int { return w.Ended[s] }

// Hours writes how long decisions of a week took.
func (p numbersPage) Hours(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return span(d)
}
