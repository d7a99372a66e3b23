package ui_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/ui"
)

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error   { close(l.closed); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowClients: who sends a byte now and then keeps no connection.
func TestSlowClients(t *testing.T) {
	for _, c := range []struct {
		name, begin string
		within      time.Duration
	}{
		{"header without end", "GET / HTTP/1.1\r\nHost: reset.example\r\n", 11 * time.Second},
		{"body without end", "POST / HTTP/1.1\r\nHost: reset.example\r\nContent-Length: 100000\r\n\r\n", 61 * time.Second},
		{"nothing after an answer", "GET / HTTP/1.1\r\nHost: reset.example\r\n\r\n", 121 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := oneConn{make(chan net.Conn, 1), make(chan struct{})}
				ours, theirs := net.Pipe()
				l.conns <- theirs
				s := ui.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }), log.New(io.Discard, "", 0))
				go s.Serve(l)
				defer s.Close()
				began := time.Now()
				written := make(chan struct{})
				go func() {
					defer close(written)
					io.WriteString(ours, c.begin)
					for c.name != "nothing after an answer" {
						time.Sleep(time.Second)
						if _, err := io.WriteString(ours, "a"); err != nil {
							return
						}
					}
				}()
				io.Copy(io.Discard, ours) // until the server hangs up
				if took := time.Since(began); took > c.within {
					t.Errorf("the connection was kept for %s", took)
				}
				ours.Close()
				<-written
			})
		})
	}
}
