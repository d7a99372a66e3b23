package mailbox_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// together is a shelf whose first pass is not taken before the second has been read.
type together struct {
	*shelf
	asked chan struct{}
	under atomic.Int32
}

func (s *together) Concerns(ctx context.Context, src mailbox.Source, headers [][]byte) ([]bool, error) {
	if bytes.Contains(headers[0], []byte("<m1001@")) {
		close(s.asked)
	}
	return s.shelf.Concerns(ctx, src, headers)
}

func (s *together) Receive(ctx context.Context, b mailbox.Batch) error {
	if s.under.Add(1) > 1 {
		s.t.Error("two batches at a time")
	}
	defer s.under.Add(-1)
	if b.Through == 1000 {
		select {
		case <-s.asked:
			time.Sleep(100 * time.Millisecond) // the next batch must not come meanwhile
		case <-time.After(10 * time.Second):
			s.t.Error("nothing was read while a batch was received")
		}
	}
	return s.shelf.Receive(ctx, b)
}

// TestReadsWhileReceiving: while the Inbox takes one pass the next is read, but its mails come only behind it.
func TestReadsWhileReceiving(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 1100)
	in := &together{shelf: newShelf(t), asked: make(chan struct{})}
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("all mails", func() bool { return in.cursor("INBOX").UID == 1100 })
	complete(t, in.shelf, 1, 1100)
}
