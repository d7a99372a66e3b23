package browser_test

import (
	_ "embed"
	"fmt"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axe is axe-core, which judges a page by WCAG.
//
//go:embed testdata/axe/axe.min.js
var axe string

// axeRun asks for everything of WCAG 2.2 up to level AA that a program can check.
// Pages that load themselves again are left out: the phone of the demo, which
// renews its code as a real one does, and the queue for who asks for it.
const axeRun = `axe.run(document, {rules: {"meta-refresh": {enabled: false}}, resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]})
	.then((r) => ({Passed: r.passes.length, Faults: r.violations.flatMap((v) => v.nodes.slice(0, 3).map((n) => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary.replaceAll("\n", " ")))}))`

// An axed page is what axe found on it.
type axed struct {
	Passed int
	Faults []string
}

// judge lets axe judge the page as it is laid out now. It needs scripts.
func (b *tab) judge(name string, width int64, scheme string) {
	b.v.test.Helper()
	if !b.v.script {
		return
	}
	var found axed
	b.run("judge "+name, chromedp.Evaluate(axe+";0", nil),
		chromedp.Evaluate(axeRun, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	b.v.axed++
	b.v.passed += found.Passed
	for _, f := range found.Faults {
		b.v.test.Errorf("%s, %d px, %s: axe: %.400s", name, width, scheme, f)
	}
}

// axeTally says how much axe looked at.
func (v *visitor) axeTally() string {
	return fmt.Sprintf("axe judged %d pages and found %d rules kept", v.axed, v.passed)
}
