package mailbox_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// TestSilenceAlarm: a server that goes away is an alarm after 15 minutes, not before, and none any more once it is back.
func TestSilenceAlarm(t *testing.T) {
	bubble(t, "secret", func(p *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		time.Sleep(10 * time.Minute)
		if st := w.Status(); st.Alarm || !st.Connected {
			t.Fatalf("%+v", st)
		}
		p.setDown(true)
		s.CutAll()
		last := w.Status().LastPoll
		time.Sleep(time.Until(last.Add(mailbox.Late - time.Second)))
		if st := w.Status(); st.Alarm || st.Connected || st.LastError == "" {
			t.Errorf("just before: %+v", st)
		}
		time.Sleep(2 * time.Second)
		st := w.Status()
		if want := "not looked at since " + last.UTC().Format("2006-01-02 15:04"); !st.Alarm || !strings.Contains(st.Folders[0].Overdue(time.Now()), want) {
			t.Errorf("just after: %+v, %q", st, st.Folders[0].Overdue(time.Now()))
		}
		p.setDown(false)
		time.Sleep(20 * time.Minute) // the longest back-off
		if st := w.Status(); st.Alarm || !st.Connected {
			t.Errorf("back again: %+v", st)
		}
	})
}

// TestLagAlarm: mails that are on the server and do not come in are an alarm, though the server is well, and the status
// says how many and since when.
func TestLagAlarm(t *testing.T) {
	bubble(t, "secret", func(_ *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		fill(t, s, 1, 5)
		time.Sleep(10 * time.Minute)
		in.mu.Lock()
		in.fault = func(int) (bool, error) { return false, errors.New("the disk is full") }
		in.mu.Unlock()
		fill(t, s, 6, 7)
		came := time.Now()
		time.Sleep(time.Until(w.Status().LastPoll.Add(mailbox.Late - time.Second)))
		st := w.Status()
		f := st.Folders[0]
		if lag := f.Lag(time.Now()); st.Alarm || f.Waiting != 2 || lag < mailbox.Late-2*time.Minute || lag > mailbox.Late {
			t.Errorf("before: %+v, lag %v", st, lag)
		}
		time.Sleep(2 * time.Minute)
		st = w.Status()
		words := st.Folders[0].Overdue(time.Now())
		if !st.Alarm || !strings.Contains(words, "2 mails wait unread on the server since "+came.UTC().Format("2006-01-02 15:04")) || !strings.Contains(st.LastError, "disk is full") {
			t.Errorf("after: %+v, %q", st, words)
		}
		in.mu.Lock()
		in.fault = nil
		in.mu.Unlock()
		time.Sleep(16 * time.Minute)
		if st := w.Status(); st.Alarm || st.Folders[0].Waiting != 0 || in.count() != 7 {
			t.Errorf("healed: %+v", st)
		}
	})
}

// TestLagIsBounded: a date of long ago, or of the future, in the mailbox is no lag: the folder was empty at the look
// before. And the backlog waits for nobody.
func TestLagIsBounded(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		s    mailbox.FolderStatus
		want time.Duration
	}{
		"nothing waits": {mailbox.FolderStatus{WaitingSince: now.Add(-time.Hour)}, 0},
		"one waits":     {mailbox.FolderStatus{Waiting: 1, WaitingSince: now.Add(-time.Hour)}, time.Hour},
		"future":        {mailbox.FolderStatus{Waiting: 1, WaitingSince: now.Add(time.Hour)}, 0},
	} {
		if got := c.s.Lag(now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	bubble(t, "secret", func(_ *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		time.Sleep(time.Hour)
		in.mu.Lock()
		in.fault = func(int) (bool, error) { return false, errors.New("not now") }
		in.mu.Unlock()
		before := w.Status().LastPoll
		if _, err := s.AppendAt("INBOX", letter(1), time.Now().AddDate(-3, 0, 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if f := w.Status().Folders[0]; f.WaitingSince.Before(before) || f.Waiting != 1 {
			t.Errorf("since %v, last look %v: %+v", f.WaitingSince, before, f)
		}
	})
}

// TestLooked: the Inbox hears of looks, at most once a minute; one that it cannot note is tried again.
func TestLooked(t *testing.T) {
	bubble(t, "secret", func(_ *pipes, s *mailtest.IMAP, in *shelf, w *mailbox.Watcher) {
		for range 60 {
			w.Kick()
			time.Sleep(10 * time.Second)
		}
		in.mu.Lock()
		n := len(in.looked)
		in.deaf = errors.New("locked")
		in.mu.Unlock()
		if n < 9 || n > 11 {
			t.Errorf("%d notes in ten minutes", n)
		}
		time.Sleep(mailbox.Late + 4*time.Minute)
		if st := w.Status(); !st.Alarm || !strings.Contains(st.LastError, "locked") {
			t.Errorf("%+v", st)
		}
	})
}
