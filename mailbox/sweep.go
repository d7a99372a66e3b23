package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
)

// sweepAtOnce is how many UIDs the Inbox is asked about in one question.
const sweepAtOnce = 10000

// Sweep asks every folder to compare, at its next look, the mails of the server with those of the Inbox; it kicks them,
// and never blocks. The watcher does so by itself when it begins, and once in WatcherConfig.Sweep.
func (w *Watcher) Sweep() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.folders {
		f.set(func(s *FolderStatus) { s.LastSweep = time.Time{} })
		wake(f.kick)
	}
}

// sweep looks for mails at or below the cursor that the Inbox does not know, and hands them on: a server may show a mail
// only after those with higher UIDs, it may not have handed it out before we were started, or the Inbox may have lost it.
// Mails that the server has no more are in order.
func (f *folder) sweep(ctx context.Context, s *session, p *place) error {
	began, last := time.Now(), f.status().LastSweep
	if p.through == 0 || !last.IsZero() && began.Sub(last) < f.c.Sweep {
		return nil
	}
	defer f.apart(&f.sweepTrouble)()
	listed, err := s.search(imap.UIDSet{{Start: 1, Stop: imap.UID(p.through)}})
	if err != nil {
		return err
	}
	for known := within(&uidQueue{ranges: listed}, 0, p.through); !known.empty(); {
		var uids []uint32
		each(known.take(sweepAtOnce, p.through), func(uid uint32) { uids = append(uids, uid) })
		missing, err := f.inbox.Missing(ctx, f.source, p.validity, uids)
		if err != nil {
			return inboxError{fmt.Errorf("ask which mails are missing: %w", err)}
		}
		if len(missing) == 0 {
			continue
		}
		f.log.Warn("mails behind the cursor are missing, they are read now", "count", len(missing), "first", missing[0])
		unread := &uidQueue{}
		unread.putBack(missing)
		if err := f.fill(ctx, s, p, unread, everything); err != nil {
			return err
		}
		f.trouble = trouble{}
	}
	f.set(func(fs *FolderStatus) {
		if fs.LastSweep.Equal(last) { // else somebody has asked for another one meanwhile
			fs.LastSweep = began
		}
	})
	return nil
}

func everything(mails []headed) []headed { return mails }

// fill reads those mails of unread, all of them at or below the cursor, that pick wants by their headers. The cursor
// stays where it is.
func (f *folder) fill(ctx context.Context, s *session, p *place, unread *uidQueue, pick func([]headed) []headed) error {
	for !unread.empty() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, last := f.trouble.limit(unread.head(), passMails)
		mails, dropped, err := f.headers(s, p, unread.take(n, last))
		if err != nil {
			return err
		}
		unread.putBack(dropped)
		if err := cmpErr(f.deliver(ctx, s, p, pick(mails), p.through), f.settle()); err != nil {
			return err
		}
	}
	return nil
}
