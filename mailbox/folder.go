package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
)

// steady is how long a connection must live before its end counts as a new trouble and not as the old one.
const steady = 5 * time.Minute

// patience is how many connections may break in a row before the waits grow: enough to single out one mail of 10,000
// and to try it alone.
const patience = 12

// alarm is an error that does not get better by waiting: a person must act.
type alarm struct{ error }

func (a alarm) Unwrap() error { return a.error }

// inboxError is an error of the Inbox, not of the server: the connection stays.
type inboxError struct{ error }

func (e inboxError) Unwrap() error { return e.error }

// folder watches one Source: one goroutine, one connection at a time. The fields above mu belong to that goroutine; while
// mails are handed to the Inbox, again and the place of the look belong to the one that does it.
type folder struct {
	c      WatcherConfig
	source Source
	inbox  Inbox
	log    *slog.Logger
	door   *door
	dial   func(context.Context) (net.Conn, error)
	kick   chan struct{}

	trouble trouble // mails that may be killing the connection
	deaths  int     // connections that broke in a FETCH since one last succeeded
	again   []again // mails that were unfetchable, to be asked for again
	first   boundary
	toldAt  time.Time    // when the Inbox last heard of a look
	handed  <-chan error // brings how the Inbox took what was handed to it; nil: nothing is under way

	sweepTrouble, reuseTrouble trouble // what trouble is while a sweep reads, or known mails are compared

	mu    sync.Mutex
	state FolderStatus
}

// boundary is what the first look found: under this UIDVALIDITY, mails up to this UID are backlog. The Inbox keeps it
// across restarts if it can; this copy serves an Inbox that cannot.
type boundary struct{ validity, uid uint32 }

func newFolder(c WatcherConfig, name string, in Inbox, log *slog.Logger, d *door,
	dial func(context.Context) (net.Conn, error)) *folder {
	s := Source{Mailbox: c.Mailbox, Folder: name}
	return &folder{
		c: c, source: s, inbox: in, door: d, dial: dial, kick: make(chan struct{}, 1),
		log:   log.With("folder", name),
		state: FolderStatus{Source: s, State: "connecting", Started: time.Now()},
	}
}

// run keeps a connection to the folder until ctx is done.
func (f *folder) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		err := f.visit(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			failures = 0 // a connection that was replaced on purpose
			continue
		}
		if time.Since(began) >= steady {
			failures = 0
		}
		failures++
		f.failed(err)
		f.pause(ctx, began, f.pauseAfter(err, failures))
	}
	f.set(func(s *FolderStatus) { s.Connected, s.State = false, "stopped" })
}

// pauseAfter is how long to stay away after err, the n-th in a row.
func (f *folder) pauseAfter(err error, n int) time.Duration {
	var a alarm
	switch {
	case errors.Is(err, errRefused):
		return max(f.door.wait(), 0)
	case errors.As(err, &a):
		return f.c.Backoff(longWait)
	case errors.Is(err, errNarrowing):
		// The next connection asks for less: waiting longer would only delay the mails behind. But when nothing at all
		// can be fetched any more, it is not a mail's fault.
		f.deaths++
		return f.c.Backoff(max(1, f.deaths-patience))
	}
	return f.c.Backoff(n)
}

// pause waits for d; a kick ends it early, but not within a minute of the last attempt.
func (f *folder) pause(ctx context.Context, began time.Time, d time.Duration) {
	until := time.Now().Add(d)
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 || !sleep(ctx, left, f.kick) || time.Since(began) >= time.Minute {
			return
		}
	}
}

// visit connects, signs in and watches until the connection ends. A nil error means that it was time for a fresh one.
func (f *folder) visit(ctx context.Context) error {
	f.set(func(s *FolderStatus) { s.State = "connecting" })
	hint := make(chan struct{}, 1)
	var s *session
	err := f.door.pass(ctx, func() error {
		var err error
		s, err = openSession(ctx, f.c, f.dial, hint)
		return err
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.close)()
	f.set(func(fs *FolderStatus) { fs.Connected, fs.State = true, "reading" })
	err = f.watch(ctx, s, hint)
	f.set(func(fs *FolderStatus) { fs.Connected = false })
	if err == nil {
		s.logout()
	}
	return err
}

// watch looks, waits for a reason to look again, and so on. IDLE is only a hint: the poll is unconditional.
func (f *folder) watch(ctx context.Context, s *session, hint chan struct{}) error {
	old := time.Now().Add(f.c.Reconnect)
	stuck := 0
	for {
		f.set(func(fs *FolderStatus) { fs.State = "reading" })
		err := f.look(ctx, s)
		var ours inboxError
		switch {
		case errors.As(err, &ours):
			// The server did nothing wrong, so the connection stays; the mail stays on the server.
			stuck++
			f.failed(err)
			if !s.doze(ctx, min(f.c.Backoff(stuck), f.c.Poll), f.kick, nil) {
				return s.lost(ctx)
			}
			continue
		case err != nil:
			return err
		}
		stuck = 0
		f.set(func(fs *FolderStatus) {
			fs.State, fs.LastError, fs.ErrorAt, fs.Alarm = "waiting for mail", "", time.Time{}, false
		})
		if time.Now().After(old) {
			return nil
		}
		if err := s.idle(ctx, min(f.c.Poll, f.c.IdleReissue, f.untilAgain()), f.kick, hint); err != nil {
			return err
		}
	}
}

// set changes the status under its lock.
func (f *folder) set(change func(*FolderStatus)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.state)
}

func (f *folder) status() FolderStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	s.Alarm = s.Alarm || s.Overdue(time.Now()) != ""
	return s
}

// failed shows and logs err.
func (f *folder) failed(err error) {
	var a alarm
	refused := errors.Is(err, errRefused)
	f.set(func(s *FolderStatus) {
		s.LastError, s.ErrorAt, s.Alarm = words(err), time.Now(), refused || errors.As(err, &a)
		s.State = "trouble, will try again"
		if refused {
			s.State = "sign-in refused"
		} else if s.Alarm {
			s.State = "stopped, needs a person"
		}
	})
	f.log.Warn("watch mailbox", "error", words(err))
}

// words turns err into text for people, at most 500 bytes.
func words(err error) string {
	text := err.Error()
	var status *imap.Error
	if errors.Is(err, errRefused) && errors.As(err, &status) {
		text = fmt.Sprintf("%v: the server answered %q. Check the user name, the password (many providers want an app "+
			"password) and that IMAP is allowed for this mailbox", errRefused, status.Text)
	}
	return clip(text, 500)
}
