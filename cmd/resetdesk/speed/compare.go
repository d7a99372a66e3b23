package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// readers are in the order of a turn. The last marks what it has read.
func readers() []reader {
	return []reader{
		{"resetdesk", false, ours},
		everything(),
		mbsync(true), mbsync(false),
		imaplib("imaplib-headers-then-bodies", "headers"),
		imaplib("imaplib-batches-of-500", "batch"),
		imaplib("imaplib-one-by-one", "single"),
		getmail(), fetchmail(),
	}
}

// compare lets every reader read every mailbox, in turns.
func compare(ctx context.Context, set settings) (err error) {
	only, err := regexp.Compile(set.only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "resetdesk-speed-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if set.bin == "" {
		set.bin = filepath.Join(dir, "resetdesk")
		if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", set.bin, "github.com/resetdesk/resetdesk/cmd/resetdesk").CombinedOutput(); err != nil {
			return fmt.Errorf("build resetdesk: %w: %s", err, tail(out))
		}
	}
	var scenes []*scene
	for _, size := range set.sizes {
		s, err := newScene(ctx, filepath.Join(dir, fmt.Sprint(size.mails)), set.bin, size.mails, set.seed)
		if err != nil {
			return err
		}
		defer s.close()
		fmt.Printf("%d mails: %d requests, %d of 5 to 25 MB, %s MB in all; seed %d\n", s.Mails, s.Requests, s.Huge, megabytes(s.Bytes), set.seed)
		scenes = append(scenes, s)
	}
	r := report{set: set, missing: map[string]bool{}}
	for range set.turns {
		t := turn{}
		for i, s := range scenes {
			if err := r.round(ctx, &t, s, set.sizes[i], only); err != nil {
				return errors.Join(r.failed, err)
			}
		}
	}
	return r.failed
}

// round lets the readers read one mailbox once each.
func (r *report) round(ctx context.Context, t *turn, s *scene, size size, only *regexp.Regexp) error {
	for _, reader := range readers() {
		if reader.name != "resetdesk" && (reader.slow != size.slow || !only.MatchString(reader.name)) || r.missing[reader.name] {
			continue
		}
		if reader.name == "resetdesk" && r.set.rtt > 0 { // what the distance alone costs
			near, err := once(ctx, s, reader, r.set, 0)
			if err == nil {
				r.run(t, s, "resetdesk-no-delay", near)
			}
		}
		got, err := once(ctx, s, reader, r.set, r.set.rtt)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.miss(reader.name, err)
			continue
		}
		r.run(t, s, reader.name, got)
	}
	return nil
}

// once lets one reader read everything into a folder of its own, which is gone
// afterwards. There is a link in between only where its delay or bandwidth is wanted.
func once(ctx context.Context, s *scene, r reader, set settings, rtt time.Duration) (got run, err error) {
	if set.cold {
		if err := s.chill(); err != nil {
			return run{}, err
		}
	}
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	addr := s.dovecot.Addr()
	turns := func() int64 { return 0 }
	if set.rtt > 0 || set.mbit > 0 {
		k, err := newLink(addr, rtt/2, set.mbit*1e6/8)
		if err != nil {
			return run{}, err
		}
		defer k.Close()
		addr, turns = k.Addr().String(), k.turns.Load
	}
	before := len(s.dovecot.Log())
	if got, err = r.read(ctx, s, dir, addr); err != nil {
		return got, err
	}
	got.Turns = turns()
	got.Wire, err = s.wire(before)
	return got, err
}

// chill makes the server as it is on the day of its first start.
func (s *scene) chill() error {
	if err := s.dovecot.DropCache(); err != nil {
		return err
	}
	if out, err := exec.Command("sync").CombinedOutput(); err != nil {
		return fmt.Errorf("sync: %w: %s", err, out)
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

var (
	signedIn = regexp.MustCompile(`imap-login: Info: Login: `)
	signedUp = regexp.MustCompile(`imap\(.*\bin=(\d+) out=(\d+)`)
)

// wire reads from the server's log, behind a place in it, how many bytes its
// sessions took and gave: the mails and the commands, not what TCP adds.
func (s *scene) wire(behind int) (n int64, err error) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log := s.dovecot.Log()[behind:]
		ended := signedUp.FindAllStringSubmatch(log, -1)
		begun := len(signedIn.FindAllString(log, -1))
		if begun > 0 && len(ended) >= begun {
			for _, m := range ended {
				var in, out int64
				if _, err := fmt.Sscan(m[1]+" "+m[2], &in, &out); err != nil {
					return 0, err
				}
				n += in + out
			}
			return n, nil
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("the server's log tells of %d sessions and of the end of %d: %s", begun, len(ended), tail([]byte(strings.TrimSpace(log))))
		}
	}
}
