package browser_test

import (
	"regexp"
	"strings"
	"testing"
)

// varies is what differs between pages of one kind.
var varies = regexp.MustCompile(`RST-[0-9A-Z]{6}|\b[AU]-\d+|\b\d+\b|\?.*`)

// Every page that links lead to, one of each kind, is looked at and judged: those
// of the desk as a lead sees them.
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
	s.work(desk, "rita", "rita@hosting.example", "rita reads twice")
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
}
