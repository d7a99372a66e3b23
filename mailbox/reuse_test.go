package mailbox_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// copies are the letters on the shelf, by how often each is there.
func (s *shelf) copies() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := map[int]int{}
	for _, m := range s.mails {
		_, after, _ := strings.Cut(string(m.Header), "<m")
		number, _, _ := strings.Cut(after, "@")
		if n, err := strconv.Atoi(number); err == nil {
			times[n]++
		}
	}
	return times
}

// named counts the letters from n to m, by how often each is on the shelf.
func (s *shelf) named(n, m int) (once, never, often int) {
	times := s.copies()
	for ; n <= m; n++ {
		switch times[n] {
		case 0:
			never++
		case 1:
			once++
		default:
			often++
		}
	}
	return once, never, often
}

// TestUIDGivenTwice: the server gives the UID of a mail that is known to a new one, while it is away, and again; the
// Inbox fails and says so after it took the mail in. Both mails are read; the one that was moved comes again under its
// new UID, and nothing else does.
func TestUIDGivenTwice(t *testing.T) {
	d := dovecot(t)
	if err := d.Deliver(some(1, 70)...); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	w, _ := watch(t, config(d.Addr(), d.User, d.Password), in)
	in.until("the backlog", func() bool { return in.count() == 70 && w.Status().Connected })
	in.mu.Lock()
	start := len(in.batches)
	in.fault = func(n int) (bool, error) {
		if n == start+1 || n == start+2 {
			return n == start+2, errShelf
		}
		return false, nil
	}
	in.mu.Unlock()
	if err := d.GiveAgain(70, letter(80)); err != nil { // one with a body
		t.Fatal(err)
	}
	in.until("both mails", func() bool { return in.count() == 72 })
	if err := d.GiveAgain(70, letter(81)); err != nil {
		t.Fatal(err)
	}
	in.until("the third of that UID", func() bool { return in.count() == 74 })
	src := mailbox.Source{Mailbox: "support", Folder: "INBOX"}
	in.mu.Lock()
	validity := in.cursors[src].UIDValidity
	for reuse, n := range []int{70, 80, 81} {
		m := in.mails[id{src, validity, 70, reuse}]
		if want := fmt.Sprintf("<m%d@legit.example>", n); !strings.Contains(string(m.Header), want) || (m.Raw != nil) != (n%10 == 0) || m.Backlog != (n == 70) {
			t.Errorf("mail 70, the %d. of its UID: backlog %v, body %v, header %q", reuse, m.Backlog, m.Raw != nil, m.Header)
		}
	}
	in.mu.Unlock()
	if once, never, often := in.named(1, 70); once != 69 || never != 0 || often != 1 {
		t.Errorf("of 70 mails %d are there once, %d never, %d more often", once, never, often)
	}
}

// TestPutBack: the folder is put back from a backup, so that all its new mails have UIDs of old ones. A person is told,
// no mail is lost meanwhile, and the alarm ends when the UIDs are new again.
func TestPutBack(t *testing.T) {
	d := dovecot(t)
	if err := d.Deliver(some(1, 200)...); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	w, _ := watch(t, config(d.Addr(), d.User, d.Password), in)
	in.until("the backlog", func() bool { return in.count() == 200 && w.Status().Connected })
	if err := d.PutBack(20); err != nil {
		t.Fatal(err)
	}
	if err := d.Deliver(some(301, 430)...); err != nil { // UIDs 21 to 150
		t.Fatal(err)
	}
	in.until("new mails of old UIDs", func() bool { return in.count() == 330 })
	in.until("an alarm", func() bool {
		s := w.Status()
		return s.Alarm && strings.Contains(s.LastError, "put back from a backup")
	})
	if err := d.Deliver(some(431, 490)...); err != nil { // to 210
		t.Fatal(err)
	}
	in.until("all mails, and calm", func() bool { return in.count() == 390 && !w.Status().Alarm })
	if once, never, often := in.named(301, 490); once != 190 || never+often > 0 {
		t.Errorf("of 190 new mails %d are there once, %d never, %d more often", once, never, often)
	}
}

