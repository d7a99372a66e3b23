package browser_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// A watch listens to everything that the tabs of a test do. Safe for concurrent
// use.
type watch struct {
	mu      sync.Mutex
	ours    map[string]bool     // hosts that may be asked
	sent    []string            // method and address of each request
	refused map[string]bool     // documents that were answered with 4xx, as they should
	entries []*log.Entry        // network errors, judged at the end
	answers []*network.Response // of documents and downloads
	faults  []string
}

func newWatch(h house) *watch {
	w := &watch{ours: map[string]bool{}, refused: map[string]bool{}}
	for _, site := range []string{h.guide, h.panel, h.desk} {
		w.ours[strings.TrimPrefix(site, "http://")] = true
	}
	return w
}

func (w *watch) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// on takes one event of a tab.
func (w *watch) on(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.sent = append(w.sent, e.Request.Method+" "+e.Request.URL)
		u, err := url.Parse(e.Request.URL)
		if err == nil && u.Scheme == "data" { // the browser draws its own controls, a date field for one, from such
			break
		}
		if err != nil || !w.ours[u.Host] {
			w.fault("request to somebody else: %s", e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Type != network.ResourceTypeDocument {
			if e.Response.Status >= 400 {
				w.fault("%s: status %d", e.Response.URL, e.Response.Status)
			}
			return
		}
		w.answers = append(w.answers, e.Response)
		if e.Response.Status >= 400 {
			w.refused[e.Response.URL] = true
		}
	case *log.EventEntryAdded:
		switch {
		case e.Entry.Level != log.LevelError:
		case e.Entry.Source == log.SourceNetwork:
			w.entries = append(w.entries, e.Entry)
		default:
			w.fault("console, %s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert {
			w.fault("console: %s %s", e.Type, e.Args[0].Value)
		}
	case *runtime.EventExceptionThrown:
		w.fault("script: %v", e.ExceptionDetails)
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			w.fault("content security policy: %s blocked %s", d.ViolatedDirective, d.BlockedURL)
		}
	}
}

// posts counts the requests sent so far that are no GET.
func (w *watch) posts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.sent {
		if !strings.HasPrefix(r, "GET ") {
			n++
		}
	}
	return n
}

// answer returns the newest answer to an address that ends so.
func (w *watch) answer(suffix string) *network.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.answers) - 1; i >= 0; i-- {
		if strings.HasSuffix(w.answers[i].URL, suffix) {
			return w.answers[i]
		}
	}
	return nil
}

// end returns everything that was wrong and how many requests were seen. A page
// that says no in words is an error only to the console.
func (w *watch) end() (faults []string, requests int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if !w.refused[e.URL] {
			w.fault("console, network: %s (%s)", e.Text, e.URL)
		}
	}
	return w.faults, len(w.sent)
}
