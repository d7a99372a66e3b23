package mailbox_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// TestSweepFindsLateMail: the server shows mails only after those with higher UIDs. They are behind the cursor, and the
// sweep takes them in; the cursor stays.
func TestSweepFindsLateMail(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 40)
	for _, uid := range []uint32{7, 10, 30} {
		s.Conceal(uid)
	}
	in := newShelf(t)
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("what is shown", func() bool { return in.cursor("INBOX").UID == 40 && in.count() == 37 })
	in.until("the first sweep", func() bool { return !w.Status().Folders[0].LastSweep.IsZero() })
	for _, uid := range []uint32{7, 10, 30} {
		s.Reveal(uid)
	}
	if err := s.Expunge("INBOX", 30); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if in.count() != 37 {
		t.Error("a mail behind the cursor was found without a sweep: the test shows nothing")
	}
	w.Sweep()
	in.until("the late mails", func() bool { return in.count() == 39 })
	fill(t, s, 41, 41)
	in.until("new mail", func() bool { return in.count() == 40 })
	if in.repeats != 0 {
		t.Errorf("%d mails came twice", in.repeats)
	}
	checkTranscript(t, s.Commands())
	if n, seen, err := s.Count("INBOX"); err != nil || n != 40 || seen != 0 {
		t.Errorf("the mailbox has %d mails, %d seen, %v", n, seen, err)
	}
}

// TestSweepAfterLoss: rows of the Inbox are gone by force, while the watcher runs and while it does not. The Inbox fails
// now and then, one of the mails kills the connection, one is gone from the server, too.
func TestSweepAfterLoss(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 300)
	in := newShelf(t)
	w, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.cursor("INBOX").UID == 300 && !w.Status().Folders[0].LastSweep.IsZero() })
	in.lose(1, 150, 160, 300)
	in.mu.Lock()
	start := len(in.batches)
	in.fault = func(n int) (bool, error) {
		if n == start+1 || n == start+2 {
			return n == start+2, errShelf
		}
		return false, nil
	}
	in.mu.Unlock()
	w.Sweep()
	in.until("the lost mails", func() bool { return in.count() == 300 })
	complete(t, in, 1, 300)
	stop()

	in.lose(2, 20, 30, 40, 299)
	if err := s.Expunge("INBOX", 2); err != nil {
		t.Fatal(err)
	}
	s.Garbage(30, -1)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the lost mails", func() bool { return in.count() == 299 })
	in.mu.Lock()
	defer in.mu.Unlock()
	for k, m := range in.mails {
		if (m.Unfetchable != "") != (k.uid == 30) || !m.Backlog {
			t.Errorf("mail %d: %q, backlog %v", k.uid, m.Unfetchable, m.Backlog)
		}
	}
}

// TestSweepDaily: nobody has to ask.
func TestSweepDaily(t *testing.T) {
	bubble(t, "secret", func(_ *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		fill(t, s, 1, 20)
		time.Sleep(time.Hour)
		in.mu.Lock()
		asked := in.questions
		in.mu.Unlock()
		in.lose(5, 6)
		time.Sleep(22*time.Hour + 50*time.Minute)
		if in.count() != 18 || asked != 1 {
			t.Errorf("%d mails before the day is over, %d questions in the first hour", in.count(), asked)
		}
		time.Sleep(20 * time.Minute)
		if in.count() != 20 {
			t.Errorf("%d mails after a day", in.count())
		}
	})
}

func TestSweepDovecot(t *testing.T) {
	d := dovecot(t)
	if err := d.Deliver(some(1, 700)...); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	w, _ := watch(t, config(d.Addr(), d.User, d.Password), in)
	in.until("the backlog", func() bool { return in.count() == 700 && !w.Status().Folders[0].LastSweep.IsZero() })
	before := census(t, d)
	var most []uint32 // more than a batch may hold
	for uid := uint32(2); uid < 690; uid++ {
		most = append(most, uid)
	}
	in.lose(most...)
	w.Sweep()
	in.until("the lost mails", func() bool { return in.count() == 700 })
	complete(t, in, 1, 700)
	if census(t, d) != before {
		t.Error("the mailbox has changed")
	}
}

// plenty is an Inbox that has read a million mails.
type plenty struct {
	sieve
	asked, questions atomic.Int64
}

func (p *plenty) Resume(context.Context, mailbox.Source) (mailbox.Cursor, error) {
	return mailbox.Cursor{UIDValidity: 7, UID: 2_000_000}, nil
}

func (p *plenty) Missing(_ context.Context, _ mailbox.Source, _ uint32, uids []uint32) ([]uint32, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.peak.Store(max(p.peak.Load(), m.HeapInuse))
	p.asked.Add(int64(len(uids)))
	p.questions.Add(1)
	return nil, nil
}

// TestSweepOfAMillion: a million mails, no two of them neighbours, cost a few megabytes and a hundred questions.
func TestSweepOfAMillion(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go recite(conn)
		}
	}()
	in := &plenty{}
	w, _ := watch(t, config(l.Addr().String(), "u", "p"), in)
	for end := time.Now().Add(30 * time.Second); w.Status().LastPoll.IsZero(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", w.Status())
		}
	}
	if in.asked.Load() != 1_000_000 || in.questions.Load() != 100 {
		t.Errorf("%d mails in %d questions", in.asked.Load(), in.questions.Load())
	}
	if peak := in.peak.Load(); peak > 64<<20 {
		t.Errorf("the heap grew to %d MB", peak>>20)
	}
}

// recite answers as a server with a million mails whose UIDs are odd.
func recite(conn net.Conn) {
	defer conn.Close()
	out := bufio.NewWriterSize(conn, 1<<16)
	fmt.Fprint(out, "* OK [CAPABILITY IMAP4rev1 ESEARCH] ready\r\n")
	out.Flush()
	for in := bufio.NewScanner(conn); in.Scan(); out.Flush() {
		tag, rest, _ := strings.Cut(in.Text(), " ")
		switch {
		case strings.HasPrefix(rest, "EXAMINE"):
			fmt.Fprint(out, "* 1000000 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 2000001] .\r\n")
		case strings.HasPrefix(rest, "UID SEARCH"):
			fmt.Fprintf(out, "* ESEARCH (TAG %q) UID ALL 1", tag)
			for uid := 3; uid < 2_000_000; uid += 2 {
				fmt.Fprintf(out, ",%d", uid)
			}
			fmt.Fprint(out, "\r\n")
		}
		fmt.Fprintf(out, "%s OK done\r\n", tag)
	}
}
