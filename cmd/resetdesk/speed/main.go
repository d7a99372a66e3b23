// Command speed reads one mailbox with resetdesk and with what people would use
// instead, in turns on the same Dovecot, and prints the page of figures.
//
//	go run ./cmd/resetdesk/speed -mails 10000
//
// The peers come from Debian's packages isync, getmail6, fetchmail and python3;
// one that is missing is named on the page, and has no figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	mails := flag.Int("mails", 10_000, "how many mails the mailbox holds")
	turns := flag.Int("turns", 3, "how often each reader reads it; the slow ones once")
	seed := flag.Uint64("seed", 1, "of the corpus")
	bin := flag.String("bin", "", "the program; built from this tree when not given")
	rtt := flag.Duration("rtt", 0, "round trip of the link between reader and server")
	mbit := flag.Float64("mbit", 0, "its bandwidth, 0 without limit")
	slow := flag.Bool("slow", true, "with the readers that take minutes")
	cold := flag.Bool("cold", false, "drop the server's index before every run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, settings{*mails, *turns, *seed, *bin, *rtt, *mbit, *slow, *cold}); err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

type settings struct {
	mails, turns int
	seed         uint64
	bin          string
	rtt          time.Duration
	mbit         float64
	slow, cold   bool
}

func readers() []reader {
	return []reader{
		{"resetdesk", false, ours},
		mbsync(true), mbsync(false),
		imaplib("imaplib, headers then bodies", "headers"),
		imaplib("imaplib, batches of 500", "batch"),
		imaplib("imaplib, one by one", "single"),
		getmail(), fetchmail(), // last: fetchmail marks what it has read
	}
}

func compare(ctx context.Context, set settings) (err error) {
	dir, err := os.MkdirTemp("", "resetdesk-speed-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if set.bin == "" {
		set.bin = filepath.Join(dir, "resetdesk")
		if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", set.bin, "github.com/resetdesk/resetdesk/cmd/resetdesk").CombinedOutput(); err != nil {
			return fmt.Errorf("build resetdesk: %w: %s", err, tail(out))
		}
	}
	s, err := newScene(ctx, dir, set.bin, set.mails, set.seed)
	if err != nil {
		return err
	}
	defer s.close()
	k, err := newLink(s.dovecot.Addr(), set.rtt/2, set.mbit*1e6/8)
	if err != nil {
		return err
	}
	defer k.Close()
	t := &table{set: set, corpus: s.corpus}
	for turn := range set.turns {
		for _, r := range readers() {
			if r.slow && (turn > 0 || !set.slow) {
				continue
			}
			got, err := once(ctx, s, k, r, set)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.add(r.name, got, err)
		}
	}
	return t.print(os.Stdout)
}

// once lets one reader read everything into a folder of its own, which is gone afterwards.
func once(ctx context.Context, s *scene, k *link, r reader, set settings) (got run, err error) {
	if set.cold {
		if err := s.dovecot.DropCache(); err != nil {
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
	before := k.bytes.Load()
	got, err = r.read(ctx, s, dir, k.Addr().String())
	got.Wire, got.Mails = k.bytes.Load()-before, s.Mails
	return got, err
}
