package mailbox

import (
	"context"
	"net"
	"time"
)

// ReasonText is reasonText.
func ReasonText(raw []byte) string { return reasonText(raw) }

// SetDial makes w connect through dial, so that a test can run it over pipes in virtual time.
func (w *Watcher) SetDial(dial func(context.Context) (net.Conn, error)) { w.Dial = dial }

// SetDial makes p connect through dial, so that a test can run it over pipes in virtual time.
func (p *Postman) SetDial(dial func(context.Context) (net.Conn, error)) { p.Dial = dial }

// DialTCP is dialTCP.
func DialTCP(ctx context.Context, addr string, timeout time.Duration, s Security) (net.Conn, error) {
	return dialTCP(ctx, addr, timeout, s)
}
