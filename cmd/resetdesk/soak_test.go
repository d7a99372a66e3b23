package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A soak is the real program under steady work for long: mail at a fixed rate, a
// person who clears the mailbox behind it, owners, reviewers who read and approve.
type soak struct {
	*killing
	length time.Duration
	rate   int           // mails a second
	every  time.Duration // between kills
	began  time.Time

	reader  *person // decides nothing
	mails   *postbox
	owing   *letterbox
	pages   int // that were read
	failed  int // of them with a 5xx
	samples []sample
	kills   []time.Duration // since began
}

// TestSoak is a short soak, or an hour of it by RESETDESK_SOAK=1h; _RATE is mails a
// second, _KILL the time between kills, _SVG a file for the picture.
//
// In the first third the program is killed again and again, in the second it is
// left alone, in the third killed again. A leak of a long life shows in the second
// third, where no start resets it. What a start needs more as the database grows
// shows when samples of the same age are compared over all runs.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	var actors sync.WaitGroup
	for _, act := range []func(){s.deliver, s.clear, s.answer, s.approve, s.read, s.listen} {
		actors.Go(act)
	}
	s.course()
	close(s.stop)
	actors.Wait()
	if path := os.Getenv("RESETDESK_SOAK_SVG"); path != "" {
		if err := os.WriteFile(path, s.picture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.settle(s.owing.answer)
	s.w.stop()
	s.toll.kills = len(s.kills)
	s.check()
	s.checkForged()
	s.judge()
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{length: 20 * time.Second, rate: 20}
	var err error
	if v := os.Getenv("RESETDESK_SOAK"); v != "" {
		s.rate = 50
		if s.length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	s.every = min(time.Minute, s.length/6)
	if v := os.Getenv("RESETDESK_SOAK_KILL"); v != "" {
		if s.every, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	if v := os.Getenv("RESETDESK_SOAK_RATE"); v != "" {
		if s.rate, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	_, seed := killSizes(t)
	mails := int(s.length.Seconds()) * s.rate
	users := 20 + mails/80 // one mail in a hundred is of somebody new
	s.killing = &killing{w: newWorld(t, users, 12), rng: rand.New(rand.NewPCG(seed, seed)), stop: make(chan struct{}),
		answered: map[string]bool{}, approved: map[string]bool{}}
	s.mails = &postbox{w: s.w, rng: rand.New(rand.NewPCG(seed, 1)), users: users}
	s.owing = &letterbox{w: s.w, seen: map[string]bool{}}
	s.reader, s.w.reviewers = s.w.reviewers[0], s.w.reviewers[1:]
	t.Logf("seed %d, %d users", seed, users)
	return s
}

// course starts the program, samples it, and kills it when it is time.
func (s *soak) course() {
	s.w.start()
	s.w.ready()
	s.began = time.Now()
	started, next, run := s.began, s.began.Add(s.life()), 0
	look := min(max(s.length/1800, 200*time.Millisecond), 2*time.Second)
	for now := s.began; now.Sub(s.began) < s.length; now = time.Now() {
		if at := now.Sub(s.began); now.After(next) && !s.quiet(at) {
			s.w.kill()
			s.kills = append(s.kills, at)
			s.w.start()
			started, run = time.Now(), run+1
			next = started.Add(s.life())
		}
		time.Sleep(look)
		s.sample(started, run)
	}
}

// life is how long the next run lives, a tenth more or less, so that kills do not
// meet the same moment of every minute.
func (s *soak) life() time.Duration {
	return s.every*9/10 + time.Duration(s.draw(int(s.every/5)))
}

// quiet is the third without kills.
func (s *soak) quiet(at time.Duration) bool { return at >= s.length/3 && at < s.length*2/3 }

// pace stretches the pauses of the actors with the run: what a short one does in
// seconds an hour does in several.
func (s *soak) pace(short, long time.Duration) time.Duration {
	if s.length < 10*time.Minute {
		return short
	}
	return long
}
