package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/ui/webhook"
)

var key = review.APIKey{ID: 1}

const accounts = `account_id,account_name,locale,user_id,login,email,role,api_only
A-1,ACME GmbH,en,U-1,anna,anna@acme.example,admin,0
A-1,ACME GmbH,en,U-2,jane,jane@acme.example,user,0
A-1,ACME GmbH,en,U-3,joe,joe@acme.example,user,0
`

// A house is a desk on a real database, with one account.
type house struct {
	t    *testing.T
	cfg  review.Config
	desk *review.Desk

	mu       sync.Mutex
	couriers []*webhook.Courier
}

func newHouse(t *testing.T, dir string) *house {
	t.Helper()
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, cfg: review.Config{Path: filepath.Join(dir, "desk.db"), Keys: keys, Brand: "Example", BaseURL: "https://reset.example",
		From: mail.Address{Address: "support@host.example"}, Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}, WebhookPlain: true}}
	h.cfg.HooksReady = h.kick
	h.open()
	rows, err := review.ReadAccounts(strings.NewReader(accounts))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.desk.Import(t.Context(), rows, "test", false, false); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.desk, err = review.Open(h.t.Context(), h.cfg); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.desk.Close() })
}

func (h *house) hook(url string, events ...string) (review.Webhook, string) {
	h.t.Helper()
	w, secret, err := h.desk.AddWebhook(h.t.Context(), key, url, events)
	if err != nil {
		h.t.Fatal(err)
	}
	return w, secret
}

// happen makes a case of a user: one event.
func (h *house) happen(user string) string {
	h.t.Helper()
	out, err := h.desk.OpenFromPanel(h.t.Context(), key, review.PanelRequest{Account: "A-1", User: user, Note: "lost at sea"})
	if err != nil || !out.Opened {
		h.t.Fatalf("%+v, %v", out, err)
	}
	return out.Number
}

func (h *house) log(id int64) []review.DeliveryRow {
	h.t.Helper()
	rows, err := h.desk.Deliveries(h.t.Context(), id, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return rows
}

// last is the newest delivery to a webhook, zero if there is none.
func (h *house) last(id int64) (l review.DeliveryRow) {
	h.t.Helper()
	if rows := h.log(id); len(rows) > 0 {
		l = rows[0]
	}
	return l
}

func (h *house) kick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.couriers {
		c.Kick()
	}
}

// run runs a courier until the returned function is called.
func (h *house) run(c *webhook.Courier) (stop func()) {
	c.Outbox = h.desk
	h.mu.Lock()
	h.couriers = append(h.couriers, c)
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				h.t.Errorf("the courier ended with %v", err)
			}
		})
	}
	h.t.Cleanup(stop)
	return stop
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 400 {
		if f() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// A post is one request that a receiver got.
type post struct {
	header http.Header
	body   string
	at     time.Time
}

// A receiver keeps what it gets and answers as it is told.
type receiver struct {
	mu     sync.Mutex
	posts  []post
	answer func(http.ResponseWriter, *http.Request, int) // the third is the number of the post, from 1
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.posts = append(r.posts, post{req.Header, string(body), time.Now()})
	n := len(r.posts)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req, n)
	}
}

func (r *receiver) got() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.posts...)
}

// verified holds a post against the text of Standard Webhooks, by code of its own,
// and returns how many of the signatures are of this secret.
func (p post) verified(t *testing.T, secret string) int {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(raw) != 32 {
		t.Fatalf("the secret has %d bytes: %v", len(raw), err)
	}
	mac := hmac.New(sha256.New, raw)
	io.WriteString(mac, p.header.Get("webhook-id")+"."+p.header.Get("webhook-timestamp")+"."+p.body)
	n := 0
	for _, s := range strings.Split(p.header.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(s, ",")
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil || version != "v1" {
			t.Errorf("signature %q", s)
		}
		if hmac.Equal(sum, mac.Sum(nil)) {
			n++
		}
	}
	return n
}

// A pipes is a listener in memory, so that client and server are in one bubble.
type pipes struct{ conns chan net.Conn }

func listen(t *testing.T, h http.Handler) *pipes {
	p := &pipes{make(chan net.Conn)}
	s := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() { s.Serve(p); close(ended) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, errors.New("closed")
	}
	return c, nil
}

func (p *pipes) Close() error   { close(p.conns); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
