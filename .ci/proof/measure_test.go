package main

import (
	"strings"
	"testing"
)

const printed = `goos: linux
BenchmarkRead/ours/mails=10 1 0.200 wall-s 50 mails/s
BenchmarkRead/theirs/mails=10 1 4.000 wall-s 20.0 x-ours
BenchmarkRead/ours/mails=10 1 0.400 wall-s 25 mails/s
BenchmarkRead/theirs/mails=10 1 4.000 wall-s 10.0 x-ours
BenchmarkRead/ours/mails=10 1 0.300 wall-s 33 mails/s
BenchmarkRead/theirs/mails=10 1 4.000 wall-s 12.0 x-ours
BenchmarkPages/quiet/queue-2         	     100	  10925170 ns/op	 0.50 ratio
BenchmarkPages/quiet/queue#01-2      	     100	  10925170 ns/op	 0.70 ratio
BenchmarkPages/quiet/case-2          	     100	  10925170 ns/op	 0.40 ratio
BenchmarkClassify5KB-2   	    5000	    250000 ns/op	   10 B/op
PASS
`

func TestRows(t *testing.T) {
	text := tables(readRows(printed))
	for _, want := range []string{
		"| ours, mails=10 | 3 | 0.3 (0.2 to 0.4) | 33 (25 to 50) |  |",
		"| theirs, mails=10 | 3 | 4 |  | 12 (10 to 20) |",
		"| quiet, queue | 2 | 0.7 (0.5 to 0.7) |",
		"| Classify5KB | 1 | 250000 | 10 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for want, g := range map[string]goal{
		"12 x-ours | met |":            {"fast", "^Read/theirs", "x-ours", 12, true},
		"12 x-ours | **missed** |":     {"fast", "^Read/theirs", "x-ours", 12.5, true},
		"0.3 wall-s | met |":           {"short", "^Read/ours", "wall-s", 0.3, false},
		"0.3 wall-s | **missed** |":    {"short", "^Read/ours", "wall-s", 0.25, false},
		"0.4 ratio | **missed** |":     {"each page", "^Pages/", "ratio", 0.5, true},
		"250000 ns/op | met |":         {"text", "^Classify5KB", "ns/op", 300_000, false},
		"| nobody |  | not measured |": {"nobody", "^Nobody", "ns/op", 1, false},
	} {
		if text := (measure{goals: []goal{g}}).verdicts(readRows(printed)); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestNamesAndGoalsOfThePages(t *testing.T) {
	for _, p := range []page{proof(), performance()} {
		seen := map[string]bool{}
		for _, s := range p.sections {
			if s.name == "" || seen[s.name] {
				t.Errorf("%s: section %q is there twice", p.file, s.name)
			}
			seen[s.name] = true
		}
	}
	for _, m := range measures {
		for _, g := range m.goals {
			(measure{goals: []goal{g}}).verdicts(nil) // a bad expression panics
		}
	}
}
