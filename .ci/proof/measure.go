package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A measure is one section of the page of figures: commands that print lines in
// Go's benchmark format, each several times, and what is wanted of them.
type measure struct {
	name, title, about string
	env                []string   // with the values that the page is for; the environment may say others
	commands           [][]string // a word with $NAME has its value
	lines              string     // which other lines belong on the page
	beside             []string   // the programs whose versions matter
	goals              []goal
}

// A goal is a bound on the median of one unit; of several rows the worst counts.
type goal struct {
	text  string
	row   string // a regular expression over the benchmark's name
	unit  string
	bound float64
	least bool // the bound is the least that is wanted, not the most
}

// A row is one benchmark with the values of its runs, by unit.
type row struct {
	name   string
	values map[string][]float64
	units  []string
}

func (m measure) run() (string, error) {
	at, err := commit()
	if err != nil {
		return "", err
	}
	env, shown := environment(m.env)
	begin, load, machine := time.Now(), load(), m.machine()
	var out bytes.Buffer
	var failed error
	s := fmt.Sprintf("## %s\n\n%s\n\n", m.title, m.about)
	for _, words := range m.commands {
		words = slices.Clone(words)
		for i := range words {
			words[i] = setting.ReplaceAllStringFunc(words[i], func(name string) string { return valueOf(name[1:], env) })
		}
		s += "`" + shown + quoted(words) + "`\n\n"
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = env
		both := io.MultiWriter(&out, os.Stderr)
		cmd.Stdout, cmd.Stderr = both, both
		failed = errors.Join(failed, cmd.Run())
	}
	s += fmt.Sprintf("At %s, %s; load %s at the start, in %s", at, machine, load, time.Since(begin).Round(time.Second))
	if failed != nil {
		s += "; **failed**: " + strings.ReplaceAll(failed.Error(), "\n", ", ")
	}
	s += ".\n"
	rows := readRows(out.String())
	return s + others(out.String(), m.lines) + tables(rows) + m.verdicts(rows), failed
}

// setting is where a word of a command has the value of a name.
var setting = regexp.MustCompile(`\$[A-Z_]+`)

// valueOf is the last setting of a name, as for a process that is started with env.
func valueOf(name string, env []string) (value string) {
	for _, e := range env {
		if n, v, _ := strings.Cut(e, "="); n == name {
			value = v
		}
	}
	return value
}

// machine says on what was measured, and beside what.
func (m measure) machine() string {
	s := fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	s += fmt.Sprintf(" with %d processors", runtime.NumCPU())
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name\t: "); ok {
			name, _, _ := strings.Cut(rest, "\n")
			s += " (" + name + ")"
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kb int
		if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kb); err == nil {
			s += fmt.Sprintf(", %d GB of memory", (kb+1<<19)>>20)
		}
	}
	for _, program := range m.beside {
		s += ", " + version(program)
	}
	return s
}

var numbered = regexp.MustCompile(`\d+(\.\d+)+`)

// version asks a program; a module of ours says it in go.mod.
func version(program string) string {
	if strings.Contains(program, "/") {
		out, err := exec.Command("go", "list", "-m", program).Output()
		if err != nil {
			return program + " of an unknown version"
		}
		return strings.TrimSpace(string(out))
	}
	out, err := exec.Command(program, "--version").CombinedOutput()
	found := numbered.FindString(string(out))
	if err != nil && found == "" {
		return "no " + program
	}
	return program + " " + found
}

// load is how busy the machine is with other things: figures of a busy one are no figures.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	now, _, _ := strings.Cut(string(b), " ")
	return now
}

// benchmark finds the name, without what go test puts behind it for a repetition and
// for the number of processors, and the values.
var benchmark = regexp.MustCompile(`^Benchmark(\S+?)(?:#\d+)?(?:-\d+)?\s+\d+\s+(.*)$`)

// readRows gathers the runs of each benchmark, in the order of their first.
func readRows(out string) (rows []*row) {
	byName := map[string]*row{}
	for line := range strings.Lines(out) {
		found := benchmark.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			continue
		}
		r := byName[found[1]]
		if r == nil {
			r = &row{name: found[1], values: map[string][]float64{}}
			byName[r.name] = r
			rows = append(rows, r)
		}
		words := strings.Fields(found[2])
		for i := 0; i+1 < len(words); i += 2 {
			if v, err := strconv.ParseFloat(words[i], 64); err == nil {
				r.add(words[i+1], v)
			}
		}
	}
	for _, r := range rows {
		r.forget()
	}
	return rows
}

