package main

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A ConfigProblem is one thing wrong with the configuration.
type ConfigProblem struct {
	Line, Column int    // in the file, from 1; 0 when the place is not in the file
	Key          string // "mailbox.port", or the environment variable it came from
	Text         string // what is wrong, and what to write instead
	snippet      string // the line and a caret
}

// A ConfigError holds all that is wrong with the configuration.
type ConfigError struct {
	File     string
	Problems []ConfigProblem
}

// Error gives each problem on a line of its own, with the line of the file and a
// caret below where there is one.
func (e *ConfigError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		switch {
		case p.Line > 0:
			fmt.Fprintf(&b, "%s:%d: %s: %s\n%s", filepath.Base(e.File), p.Line, p.Key, p.Text, p.snippet)
		default:
			fmt.Fprintf(&b, "%s: %s", p.Key, p.Text)
		}
	}
	return b.String()
}

// complain records a problem with a key, at its place in the file unless the
// environment gave its value.
func (l *loader) complain(key, format string, args ...any) {
	if l.unread[key] {
		return // the value could not even be read, which was said
	}
	p := ConfigProblem{Key: key, Text: fmt.Sprintf(format, args...)}
	if l.fromEnv[key] != "" {
		p.Key = l.fromEnv[key]
	} else if at, ok := l.place(key); ok {
		p.Line, p.Column = at.line, at.column
		p.snippet = l.snippet(at.line, at.column, keyLength(l.data, at))
	}
	l.problems = append(l.problems, p)
}

// place is where a key stands, or the inline table that it stands in.
func (l *loader) place(key string) (place, bool) {
	for {
		if at, ok := l.places[key]; ok {
			return at, true
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return place{}, false
		}
		key = key[:i]
	}
}

// snippet shows a line of the file with a caret under n bytes. What stands behind
// a key that looks like a secret is not shown.
func (l *loader) snippet(line, column, n int) string {
	lines := bytes.Split(l.data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	text := strings.ToValidUTF8(strings.TrimRight(string(lines[line-1]), "\r"), "\ufffd")
	text = strings.ReplaceAll(text, "\t", " ")
	key, _, ok := strings.Cut(text, "=")
	if name := strings.ToLower(key); ok && (!strings.Contains(name, "file") && strings.ContainsAny(name, "abcdefghijklmnopqrstuvwxyz")) && secretive(name) {
		text = strings.TrimRight(key, " ") + " = ..."
	}
	n = max(1, min(n, len(text)-column+1))
	return fmt.Sprintf("%5d | %s\n      | %s%s", line, text, strings.Repeat(" ", max(0, column-1)), strings.Repeat("^", n))
}

// keyLength is how many bytes the key at a place has.
func keyLength(data []byte, at place) int {
	lines := bytes.Split(data, []byte("\n"))
	if at.line > len(lines) || at.column > len(lines[at.line-1]) {
		return 1
	}
	rest := lines[at.line-1][max(0, at.column-1):]
	if n := bytes.IndexAny(rest, " =]\t\r"); n > 0 {
		return n
	}
	return len(rest)
}

func secretive(name string) bool {
	for _, s := range []string{"password", "passwd", "secret", "token", "key", "service_account"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// sorted puts what has a line first, in the order of the file.
func (l *loader) sorted() []ConfigProblem {
	slices.SortStableFunc(l.problems, func(a, b ConfigProblem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l.problems
}
