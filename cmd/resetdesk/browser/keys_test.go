package browser_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A typist has no mouse, and counts the keys.
type typist struct {
	*tab
	keys int
}

// hit presses keys one after the other and stays on the page.
func (y *typist) hit(keys ...string) *typist {
	y.v.t.Helper()
	for _, k := range keys {
		y.keys++
		y.run("press "+k, chromedp.KeyEvent(k))
	}
	return y
}

// leap presses a key that leads to another page.
func (y *typist) leap(key string) *typist {
	y.v.t.Helper()
	y.keys++
	y.load(200, "press "+key, chromedp.KeyEvent(key))
	return y
}

// typed types a text into the field that has the focus.
func (y *typist) typed(text string) *typist {
	y.v.t.Helper()
	y.keys += len(text)
	y.run("type", chromedp.KeyEvent(text))
	return y
}

// at is what has the focus.
func (y *typist) at() (what string) {
	y.v.t.Helper()
	y.evaluate(`((e) => e.name || e.innerText || e.localName)(document.activeElement)`, &what)
	return what
}

// tabTo presses the tab key until the focus is there.
func (y *typist) tabTo(what string) *typist {
	y.v.t.Helper()
	for range 40 {
		if strings.HasPrefix(y.at(), what) {
			return y
		}
		y.hit(kb.Tab)
	}
	y.v.t.Fatalf("the tab key never comes to %s:\n%s", what, y.dump())
	return y
}

// A reviewer with a keyboard alone goes from the queue to a recorded approval. No
// single key resets anything, and with the keys turned off none does anything.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, true)}
	defer s.end()
	s.first = s.openTab()
	s.first.visit(s.guide + "/")
	s.post = s.openTab()
	s.post.visit(s.guide + "/mail")
	s.write(s.post, "The admin", "nl")
	desk := s.openTab()
	desk.visit(s.desk + "/")
	s.work(desk, "rita", "rita@hosting.example", "rita reads twice")
	s.until("the case is there", func() bool { return strings.Contains(desk.reload().text(), "A-2002") })

	y := &typist{tab: desk}
	y.hit("?").shows("No key resets anything")
	y.look("keys")
	y.hit(kb.Escape)
	code := s.code("rita") // read from the phone beforehand: a person has it in the hand
	begun := time.Now()
	y.hit("j")
	if got := y.at(); !strings.HasPrefix(got, "RST-") {
		t.Fatalf("j leads to %q", got)
	}
	y.leap(kb.Enter).leap("1")
	y.tabTo("account").typed("A-2002").hit(kb.Tab).typed("Called the number on file.").hit(kb.Tab)
	y.tabTo("code").typed(code)
	before := s.watch.posts()
	const ctrl = input.ModifierCtrl
	enter := func(t input.KeyType) *input.DispatchKeyEventParams {
		return input.DispatchKeyEvent(t).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13).WithModifiers(ctrl)
	}
	y.run("press Ctrl+Enter", enter(input.KeyDown).WithText("\r"), enter(input.KeyUp))
	if got := y.at(); s.watch.posts() != before || got != "code" {
		t.Errorf("Ctrl+Enter sends a red form, or leads to %q", got)
	}
	y.hit(kb.Tab, kb.Tab) // past Cancel
	if got := y.at(); !strings.HasPrefix(got, "Approve") && !strings.HasPrefix(got, "Record") && !strings.HasPrefix(got, "Reset") {
		t.Errorf("the tab key leads to %q", got)
	}
	y.leap(kb.Enter).shows("Your approval is recorded")
	t.Logf("from the queue to a recorded approval: %d keys, %d of them typed text, %v", y.keys, len("A-2002")+len("Called the number on file.")+len(code), time.Since(begun).Round(100*time.Millisecond))

	y.hit("g").leap("q")
	y.hit("/")
	if got := y.at(); got != "q" {
		t.Errorf("/ leads to %q", got)
	}
	y.hit(kb.Escape).hit("g").leap("l").shows("Audit")
	desk.visit(s.desk + "/profile").choose(field("Off, for those")).press(button("Keep"))
	desk.visit(s.desk + "/").look("queue-keys-off")
	y.hit("j", "/", "?")
	if got := y.at(); got != "body" && !strings.Contains(got, "\n") {
		t.Errorf("with the keys off the focus is on %q", got)
	}
	desk.visit(s.desk + "/profile").look("profile").choose(field("Dark")).press(button("Keep"))
	var scheme string
	if desk.evaluate(`getComputedStyle(document.documentElement).colorScheme`, &scheme); scheme != "dark" {
		t.Errorf("dark by choice is %q", scheme)
	}
}

// An open queue hears of a new case, moves no row, and shows it when asked.
func TestLiveNews(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, true)}
	defer s.end()
	s.first = s.openTab()
	s.first.visit(s.guide + "/")
	s.post = s.openTab()
	s.post.visit(s.guide + "/mail")
	desk := s.openTab()
	desk.visit(s.desk + "/")
	s.work(desk, "rita", "rita@hosting.example", "rita reads twice")
	s.write(s.post, "The admin", "nl")
	s.until("the page tells of the case", func() bool { return strings.Contains(desk.text(), "1 new case – show") })
	if strings.Contains(desk.text(), "A-2002") {
		t.Error("a row came by itself")
	}
	var title string
	desk.evaluate(`document.title`, &title)
	if !strings.HasPrefix(title, "(1) ") {
		t.Errorf("the title is %q", title)
	}
	desk.look("queue-news").press(link("show")).shows("A-2002")
	s.times(desk)
}

// times looks at the same event from Tokyo, in the time of there and in UTC.
func (s *story) times(desk *tab) {
	desk.run("travel", emulation.SetTimezoneOverride("Asia/Tokyo"))
	read := func() (when time.Time, text, title string) {
		var all []string
		desk.visit(s.desk+"/audit").evaluate(`((t) => [t.dateTime, t.textContent, t.title])(document.querySelector(".audit time"))`, &all)
		when, err := time.Parse(time.RFC3339, all[0])
		if err != nil {
			s.t.Fatal(err)
		}
		return when.UTC(), all[1], all[2]
	}
	const form = "2 Jan 2006, 15:04"
	when, text, title := read()
	if want := when.Add(9 * time.Hour).Format(form); text != want || !strings.Contains(title, when.Format("15:04:05 UTC")) || !strings.Contains(title, "GMT+9") {
		s.t.Errorf("in Tokyo %q, titled %q, want %q", text, title, want)
	}
	desk.visit(s.desk + "/profile").choose(thing{`//input[@name="times" and @value="utc"]`, "UTC"}).press(button("Keep")).shows("Kept.")
	if when, text, _ := read(); text != when.Format(form+" UTC") {
		s.t.Errorf("in UTC %q", text)
	}
}
