package ui_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// noted are the only columns that reading writes, and why.
var noted = map[string]string{
	"session.seen_at": "that a session is used, once a minute: or it would end as idle",
	"api_key.used_at": "that a key is used, once a minute: or nobody knew which to revoke",
}

// tables is a hash of the rows of each table, without the columns that are noted.
func (h *house) tables() map[string]string {
	h.t.Helper()
	db := h.sql()
	defer db.Close()
	all := map[string]string{}
	for _, table := range column(h.t, db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		var columns []string
		for _, name := range column(h.t, db, `SELECT name FROM pragma_table_info('`+table+`')`) {
			if noted[table+"."+name] == "" {
				columns = append(columns, `quote("`+name+`")`)
			}
		}
		rows := column(h.t, db, `SELECT `+strings.Join(columns, ` || ',' || `)+` FROM "`+table+`"`)
		all[table] = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(rows, "\n"))))
	}
	return all
}

// changes are the tables that differ.
func changes(before, after map[string]string) (all []string) {
	for table, sum := range after {
		if before[table] != sum {
			all = append(all, table)
		}
	}
	return all
}

// Whoever reads, whatever and however, changes nothing: every role, everybody who is
// not in, the owners behind their links, also a minute later. What is noted of a read
// is in the table above.
func TestReadingChangesNothing(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		callers := h.callers()
		targets, _ := h.targets()
		cells, seen := newTally(t, "reads"), h.text(`SELECT sum(seen_at) FROM session`)
		for _, c := range callers {
			before := h.tables()
			time.Sleep(61 * time.Second) // now the use of a session is noted
			for _, x := range targets {
				for _, method := range []string{"GET", "HEAD"} {
					q := c.browser.request(method, x.path+"?tab=held&q=a&answer=yes&do=test&_method=POST", nil)
					if x.path == "/events" {
						ctx, stop := context.WithTimeout(t.Context(), time.Second)
						defer stop()
						q = q.WithContext(ctx)
					}
					if a := c.browser.do(q); a.status >= 500 && x.path != "/events" {
						cells.errorf("%s: %s %s: %d", c.name, method, x.route, a.status)
					}
					cells.ask(x.route, c.name, method)
				}
			}
			if changed := changes(before, h.tables()); len(changed) > 0 {
				cells.errorf("%s: reading changed %q", c.name, changed)
			}
		}
		if h.text(`SELECT sum(seen_at) FROM session`) == seen {
			t.Error("the use of no session was noted: the test did not come far")
		}
		cells.end(3000)
	})
}

// The links of letters, opened by whoever reads the mail, again and again, leave the
// case as it is.
func TestOpeningLinksChangesNothing(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		number, confirm := h.request()
		links := map[string]string{"to confirm": confirm, "to object": h.link("jane@acme.example")}
		cells := newTally(t, "opened links")
		open := func() {
			t.Helper()
			for what, token := range links {
				before := h.tables()
				for range 5 {
					for _, method := range []string{"GET", "HEAD"} {
						h.browser().do(h.browser().request(method, "/r/"+token+"?answer=yes&answer=undo", nil))
						cells.ask("/r/{token}", "anybody", what+" "+method)
					}
				}
				if changed := changes(before, h.tables()); len(changed) > 0 {
					cells.errorf("opening the link %s changed %q", what, changed)
				}
			}
		}
		open()
		h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
		path := "/cases/" + number + "/approve"
		rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "called", "code", h.fresh(r.Holder))...).leads(t, "/cases/"+number)
		h.work()
		links["to undo"] = h.link("anna@acme.example")
		open()
		cells.end(50)
	})
}
