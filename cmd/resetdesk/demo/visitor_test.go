package demo_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/demo"
	"golang.org/x/net/html"
)

// A visitor plays the demo over HTTP, with cookies and without a browser.
type visitor struct {
	t                  *testing.T
	web                *http.Client
	guide, panel, desk string
	used               map[string]bool // codes that were typed once
}

// A screen that the demo prints to.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// enter starts a demo of its own and ends it with the test, which must not take
// long and must not be an error.
func enter(t *testing.T, wait time.Duration) *visitor {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out := &paper{}
	ended := make(chan error, 1)
	go func() { ended <- demo.Run(ctx, demo.Options{Listen: "127.0.0.1:0", Out: out, Wait: wait}) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the demo ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the demo does not end")
		}
	})
	var sites []string
	for begun := time.Now(); len(sites) < 3; time.Sleep(10 * time.Millisecond) {
		sites = address.FindAllString(out.String(), 3)
		if len(ended) > 0 || time.Since(begun) > 20*time.Second {
			t.Fatalf("no addresses after %v: %q", time.Since(begun), out)
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, guide: sites[0], panel: sites[1], desk: sites[2], used: map[string]bool{},
		web: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

// A page is an answer after all redirections.
type page struct {
	v      *visitor
	url    *url.URL
	status int
	header http.Header
	body   string
	text   string // what a reader sees
}

func (v *visitor) do(req *http.Request, err error) page {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	resp, err := v.web.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	p := page{v: v, url: resp.Request.URL, status: resp.StatusCode, header: resp.Header, body: string(body)}
	p.text = textOf(p.node(nil))
	return p
}

func (v *visitor) get(address string) page {
	v.t.Helper()
	return v.do(http.NewRequestWithContext(v.t.Context(), "GET", address, nil))
}

func (v *visitor) post(address string, form url.Values) page {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), "POST", address, strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return v.do(req, err)
}

// must stops the test if the page is not what it should be.
func (p page) must(status int, texts ...string) page {
	p.v.t.Helper()
	if p.status != status {
		p.v.t.Fatalf("%s: status %d, want %d:\n%s", p.url, p.status, status, p.text)
	}
	for _, text := range texts {
		if !strings.Contains(p.text, text) {
			p.v.t.Fatalf("%s: no %q in:\n%s", p.url, text, p.text)
		}
	}
	return p
}

// submit fills in the form whose action ends with action ("" is the page's own)
// and sends it. filled are names and values.
func (p page) submit(action string, filled ...string) page {
	p.v.t.Helper()
	form := p.node(func(n *html.Node) bool {
		got := attr(n, "action")
		return n.Data == "form" && attr(n, "method") == "post" && (got == action || action != "" && strings.HasSuffix(got, action))
	})
	if form == nil {
		p.v.t.Fatalf("%s: no form %q in:\n%s", p.url, action, p.text)
	}
	values := url.Values{}
	walk(form, func(n *html.Node) {
		switch {
		case n.Data == "input" && attr(n, "type") != "radio" && attr(n, "type") != "checkbox":
			values.Add(attr(n, "name"), attr(n, "value"))
		case n.Data == "textarea":
			values.Add(attr(n, "name"), textOf(n))
		}
	})
	for i := 0; i < len(filled); i += 2 {
		values.Set(filled[i], filled[i+1])
	}
	to, err := p.url.Parse(attr(form, "action"))
	if err != nil {
		p.v.t.Fatal(err)
	}
	return p.v.post(to.String(), values)
}

// node returns the first element that fits, the document for nil.
func (p page) node(fits func(*html.Node) bool) *html.Node {
	p.v.t.Helper()
	doc, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		p.v.t.Fatal(err)
	}
	if fits == nil {
		return doc
	}
	var found *html.Node
	walk(doc, func(n *html.Node) {
		if found == nil && n.Type == html.ElementNode && fits(n) {
			found = n
		}
	})
	return found
}

func walk(n *html.Node, f func(*html.Node)) {
	f(n)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, f)
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	walk(n, func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	})
	return b.String()
}

// code reads a code from a phone that was not typed before. When both on the
// screen were, it waits for the next, as a person does.
func (v *visitor) code(device string) string {
	v.t.Helper()
	for begun := time.Now(); time.Since(begun) < 40*time.Second; time.Sleep(500 * time.Millisecond) {
		card := v.get(v.guide + "/phone").must(200).node(func(n *html.Node) bool { return attr(n, "id") == device })
		var codes []string
		walk(card, func(n *html.Node) {
			if c := attr(n, "class"); (strings.HasPrefix(c, "digits") || strings.HasPrefix(c, "next")) && len(codes) < 2 {
				codes = append(codes, textOf(n))
			}
		})
		for _, c := range codes {
			if !v.used[device+c] {
				v.used[device+c] = true
				return c
			}
		}
		if len(codes) == 0 {
			v.t.Fatalf("nothing is set up on the phone %s", device)
		}
	}
	v.t.Fatalf("the phone %s shows no new code", device)
	return ""
}

// until asks again and again until it is so.
func (v *visitor) until(what string, so func() bool) {
	v.t.Helper()
	for begun := time.Now(); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > 15*time.Second {
			v.t.Fatalf("not so after 15 s: %s", what)
		}
	}
}

// A letter is one entry of the list of outgoing mail.
type letter struct{ to, subject, text, link string }

// letters reads the outgoing mail, the newest first.
func (v *visitor) letters() []letter {
	v.t.Helper()
	var all []letter
	walk(v.get(v.guide+"/mail").must(200).node(nil), func(n *html.Node) {
		if n.Data != "details" || attr(n, "class") != "letter" {
			return
		}
		var l letter
		walk(n, func(n *html.Node) {
			switch {
			case n.Data == "summary":
				l.subject = textOf(n.LastChild)
			case strings.HasPrefix(attr(n, "class"), "to "):
				l.to = textOf(n)
			case n.Data == "pre":
				l.text = textOf(n)
			case n.Data == "a" && strings.Contains(attr(n, "href"), "/r/"):
				l.link = attr(n, "href")
			}
		})
		if strings.Contains(l.subject, "(RST-") { // others tell users of their own phones
			all = append(all, l)
		}
	})
	return all
}

// letter returns the newest letter to an address with that in its subject.
func (v *visitor) letter(to, subject string) letter {
	v.t.Helper()
	var found letter
	v.until("a letter to "+to+" about "+subject, func() bool {
		for _, l := range v.letters() {
			if l.to == to && strings.Contains(l.subject, subject) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}
