package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link forwards connections to an address with a delay each way and a bandwidth
// that both ways have for themselves. The connections of one link share its bandwidth.
type link struct {
	net.Listener
	to    string
	delay time.Duration // one way
	rate  float64       // bytes a second, 0: no limit

	turns  atomic.Int64 // what clients said after the server had said something
	spoken atomic.Bool  // by the server, since a client last did

	mu       sync.Mutex
	up, down time.Time // when the line is free again
}

// newLink listens on loopback. Close it to end it; connections end with their peers.
func newLink(to string, delay time.Duration, rate float64) (*link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{Listener: l, to: to, delay: delay, rate: rate}
	go k.accept()
	return k, nil
}

func (k *link) accept() {
	for {
		near, err := k.Accept()
		if err != nil {
			return
		}
		go func() {
			far, err := net.Dial("tcp", k.to)
			if err != nil {
				near.Close()
				return
			}
			go k.carry(far, near, &k.up)
			k.carry(near, far, &k.down)
		}()
	}
}

type packet struct {
	data []byte
	due  time.Time
}

// carry moves bytes from src to dst. What is under way is at most 4 MB, several
// times what 20 ms at 200 Mbit/s hold.
func (k *link) carry(dst, src net.Conn, free *time.Time) {
	line := make(chan packet, 256)
	go func() {
		defer close(line)
		for {
			buf := make([]byte, 16<<10)
			n, err := src.Read(buf)
			if n > 0 {
				k.count(free == &k.up)
				line <- packet{buf[:n], k.leave(n, free).Add(k.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for p := range line {
		time.Sleep(time.Until(p.due))
		if !broken {
			_, err := dst.Write(p.data)
			broken = err != nil
		}
		if broken {
			src.Close()
		}
	}
	if c, ok := dst.(*net.TCPConn); ok && !broken {
		_ = c.CloseWrite() // the peer may be gone, and then there is nobody to tell
	}
	_, _ = io.Copy(io.Discard, src)
}

// count counts a turn when a client speaks after the server.
func (k *link) count(client bool) {
	if !client {
		k.spoken.Store(true)
	} else if k.spoken.Swap(false) {
		k.turns.Add(1)
	}
}

// leave is when n bytes that come now have been put on the line.
func (k *link) leave(n int, free *time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); free.Before(now) {
		*free = now
	}
	if k.rate > 0 {
		*free = free.Add(time.Duration(float64(n) / k.rate * float64(time.Second)))
	}
	return *free
}
