package simulation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
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
// who does what, when, and what breaks; the order of what happens at the same
// moment of virtual time is Go's.
func TestSimulation(t *testing.T) {
	if s := os.Getenv("RESETDESK_SEED"); s != "" {
		simulate(t, number(t, "RESETDESK_SEED", 0), &tally{}, true)
		return
	}
	seeds := number(t, "RESETDESK_SEEDS", 60)
	first := number(t, "RESETDESK_FIRST_SEED", rand.Uint64()>>16)
	var next atomic.Uint64
	var sum tally
	begin := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for w := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1); n <= seeds && !t.Failed(); n = next.Add(1) {
					simulate(t, first+n-1, &sum, false)
				}
			})
		}
	})
	t.Logf("seeds %d to %d in %s; %s", first, first+seeds-1, time.Since(begin).Round(time.Second), sum.String())
	if !t.Failed() && seeds >= 60 && (sum.n["resets"] == 0 || sum.n["crashes"] == 0 || sum.n["undone"] == 0) {
		t.Error("the courses reach too little")
	}
}

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
	for _, k := range []string{"steps", "mails", "ingested", "vanished", "lost", "cases", "approvals", "resets", "undone", "enrolled again", "letters", "second copies", "uncertain", "crashes", "faults"} {
		all = append(all, fmt.Sprintf("%s %d", k, c.n[k]))
	}
	return strings.Join(all, ", ")
}

// steps is how many things happen in a course.
const steps = 45

// simulate runs one course.
func simulate(t *testing.T, seed uint64, sum *tally, aloud bool) {
	home := homeOf(t)
	dir, err := os.MkdirTemp(memory(), "resetdesk")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, seed, home, dir)
		defer func() {
			if t.Failed() || aloud {
				t.Logf("seed %d\n%s", seed, strings.Join(w.trace, "\n"))
			}
			w.end()
		}()
		for range steps {
			a := w.anyActor()
			w.note("%s: %s", a.name, a.act(w))
			time.Sleep(time.Duration(w.rng.IntN(12_000)) * time.Millisecond)
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
		w.settle()
		w.checkAtEnd(sum)
	})
	if t.Failed() {
		t.Fatalf("again with RESETDESK_SEED=%d", seed)
	}
	sum.add("steps", steps)
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
