package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// counting counts what crosses a connection.
type counting struct {
	net.Conn
	in, turns *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c counting) Write(p []byte) (int, error) {
	c.turns.Add(1)
	return c.Conn.Write(p)
}

// hoard fills the Maildir with n mails of 2 to 20 KB, of which one in fifty asks about 2FA.
func hoard(t testing.TB, d *mailtest.Dovecot, n int) {
	t.Helper()
	dir := filepath.Join(d.MailDir, "cur")
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(d.MailDir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		own(t, d, filepath.Join(d.MailDir, sub))
	}
	for i := 1; i <= n; i++ {
		k := i
		if i%10 == 0 && i%50 != 0 {
			k++ // letter makes one in ten a candidate
		}
		raw := append(letter(k), bytes.Repeat([]byte("A line of an ordinary mail, as long as they are.\r\n"), 40+(i*37)%360)...)
		path := filepath.Join(dir, fmt.Sprintf("%d.M%d.host:2,", 1000000+i, i))
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		own(t, d, path)
	}
}

// read runs a watcher from an empty cursor to the n-th mail and tells what crossed the wire.
func read(t testing.TB, d *mailtest.Dovecot, in mailbox.Inbox, through func() uint32, n int, all bool) (bytes, turns int64) {
	t.Helper()
	var in64, turn64 atomic.Int64
	c := config(d.Addr(), d.User, d.Password)
	c.Dedicated, c.Command, c.Body, c.Poll = all, time.Minute, time.Minute, time.Hour
	w := &mailbox.Watcher{Config: c, Inbox: in}
	w.SetDial(func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", d.Addr())
		if err != nil {
			return nil, err
		}
		return counting{conn, &in64, &turn64}, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for end := time.Now().Add(time.Minute); through() < uint32(n); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("stuck at %d: %+v", through(), w.Status())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return in64.Load(), turn64.Load()
}

// sieve is an Inbox that keeps nothing.
type sieve struct {
	uid  atomic.Uint32
	peak atomic.Uint64
}

func (s *sieve) Resume(context.Context, mailbox.Source) (mailbox.Cursor, error) {
	return mailbox.Cursor{}, nil
}

func (s *sieve) Missing(context.Context, mailbox.Source, uint32, []uint32) ([]uint32, error) {
	return nil, nil
}

func (s *sieve) Latest(context.Context, mailbox.Source, uint32, uint32, int) ([]mailbox.Mail, error) {
	return nil, nil
}

func (s *sieve) Looked(context.Context, mailbox.Source) error { return nil }

func (s *sieve) Concerns(_ context.Context, _ mailbox.Source, headers [][]byte) ([]bool, error) {
	yes := make([]bool, len(headers))
	for i, h := range headers {
		yes[i] = bytes.Contains(h, []byte("2FA"))
	}
	return yes, nil
}

func (s *sieve) Receive(_ context.Context, b mailbox.Batch) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.peak.Store(max(s.peak.Load(), m.HeapInuse))
	s.uid.Store(b.Through)
	return nil
}

// BenchmarkScan reads 10,000 mails from Dovecot: headers of all and bodies of the candidates, against the bodies of
// all.
func BenchmarkScan(b *testing.B) {
	const n = 10000
	d := dovecot(b)
	hoard(b, d, n)
	var warm sieve
	read(b, d, &warm, warm.uid.Load, n, true)
	for name, all := range map[string]bool{"candidates": false, "bodies": true} {
		b.Run(name, func(b *testing.B) {
			var bytes, turns int64
			var peak uint64
			for b.Loop() {
				var s sieve
				bytes, turns = read(b, d, &s, s.uid.Load, n, all)
				peak = s.peak.Load()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "mails/s")
			b.ReportMetric(float64(bytes)/1e6, "MB")
			b.ReportMetric(float64(turns), "turns")
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		})
	}
}

// TestFewTurns bounds what a backlog costs beyond its bytes: turns, and the bytes of bodies that concern nobody.
func TestFewTurns(t *testing.T) {
	const n = 1500
	d := dovecot(t)
	hoard(t, d, n)
	var s, full sieve
	bytes, turns := read(t, d, &s, s.uid.Load, n, false)
	all, _ := read(t, d, &full, full.uid.Load, n, true)
	t.Logf("%d turns, %d of %d bytes", turns, bytes, all)
	if turns > 9 {
		t.Errorf("%d turns for %d mails", turns, n)
	}
	if bytes*100 > all*15 {
		t.Errorf("%d bytes, a full download is %d", bytes, all)
	}
}

// TestMemory reads a mail of 60 MB, and 80 more that are as large as a mail fetched whole can be, while the heap stays
// small.
func TestMemory(t *testing.T) {
	d := dovecot(t)
	head := "From: a@legit.example\nSubject: 2FA\n\n"
	body := bytes.Repeat([]byte("0123456789abcde\n"), 60<<16)
	drop(t, d, "1000.a.host", append([]byte(head), body...))
	for i := range 80 {
		drop(t, d, fmt.Sprintf("1001.%d.host", i), append([]byte(head), body[:900<<10]...))
	}
	runtime.GC()
	body = nil
	var s sieve
	read(t, d, &s, s.uid.Load, 81, false)
	if peak := s.peak.Load(); peak > 40<<20 {
		t.Errorf("the heap grew to %d MB", peak>>20)
	}
}
