package review

import (
	"fmt"
	"net/netip"
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
