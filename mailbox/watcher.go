package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
)

// Watcher reads the folders of one mailbox and hands what it finds to Inbox. Fill in the exported fields, then call Run
// once; Kick and Status may be called at any time, from any goroutine.
type Watcher struct {
	Config WatcherConfig
	Inbox  Inbox
	Log    *slog.Logger // nil: nothing is logged

	Dial func(context.Context) (net.Conn, error) // nil: TCP to Config.Host; over a pipe time can be virtual

	mu      sync.Mutex
	folders []*folder
}

// Run watches until ctx is done and then returns nil. It returns an error at once when the configuration cannot work;
// everything that goes wrong later is retried, logged and shown by Status.
func (w *Watcher) Run(ctx context.Context) error {
	c := w.Config.withDefaults()
	if err := endpoint(c.Host, c.Port, c.Security); err != nil {
		return fmt.Errorf("watch mailbox: %w", err)
	}
	if w.Inbox == nil || c.Password == nil && c.Tokens == nil || c.User == "" {
		return errors.New("watch mailbox: inbox, user and password are needed")
	}
	log := w.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	door := newDoor(c)
	dial := w.Dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			return dialTCP(ctx, address(c.Host, c.Port, defaultPort(c.Security, 993, 143)), c.Dial, c.Security)
		}
	}
	w.mu.Lock()
	if w.folders != nil {
		w.mu.Unlock()
		return errors.New("watch mailbox: already running")
	}
	for _, name := range c.Folders {
		w.folders = append(w.folders, newFolder(c, name, w.Inbox, log, door, dial))
	}
	folders := w.folders
	w.mu.Unlock()

	var all sync.WaitGroup
	for _, f := range folders {
		all.Go(func() { f.run(ctx) })
	}
	all.Wait()
	w.mu.Lock()
	w.folders = nil
	w.mu.Unlock()
	return nil
}

// Kick asks every folder to look now. It never blocks.
func (w *Watcher) Kick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.folders {
		wake(f.kick)
	}
}

// Status tells how the watch is doing.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Connected: len(w.folders) > 0}
	for i, f := range w.folders {
		fs := f.status()
		s.Folders = append(s.Folders, fs)
		s.Connected = s.Connected && fs.Connected
		s.Alarm = s.Alarm || fs.Alarm
		if i == 0 || fs.LastPoll.Before(s.LastPoll) {
			s.LastPoll = fs.LastPoll
		}
		if fs.LastMail.After(s.LastMail) {
			s.LastMail = fs.LastMail
		}
		if fs.LastError != "" && s.LastError == "" {
			s.LastError = fs.Source.Folder + ": " + fs.LastError
		}
	}
	return s
}

// wake puts a token into a channel of capacity one, unless one is there already.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
