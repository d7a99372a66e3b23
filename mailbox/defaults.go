package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// withDefaults returns c with every zero value filled in.
func (c WatcherConfig) withDefaults() WatcherConfig {
	if c.Mailbox == "" {
		c.Mailbox = c.User
	}
	if len(c.Folders) == 0 {
		c.Folders = []string{"INBOX"}
	}
	c.Poll = orDuration(c.Poll, 3*time.Minute)
	c.IdleReissue = orDuration(c.IdleReissue, 9*time.Minute)
	c.Reconnect = orDuration(c.Reconnect, time.Hour)
	c.Sweep = orDuration(c.Sweep, 24*time.Hour)
	c.Dial = orDuration(c.Dial, 10*time.Second)
	c.Greeting = orDuration(c.Greeting, 30*time.Second)
	c.Command = orDuration(c.Command, time.Minute)
	c.Body = orDuration(c.Body, 5*time.Minute)
	if c.Backoff == nil {
		c.Backoff = reconnectAfter
	}
	if c.Unfetchable == nil {
		const day = 24 * time.Hour
		c.Unfetchable = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, day, 2 * day, 3 * day}
	}
	return c
}

// withDefaults returns c with every zero value filled in.
func (c PostmanConfig) withDefaults() PostmanConfig {
	if c.Hello == "" {
		c.Hello = "localhost"
	}
	c.Poll = orDuration(c.Poll, 3*time.Second)
	c.Dial = orDuration(c.Dial, 30*time.Second)
	c.Command = orDuration(c.Command, 5*time.Minute)
	c.AfterDot = orDuration(c.AfterDot, 12*time.Minute)
	c.UncertainWait = orDuration(c.UncertainWait, 15*time.Minute)
	c.GiveUp = orDuration(c.GiveUp, 5*24*time.Hour)
	if c.Backoff == nil {
		c.Backoff = resendAfter
	}
	return c
}

// refusals is how many sign-ins in a row are refused before the watch stops trying for long.
const refusals = 3

// errRefused says that the server, not the network, turned the sign-in down.
var errRefused = errors.New("sign-in refused")

// door is what all folders of a mailbox share: they sign in one after the other, and a refused sign-in counts for all
// of them, so that a wrong password does not lock the account.
type door struct {
	turn    chan struct{} // capacity 1; holding the token means owning the fields below
	backoff func(int) time.Duration
	refused int
	until   time.Time
}

func newDoor(c WatcherConfig) *door {
	return &door{turn: make(chan struct{}, 1), backoff: c.Backoff}
}

// pass runs signIn when it is the caller's turn and no refusal forbids it.
func (d *door) pass(ctx context.Context, signIn func() error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.turn }()
	if time.Now().Before(d.until) {
		return fmt.Errorf("%w; the next attempt is at %s", errRefused, d.until.UTC().Format("15:04 MST"))
	}
	err := signIn()
	if err == nil {
		d.refused = 0
		return nil
	}
	if errors.Is(err, errRefused) {
		d.refused++
		wait := d.backoff(d.refused)
		if d.refused >= refusals {
			wait = d.backoff(longWait)
		}
		d.until = time.Now().Add(wait)
	}
	return err
}

// wait is how long the door stays closed.
func (d *door) wait() time.Duration {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	return time.Until(d.until)
}

// longWait is a step of the back-off at which it has reached its longest wait.
const longWait = 1 << 10
