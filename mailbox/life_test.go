package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// tap stands between the watcher and a real server: it writes down what the watcher says, counts what crosses, and can
// cut every connection.
type tap struct {
	addr     string
	in, out  atomic.Int64 // bytes towards the watcher, and from it
	mu       sync.Mutex
	lines    []string
	conns    []net.Conn
	accepted int
}

func newTap(t testing.TB, server string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{addr: l.Addr().String()}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err != nil {
				c.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, c, s)
			p.accepted++
			p.mu.Unlock()
			go p.copy(s, c, &p.out, true)
			go p.copy(c, s, &p.in, false)
		}
	}()
	return p
}

func (p *tap) copy(to, from net.Conn, n *atomic.Int64, write bool) {
	defer to.Close()
	defer from.Close()
	var rest []byte
	buf := make([]byte, 32<<10)
	for {
		k, err := from.Read(buf)
		n.Add(int64(k))
		if write {
			rest = append(rest, buf[:k]...)
			for i := bytes.IndexByte(rest, '\n'); i >= 0; i = bytes.IndexByte(rest, '\n') {
				p.mu.Lock()
				p.lines = append(p.lines, strings.TrimRight(string(rest[:i]), "\r"))
				p.mu.Unlock()
				rest = rest[i+1:]
			}
		}
		if _, werr := to.Write(buf[:k]); werr != nil || err != nil {
			return
		}
	}
}

func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *tap) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

func (p *tap) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// colleague is somebody else at work in the same mailbox.
func colleague(t testing.TB, d *mailtest.Dovecot) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(d.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(d.User, d.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWholeLifeOnTheWire writes down all that a watcher says to a real server in a whole life: backlog, a mail that kills
// the server's process, one that cannot be read for a while, IDLE, kicks, a sweep, broken and replaced connections, a
// colleague at work. Nothing but the allowed commands is in it (promises appendix B), and each is.
func TestWholeLifeOnTheWire(t *testing.T) {
	d := dovecot(t)
	monster := append([]byte("From: a@legit.example\nSubject: 2FA "), bytes.Repeat([]byte("x"), 12<<20)...)
	drop(t, d, "1000.a.host", append(monster, "\n\nbody\n"...))
	drop(t, d, "1001.b.host", []byte{})
	drop(t, d, "1002.c.host", append([]byte("From: b@legit.example\nSubject: big 2FA\n\n"), bytes.Repeat([]byte("0123456789abcde\n"), 2<<16)...))
	for n := range 30 {
		drop(t, d, fmt.Sprintf("1003.%02d.host", n), letter(n+1))
	}
	c := colleague(t, d)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(d.MailDir, "new", "1003.09.host") // letter 10, whose body is asked for
	if found, _ := filepath.Glob(filepath.Join(d.MailDir, "cur", "1003.09.host*")); len(found) > 0 {
		closed = found[0]
	}
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	p := newTap(t, d.Addr())
	in := newShelf(t)
	conf := config(p.addr, d.User, d.Password)
	conf.Unfetchable = []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond, time.Second, time.Second, 2 * time.Second, 4 * time.Second}
	conf.Poll, conf.Reconnect = 300*time.Millisecond, time.Second
	w, stop := watch(t, conf, in)
	in.until("the backlog", func() bool { return in.count() == 33 })
	unfetchable := func() (n int) {
		for _, m := range in.all("INBOX") {
			if m.Unfetchable != "" {
				n++
			}
		}
		return n
	}
	if n := unfetchable(); n == 0 {
		t.Error("a mail that cannot be opened was read")
	}
	if err := os.Chmod(closed, 0o644); err != nil {
		t.Fatal(err)
	}
	in.until("the mail that could not be read", func() bool {
		for _, m := range in.all("INBOX") {
			if bytes.Contains(m.Raw, []byte("<m10@legit.example>")) {
				return true
			}
		}
		return false
	})
	if err := d.Deliver(some(40, 45)...); err != nil {
		t.Fatal(err)
	}
	in.until("new mail", func() bool { return in.count() == 39 })
	flags := imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen, imap.FlagFlagged}, Silent: true}
	if err := c.Store(imap.UIDSetNum(5, 6, 7), &flags, nil).Close(); err != nil {
		t.Fatal(err)
	}
	before := p.connections()
	p.cut()
	w.Sweep()
	in.until("a new connection, and a sweep", func() bool { return p.connections() > before+1 && !w.Status().Folders[0].LastSweep.IsZero() })
	w.Kick()
	in.until("a connection that was replaced", func() bool {
		return slices.ContainsFunc(p.said(), func(l string) bool { return mailtest.Verb(l) == "LOGOUT" })
	})
	stop()
	said := p.said()
	checkTranscript(t, said)
	seen := map[string]int{}
	for _, l := range said {
		seen[mailtest.Verb(l)]++
		if strings.Contains(strings.ToUpper(l), "FETCH") && !strings.Contains(l, "BODY.PEEK[") {
			t.Errorf("a body is asked for without PEEK: %q", l)
		}
	}
	for _, verb := range []string{"AUTHENTICATE", "EXAMINE", "UID SEARCH", "UID FETCH", "IDLE", "DONE", "LOGOUT"} {
		if seen[verb] == 0 {
			t.Errorf("%s is not in the transcript, so it shows nothing: %v", verb, seen)
		}
	}
	t.Logf("%d lines in %d connections: %v", len(said), p.connections(), seen)
	if strings.Count(census(t, d), "S ") > 3 {
		t.Errorf("mails are marked as seen:\n%s", census(t, d))
	}
}

