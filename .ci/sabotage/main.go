// Sabotage breaks the promises on purpose, one after the other, in a copy of the
// tree, and wants a test to turn red each time (promises L7: without this, green
// means nothing). It is run by `make sabotage`.
//
// A sabotage is a file beside this one:
//
//	promise 2: what is broken, in one line
//	run ./review TestReceiveTwice|TestDiskFull
//	file review/intake.go
//	<<<<
//	the lines as they stand, exactly once in the file
//	====
//	the lines that break the promise
//	>>>>
//
// with any number of file blocks, and of run lines. The tests run one by one in the
// order in which they stand, and the first that turns red has caught it. One that no
// longer applies, does not compile or is not caught is a failure, and so is a test
// that is red without it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A sabotage is one patch and the tests that must catch it.
type sabotage struct {
	name, promise string
	tests         []test // in the order in which they are run
	edits         []edit
}

type test struct{ pkg, name string }

type edit struct{ file, old, new string }

// A result is what became of a sabotage.
type result struct {
	by  test
	err error
}

func main() {
	only := flag.String("only", "", "a regular expression: only these, by file name")
	table := flag.String("table", "", "write the result as a Markdown table to this file")
	atOnce := flag.Int("n", 2, "how many are tried at a time, each in a copy of its own")
	flag.Parse()
	if err := run(*only, *table, *atOnce); err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(1)
	}
}

