package api

import (
	"sync"
	"time"
)

// maxBuckets bounds the memory of a limiter.
const maxBuckets = 10_000

// A limiter gives each of many callers so many acts a second, and a burst of them
// at once.
type limiter[K comparable] struct {
	rate  float64
	burst float64

	mu      sync.Mutex
	buckets map[K]bucket
}

// A bucket is full when it is not there.
type bucket struct {
	left float64
	at   time.Time
}

func newLimiter[K comparable](rate float64, burst int) *limiter[K] {
	return &limiter[K]{rate: rate, burst: float64(burst), buckets: map[K]bucket{}}
}

// take uses one act up and returns 0, or how long to wait for the next one.
func (l *limiter[K]) take(k K) time.Duration {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[k]
	if !ok {
		if len(l.buckets) >= maxBuckets {
			l.sweep(now)
		}
		b = bucket{l.burst, now}
	}
	b.left = min(l.burst, b.left+l.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.left < 1 {
		l.buckets[k] = b
		return time.Duration((1 - b.left) / l.rate * float64(time.Second))
	}
	b.left--
	l.buckets[k] = b
	return 0
}

// sweep forgets the buckets that are full again. If none is, so many come at once
// that forgetting all of them is the lesser evil.
func (l *limiter[K]) sweep(now time.Time) {
	for k, b := range l.buckets {
		if b.left+l.rate*now.Sub(b.at).Seconds() >= l.burst {
			delete(l.buckets, k)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}
