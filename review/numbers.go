package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	weekMicros = 7 * 24 * 3600 * 1_000_000
	mondayOf   = 3 * 24 * 3600 * 1_000_000 // 1970 began on a Thursday
)

// A Week is what happened in one, which begins on its Monday (UTC).
type Week struct {
	Monday          time.Time
	ByMail, ByPanel int           // cases opened
	ByHand          int           // opened for a call or a ticket
	Ended           map[State]int // cases that ended in that state
	Took            time.Duration // from opening to closing, on average
	Within          map[string]int
	Reasons         map[string]int // why cases were rejected
}

// Opened is how many cases were opened.
func (w Week) Opened() int { return w.ByMail + w.ByPanel + w.ByHand }

// An Age is how many open cases are that old.
type Age struct {
	Title string
	N     int
}

// Numbers are the weeks, the oldest first, and the cases that are open now.
type Numbers struct {
	Weeks []Week
	Ages  []Age
	Open  int
}

// Numbers reads the counts of some weeks up to this one. It reads counters and
// the open cases, never the history.
func (d *Desk) Numbers(ctx context.Context, weeks int) (Numbers, error) {
	now := time.Now()
	this := (micros(now) + mondayOf) / weekMicros
	n := Numbers{Weeks: make([]Week, weeks)}
	for i := range n.Weeks {
		n.Weeks[i] = Week{Monday: fromMicros((this-int64(weeks-1-i))*weekMicros - mondayOf), Ended: map[State]int{}, Within: map[string]int{}, Reasons: map[string]int{}}
	}
	err := d.snapshot(ctx, "read numbers", func(tx *sql.Tx) error {
		if err := readTallies(ctx, tx, this-int64(weeks)+1, n.Weeks); err != nil {
			return err
		}
		return readAges(ctx, tx, now, &n)
	})
	return n, err
}

func readTallies(ctx context.Context, tx *sql.Tx, first int64, weeks []Week) error {
	rows, err := tx.QueryContext(ctx, `SELECT week, what, label, n, hours FROM case_tally WHERE week >= $1 AND week < $2`, first, first+int64(len(weeks)))
	if err != nil {
		return fmt.Errorf("read tallies: %w", err)
	}
	defer rows.Close()
	hours, closed := make([]float64, len(weeks)), make([]int, len(weeks))
	for rows.Next() {
		var week int64
		var what, label string
		var n int
		var h float64
		if err := rows.Scan(&week, &what, &label, &n, &h); err != nil {
			return fmt.Errorf("read tallies: %w", err)
		}
		i := week - first
		switch w := &weeks[i]; {
		case what == "opened" && label == "panel":
			w.ByPanel = n
		case what == "opened" && label == "hand":
			w.ByHand = n
		case what == "opened":
			w.ByMail = n
		case what == "closed":
			w.Ended[State(label)] = n
			if State(label) != StateUndone { // it was closed, and counted, before
				hours[i], closed[i] = hours[i]+h, closed[i]+n
			}
		case what == "took":
			w.Within[label] = n
		case what == "reason":
			w.Reasons[label] = n
		}
	}
	for i := range weeks {
		if closed[i] > 0 {
			weeks[i].Took = time.Duration(hours[i] / float64(closed[i]) * float64(time.Hour))
		}
	}
	return rows.Err()
}

// ages are the bounds of [Age], in days.
var ages = []struct {
	title string
	upTo  time.Duration
}{{"less than 4 hours", 4 * time.Hour}, {"4 to 24 hours", 24 * time.Hour}, {"1 to 3 days", 72 * time.Hour}, {"3 to 7 days", 168 * time.Hour}, {"more than a week", 1 << 62}}

func readAges(ctx context.Context, tx *sql.Tx, now time.Time, n *Numbers) error {
	for _, a := range ages {
		n.Ages = append(n.Ages, Age{Title: a.title})
	}
	rows, err := tx.QueryContext(ctx, `SELECT opened_at FROM reset_case WHERE state IN ('open', 'held', 'clearing')`)
	if err != nil {
		return fmt.Errorf("read ages: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var opened int64
		if err := rows.Scan(&opened); err != nil {
			return fmt.Errorf("read ages: %w", err)
		}
		age := now.Sub(fromMicros(opened))
		for i := range ages {
			if age < ages[i].upTo {
				n.Ages[i].N++
				break
			}
		}
		n.Open++
	}
	return rows.Err()
}
