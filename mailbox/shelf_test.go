package mailbox_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// id is a mail's identity.
type id struct {
	source   mailbox.Source
	validity uint32
	uid      uint32
	reuse    int
}

// shelf is an Inbox in memory that checks the contract, with faults: failed, and failed but done.
type shelf struct {
	t testing.TB

	mu        sync.Mutex
	cursors   map[mailbox.Source]mailbox.Cursor
	mails     map[id]mailbox.Mail
	questions int // how often it was asked what is missing
	repeats   int // a mail that came again
	batches   []mailbox.Batch
	concerns  func(header []byte) bool           // nil: a subject with "2FA"
	fault     func(n int) (done bool, err error) // before the n-th Receive takes effect; n counts from 1
	after     func(b mailbox.Batch)              // once it is on the shelf
	news      chan struct{}
	looked    []time.Time // when Looked was called
	deaf      error       // what Looked returns
}

func newShelf(t testing.TB) *shelf {
	return &shelf{t: t, cursors: map[mailbox.Source]mailbox.Cursor{}, mails: map[id]mailbox.Mail{}, news: make(chan struct{}, 1)}
}

func (s *shelf) Resume(_ context.Context, src mailbox.Source) (mailbox.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[src], nil
}

func (s *shelf) Concerns(_ context.Context, _ mailbox.Source, headers [][]byte) ([]bool, error) {
	yes := make([]bool, len(headers))
	for i, h := range headers {
		if s.concerns != nil {
			yes[i] = s.concerns(h)
		} else {
			yes[i] = bytes.Contains(h, []byte("2FA"))
		}
	}
	return yes, nil
}

func (s *shelf) Missing(_ context.Context, src mailbox.Source, validity uint32, uids []uint32) ([]uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cursors[src].UIDValidity != validity || len(uids) == 0 || len(uids) > 10000 || !slices.IsSorted(uids) || uids[len(uids)-1] > s.cursors[src].UID {
		s.t.Errorf("asked about %d UIDs behind %+v", len(uids), s.cursors[src])
	}
	s.questions++
	return slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { _, known := s.mails[id{src, validity, uid, 0}]; return known }), nil
}

func (s *shelf) Latest(_ context.Context, src mailbox.Source, validity, uid uint32, n int) ([]mailbox.Mail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []mailbox.Mail
	for k, m := range s.mails {
		if k.source == src && k.validity == validity && k.uid <= uid {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b mailbox.Mail) int { return cmp.Or(cmp.Compare(a.UID, b.UID), a.Reuse-b.Reuse) })
	return list[max(0, len(list)-n):], nil
}

func (s *shelf) Looked(_ context.Context, src mailbox.Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = append(s.looked, time.Now())
	return s.deaf
}

// lose forgets mails of the INBOX, as a database that was damaged by force.
func (s *shelf) lose(uids ...uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.mails {
		if slices.Contains(uids, k.uid) {
			delete(s.mails, k)
		}
	}
}

func (s *shelf) Receive(_ context.Context, b mailbox.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, b)
	if s.fault != nil {
		if done, err := s.fault(len(s.batches)); err != nil {
			if done {
				s.put(b)
			}
			return err
		}
	}
	s.put(b)
	if s.after != nil {
		s.after(b)
	}
	return nil
}

func (s *shelf) put(b mailbox.Batch) {
	if b.UIDValidity == 0 {
		s.t.Error("a batch without UIDVALIDITY")
	}
	if c := s.cursors[b.Source]; c.UIDValidity == b.UIDValidity && b.Through < c.UID {
		s.t.Errorf("the cursor went back from %d to %d", c.UID, b.Through)
	}
	size := 0
	for _, m := range b.Mails {
		size += len(m.Header) + len(m.Raw)
		if m.UID > b.Through {
			s.t.Errorf("mail %d lies behind the cursor %d of its batch", m.UID, b.Through)
		}
		key := id{b.Source, b.UIDValidity, m.UID, m.Reuse}
		if old, ok := s.mails[key]; ok {
			s.repeats++
			if old.Unfetchable == "" {
				continue
			}
		}
		s.mails[key] = m
	}
	if len(b.Mails) > 500 || size > 5<<20 {
		s.t.Errorf("a batch of %d mails and %d bytes", len(b.Mails), size)
	}
	s.cursors[b.Source] = mailbox.Cursor{UIDValidity: b.UIDValidity, UID: b.Through, Backlog: b.Backlog}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// all returns the mails of a folder under its latest UIDVALIDITY, by UID.
func (s *shelf) all(folder string) []mailbox.Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []mailbox.Mail
	for k, m := range s.mails {
		if k.source.Folder == folder && k.validity == s.cursors[k.source].UIDValidity {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b mailbox.Mail) int { return int(a.UID) - int(b.UID) })
	return list
}

