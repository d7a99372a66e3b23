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
// with any number of file blocks. One that no longer applies, does not compile or
// is not caught is a failure, and so is a test that is red without it.
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
	"time"
)

// A sabotage is one patch and the tests that must catch it.
type sabotage struct {
	name, promise, pkg, tests string
	edits                     []edit
}

type edit struct{ file, old, new string }

func main() {
	only := flag.String("only", "", "a regular expression: only these, by file name")
	table := flag.String("table", "", "write the result as a Markdown table to this file")
	flag.Parse()
	if err := run(*only, *table); err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(1)
	}
}

func run(only, table string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(".ci/sabotage/*.txt")
	if err != nil || len(files) == 0 {
		return errors.Join(errors.New("no sabotage found: run this from the top of the tree"), err)
	}
	var all []sabotage
	for _, f := range files {
		if s, err := read(f); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		} else if pattern.MatchString(s.name) {
			all = append(all, s)
		}
	}
	dir, err := os.MkdirTemp("", "sabotage")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(dir); err != nil {
		return err
	}
	if err := sound(dir, all); err != nil {
		return err
	}
	bad, rows := 0, "| promise | what is broken | caught by |\n|---|---|---|\n"
	for _, s := range all {
		begin := time.Now()
		by, err := s.try(dir)
		number, what, _ := strings.Cut(s.promise, ": ")
		if err != nil {
			bad++
			fmt.Printf("MISSED  %-24s %s: %v\n", s.name, s.promise, err)
			rows += fmt.Sprintf("| %s | %s | **not caught**: %v |\n", number, what, err)
			continue
		}
		fmt.Printf("caught  %-24s %s: by %s (%s)\n", s.name, s.promise, by, time.Since(begin).Round(100*time.Millisecond))
		rows += fmt.Sprintf("| %s | %s | `%s` in `%s` |\n", number, what, by, strings.TrimPrefix(s.pkg, "./"))
	}
	fmt.Printf("%d sabotages, %d caught\n", len(all), len(all)-bad)
	if table != "" {
		if err := os.WriteFile(table, []byte(rows), 0o644); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d were not caught", bad, len(all))
	}
	return nil
}

func read(file string) (sabotage, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return sabotage{}, err
	}
	s := sabotage{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	head, rest, _ := strings.Cut(string(b), "\nfile ")
	promise, run, _ := strings.Cut(head, "\nrun ")
	var ok bool
	if s.promise, ok = strings.CutPrefix(promise, "promise "); !ok {
		return s, errors.New(`it begins with "promise n: what is broken"`)
	}
	if s.pkg, s.tests, ok = strings.Cut(strings.TrimSpace(run), " "); !ok {
		return s, errors.New(`the second line is "run ./package TestA|TestB"`)
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
// catches nothing.
func sound(dir string, all []sabotage) error {
	tests := map[string][]string{}
	for _, s := range all {
		for t := range strings.SplitSeq(s.tests, "|") {
			if !slices.Contains(tests[s.pkg], t) {
				tests[s.pkg] = append(tests[s.pkg], t)
			}
		}
	}
	for pkg, names := range tests {
		out, err := goTest(dir, pkg, strings.Join(names, "|"))
		if err != nil {
			return fmt.Errorf("the tests of %s are red without any sabotage:\n%s", pkg, tail(out))
		}
		for _, n := range names {
			if !strings.Contains(out, "--- PASS: "+n+" ") {
				return fmt.Errorf("%s has no test %s, or it was skipped", pkg, n)
			}
		}
	}
	return nil
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (Test\w+)|^panic: test timed out[^\n]*\n\s*running tests:\n\s*(Test\w+)|^=== RUN   (Test\w+)[^/]*\n(?:.*\n)*?panic: `)

// try applies s, runs its tests, takes it back, and says which test caught it.
func (s sabotage) try(dir string) (by string, err error) {
	before := map[string][]byte{}
	defer func() {
		for name, b := range before {
			err = errors.Join(err, os.WriteFile(name, b, 0o644))
		}
	}()
	for _, e := range s.edits {
		name := filepath.Join(dir, e.file)
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("does not apply: %w", err)
		}
		if n := strings.Count(string(b), e.old); n != 1 {
			return "", fmt.Errorf("does not apply: its lines stand %d times in %s", n, e.file)
		}
		if _, known := before[name]; !known {
			before[name] = b
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(b), e.old, e.new, 1)), 0o644); err != nil {
			return "", err
		}
	}
	build := exec.Command("go", "build", "./...")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %s", tail(string(out)))
	}
	out, err := goTest(dir, s.pkg, s.tests)
	if err == nil {
		return "", fmt.Errorf("nothing of %s -run '%s' turned red", s.pkg, s.tests)
	}
	m := failed.FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("red without a failed test:\n%s", tail(out))
	}
	return m[1] + m[2] + m[3], nil
}

func goTest(dir, pkg, tests string) (string, error) {
	cmd := exec.Command("go", "test", "-count=1", "-failfast", "-v", "-timeout", "4m", "-run", "^("+tests+")$", pkg)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func tail(s string) string { return s[max(0, len(s)-2000):] }
