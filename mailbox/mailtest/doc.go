// Package mailtest has mail servers for tests and demonstrations, in the way of net/http/httptest: an in-process IMAP
// server ([NewIMAP]) and SMTP server ([NewSMTP]) that can be told to fail in chosen ways, and private instances of real
// servers ([StartDovecot], [StartSMTPSink], [StartPostfix]). All listen on loopback ports chosen by the kernel and stop
// what they started. Nothing here takes a *testing.T, so a demo can embed the servers.
package mailtest

import (
	"io"
	"log"
)

// quiet swallows what the libraries would log about faults that were asked for.
var quiet = log.New(io.Discard, "", 0)

// Fault is what happens to a line that a client sends.
type Fault int

const (
	Pass   Fault = iota // nothing
	Cut                 // the connection is closed, the server never sees the line
	Silent              // the connection stays open, but nothing is answered any more
)
