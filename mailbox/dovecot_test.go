package mailbox_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// dovecot starts a private Dovecot. Where it is not installed the test is skipped, but fails in CI.
func dovecot(t testing.TB) *mailtest.Dovecot {
	t.Helper()
	d, err := mailtest.StartDovecot(t.TempDir())
	need(t, err)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Errorf("stop dovecot: %v", err)
		}
		if t.Failed() {
			log := d.Log()
			t.Log(log[max(0, len(log)-3000):])
		}
	})
	return d
}

// need fails the test, or skips it outside of CI, when a real server could not be started.
func need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	here := strings.Contains(err.Error(), "not installed") || strings.Contains(err.Error(), "only root can")
	if os.Getenv("CI") == "" && here {
		t.Skip(err)
	}
	t.Fatal(err)
}

// drop puts a file into the Maildir, as a delivery agent does: any bytes at all.
func drop(t testing.TB, d *mailtest.Dovecot, name string, raw []byte) {
	t.Helper()
	dir := filepath.Join(d.MailDir, "new")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	own(t, d, path)
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(d.MailDir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		own(t, d, filepath.Join(d.MailDir, sub))
	}
}

// own gives path to the user whose Maildir it is.
func own(t testing.TB, d *mailtest.Dovecot, path string) {
	t.Helper()
	if err := d.Own(path); err != nil {
		t.Fatal(err)
	}
}

// census is what the Maildir holds: names carry the flags.
func census(t *testing.T, d *mailtest.Dovecot) string {
	t.Helper()
	var all []string
	for _, sub := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(d.MailDir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(filepath.Join(d.MailDir, sub, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s %d", f.Name(), len(raw)))
		}
	}
	return strings.Join(all, "\n")
}

func some(from, to int) (list [][]byte) {
	for n := from; n <= to; n++ {
		list = append(list, letter(n))
	}
	return list
}

func TestDovecot(t *testing.T) {
	d := dovecot(t)
	if err := d.Deliver(some(1, 1100)...); err != nil {
		t.Fatal(err)
	}
	before := census(t, d)
	in := newShelf(t)
	w, stop := watch(t, config(d.Addr(), d.User, d.Password), in)
	in.until("the backlog", func() bool { return in.count() == 1100 })
	complete(t, in, 1, 1100)
	in.until("a calm status", func() bool { return w.Status().Connected })
	stop()
	if after := census(t, d); strings.ReplaceAll(after, ":2,", "") != strings.ReplaceAll(before, ":2,", "") {
		t.Error("the mailbox has changed")
	}
	if strings.Contains(census(t, d), ":2,S") {
		t.Error("a mail is marked as seen")
	}

	// New mail while nobody watches, a crash of the server, and more new mail.
	if err := d.Deliver(some(1101, 1110)...); err != nil {
		t.Fatal(err)
	}
	watch(t, config(d.Addr(), d.User, d.Password), in)
	in.until("new mail", func() bool { return in.count() == 1110 })
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.Deliver(some(1111, 1112)...); err != nil {
		t.Fatal(err)
	}
	in.until("mail after the crash", func() bool { return in.count() == 1112 })
	complete(t, in, 1, 1112)
	if in.repeats != 0 {
		t.Errorf("%d mails came twice", in.repeats)
	}
}

func TestDovecotUIDValidity(t *testing.T) {
	d := dovecot(t)
	if err := d.Deliver(some(1, 30)...); err != nil {
		t.Fatal(err)
	}
	in := newShelf(t)
	watch(t, config(d.Addr(), d.User, d.Password), in)
	in.until("the mails", func() bool { return in.cursor("INBOX").UID == 30 })
	old := in.cursor("INBOX").UIDValidity
	if err := d.RebuildIndex(); err != nil {
		t.Fatal(err)
	}
	in.until("all mails again", func() bool { c := in.cursor("INBOX"); return c.UIDValidity != old && c.UID == 30 })
	if in.count() != 60 {
		t.Errorf("%d rows, want 60: the Inbox pairs them, not the watcher", in.count())
	}
	for _, m := range in.all("INBOX") {
		if m.Backlog || m.Header == nil {
			t.Errorf("mail %d: %+v", m.UID, m)
		}
	}
}

// TestDovecotOddMails reads mails that are none, and a header line of 12 MB, on which Dovecot 2.3 ends its process.
func TestDovecotOddMails(t *testing.T) {
	d := dovecot(t)
	monster := append([]byte("From: a@legit.example\nSubject: 2FA "), bytes.Repeat([]byte("x"), 12<<20)...)
	monster = append(monster, "\n\nbody\n"...)
	big := append([]byte("From: b@legit.example\nSubject: big 2FA\n\n"), bytes.Repeat([]byte("0123456789abcde\n"), 60<<16)...)
	odd := map[string][]byte{
		"a": letter(10), "b": {}, "c": []byte("\n"), "d": []byte("no header at all"), "e": bytes.Repeat([]byte{0xFF, 0}, 100),
		"f": monster, "g": big, "h": []byte("Subject: 2FA\n\n\x00\x00"), "i": letter(20),
	}
	for name, raw := range odd {
		drop(t, d, "1000."+name+".host", raw)
	}
	in := newShelf(t)
	c := config(d.Addr(), d.User, d.Password)
	c.Dedicated = true
	c.Unfetchable = []time.Duration{time.Hour}
	watch(t, c, in)
	in.until("all mails", func() bool { return in.count() == len(odd) })
	for _, m := range in.all("INBOX") {
		switch {
		case m.Size > 1<<20:
			if m.Unfetchable == "" && (!m.Truncated || len(m.Raw) != 256<<10) {
				t.Errorf("mail %d: %d bytes, truncated %v", m.UID, len(m.Raw), m.Truncated)
			}
		case m.Unfetchable != "":
			t.Logf("mail %d of %d bytes: %s", m.UID, m.Size, m.Unfetchable)
		case m.Raw == nil:
			t.Errorf("mail %d: no body", m.UID)
		}
	}
}

func TestDovecotWrongPassword(t *testing.T) {
	d := dovecot(t)
	c := config(d.Addr(), d.User, "wrong")
	c.Backoff = func(n int) time.Duration {
		if n > 100 {
			return time.Hour
		}
		return time.Millisecond
	}
	in := newShelf(t)
	w, _ := watch(t, c, in)
	in.until("an alarm", func() bool { return w.Status().Alarm })
	if st := w.Status(); !strings.Contains(st.LastError, "app password") {
		t.Errorf("%+v", st)
	}
}