func (r *row) add(unit string, v float64) {
	if r.values[unit] == nil {
		r.units = append(r.units, unit)
	}
	r.values[unit] = append(r.values[unit], v)
}

// forget drops what go test counts by itself where the benchmark has figures of its own.
func (r *row) forget() {
	usual := func(unit string) bool { return unit == "ns/op" || unit == "B/op" || unit == "allocs/op" }
	if slices.ContainsFunc(r.units, func(u string) bool { return !usual(u) && u != "MB/s" }) {
		r.units = slices.DeleteFunc(r.units, usual)
	}
}

func (r *row) median(unit string) (m float64, ok bool) {
	all := slices.Sorted(slices.Values(r.values[unit]))
	if len(all) == 0 {
		return 0, false
	}
	return all[len(all)/2], true
}

// cell is the median of a unit and the range beside it.
func (r *row) cell(unit string) string {
	all := slices.Sorted(slices.Values(r.values[unit]))
	switch n := len(all); {
	case n == 0:
		return ""
	case all[0] == all[n-1]:
		return figures3(all[0])
	default:
		return fmt.Sprintf("%s (%s to %s)", figures3(all[n/2]), figures3(all[0]), figures3(all[n-1]))
	}
}

// figures3 writes three digits, or all before the point: no measurement here is worth more.
func figures3(v float64) string {
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// tables has one for each benchmark, with its sub-benchmarks as rows.
func tables(rows []*row) (s string) {
	for len(rows) > 0 {
		head, _, _ := strings.Cut(rows[0].name, "/")
		n := 0
		var units []string
		for n < len(rows) && (rows[n].name == head || strings.HasPrefix(rows[n].name, head+"/")) {
			for _, u := range rows[n].units {
				if !slices.Contains(units, u) {
					units = append(units, u)
				}
			}
			n++
		}
		s += "\n| " + head + " | runs | " + strings.Join(units, " | ") + " |\n|---|" + strings.Repeat("---|", len(units)+1) + "\n"
		for _, r := range rows[:n] {
			s += "| " + cmp.Or(strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(r.name, head), "/"), "/", ", "), head)
			s += fmt.Sprintf(" | %d", r.runs())
			for _, u := range units {
				s += " | " + r.cell(u)
			}
			s += " |\n"
		}
		rows = rows[n:]
	}
	return s
}

func (r *row) runs() (n int) {
	for _, all := range r.values {
		n = max(n, len(all))
	}
	return n
}

// verdicts says of each goal whether it was met.
func (m measure) verdicts(rows []*row) string {
	if len(m.goals) == 0 {
		return ""
	}
	s := "\n| goal | measured (median) | |\n|---|---|---|\n"
	for _, g := range m.goals {
		worst, found := g.worst(rows)
		measured, verdict := "", "not measured"
		if found {
			measured, verdict = figures3(worst)+" "+g.unit, "**missed**"
			if worst == g.bound || worst > g.bound == g.least {
				verdict = "met"
			}
		}
		s += fmt.Sprintf("| %s | %s | %s |\n", g.text, measured, verdict)
	}
	return s
}

func (g goal) worst(rows []*row) (worst float64, found bool) {
	pattern := regexp.MustCompile(g.row)
	for _, r := range rows {
		v, ok := r.median(g.unit)
		if !ok || !pattern.MatchString(r.name) {
			continue
		}
		if !found || v < worst == g.least {
			worst = v
		}
		found = true
	}
	return worst, found
}

// others are the lines of the output that are figures, but no benchmark's.
func others(out, pattern string) (s string) {
	if pattern == "" {
		return ""
	}
	wanted := regexp.MustCompile(pattern)
	for line := range strings.Lines(out) {
		if wanted.MatchString(line) && !benchmark.MatchString(strings.TrimSpace(line)) {
			s += strings.TrimRight(where.ReplaceAllString(line, ""), " \n") + "\n"
		}
	}
	if s == "" {
		return ""
	}
	return "\n```\n" + s + "```\n"
}
