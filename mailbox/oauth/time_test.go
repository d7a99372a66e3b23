package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/oauth"
)

// clerk issues numbered tokens of a given life.
type clerk struct {
	n, asked int
	life     time.Duration
	fail     error
}

func (c *clerk) issue(context.Context) (string, time.Time, error) {
	c.asked++
	if c.fail != nil {
		return "", time.Time{}, c.fail
	}
	c.n++
	end := time.Now().Add(c.life)
	if c.life == 0 {
		end = time.Time{}
	}
	return fmt.Sprint("t", c.n), end, nil
}

func want(t *testing.T, s *oauth.Source, token string) {
	t.Helper()
	if got, err := s.Token(t.Context()); got != token || err != nil {
		t.Errorf("%q, %v; want %s", got, err, token)
	}
}

// TestTokensAreRenewedInTime looks right before and after the moment at which each kind of life asks for the next token.
func TestTokensAreRenewedInTime(t *testing.T) {
	for life, due := range map[time.Duration]time.Duration{
		time.Hour: 54 * time.Minute, 10 * time.Minute: 8 * time.Minute, time.Minute: 30 * time.Second,
		0: 5 * time.Minute, 1000 * time.Hour: 24 * time.Hour * 9 / 10,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &clerk{life: life}
			s := oauth.NewSource(c.issue)
			want(t, s, "t1")
			time.Sleep(due - time.Second)
			want(t, s, "t1")
			time.Sleep(time.Second)
			want(t, s, "t2")
		})
	}
}

// TestFailedRenewalKeepsTheToken holds that a token serves to its end, that attempts are spaced, and that all is well
// again once the issuer is.
func TestFailedRenewalKeepsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clerk{life: time.Hour}
		s := oauth.NewSource(c.issue)
		want(t, s, "t1")
		c.fail = errors.New("down")
		time.Sleep(55 * time.Minute)
		for range 100 {
			want(t, s, "t1")
		}
		if c.asked != 2 {
			t.Errorf("asked %d times", c.asked)
		}
		time.Sleep(5 * time.Minute)
		asked := c.asked
		for range 3600 {
			if _, err := s.Token(t.Context()); !errors.Is(err, c.fail) {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := c.asked - asked; n > 20 {
			t.Errorf("asked %d times in an hour", n)
		}
		c.fail = nil
		time.Sleep(5 * time.Minute)
		want(t, s, "t2")
	})
}

func TestRefusedTokenIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oauth.NewSource((&clerk{life: time.Hour}).issue)
		want(t, s, "t1")
		if s.Refused("t1") {
			t.Error("a token got for this very sign-in: another would fare no better")
		}
		want(t, s, "t2")
		want(t, s, "t2")
		for range 2 { // two servers turn it down
			if !s.Refused("t2") {
				t.Error("a token from memory may be the only trouble")
			}
		}
		want(t, s, "t3")
	})
}

// TestWaitsEnd holds that a caller leaves when it likes, and that an attempt ends with the last of them, or by itself.
func TestWaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{}, 2)
		s := oauth.NewSource(func(ctx context.Context) (string, time.Time, error) {
			<-ctx.Done()
			ended <- struct{}{}
			return "", time.Time{}, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		<-ended
		if _, err := s.Token(t.Context()); err == nil || time.Since(began) != 31*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
