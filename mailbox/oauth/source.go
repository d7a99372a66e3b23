package oauth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// How long a token is used, and how soon another is asked for.
const (
	unknownLife = 5 * time.Minute  // of a token that does not say when it ends
	longestLife = 24 * time.Hour   // believed of one that says more
	early       = 2 * time.Minute  // before its end, at least
	margin      = 10 * time.Second // before its end an old token is not handed out any more
	firstPause  = 5 * time.Second  // after a failed attempt, doubled up to longestPause
	longPause   = 5 * time.Minute
)

// grant is a token as it was issued; end is zero when nobody said when it ends.
type grant struct {
	token string
	end   time.Time
}

// Source hands out access tokens. It may be used from any goroutine, by several mail servers at once.
type Source struct {
	kind    Kind
	timeout time.Duration
	fetch   func(context.Context) (grant, error)

	mu       sync.Mutex
	token    string    // "" when there is none
	due, end time.Time // when to ask for the next one, and when this one is over
	uses     int       // how often it was handed out
	flight   *flight   // the attempt under way
	failed   error     // how the last attempt failed, nil when it did not
	fails    int       // in a row
	retry    time.Time // no attempt before this
}

// flight is one attempt to get a token that all callers share. It ends early when nobody waits for it any more.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int
}

// Token returns a token that is good now. When the present one nears its end it waits for the next; if there is none to
// be had, the present one serves until it is over.
func (s *Source) Token(ctx context.Context) (string, error) {
	for first := true; ; first = false {
		s.mu.Lock()
		now := time.Now()
		usable := s.token != "" && now.Before(s.end)
		switch {
		case usable && (now.Before(s.due) || !first || now.Before(s.retry)):
			s.uses++
			token := s.token
			s.mu.Unlock()
			return token, nil
		case s.failed != nil && (!first || now.Before(s.retry)):
			err := s.failed
			s.mu.Unlock()
			return "", err
		}
		f := s.board(ctx)
		s.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			s.leave(f)
			return "", ctx.Err()
		}
	}
}

// board joins the attempt under way or begins one. The caller holds mu.
func (s *Source) board(ctx context.Context) *flight {
	if s.flight == nil {
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		f := &flight{done: make(chan struct{}), cancel: cancel}
		s.flight = f
		go func() {
			defer cancel()
			g, err := s.fetch(c)
			s.land(f, g, err)
		}()
	}
	s.flight.waiting++
	return s.flight
}

// leave ends f when its last passenger has left.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting == 0 && s.flight == f {
		s.flight = nil
		f.cancel()
	}
}

// land records how f ended.
func (s *Source) land(f *flight, g grant, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.flight != f {
		return // nobody waited to the end
	}
	s.flight = nil
	now := time.Now()
	if err == nil {
		err = check(g, now)
	}
	if err != nil {
		s.failed = err
		s.retry = now.Add(min(firstPause<<min(s.fails, 10), longPause))
		s.fails++
		return
	}
	s.token, s.uses, s.failed, s.fails, s.retry = g.token, 0, nil, 0, time.Time{}
	s.due, s.end = span(now, g.end)
}

// span is when a token that was issued now is to be replaced, and when it is over: at 90 % of its life and at least two
// minutes early, or in the middle of a life too short for that.
func span(now, end time.Time) (due, over time.Time) {
	if end.IsZero() {
		return now.Add(unknownLife), now.Add(unknownLife)
	}
	life := min(end.Sub(now), longestLife)
	wait := min(life/10*9, life-early)
	if wait < life/2 {
		wait = life / 2
	}
	return now.Add(wait), now.Add(max(life-margin, wait))
}

// check refuses what cannot be a bearer token (RFC 6750 2.1): it goes into a line of a mail protocol.
func check(g grant, now time.Time) error {
	if g.token == "" || len(g.token) > maxToken {
		return &Error{What: "no access token was issued, or one that is too long"}
	}
	for _, c := range []byte(g.token) {
		if c <= ' ' || c > '~' {
			return &Error{What: "what was issued as an access token has blanks or control characters in it"}
		}
	}
	if !g.end.IsZero() && !g.end.After(now) {
		return &Error{What: "the access token that was issued had already ended", Next: "check this machine's clock: timedatectl set-ntp true"}
	}
	return nil
}

// maxToken bounds a token: a line of SMTP AUTH holds 12,288 octets (RFC 4954 4), base64 included.
const maxToken = 8 << 10

// Refused says that a mail server turned token down: it is not handed out again. The answer tells whether another try at
// once makes sense, because the token was not got for this sign-in.
func (s *Source) Refused(token string) (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != token {
		return true // another sign-in has learnt it before
	}
	s.token = ""
	return s.uses > 1
}

// String names where the tokens come from and when the present one ends.
func (s *Source) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" {
		return s.kind.title()
	}
	return fmt.Sprintf("%s, a new token is due at %s", s.kind.title(), s.due.UTC().Format("15:04 MST"))
}

// Format is String for every verb of fmt.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String, for log/slog.
func (s *Source) LogValue() slog.Value { return slog.StringValue(s.String()) }
