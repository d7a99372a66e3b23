package review

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// HoldHashes takes the turn to hash from everybody until release is called.
func HoldHashes() (release func()) {
	var leaves []func()
	for range cap(argonSlots) {
		argonPlaces <- struct{}{}
		argonSlots <- struct{}{}
		leaves = append(leaves, func() { <-argonSlots; <-argonPlaces })
	}
	return func() {
		for _, leave := range leaves {
			leave()
		}
	}
}

// Hashing is how many hash a password or wait to do so.
func Hashing() int { return len(argonPlaces) }

// MaxTries is how many pairs of address and network are remembered.
const MaxTries = maxTries

// CountTries counts one wrong sign-in each of n addresses, a second apart, and
// returns how many are remembered, and whether the first and the last are.
func CountTries(n int) (remembered int, first, last bool) {
	var s signInTries
	key := func(i int) tryKey { return keyOfTry(fmt.Sprintf("%d@host.example", i), netip.Prefix{}) }
	for i := range n {
		s.count(key(i), time.Unix(int64(i+1), 0))
	}
	_, first = s.pairs[key(0)]
	_, last = s.pairs[key(n-1)]
	return len(s.pairs), first, last
}

// Copy is the same session, apart from what becomes of s.
func (s Session) Copy() Session {
	if s.name != nil {
		s.name = &sessionName{hash: s.hash()}
	}
	return s
}

// LongSessions lets sessions live for years, so that tests whose cases take days
// need no new sign-in; RealSessions takes that back until the test ends.
func LongSessions() { sessionLifetime = 5 * 365 * 24 * time.Hour }

// RealSessions lets sessions live as long as they do.
func RealSessions(t testing.TB) {
	old := sessionLifetime
	sessionLifetime = realSessionLifetime
	t.Cleanup(func() { sessionLifetime = old })
}
