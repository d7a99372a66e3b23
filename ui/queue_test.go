package ui_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// Filters are in the address, chips take them away one by one, and a reviewer
// keeps them as a view, which Undo brings back.
func TestFiltersAndViews(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		rita, _ := h.signIn("rita", review.Admin)
		sam, _ := h.signIn("sam", review.Viewer)
		rita.get("/").want(t, 200, number, "data-since=")
		rita.get("/?risk=high&verdict=unverified").want(t, 200, number, "High risk", "Clear all", `href="/?tab=review&amp;verdict=unverified"`)
		if strings.Contains(rita.get("/?risk=low").body, number) {
			t.Error("a case of high risk is listed as low")
		}
		rita.get("/?q="+number+"&risk=low").want(t, 200, "Nothing matches")
		rita.get("/?account=A-1001").want(t, 200, number, "Account A-1001")
		rita.post("/views", "query", "risk=high&after=1_2_3", "name", " High  ones ").leads(t, "/?risk=high")
		rita.get("/").want(t, 200, "Views (1)", "High ones", `href="/?risk=high"`)
		if strings.Contains(sam.get("/").body, "High ones") {
			t.Error("a view is shown to somebody else")
		}
		rita.post("/views", "query", "risk=high", "name", "").want(t, http.StatusUnprocessableEntity)
		rita.post("/views/remove", "name", "High ones").leads(t, "/")
		gone := rita.get("/").want(t, 200, "is removed", `action="/views"`, "Undo", `value="risk=high"`)
		if strings.Contains(gone.body, "Views (1)") {
			t.Error("the view is still there")
		}
		rita.post("/views", "name", "High ones", "query", "risk=high").leads(t, "/?risk=high")
		rita.get("/").want(t, 200, "Views (1)")
	})
}

// Several cases are closed after a second look, each by its own version; none is
// approved that way.
func TestBulk(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		h.deliver("piet@beta.example", "2FA reset sanne", lostPhone)
		other := h.text(`SELECT number FROM reset_case WHERE number <> '` + number + `'`)
		rita, _ := h.signIn("rita", review.Admin)
		rita.get("/").want(t, 200, `value="`+number+`:1"`, "close as not a request")
		if strings.Contains(rita.get("/").body, `<option value="approve`) {
			t.Error("cases can be approved in bulk")
		}
		for _, act := range []string{"approve", "cleared", ""} {
			rita.post("/bulk", "act", act, "case", number+":1", "sure", "1").want(t, http.StatusBadRequest)
		}
		rita.post("/bulk", "act", "not_a_request").leads(t, "/")
		asked := rita.post("/bulk", "act", "not_a_request", "case", number+":1", "case", other+":1", "back", "/?tab=review")
		asked.want(t, 200, number, other, "Nobody is mailed", "Cancel")
		if h.text(`SELECT count(*) FROM reset_case WHERE state = 'open'`) != "2" {
			t.Error("cases are closed without asking")
		}
		rita.post("/bulk", "act", "not_a_request", "sure", "1", "case", number+":1", "case", other+":7", "back", "//evil.example").leads(t, "/")
		rita.get("/").want(t, 200, "1 closed", "Left as they are", other)
		rita.post("/bulk", "act", "duplicate", "sure", "1", "case", other+":1").want(t, http.StatusUnprocessableEntity, "the case that goes on")
		rita.get("/?claim=none").want(t, 200, other)
		rita.post("/bulk", "act", "claim", "case", other+":1").leads(t, "/")
		rita.get("/?tab=mine").want(t, 200, "Claimed: "+other, "Undo", `class="claim"`)
		if strings.Contains(rita.get("/?claim=none").body, ">"+other+"<") {
			t.Error("a claimed case is listed as nobody's")
		}
		rita.get("/?claim=mine").want(t, 200, ">"+other+"<")
		if got := h.text(`SELECT state FROM reset_case WHERE number = '` + number + `'`); got != "not_a_request" {
			t.Errorf("the case is %s", got)
		}
	})
}

