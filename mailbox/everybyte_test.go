package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// What may happen to a conversation at one of its bytes.
const (
	cut    = "cut"    // the connection ends before the byte
	stall  = "stall"  // nothing comes any more from that byte on, and nothing says so
	garble = "garble" // the byte arrives as another, a digit as none
	alter  = "alter"  // the byte arrives as its neighbour: another number, another length, still well formed
)

// wrong is how a byte arrives that is changed under way.
var wrong = map[string]byte{garble: 0x15, alter: 0x01}

// A strike is what happens to the first connection of a bubble.
type strike struct {
	kind   string
	inward bool  // to the bytes of the server, else to ours
	at     int64 // how many bytes went before
}

func (s strike) String() string {
	return fmt.Sprintf("%s at byte %d of %s", s.kind, s.at, map[bool]string{true: "the server", false: "the client"}[s.inward])
}

// struck is the client's end of a connection that a strike hits.
type struck struct {
	net.Conn
	strike
	dead net.Conn // what a stalled direction is read from and written to
	mu   sync.Mutex
	in   int64
	out  int64
}

// rest tells how many of n bytes pass before the strike, -1 for all.
func (c *struck) rest(inward bool, before int64, n int) int {
	if c.kind == "" || c.inward != inward || before+int64(n) <= c.at || before > c.at {
		return -1
	}
	return int(c.at - before)
}

func (c *struck) Read(p []byte) (int, error) {
	c.mu.Lock()
	over := c.inward && c.kind == stall && c.in >= c.at && c.kind != ""
	before := c.in
	c.mu.Unlock()
	if over {
		return c.dead.Read(p)
	}
	if c.kind != "" && wrong[c.kind] == 0 && c.inward && int64(len(p)) > c.at-before {
		p = p[:max(1, c.at-before)]
		if c.at == before && c.kind == cut {
			_ = c.Conn.Close()
		}
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if by := wrong[c.kind]; by != 0 {
		if i := c.rest(true, c.in, n); i >= 0 {
			p[i] ^= by
		}
	}
	c.in += int64(n)
	return n, err
}

func (c *struck) Write(p []byte) (int, error) {
	c.mu.Lock()
	before := c.out
	c.out += int64(len(p))
	c.mu.Unlock()
	i := c.rest(false, before, len(p))
	switch {
	case c.kind == stall && !c.inward && before > c.at:
		return len(p), nil
	case i < 0:
		return c.Conn.Write(p)
	case wrong[c.kind] != 0:
		p = bytes.Clone(p)
		p[i] ^= wrong[c.kind]
		return c.Conn.Write(p)
	}
	n := 0
	if i > 0 {
		var err error
		if n, err = c.Conn.Write(p[:i]); err != nil {
			return n, err
		}
	}
	if c.kind == stall {
		return len(p), nil // as a full window of a peer that is gone: accepted and never delivered
	}
	_ = c.Conn.Close()
	return n, net.ErrClosed
}

func (c *struck) SetReadDeadline(t time.Time) error {
	_ = c.dead.SetReadDeadline(t)
	return c.Conn.SetReadDeadline(t)
}

func (c *struck) Close() error {
	_ = c.dead.Close()
	return c.Conn.Close()
}

// struckDial is p.dial, with s on the first connection. The lengths of that
// conversation are in the result.
func struckDial(p *pipes, s strike) (dial func(context.Context) (net.Conn, error), first func() (in, out int64)) {
	var mu sync.Mutex // of c: one goroutine dials, another asks
	var c *struck
	return func(ctx context.Context) (net.Conn, error) {
			conn, err := p.dial(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || c != nil {
				return conn, err
			}
			dead, _ := net.Pipe()
			c = &struck{Conn: conn, strike: s, dead: dead}
			return c, nil
		}, func() (int64, int64) {
			mu.Lock()
			defer mu.Unlock()
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.in, c.out
		}
}

// stride is how far apart the bytes are that are tried: 1 with
// RESETDESK_EVERY_BYTE set, and else enough for every command and answer to be
// hit several times in a test that everybody runs.
func stride(most int64) int64 {
	if os.Getenv("RESETDESK_EVERY_BYTE") != "" {
		return 1
	}
	return max(1, most)
}

// everyByte runs one bubble for each byte of both directions and each kind of
// strike, and says how many that were.
func everyByte(t *testing.T, step int64, once func(t *testing.T, s strike) (in, out int64)) {
	t.Helper()
	var in, out int64
	synctest.Test(t, func(t *testing.T) { in, out = once(t, strike{}) })
	if in < 100 || out < 100 {
		t.Fatalf("a conversation of %d and %d bytes", in, out)
	}
	var strikes []strike
	for _, kind := range []string{cut, stall, garble, alter} {
		for at := int64(0); at < in; at += step {
			strikes = append(strikes, strike{kind, true, at})
		}
		for at := int64(0); at < out; at += step {
			strikes = append(strikes, strike{kind, false, at})
		}
	}
	var next, past atomic.Int64
	t.Run("struck", func(t *testing.T) {
		for w := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1); n <= int64(len(strikes)) && !t.Failed(); n = next.Add(1) {
					past.Add(strikeAt(t, strikes[n-1], once))
				}
			})
		}
	})
	t.Logf("%d bytes from the server, %d from the client: %d conversations struck, every %d. byte", in, out, len(strikes), step)
	if n := past.Load(); n > 0 {
		t.Errorf("%d of them ended before their byte", n)
	}
}

