package mailbox

import (
	"context"
	"fmt"
	"time"
)

// hand gives mails to the Inbox in batches, in a goroutine of its own that the place belongs to until settle.
func (f *folder) hand(ctx context.Context, p *place, mails []headed, end uint32) {
	done := make(chan error, 1)
	f.handed = done
	go func() { done <- f.receiveAll(ctx, p, mails, end) }()
}

// settle waits until the Inbox has taken what was handed to it last.
func (f *folder) settle() error {
	if f.handed == nil {
		return nil
	}
	err := <-f.handed
	f.handed = nil
	return err
}

// receiveAll hands over mails, of which there are some, in batches. The last one carries the cursor to end; those of a
// sweep lie below it.
func (f *folder) receiveAll(ctx context.Context, p *place, mails []headed, end uint32) error {
	if mails[0].UID > p.through {
		f.dated(mails)
	}
	for len(mails) > 0 {
		batch, n := batchOf(mails)
		through := mails[n-1].UID
		if n == len(mails) {
			through = end
		}
		if err := f.receive(ctx, p, max(through, p.through), batch); err != nil {
			return err
		}
		clear(mails[:n]) // what the Inbox has is not held here
		mails = mails[n:]
	}
	return nil
}

// batchOf is the next batch: at most 500 mails or heldBytes, at least one mail.
func batchOf(mails []headed) (batch []Mail, n int) {
	var bytes int
	for n = 0; n < len(mails) && n < batchMails; n++ {
		bytes += len(mails[n].Header) + len(mails[n].Raw)
		if n > 0 && bytes > heldBytes {
			break
		}
		batch = append(batch, mails[n].Mail)
	}
	return batch, n
}

// receive hands a batch to the Inbox and moves the place once it is durable.
func (f *folder) receive(ctx context.Context, p *place, through uint32, mails []Mail) error {
	b := Batch{Source: f.source, UIDValidity: p.validity, Through: through, Backlog: p.backlog, Mails: mails}
	if err := f.inbox.Receive(ctx, b); err != nil {
		return inboxError{fmt.Errorf("receive: %w", err)}
	}
	p.through = through
	f.received(p, mails)
	return nil
}

// received notes what the Inbox has taken.
func (f *folder) received(p *place, mails []Mail) {
	for i := range mails {
		if why := mails[i].Unfetchable; why != "" && why != sayDeleted {
			f.askAgain(again{validity: p.validity, uid: mails[i].UID, reuse: mails[i].Reuse})
			f.log.Warn("a mail could not be fetched", "uid", mails[i].UID, "reason", why)
		}
	}
	if len(mails) > 0 {
		f.set(func(s *FolderStatus) {
			s.LastMail = time.Now()
			for i := range mails {
				if !mails[i].Backlog && s.Waiting > 0 {
					s.Waiting--
				}
			}
		})
		f.log.Info("mails received", "count", len(mails), "through", p.through)
	}
}
