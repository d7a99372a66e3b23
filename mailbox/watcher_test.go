package mailbox_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// allowed is everything a watcher may ever say to an IMAP server (promises D3).
var allowed = []string{
	"CAPABILITY", "ID", "AUTHENTICATE", "LOGIN", "STARTTLS", "EXAMINE", "STATUS", "UID SEARCH", "UID FETCH", "NOOP",
	"IDLE", "DONE", "LOGOUT",
}

// checkTranscript fails on any command that could change a mailbox, and on items that are not read in a stream.
func checkTranscript(t *testing.T, lines []string) {
	t.Helper()
	for _, l := range lines {
		if v := mailtest.Verb(l); v != "" && !slices.Contains(allowed, v) {
			t.Errorf("on the wire: %q", l)
		}
		up := strings.ToUpper(l)
		if strings.Contains(up, "ENVELOPE") || strings.Contains(up, "BODYSTRUCTURE") || strings.Contains(up, " RFC822 ") ||
			strings.Contains(up, "BODY[") {
			t.Errorf("asked for what is not allowed: %q", l)
		}
	}
}

func TestBacklogThenNewMail(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 1234)
	in := newShelf(t)
	w, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.count() == 1234 })
	complete(t, in, 1, 1234)
	fill(t, s, 1235, 1240)
	in.until("new mail", func() bool { return in.count() == 1240 })
	complete(t, in, 1, 1240)
	for _, m := range in.all("INBOX") {
		if m.Backlog != (m.UID <= 1234) {
			t.Fatalf("mail %d: backlog %v", m.UID, m.Backlog)
		}
	}
	in.until("a calm status", func() bool { return w.Status().Connected && w.Status().LastError == "" })
	if st := w.Status(); st.LastPoll.IsZero() || st.LastMail.IsZero() || len(st.Folders) != 1 || st.Alarm {
		t.Errorf("status %+v", st)
	}
	stop()
	if st := w.Status(); st.Connected {
		t.Errorf("status after the end: %+v", st)
	}
	checkTranscript(t, s.Commands())
	if n, seen, err := s.Count("INBOX"); err != nil || n != 1240 || seen != 0 {
		t.Errorf("the mailbox has %d mails, %d seen, %v", n, seen, err)
	}
}

// TestNothingNew checks the cost of a poll: one EXAMINE and no FETCH.
func TestNothingNew(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 30)
	in := newShelf(t)
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the backlog", func() bool { return in.count() == 30 })
	in.until("a calm status", func() bool { return !w.Status().LastPoll.IsZero() })
	before := len(s.Commands())
	time.Sleep(300 * time.Millisecond)
	polls := 0
	for _, l := range s.Commands()[before:] {
		switch mailtest.Verb(l) {
		case "EXAMINE":
			polls++
		case "UID FETCH", "UID SEARCH", "LOGIN", "AUTHENTICATE":
			t.Errorf("nothing is new, and yet %q", l)
		}
	}
	if polls < 2 {
		t.Errorf("%d polls", polls)
	}
}

func TestIdleAndKick(t *testing.T) {
	for _, by := range []string{"idle", "kick"} {
		t.Run(by, func(t *testing.T) {
			s := newIMAP(t, mailtest.IMAPOptions{})
			in := newShelf(t)
			c := config(s.Addr(), s.User, s.Password)
			c.Poll = time.Hour
			w, _ := watch(t, c, in)
			in.until("the first look", func() bool { return !w.Status().LastPoll.IsZero() })
			if by == "kick" {
				w.Kick()
			} else {
				time.Sleep(50 * time.Millisecond)
				fill(t, s, 1, 1)
				in.until("the mail", func() bool { return in.count() == 1 })
				return
			}
			examines := func() (n int) {
				for _, l := range s.Commands() {
					if mailtest.Verb(l) == "EXAMINE" {
						n++
					}
				}
				return n
			}
			in.until("a second look", func() bool { return examines() >= 2 })
		})
	}
}

