package mailbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// rack is an Outbox in memory that checks the contract.
type rack struct {
	t testing.TB

	mu       sync.Mutex
	waiting  []mailbox.Letter
	next     map[int64]time.Time
	claims   int
	claimErr error
	dotErr   error
	sentErr  int // so many Sent fail
	dots     map[int64]int
	sent     map[int64]string
	failed   map[int64][]mailbox.Outcome
	atDot    func()
}

func newRack(t testing.TB, letters ...mailbox.Letter) *rack {
	return &rack{t: t, waiting: letters, next: map[int64]time.Time{}, dots: map[int64]int{}, sent: map[int64]string{},
		failed: map[int64][]mailbox.Outcome{}}
}

func (r *rack) Claim(context.Context) (mailbox.Letter, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims++
	if r.claimErr != nil {
		return mailbox.Letter{}, false, r.claimErr
	}
	for i := range r.waiting {
		l := &r.waiting[i]
		if r.sent[l.ID] != "" || time.Now().Before(r.next[l.ID]) {
			continue
		}
		if o := r.failed[l.ID]; len(o) > 0 && o[len(o)-1].Phase == mailbox.Refused {
			continue
		}
		l.Attempt++
		r.next[l.ID] = time.Now().Add(time.Hour) // the lease
		return *l, true, nil
	}
	return mailbox.Letter{}, false, nil
}

func (r *rack) AtDot(_ context.Context, id int64, attempt int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.check(id, attempt)
	if r.dotErr != nil {
		return r.dotErr
	}
	r.dots[id]++
	if r.atDot != nil {
		r.atDot()
	}
	return nil
}

func (r *rack) Sent(_ context.Context, id int64, attempt int, response string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.check(id, attempt)
	if r.sentErr > 0 {
		r.sentErr--
		return errShelf
	}
	r.sent[id] = response + "."
	return nil
}

func (r *rack) Failed(_ context.Context, id int64, attempt int, o mailbox.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.check(id, attempt)
	if (o.Phase == mailbox.Refused) != o.Next.IsZero() || o.Text == "" || len(o.Text) > 500 {
		r.t.Errorf("outcome %+v", o)
	}
	r.failed[id] = append(r.failed[id], o)
	r.next[id] = o.Next
	return nil
}

func (r *rack) check(id int64, attempt int) {
	for _, l := range r.waiting {
		if l.ID == id && l.Attempt == attempt {
			return
		}
	}
	r.t.Errorf("letter %d, attempt %d was never claimed", id, attempt)
}

func (r *rack) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain: %s; sent %v, failed %+v", what, r.sent, r.failed)
		}
	}
}

func post(n int64) mailbox.Letter {
	return mailbox.Letter{ID: n, Since: time.Now(), To: fmt.Sprintf("admin%d@legit.example", n),
		Raw: fmt.Appendf(nil, "From: reset@support.example\r\nSubject: Your request %d\r\nMessage-ID: <%d@support.example>\r\n"+
			"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n.a line with a dot\r\n", n, n)}
}

func postConfig(addr string) mailbox.PostmanConfig {
	host, port := split(addr)
	return mailbox.PostmanConfig{Host: host, Port: port, Security: mailbox.Plain, Poll: 20 * time.Millisecond,
		Command: 2 * time.Second, AfterDot: 2 * time.Second, UncertainWait: 30 * time.Millisecond,
		Backoff: func(int) time.Duration { return 20 * time.Millisecond }}
}

func carry(t testing.TB, c mailbox.PostmanConfig, out mailbox.Outbox) (*mailbox.Postman, func()) {
	t.Helper()
	p := &mailbox.Postman{Config: c, Outbox: out, Log: slog.New(slog.NewTextHandler(logWriter{t}, nil))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(15 * time.Second):
			t.Error("the postman does not stop")
		}
	})
	t.Cleanup(stop)
	return p, stop
}

func newSMTP(t testing.TB, o mailtest.SMTPOptions) *mailtest.SMTP {
	t.Helper()
	s, err := mailtest.NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close smtp: %v", err)
		}
	})
	return s
}
