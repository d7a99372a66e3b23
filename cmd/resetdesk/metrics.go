package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// A monitor tells programs how the desk is doing: /metrics for Prometheus, and
// /healthz, which is not well while mail is late. It has a listener of its own,
// for it asks nobody to sign in; no figure names an account or a person.
type monitor struct {
	desk     *review.Desk
	watching []*mailbox.Watcher // none where this process reads no mail
	postman  *mailbox.Postman
	log      *slog.Logger
}

// listen listens at once, and returns the function that serves.
func (m *monitor) listen(addr string) (func(context.Context) error, error) {
	handler, err := m.handler()
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	m.log.Info("serving metrics", "listen", listener.Addr().String())
	return serveHTTP(listener, handler, func() {}, m.log), nil
}

func (m *monitor) handler() (http.Handler, error) {
	registry := prometheus.NewRegistry() // of our own: what libraries put into the global one is not ours to show
	for _, c := range []prometheus.Collector{m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 2, Timeout: 30 * time.Second}))
	mux.HandleFunc("GET /healthz", m.health)
	return mux, nil
}

// health answers 503 while something is wrong that does not mend itself.
func (m *monitor) health(w http.ResponseWriter, _ *http.Request) {
	var wrong []string
	for _, watcher := range m.watching {
		if s := watcher.Status(); s.Alarm {
			wrong = append(wrong, mailLight("Mailbox "+watcher.Config.User, s, time.Now()).Text)
		}
	}
	if s := m.postman.Status(); s.Alarm {
		wrong = append(wrong, "Outgoing mail: "+s.LastError)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(wrong) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(wrong, "\n"))
		return
	}
	fmt.Fprintln(w, "ok")
}

// figure describes one of our metrics.
func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("resetdesk_"+name, help, labels, nil)
}

var (
	figReceived   = figure("mails_received_total", "Mails taken in, as counted when they came.", "mailbox", "folder")
	figMails      = figure("mails", "Mails by what became of them; waiting is no fate yet. Their sum is mails_received_total.", "mailbox", "folder", "fate")
	figConnected  = figure("mailbox_connected", "1 while the folder has a working connection.", "mailbox", "folder")
	figAlarm      = figure("mailbox_alarm", "1 while a person must act.", "mailbox", "folder")
	figLastPoll   = figure("mailbox_last_poll_timestamp_seconds", "When the folder was last looked at, 0 for never.", "mailbox", "folder")
	figLag        = figure("mailbox_lag_seconds", "How long the oldest mail waits that is on the server and not taken in.", "mailbox", "folder")
	figQuiet      = figure("mailbox_quiet_seconds", "How long the folder has shown no sign of life.", "mailbox", "folder")
	figUnread     = figure("mailbox_unread", "Mails on the server that are not taken in yet.", "mailbox", "folder")
	figLetters    = figure("letters", "Letters that wait, and letters that were given up.", "state")
	figLetterAge  = figure("letters_oldest_seconds", "How long the oldest waiting letter waits.")
	figPostman    = figure("postman_alarm", "1 while letters cannot be sent and a person must act.")
	figCases      = figure("cases", "Cases that are open or on hold.", "state")
	allOurFigures = []*prometheus.Desc{figReceived, figMails, figConnected, figAlarm, figLastPoll, figLag, figQuiet, figUnread,
		figLetters, figLetterAge, figPostman, figCases}
)

// Describe implements prometheus.Collector.
func (m *monitor) Describe(to chan<- *prometheus.Desc) {
	for _, d := range allOurFigures {
		to <- d
	}
}

// Collect implements prometheus.Collector. All that comes from the database is of
// one snapshot.
func (m *monitor) Collect(to chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		for i := range labels {
			labels[i] = strings.ToValidUTF8(labels[i], "?") // else the library panics
		}
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { tell(d, prometheus.GaugeValue, v, labels...) }
	now := time.Now()
	for _, w := range m.watching {
		for _, f := range w.Status().Folders {
			box, folder, poll := f.Source.Mailbox, f.Source.Folder, 0.0
			if !f.LastPoll.IsZero() {
				poll = float64(f.LastPoll.UnixMilli()) / 1000
			}
			gauge(figConnected, one(f.Connected), box, folder)
			gauge(figAlarm, one(f.Alarm), box, folder)
			gauge(figLastPoll, poll, box, folder)
			gauge(figLag, f.Lag(now).Seconds(), box, folder)
			gauge(figQuiet, f.Quiet(now).Seconds(), box, folder)
			gauge(figUnread, float64(f.Waiting), box, folder)
		}
	}
	gauge(figPostman, one(m.postman.Status().Alarm))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	f, err := m.desk.Figures(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(figMails, err)
		return
	}
	for _, box := range f.Folders {
		tell(figReceived, prometheus.CounterValue, float64(box.Received), box.Mailbox, box.Folder)
		for _, fate := range review.Fates {
			gauge(figMails, float64(box.Fates[fate]), box.Mailbox, box.Folder, fate)
		}
		gauge(figMails, float64(box.Fates[""]), box.Mailbox, box.Folder, "waiting")
	}
	gauge(figLetters, float64(f.LettersWaiting), "waiting")
	gauge(figLetters, float64(f.LettersFailed), "failed")
	age := 0.0
	if !f.OldestLetter.IsZero() {
		age = max(now.Sub(f.OldestLetter).Seconds(), 0)
	}
	gauge(figLetterAge, age)
	for state, n := range f.Cases {
		gauge(figCases, float64(n), string(state))
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
