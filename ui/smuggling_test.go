package ui_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// smuggled is the request that hides in another one. No server may answer it.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: reset.example\r\nX: x"

// A backEnd is the pages behind a real server. It notes what came through, by
// connection, and says in each answer which request it is for.
type backEnd struct {
	*house
	addr   string
	cookie string // of an admin
	mu     sync.Mutex
	seen   map[string][]string // remote address -> requests
}

// startBackEnd is out of the bubble: sockets are real here.
func startBackEnd(t *testing.T) *backEnd {
	t.Helper()
	b := &backEnd{house: newHouse(t, t.TempDir()), seen: map[string][]string{}}
	b.cookie = "__Host-resetdesk=" + b.signInNow("rita", review.Admin).session()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := ui.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := r.Method + " " + r.RequestURI
		b.mu.Lock()
		b.seen[r.RemoteAddr] = append(b.seen[r.RemoteAddr], request)
		b.mu.Unlock()
		w.Header().Set("Seen", url.QueryEscape(request))
		b.pages.ServeHTTP(w, r)
	}), log.New(io.Discard, "", 0))
	server.ConnState = func(c net.Conn, to http.ConnState) {
		if to == http.StateNew { // ports come again
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.seen, c.RemoteAddr().String())
		}
	}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	b.addr = l.Addr().String()
	return b
}

// signInNow is signIn without a pause.
func (h *house) signInNow(name string, role review.Role) *browser {
	h.t.Helper()
	ctx := h.t.Context()
	token, err := h.desk.Invite(ctx, "host", name+"@host.example", name, role)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := h.desk.AcceptInvitation(ctx, token, password)
	if err != nil {
		h.t.Fatal(err)
	}
	h.enroll(r.Holder)
	b := h.browser()
	b.post("/sign-in", "email", r.Email, "password", password, "code", code(h.t, h.phone[r.Holder], nextStep())).leads(h.t, "/")
	return b
}

// requests are what came through on a connection, or on all of them.
func (b *backEnd) requests(remote string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for addr, seen := range b.seen {
		if remote == "" || remote == addr {
			all = append(all, seen...)
		}
	}
	return all
}

// wire writes raw bytes and reads what comes back until the other side closes or
// is silent. It returns the address it came from.
func wire(t *testing.T, addr, raw string, patience time.Duration) (local, answer string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, raw) // who is refused early may not read it all
	var got bytes.Buffer
	for buffer := make([]byte, 16<<10); ; {
		c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(buffer)
		got.Write(buffer[:n])
		if err != nil {
			return c.LocalAddr().String(), got.String()
		}
	}
}

// A trick is a request with another one inside: the lines of its header behind
// Host and Cookie, what follows them, and the version it says.
type trick struct{ name, lines, body, version string }

const chunkEnd = "0\r\n\r\n"

