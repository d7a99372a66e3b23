package mailtest

import (
	"io"
	"net"
	"sync"
)

// manyLines bounds the transcript of a long-running server: the oldest lines go first.
const manyLines = 10000

// wire is a listener whose connections record the client's lines and can misbehave.
type wire struct {
	net.Listener
	mu    sync.Mutex
	lines []string
	// before decides about a line from a client; reply, when not empty, is sent instead of passing the line on.
	before func(c *wireConn, line string) (f Fault, reply string)
	limit  int64 // bytes a server may send on a connection before it goes silent, 0: no limit
	cut    bool  // at the limit the connection is cut instead
	conns  map[*wireConn]struct{}
	opened int
}

func newWire(l net.Listener) *wire { return &wire{Listener: l, conns: make(map[*wireConn]struct{})} }

// Accept implements net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wc := &wireConn{Conn: c, w: w, gone: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	w.conns[wc] = struct{}{}
	wc.limit, wc.cutAt = w.limit, w.cut
	return wc, nil
}

func (w *wire) record(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) >= manyLines {
		w.lines = append(w.lines[:0], w.lines[manyLines/2:]...)
	}
	w.lines = append(w.lines, line)
}

func (w *wire) transcript() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.lines...)
}

func (w *wire) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened
}

// end closes the listener, which may be closed already, and every open connection.
func (w *wire) end() {
	_ = w.Listener.Close()
	w.cutAll()
}

// cutAll closes every open connection.
func (w *wire) cutAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Conn.Close()
	}
}

func (w *wire) setLimit(n int64, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit, w.cut = n, cut
}

// wireConn is one connection. Reads deliver whole lines, so that a fault hits exactly one.
type wireConn struct {
	net.Conn
	w     *wire
	once  sync.Once
	gone  chan struct{}
	limit int64
	cutAt bool

	mu      sync.Mutex
	reply   func([]byte) // is told what the server says next, if that gets through
	mute    bool
	raw     bool // the client sends something else than lines of commands: pass it on unseen
	sent    int64
	partial []byte // of a line, not yet ended
	ready   []byte // lines for the server
}

// Close implements net.Conn.
func (c *wireConn) Close() error {
	c.once.Do(func() { close(c.gone) })
	c.w.mu.Lock()
	delete(c.w.conns, c)
	c.w.mu.Unlock()
	return c.Conn.Close()
}

// Write implements net.Conn: what a silent server says is lost.
func (c *wireConn) Write(p []byte) (int, error) {
	n, through, err := c.say(p)
	c.mu.Lock()
	reply := c.reply
	c.reply = nil
	c.mu.Unlock()
	if reply != nil && through {
		reply(p)
	}
	return n, err
}

// say writes, and tells whether it got through: all of it, or of a line that was cut the code, for a client takes what
// stands before the end of the connection for the line.
func (c *wireConn) say(p []byte) (n int, through bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mute {
		return len(p), false, nil
	}
	if room := c.limit - c.sent; c.limit > 0 && int64(len(p)) > room {
		n, err := c.Conn.Write(p[:room])
		c.sent += int64(n)
		if c.cutAt {
			_ = c.Conn.Close()
			return n, n >= len("250 "), io.ErrClosedPipe
		}
		c.mute = true
		return len(p), false, err
	}
	n, err = c.Conn.Write(p)
	c.sent += int64(n)
	return n, err == nil, err
}

// onReply has f told what the server says next, if that gets through.
func (c *wireConn) onReply(f func([]byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply = f
}

// setRaw says whether what follows is content (a letter after DATA) and not commands.
func (c *wireConn) setRaw(raw bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
}

// goMute stops all answers.
func (c *wireConn) goMute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = true
}

// Read implements net.Conn.
func (c *wireConn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			c.mu.Unlock()
			return n, nil
		}
		c.mu.Unlock()
		buf := make([]byte, 32<<10)
		n, err := c.Conn.Read(buf)
		if n > 0 {
			c.take(buf[:n])
		}
		if err != nil {
			return 0, err
		}
	}
}

// longest is where a line is passed on though it has not ended.
const longest = 8 << 10

// take sorts fresh bytes into lines and lets the hook judge each.
func (c *wireConn) take(b []byte) {
	for len(b) > 0 {
		c.mu.Lock()
		if len(c.partial) == 0 && b[0] == 0x16 { // a TLS handshake follows STARTTLS (RFC 8446 5.1)
			c.raw = true
		}
		raw := c.raw
		c.mu.Unlock()
		if raw {
			c.push(b)
			return
		}
		end := len(b)
		whole := false
		for i, x := range b {
			if x == '\n' {
				end, whole = i+1, true
				break
			}
		}
		c.partial = append(c.partial, b[:end]...)
		b = b[end:]
		if !whole && len(c.partial) < longest {
			return
		}
		line := c.partial
		c.partial = nil
		if whole {
			c.judge(line)
		} else {
			c.push(line)
		}
	}
}

func (c *wireConn) push(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = append(c.ready, b...)
}

// judge records one line and passes it on, answers it itself, or breaks the connection over it.
func (c *wireConn) judge(line []byte) {
	text := string(trimEnd(line))
	c.w.record(text)
	c.w.mu.Lock()
	before := c.w.before
	c.w.mu.Unlock()
	if before != nil {
		switch f, reply := before(c, text); {
		case f == Cut:
			_ = c.Conn.Close()
			return
		case f == Silent:
			c.goMute()
			return
		case reply != "":
			_, _ = c.Write([]byte(reply))
			return
		}
	}
	c.push(line)
}

func trimEnd(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}
