package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A sample is what the program takes at one moment.
type sample struct {
	at, age  time.Duration // since the soak and since this run began
	run      int
	rss, hwm float64 // KB
	file     float64 // KB of rss that are the program's file
	fds      int
	db, wal  int64
	behind   int // mails that are on the server and not in the database
}

// sample reads /proc of the program; one that is gone leaves no sample.
func (s *soak) sample(started time.Time, run int) {
	proc := fmt.Sprintf("/proc/%d", s.w.cmd.Process.Pid)
	status, err := os.ReadFile(proc + "/status")
	fds, err2 := os.ReadDir(proc + "/fd")
	if err != nil || err2 != nil {
		return
	}
	now := time.Now()
	x := sample{at: now.Sub(s.began), age: now.Sub(started), run: run, fds: len(fds)}
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "VmRSS: %f", &x.rss)
		fmt.Sscanf(line, "VmHWM: %f", &x.hwm)
		fmt.Sscanf(line, "RssFile: %f", &x.file)
	}
	if x.rss == 0 {
		return // it has ended
	}
	x.db, x.wal = size(filepath.Join(s.w.dir, "desk.db")), size(filepath.Join(s.w.dir, "desk.db-wal"))
	s.mu.Lock()
	delivered := imapLast(s.mails.marks)
	s.mu.Unlock()
	x.behind = max(0, delivered-int(s.cursor()))
	s.samples = append(s.samples, x)
}

func imapLast(marks []mark) int {
	if len(marks) == 0 {
		return 0
	}
	return int(marks[len(marks)-1].uid)
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// A point is a figure at a minute of the soak.
type point struct{ minute, value float64 }

// slope is the least-squares line's rise a minute.
func slope(points []point) float64 {
	var n, x, y, xx, xy float64
	for _, p := range points {
		n, x, y, xx, xy = n+1, x+p.minute, y+p.value, xx+p.minute*p.minute, xy+p.minute*p.value
	}
	if d := n*xx - x*x; n > 2 && d != 0 {
		return (n*xy - x*y) / d
	}
	return 0
}

func middle(points []point) float64 {
	if len(points) == 0 {
		return 0
	}
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(a, b point) int { return int(a.value - b.value) })
	return sorted[len(sorted)/2].value
}

// points are the samples that are wanted, in the unit of value.
func (s *soak) points(wanted func(sample) bool, value func(sample) float64) (all []point) {
	for _, x := range s.samples {
		if wanted(x) {
			all = append(all, point{x.at.Minutes(), value(x)})
		}
	}
	return all
}

func rss(x sample) float64 { return x.rss }
func fds(x sample) float64 { return float64(x.fds) }

// undisturbed are the samples of the run that is not killed, without the first
// quarter of its third, in which it gets warm.
func (s *soak) undisturbed(x sample) bool {
	return s.quiet(x.at) && x.at > s.length/3+s.length/12
}

// sameAge is one point a run: the middle of its samples in the second half of the
// time between kills. So a start's warm-up is the same in each.
func (s *soak) sameAge(value func(sample) float64) (all []point) {
	for run := range len(s.kills) + 1 {
		p := s.points(func(x sample) bool { return x.run == run && x.age > s.every/2 && x.age < s.every*9/10 }, value)
		if len(p) > 2 {
			all = append(all, point{p[len(p)/2].minute, middle(p)})
		}
	}
	return all
}

// What a soak may show. At 50 mails a second 256 KB a minute are 87 bytes a mail:
// less than any row or header that somebody forgets to let go. The garbage
// collector's own swing of some MB, over the minutes that are fitted, stays well
// below it. From start to start there is one more cause, which ends by itself: as
// the database outgrows them, the page caches of the readers fill, 2 MB each
// (measured on the file of an hour: 6 to 8 MB less with caches of 200 KB). That is
// 8 MB in the hour, and 64 KB a minute besides are 22 bytes a mail.
//
// Descriptors: a fresh start has two of four readers open, each with the database
// and its log, and a connection of each of six actors may come on top at a moment.
const (
	climbAlive  = 256.0 // KB a minute, in a run that is left alone
	climbStarts = 200.0 // KB a minute, from start to start
	peakMost    = 128.0 // MB
	fdsMore     = 4.0   // in the last sixth than in the first: two readers
	fdsMost     = 12.0  // at any moment: two readers, six connections, two to spare
	fdsClimb    = 0.25  // a minute, in a run that is left alone
	judgedFrom  = 10 * time.Minute
)

// rise is a slope in words, with its bound; that of a short run says nothing.
func (s *soak) rise(slope, most float64, unit string) string {
	if s.length < judgedFrom {
		return "not judged"
	}
	return fmt.Sprintf("%+.2f of at most %v%s/min", slope, most, unit)
}

// sixths are the middles of a value in each sixth of the soak.
func (s *soak) sixths(value func(sample) float64) (all [6]float64) {
	for i := range all {
		all[i] = middle(s.points(func(x sample) bool { return int(6*x.at/s.length) == i }, value))
	}
	return all
}

// judge prints the figures and wants them flat.
func (s *soak) judge() {
	t := s.w.t
	var top sample // the most of each
	for _, x := range s.samples {
		top.hwm, top.fds, top.behind, top.wal = max(top.hwm, x.hwm), max(top.fds, x.fds), max(top.behind, x.behind), max(top.wal, x.wal)
	}
	t.Logf("soak of %s: mails %d, %.1f a second, kills %d, lost %d, doubled %d, cases %d; pages read %d, of them failed %d; mails behind at most %d; database %.1f MB, WAL at most %.1f MB",
		s.length, s.delivered, float64(s.delivered)/s.length.Seconds(), len(s.kills), s.toll.lost, s.toll.doubled, s.toll.cases, s.pages, s.failed,
		top.behind, float64(size(filepath.Join(s.w.dir, "desk.db")))/(1<<20), float64(top.wal)/(1<<20))
	alive, starts := slope(s.points(s.undisturbed, rss)), slope(s.sameAge(rss))
	t.Logf("soak, memory: RSS median of each sixth %.1f MB, of it the program's file %.1f MB; peak %.1f of at most %.0f MB; slope undisturbed %s, at the same age over all runs %s",
		s.sixths(func(x sample) float64 { return x.rss / 1024 }), middle(s.points(func(sample) bool { return true }, func(x sample) float64 { return x.file / 1024 })),
		top.hwm/1024, peakMost, s.rise(alive, climbAlive, " KB"), s.rise(starts, climbStarts, " KB"))
	open, climb := s.sixths(fds), slope(s.points(s.undisturbed, fds))
	t.Logf("soak, file descriptors: median of each sixth %.0f, %d of at most %.0f at a moment; slope undisturbed %s",
		open, top.fds, open[0]+fdsMost, s.rise(climb, fdsClimb, ""))
	if top.hwm/1024 > peakMost {
		t.Errorf("memory peaked at %.1f MB, more than %.0f MB", top.hwm/1024, peakMost)
	}
	if open[5] > open[0]+fdsMore || fds(top) > open[0]+fdsMost {
		t.Errorf("file descriptors climb: %.0f, at most %d", open, top.fds)
	}
	if s.length >= judgedFrom && (alive > climbAlive || starts > climbStarts || climb > fdsClimb) {
		t.Errorf("memory or file descriptors climb: %+.1f KB/min and %+.2f/min undisturbed, %+.1f KB/min from start to start", alive, climb, starts)
	}
	if due := s.length.Seconds() * float64(s.rate); float64(s.delivered) < 0.9*due {
		t.Errorf("the rate was not reached: %d mails of %.0f", s.delivered, due)
	}
}
