package webhook

import (
	"context"
	"net"
)

// DialBy makes the courier connect through f, past the check of addresses.
func (c *Courier) DialBy(f func(context.Context, string, string) (net.Conn, error)) { c.dial = f }

// Plain reports whether a connection of this context is for a request without TLS.
func Plain(ctx context.Context) bool {
	plain, _ := ctx.Value(plainKey{}).(bool)
	return plain
}
