package mailbox_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// pipes is a listener and a dialer over net.Pipe, whose deadlines obey the bubble's clock.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu    sync.Mutex
	dials []time.Time
	down  bool
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	p.mu.Lock()
	p.dials = append(p.dials, time.Now())
	down := p.down
	p.mu.Unlock()
	if down {
		return nil, fmt.Errorf("connection refused")
	}
	mine, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return mine, nil
	case <-p.done:
		return nil, fmt.Errorf("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *pipes) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.dials)
}

// bubble runs a watcher with the real default times against an in-process server, in virtual time.
func bubble(t *testing.T, password string, test func(p *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher),
	folders ...string) {
	bubbleWith(t, password, func(*mailbox.WatcherConfig) {}, test, folders...)
}

// bubbleWith is bubble with another configuration.
func bubbleWith(t *testing.T, password string, change func(*mailbox.WatcherConfig), test func(p *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher),
	folders ...string) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		s, err := mailtest.NewIMAP(mailtest.IMAPOptions{Listener: p, Folders: folders})
		if err != nil {
			t.Fatal(err)
		}
		in := newShelf(t)
		c := config("127.0.0.1:1", s.User, password)
		w := &mailbox.Watcher{Inbox: in, Config: mailbox.WatcherConfig{Host: c.Host, Security: c.Security, User: c.User, Password: c.Password}}
		w.Config.Folders = append(folders, "INBOX")
		change(&w.Config)
		w.SetDial(p.dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		test(p, s, in, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLoginsPerHour: neither a wrong password nor a server that is down or hangs up makes a storm.
func TestLoginsPerHour(t *testing.T) {
	t.Run("wrong password", func(t *testing.T) {
		bubble(t, "wrong", func(_ *pipes, s *mailtest.IMAP, _ *shelf, w *mailbox.Watcher) {
			time.Sleep(3 * time.Second)
			if n := s.SignIns(); n != 1 {
				t.Errorf("%d sign-ins at once: the folders share one door", n)
			}
			for hour := range 24 {
				before := s.SignIns()
				time.Sleep(time.Hour)
				if n := s.SignIns() - before; n > 12 || n < 2 {
					t.Errorf("%d sign-ins in hour %d", n, hour)
				}
			}
			if st := w.Status(); !st.Alarm {
				t.Errorf("%+v", st)
			}
		}, "Junk", "Spam", "Archive", "Other")
	})
	t.Run("down", func(t *testing.T) {
		bubble(t, "secret", func(p *pipes, s *mailtest.IMAP, in *shelf, _ *mailbox.Watcher) {
			p.mu.Lock()
			p.down = true
			p.mu.Unlock()
			s.CutAll()
			time.Sleep(30 * 24 * time.Hour)
			if n := p.count(); n > 30*24*7 {
				t.Errorf("%d attempts in 30 days", n)
			}
			p.mu.Lock()
			p.down = false
			p.mu.Unlock()
			fill(t, s, 1, 50)
			time.Sleep(20 * time.Minute) // the longest wait, with its jitter
			if in.count() != 50 {
				t.Errorf("%d of 50 mails after the outage", in.count())
			}
		})
	})
	t.Run("hangs up after every fetch", func(t *testing.T) {
		bubble(t, "secret", func(_ *pipes, s *mailtest.IMAP, _ *shelf, _ *mailbox.Watcher) {
			s.OnCommand(func(line string) mailtest.Fault {
				if mailtest.Verb(line) == "UID FETCH" {
					return mailtest.Cut
				}
				return mailtest.Pass
			})
			fill(t, s, 1, 5)
			time.Sleep(time.Hour)
			before := s.SignIns()
			time.Sleep(time.Hour)
			if n := s.SignIns() - before; n > 12 {
				t.Errorf("%d sign-ins an hour", n)
			}
		})
	})
}

// TestSilenceIsNoticed: with the default times a server that stops answering is left within 90 s while it owes an
// answer, and within 5 min of the last IDLE if it falls silent in it (promises 6 row 10).
func TestSilenceIsNoticed(t *testing.T) {
	for _, verb := range []string{"AUTHENTICATE", "EXAMINE", "UID SEARCH", "UID FETCH", "IDLE", "DONE"} {
		t.Run(verb, func(t *testing.T) {
			bubble(t, "secret", func(p *pipes, s *mailtest.IMAP, in *shelf, _ *mailbox.Watcher) {
				fill(t, s, 1, 5)
				var when, idle time.Time
				var mu sync.Mutex
				s.OnCommand(func(line string) mailtest.Fault {
					mu.Lock()
					defer mu.Unlock()
					if mailtest.Verb(line) == "IDLE" {
						idle = time.Now()
					}
					if mailtest.Verb(line) == verb && when.IsZero() {
						when = time.Now()
						if verb == "DONE" {
							when = idle // it may have been gone since
						}
						return mailtest.Silent
					}
					return mailtest.Pass
				})
				s.CutAll() // begin again, should the first connection have got further already
				time.Sleep(30 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				limit := 90 * time.Second
				if verb == "DONE" {
					limit = 5 * time.Minute
				}
				var after time.Duration
				for _, d := range p.dials {
					if d.After(when) && after == 0 {
						after = d.Sub(when)
					}
				}
				if when.IsZero() || after == 0 || after > limit {
					t.Errorf("silent at %v, noticed after %v", when, after)
				}
				if in.count() != 5 {
					t.Errorf("%d mails", in.count())
				}
			})
		})
	}
}

// TestFreshConnection: an hour old, a connection is replaced, though nothing is wrong with it; without a sign of life
// of new mail the folder is looked at every three minutes.
func TestFreshConnection(t *testing.T) {
	bubble(t, "secret", func(p *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		time.Sleep(10*time.Hour + time.Minute)
		if n := p.count(); n < 9 || n > 11 {
			t.Errorf("%d connections in ten hours", n)
		}
		looks := 0
		for _, l := range s.Commands() {
			if mailtest.Verb(l) == "EXAMINE" {
				looks++
			}
		}
		if looks < 190 || looks > 215 {
			t.Errorf("%d looks in ten hours, want 200", looks)
		}
		if st := w.Status(); time.Since(st.LastPoll) > 4*time.Minute || st.LastError != "" {
			t.Errorf("%+v", st)
		}
	})
}

// TestSMTPPatience: the answer to the dot may take eleven minutes, the answer to a command four; beyond that the letter
// is uncertain, or unsent.
func TestSMTPPatience(t *testing.T) {
	tests := []struct {
		name  string
		after string // the line after which the server falls silent
		wait  time.Duration
		phase mailbox.Phase
	}{
		{"slow mail", "MAIL", 4 * time.Minute, ""},
		{"hung mail", "MAIL", 6 * time.Minute, mailbox.Unsent},
		{"slow dot", ".", 11 * time.Minute, ""},
		{"hung dot", ".", 13 * time.Minute, mailbox.Uncertain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				go script(p, tt.after, tt.wait)
				out := newRack(t, post(1))
				man := &mailbox.Postman{Outbox: out, Config: mailbox.PostmanConfig{Host: "127.0.0.1", Security: mailbox.Plain}}
				man.SetDial(p.dial)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- man.Run(ctx) }()
				time.Sleep(14 * time.Minute)
				out.mu.Lock()
				failed, sent := out.failed[1], out.sent[1]
				out.mu.Unlock()
				if tt.phase == "" && (sent == "" || len(failed) > 0) {
					t.Errorf("sent %q, failed %+v", sent, failed)
				}
				if tt.phase != "" && (len(failed) == 0 || failed[0].Phase != tt.phase) {
					t.Errorf("failed %+v, want %s", failed, tt.phase)
				}
				if tt.phase == mailbox.Uncertain && len(failed) > 0 && failed[0].Next.Before(time.Now().Add(10*time.Minute)) {
					t.Errorf("an uncertain letter goes out again at %v", failed[0].Next)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				_ = p.Close()
				time.Sleep(time.Hour) // the script ends
			})
		})
	}
}

// script is an SMTP server of a few lines that waits after one of them, on its first connection.
func script(p *pipes, after string, wait time.Duration) {
	for {
		c, err := p.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("220 ready\r\n"))
		buf := make([]byte, 4096)
		var text string
		data := false
		for {
			n, err := c.Read(buf)
			if err != nil {
				break
			}
			text += string(buf[:n])
			if !strings.HasSuffix(text, "\r\n") || data && !strings.HasSuffix(text, "\r\n.\r\n") {
				continue
			}
			verb, reply := strings.ToUpper(text[:4]), "250 ok\r\n"
			if data {
				verb = "."
			}
			if verb == after {
				time.Sleep(wait)
				after = ""
			}
			if data = verb == "DATA"; data {
				reply = "354 go on\r\n"
			}
			text = ""
			if _, err := c.Write([]byte(reply)); err != nil {
				break
			}
		}
		_ = c.Close()
	}
}
