package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxInspected bounds one mail, in bytes; of a longer one the beginning is read.
const maxInspected = 32 << 20

// maxHead bounds the header that is explained, in bytes.
const maxHead = 256 << 10

// mailsAt lists the mails that target names, in name order. single tells that it
// is no folder.
func mailsAt(target string) (files []string, single bool, err error) {
	if target == "-" {
		return []string{"-"}, true, nil
	}
	info, err := os.Stat(target)
	if err != nil {
		return nil, false, fmt.Errorf("inspect: %w", err)
	}
	if !info.IsDir() {
		return []string{target}, true, nil
	}
	entries, err := os.ReadDir(target) // sorted by name
	if err != nil {
		return nil, false, fmt.Errorf("inspect: %w", err)
	}
	for _, e := range entries {
		name := filepath.Join(target, e.Name())
		if strings.HasSuffix(name, ".eml") && readable(name) {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		return nil, false, fmt.Errorf("inspect: no *.eml in %s", target)
	}
	return files, false, nil
}

// readable reports whether name is worth opening in a folder: a pipe or a device
// would hold up all that come after it. What cannot be looked at is told when it
// is read.
func readable(name string) bool {
	info, err := os.Stat(name)
	return err != nil || info.Mode().IsRegular()
}

func readMail(name string, stdin io.Reader) (raw []byte, truncated bool, err error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, false, fmt.Errorf("inspect: %w", err)
		}
		defer f.Close()
		r = f
	}
	raw, err = io.ReadAll(io.LimitReader(r, maxInspected+1))
	if err != nil {
		return nil, false, fmt.Errorf("inspect: %w", err)
	}
	if len(raw) > maxInspected {
		return raw[:maxInspected], true, nil
	}
	return raw, false, nil
}

// explained is what came of one file.
type explained struct {
	inspection
	err error
}

// all explains the files side by side, a few at a time, and yields them in their
// order.
func (in *inspector) all(ctx context.Context, files []string, stdin io.Reader) iter.Seq[explained] {
	return func(yield func(explained) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		queue := make(chan chan explained, 2*runtime.GOMAXPROCS(0)) // bounds how far the readers run ahead
		go func() {
			defer close(queue)
			for _, name := range files {
				one := make(chan explained, 1)
				select {
				case queue <- one:
				case <-ctx.Done():
					return
				}
				go func() { one <- in.one(ctx, name, stdin) }()
			}
		}()
		for one := range queue {
			select {
			case e := <-one:
				if !yield(e) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

func (in *inspector) one(ctx context.Context, name string, stdin io.Reader) explained {
	raw, truncated, err := readMail(name, stdin)
	if err != nil {
		return explained{err: err}
	}
	raw, local := wireEnds(raw)
	e := explained{inspection: in.inspect(ctx, name, raw, truncated)}
	if local {
		e.Problems = append(e.Problems, "the file has the line ends of this host, LF, as a Maildir keeps mail: it was read with CRLF, as a mail server hands it out")
	}
	return e
}

// wireEnds gives a mail that was stored with the line ends of the host, not one
// CR in it, those it has on the wire: signatures are over CRLF, and a bare LF among
// CRLFs is an attack, which stays as it is.
func wireEnds(raw []byte) (wire []byte, local bool) {
	if bytes.IndexByte(raw, '\r') >= 0 || bytes.IndexByte(raw, '\n') < 0 {
		return raw, false
	}
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")), true
}

// headerLength is where the header block ends, or a bound.
func headerLength(raw []byte) int {
	window := raw[:min(len(raw), maxHead)]
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(window, []byte(end)); i >= 0 {
			return i + len(end)
		}
	}
	return len(window)
}
