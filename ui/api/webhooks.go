package api

import (
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

type webhookAnswer struct {
	ID       int64     `json:"id"`
	URL      string    `json:"url"`
	Events   []string  `json:"events"`
	Created  time.Time `json:"created_at"`
	Disabled time.Time `json:"disabled_at,omitzero"`
	Rotating time.Time `json:"rotating_until,omitzero"`
	Waiting  int       `json:"waiting"`
	Dead     int       `json:"dead"`
	Secret   string    `json:"secret,omitempty"`
}

func shown(w review.Webhook, secret string) webhookAnswer {
	return webhookAnswer{w.ID, w.URL, listOf(w.Events), w.Created, w.Disabled, w.Rotating, w.Waiting, w.Dead, secret}
}

// endpoint reads which webhook the path names; 0 is none.
func (c *call) endpoint() int64 {
	id, err := strconv.ParseInt(c.PathValue("endpoint"), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

func (s *server) listWebhooks(c *call) (answer, error) {
	all, err := s.Desk.Webhooks(c.Context())
	list := []webhookAnswer{}
	for _, w := range all {
		list = append(list, shown(w, ""))
	}
	return ok(map[string]any{"webhooks": list}), err
}

func (s *server) addWebhook(c *call) (answer, error) {
	var b struct {
		URL    string   `json:"url"`
		Events []string `json:"events"`
	}
	if err := c.decode(&b); err != nil {
		return answer{}, err
	}
	w, secret, err := s.Desk.AddWebhook(c.Context(), c.key, b.URL, b.Events)
	return made(true, shown(w, secret)), err
}

func (s *server) removeWebhook(c *call) (answer, error) {
	return gone, s.Desk.RemoveWebhook(c.Context(), c.key, c.endpoint())
}

func (s *server) rotateWebhook(c *call) (answer, error) {
	if err := c.decode(&struct{}{}); err != nil {
		return answer{}, err
	}
	secret, err := s.Desk.RotateWebhook(c.Context(), c.key, c.endpoint())
	return ok(map[string]string{"secret": secret}), err
}

func (s *server) enableWebhook(c *call) (answer, error) {
	if err := c.decode(&struct{}{}); err != nil {
		return answer{}, err
	}
	return gone, s.Desk.EnableWebhook(c.Context(), c.key, c.endpoint())
}

func (s *server) testWebhook(c *call) (answer, error) {
	if err := c.decode(&struct{}{}); err != nil {
		return answer{}, err
	}
	return gone, s.Desk.TestWebhook(c.Context(), c.key, c.endpoint())
}

type deliveryAnswer struct {
	ID       int64     `json:"id"`
	Event    int64     `json:"event"`
	Type     string    `json:"type"`
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Status   int       `json:"status"`
	Answer   string    `json:"answer"`
	Queued   time.Time `json:"queued_at"`
	Changed  time.Time `json:"changed_at"`
	Next     time.Time `json:"next_at,omitzero"`
}

func (s *server) listDeliveries(c *call) (answer, error) {
	before, err := c.number("before", 0, 0, 1<<62)
	if err != nil {
		return answer{}, err
	}
	rows, err := s.Desk.Deliveries(c.Context(), c.endpoint(), before)
	list := []deliveryAnswer{}
	for _, r := range rows {
		list = append(list, deliveryAnswer(r))
	}
	return ok(map[string]any{"deliveries": list}), err
}

func (s *server) replay(c *call) (answer, error) {
	var b struct {
		Delivery int64 `json:"delivery"`
	}
	if err := c.decode(&b); err != nil {
		return answer{}, err
	}
	n, err := s.Desk.Replay(c.Context(), c.key, c.endpoint(), b.Delivery)
	return ok(map[string]int64{"replayed": n}), err
}
