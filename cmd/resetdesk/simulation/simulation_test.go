package simulation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSimulation runs as many seeds as RESETDESK_SEEDS says, one after the other
// from a fresh one, or the one in RESETDESK_SEED with all its steps. The seed says
// where the course begins, who does what, when, and what breaks; the order of what
// happens at the same moment of virtual time is Go's, and what the program draws
// itself (numbers of cases, links, keys) is drawn anew.
func TestSimulation(t *testing.T) {
	if s := os.Getenv("RESETDESK_SEED"); s != "" {
		simulate(t, newStand(t), number(t, "RESETDESK_SEED", 0), &tally{}, true)
		return
	}
	seeds := number(t, "RESETDESK_SEEDS", 600)
	first := number(t, "RESETDESK_FIRST_SEED", rand.Uint64()>>16)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // SQLite's memory is not Go's, and the rest is small
	var next atomic.Uint64
	var failed atomic.Bool
	var sum tally
	begin := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for w := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				defer func() { failed.Store(failed.Load() || t.Failed()) }()
				stand := newStand(t)
				for n := next.Add(1); n <= seeds && !failed.Load(); n = next.Add(1) {
					simulate(t, stand, first+n-1, &sum, false)
				}
			})
		}
	})
	t.Logf("seeds %d to %d in %s; %s", first, first+seeds-1, time.Since(begin).Round(time.Second), sum.String())
	if !t.Failed() && seeds >= 500 {
		for _, k := range kinds {
			if sum.n[k] == 0 && k != "lost" {
				t.Errorf("the courses never reach: %s", k)
			}
		}
	}
}

// kinds are what is counted, in the order of the line that is printed.
var kinds = []string{"steps", "mails", "requests", "signed", "deferred", "ingested", "vanished", "lost", "cases", "approvals", "resets", "undone", "enrolled again", "letters", "bounced", "refused", "threat turns", "second copies", "uncertain", "crashes", "faults"}

// A tally counts over all seeds what happened in them.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *tally) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[what] += n
}

func (c *tally) String() string {
	var all []string
	for _, k := range kinds {
		all = append(all, fmt.Sprintf("%s %d", k, c.n[k]))
	}
	return strings.Join(all, ", ")
}

// A course says how one goes on: all of it is drawn from its seed.
type course struct {
	rng       *rand.Rand
	from      *situation
	off       time.Duration // the program did not run before it; below zero the clock was set back
	steps     int           // things that happen
	approvals int           // that a reset needs
	wait      time.Duration // from the notices to a reset
	anew      bool          // each run opens the database as a new process does
	whole     bool          // the whole file is looked through at the end
}

// draw draws a course. Most are short: what a case can go through begins in the
// situations, and many beginnings find more than long ways on.
func draw(t *testing.T, seed uint64) course {
	c := course{rng: rand.New(rand.NewPCG(seed, 1))}
	switch n := c.rng.IntN(100); {
	case n < 89:
		c.steps = 2 + c.rng.IntN(5)
	case n < 99:
		c.steps = 7 + c.rng.IntN(10)
	default:
		c.steps = 45 + c.rng.IntN(16)
	}
	switch n := c.rng.IntN(100); {
	case n < 10:
		c.off = time.Duration(c.rng.IntN(int(72 * time.Hour)))
	case n < 25:
		c.off = -setBack(c.rng)
	}
	c.approvals, c.anew, c.whole = 1+c.rng.IntN(2), c.rng.IntN(100) == 0, c.rng.IntN(10) == 0
	c.wait = []time.Duration{20 * time.Second, 2 * time.Minute, time.Hour}[c.rng.IntN(3)]
	c.from = anySituation(t, c.rng)
	return c
}

// simulate runs one course.
func simulate(t *testing.T, stand *stand, seed uint64, sum *tally, aloud bool) {
	c := draw(t, seed)
	path, shelf := stand.path, &stand.shelf
	if c.anew {
		path, shelf = stand.anew(t, c.from), nil
	} else {
		stand.rewind(t, c.from)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, c.rng, c.from, c.off, path, shelf)
		defer func() {
			if t.Failed() || aloud {
				t.Logf("seed %d, from %q and %s\n%s", seed, c.from.name, c.off.Round(time.Second), strings.Join(w.trace, "\n"))
			}
			w.end()
		}()
		w.approvals, w.wait, w.whole, w.setBack = c.approvals, c.wait, c.whole, c.off < 0
		w.start()
		for range c.steps {
			w.step()
		}
		w.settle()
		w.checkAtEnd(sum)
	})
	if t.Failed() {
		t.Fatalf("again with RESETDESK_SEED=%d", seed)
	}
	sum.add("steps", c.steps)
}

// step lets one actor act, some time pass, and reads the promises.
func (w *town) step() {
	a := w.anyActor()
	w.note("%s: %s", a.name, a.act(w))
	time.Sleep(time.Duration(w.rng.IntN(9_000)) * time.Millisecond)
	synctest.Wait()
	if w.prog != nil && w.prog.gate.ended() {
		w.note("the program ended at a planned call")
		w.crash()
	}
	w.check()
	if w.rng.IntN(5) == 0 {
		w.heal()
	}
}

// memory is a file system in memory, if there is one: these tests are about
// logic, and what a disk forgets is tested elsewhere.
func memory() string {
	if f, err := os.CreateTemp("/dev/shm", "resetdesk"); err == nil {
		name := f.Name()
		if f.Close() == nil && os.Remove(name) == nil {
			return "/dev/shm"
		}
	}
	return ""
}