// TestColleagues reads two folders of a real server while somebody flags, moves and deletes: what was moved is found in
// one folder or the other, and only what was deleted may be missing (promises 6 row 13).
func TestColleagues(t *testing.T) {
	d := dovecot(t)
	const first, all = 300, 600
	if err := d.Deliver(some(1, first)...); err != nil {
		t.Fatal(err)
	}
	if err := d.DeliverTo("Done"); err != nil { // makes the folder
		t.Fatal(err)
	}
	in := newShelf(t)
	conf := config(d.Addr(), d.User, d.Password)
	conf.Folders, conf.Dedicated, conf.Unfetchable = []string{"INBOX", "Done"}, true, []time.Duration{}
	watch(t, conf, in)
	in.until("the folder", func() bool { return in.cursor("Done").UIDValidity != 0 })

	c := colleague(t, d)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	deleted := map[string]bool{}
	for n := first + 1; n <= all; n += 20 {
		if err := d.Deliver(some(n, n+19)...); err != nil {
			t.Fatal(err)
		}
		data, err := c.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		uids := data.AllUIDs()
		rng.Shuffle(len(uids), func(i, j int) { uids[i], uids[j] = uids[j], uids[i] })
		some := imap.UIDSetNum(uids[:20]...)
		if err := c.Store(some, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}, Silent: true}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Move(imap.UIDSetNum(uids[20:30]...), "Done").Wait(); err != nil {
			t.Fatal(err)
		}
		gone := imap.UIDSetNum(uids[30:33]...)
		for _, m := range collect(t, c, gone) {
			deleted[m] = true
		}
		if err := c.Store(gone, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.UIDExpunge(gone).Close(); err != nil {
			t.Fatal(err)
		}
	}
	have := func() map[string]bool {
		ids := map[string]bool{}
		for _, folder := range []string{"INBOX", "Done"} {
			for _, m := range in.all(folder) {
				ids[messageID(append(m.Header, m.Raw...))] = true
			}
		}
		return ids
	}
	var lost []int
	in.until("every mail that was not deleted", func() bool {
		ids := have()
		lost = nil
		for n := 1; n <= all; n++ {
			if id := fmt.Sprintf("<m%d@legit.example>", n); !ids[id] && !deleted[id] {
				lost = append(lost, n)
			}
		}
		return len(lost) == 0
	})
	unread, known := 0, 0
	for _, folder := range []string{"INBOX", "Done"} {
		for _, m := range in.all(folder) {
			if known++; m.Unfetchable != "" {
				unread++
			}
		}
	}
	t.Logf("%d rows of %d mails, %d deleted by the colleague, %d gone before their body was read", known, all, len(deleted), unread)
}

func messageID(b []byte) string {
	_, rest, _ := bytes.Cut(b, []byte("Message-ID: "))
	id, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(id)
}

// collect returns the Message-IDs of mails.
func collect(t testing.TB, c *imapclient.Client, set imap.UIDSet) (ids []string) {
	t.Helper()
	got, err := c.Fetch(set, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Specifier: imap.PartSpecifierHeader, Peek: true}}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		ids = append(ids, messageID(m.BodySection[0].Bytes))
	}
	return ids
}

// TestSteadyState holds the price of a poll of a mailbox that has nothing new, whatever its size: at most two round trips
// and 1 KB on the wire, both ways (performance page).
func TestSteadyState(t *testing.T) {
	for _, mails := range []int{10, 2000} {
		d := dovecot(t)
		hoard(t, d, mails)
		p := newTap(t, d.Addr())
		var in counted
		c := config(p.addr, d.User, d.Password)
		c.Poll = 100 * time.Millisecond
		w := &mailbox.Watcher{Config: c, Inbox: &in}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		wait := func(what string, ok func() bool) {
			t.Helper()
			for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("waited in vain: %s", what)
				}
			}
		}
		polls := func() (n int) {
			for _, l := range p.said() {
				if mailtest.Verb(l) == "EXAMINE" {
					n++
				}
			}
			return n
		}
		wait("the backlog", func() bool { return in.resumed.Load() >= 3 && int(in.uid.Load()) == mails })
		from, bytesIn, bytesOut, lines := polls(), p.in.Load(), p.out.Load(), len(p.said())
		wait("20 polls", func() bool { return polls() >= from+20 })
		n := int64(polls() - from)
		each, said := (p.in.Load()-bytesIn+p.out.Load()-bytesOut)/n, p.said()[lines:]
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		// A round of IDLE and DONE, and one of EXAMINE: two answers are waited for.
		turns := 0
		for _, l := range said {
			if v := mailtest.Verb(l); v != "DONE" {
				turns++
				if v != "IDLE" && v != "EXAMINE" {
					t.Errorf("in a steady state: %q", l)
				}
			}
		}
		t.Logf("%d mails: %d polls, %d bytes and %.1f round trips each", mails, n, each, float64(turns)/float64(n))
		if each > 1024 || int64(turns) > 2*n+2 {
			t.Errorf("%d mails: %d bytes and %d commands for %d polls", mails, each, turns, n)
		}
	}
}

// counted is an Inbox that keeps its cursor and nothing else.
type counted struct {
	sieve
	resumed  atomic.Int64
	validity atomic.Uint32
}

func (c *counted) Resume(context.Context, mailbox.Source) (mailbox.Cursor, error) {
	c.resumed.Add(1)
	return mailbox.Cursor{UIDValidity: c.validity.Load(), UID: c.uid.Load(), Backlog: c.uid.Load()}, nil
}

func (c *counted) Receive(ctx context.Context, b mailbox.Batch) error {
	c.validity.Store(b.UIDValidity)
	return c.sieve.Receive(ctx, b)
}
