package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A run is what one program took to read a mailbox once.
type run struct {
	Wall, CPU time.Duration
	Peak      int64 // of its own memory, in bytes; what its children had is not in it
	Wire      int64 // bytes that the server took and gave
	Turns     int64 // what the program said in answer to the server, where a link could count it
}

// A reader is a program that reads a mailbox: dir is an empty folder of its own,
// addr where the IMAP server listens.
type reader struct {
	name string
	slow bool // takes minutes for 10,000 mails
	read func(ctx context.Context, s *scene, dir, addr string) (run, error)
}

// command is a reader that ends by itself when everything is fetched. prepare
// writes what the program needs into dir and returns its command line.
func command(name string, slow bool, prepare func(s *scene, dir, host, port string) ([]string, error)) reader {
	return reader{name, slow, func(ctx context.Context, s *scene, dir, addr string) (run, error) {
		host, port, _ := strings.Cut(addr, ":")
		args, err := prepare(s, dir, host, port)
		if err != nil {
			return run{}, err
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return run{}, fmt.Errorf("%s: %w", name, err)
		}
		peak := watchPeak(cmd.Process.Pid)
		err = cmd.Wait()
		r := used(cmd.ProcessState, time.Since(began), peak())
		if err != nil {
			return r, fmt.Errorf("%s: %w: %s", name, err, tail(out.Bytes()))
		}
		return r, nil
	}}
}

// used reads what a process that has ended consumed, its children included.
func used(p *os.ProcessState, wall time.Duration, peak int64) run {
	r := run{Wall: wall, Peak: peak}
	if p == nil {
		return r
	}
	r.CPU = p.UserTime() + p.SystemTime()
	return r
}

// watchPeak looks at VmHWM of a process until the returned function is called,
// which says what was seen last. What wait4 reports is not the peak of the program:
// Linux has a new process begin with its parent's.
func watchPeak(pid int) func() int64 {
	stop, peak := make(chan struct{}), make(chan int64)
	go func() {
		var last int64
		for {
			if n, ok := highWater(pid); ok {
				last = n
			}
			select {
			case <-stop:
				peak <- last
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-peak
	}
}

// highWater is the most memory that a process had in RAM so far, in bytes. One
// that has ended has none to tell of.
func highWater(pid int) (int64, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(status, []byte("VmHWM:"))
	if !ok {
		return 0, false
	}
	var kb int64
	if _, err := fmt.Fscan(bytes.NewReader(rest), &kb); err != nil {
		return 0, false
	}
	return kb << 10, true
}

func tail(out []byte) string { return string(out[max(0, len(out)-500):]) }