// TestFirstMailIsNoBacklog: a folder that was empty at the first look has been looked at.
func TestFirstMailIsNoBacklog(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	in := newShelf(t)
	_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the first look", func() bool { return in.cursor("INBOX").UIDValidity != 0 })
	stop()
	fill(t, s, 1, 1)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the mail", func() bool { return in.count() == 1 })
	if in.all("INBOX")[0].Backlog {
		t.Error("the first mail of an empty folder counts as backlog")
	}
}

func TestReceiveFails(t *testing.T) {
	for name, done := range map[string]bool{"failed": false, "failed but done": true} {
		t.Run(name, func(t *testing.T) {
			s := newIMAP(t, mailtest.IMAPOptions{})
			fill(t, s, 1, 1100)
			in := newShelf(t)
			in.fault = func(n int) (bool, error) {
				if n == 3 || n == 5 { // the first batch only marks the boundary
					return done, errShelf
				}
				return false, nil
			}
			w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
			in.until("all mails", func() bool { return in.cursor("INBOX").UID == 1100 })
			complete(t, in, 1, 1100)
			if in.repeats != 0 {
				t.Errorf("%d mails came twice", in.repeats)
			}
			if n := s.SignIns(); n != 1 {
				t.Errorf("%d sign-ins: the Inbox's trouble is not the server's", n)
			}
			in.until("a calm status", func() bool { return w.Status().LastError == "" })
		})
	}
}

// TestRestartInTheMiddle stops the watcher inside the backlog; the next one goes on where the Inbox is, and still knows
// what is backlog.
func TestRestartInTheMiddle(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 1000)
	in := newShelf(t)
	in.fault = func(n int) (bool, error) {
		if n >= 3 {
			return false, errShelf
		}
		return false, nil
	}
	_, stop := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the first batch", func() bool { return in.cursor("INBOX").UID == 500 })
	stop()
	fill(t, s, 1001, 1003)
	in.mu.Lock()
	in.fault = nil
	in.mu.Unlock()
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the rest", func() bool { return in.count() == 1003 })
	complete(t, in, 1, 1003)
	for _, m := range in.all("INBOX") {
		if m.Backlog != (m.UID <= 1000) {
			t.Fatalf("mail %d: backlog %v", m.UID, m.Backlog)
		}
	}
}

func TestExpungeMeanwhile(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 1600)
	if err := s.Expunge("INBOX", 3, 4, 5); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	in.after = func(b mailbox.Batch) {
		if b.Through == 0 { // after the search, before the first header
			if err := s.Expunge("INBOX", 7, 700, 1600); err != nil {
				t.Error(err)
			}
		}
	}
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the end", func() bool { return in.cursor("INBOX").UID == 1600 })
	list := in.all("INBOX")
	if len(list) != 1594 {
		t.Fatalf("%d mails, want 1594", len(list))
	}
	for _, m := range list {
		if slices.Contains([]uint32{3, 4, 5, 7, 700, 1600}, m.UID) || m.Unfetchable != "" {
			t.Fatalf("a row for mail %d: %q", m.UID, m.Unfetchable)
		}
	}
}

func TestDeletedBeforeItsBody(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 20)
	in := newShelf(t)
	in.concerns = func(h []byte) bool {
		if bytes.Contains(h, []byte("<m10@")) {
			if err := s.Expunge("INBOX", 10); err != nil {
				t.Error(err)
			}
		}
		return bytes.Contains(h, []byte("2FA"))
	}
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the end", func() bool { return in.cursor("INBOX").UID == 20 })
	if m := in.all("INBOX")[9]; m.UID != 10 || !strings.Contains(m.Unfetchable, "deleted") || m.Header == nil || m.Raw != nil {
		t.Errorf("mail 10: %+v", m)
	}
}

func TestUIDValidityChange(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 20)
	in := newShelf(t)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the first mails", func() bool { return in.count() == 20 })
	old := in.cursor("INBOX").UIDValidity
	if err := s.Recreate("INBOX"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, 12)
	in.until("the new mails", func() bool { c := in.cursor("INBOX"); return c.UIDValidity != old && c.UID == 12 })
	complete(t, in, 1, 12)
	if in.count() != 32 {
		t.Errorf("%d rows: the old identities must stay", in.count())
	}
	for _, m := range in.all("INBOX") {
		if m.Backlog {
			t.Errorf("mail %d counts as backlog", m.UID)
		}
	}
}

