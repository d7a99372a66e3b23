package mailbox

import (
	"context"
	"math/rand/v2"
	"time"
)

// reconnectAfter is the wait before the n-th reconnection in a row: 5 s, doubled up to 15 min, ±30 %.
func reconnectAfter(n int) time.Duration {
	const first, longest = 5 * time.Second, 15 * time.Minute
	d := longest
	if n >= 1 && n < 9 {
		d = min(longest, first<<(n-1))
	}
	return jitter(d)
}

// resendAfter is the wait after n failed attempts to send a letter: 1 m, 5 m, 15 m, 1 h, then 4 h, plus up to a tenth,
// so that a queue does not go out in one burst.
func resendAfter(n int) time.Duration {
	steps := [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour}
	d := steps[min(max(n, 1), len(steps))-1]
	return d + rand.N(d/10)
}

// jitter spreads d by ±30 %.
func jitter(d time.Duration) time.Duration {
	return d*7/10 + rand.N(d*6/10+1)
}

// sleep waits for d, for a token on kick (nil: none comes), or for ctx; it reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration, kick <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-kick:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
