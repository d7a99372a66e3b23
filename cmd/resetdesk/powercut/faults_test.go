package powercut

import (
	"maps"
	"testing"
	"time"
)

// TestSyncFails: the n-th fsync fails once. The desk may stop; it never says that
// something is done that is not.
func TestSyncFails(t *testing.T) {
	l := cutAll(t, cuts(t, 8, 10), func(b *bench, n int) {
		d := newDisk(maps.Clone(b.files))
		d.failSync = 1 + n%mostSyncs
		b.cutOnce(d, b.plan, 500*time.Millisecond, n%modes)
	})
	wantSound(t, l)
	wantMet(t, l)
}

// A run of half a second seldom comes to a later fsync or write than these.
const (
	mostSyncs  = 100
	mostWrites = 2000
)

// wantMet fails a test whose faults the program seldom came to.
func wantMet(t *testing.T, l toll) {
	t.Helper()
	if l.met < l.cuts/2 {
		t.Errorf("in %d runs the disk failed %d times", l.cuts, l.met)
	}
}

// TestDiskFills: from the n-th write on the disk is full.
func TestDiskFills(t *testing.T) {
	l := cutAll(t, cuts(t, 8, 10), func(b *bench, n int) {
		d := newDisk(maps.Clone(b.files))
		d.fullAt = 40 + n*23%mostWrites
		b.cutOnce(d, b.plan, 500*time.Millisecond, n%modes)
	})
	wantSound(t, l)
	wantMet(t, l)
}
