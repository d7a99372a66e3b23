package ui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
	"golang.org/x/net/html"
)

// A bomb is a body that no form of the desk sends, and what refuses it: one of
// these, 0 for any refusal.
type bomb struct {
	name, kind, encoding string
	body                 string
	status               int
}

const formType = "application/x-www-form-urlencoded"

// bombs are made of a form that the route would take.
func bombs(form url.Values) []bomb {
	good := form.Encode()
	var nested strings.Builder
	for i := range 250 {
		fmt.Fprintf(&nested, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n\r\n", i, i+1, strings.Repeat("../", 20))
	}
	return []bomb{
		{"larger than it may be", formType, "", good + "&x=" + strings.Repeat("x", 64<<10), 413},
		{"a million fields", formType, "", good + strings.Repeat("&a=", 1_000_000), 413},
		{"a million fields in a name", formType, "", good + "&" + strings.Repeat("a%5B", 1_000_000), 413},
		{"parts within parts", "multipart/form-data; boundary=b0", "", nested.String(), 415},
		{"parts without end", "multipart/form-data; boundary=b0", "", "--b0\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n" + strings.Repeat("x", 60<<10), 415},
		{"packed", formType, "gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 415},
		{"said to be packed", formType, "deflate", good, 415},
		{"no type", "", "", good, 415},
		{"JSON", "application/json", "", `{"code":"1"}`, 415},
		{"plain text", "text/plain", "", good, 415},
		{"two types", formType + ", multipart/form-data", "", good, 415},
		{"no UTF-8", formType, "", good + "&x=%ff%fe", 400},
		{"no UTF-8 in a name", formType, "", good + "&%ff=1", 400},
		{"a zero", formType, "", good + "&x=a%00b", 400},
		{"a raw zero", formType, "", good + "&x=a\x00b", 400},
		{"two values", formType, "", good + "&x=1&x=2", 400},
		{"two answers", formType, "", good + "&code=000000&version=2&answer=yes&role=admin", 400},
		{"half an escape", formType, "", good + "&x=%z", 400},
		{"half an escape at its end", formType, "", good + "&x=%", 400},
		{"semicolons", formType, "", strings.ReplaceAll(good, "&", ";"), 400},
	}
}

// Every route refuses every body that is no form of the desk, those that read
// nothing of it too; what that costs is bounded, and nothing is written.
func TestNoRouteTakesABomb(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		targets, number := h.targets()
		all := bombs(everything(number, code(t, h.phone[r.Holder], nextStep())))
		before, cells := h.dump(), newTally(t, "bodies that are bombs")
		for _, x := range targets {
			if x.method != "POST" {
				continue
			}
			for _, b := range all {
				q, err := http.NewRequest("POST", rita.base+x.path, strings.NewReader(b.body))
				if err != nil {
					t.Fatal(err)
				}
				q.Header.Set("Sec-Fetch-Site", "same-origin")
				if b.kind != "" {
					q.Header.Set("Content-Type", b.kind)
				}
				if b.encoding != "" {
					q.Header.Set("Content-Encoding", b.encoding)
				}
				a, cost := weigh(rita, q)
				cells.ask(x.route, "admin", b.name)
				want := a.status == b.status
				if x.route == "POST /setup/accounts" { // takes a file, and refuses in its own words: see TestUploadOfBadFiles
					want = a.status >= 400 && a.status < 500
				}
				if !want || cost > 4<<20 {
					cells.errorf("%s, %s: %d, want %d, at a cost of %d bytes", x.route, b.name, a.status, b.status, cost)
				}
			}
			if h.dump() != before {
				cells.errorf("%s: something was written", x.route)
				before = h.dump()
			}
		}
		cells.end(1000)
	})
}

// weigh sends a request and returns what was allocated meanwhile.
func weigh(b *browser, q *http.Request) (answer, uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := b.do(q)
	runtime.ReadMemStats(&after)
	return a, after.TotalAlloc - before.TotalAlloc
}

