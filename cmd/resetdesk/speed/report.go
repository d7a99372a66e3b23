package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A turn knows what was measured in it so far: ratios are of one turn.
type turn struct {
	ours []ourRun // of each size, the first is what the others are held against
	near run      // of this size, without the delay of the link
}

type ourRun struct {
	run
	mails int
}

// A report prints the runs as they come.
type report struct {
	set     settings
	missing map[string]bool
	failed  error
}

// run prints one run. x-resetdesk is how many times as long a mail takes as with
// resetdesk at the first size in the same turn.
func (r *report) run(t *turn, s *scene, name string, got run) {
	line := fmt.Sprintf("BenchmarkRead/%s/mails=%d 1 %.3f wall-s %.0f mails/s %.3f cpu-s %.1f peak-MB %.3f wire-MB %.1f %%-of-corpus",
		name, s.Mails, got.Wall.Seconds(), float64(s.Mails)/got.Wall.Seconds(), got.CPU.Seconds(), float64(got.Peak)/1e6,
		float64(got.Wire)/1e6, 100*float64(got.Wire)/float64(s.Bytes))
	if r.set.rtt > 0 {
		line += fmt.Sprintf(" %d turns", got.Turns)
	}
	switch {
	case name == "resetdesk-no-delay":
		t.near = got
	case name == "resetdesk":
		if t.near.Wall > 0 {
			line += fmt.Sprintf(" %.1f round-trips", (got.Wall-t.near.Wall).Seconds()/r.set.rtt.Seconds())
			t.near = run{}
		}
		if len(t.ours) > 0 && s.Mails > t.ours[0].mails {
			first := t.ours[0]
			line += fmt.Sprintf(" %.2f x-first-size %.1f MB-over-first-size", got.Wall.Seconds()/first.Wall.Seconds(), float64(got.Peak-first.Peak)/1e6)
		}
		t.ours = append(t.ours, ourRun{got, s.Mails})
	case len(t.ours) > 0:
		line += fmt.Sprintf(" %.2f x-resetdesk", each(got.Wall, s.Mails)/each(t.ours[0].Wall, t.ours[0].mails))
	}
	fmt.Println(line)
}

func each(wall time.Duration, mails int) float64 { return wall.Seconds() / float64(mails) }

// miss says why a reader has no figures. That one is not installed is no failure,
// and it is not tried again.
func (r *report) miss(name string, err error) {
	fmt.Printf("%s: %s\n", name, strings.ReplaceAll(excuse(err), "\n", " "))
	r.missing[name] = absent(err)
	if !r.missing[name] {
		r.failed = errors.Join(r.failed, err)
	}
}

func absent(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist)
}

func excuse(err error) string {
	if absent(err) {
		return "not installed"
	}
	return "failed: " + err.Error()
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
