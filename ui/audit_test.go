package ui_test

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/ui"
)

func TestAuditFilters(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		vera, _ := h.signIn("vera", review.Viewer)
		vera.get("/audit").want(t, 200, number, "reviewer.signed_in", "192.0.2.7", "The desk has not gone through the chain")
		for query, want := range map[string][2]string{
			"?object=" + number:                             {"Case opened", ">vera<"},
			"?actor=vera":                                   {"Reviewer signed in", "Case opened"},
			"?actor=VERA@host.example":                      {"Reviewer signed in", "Case opened"},
			"?action=case.opened":                           {"Case opened", "<td>Reviewer signed in"},
			"?from=2000-01-01&to=2000-01-01":                {"Case opened", "No event matches"},
			"?from=2000-01-02":                              {"No event matches", "/cases/" + number},
			"?to=1999-12-31":                                {"No event matches", "/cases/" + number},
			"?object=" + number + "&action=case.cleared":    {"No event matches", "/cases/" + number},
			"?actor=%22%3E%3Cscript%3E&object=%27%20OR%201": {"No event matches", "<script>"},
		} {
			a := vera.get("/audit"+query).want(t, 200, want[0])
			if strings.Contains(a.body[strings.LastIndex(a.body, "</form>"):], want[1]) {
				t.Errorf("%s shows %q", query, want[1])
			}
		}
		vera.get("/audit?from=soon").want(t, 422, "Write the day as")
		vera.post("/audit/export", "format", "csv").want(t, 403)
	})
}

// What is taken out is whole, chained, and no formula; that it was taken is an event.
func TestAuditExport(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		if _, err := h.desk.Invite(t.Context(), "=HYPERLINK(1)", "x@host.example", "X", review.Viewer); err != nil {
			t.Fatal(err)
		}
		h.request()
		olga, _ := h.signIn("olga", review.Auditor)
		olga.get("/audit/export?object=x").want(t, 200, "Take out")
		a := olga.post("/audit/export", "format", "csv").want(t, 200)
		rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if err != nil || len(rows) < 5 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		found := false
		for _, row := range rows {
			for _, cell := range row {
				found = found || cell == "'=HYPERLINK(1)"
				if strings.HasPrefix(cell, "=") {
					t.Errorf("a formula: %q", cell)
				}
			}
		}
		if !found {
			t.Error("the formula was lost")
		}
		a = olga.post("/audit/export", "format", "jsonl").want(t, 200)
		var f chain.Follower
		for line := range strings.Lines(a.body) {
			var e chain.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if err := f.Take(e); err != nil {
				t.Fatal(err)
			}
		}
		if f.Head().Size < int64(len(rows)) { // the first export is in the second
			t.Errorf("%d events", f.Head().Size)
		}
		olga.get("/audit?action=audit.exported").want(t, 200, ">format</span> csv", ">format</span> jsonl")
		olga.post("/audit/export", "format", "xls").want(t, 422)
	})
}

func TestInert(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\t=1": "'\t=1", "{}": "{}", "＝1": "'＝1"} {
		if got := ui.Inert(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
