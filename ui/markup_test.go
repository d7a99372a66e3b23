package ui_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"golang.org/x/net/html"
)

// planted closes whatever it may stand in and opens what nobody wrote; it ends with
// a character that turns what follows around.
const planted = `"'><x55 onx55=1></title></script>` + "\u202e"

// plant writes it wherever somebody else than us can write, and returns a browser
// with the role admin and the case.
func (h *house) plant() (*browser, review.Reviewer, string) {
	h.t.Helper()
	ctx, quoted := h.t.Context(), strings.ReplaceAll(planted, `"`, `""`)
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.importFile(strings.NewReplacer("ACME GmbH", `"ACME `+quoted+`"`, ",jane,", `,"jane""'><x55/onx55=1>",`, "U-3", `"U-3""'><x55/onx55=1>"`).Replace(accountsFile))
	h.enroll("U-2")
	time.Sleep(time.Minute)
	must(h.desk.AddSignal(ctx, "U-2", review.Signal{Kind: review.LoginFailed, IP: "192.0.2.9", Agent: planted}))
	key, _, err := h.desk.AddAPIKey(ctx, review.APIKey{Name: planted, Scopes: review.Scopes, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	must(err)
	hook, _, err := h.desk.AddWebhook(ctx, key, "https://hook.example/"+url.PathEscape(planted)+`?'"><x55%20onx55=1>`, nil)
	must(err)
	must(h.desk.TestWebhook(ctx, key, hook.ID))
	raw := fmt.Sprintf("From: \"%[1]s\" <anna@acme.example>\nTo: %[1]s <support@host.example>\nReply-To: %[1]s <x@evil.example>\nSubject: 2FA reset for jane %[1]s\nDate: %[2]s\nMessage-ID: <%[1]s@example>\n"+
		"Received: from %[1]s by mx.example; %[2]s\nX-Mailer: %[1]s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<p>%[3]s %[4]s <a href=\"https://evil.example/%[4]s\">https://bank.example/%[4]s</a> <span style=\"display:none\">%[4]s</span></p>\n"+
		"--b\nContent-Type: application/x-%[1]s; name=\"%[5]s.pdf\"\nContent-Disposition: attachment; filename=\"%[5]s.pdf\"\n\nx\n--b--\n",
		planted, time.Now().Format(time.RFC1123Z), lostPhone, html.EscapeString(planted), strings.ReplaceAll(planted, `"`, `\"`))
	h.receive(strings.ReplaceAll(raw, "\n", "\r\n")) // for the quarantine
	_, raw, _ = strings.Cut(raw, "\n")
	h.receive(strings.ReplaceAll(fmt.Sprintf("From: \"%s\" <anna@acme.example>\n%s", strings.ReplaceAll(planted, `"`, `\"`), raw), "\n", "\r\n"))
	number := h.text(`SELECT number FROM reset_case`)
	h.deliver(`"`+strings.ReplaceAll(planted, `"`, `\"`)+`" <anna@acme.example>`, "Invoice "+planted, planted)
	h.deliver("stranger@evil.example", "2fa reset "+planted, lostPhone+planted)
	h.deliver("support@host.example", "2fa reset "+planted, lostPhone+planted)
	must(h.desk.AddNote(ctx, key, number, planted))
	_, err = h.desk.OpenFromPanel(ctx, key, review.PanelRequest{Account: "A-2002", User: "U-4", Note: planted, IP: "192.0.2.7", Agent: planted})
	must(err)
	if l, ok, err := h.desk.Claim(ctx); err == nil && ok {
		must(h.desk.AtDot(ctx, l.ID, l.Attempt))
		must(h.desk.Failed(ctx, l.ID, l.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "550 " + planted}))
	}
	h.work()

	rita, r := h.signIn("rita", review.Admin)
	for _, name := range []string{"ina", "sam"} {
		token, err := h.desk.Invite(ctx, "host", name+"@host.example", name+strings.TrimSuffix(planted, "\u202e"), review.Admin)
		must(err)
		who, err := h.desk.AcceptInvitation(ctx, token, password)
		must(err)
		h.enroll(who.Holder)
		b := h.browser()
		q := b.request("POST", "/sign-in", url.Values{"email": {name + "@host.example"}, "password": {password}, "code": {h.fresh(who.Holder)}})
		q.Header.Set("User-Agent", planted)
		b.do(q).leads(h.t, "/")
		b.post("/cases/"+number+"/claim", "note", planted).leads(h.t, "/cases/"+number)
		b.post("/settings/reviewers/1/reset", "reason", planted, "code", h.fresh(who.Holder))
	}
	version := func() string { return h.text(`SELECT version FROM reset_case WHERE number = '` + number + `'`) }
	rita.post("/views", "name", planted, "query", "q="+url.QueryEscape(planted)+"&account="+url.QueryEscape(planted))
	rita.post("/cases/"+number+"/evidence-callback", "version", version(), "class", "unknown", "note", planted).leads(h.t, "/cases/"+number)
	rita.post("/cases/"+number+"/freeze", "version", version(), "until", "2001-01-01T00:00", "note", planted)
	rita.post("/cases/"+number+"/hold", "version", version(), "note", planted).leads(h.t, "/cases/"+number)
	rita.post("/accounts/A-1001/erase", "reason", planted).leads(h.t, "/accounts/A-1001")
	rita.post("/settings/threat", "turn", "on", "reason", planted, "code", h.fresh(r.Holder)).leads(h.t, "/settings/threat")
	return rita, r, number
}

// A reader of pages notes what a browser would make of them.
type reader struct {
	t     *testing.T
	shown int             // pages with the planted text as text
	seen  map[string]bool // addresses of the desk
	next  []string
}

// read takes a page apart and reports what obeys the planted text.
func (p *reader) read(where, page string) {
	p.t.Helper()
	if strings.Contains(page, "x55") {
		p.shown++
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		p.t.Fatal(err)
	}
	for n := range doc.Descendants() {
		// What the reader typed comes back as it was.
		if n.Type == html.TextNode && strings.Contains(n.Data, "\u202e") && n.Parent.Data != "textarea" && !(n.Parent.Data == "pre" && strings.HasPrefix(where, "POST ")) {
			p.t.Errorf("%s is turned around: %q", where, n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if strings.Contains(n.Data, "x55") || n.Data == "script" && n.FirstChild != nil || slices.Contains([]string{"style", "iframe", "object", "embed", "base", "img"}, n.Data) {
			p.t.Errorf("%s has an element %s", where, n.Data)
		}
		for _, a := range n.Attr {
			p.attribute(where, n.Data, a)
		}
	}
}

func (p *reader) attribute(where, element string, a html.Attribute) {
	p.t.Helper()
	if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.ContainsAny(a.Key, `"'<>`) || strings.Contains(a.Key, "x55") {
		p.t.Errorf("%s has an attribute %s on %s", where, a.Key, element)
	}
	if !slices.Contains([]string{"href", "src", "action", "formaction", "data-here", "poster", "xlink:href", "srcset"}, a.Key) {
		return
	}
	u, err := url.Parse(a.Val)
	if err != nil || u.Host != "" || u.Opaque != "" || u.Scheme != "" && u.Scheme != "tel" && u.Scheme != "otpauth" {
		p.t.Errorf("%s leads away: %s=%q", where, a.Key, a.Val)
		return
	}
	if a.Key == "href" && element == "a" && strings.HasPrefix(a.Val, "/") && !p.seen[a.Val] {
		p.seen[a.Val] = true
		p.next = append(p.next, a.Val)
	}
}

// What strangers write is text on every page that a link leads to, on every form that
// comes back, in every file that is taken out, and on the owner's pages.
func TestPlantedMarkupIsText(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _, number := h.plant()
		p := &reader{t: t, seen: map[string]bool{}, next: []string{"/", "/?tab=held", "/?tab=parked", "/?tab=quarantine", "/?q=" + url.QueryEscape(planted), "/?account=" + url.QueryEscape(planted), "/audit",
			"/audit?actor=" + url.QueryEscape(planted), "/accounts?q=" + url.QueryEscape(planted), "/numbers", "/attack", "/settings", "/profile", "/settings/webhooks/1", "/nowhere/" + url.PathEscape(planted),
			"/sign-in?next=" + url.QueryEscape("//evil.example/"+planted), "/settings/mail?days=" + url.QueryEscape(planted), "/settings/letters?in=" + url.QueryEscape(planted)}}
		pages := 0
		for len(p.next) > 0 && pages < 400 {
			path := p.next[0]
			p.next = p.next[1:]
			a := rita.get(path)
			pages++
			if a.status >= 500 {
				t.Errorf("%s: %d", path, a.status)
			}
			if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				p.read(path, a.body)
			} else if kind := a.header.Get("Content-Type"); strings.Contains(a.body, "<x55") && !strings.HasPrefix(kind, "text/plain") && a.header.Get("Content-Disposition") == "" {
				t.Errorf("%s serves it as %s", path, kind)
			}
		}
		// Forms that come back keep what was typed.
		forms := 0
		for _, act := range []string{"approve", "reject", "hold", "resume", "close", "ask", "resolve", "pass", "unfreeze", "claim", "release", "freeze", "thaw", "evidence-callback", "evidence-colleague"} {
			a := rita.post("/cases/"+number+"/"+act, "version", "1", "account", planted, "reason", planted, "note", planted, "class", planted, "other", planted, "until", planted, "code", planted, "choice", "user:"+planted)
			if a.status != http.StatusSeeOther {
				p.read("POST "+act, a.body)
				forms++
			}
		}
		for _, path := range []string{"/settings/threat", "/settings/api/new", "/settings/reviewers/new", "/settings/reviewers/2/reset", "/settings/reviewers/2/role", "/profile/password", "/profile/passkeys/new",
			"/bulk", "/views", "/audit/export", "/accounts/A-1001/erase", "/sign-in", "/sign-in/factor"} {
			a := rita.post(path, "turn", "off", "name", planted, "email", planted, "reason", "", "role", planted, "code", planted, "password", planted, "again", "x", "old", planted, "act", "not_a_request", "case", planted+":1",
				"from", planted, "networks", planted, "days", planted, "scope", planted, "back", "/?"+planted, "query", planted, "format", "csv", "next", "//evil.example/"+planted)
			if to := a.header.Get("Location"); to != "" && (strings.HasPrefix(to, "//") || !strings.HasPrefix(to, "/")) {
				t.Errorf("%s leads to %q", path, to)
			}
			if a.status != http.StatusSeeOther {
				p.read("POST "+path, a.body)
				forms++
			}
		}
		for _, to := range []string{"anna@acme.example"} {
			p.read("the owner's page of "+to, h.browser().get("/r/"+h.link(to)).want(t, 200).body)
		}
		for _, l := range h.letters {
			if strings.Contains(l.text, "<x55") && strings.Contains(l.text, "text/html") && strings.Contains(l.text[strings.LastIndex(l.text, "text/html"):], "<x55") {
				t.Errorf("the letter to %s obeys it", l.to)
			}
		}
		p.pack(rita.post("/cases/"+number+"/pack").want(t, 200))
		if p.shown < 30 {
			t.Errorf("the text is shown on %d pages only", p.shown)
		}
		t.Logf("%d pages and %d forms, %d of them with the text", pages, forms, p.shown)
	}, withRules, withAuditKey)
}

func withAuditKey(c *review.Config) {
	text, err := chain.NewKey("reset.example")
	if err == nil {
		c.AuditKey, err = chain.ParseKey(text)
	}
	if err != nil {
		panic(err)
	}
}

// pack reads the report of an evidence pack: it leads nowhere.
func (p *reader) pack(a answer) {
	p.t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(a.body)), int64(len(a.body)))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range z.File {
		if strings.ContainsAny(f.Name, `\:`) || strings.HasPrefix(f.Name, "/") || strings.Contains(f.Name, "..") {
			p.t.Errorf("the pack has a file %q", f.Name)
		}
		if f.Name != "report.html" {
			continue
		}
		in, err := f.Open()
		if err != nil {
			p.t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			p.t.Fatal(err)
		}
		links := len(p.seen)
		p.readReport(string(text))
		if len(p.seen) != links {
			p.t.Error("the report has links")
		}
	}
}

// readReport is read but for the style sheet, which a report carries with it.
func (p *reader) readReport(text string) {
	before, rest, found := strings.Cut(text, "<style>")
	if _, after, ok := strings.Cut(rest, "</style>"); found && ok {
		text = before + after
	}
	p.read("report.html", text)
}