func (s *shelf) cursor(folder string) mailbox.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	for src, c := range s.cursors {
		if src.Folder == folder {
			return c
		}
	}
	return mailbox.Cursor{}
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.Collect(maps.Keys(s.mails)))
}

// until waits for a condition that a delivery may make true.
func (s *shelf) until(what string, ok func() bool) {
	s.t.Helper()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-s.news:
		case <-time.After(20 * time.Millisecond):
		case <-end:
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// config reaches a server with deadlines and waits short enough for a test.
func config(addr, user, password string) mailbox.WatcherConfig {
	host, port := split(addr)
	return mailbox.WatcherConfig{
		Mailbox: "support", Host: host, Port: port, Security: mailbox.Plain, User: user,
		Password: func(context.Context) (string, error) { return password, nil },
		Poll:     50 * time.Millisecond, Backoff: func(int) time.Duration { return 5 * time.Millisecond },
		Command: 5 * time.Second, Body: 10 * time.Second,
		Unfetchable: []time.Duration{30 * time.Millisecond, 30 * time.Millisecond},
	}
}

func split(addr string) (string, int) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return host, n
}

// watch runs a watcher until stop is called or the test ends.
func watch(t testing.TB, c mailbox.WatcherConfig, in mailbox.Inbox) (w *mailbox.Watcher, stop func()) {
	t.Helper()
	w = &mailbox.Watcher{Config: c, Inbox: in, Log: slog.New(slog.NewTextHandler(logWriter{t}, nil))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the watcher does not stop")
		}
	})
	t.Cleanup(func() {
		if st := w.Status(); t.Failed() {
			t.Logf("the watcher says %q", st.LastError)
		}
		stop()
	})
	return w, stop
}

// logWriter writes log lines to the test's log.
type logWriter struct{ testing.TB }

func (l logWriter) Write(p []byte) (int, error) {
	if testing.Verbose() {
		l.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

func newIMAP(t testing.TB, o mailtest.IMAPOptions) *mailtest.IMAP {
	t.Helper()
	s, err := mailtest.NewIMAP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close imap: %v", err)
		}
	})
	return s
}

// letter writes mail n; every tenth asks about 2FA.
func letter(n int) []byte {
	subject := "Invoice"
	if n%10 == 0 {
		subject = "Please reset 2FA"
	}
	return fmt.Appendf(nil, "From: <admin%d@legit.example>\r\nTo: <reset@support.example>\r\nSubject: %s %d\r\n"+
		"Message-ID: <m%d@legit.example>\r\nX-Noise: %s\r\n\r\nBody of mail %d.\r\n", n, subject, n, n,
		strings.Repeat("noise ", 20), n)
}

func fill(t testing.TB, s *mailtest.IMAP, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if _, err := s.Append("INBOX", letter(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// complete checks that the shelf holds mails from..to, each once, with the body where it concerns us.
func complete(t *testing.T, s *shelf, from, to int) {
	t.Helper()
	list := s.all("INBOX")
	if len(list) != to-from+1 {
		t.Fatalf("%d mails, want %d", len(list), to-from+1)
	}
	for i, m := range list {
		n := from + i
		if m.UID != uint32(n) || !bytes.Contains(m.Header, fmt.Appendf(nil, "<m%d@legit.example>", n)) {
			t.Fatalf("mail %d: uid %d, header %q", n, m.UID, m.Header)
		}
		if bytes.Contains(m.Header, []byte("X-Noise")) {
			t.Fatalf("mail %d: more than the selected fields: %q", n, m.Header)
		}
		if want := n%10 == 0; (m.Raw != nil) != want {
			t.Fatalf("mail %d: body fetched %v, want %v", n, m.Raw != nil, want)
		}
		if m.Raw != nil && !bytes.Equal(m.Raw, letter(n)) {
			t.Fatalf("mail %d: raw %q", n, m.Raw)
		}
		if m.Size != int64(len(letter(n))) || m.InternalDate.IsZero() || m.Truncated || m.Unfetchable != "" {
			t.Fatalf("mail %d: %+v", n, m)
		}
	}
}

var errShelf = errors.New("no space left on device")
