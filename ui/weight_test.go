package ui_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// heaviest is what a page may weigh (interface 3): it must come at once over a
// telephone in a train as well.
const heaviest = 60 << 10

// A page weighs little, however much stands on it: the queue with all its rows, a
// case with the longest mail, the audit with a full page. Style sheets and scripts
// come once and are kept by the browser.
func TestWeight(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		var file strings.Builder
		file.WriteString("account_id,account_name,locale,user_id,login,email,role,api_only\n")
		for i := range 45 {
			fmt.Fprintf(&file, "C-%04d,Gesellschaft für Verwaltung und Betrieb Nummer %d mbH,de,W-%d,verwaltung.und.betrieb%d,admin%d@gesellschaft-nummer-%d.example,admin,0\n", i, i, i, i, i, i)
			fmt.Fprintf(&file, "C-%04d,Gesellschaft für Verwaltung und Betrieb Nummer %d mbH,de,X-%d,mitarbeiterin%d,mitarbeiterin%d@gesellschaft-nummer-%d.example,user,0\n", i, i, i, i, i, i)
		}
		h.importFile(accountsFile + strings.SplitN(file.String(), "\n", 2)[1])
		for i := range 45 {
			h.enroll(fmt.Sprintf("X-%d", i))
			h.deliver(fmt.Sprintf("admin%d@gesellschaft-nummer-%d.example", i, i), fmt.Sprintf("Bitte 2FA für mitarbeiterin%d zurücksetzen", i),
				fmt.Sprintf("Guten Tag, mitarbeiterin%d hat das Telefon verloren, bitte die Zwei-Faktor-Anmeldung zurücksetzen.\n", i)+strings.Repeat("Ein langer Satz über die Umstände, unter denen das geschah. ", 1500))
		}
		rita, _ := h.signIn("rita", review.Admin)
		page := rita.get("/")
		if n := strings.Count(page.body, `<li class="row`); n != 40 {
			t.Fatalf("%d rows on the queue, want 40", n)
		}
		number := h.text(`SELECT max(number) FROM reset_case`)
		note := strings.Repeat("Rückruf vereinbart; ", 20)
		for _, n := range strings.Fields(h.text(`SELECT group_concat(number, ' ') FROM reset_case`)) {
			path := "/cases/" + n
			rita.post(path+"/claim").leads(t, path)
			rita.post(path+"/hold", append(hiddenFields(rita.get(path+"/hold")), "note", note)...).leads(t, path)
			rita.get(path) // takes what was said of the hold, with its form to undo it
			rita.post(path+"/resume", append(hiddenFields(rita.get(path+"/resume")), "note", "called back")...).leads(t, path)
		}
		for _, path := range []string{"/", "/?q=gesellschaft", "/cases/" + number, "/cases/" + number + "/approve", "/audit", "/accounts", "/accounts/C-0001", "/numbers", "/attack",
			"/settings", "/settings/mail", "/settings/policy", "/settings/letters", "/settings/reviewers", "/settings/api", "/settings/api/new", "/profile"} {
			a := rita.get(path).want(t, 200)
			t.Logf("%6d bytes %s", len(a.body), strings.ReplaceAll(path, number, "…"))
			if len(a.body) > heaviest {
				t.Errorf("%s weighs %d bytes, at most %d", path, len(a.body), heaviest)
			}
		}
		kept := 0
		err := fs.WalkDir(ui.Files, "static", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(ui.Files, path)
			t.Logf("%6d bytes %s", len(text), path)
			kept += len(text)
			return err
		})
		if err != nil || kept > heaviest {
			t.Errorf("style sheets, scripts and icon weigh %d bytes, at most %d: %v", kept, heaviest, err)
		}
	})
}
