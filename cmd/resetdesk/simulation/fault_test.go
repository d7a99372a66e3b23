package simulation

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// A link is the network between the program and one server: a listener and a
// dialer over net.Pipe, whose deadlines obey virtual time.
type link struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	down bool
}

func newLink() *link { return &link{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *link) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *link) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (l *link) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

var errRefused = errors.New("connection refused")

func (l *link) dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	down := l.down
	l.mu.Unlock()
	if down {
		return nil, errRefused
	}
	mine, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return mine, nil
	case <-l.done:
	case <-ctx.Done():
	}
	return nil, errors.Join(errRefused, mine.Close(), theirs.Close())
}

// A gate stands between the mail and the desk. It can fail calls, before or after
// they took effect, as a full disk or a lost answer would, and it can end the
// program at a chosen call: then nothing passes any more.
type gate struct {
	*review.Desk
	journal *journal

	mu    sync.Mutex
	dead  bool
	dieAt int  // calls until it ends, -1: never
	after bool // the call takes effect first
	fail  int  // so many calls fail
}

var (
	errDead = errors.New("the program has ended")
	errDisk = errors.New("no space left on device")
)

func (g *gate) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = true
}

func (g *gate) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail = 0
}

// ended tells whether a planned end has come.
func (g *gate) ended() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

func (g *gate) plan(dieAt, fail int, after bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dieAt, g.fail, g.after = dieAt, fail, after
}

// pass runs a call that changes something.
func (g *gate) pass(call func() error) error {
	g.mu.Lock()
	var fate error
	after := g.after
	switch {
	case g.dead:
		fate, after = errDead, false
	case g.dieAt == 0:
		g.dead, fate = true, errDead
	case g.fail > 0:
		g.fail--
		fate = errDisk
	}
	if g.dieAt >= 0 {
		g.dieAt--
	}
	g.mu.Unlock()
	if fate != nil && !after {
		return fate
	}
	return errors.Join(call(), fate)
}

func (g *gate) Receive(ctx context.Context, b mailbox.Batch) error {
	return g.pass(func() error { return g.Desk.Receive(ctx, b) })
}

func (g *gate) Claim(ctx context.Context) (l mailbox.Letter, ok bool, err error) {
	err = g.pass(func() error {
		var err error
		if l, ok, err = g.Desk.Claim(ctx); ok {
			g.journal.taken(l)
		}
		return err
	})
	if errors.Is(err, errDisk) && ok { // the claim stands, the postman does not know: only a restart frees it
		return l, ok, nil
	}
	return l, ok && err == nil, err
}

func (g *gate) AtDot(ctx context.Context, id int64, attempt int) error {
	return g.pass(func() error { return g.Desk.AtDot(ctx, id, attempt) })
}

func (g *gate) Sent(ctx context.Context, id int64, attempt int, response string) error {
	through := false
	err := g.pass(func() error {
		through = true
		return g.Desk.Sent(ctx, id, attempt, response)
	})
	g.journal.written(through)
	return err
}

func (g *gate) Failed(ctx context.Context, id int64, attempt int, o mailbox.Outcome) error {
	g.journal.failed()
	return g.pass(func() error { return g.Desk.Failed(ctx, id, attempt, o) })
}
