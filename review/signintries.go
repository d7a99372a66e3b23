package review

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// maxTries is how many pairs of address and network are remembered. A pair
// takes some 150 bytes.
const maxTries = 10_000

// signInTries counts wrong sign-ins by address and network, whether or not the
// address is a reviewer's: what is counted in memory alone cannot tell. When it
// is full the pair that was counted longest ago is dropped. To push one's own
// pair out takes maxTries hashes at two a time, which is no gain over the wait;
// a restart forgets all, and the ceiling of [Desk.countSignIn] does not.
// The zero value is ready.
type signInTries struct {
	mu    sync.Mutex
	pairs map[tryKey]tries
}

// A tryKey is the hash of address and network: it has one length, whatever was
// typed, and the memory holds no addresses.
type tryKey [sha256.Size]byte

type tries struct {
	wrong      int
	last, wait time.Time // counted last; waits until
}

func keyOfTry(email string, from netip.Prefix) tryKey {
	return sha256.Sum256([]byte(from.String() + " " + email))
}

// network is where a visitor comes from: the /24 of IPv4 and the /48 of IPv6, as
// much as one customer commonly has. An address that cannot be read is of the
// invalid network, one for all.
func network(ip string) netip.Prefix {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap()
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// wait returns how long the pair has to wait, 0 if it may try.
func (s *signInTries) wait(key tryKey, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.pairs[key].wait.Sub(now), 0)
}

// count counts a try as wrong, until [signInTries.forget] takes it back. It
// counts nothing, and returns how long, if the pair has to wait.
func (s *signInTries) count(key tryKey, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.pairs[key]
	if wait := t.wait.Sub(now); wait > 0 {
		return wait
	}
	if t.wrong++; t.wrong > 4 {
		t.wait = now.Add(min(15*time.Minute, 30*time.Second<<min(t.wrong-5, 10)))
	}
	t.last = now
	if s.pairs == nil {
		s.pairs = map[tryKey]tries{}
	}
	if !known && len(s.pairs) >= maxTries {
		s.dropOldest() // a walk over all of them takes less than the hash that follows
	}
	s.pairs[key] = t
	return 0
}

func (s *signInTries) dropOldest() {
	var oldest tryKey
	var last time.Time
	for key, t := range s.pairs {
		if last.IsZero() || t.last.Before(last) {
			oldest, last = key, t.last
		}
	}
	delete(s.pairs, oldest)
}

// forget ends the count of a pair that signed in.
func (s *signInTries) forget(key tryKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pairs, key)
}