// TestPutBackGap: the folder is put back, and a new mail has a UID that we never saw a mail of.
func TestPutBackGap(t *testing.T) {
	s, in := backlogOf40(t)
	in.lose(35)
	in.mu.Lock()
	for src, c := range in.cursors {
		c.UID = 200
		in.cursors[src] = c
	}
	in.mu.Unlock()
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the mail", func() bool { return in.count() == 40 && w.Status().Alarm })
}

// TestCompareInterrupted: many mails lie behind known UIDs, and reading them is interrupted in the middle.
func TestCompareInterrupted(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 200)
	in := newShelf(t)
	_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.count() == 200 })
	stop()
	for uid := uint32(21); uid <= 200; uid++ {
		in.knew(uid, int(1000+uid))
	}
	start := len(in.batches)
	in.fault = func(n int) (bool, error) {
		if n == start+2 {
			return false, errShelf
		}
		return false, nil
	}
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the others", func() bool { return in.count() == 380 })
	if once, never, often := in.named(1, 200); once != 200 {
		t.Errorf("of 200 mails %d are there once, %d never, %d more often", once, never, often)
	}
}

// TestCompareMailThatKills: known mails break each connection on which they are compared. They are passed over in the end,
// and new mail does not wait for that.
func TestCompareMailThatKills(t *testing.T) {
	s, in := backlogOf40(t)
	for _, uid := range []uint32{3, 17, 33} {
		s.Garbage(uid, -1)
	}
	fill(t, s, 41, 45)
	before, read := s.Connections(), 0
	in.after = func(b mailbox.Batch) {
		if b.Through == 45 && read == 0 {
			read = s.Connections() - before
		}
	}
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("new mail, and calm", func() bool { return in.count() == 45 && !w.Status().LastPoll.IsZero() })
	complete(t, in, 1, 45)
	if n := s.Connections() - before; n > 13 || read > 2 {
		t.Errorf("it took %d connections, and %d to read new mail", n, read)
	}
}

// knew makes the shelf believe that it got letter n under uid, in place of what it got.
func (s *shelf) knew(uid uint32, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, m := range s.mails {
		if k.uid == uid {
			m.Header, m.Raw = letter(n), nil
			s.mails[k] = m
		}
	}
}

// again returns the mail that came as the n-th again under uid, the zero mail if it did not.
func (s *shelf) again(uid uint32, n int) mailbox.Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, m := range s.mails {
		if k.uid == uid && k.reuse == n {
			return m
		}
	}
	return mailbox.Mail{}
}

// backlogOf40 has read the 40 mails of a server once.
func backlogOf40(t *testing.T) (*mailtest.IMAP, *shelf) {
	t.Helper()
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 40)
	in := newShelf(t)
	_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.count() == 40 })
	stop()
	return s, in
}

// TestReusedIsAskedForAgain: the body of a mail behind a known UID breaks the connection at first, and is read when it
// does not any more.
func TestReusedIsAskedForAgain(t *testing.T) {
	s, in := backlogOf40(t)
	in.knew(30, 99)
	s.OnCommand(func(line string) mailtest.Fault {
		if strings.Contains(line, "BODY.PEEK[]") && asks(line, 30) {
			return mailtest.Cut
		}
		return mailtest.Pass
	})
	c := config(s.Addr(), s.User, s.Password)
	c.Unfetchable = []time.Duration{300 * time.Millisecond, 300 * time.Millisecond}
	watch(t, c, in)
	in.until("what cannot be fetched", func() bool { return in.again(30, 1).Unfetchable != "" })
	s.OnCommand(nil)
	in.until("the whole mail", func() bool { return bytes.Equal(in.again(30, 1).Raw, letter(30)) })
}