func run(only, table string, atOnce int) error {
	all, err := chosen(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sabotage")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copies := make(chan string, atOnce)
	for i := range atOnce {
		c := filepath.Join(dir, fmt.Sprint(i))
		if err := copyTree(c); err != nil {
			return err
		}
		copies <- c
	}
	if all, err = sound(copies, all); err != nil {
		return err
	}
	results := make([]result, len(all))
	var wait sync.WaitGroup
	for i, s := range all {
		c := <-copies
		wait.Go(func() {
			defer func() { copies <- c }()
			begin := time.Now()
			r := s.try(c)
			results[i] = r
			if r.err != nil {
				fmt.Printf("MISSED  %-28s %s: %v\n", s.name, s.promise, r.err)
				return
			}
			fmt.Printf("caught  %-28s %s: by %s (%s)\n", s.name, s.promise, r.by.name, time.Since(begin).Round(100*time.Millisecond))
		})
	}
	wait.Wait()
	return report(all, results, table)
}

// chosen reads the sabotages whose name matches only.
func chosen(only string) ([]sabotage, error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(".ci/sabotage/*.txt")
	if err != nil || len(files) == 0 {
		return nil, errors.Join(errors.New("no sabotage found: run this from the top of the tree"), err)
	}
	var all []sabotage
	for _, f := range files {
		if s, err := read(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		} else if pattern.MatchString(s.name) {
			all = append(all, s)
		}
	}
	return all, nil
}

// report sums up, and writes the table if there is one to write.
func report(all []sabotage, results []result, table string) error {
	bad, rows := 0, "| promise | what is broken | caught by | layer |\n|---|---|---|---|\n"
	for i, s := range all {
		number, what, _ := strings.Cut(s.promise, ": ")
		if err := results[i].err; err != nil {
			bad++
			rows += fmt.Sprintf("| %s | %s | **not caught**: %s | |\n", number, what, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		by := results[i].by
		rows += fmt.Sprintf("| %s | %s | `%s` in `%s` | %s |\n", number, what, by.name, strings.TrimPrefix(by.pkg, "./"), by.layer())
	}
	sum := fmt.Sprintf("%d sabotages, %d caught", len(all), len(all)-bad)
	fmt.Println(sum)
	if table != "" {
		if err := os.WriteFile(table, []byte(rows+"\n"+sum+".\n"), 0o644); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d were not caught", bad, len(all))
	}
	return nil
}

// layer names the kind of test that t is.
func (t test) layer() string {
	switch {
	case strings.HasSuffix(t.pkg, "/powercut"):
		return "power cuts"
	case t.name == "TestSimulation":
		return "the program in virtual time"
	case t.name == "TestCrashPoints":
		return "crash points"
	case strings.HasSuffix(t.name, "EveryByte"):
		return "every byte"
	case t.name == "TestAttacks":
		return "direct SQL at the schema"
	case slices.Contains([]string{"TestRandomCourses", "TestRandomWalks", "TestJudgeExhaustively"}, t.name):
		return "every state, random courses"
	case slices.Contains([]string{"TestMatrix", "TestDeskMatrix", "TestNoRouteObeysAnotherSite"}, t.name):
		return "matrix of routes and roles"
	case strings.HasPrefix(t.name, "TestCrash") || t.name == "TestFaultAtEveryWrite":
		return "a fault at every write"
	}
	return "test of the package"
}

func read(file string) (sabotage, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return sabotage{}, err
	}
	s := sabotage{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	head, rest, _ := strings.Cut(string(b), "\nfile ")
	promise, runs, _ := strings.Cut(head, "\nrun ")
	var ok bool
	if s.promise, ok = strings.CutPrefix(promise, "promise "); !ok {
		return s, errors.New(`it begins with "promise n: what is broken"`)
	}
	for run := range strings.SplitSeq(runs, "\nrun ") {
		pkg, names, ok := strings.Cut(strings.TrimSpace(run), " ")
		if !ok {
			return s, errors.New(`the second line is "run ./package TestA|TestB"`)
		}
		for name := range strings.SplitSeq(names, "|") {
			s.tests = append(s.tests, test{pkg, name})
		}
	}
	for block := range strings.SplitSeq(rest, "\nfile ") {
		name, text, _ := strings.Cut(block, "\n<<<<\n")
		for edits := range strings.SplitSeq(text, "\n<<<<\n") {
			old, replacement, both := strings.Cut(edits, "\n====\n")
			replacement, _, ended := strings.Cut("\n"+replacement, "\n>>>>")
			if !both || !ended || old == "" {
				return s, fmt.Errorf("the block of %s is not <<<<, ====, >>>>", name)
			}
			s.edits = append(s.edits, edit{name, old, strings.TrimPrefix(replacement, "\n")})
		}
	}
	return s, nil
}

// copyTree copies what git knows of, as it lies here, changes and all.
func copyTree(dir string) error {
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(out, "\x00"), []byte{0}) {
		b, err := os.ReadFile(string(name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted and not committed
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, string(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// sound runs every named test on the tree as it is: one that is red anyway
// catches nothing, and neither does one that this machine skips, without which all
// comes back.
func sound(copies chan string, all []sabotage) ([]sabotage, error) {
	tests := map[string][]string{}
	for _, s := range all {
		for _, t := range s.tests {
			if !slices.Contains(tests[t.pkg], t.name) {
				tests[t.pkg] = append(tests[t.pkg], t.name)
			}
		}
	}
	var wait sync.WaitGroup
	var mu sync.Mutex // of what follows
	var errs []error
	skipped := map[test]bool{}
	for pkg, names := range tests {
		c := <-copies
		wait.Go(func() {
			defer func() { copies <- c }()
			binary, err := compile(c, pkg)
			out := ""
			if err == nil {
				out, err = goTest(c, pkg, binary, strings.Join(names, "|"))
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("the tests of %s are red without any sabotage: %w\n%s", pkg, err, tail(out)))
				return
			}
			for _, n := range names {
				switch {
				case strings.Contains(out, "--- SKIP: "+n+" "):
					skipped[test{pkg, n}] = true
				case !strings.Contains(out, "--- PASS: "+n+" "):
					errs = append(errs, fmt.Errorf("%s has no test %s", pkg, n))
				}
			}
		})
	}
	wait.Wait()
	for i, s := range all {
		all[i].tests = slices.DeleteFunc(s.tests, func(t test) bool { return skipped[t] })
		if len(all[i].tests) == 0 {
			errs = append(errs, fmt.Errorf("%s: all its tests are skipped on this machine", s.name))
		}
	}
	return all, errors.Join(errs...)
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (Test\w+)|^panic: `)

// try applies s to a copy, runs its tests, takes it back, and says which test caught it.
func (s sabotage) try(dir string) (r result) {
	before := map[string][]byte{}
	defer func() {
		for name, b := range before {
			r.err = errors.Join(r.err, os.WriteFile(name, b, 0o644))
		}
	}()
	for _, e := range s.edits {
		name := filepath.Join(dir, e.file)
		b, err := os.ReadFile(name)
		if err != nil {
			return result{err: fmt.Errorf("does not apply: %w", err)}
		}
		if n := strings.Count(string(b), e.old); n != 1 {
			return result{err: fmt.Errorf("does not apply: its lines stand %d times in %s", n, e.file)}
		}
		if _, known := before[name]; !known {
			before[name] = b
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(b), e.old, e.new, 1)), 0o644); err != nil {
			return result{err: err}
		}
	}
	compiled := map[string]string{}
	for _, t := range s.tests {
		if compiled[t.pkg] == "" {
			binary, err := compile(dir, t.pkg)
			if err != nil {
				return result{err: err}
			}
			compiled[t.pkg] = binary
		}
		out, err := goTest(dir, t.pkg, compiled[t.pkg], t.name)
		switch {
		case err == nil:
		case strings.Contains(out, "panic: test timed out"): // so a slow machine would catch everything
			return result{err: fmt.Errorf("%s hung instead of turning red\n%s", t.name, tail(out))}
		case !failed.MatchString(out):
			return result{err: fmt.Errorf("red without a failed test: %w\n%s", err, tail(out))}
		default:
			return result{by: t}
		}
	}
	return result{err: errors.New("no test turned red")}
}

// compile builds the tests of pkg, which may be a module of its own. No path of the
// copy gets into what is built, so that all copies share what is cached.
func compile(dir, pkg string) (binary string, err error) {
	binary = filepath.Join(dir, ".sabotage"+strings.ReplaceAll(strings.TrimPrefix(pkg, "."), "/", "-")+".test")
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-trimpath", "-o", binary, ".")
	cmd.Dir = filepath.Join(dir, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %w: %s", err, tail(string(out)))
	}
	return binary, nil
}

func goTest(dir, pkg, binary, tests string) (string, error) {
	cmd := exec.Command(binary, "-test.v", "-test.failfast", "-test.timeout=4m", "-test.run=^("+tests+")$")
	cmd.Dir = filepath.Join(dir, pkg)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func tail(s string) string { return s[max(0, len(s)-2000):] }
