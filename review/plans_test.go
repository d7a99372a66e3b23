package review_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// The plan of every query that the busy pages ask is on record. None scans a
// table: each is a search by an index, or a walk along one with a limit.
func TestPlans(t *testing.T) {
	h := newHouse(t, t.TempDir(), nil)
	var got strings.Builder
	queries := review.HotSQL()
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		fmt.Fprintf(&got, "%s\n", name)
		for _, step := range h.plan(queries[name]) {
			fmt.Fprintf(&got, "    %s\n", step)
			scans := strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "INDEX")
			if small := regexp.MustCompile(`^SCAN (queue_tally|case_stale|audit|listed|page|m|s|few|CONSTANT ROW|32-ROW VALUES CLAUSE)\b`); scans && !small.MatchString(step) {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
	const golden = "testdata/plans.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the plans are\n%s\nwant (go test ./review -run TestPlans -update)\n%s", got.String(), want)
	}
}

func (h *house) plan(query string) (steps []string) {
	h.t.Helper()
	most := 0
	for _, m := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(query, -1) {
		n, _ := strconv.Atoi(m[1])
		most = max(most, n)
	}
	rows, err := h.sql().QueryContext(h.t.Context(), `EXPLAIN QUERY PLAN `+query, make([]any, most)...)
	if err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			h.t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}