// Keys and times go with the reviewer, colours stay with the browser.
func TestDisplay(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		rita.get("/").want(t, 200, `<body data-keys data-clock="local">`)
		rita.post("/profile/display", "theme", "dark", "keys", "off", "times", "utc").leads(t, "/profile")
		page := rita.get("/").want(t, 200, `data-theme="dark"`, `content="dark"`)
		if strings.Contains(page.body, "data-keys") || strings.Contains(page.body, "data-clock") {
			t.Error("the keys are still on, or the times still local")
		}
		if got := h.text(`SELECT keys || '/' || utc FROM reviewer WHERE name = 'rita'`); got != "0/1" {
			t.Errorf("kept as %s", got)
		}
		rita.post("/profile/display", "theme", `"><script>`, "keys", "on").leads(t, "/profile")
		if page := rita.get("/"); strings.Contains(page.body, "data-theme") {
			t.Error("a theme that is none is shown")
		}
	})
}

// A listener is an open page's stream.
type listener struct {
	lines chan string
	stop  context.CancelFunc
}

// listen opens a stream inside the bubble.
func (b *browser) listen(t *testing.T, at string) (*listener, int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	w := &pipedWriter{header: http.Header{}, pipe: in, status: make(chan int, 1)}
	r := b.request("GET", at, url.Values{}).WithContext(ctx)
	for _, c := range b.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	r.RemoteAddr = "192.0.2.7:4711"
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	handler := b.client.Transport.(direct).Handler
	if r.Body == nil {
		r.Body = http.NoBody
	}
	go func() { handler.ServeHTTP(w, r); in.Close() }()
	l := &listener{make(chan string, 1000), stop}
	go func() {
		defer close(l.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			if s.Text() != "" {
				l.lines <- s.Text()
			}
		}
	}()
	return l, <-w.status
}

type pipedWriter struct {
	header http.Header
	pipe   *io.PipeWriter
	status chan int
}

func (w *pipedWriter) Header() http.Header         { return w.header }
func (w *pipedWriter) WriteHeader(status int)      { w.status <- status }
func (w *pipedWriter) Write(b []byte) (int, error) { return w.pipe.Write(b) }
func (w *pipedWriter) Flush()                      {}

// data waits for the next news; beats are passed over.
func (l *listener) data(t *testing.T) string {
	t.Helper()
	for line := range l.lines {
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			return text
		}
	}
	return "the stream ended"
}

// A page hears what is new, whoever looks at the same case, and nothing after its
// session ended; it keeps nobody signed in, and too many are refused.
func TestEvents(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, _ := h.request()
		rita, _ := h.signIn("rita", review.Admin)
		sam, _ := h.signIn("sam", review.Decider)
		time.Sleep(time.Second)
		since := h.text(`SELECT max(entered_at) FROM case_summary`)
		queue, status := rita.listen(t, "/events?tab=review&since="+since)
		if got := queue.data(t); status != 200 || got != `{"new":0,"review":1,"viewers":[]}` {
			t.Errorf("%d, %s", status, got)
		}
		h.deliver("piet@beta.example", "2FA reset sanne", lostPhone)
		if got := queue.data(t); got != `{"new":1,"review":2,"viewers":[]}` {
			t.Errorf("a new case is told as %s", got)
		}
		page, _ := rita.listen(t, "/events?case="+number)
		if got := page.data(t); got != `{"new":0,"review":2,"version":1,"viewers":[]}` {
			t.Errorf("the case is told as %s", got)
		}
		theirs, _ := sam.listen(t, "/events?case="+number)
		if got := page.data(t); !strings.Contains(got, `"viewers":["Sam"]`) && !strings.Contains(got, `"viewers":["sam"]`) {
			t.Errorf("who looks is told as %s", got)
		}
		theirs.stop()
		if got := page.data(t); !strings.Contains(got, `"viewers":[]`) {
			t.Errorf("who left is told as %s", got)
		}
		rita.post("/cases/"+number+"/hold", "version", "1", "note", "wait").leads(t, "/cases/"+number)
		if got := page.data(t); !strings.Contains(got, `"version":2`) {
			t.Errorf("the change is told as %s", got)
		}
		var more []*listener
		for range 10 {
			l, status := sam.listen(t, "/events?tab=review")
			if more = append(more, l); status == http.StatusServiceUnavailable {
				break
			}
		}
		if len(more) != 7 {
			t.Errorf("%d streams of a session, want 6 and a refusal", len(more))
		}
		for _, l := range more {
			l.stop()
		}
		rita.post("/sign-out").leads(t, "/sign-in")
		begun := time.Now()
		for range queue.lines {
		}
		for range page.lines {
		}
		if took := time.Since(begun); took > 16*time.Second {
			t.Errorf("a stream outlives its session by %v", took)
		}
	})
}
