package browser_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// varies is what differs between pages of one kind.
var varies = regexp.MustCompile(`RST-[0-9A-Z]{6}|\b[AU]-\d+|\b\d+\b|\?.*`)

// Every page that links lead to, one of each kind, is looked at and judged: those
// of the desk as an admin sees them.
func TestEveryPageOfTheDesk(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, true)}
	defer s.end()
	s.first = s.openTab()
	s.first.visit(s.guide + "/")
	s.post = s.openTab()
	s.post.visit(s.guide + "/mail")
	s.write(s.post, "The admin", "nl")
	s.write(s.post, "An impostor with the admin", "de")
	desk := s.openTab()
	desk.visit(s.desk + "/")
	s.work(desk, "ada", "ada@hosting.example", "ada keeps the keys")
	s.until("two cases are there", func() bool {
		text := desk.reload().text()
		return strings.Contains(text, "A-2002") && strings.Contains(text, "A-3003")
	})
	seen, todo := map[string]bool{}, []string{"/", "/?q=a-&risk=high", "/?tab=closed"}
	kind := func(at string) string { return varies.ReplaceAllString(at, "…") }
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		desk.visit(s.desk + at).look("page" + strings.NewReplacer("/", "-", "…", "", "?", "").Replace(kind(at)))
		var links []string
		desk.evaluate(`[...document.querySelectorAll("a[href]")].map((a) => new URL(a.href)).filter((u) => u.origin === location.origin).map((u) => u.pathname + u.search)`, &links)
		for _, l := range links {
			files := regexp.MustCompile(`/source$|/mails/\d+$|/pack|/export|\.(csv|jsonl|eml|txt|zip)`).MatchString(l)
			if k := kind(l); !seen[k] && !files && len(seen) < 60 {
				seen[k] = true
				todo = append(todo, l)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d kinds of pages: %v", len(seen), seen)
	}
	t.Logf("%d kinds of pages of the desk", len(seen))
	s.rare(desk)
}

// rare looks at what no link leads to: pages of refusals, what is said after an
// act, empty lists, choices for several cases at once.
func (s *story) rare(d *tab) {
	d.load(404, "open a page that is not there", chromedp.Navigate(s.desk+"/nothing")).look("rare-404")
	d.visit(s.desk + "/?q=zzzz").shows("Nothing matches").look("rare-nothing-found")
	d.visit(s.desk + "/?tab=mine").shows("You have claimed no case").look("rare-none-mine")
	d.visit(s.desk + "/settings/connections").press(button("Test")).shows("Works").look("rare-connection-works")
	d.refused(429, button("Test")).look("rare-429")
	s.caseOf(d, "Needs review", "A-2002").press(button("Claim")).shows("You claimed this case", "Undo").look("rare-claimed")
	d.press(button("Undo")).shows("The case is released", "Undo")
	d.press(link("Hold…")).fill(field("Note for colleagues"), "They call back.").press(button("Hold the case")).shows("The case is on hold.", "Undo").look("rare-held")
	d.press(button("Undo")).shows("The case is open again.")
	other := s.openTab()
	s.caseOf(other, "Needs review", "A-3003").press(link("Reject…"))
	s.caseOf(d, "Needs review", "A-3003").press(link("Hold…")).fill(field("Note for colleagues"), "Odd.").press(button("Hold the case"))
	other.choose(field("The sender cannot be trusted")).fill(field("Note for colleagues"), "Forged.").refused(409, button("Reject the request"))
	other.shows("put this case on hold").look("rare-409")
	d.visit(s.desk + "/").choose(thing{`//input[@type="checkbox"][1]`, "the first row"})
	d.evaluate(`document.querySelector("#together").value = "not_a_request"`, nil)
	d.press(button("Go on…")).shows("Nobody is mailed").look("rare-bulk")
	d.visit(s.desk + "/audit").look("rare-audit-all")
	d.visit(s.desk + "/accounts/A-2002?tab=letters").look("rare-account-letters")
	d.visit(s.desk + "/accounts/A-2002/export").look("rare-account-export")
	d.visit(s.desk + "/audit/export").look("rare-audit-export")
}
