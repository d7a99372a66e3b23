// Command resetdesk is the roof of the house: subcommands, configuration and
// wiring. What it does, and how it is run, is told in docs/manual.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes (design 6).
const (
	exitFailed = 1
	exitUsage  = 2
	exitLater  = 75 // EX_TEMPFAIL: try again later
)

// An exitError carries the exit code that an error asks for.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(longFlags(args))
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(root.ErrOrStderr(), "resetdesk: %v\n", err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	if strings.HasPrefix(err.Error(), "unknown command ") { // cobra has no type for it
		return exitUsage
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "resetdesk",
		Short:         "A desk for one hard question: may we clear this second factor?",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w; see: %s -h", err, c.CommandPath())}
	})
	root.AddCommand(initCommand(), serveCommand(), demoCommand(), doctorCommand(), inspectCommand(), accountsCommand(), reviewerCommand(),
		apiKeyCommand(), keysCommand(), lettersCommand(), threatCommand(), mailCommand(), configCommand(), caseCommand(), auditCommand(), backupCommand(), restoreCommand(), eraseCommand(), versionCommand())
	return root
}

// longFlags lets flags be written with one dash, as in -json: an argument with
// one dash and more than one letter gets its second dash.
func longFlags(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' && !strings.ContainsAny(a[1:2], "0123456789.") {
			a = "-" + a
		}
		out[i] = a
	}
	return out
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: usage(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		return &exitError{exitUsage, fmt.Errorf("say what to do; see: %s -h", c.CommandPath())}
	}}
	g.AddCommand(commands...)
	return g
}

// usage wraps a cobra argument check so that it ends with the code for wrong use.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &exitError{exitUsage, fmt.Errorf("%w; see: %s -h", err, c.CommandPath())}
		}
		return nil
	}
}