func TestNoUIDValidity(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	fill(t, s, 1, 3)
	s.NoValidity(true)
	in := newShelf(t)
	w, _ := watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("an alarm", func() bool { return w.Status().Alarm })
	if st := w.Status(); !strings.Contains(st.LastError, "UIDVALIDITY") || in.count() != 0 {
		t.Errorf("%+v, %d mails", st, in.count())
	}
}

func TestSeveralFolders(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{Folders: []string{"Junk"}})
	fill(t, s, 1, 5)
	if _, err := s.Append("Junk", letter(10)); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	c := config(s.Addr(), s.User, s.Password)
	c.Folders = []string{"INBOX", "Junk", "Missing"}
	w, _ := watch(t, c, in)
	in.until("both folders", func() bool { return in.count() == 6 })
	in.until("an error about the third", func() bool { return strings.Contains(w.Status().LastError, "Missing") })
	if m := in.all("Junk"); len(m) != 1 || !bytes.Equal(m[0].Raw, letter(10)) {
		t.Errorf("junk: %+v", m)
	}
}

func TestDedicatedAndOddMails(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	big := append([]byte("From: <a@legit.example>\r\nSubject: big\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 3<<16)...)
	long := append(append([]byte("Subject: "), bytes.Repeat([]byte("x"), 64<<10)...), "\r\n\r\nbody"...)
	mails := [][]byte{letter(1), big, []byte("\r\n"), long}
	for _, m := range mails {
		if _, err := s.Append("INBOX", m); err != nil {
			t.Fatal(err)
		}
	}
	in := newShelf(t)
	in.concerns = func([]byte) bool { t.Error("a dedicated mailbox was asked about"); return false }
	c := config(s.Addr(), s.User, s.Password)
	c.Dedicated = true
	watch(t, c, in)
	in.until("all mails", func() bool { return in.count() == len(mails) })
	for i, m := range in.all("INBOX") {
		want := mails[i]
		if len(want) > 1<<20 {
			want = want[:256<<10]
		}
		if m.Raw == nil || !bytes.Equal(m.Raw, want) || m.Truncated != (len(mails[i]) > 1<<20) || len(m.Header) > 16<<10 {
			t.Errorf("mail %d: %d of %d bytes, header %d, truncated %v, %q", i, len(m.Raw), len(want), len(m.Header),
				m.Truncated, m.Unfetchable)
		}
	}
}

// TestLargeHeaders: more headers than one pass may hold. What did not fit is read in the next pass.
func TestLargeHeaders(t *testing.T) {
	s := newIMAP(t, mailtest.IMAPOptions{})
	refs := "References:" + strings.Repeat(" <0123456789@legit.example>\r\n", 500)
	const n = 800
	for i := 1; i <= n; i++ {
		if _, err := s.Append("INBOX", append([]byte(refs), letter(i)...)); err != nil {
			t.Fatal(err)
		}
	}
	in := newShelf(t)
	watch(t, config(s.Addr(), s.User, s.Password), in)
	in.until("the end", func() bool { return in.cursor("INBOX").UID == n })
	if list := in.all("INBOX"); len(list) != n {
		t.Errorf("%d of %d mails", len(list), n)
	}
}

func TestUnusableConfig(t *testing.T) {
	good := config("127.0.0.1:1", "u", "p")
	for want, spoil := range map[string]func(*mailbox.WatcherConfig){
		"only for loopback":   func(c *mailbox.WatcherConfig) { c.Host = "mail.example" },
		"is none of":          func(c *mailbox.WatcherConfig) { c.Security = "" },
		"host is empty":       func(c *mailbox.WatcherConfig) { c.Host = "" },
		"out of range":        func(c *mailbox.WatcherConfig) { c.Port = 70000 },
		"password are needed": func(c *mailbox.WatcherConfig) { c.Password = nil },
	} {
		c := good
		spoil(&c)
		w := &mailbox.Watcher{Config: c, Inbox: newShelf(t)}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.Run(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
