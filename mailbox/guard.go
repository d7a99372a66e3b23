package mailbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// progress is the slowest rate, in bytes a second, at which an answer may go on beyond its base time.
const progress = 1 << 10

// errFlood ends a connection on which the server says more than any honest answer needs.
var errFlood = errors.New("the server sent far more than the answer should hold")

// guard is a connection on which nothing waits for ever and nothing arrives without bound. The mail libraries set their
// own deadlines, or none; guard ignores those and obeys expect. Closing it is safe at any time and unblocks everything.
type guard struct {
	net.Conn
	silence time.Duration // longest wait for the next byte

	mu     sync.Mutex
	until  time.Time // when the present answer must be complete, plus a second for each KiB that arrived
	got    int64
	budget int64
	hush   time.Duration // silence of the present answer
	failed error         // the first error of a Read
}

func newGuard(c net.Conn, silence time.Duration) *guard {
	g := &guard{Conn: c, silence: silence}
	g.expect(silence, 1<<20)
	return g
}

// expect begins a command: its answer may take base plus a second a KiB, and hold at most budget bytes.
func (g *guard) expect(base time.Duration, budget int64) {
	g.begin(base, min(base, g.silence), budget)
}

// rest is for the time between commands and in IDLE: the server may be silent for d.
func (g *guard) rest(d time.Duration) {
	g.begin(d, d, 1<<20)
}

func (g *guard) begin(base, hush time.Duration, budget int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.until, g.hush, g.got, g.budget = now.Add(base), hush, 0, budget
	// A Read that is already waiting takes up the new deadline too. Errors mean that the connection is closed, which
	// the next Read or Write reports.
	_ = g.Conn.SetReadDeadline(g.deadline(now))
	_ = g.Conn.SetWriteDeadline(now.Add(min(base, g.silence)))
}

func (g *guard) deadline(now time.Time) time.Time {
	d := g.until.Add(time.Duration(g.got) * time.Second / progress)
	if quiet := now.Add(g.hush); quiet.Before(d) {
		d = quiet
	}
	return d
}

// Read implements net.Conn under the deadline and the budget of the present command. Its first error is final: the IMAP
// library reads on after a timeout, and would wait as long again, several times.
func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	if g.failed != nil {
		defer g.mu.Unlock()
		return 0, g.failed
	}
	_ = g.Conn.SetReadDeadline(g.deadline(time.Now()))
	g.mu.Unlock()
	n, err := g.Conn.Read(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got += int64(n)
	if err == nil && g.got > g.budget {
		err = errFlood
	}
	g.failed = err
	return n, err
}

// SetDeadline does nothing: the deadlines are those of expect and rest.
func (g *guard) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: the deadlines are those of expect and rest.
func (g *guard) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: the deadlines are those of expect and rest.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

// dialTCP connects with keep-alive probes that find a dead peer in half a minute. For Plain it checks the address it
// really reached: a name that resolves elsewhere gets no byte.
func dialTCP(ctx context.Context, addr string, timeout time.Duration, s Security) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); s == Plain && (!ok || !a.IP.IsLoopback()) {
		return nil, errors.Join(fmt.Errorf("security %q is only for loopback, and %s is not", Plain, addr), c.Close())
	}
	return c, nil
}

func defaultPort(s Security, implicit, plain int) int {
	if s == TLS {
		return implicit
	}
	return plain
}
