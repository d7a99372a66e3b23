package mailbox_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// TestIdleIsIssuedAgain: without polls an IDLE is ended and begun again after nine minutes, and the answer to its end is a
// probe of thirty seconds: a peer that died meanwhile is left then (appendix B).
func TestIdleIsIssuedAgain(t *testing.T) {
	rare := func(c *mailbox.WatcherConfig) { c.Poll, c.Reconnect = 24*time.Hour, 24*time.Hour }
	bubbleWith(t, "secret", rare, func(p *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		var mu sync.Mutex
		var idles []time.Time
		s.OnCommand(func(line string) mailtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if mailtest.Verb(line) == "IDLE" {
				idles = append(idles, time.Now())
			}
			return mailtest.Pass
		})
		time.Sleep(5 * time.Hour)
		mu.Lock()
		for i := 1; i < len(idles); i++ {
			if d := idles[i].Sub(idles[i-1]); d < 9*time.Minute || d > 9*time.Minute+time.Second {
				t.Errorf("IDLE again after %v", d)
			}
		}
		if len(idles) < 32 {
			t.Errorf("%d IDLEs in five hours", len(idles))
		}
		mu.Unlock()
		s.OnCommand(func(line string) mailtest.Fault { // the peer is gone, and nobody says so
			return mailtest.Silent
		})
		mu.Lock()
		end := idles[len(idles)-1].Add(9*time.Minute + 31*time.Second)
		mu.Unlock()
		before := p.count()
		time.Sleep(time.Until(end))
		if p.count() == before && w.Status().Connected {
			t.Errorf("the dead peer was not noticed: %+v", w.Status())
		}
	})
}

// TestDeadlines holds the longest waits for what a server owes: its greeting, and a body that trickles (appendix B).
func TestDeadlines(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn)
		limit time.Duration
	}{
		"no greeting": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 30 * time.Second},
		"a greeting letter by letter": {func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, 31 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var dials []time.Time
				w := &mailbox.Watcher{Inbox: newShelf(t), Config: config("127.0.0.1:1", "u", "p")}
				d := w.Config
				w.Config = mailbox.WatcherConfig{Host: d.Host, Security: d.Security, User: d.User, Password: d.Password, Backoff: func(int) time.Duration { return time.Second }}
				w.SetDial(func(context.Context) (net.Conn, error) {
					mu.Lock()
					defer mu.Unlock()
					dials = append(dials, time.Now())
					mine, theirs := net.Pipe()
					go func() { c.serve(theirs); theirs.Close() }()
					return mine, nil
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- w.Run(ctx) }()
				time.Sleep(10 * time.Minute)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Second) // the server sees the end
				mu.Lock()
				defer mu.Unlock()
				if len(dials) < 2 {
					t.Fatalf("%d connections in ten minutes: %+v", len(dials), w.Status())
				}
				if d := dials[1].Sub(dials[0]); d > c.limit+2*time.Second {
					t.Errorf("left after %v, want %v", d, c.limit)
				}
			})
		})
	}
}

// TestRecreatedFolders: folders of a real server that are deleted and made again, with the numbers of the old mails given
// to others, in turns with one that stays: no mail is lost and none is taken for another (promises 1 rows 31 and 32).
func TestRecreatedFolders(t *testing.T) {
	d := dovecot(t)
	in := newShelf(t)
	conf := config(d.Addr(), d.User, d.Password)
	conf.Folders, conf.Dedicated = []string{"INBOX", "Requests", "Other"}, true
	for i, folder := range conf.Folders {
		if err := d.DeliverTo(folder, some(100*i+1, 100*i+10)...); err != nil {
			t.Fatal(err)
		}
	}
	watch(t, conf, in)
	ids := func(folder string) map[string]bool {
		got := map[string]bool{}
		for _, m := range in.all(folder) {
			got[messageID(m.Header)] = true
		}
		return got
	}
	in.until("the first mails", func() bool { return in.count() == 30 })
	c := colleague(t, d)
	want := 30
	for round := range 3 {
		for i, folder := range []string{"Requests", "Other"} {
			old := in.cursor(folder).UIDValidity
			if err := c.Delete(folder).Wait(); err != nil {
				t.Fatal(err)
			}
			from := 1000*(round+1) + 100*i
			for n := from; n < from+8; n++ { // the numbers 1 to 8, for other mails
				in.until("the server to make the folder again", func() bool { // it may still be busy with the deletion
					return d.DeliverTo(folder, letter(n)) == nil
				})
			}
			want += 8
			in.until("the folder that was made again", func() bool {
				return in.cursor(folder).UIDValidity != old && len(in.all(folder)) == 8
			})
			for n := from; n < from+8; n++ {
				if id := fmt.Sprintf("<m%d@legit.example>", n); !ids(folder)[id] {
					t.Errorf("round %d: %s is not in %s", round, id, folder)
				}
			}
		}
	}
	if err := d.Deliver(some(50, 52)...); err != nil {
		t.Fatal(err)
	}
	in.until("mail in the folder that stays", func() bool { return len(in.all("INBOX")) == 13 })
	if n := in.count(); n != want+3 {
		t.Errorf("%d rows of %d mails", n, want+3)
	}
	for _, m := range in.all("INBOX") {
		if m.Unfetchable != "" || m.Backlog != (m.UID <= 10) {
			t.Errorf("mail %d: %q, backlog %v", m.UID, m.Unfetchable, m.Backlog)
		}
	}
}
