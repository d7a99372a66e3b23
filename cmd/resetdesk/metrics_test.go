package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// scrape reads the metrics of m, each by its name and labels.
func scrape(t *testing.T, m *monitor) map[string]float64 {
	t.Helper()
	handler, err := m.handler()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	values := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok {
			name, value, ok = strings.Cut(strings.TrimSpace(line), " ")
		} else {
			name += "}"
		}
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			values[name] = v
		}
	}
	return values
}

// agree holds what the schema counted against the report, which counts the mails.
func agree(t *testing.T, m *monitor, r review.MailReport) {
	t.Helper()
	got := scrape(t, m)
	type key struct{ mailbox, folder, fate string }
	want := map[key]int{}
	received := map[[2]string]int{}
	for _, d := range r.Days {
		received[[2]string{d.Mailbox, d.Folder}] += d.Received
		for _, fate := range review.Fates {
			want[key{d.Mailbox, d.Folder, fate}] += d.Fates[fate]
		}
		want[key{d.Mailbox, d.Folder, "waiting"}] += d.Waiting
	}
	sums := map[[2]string]int{}
	for k, n := range want {
		name := fmt.Sprintf("resetdesk_mails{fate=%q,folder=%q,mailbox=%q}", k.fate, k.folder, k.mailbox)
		if v, ok := got[name]; !ok || int(v) != n {
			t.Errorf("%s is %v (%v), the report says %d", name, v, ok, n)
		}
		sums[[2]string{k.mailbox, k.folder}] += n
	}
	for k, n := range received {
		name := fmt.Sprintf("resetdesk_mails_received_total{folder=%q,mailbox=%q}", k[1], k[0])
		if v, ok := got[name]; !ok || int(v) != n || sums[k] != n {
			t.Errorf("%s is %v (%v), the report says %d, the fates sum up to %d", name, v, ok, n, sums[k])
		}
	}
	if len(received) == 0 {
		t.Error("there is nothing to compare")
	}
}

// lines is a log that a test reads while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The figures of a desk with open cases, letters and a mailbox that goes away.
func TestMetrics(t *testing.T) {
	p := newPractice(t)
	p.addAccounts(3)
	cfg, err := LoadConfig(p.config, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := openDesk(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer desk.Close()
	for n, i := range []int{1, 101, 2, 3, 10, 11} { // mixedMail: two requests, an invoice, an automatic mail, ordinary ones
		raw := bytes.ReplaceAll(mixedMail(i), []byte("\n"), []byte("\r\n"))
		m := mailbox.Mail{UID: uint32(n + 1), InternalDate: time.Now(), Size: int64(len(raw)), Header: raw}
		if i < 10 || i > 100 {
			m.Raw = raw
		}
		b := mailbox.Batch{Source: mailbox.Source{Mailbox: cfg.Mailbox.User, Folder: "INBOX"}, UIDValidity: 7, Through: m.UID, Mails: []mailbox.Mail{m}}
		if err := desk.Receive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	w := watchers(cfg, desk, slog.New(slog.DiscardHandler))[0]
	m := &monitor{desk: desk, watching: []*mailbox.Watcher{w}, postman: &mailbox.Postman{}, log: slog.New(slog.DiscardHandler)}
	report := func() review.MailReport {
		r, err := desk.MailReportFromHost(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	agree(t, m, report()) // some wait
	if err := desk.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := report()
	agree(t, m, r)
	got := scrape(t, m)
	if got[`resetdesk_cases{state="open"}`] != 2 || got[`resetdesk_letters{state="waiting"}`] < 4 || got[`resetdesk_letters{state="failed"}`] != 0 || got["go_goroutines"] == 0 {
		t.Errorf("cases %v, letters waiting %v, report %+v", got[`resetdesk_cases{state="open"}`], got[`resetdesk_letters{state="waiting"}`], r.Fates)
	}

	if err := p.dovecot.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	defer func() { cancel(); <-done }()
	labels := fmt.Sprintf("{folder=%q,mailbox=%q}", "INBOX", cfg.Mailbox.User)
	for end := time.Now().Add(20 * time.Second); w.Status().LastError == ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the watcher misses nothing")
		}
	}
	got = scrape(t, m)
	if v, ok := got["resetdesk_mailbox_connected"+labels]; !ok || v != 0 || got["resetdesk_mailbox_last_poll_timestamp_seconds"+labels] != 0 || got["resetdesk_mailbox_alarm"+labels] != 0 {
		t.Errorf("away: connected %v (%v), %v", v, ok, got)
	}
}

// The listener is there by configuration alone, answers what it should, and shows
// no address of a customer.
func TestMonitorListens(t *testing.T) {
	example := ExampleConfig(Example{})
	for value, want := range map[string]string{"0.0.0.0:9464": "every address", ":9464": "write host:port", "localhost": "write host:port", "[::]:1": "every address"} {
		text := strings.Replace(example, "[database]", "metrics = \""+value+"\"\n[database]", 1)
		if _, err := LoadConfig(write(t, text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
	p := newPractice(t)
	cfg, err := LoadConfig(p.config, os.Environ())
	if err != nil || cfg.Server.Metrics != "" {
		t.Fatalf("%q, %v", cfg.Server.Metrics, err)
	}
	cfg.Server.Metrics, cfg.Server.Listen = "127.0.0.1:0", "127.0.0.1:0"
	var log lines
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, cfg, "", slog.New(slog.NewTextHandler(&log, nil))) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	addr := ""
	for end := time.Now().Add(20 * time.Second); addr == ""; time.Sleep(10 * time.Millisecond) {
		if _, rest, ok := strings.Cut(log.String(), `msg="serving metrics" listen=`); ok {
			addr = strings.Fields(rest)[0]
		} else if time.Now().After(end) {
			t.Fatal(log.String())
		}
	}
	for path, want := range map[string]string{"/metrics": "resetdesk_mailbox_connected", "/healthz": "ok"} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Contains(body, []byte(want)) || bytes.Contains(body, []byte("company0")) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}