// strikeAt runs the bubble of s, and counts it if the conversation never came to
// the byte. One that turns in circles is named after a while of real time.
func strikeAt(t *testing.T, s strike, once func(t *testing.T, s strike) (in, out int64)) (past int64) {
	slow := time.AfterFunc(time.Minute, func() { panic("no end in sight: " + s.String()) })
	defer slow.Stop()
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Log(s)
			}
		}()
		in, out := once(t, s)
		if s.inward && in < s.at || !s.inward && out < s.at {
			past = 1
		}
	})
	return past
}

// TestIMAPEveryByte: wherever a conversation is cut, stalls or is garbled, the
// mails arrive, each once, and so does the one that comes next. Only what was
// changed under way may differ, and a mail that is not there then is said, or found
// by the sweep of the day.
func TestIMAPEveryByte(t *testing.T) {
	everyByte(t, stride(17), func(t *testing.T, s strike) (in, out int64) {
		p := newPipes()
		server, err := mailtest.NewIMAP(mailtest.IMAPOptions{Listener: p})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, server, 9, 11) // the mail of UID 2 concerns us
		shelf := newShelf(t)
		w := &mailbox.Watcher{Inbox: shelf}
		c := config("127.0.0.1:1", server.User, server.Password)
		w.Config = mailbox.WatcherConfig{Host: c.Host, Security: c.Security, User: c.User, Password: c.Password}
		dial, lengths := struckDial(p, s)
		w.SetDial(dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(4 * time.Second)
		in, out = lengths()
		time.Sleep(15 * time.Minute)
		fill(t, server, 12, 12)
		time.Sleep(15 * time.Minute)
		if wrong[s.kind] != 0 && missing(shelf.all("INBOX"), 4) > 0 && w.Status().LastError == "" {
			time.Sleep(25 * time.Hour) // a number that was changed under way can hide a mail until the daily sweep
		}
		st := w.Status()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		mails := shelf.all("INBOX")
		if wrong[s.kind] != 0 {
			if n := missing(mails, 4); n > 0 && st.LastError == "" {
				t.Errorf("%d of 4 mails are missing, and nothing is said", n)
			}
			return in, out
		}
		if len(mails) != 4 || st.LastError != "" {
			t.Fatalf("%d of 4 mails; %s", len(mails), st.LastError)
		}
		for i, m := range mails {
			if m.UID != uint32(i+1) || !bytes.Contains(m.Header, fmt.Appendf(nil, "<m%d@", i+9)) || (i == 1) != (m.Raw != nil) ||
				m.Raw != nil && !bytes.Equal(m.Raw, letter(i+9)) || m.Unfetchable != "" {
				t.Errorf("mail %d: %+v", i+1, m)
			}
		}
		return in, out
	})
}

// missing counts the UIDs from 1 to n that no mail has.
func missing(mails []mailbox.Mail, n uint32) int {
	known := map[uint32]bool{}
	for _, m := range mails {
		if m.UID >= 1 && m.UID <= n {
			known[m.UID] = true
		}
	}
	return int(n) - len(known)
}

// TestSMTPEveryByte: wherever a conversation is cut or stalls, the letters arrive
// as they are, and a second time only if nobody could know whether they had. What
// was garbled on its way is said by the server or cannot be known.
func TestSMTPEveryByte(t *testing.T) {
	everyByte(t, stride(5), func(t *testing.T, s strike) (in, out int64) {
		p := newPipes()
		server, err := mailtest.NewSMTP(mailtest.SMTPOptions{Listener: p, User: "desk", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		rack := newRack(t, post(1), post(2))
		man := &mailbox.Postman{Outbox: rack, Config: mailbox.PostmanConfig{Host: "127.0.0.1", Security: mailbox.Plain, User: "desk",
			Password: func(context.Context) (string, error) { return "secret", nil }}}
		dial, lengths := struckDial(p, s)
		man.SetDial(dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- man.Run(ctx) }()
		time.Sleep(2 * time.Second)
		in, out = lengths()
		time.Sleep(2 * time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		copies := map[string]int{}
		for _, m := range server.Mails() {
			copies[m.To]++
			if want := post(map[string]int64{"admin1@legit.example": 1, "admin2@legit.example": 2}[m.To]); wrong[s.kind] == 0 && !bytes.Equal(m.Raw, want.Raw) {
				t.Errorf("to %s: %q", m.To, m.Raw)
			}
		}
		for _, l := range rack.waiting {
			uncertain, refused := 0, false
			for _, o := range rack.failed[l.ID] {
				uncertain += map[bool]int{true: 1}[o.Phase == mailbox.Uncertain]
				refused = refused || o.Phase == mailbox.Refused
			}
			switch {
			case wrong[s.kind] != 0 && rack.sent[l.ID] == "" && !refused:
				t.Errorf("letter %d is neither sent nor refused: %+v", l.ID, rack.failed[l.ID])
			case s.kind == stall && refused && rack.sent[l.ID] == "" && copies[l.To] == 0:
				// This server calls its own patience with our bytes a 554: it has said no, and a person looks.
			case wrong[s.kind] == 0 && (rack.sent[l.ID] == "" || copies[l.To] < 1 || copies[l.To] > 1+uncertain):
				t.Errorf("letter %d: sent %q, %d copies, %d times uncertain: %+v", l.ID, rack.sent[l.ID], copies[l.To], uncertain, rack.failed[l.ID])
			}
		}
		return in, out
	})
}
