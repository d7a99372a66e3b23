package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Postman takes letters from Outbox and hands them to an SMTP server, one recipient a transaction, over one connection
// that stays open while letters wait. Fill in the exported fields, then call Run once; Kick and Status may be called at
// any time, from any goroutine.
type Postman struct {
	Config PostmanConfig
	Outbox Outbox
	Log    *slog.Logger // nil: nothing is logged

	Dial func(context.Context) (net.Conn, error) // nil: TCP to Config.Host; over a pipe time can be virtual

	mu    sync.Mutex
	kick  chan struct{}
	state PostmanStatus
	since time.Time // when the present run of failures began
}

// round is what one Run needs beside the Postman itself.
type round struct {
	*Postman
	c    PostmanConfig
	log  *slog.Logger
	dial func(context.Context) (net.Conn, error)
	line *line // the open connection, nil when there is none
	bad  int   // connections that failed in a row
	no   int   // sign-ins that were refused in a row
}

// Run carries letters until ctx is done and then returns nil. It returns an error at once when the configuration cannot
// work. A letter whose dot has been written when ctx ends gets ten seconds more for its 250.
func (p *Postman) Run(ctx context.Context) error {
	r := &round{Postman: p, c: p.Config.withDefaults(), log: p.Log, dial: p.Dial}
	if err := endpoint(r.c.Host, r.c.Port, r.c.Security); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if p.Outbox == nil || (r.c.User != "" && r.c.Password == nil && r.c.Tokens == nil) {
		return errors.New("send mail: an outbox, and a password for the user, are needed")
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.dial == nil {
		addr := address(r.c.Host, r.c.Port, defaultPort(r.c.Security, 465, 587))
		r.dial = func(ctx context.Context) (net.Conn, error) { return dialTCP(ctx, addr, r.c.Dial, r.c.Security) }
	}
	kick := p.bell()
	stuck := 0
	for ctx.Err() == nil {
		l, ok, err := p.Outbox.Claim(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			// A full disk, say. No kick shortens this wait, or the loop would run hot.
			stuck++
			r.failed(fmt.Errorf("claim a letter: %w", err), false)
			sleep(ctx, min(time.Second<<min(stuck, 6), time.Minute), nil)
		case !ok:
			stuck = 0
			r.hangUp()
			sleep(ctx, r.c.Poll, kick)
		default:
			stuck = 0
			if pause := r.carry(ctx, l); pause > 0 {
				sleep(ctx, pause, nil)
			}
		}
	}
	r.hangUp()
	return nil
}

// Kick says that a letter has just been queued. It never blocks.
func (p *Postman) Kick() { wake(p.bell()) }

// Status tells how sending is going.
func (p *Postman) Status() PostmanStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.Alarm = s.Alarm || !p.since.IsZero() && time.Since(p.since) > time.Hour
	return s
}

func (p *Postman) bell() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kick == nil {
		p.kick = make(chan struct{}, 1)
	}
	return p.kick
}

// carry makes one attempt at l and records how it ended. The result is how long to leave the server alone.
func (r *round) carry(ctx context.Context, l Letter) time.Duration {
	response, o := r.attempt(ctx, l)
	if o == nil {
		r.bad, r.no = 0, 0
		r.mu.Lock()
		r.state.LastSent, r.state.LastError, r.state.ErrorAt, r.state.Alarm, r.since =
			time.Now(), "", time.Time{}, false, time.Time{}
		r.mu.Unlock()
		r.record(ctx, l, func(ctx context.Context) error {
			return r.Outbox.Sent(ctx, l.ID, l.Attempt, clip(response, 500))
		})
		r.log.Info("letter sent", "letter", l.ID, "attempt", l.Attempt)
		return 0
	}
	r.schedule(l, o)
	r.record(ctx, l, func(ctx context.Context) error {
		return r.Outbox.Failed(ctx, l.ID, l.Attempt, o.Outcome)
	})
	r.log.Warn("letter not sent", "letter", l.ID, "attempt", l.Attempt, "phase", string(o.Phase), "code", o.Code)
	if ctx.Err() == nil && o.Phase != Refused {
		r.failed(errors.New(o.Text), o.ours)
	}
	if !o.line {
		return 0
	}
	r.bad++
	pause := min(time.Second<<min(r.bad-1, 6), time.Minute)
	if o.ours {
		if r.no++; r.no >= refusals {
			pause = 15 * time.Minute
		}
	}
	return pause
}

// failure is an Outcome and what it says about the connection.
type failure struct {
	Outcome
	line bool // the server could not be reached or used at all: the next letter would fare no better
	ours bool // the configuration is wrong (sign-in refused): a person must act
}

// schedule decides when l is tried again, or that it is not.
func (r *round) schedule(l Letter, o *failure) {
	now := time.Now()
	o.Text = clip(o.Text, 400)
	if o.Phase == Refused {
		return
	}
	if !l.Since.IsZero() && now.Sub(l.Since) >= r.c.GiveUp {
		o.Text = fmt.Sprintf("gave up after %s: %s", span(r.c.GiveUp), o.Text)
		if o.Phase == Uncertain {
			o.Text += " (the last attempt may have arrived)"
		}
		o.Phase = Refused
		return
	}
	switch wait := r.c.Backoff(max(l.Attempt, 1)); o.Phase {
	case Uncertain:
		o.Next = now.Add(r.c.UncertainWait)
	case Unsent:
		// The letter is not to blame: once the server is back, it should not wait for hours.
		o.Next = now.Add(min(wait, 15*time.Minute))
	default:
		o.Next = now.Add(wait)
	}
}

// span writes a duration for people: in days where it is whole days.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// record makes how an attempt ended durable. It outlives ctx, for a 250 that is forgotten is a second copy, and tries
// for about a minute; after that the Outbox's own lease decides, by what AtDot has made durable.
func (r *round) record(ctx context.Context, l Letter, write func(context.Context) error) {
	const tries = 8
	for n := range tries {
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		err := write(c)
		cancel()
		if err == nil {
			return
		}
		r.log.Error("record how a letter fared", "letter", l.ID, "attempt", l.Attempt, "error", err)
		r.failed(fmt.Errorf("record letter %d: %w", l.ID, err), false)
		if !sleep(ctx, min(100*time.Millisecond<<n, 30*time.Second), nil) && n > 0 {
			return
		}
	}
}

// failed shows err in the status.
func (r *round) failed(err error, alarm bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.state.LastError, r.state.ErrorAt = clip(err.Error(), 500), now
	r.state.Alarm = r.state.Alarm || alarm
	if r.since.IsZero() {
		r.since = now
	}
}

// hangUp ends the connection politely, if there is one.
func (r *round) hangUp() {
	if r.line != nil {
		r.line.quit()
		r.dropLine()
	}
}

func (r *round) dropLine() {
	if r.line != nil {
		r.line.close()
		r.line = nil
	}
	r.connected(false)
}

func (r *round) connected(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Connected = yes
}
