package api

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

const maxRequestName = 255

// inProgress are the claimed requests that this process is working on. One
// process owns the database, so a claim that is not here and has no answer was
// cut by a crash.
type inProgress struct {
	mu   sync.Mutex
	acts map[act]bool
}

type act struct {
	key  int64
	name string
}

func (p *inProgress) begin(a act) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.acts[a] {
		return false
	}
	if p.acts == nil {
		p.acts = map[act]bool{}
	}
	p.acts[a] = true
	return true
}

func (p *inProgress) end(a act) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.acts, a)
}

// once does an act once for all requests with the same Idempotency-Key, and
// answers the later ones as it answered the first. Internal errors are not kept:
// whether their act was done is as unknown as after a crash.
func (s *server) once(c *call, do func() (answer, error)) (answer, error) {
	name := c.Header.Get("Idempotency-Key")
	if name == "" {
		return do()
	}
	if len(name) > maxRequestName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return answer{}, invalid("", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
	}
	a := act{c.key.ID, name}
	if !s.busy.begin(a) {
		return answer{}, newProblem(busy, "A request with this Idempotency-Key is being worked on.").after(time.Second)
	}
	defer s.busy.end(a)
	request := review.Request{Key: c.key, Name: name, Parts: [][]byte{[]byte(c.Method), []byte(c.URL.RequestURI()), []byte(c.Header.Get("If-Match")), c.body}}
	claim, before, err := s.Desk.ClaimRequest(c.Context(), request)
	switch {
	case err != nil:
		return answer{}, err
	case claim == review.Another:
		return answer{}, newProblem(otherRequest, "This Idempotency-Key was used for another path or another body.")
	case claim == review.Unknown:
		return answer{}, newProblem(outcome, "An earlier request with this Idempotency-Key was cut off. Read "+stateOf(c)+" to see whether it was carried out.")
	case claim == review.Answered:
		if before.Header == nil {
			before.Header = map[string]string{}
		}
		before.Header["Idempotent-Replay"] = "true"
		return answer{status: before.Status, header: before.Header, raw: before.Body}, nil
	}
	return s.keep(c, request, do)
}

// keep does the act and stores its answer before it is given.
func (s *server) keep(c *call, request review.Request, do func() (answer, error)) (answer, error) {
	out, err := do()
	if err == nil {
		out, err = out.encode()
	}
	if err != nil {
		p := s.explain(c.Request, err)
		if p.status >= http.StatusInternalServerError {
			return answer{}, p
		}
		if p.kind == tooFastKind { // nothing was done, and the same request may come again
			if err := s.Desk.DropClaim(c.Context(), request); err != nil {
				return answer{}, err
			}
			return answer{}, p
		}
		out = p.answer()
	}
	return out, s.Desk.KeepAnswer(c.Context(), request, review.Answer{Status: out.status, Header: out.header, Body: out.raw})
}

// stateOf names what to read after a request whose outcome is not known.
func stateOf(c *call) string {
	rest := strings.TrimPrefix(c.URL.EscapedPath(), Prefix)
	if after, ok := strings.CutPrefix(rest, "/users/"); ok {
		user, _, _ := strings.Cut(after, "/")
		return "GET " + Prefix + "/users/" + user + "/2fa"
	}
	return "GET " + Prefix + rest
}
