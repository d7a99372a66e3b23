// Command speed reads one mailbox with resetdesk and with what people would use
// instead, in turns on the same Dovecot, and prints each run as a line of Go's
// benchmark format. `make performance` makes the page of it.
//
//	go run ./cmd/resetdesk/speed -mails 10000
//
// The peers come from Debian's packages isync, getmail6, fetchmail and python3;
// one that is missing is named, and has no figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

func main() {
	var set settings
	var slow int
	mails := flag.String("mails", env("RESETDESK_MAILS", "10000"), "how many mails the mailbox holds; several sizes with commas are compared in turns")
	flag.IntVar(&set.turns, "turns", number("RESETDESK_TURNS", 5), "how often each reader reads it")
	flag.Uint64Var(&set.seed, "seed", 1, "of the corpus")
	flag.StringVar(&set.bin, "bin", "", "the program; built from this tree when not given")
	flag.DurationVar(&set.rtt, "rtt", 0, "round trip of the link between reader and server")
	flag.Float64Var(&set.mbit, "mbit", 0, "its bandwidth, 0 without limit")
	flag.IntVar(&slow, "slow", number("RESETDESK_SLOW", 1000), "how many mails for the readers that take minutes; 0 without them")
	flag.StringVar(&set.only, "only", "", "a regular expression: only these readers, and resetdesk")
	flag.BoolVar(&set.cold, "cold", false, "drop the server's index and the system's cache of files before every run")
	raw := flag.String("raw", "", "be the reader that downloads everything: address,user,password")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *raw != "" {
		err = download(*raw)
	} else if set.sizes, err = sizes(*mails, slow); err == nil {
		err = compare(ctx, set)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

type settings struct {
	sizes []size
	turns int
	seed  uint64
	bin   string
	rtt   time.Duration
	mbit  float64
	only  string
	cold  bool
}

// A size is a number of mails, and whether the slow readers are asked to read them.
type size struct {
	mails int
	slow  bool
}

// sizes reads the list of them. The slow readers have one of their own unless it is there.
func sizes(list string, slow int) (all []size, err error) {
	for _, word := range strings.Split(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 50 {
			return nil, fmt.Errorf("-mails %s: want numbers from 50", list)
		}
		all = append(all, size{n, n == slow})
		if n == slow {
			slow = 0
		}
	}
	if slow > 0 {
		all = append(all, size{slow, true})
	}
	return all, nil
}

func env(name, otherwise string) string {
	if s := os.Getenv(name); s != "" {
		return s
	}
	return otherwise
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
