package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// A chatter counts what is said on a connection: bytes both ways, what the client says
// in answer to something, and how often the server lets it idle.
type chatter struct {
	bytes, turns, idle atomic.Int64
	spoken             atomic.Bool // by the server, since the client last did
}

type heard struct {
	net.Conn
	c *chatter
}

// Read takes as long as a link does, so that no answer comes between two commands of
// which the second does not wait for the first.
func (h heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n > 0 {
		time.Sleep(5 * time.Millisecond)
		h.c.bytes.Add(int64(n))
		h.c.spoken.Store(true)
		if bytes.Contains(p[:n], []byte("+ idling")) {
			h.c.idle.Add(1)
		}
	}
	return n, err
}

func (h heard) Write(p []byte) (int, error) {
	h.c.bytes.Add(int64(len(p)))
	if h.c.spoken.Swap(false) {
		h.c.turns.Add(1)
	}
	return h.Conn.Write(p)
}

// A diary is an Inbox that keeps nothing but the cursor.
type diary struct {
	sieve
	cursor mailbox.Cursor
}

func (d *diary) Resume(context.Context, mailbox.Source) (mailbox.Cursor, error) {
	return d.cursor, nil
}

func (d *diary) Receive(ctx context.Context, b mailbox.Batch) error {
	d.cursor = mailbox.Cursor{UIDValidity: b.UIDValidity, UID: b.Through, Backlog: b.Backlog}
	return d.sieve.Receive(ctx, b)
}

// BenchmarkPoll wakes a watcher that has read everything: what one look costs that finds
// nothing new, from the end of one IDLE to the next.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprintf("mails=%d", n), func(b *testing.B) {
			d := dovecot(b)
			hoard(b, d, n)
			wire, look, stop := caughtUp(b, d, uint32(n))
			defer stop()
			bytes, turns := wire.bytes.Load(), wire.turns.Load()
			for b.Loop() {
				look()
			}
			b.ReportMetric(float64(wire.turns.Load()-turns)/float64(b.N), "turns")
			b.ReportMetric(float64(wire.bytes.Load()-bytes)/float64(b.N), "bytes")
		})
	}
}

// TestCheapLook bounds what a look costs that finds nothing new: two turns, DONE with
// EXAMINE and IDLE, and a kilobyte.
func TestCheapLook(t *testing.T) {
	const looks = 5
	d := dovecot(t)
	hoard(t, d, 300)
	wire, look, stop := caughtUp(t, d, 300)
	defer stop()
	bytes, turns := wire.bytes.Load(), wire.turns.Load()
	for range looks {
		look()
	}
	bytes, turns = wire.bytes.Load()-bytes, wire.turns.Load()-turns
	t.Logf("%d looks: %d turns, %d bytes", looks, turns, bytes)
	if turns > 2*looks || bytes > 1000*looks {
		t.Errorf("%d looks took %d turns and %d bytes", looks, turns, bytes)
	}
}

// caughtUp watches a folder until its n mails are read. look makes it look again, and
// returns when it idles.
func caughtUp(t testing.TB, d *mailtest.Dovecot, n uint32) (wire *chatter, look, stop func()) {
	t.Helper()
	wire = &chatter{}
	s := &diary{}
	c := config(d.Addr(), d.User, d.Password)
	c.Command, c.Poll, c.IdleReissue = time.Minute, time.Hour, time.Hour
	w := &mailbox.Watcher{Config: c, Inbox: s}
	w.SetDial(func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", d.Addr())
		return heard{conn, wire}, err
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	idle := func(after int64) {
		for end := time.Now().Add(time.Minute); wire.idle.Load() == after; time.Sleep(50 * time.Microsecond) {
			if time.Now().After(end) {
				t.Fatalf("no IDLE: %+v", w.Status())
			}
		}
	}
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	idle(0)
	if s.uid.Load() != n {
		t.Fatalf("read to %d", s.uid.Load())
	}
	return wire, func() {
		before := wire.idle.Load()
		w.Kick()
		idle(before)
	}, stop
}
