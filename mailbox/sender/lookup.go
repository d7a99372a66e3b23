package sender

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Bounds of what one mail may ask of DNS (sender-verification 4, condition 6).
// Whoever forges the From of a slow domain must not hold up everybody's mail.
const (
	lookupBudget = 5 * time.Second
	maxLookups   = 32 // 8 keys, two tree walks, the From domain itself, and room
)

// Answer is what DNS said about a name.
type Answer struct {
	// Records are the TXT records, each with its strings joined.
	Records []string
	// TTL is how long they may be kept; 0 if it is not known.
	TTL time.Duration
	// DNSSEC says that the resolver vouches for them (the AD bit).
	DNSSEC bool
	// At is when they were asked for.
	At time.Time
	// NoName says that the name and everything below it do not exist (RFC 8020).
	NoName bool
}

// An asker is a Resolver that tells more than the records.
type asker interface {
	Ask(ctx context.Context, name string) (Answer, error)
}

// askState is how a question ended.
type askState int

const (
	askFound askState = iota
	askNothing
	askNoName
	askFailed
)

// ask asks DNS about a name, each name once and at most maxLookups of them.
// Names are built from labels the strict parsers accepted and from nothing else.
func (c *checker) ask(ctx context.Context, name string) (Answer, askState) {
	if c.r.Resolver == nil {
		return Answer{}, askNothing
	}
	if a, asked := c.asked[name]; asked {
		return a.answer, a.state
	}
	if len(c.asked) >= maxLookups {
		return Answer{}, askFailed
	}
	answer, err := askResolver(ctx, c.r.Resolver, name)
	state := askFound
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound && answer.NoName:
		state = askNoName
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound, err == nil && len(answer.Records) == 0:
		state = askNothing
	case err != nil || ctx.Err() != nil: // what comes too late is no answer
		answer, state = Answer{}, askFailed
	}
	c.asked[name] = asked{answer, state}
	return answer, state
}

type asked struct {
	answer Answer
	state  askState
}

func askResolver(ctx context.Context, r Resolver, name string) (Answer, error) {
	if a, ok := r.(asker); ok {
		return a.Ask(ctx, name)
	}
	records, err := r.LookupTXT(ctx, name)
	return Answer{Records: records, At: time.Now()}, err
}

// maxTTL is the longest that a key is kept, whatever its zone says: who withdraws
// one does so for a reason.
const maxTTL = time.Hour

// A Cache is a Resolver that remembers what another one found: at most so many
// names, none longer than its TTL or an hour. Failures and names without records
// are asked for anew. It is safe for concurrent use.
type Cache struct {
	from  Resolver
	size  int
	mu    sync.Mutex
	names map[string]kept
}

type kept struct {
	answer Answer
	until  time.Time
}

// NewCache returns a cache of at most size names in front of r.
func NewCache(r Resolver, size int) *Cache {
	return &Cache{from: r, size: size, names: make(map[string]kept)}
}

// LookupTXT is [Resolver]'s.
func (c *Cache) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := c.Ask(ctx, name)
	return a.Records, err
}

// Ask returns what is known about a name, with the time it was asked for.
func (c *Cache) Ask(ctx context.Context, name string) (Answer, error) {
	now := time.Now()
	c.mu.Lock()
	k, there := c.names[name]
	c.mu.Unlock()
	if there && now.Before(k.until) {
		return k.answer, nil
	}
	a, err := askResolver(ctx, c.from, name)
	if err != nil || len(a.Records) == 0 || a.TTL <= 0 {
		return a, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeRoom(now)
	c.names[name] = kept{a, now.Add(min(a.TTL, maxTTL))}
	return a, nil
}

// makeRoom forgets what is over, or else any one name.
func (c *Cache) makeRoom(now time.Time) {
	if len(c.names) < c.size {
		return
	}
	for name, k := range c.names {
		if !now.Before(k.until) {
			delete(c.names, name)
		}
	}
	for name := range c.names {
		if len(c.names) < c.size {
			return
		}
		delete(c.names, name)
	}
}