// tricks are the known ways to let two servers disagree on where a request ends.
func tricks() (all []trick) {
	add := func(name, lines, body string) { all = append(all, trick{name, lines, body, "HTTP/1.1"}) }
	whole := fmt.Sprintf("Content-Length: %d\r\n", len(chunkEnd+smuggled+"\r\n\r\n"))
	first := fmt.Sprintf("%x\r\n", len(smuggled)+4)
	chunked := first + smuggled + "\r\n\r\n\r\n" + chunkEnd
	add("CL.0", fmt.Sprintf("Content-Length: %d\r\n", len(smuggled)+4), smuggled+"\r\n\r\n")
	add("CL.TE", whole+"Transfer-Encoding: chunked\r\n", chunkEnd+smuggled+"\r\n\r\n")
	add("TE.CL", fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: %d\r\n", len(first)), chunked)
	for _, te := range []string{"Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding:\tchunked", "Transfer-Encoding:\vchunked", "Transfer-Encoding: chunked\v", "X: x\nTransfer-Encoding: chunked", "X: x\rTransfer-Encoding: chunked", "Transfer-Encoding\r\n : chunked",
		"Transfer-Encoding:\r\n chunked", "X: x\r\n Transfer-Encoding: chunked", "transfer-encoding: CHUNKED", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, chunked",
		`Transfer-Encoding: "chunked"`, "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: chunked\x00", "Transfer-\x00Encoding: chunked", "Transfer-Encoding: ,chunked", "Transfer-Encoding:", "Transfer_Encoding: chunked", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"} {
		add("TE.TE "+te, whole+te+"\r\n", chunkEnd+smuggled+"\r\n\r\n")
	}
	n := len(smuggled) + 4
	for _, cl := range []string{"Content-Length: 0\r\nContent-Length: %d", "Content-Length: %d\r\nContent-Length: 0", "Content-Length: %d, 0", "Content-Length: +%d", "Content-Length: 0x%x", "Content-Length : %d", "Content-Length: %d\x00",
		"Content-Length: -%d", "Content-Length: 0%d", "Content-Length: %d 0", "Content-Length:\r\n %d", "Content-Length: 184467440737095516%d", "Connection: Content-Length\r\nContent-Length: %d", "Expect: 100-continue\r\nContent-Length: %d",
		"Expect: y 100-continue\r\nContent-Length: %d", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: %d"} {
		add(cl, fmt.Sprintf(cl, n)+"\r\n", smuggled+"\r\n\r\n")
	}
	for _, c := range []string{"1\nx\n0\n\n", "1;a\nx\r\n" + chunkEnd, "1;a=\"\n\"\r\nx\r\n" + chunkEnd, "10000000000000001\r\nx\r\n" + chunkEnd, "-1\r\nx\r\n" + chunkEnd, "0x1\r\nx\r\n" + chunkEnd, "+1\r\nx\r\n" + chunkEnd, "1 \r\nx\r\n" + chunkEnd,
		"1\r\nxXX" + chunkEnd, "1\r\nx" + chunkEnd, "0\n\n", "0\r\n\rX", "0\r\n\n", "0\r\nContent-Length: 500\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n", "0;" + strings.Repeat("x", 20000) + "\r\n\r\n", "000000000000000000\r\n\r\n"} {
		add("chunk "+c[:min(len(c), 40)], "Transfer-Encoding: chunked\r\n", c+smuggled+"\r\n\r\n")
	}
	all = append(all, trick{"HTTP/1.0 with chunks", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n" + whole, chunkEnd + smuggled + "\r\n\r\n", "HTTP/1.0"},
		trick{"two versions", "X: x\r\n", "", "HTTP/1.1 HTTP/1.1"}, trick{"no version", "X: x\r\n", "", ""}, trick{"version 3", "X: x\r\n", "", "HTTP/3.0"})
	return all
}

func (x trick) raw(method, path, cookie string) string {
	return strings.TrimRight(method+" "+path+" "+x.version, " ") + "\r\nHost: reset.example\r\nCookie: " + cookie + "\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		x.lines + "\r\n" + x.body
}

// No request hides another one, at any route: a proxy in front that reads the first
// one otherwise than we do gets nothing past itself.
func TestNoRequestHidesAnother(t *testing.T) {
	b := startBackEnd(t)
	cells := newTally(t, "requests in requests")
	token := strings.Repeat("0", 52)
	fill := strings.NewReplacer("{number}", "RST-000000", "{id}", "2", "{token}", token, "{file}", "desk.css", "*", "start", "{session}", "0123456789abcdef", "{step}", "address")
	var wait sync.WaitGroup
	places := make(chan bool, 64)
	var mu sync.Mutex
	for i, route := range sortedRoutes() {
		method, path, _ := strings.Cut(fill.Replace(route), " ")
		cookie := b.cookie
		if last(route) == 1 || path == "/events" { // which would stay open
			cookie = "x=y"
		}
		for j, x := range tricks() {
			if method == "GET" && (i+j)%4 != 0 { // none of them reads a body
				continue
			}
			places <- true
			wait.Go(func() {
				defer func() { <-places }()
				from, _ := wire(t, b.addr, x.raw(method, path, cookie), 50*time.Millisecond)
				seen := b.requests(from)
				mu.Lock()
				defer mu.Unlock()
				cells.ask(route, "admin", x.name)
				if len(seen) > 1 || len(seen) == 1 && strings.Contains(seen[0], "smuggled") {
					cells.errorf("%s, %q: came through as %q", route, x.name, seen)
				}
			})
		}
	}
	wait.Wait()
	cells.end(4000)
}