// A body that breaks off, or whose size nobody says, is refused by what it turns out
// to be; of an endless one no more is read than a form may have.
func TestBodiesThatBreakOff(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		targets, number := h.targets()
		good := everything(number, code(t, h.phone[r.Holder], nextStep())).Encode()
		before, cells := h.dump(), newTally(t, "bodies that break off")
		for _, x := range targets {
			if x.method != "POST" {
				continue
			}
			for name, c := range map[string]struct {
				body   func() *endless
				status int
			}{"an error": {func() *endless { return &endless{text: good, most: len(good)} }, 400}, "no end": {func() *endless { return &endless{text: good, most: 1 << 30} }, 413}} {
				body := c.body()
				q, err := http.NewRequest("POST", rita.base+x.path, body)
				if err != nil {
					t.Fatal(err)
				}
				q.ContentLength = -1
				q.Header.Set("Sec-Fetch-Site", "same-origin")
				q.Header.Set("Content-Type", formType)
				a := rita.do(q)
				cells.ask(x.route, "admin", name)
				if a.status != c.status && x.route != "POST /setup/accounts" || a.status < 400 || a.status >= 500 || body.read > 5<<20 {
					cells.errorf("%s, %s: %d, want %d; %d bytes were read", x.route, name, a.status, c.status, body.read)
				}
			}
		}
		if h.dump() != before {
			cells.errorf("something was written")
		}
		cells.end(100)
	})
}

// An endless body repeats its text until it breaks off.
type endless struct {
	text       string
	most, read int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= e.most {
		return 0, iotest.ErrTimeout
	}
	n := copy(p, e.text[e.read%len(e.text):])
	e.read += n
	return n, nil
}

// No page has a form that the desk itself would refuse: with a field that stands
// there twice.
func TestNoFormSendsAFieldTwice(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		forms := 0
		for _, path := range h.visit(rita) {
			doc, err := html.Parse(strings.NewReader(rita.get(path).body))
			if err != nil {
				t.Fatal(err)
			}
			for n := range doc.Descendants() {
				if n.Type != html.ElementNode || n.Data != "form" || attribute(n, "method") != "post" {
					continue
				}
				forms++
				seen := map[string]bool{}
				for f := range n.Descendants() {
					name := attribute(f, "name")
					if f.Type != html.ElementNode || name == "" || f.Data == "button" || attribute(f, "type") == "radio" || slices.Contains(ui.Repeated, name) {
						continue
					}
					if seen[name] {
						t.Errorf("%s: the form to %s has %s twice", path, attribute(n, "action"), name)
					}
					seen[name] = true
				}
			}
		}
		if forms < 100 {
			t.Errorf("only %d forms", forms)
		}
	})
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// A header that is too long, or that servers may read in two ways, is refused before
// a page is asked. Who is slow is let go by the timeouts of the server in serve.
func TestHeadersWithoutEnd(t *testing.T) {
	b := startBackEnd(t)
	for name, raw := range map[string]string{
		"a long line":     "GET / HTTP/1.1\r\nHost: reset.example\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n",
		"many lines":      "GET / HTTP/1.1\r\nHost: reset.example\r\n" + strings.Repeat("X: x\r\n", 20_000) + "\r\n",
		"a long address":  "GET /" + strings.Repeat("x", 80<<10) + " HTTP/1.1\r\nHost: reset.example\r\n\r\n",
		"many cookies":    "GET / HTTP/1.1\r\nHost: reset.example\r\nCookie: " + strings.Repeat("a=b; ", 20_000) + "\r\n\r\n",
		"no host":         "GET / HTTP/1.1\r\n\r\n",
		"two hosts":       "GET / HTTP/1.1\r\nHost: reset.example\r\nHost: evil.example\r\n\r\n",
		"another address": "GET http://evil.example/sign-in HTTP/1.1\r\nHost: reset.example\r\n\r\n",
		"an odd name":     "GET / HTTP/1.1\r\nHost: reset.example\r\nX y: z\r\n\r\n",
	} {
		_, answer := wire(t, b.addr, raw, 300*time.Millisecond)
		if !strings.HasPrefix(answer, "HTTP/1.1 4") {
			t.Errorf("%s: %.60q", name, answer)
		}
	}
}
