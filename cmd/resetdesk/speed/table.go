package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A table gathers the runs of each reader and prints medians with their ranges,
// as ratios to resetdesk too: those of one table alone compare.
type table struct {
	set    settings
	corpus *corpus
	order  []string
	runs   map[string][]run
	missed map[string]error
}

func (t *table) add(name string, r run, err error) {
	if t.runs == nil {
		t.runs, t.missed = map[string][]run{}, map[string]error{}
	}
	if !slices.Contains(t.order, name) {
		t.order = append(t.order, name)
	}
	if err != nil {
		t.missed[name] = err
		return
	}
	t.runs[name] = append(t.runs[name], r)
}

func (t *table) print(w io.Writer) error {
	c := t.corpus
	way := "loopback"
	if t.set.rtt > 0 {
		way = fmt.Sprintf("%s round trip, %.0f Mbit/s", t.set.rtt, t.set.mbit)
	}
	cache := "warm"
	if t.set.cold {
		cache = "cold"
	}
	fmt.Fprintf(w, "%d mails, %d of them requests, %d of 5 to 25 MB, %s MB in all; seed %d; %s; the server's cache is %s; %d turns\n\n",
		c.Mails, c.Requests, c.Huge, megabytes(c.Bytes), t.set.seed, way, cache, t.set.turns)
	fmt.Fprintln(w, "| reader | wall, median (range) | mails/s | CPU | bytes MB | times the wall of resetdesk |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	base := median(t.runs["resetdesk"], func(r run) time.Duration { return r.Wall })
	var failed error
	for _, name := range t.order {
		if err := t.missed[name]; err != nil {
			fmt.Fprintf(w, "| %s | %s | | | | |\n", name, strings.ReplaceAll(excuse(err), "\n", " "))
			if !errors.Is(err, exec.ErrNotFound) {
				failed = errors.Join(failed, err)
			}
			continue
		}
		runs := t.runs[name]
		wall := median(runs, func(r run) time.Duration { return r.Wall })
		fmt.Fprintf(w, "| %s | %s | %.0f | %s | %s | %s |\n", name, spread(runs), float64(c.Mails)/wall.Seconds(),
			seconds(median(runs, func(r run) time.Duration { return r.CPU })),
			megabytes(median(runs, func(r run) int64 { return r.Wire })), ratio(wall, base))
	}
	return failed
}

func excuse(err error) string {
	if errors.Is(err, exec.ErrNotFound) {
		return "not installed"
	}
	return "failed: " + err.Error()
}

func ratio(wall, base time.Duration) string {
	if base == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", wall.Seconds()/base.Seconds())
}

func median[T cmp.Ordered](runs []run, of func(run) T) (m T) {
	if len(runs) == 0 {
		return m
	}
	var all []T
	for _, r := range runs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func spread(runs []run) string {
	var all []time.Duration
	for _, r := range runs {
		all = append(all, r.Wall)
	}
	slices.Sort(all)
	if len(all) == 1 {
		return seconds(all[0]) + " (once)"
	}
	return fmt.Sprintf("%s (%s to %s)", seconds(all[len(all)/2]), seconds(all[0]), seconds(all[len(all)-1]))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
