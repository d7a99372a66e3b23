package mailbox_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// TestDovecotKilled kills Dovecot at any moment while several clients put mail into it
// as fast as it takes it, and a watcher reads. Every mail that Dovecot said it has is
// read, also those whose UID it gave twice. RESETDESK_SERVER_KILLS sets how often.
func TestDovecotKilled(t *testing.T) {
	kills := 4
	if s := os.Getenv("RESETDESK_SERVER_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	d := dovecot(t)
	in := newShelf(t)
	watch(t, config(d.Addr(), d.User, d.Password), in)
	var next atomic.Int64
	var mu sync.Mutex
	var taken []int // letters that Dovecot said it has
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() { putIn(d, &next, stop, func(n int) { mu.Lock(); taken = append(taken, n); mu.Unlock() }) })
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(taken) }
	for range kills {
		before := count()
		in.until("mail", func() bool { return count() > before })
		time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	clients.Wait()
	in.until("every mail that Dovecot has", func() bool {
		times := in.copies()
		return !slices.ContainsFunc(taken, func(n int) bool { return times[n] == 0 })
	})
	_, _, often := in.named(0, int(next.Load()))
	twice := strings.Count(d.Log(), "UIDs not ordered")
	t.Logf("%d kills, %d mails taken, %d UIDs given twice, %d mails read again under a new UID", kills, len(taken), twice, often)
	if often > twice {
		t.Errorf("%d mails were read again, but the server gave only %d UIDs twice", often, twice)
	}
}

// putIn appends letters until stop is closed, and tells which ones the server took.
func putIn(d *mailtest.Dovecot, next *atomic.Int64, stop chan struct{}, took func(n int)) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		n := int(next.Add(1))
		if d.Deliver(letter(n)) == nil {
			took(n)
		}
	}
}
