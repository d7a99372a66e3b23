package ui

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// What open pages may cost: streams of one session and of all, how often one is
// told at most, and how long it lives. A browser comes back by itself.
const (
	streamsOfSession = 6
	streamsOfAll     = 300
	heartbeat        = 15 * time.Second
	tellEvery        = time.Second
	streamLife       = 5 * time.Minute
)

// The streams are the pages that are open, and who looks at which case.
type streams struct {
	mu      sync.Mutex
	all     int
	of      map[[32]byte]int
	looking map[string]map[*stream]string // case -> streams -> who
}

// A stream is one open page. moved is told when somebody comes to its case or goes.
type stream struct {
	session [32]byte
	number  string
	moved   chan struct{}
}

// open takes a place, unless too many are taken.
func (s *streams) open(token, number, who string) (*stream, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of, s.looking = map[[32]byte]int{}, map[string]map[*stream]string{}
	}
	x := &stream{session: sha256.Sum256([]byte(token)), number: number, moved: make(chan struct{}, 1)}
	if s.all >= streamsOfAll || s.of[x.session] >= streamsOfSession {
		return nil, false
	}
	s.all++
	s.of[x.session]++
	if number != "" {
		if s.looking[number] == nil {
			s.looking[number] = map[*stream]string{}
		}
		s.looking[number][x] = who
		s.move(number)
	}
	return x, true
}

func (s *streams) close(x *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[x.session]--; s.of[x.session] == 0 {
		delete(s.of, x.session)
	}
	if x.number == "" {
		return
	}
	if delete(s.looking[x.number], x); len(s.looking[x.number]) == 0 {
		delete(s.looking, x.number)
	}
	s.move(x.number)
}

// move tells all who look at a case. s.mu is held.
func (s *streams) move(number string) {
	for x := range s.looking[number] {
		select {
		case x.moved <- struct{}{}:
		default:
		}
	}
}

// others are the names of who else looks at the case.
func (s *streams) others(number, who string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for _, name := range s.looking[number] {
		if name != who {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A told is what a page hears: on the queue what is new, on a case whether it
// changed and who else looks at it.
type told struct {
	review.Pulse
	Version int64    `json:"version,omitempty"`
	Viewers []string `json:"viewers"`
}

// events is the stream of an open page (interface 3.1). It ends with the session,
// with the program, and by itself after some minutes. It carries no data of a
// case: the page asks for what it wants to show.
func (s *site) events(w http.ResponseWriter, r *http.Request, who review.Session) error {
	q := r.URL.Query()
	number := clip(20, q.Get("case"))
	micros, _ := strconv.ParseInt(q.Get("since"), 10, 64)
	x, ok := s.open.open(s.token(r), number, who.Reviewer.Name)
	if !ok {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	defer s.open.close(x)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	ctx, stop := context.WithTimeout(r.Context(), streamLife)
	defer stop()
	beat, last := time.NewTicker(heartbeat), ""
	defer beat.Stop()
	for {
		changed := s.Desk.Changed()
		if !s.Desk.StillIn(ctx, s.token(r)) {
			return nil
		}
		now, err := s.tell(ctx, who, review.Tab(clip(20, q.Get("tab"))), number, time.UnixMicro(micros))
		if err != nil {
			return nil // the page asks again
		}
		_ = out.SetWriteDeadline(time.Now().Add(2 * heartbeat)) // the server's own would end the stream; a writer without deadlines needs none
		if now != last {
			last = now
			fmt.Fprintf(w, "data: %s\n\n", now)
		} else {
			fmt.Fprint(w, ": beat\n\n")
		}
		if out.Flush() != nil {
			return nil // the reader left
		}
		select {
		case <-changed:
			pause(ctx, tellEvery)
		case <-x.moved:
		case <-beat.C:
		case <-s.Stop:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *site) tell(ctx context.Context, who review.Session, tab review.Tab, number string, since time.Time) (string, error) {
	t := told{Viewers: []string{}}
	var err error
	if number != "" {
		if t.Version, err = s.Desk.Version(ctx, number); err != nil {
			return "", err
		}
		t.Viewers = s.open.others(number, who.Reviewer.Name)
	}
	if t.Pulse, err = s.Desk.Pulse(ctx, tab, since); err != nil {
		return "", err
	}
	text, err := json.Marshal(t)
	return string(text), err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
