package browser_test

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// examine judges the layout, the labels and the contrast of a page.
//
//go:embed testdata/examine.js
var examine string

// dress shows the page in a window of that width and scheme.
func dress(width int64, scheme string) chromedp.Tasks {
	return chromedp.Tasks{
		emulation.SetDeviceMetricsOverride(width, 900, 1, false),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	}
}

// look examines the page on a telephone and on a desk, in light and in dark, and
// stores the pictures where RESETDESK_SHOTS says. What is ugly does not end the
// story.
func (b *tab) look(name string) *tab {
	b.v.test.Helper()
	b.v.t.Helper()
	shots := os.Getenv("RESETDESK_SHOTS")
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			var faults []string
			b.run("look at "+name, dress(width, scheme), chromedp.Evaluate(examine, &faults))
			for _, f := range faults {
				b.v.test.Errorf("%s, %d px, %s: %s", name, width, scheme, f)
			}
			b.judge(name, width, scheme)
			if shots != "" {
				var png []byte
				b.run("take a picture of "+name, chromedp.FullScreenshot(&png, 100))
				b.keep(filepath.Join(shots, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png)
			}
		}
	}
	b.run("look at "+name, dress(1280, "light"))
	return b
}

func (b *tab) keep(path string, png []byte) {
	b.v.t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.v.t.Fatalf("store picture: %v", err)
	}
}

// stops goes through the page with the tab key and returns where it stopped, in
// order, until it comes around or to the end.
func (b *tab) stops(most int) []string {
	b.v.t.Helper()
	var all []string
	for range most {
		var here string
		b.run("press tab", input.DispatchKeyEvent(input.KeyDown).WithKey("Tab").WithCode("Tab").WithWindowsVirtualKeyCode(9),
			input.DispatchKeyEvent(input.KeyUp).WithKey("Tab").WithCode("Tab").WithWindowsVirtualKeyCode(9),
			chromedp.Evaluate(`((e) => e === document.body ? "" : (e.labels?.[0] ?? e).innerText.trim())(document.activeElement)`, &here))
		if here == "" {
			break
		}
		all = append(all, here)
	}
	return all
}

// enter presses the enter key where the cursor is and waits for the page.
func (b *tab) enter() *tab {
	b.v.t.Helper()
	return b.load(200, "press enter", chromedp.KeyEvent(kb.Enter))
}
