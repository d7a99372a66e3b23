package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// longestWait is how long a poller of events may be kept.
const longestWait = 25

// number reads a parameter that is a whole number between low and high.
func (c *call) number(name string, fallback, low, high int64) (int64, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, invalid(name, name+" is a whole number between "+strconv.FormatInt(low, 10)+" and "+strconv.FormatInt(high, 10)+".")
	}
	return n, nil
}

type caseBody struct {
	Account    string    `json:"account"`
	User       string    `json:"user"`
	AskedBy    string    `json:"asked_by"`
	PasswordAt time.Time `json:"password_verified_at"`
	Note       string    `json:"note"`
	source
}

// openCase takes what somebody asked for in the panel.
func (s *server) openCase(c *call) (answer, error) {
	var b caseBody
	if err := c.decode(&b); err != nil {
		return answer{}, err
	}
	out, err := s.Desk.OpenFromPanel(c.Context(), c.key, review.PanelRequest{Account: b.Account, User: b.User, AskedBy: b.AskedBy,
		PasswordAt: b.PasswordAt, Note: b.Note, IP: b.IP, Agent: b.Agent})
	return made(out.Opened, map[string]any{"number": out.Number, "opened": out.Opened}), err
}

func (s *server) listCases(c *call) (answer, error) {
	limit, err := c.number("limit", pageSize, 1, maxPageSize)
	if err != nil {
		return answer{}, err
	}
	q := c.URL.Query()
	cases, err := s.Desk.Cases(c.Context(), review.CaseFilter{State: review.State(q.Get("state")), Account: q.Get("account"), User: q.Get("user"),
		After: q.Get("after"), Limit: int(limit) + 1})
	if err != nil {
		return answer{}, err
	}
	next := ""
	if len(cases) > int(limit) {
		cases = cases[:limit]
		next = cases[limit-1].Number
	}
	return ok(map[string]any{"cases": listOf(cases), "next": next}), nil
}

// listOf is never null in JSON.
func listOf[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (s *server) getCase(c *call) (answer, error) {
	v, err := s.Desk.Summary(c.Context(), c.PathValue("number"))
	return ok(v), err
}

func (s *server) addNote(c *call) (answer, error) {
	var b struct {
		Text string `json:"text"`
	}
	if err := c.decode(&b); err != nil {
		return answer{}, err
	}
	return gone, s.Desk.AddNote(c.Context(), c.key, c.PathValue("number"), b.Text)
}

func (s *server) addSignal(c *call) (answer, error) {
	var b struct {
		Type         review.SignalKind `json:"type"`
		SecondFactor bool              `json:"second_factor"`
		At           time.Time         `json:"at"`
		source
	}
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	return gone, s.Desk.AddSignal(c.Context(), user, review.Signal{Kind: b.Type, SecondFactor: b.SecondFactor, At: b.At, IP: b.IP, Agent: b.Agent})
}

// An event is what GET /events and every webhook tell.
type event struct {
	ID   int64     `json:"id"`
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Data eventData `json:"data"`
}

type eventData struct {
	Case    string `json:"case,omitempty"`
	Account string `json:"account,omitempty"`
	User    string `json:"user,omitempty"`
}

func (s *server) listEvents(c *call) (answer, error) {
	after, err := c.number("after", 0, 0, 1<<62)
	if err != nil {
		return answer{}, err
	}
	limit, err := c.number("limit", pageSize, 1, maxPageSize)
	if err != nil {
		return answer{}, err
	}
	wait, err := c.number("wait", 0, 0, longestWait)
	if err != nil {
		return answer{}, err
	}
	events, next, err := s.Desk.Events(c.Context(), after, int(limit), time.Duration(wait)*time.Second)
	if err != nil {
		return answer{}, err
	}
	all := []event{}
	for _, e := range events {
		all = append(all, event{e.Seq, e.Type, e.At, eventData{e.Case, e.Account, e.User}})
	}
	return answer{status: http.StatusOK, value: map[string]any{"events": all, "next": next}}, nil
}