// TestHeaderThatKillsOnce: asking for the header of a mail breaks the connection, as anybody can bring about with a line
// of 10 MB. It did so when the mail was read, and does not again with each connection.
func TestHeaderThatKillsOnce(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 40)
	s.OnCommand(func(line string) mailtest.Fault {
		if strings.Contains(line, "HEADER.FIELDS") && asks(line, 30) {
			return mailtest.Cut
		}
		return mailtest.Pass
	})
	in := newShelf(t)
	_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.count() == 40 })
	stop()
	before := s.Connections()
	fill(t, s, 41, 45)
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("new mail, and calm", func() bool { return in.count() == 45 && !w.Status().LastPoll.IsZero() })
	if n := s.Connections() - before; n != 1 {
		t.Errorf("it took %d connections", n)
	}
}

// TestTwoViews: the servers behind one name disagree about a UID, and each connection meets another of them. What they
// show is known, and not read again and again.
func TestTwoViews(t *testing.T) {
	s, in := backlogOf40(t)
	in.mu.Lock()
	for k, m := range in.mails {
		if k.uid == 30 {
			k.reuse, m.Reuse, m.Header = 1, 1, letter(99)
			in.mails[k] = m
		}
	}
	in.mu.Unlock()
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("a look", func() bool { return !w.Status().LastPoll.IsZero() })
	if m := in.again(30, 2); m.Header != nil || in.count() != 41 {
		t.Errorf("it was read again: %s", m.Header)
	}
}

// TestReusedWithoutHeader: the header of the mail that had the UID first is not kept any more. When they came tells them
// apart.
func TestReusedWithoutHeader(t *testing.T) {
	s, in := backlogOf40(t)
	in.mu.Lock()
	for k, m := range in.mails {
		m.Header = nil
		if k.uid == 20 {
			m.InternalDate = m.InternalDate.Add(-time.Hour)
		}
		in.mails[k] = m
	}
	in.mu.Unlock()
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the other mail", func() bool { return bytes.Equal(in.again(20, 1).Raw, letter(20)) })
	if in.count() != 41 {
		t.Errorf("%d mails, want 41", in.count())
	}
}

// TestInventedMessageID: a server makes up the Message-ID of a mail that has none, another one each time. One could be
// another mail, but not every one.
func TestInventedMessageID(t *testing.T) {
	s, in := backlogOf40(t)
	in.mu.Lock()
	for k, m := range in.mails {
		if k.uid == 30 {
			for k.reuse = range 2 {
				m.Reuse, m.Header = k.reuse, bytes.Replace(letter(30), []byte("<m30@"), fmt.Appendf(nil, "<made-up-%d@", k.reuse), 1)
				in.mails[k] = m
			}
		}
	}
	in.mu.Unlock()
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("a look", func() bool { return !w.Status().LastPoll.IsZero() })
	if in.count() != 41 {
		t.Errorf("%d mails, want 41", in.count())
	}
}

// TestReusedWithinASecond: two mails without a Message-ID came within one second, and the server gave the second the UID
// of the first. What a reader sees tells them apart.
func TestReusedWithinASecond(t *testing.T) {
	s, in := backlogOf40(t)
	in.mu.Lock()
	for k, m := range in.mails {
		if k.uid == 30 {
			m.Header, _, _ = bytes.Cut(letter(99), []byte("Message-ID"))
			in.mails[k] = m
		}
	}
	in.mu.Unlock()
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the other mail", func() bool { return bytes.Equal(in.again(30, 1).Raw, letter(30)) })
	if in.count() != 41 {
		t.Errorf("%d mails, want 41", in.count())
	}
}

// The folder was put back from a backup while nobody looked, and people moved its latest 50 mails away: the mails behind
// known UIDs below are found.
func TestPutBackAndMovedAway(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 200)
	in := newShelf(t)
	_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.count() == 200 })
	stop()
	var away []uint32
	for uid := uint32(21); uid <= 200; uid++ {
		in.knew(uid, int(1000+uid))
		if uid > 150 {
			away = append(away, uid)
		}
	}
	if err := s.Expunge("INBOX", away...); err != nil {
		t.Fatal(err)
	}
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("a look", func() bool { return !w.Status().LastPoll.IsZero() })
	if n := in.count(); n != 330 {
		t.Errorf("%d of 130 mails behind known UIDs were read", n-200)
	}
}
