package ui

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A Connection is one that the desk has to the outside: a mailbox, or the mail
// server. Test tries it anew, beside the one at work, and says what it found.
type Connection struct {
	Name, Where string
	Sends       bool   // the mail server
	Settings    string // what the configuration says of it, without secrets; "" if there is nothing to show
	Test        func(ctx context.Context) (Found, error)
}

// Found is what a test of a connection found, for people.
type Found struct {
	Words string   // in a sentence
	Lines []string // in detail
	Paste string   // what the configuration could say instead; "" if there is nothing to say
}

// A tried is the last test of a connection.
type tried struct {
	At time.Time
	OK bool
	Found
}

// trials are the last tests, and the limit of how often they are made: servers
// lock out who knocks too often.
type trials struct {
	sync.Mutex
	last map[int]tried
	busy map[int]bool
}

const (
	trialEvery = 20 * time.Second
	trialTime  = 30 * time.Second
)

var errTrial = &review.Error{Kind: review.TooMany, Message: "This connection was tried a moment ago. Wait 20 seconds: mail servers lock out who knocks too often."}

// begin takes the turn of a connection.
func (t *trials) begin(i int) error {
	t.Lock()
	defer t.Unlock()
	if t.busy[i] || time.Since(t.last[i].At) < trialEvery {
		return errTrial
	}
	if t.last == nil {
		t.last, t.busy = map[int]tried{}, map[int]bool{}
	}
	t.busy[i] = true
	return nil
}

func (t *trials) end(i int, r tried) {
	t.Lock()
	defer t.Unlock()
	t.last[i], t.busy[i] = r, false
}

type shownConnection struct {
	Connection
	Index int
	Last  tried
}

type connectionsPage struct {
	Connections []shownConnection
	Webhooks    []review.Webhook
}

func (s *site) showConnections(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	var p connectionsPage
	var err error
	if p.Webhooks, err = s.Desk.Webhooks(r.Context()); err != nil {
		return err
	}
	p.Connections = s.shownConnections()
	return s.render(w, r, http.StatusOK, "connections", view{Title: "Connections", Body: p})
}

// shownConnections are the connections with their last tests.
func (s *site) shownConnections() (all []shownConnection) {
	s.trials.Lock()
	defer s.trials.Unlock()
	for i, c := range s.Connections {
		all = append(all, shownConnection{c, i, s.trials.last[i]})
	}
	return all
}

func number(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n < 0 {
		return 0, errNoPage
	}
	return n, nil
}

// tryConnection makes a connection of its own, outside of any transaction.
func (s *site) tryConnection(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	n, err := number(r, "id")
	if err != nil || n >= int64(len(s.Connections)) {
		return errNoPage
	}
	i := int(n)
	if err := s.trials.begin(i); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(r.Context(), trialTime)
	defer stop()
	result := tried{OK: true}
	defer func() { s.trials.end(i, result) }()
	if result.Found, err = s.Connections[i].Test(ctx); err != nil {
		result.OK, result.Words = false, err.Error()
	}
	result.At = time.Now()
	http.Redirect(w, r, setupOr(r, "/settings/connections"), http.StatusSeeOther)
	return nil
}

type deliveriesPage struct {
	Webhook review.Webhook
	Rows    []review.DeliveryRow
	Older   int64
}

func (s *site) webhook(r *http.Request) (review.Webhook, error) {
	id, err := number(r, "id")
	if err != nil {
		return review.Webhook{}, err
	}
	all, err := s.Desk.Webhooks(r.Context())
	if err != nil {
		return review.Webhook{}, err
	}
	for _, h := range all {
		if h.ID == id {
			return h, nil
		}
	}
	return review.Webhook{}, errNoPage
}

func (s *site) showDeliveries(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	h, err := s.webhook(r)
	if err != nil {
		return err
	}
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	p := deliveriesPage{Webhook: h}
	if p.Rows, err = s.Desk.Deliveries(r.Context(), h.ID, max(before, 0)); err != nil {
		return err
	}
	if n := len(p.Rows); n >= 100 {
		p.Older = p.Rows[n-1].ID
	}
	return s.render(w, r, http.StatusOK, "deliveries", view{Title: "Deliveries", Body: p})
}

// tellWebhook queues a test or replays; the courier does the rest.
func (s *site) tellWebhook(w http.ResponseWriter, r *http.Request, who review.Session) error {
	h, err := s.webhook(r)
	if err != nil {
		return err
	}
	switch r.PostForm.Get("do") {
	case "test":
		err = s.Desk.TestWebhook(r.Context(), who, h.ID)
	case "replay":
		var delivery int64 // 0: all that were given up
		if text := r.PostForm.Get("delivery"); text != "" {
			if delivery, err = strconv.ParseInt(text, 10, 64); err != nil || delivery < 1 {
				return errForm
			}
		}
		_, err = s.Desk.Replay(r.Context(), who, h.ID, delivery)
	default:
		return errForm
	}
	if err != nil {
		return err
	}
	s.say(w, "It is on its way; load this page again to see the answer.")
	http.Redirect(w, r, "/settings/webhooks/"+strconv.FormatInt(h.ID, 10), http.StatusSeeOther)
	return nil
}
