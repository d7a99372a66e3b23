package mailbox_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
)

// TestDeadPeer: the kernel has to find a peer that is gone within a minute, while nothing is said. What it does is its
// own; here it is asked what it was told.
func TestDeadPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := mailbox.DialTCP(t.Context(), l.Addr().String(), 10*time.Second, mailbox.Plain)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (v int) {
		ask := func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), level, name) }
		if err2 := raw.Control(ask); err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return v
	}
	alive := option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
	found := option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE) + option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL)*option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
	if alive != 1 || found > 60 {
		t.Errorf("keep-alive %d, a dead peer is found after %d s", alive, found)
	}
}
