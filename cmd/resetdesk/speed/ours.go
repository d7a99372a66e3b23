package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ours is resetdesk from a database that knows the accounts and no mail, to the
// moment when every mail has its fate and every request its case, durable.
func ours(ctx context.Context, s *scene, dir, addr string) (run, error) {
	if err := os.CopyFS(dir, os.DirFS(s.template)); err != nil {
		return run{}, err
	}
	for _, secret := range []string{"resetdesk.keys", "password"} { // CopyFS opens them to others
		if err := os.Chmod(filepath.Join(dir, secret), 0o600); err != nil {
			return run{}, err
		}
	}
	config := filepath.Join(dir, "resetdesk.toml")
	if err := s.configure(config, addr); err != nil {
		return run{}, err
	}
	log, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return run{}, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.bin, "serve", "-only", "mail", "-config", config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return run{}, err
	}
	watch, ended := context.WithCancel(ctx)
	exit := make(chan error, 1)
	go func() {
		exit <- cmd.Wait()
		ended()
	}()
	settled, why := s.settled(watch, filepath.Join(dir, "resetdesk.db"))
	wall := settled.Sub(began)
	peak, _ := highWater(cmd.Process.Pid)
	_ = cmd.Process.Signal(os.Interrupt) // an error means that it has ended, and Wait says how
	err = errors.Join(why, <-exit)
	r := used(cmd.ProcessState, wall, peak)
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return r, fmt.Errorf("resetdesk: %w: %s", err, tail(said))
	}
	return r, nil
}
