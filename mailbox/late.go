package mailbox

import (
	"context"
	"fmt"
	"time"
)

// Late is how long a mail may wait on the server, or a folder go without a look, before a person is told. A server that
// is away for a shorter time is no news: it comes back by itself.
const Late = 15 * time.Minute

// told is how often the Inbox hears that a folder was looked at, at most.
const told = time.Minute

// Quiet is how long the folder has shown no sign of life: neither a completed look nor a mail.
func (s FolderStatus) Quiet(now time.Time) time.Duration {
	last := s.Started
	for _, t := range []time.Time{s.LastPoll, s.LastMail} {
		if t.After(last) {
			last = t
		}
	}
	if last.IsZero() {
		return 0
	}
	return max(now.Sub(last), 0)
}

// Lag is how long the oldest mail waits that is on the server and not in the Inbox. Mails from before the first look do
// not count: nobody expects them.
func (s FolderStatus) Lag(now time.Time) time.Duration {
	if s.Waiting == 0 {
		return 0
	}
	return max(now.Sub(s.WaitingSince), 0)
}

// Overdue says in words what is late in this folder and since when, "" when nothing is.
func (s FolderStatus) Overdue(now time.Time) string {
	const form = "2006-01-02 15:04 UTC"
	switch {
	case s.Lag(now) >= Late:
		mails := fmt.Sprintf("%d mails wait", s.Waiting)
		if s.Waiting == 1 {
			mails = "1 mail waits"
		}
		return fmt.Sprintf("%s unread on the server since %s", mails, s.WaitingSince.UTC().Format(form))
	case s.Quiet(now) >= Late:
		return "not looked at since " + now.Add(-s.Quiet(now)).UTC().Format(form)
	}
	return ""
}

// found notes the mails that a look is about to read, but for backlog. Until their headers tell more, they may wait
// since the last look, which did not see them.
func (f *folder) found(p *place, unread *uidQueue) {
	waiting := 0
	for _, r := range unread.ranges {
		if uint32(r.Stop) > p.backlog {
			waiting += int(uint32(r.Stop) - max(uint32(r.Start)-1, p.backlog))
		}
	}
	f.set(func(s *FolderStatus) {
		s.Waiting = waiting
		switch {
		case waiting == 0:
			s.WaitingSince = time.Time{}
		case s.WaitingSince.IsZero():
			s.WaitingSince = s.lastPolled()
		}
	})
}

// dated corrects since when mails wait, by the dates of those that are received next. The server's clock cannot make a mail
// older than the look that did not see it, nor younger than now.
func (f *folder) dated(mails []headed) {
	var oldest time.Time
	for i := range mails {
		if d := mails[i].InternalDate; !mails[i].Backlog && !d.IsZero() && (oldest.IsZero() || d.Before(oldest)) {
			oldest = d
		}
	}
	if oldest.IsZero() {
		return
	}
	f.set(func(s *FolderStatus) {
		if from := s.lastPolled(); oldest.Before(from) {
			oldest = from
		}
		if now := time.Now(); oldest.After(now) {
			oldest = now
		}
		s.WaitingSince = oldest
	})
}

// lastPolled is when the folder was last known to hold nothing new, or the watch began.
func (s *FolderStatus) lastPolled() time.Time {
	if s.LastPoll.IsZero() {
		return s.Started
	}
	return s.LastPoll
}

// looked records a completed look, here and now and then in the Inbox, which outlives the process.
func (f *folder) looked(ctx context.Context) error {
	now := time.Now()
	if now.Sub(f.toldAt) >= told {
		if err := f.inbox.Looked(ctx, f.source); err != nil {
			return inboxError{fmt.Errorf("record the look: %w", err)}
		}
		f.toldAt = now
	}
	f.set(func(s *FolderStatus) {
		s.LastPoll, s.Waiting, s.WaitingSince = now, 0, time.Time{}
	})
	return nil
}
