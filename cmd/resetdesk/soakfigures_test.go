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
	}
	if x.rss == 0 {
		return // it has ended
	}
	x.db, x.wal = size(filepath.Join(s.w.dir, "desk.db")), size(filepath.Join(s.w.dir, "desk.db-wal"))
	s.mu.Lock()
	delivered := imapLast(s.post.marks)
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
// below it. Over starts, on a database that grows, half of that is allowed; the
// slope of a short run is noise and judged by nobody.
const (
	climbAlive  = 256.0 // KB a minute, in a run that is left alone
	climbStarts = 128.0 // KB a minute, from start to start
	peakMost    = 128.0 // MB
	fdsMore     = 4.0   // in the last sixth than in the first: connections come and go
	fdsMost     = 8.0   // at any moment
	judgedFrom  = 10 * time.Minute
)

// rise is a slope in words; that of a short run says nothing.
func (s *soak) rise(slope float64, unit string) string {
	if s.length < judgedFrom {
		return "not judged"
	}
	return strings.TrimSpace(fmt.Sprintf("%+.2f %s", slope, unit)) + "/min"
}

// judge prints the figures and wants them flat.
func (s *soak) judge() {
	t := s.w.t
	edge := s.length / 6
	first := func(x sample) bool { return x.at < edge }
	last := func(x sample) bool { return x.at >= s.length-edge }
	var peak, behind, open float64
	var wal int64
	for _, x := range s.samples {
		peak, open, behind, wal = max(peak, x.hwm/1024), max(open, fds(x)), max(behind, float64(x.behind)), max(wal, x.wal)
	}
	db := float64(size(filepath.Join(s.w.dir, "desk.db"))) / (1 << 20)
	alive, starts := slope(s.points(s.undisturbed, rss)), slope(s.sameAge(rss))
	fdsFirst, fdsLast := middle(s.points(first, fds)), middle(s.points(last, fds))
	t.Logf("soak of %s: mails %d, %.1f a second, kills %d, lost %d, doubled %d, cases %d; pages read %d, of them failed %d; mails behind at most %.0f",
		s.length, len(s.delivered), float64(len(s.delivered))/s.length.Seconds(), len(s.kills), s.toll.lost, s.toll.doubled, s.toll.cases, s.pages, s.failed, behind)
	t.Logf("soak, memory: RSS median of the first sixth %.1f MB, of the last %.1f MB, peak %.1f MB; slope undisturbed %s, at the same age over all runs %s",
		middle(s.points(first, rss))/1024, middle(s.points(last, rss))/1024, peak, s.rise(alive, "KB"), s.rise(starts, "KB"))
	t.Logf("soak, file descriptors: median of the first sixth %.0f, of the last %.0f, at most %.0f; slope undisturbed %s, at the same age %s; database %.1f MB, WAL at most %.1f MB",
		fdsFirst, fdsLast, open, s.rise(slope(s.points(s.undisturbed, fds)), ""), s.rise(slope(s.sameAge(fds)), ""), db, float64(wal)/(1<<20))
	s.wantFlat(peak, alive, starts)
	if fdsLast > fdsFirst+fdsMore || open > fdsFirst+fdsMost {
		t.Errorf("file descriptors climb: %.0f, then %.0f, at most %.0f", fdsFirst, fdsLast, open)
	}
	if due := s.length.Seconds() * float64(s.rate); float64(len(s.delivered)) < 0.9*due {
		t.Errorf("the rate was not reached: %d mails of %.0f", len(s.delivered), due)
	}
}

// wantFlat holds the memory against what it may take. A line through few points is
// flat for no reason.
func (s *soak) wantFlat(peak, alive, starts float64) {
	s.w.t.Helper()
	if peak > peakMost || peak == 0 {
		s.w.t.Errorf("memory peaked at %.1f MB, more than %.0f MB or never read", peak, peakMost)
	}
	if s.length < judgedFrom {
		return
	}
	if n, m := len(s.points(s.undisturbed, rss)), len(s.sameAge(rss)); n < 100 || m < 5 {
		s.w.t.Errorf("memory is judged by %d samples undisturbed and %d runs: too few", n, m)
	}
	if alive > climbAlive || starts > climbStarts {
		s.w.t.Errorf("memory climbs: %+.1f KB/min undisturbed, %+.1f KB/min from start to start", alive, starts)
	}
}
