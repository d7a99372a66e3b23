package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// A page is a file of sections between markers, so that each can be written anew alone.
type page struct {
	file, head string
	sections   []section
}

// A section is written by its function; one without is written by hand, and kept.
type section struct {
	name  string
	write func() (string, error)
}

// refresh writes the sections whose name matches, and leaves the others as they
// were. The file is whole after each: some take hours. A section that failed is on
// the page and says so.
func (p page) refresh(only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	var bad []string
	for _, s := range p.sections {
		if s.write == nil || !pattern.MatchString(s.name) {
			continue
		}
		body, err := s.write()
		if err != nil {
			fmt.Fprintln(os.Stderr, s.name+":", err)
			bad = append(bad, s.name)
		}
		if err := p.put(s.name, body); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("failed: %s; the page says so", strings.Join(bad, ", "))
	}
	return nil
}

// put writes the file with this body of a section. What stands in a section is of
// one run and goes with it; a note on the section stays.
func (p page) put(name, body string) error {
	old, err := os.ReadFile(p.file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text := p.head
	for _, s := range p.sections {
		now := between(string(old), s.begin(), s.end())
		if s.name == name && body != "" {
			now = body
		}
		if now != "" {
			text += "\n" + s.begin() + now + s.end()
		}
		if note := between(string(old), s.note(), endOfNote); note != "" {
			text += "\n" + s.note() + note + endOfNote
		}
	}
	return os.WriteFile(p.file, []byte(text), 0o644)
}

func (s section) begin() string { return "<!-- " + s.name + " -->\n" }
func (s section) end() string   { return "<!-- end of " + s.name + " -->\n" }

// note begins what was written by hand below a section, to stay when it is written anew.
func (s section) note() string { return "<!-- note on " + s.name + " -->\n" }

const endOfNote = "<!-- end of note -->\n"

func between(s, begin, end string) string {
	_, rest, _ := strings.Cut(s, begin)
	section, _, ok := strings.Cut(rest, end)
	if !ok {
		return ""
	}
	return section
}

// commit is the one the figures are of. What the pages themselves say does not
// change it: they are written while it runs.
func commit() (string, error) {
	out, err := exec.Command("git", "describe", "--always").Output()
	if err != nil {
		return "", fmt.Errorf("which commit: %w", err)
	}
	changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs").Output()
	if err != nil {
		return "", fmt.Errorf("which commit: %w", err)
	}
	if len(changed) > 0 {
		return strings.TrimSpace(string(out)) + "-dirty", nil
	}
	return strings.TrimSpace(string(out)), nil
}

// environment is that of this process with settings, each of which it may overrule.
// shown has what they came out as, for the page.
func environment(settings []string) (all []string, shown string) {
	all = os.Environ()
	for _, e := range settings {
		name, _, _ := strings.Cut(e, "=")
		if v, ok := os.LookupEnv(name); ok {
			e = name + "=" + v
		}
		all = append(all, e)
		shown += e + " "
	}
	return all, shown
}

func quoted(words []string) string {
	var all []string
	for _, w := range words {
		if w == "" || strings.ContainsAny(w, "|$^ ") {
			w = "'" + w + "'"
		}
		all = append(all, w)
	}
	return strings.Join(all, " ")
}
