package browser_test

import (
	"context"
	"strings"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take; two processors may be busy with other
// tests.
const patience = 20 * time.Second

// A tab is one page that the visitor has open.
type tab struct {
	v   *visitor
	ctx context.Context
}

// openTab opens an empty tab, or with options one that is there already.
func (v *visitor) openTab(options ...chromedp.ContextOption) *tab {
	v.t.Helper()
	ctx, stop := chromedp.NewContext(v.browser, options...)
	v.test.Cleanup(stop)
	chromedp.ListenTarget(ctx, v.watch.on)
	b := &tab{v, ctx}
	v.front = nil
	// The first Run opens the tab and must not carry a deadline.
	if err := chromedp.Run(ctx, log.Enable(), audits.Enable(), emulation.SetFocusEmulationEnabled(true),
		emulation.SetScriptExecutionDisabled(!v.script), emulation.SetDeviceMetricsOverride(1280, 900, 1, false)); err != nil {
		v.t.Fatalf("open tab: %v", err)
	}
	return b
}

// run does the actions within patience or tells what was on the screen.
func (b *tab) run(what string, actions ...chromedp.Action) {
	b.v.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	b.toFront(ctx)
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.v.t.Fatalf("%s: %v\n%s", what, err, b.dump())
	}
}

// toFront switches to the tab: one behind others is not drawn.
func (b *tab) toFront(ctx context.Context) {
	b.v.t.Helper()
	if b.v.front == b {
		return
	}
	if err := chromedp.Run(ctx, page.BringToFront()); err != nil {
		b.v.t.Fatalf("switch tabs: %v", err)
	}
	b.v.front = b
}

// load does what leads to another page and waits for it. The page must come with
// the status.
func (b *tab) load(status int64, what string, actions ...chromedp.Action) *tab {
	b.v.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	b.toFront(ctx)
	answer, err := chromedp.RunResponse(ctx, actions...)
	if err != nil {
		b.v.t.Fatalf("%s: %v\n%s", what, err, b.dump())
	}
	if answer == nil || answer.Status != status {
		got := int64(0)
		if answer != nil {
			got = answer.Status
		}
		b.v.t.Fatalf("%s: status %d, want %d\n%s", what, got, status, b.dump())
	}
	return b
}

// dump tells what is on the screen, for a test that failed.
func (b *tab) dump() string {
	ctx, stop := context.WithTimeout(b.ctx, 5*time.Second)
	defer stop()
	var at, text string
	if err := chromedp.Run(ctx, chromedp.Location(&at), chromedp.Evaluate(`document.body.innerText`, &text)); err != nil {
		return err.Error()
	}
	return at + "\n" + text
}

// visit types an address into the bar of the browser.
func (b *tab) visit(at string) *tab {
	b.v.t.Helper()
	return b.load(200, "open "+at, chromedp.Navigate(at))
}

func (b *tab) reload() *tab {
	b.v.t.Helper()
	return b.load(200, "reload", chromedp.Reload())
}

// A thing is an XPath expression with the words a person would use for it.
type thing struct{ path, words string }

// quoted writes a text as XPath 1.0 wants it.
func quoted(s string) string {
	if !strings.Contains(s, `"`) {
		return `"` + s + `"`
	}
	return `'` + s + `'`
}

// link is a link with that text in it.
func link(text string) thing {
	return thing{`//a[contains(normalize-space(.), ` + quoted(text) + `)]`, "link " + text}
}

// button is a button that says just that.
func button(text string) thing {
	return thing{`//button[normalize-space(.)=` + quoted(text) + `]`, "button " + text}
}

// field is the input or text area in the label with that text in it. A field
// without a label cannot be found.
func field(label string) thing {
	return thing{`//label[contains(normalize-space(.), ` + quoted(label) + `)]//*[self::input or self::textarea]`, "field " + label}
}

// within narrows a thing to the first element with that id.
func (x thing) within(id string) thing {
	return thing{`//*[@id=` + quoted(id) + `]` + x.path, x.words + " of " + id}
}

func (x thing) click() chromedp.Action { return chromedp.Click(x.path, chromedp.BySearch) }

// press clicks on what leads to another page.
func (b *tab) press(x thing) *tab {
	b.v.t.Helper()
	return b.load(200, "press "+x.words, x.click())
}

// refused clicks on what the page will say no to.
func (b *tab) refused(status int64, x thing) *tab {
	b.v.t.Helper()
	return b.load(status, "press "+x.words, x.click())
}

// choose clicks on what stays on the page, as a radio button does.
func (b *tab) choose(x thing) *tab {
	b.v.t.Helper()
	b.run("choose "+x.words, x.click())
	return b
}

// fill types over what is in a field, key by key.
func (b *tab) fill(x thing, text string) *tab {
	b.v.t.Helper()
	b.run("fill "+x.words, chromedp.Focus(x.path, chromedp.BySearch), chromedp.Evaluate(`document.activeElement.select()`, nil), chromedp.KeyEvent(text))
	return b
}

// evaluate asks the page. It works without scripts too.
func (b *tab) evaluate(expression string, answer any) {
	b.v.t.Helper()
	b.run("read the page", chromedp.Evaluate(expression, answer))
}

// text is what a reader sees.
func (b *tab) text() string {
	b.v.t.Helper()
	var text string
	b.evaluate(`document.body.innerText`, &text)
	return text
}

// shows stops the test if the page does not say all of that.
func (b *tab) shows(texts ...string) *tab {
	b.v.t.Helper()
	all := flat(b.text())
	for _, want := range texts {
		if !strings.Contains(all, want) {
			b.v.t.Fatalf("no %q on\n%s", want, b.dump())
		}
	}
	return b
}

// hides fails the test if the page says any of that.
func (b *tab) hides(texts ...string) *tab {
	b.v.t.Helper()
	all := flat(b.text())
	for _, no := range texts {
		if strings.Contains(all, no) {
			b.v.t.Errorf("%q on\n%s", no, b.dump())
		}
	}
	return b
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// follow clicks on a link that opens a tab of its own and returns that tab. It
// was loaded before anybody could watch it, so it is loaded again.
func (b *tab) follow(x thing) *tab {
	b.v.t.Helper()
	before := b.v.tabs()
	b.run("follow "+x.words, x.click())
	var found target.ID
	b.v.until("a new tab for "+x.words, func() bool {
		for id, at := range b.v.tabs() {
			if _, old := before[id]; !old && strings.HasPrefix(at, "http") {
				found = id
			}
		}
		return found != ""
	})
	c := b.v.openTab(chromedp.WithTargetID(found))
	c.run("show the new tab", chromedp.WaitReady("main"))
	return c.reload()
}

// tabs returns the addresses of all open tabs.
func (v *visitor) tabs() map[target.ID]string {
	v.t.Helper()
	all, err := chromedp.Targets(v.browser)
	if err != nil {
		v.t.Fatalf("list tabs: %v", err)
	}
	tabs := map[target.ID]string{}
	for _, x := range all {
		if x.Type == "page" {
			tabs[x.TargetID] = x.URL
		}
	}
	return tabs
}

// close closes the tab.
func (b *tab) close() {
	b.v.t.Helper()
	if err := chromedp.Cancel(b.ctx); err != nil {
		b.v.t.Fatalf("close tab: %v", err)
	}
}
