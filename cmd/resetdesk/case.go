package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/pack"
	"github.com/spf13/cobra"
)

func caseCommand() *cobra.Command {
	return group("case", "The requests to reset a second factor", caseListCommand(), caseShowCommand(), caseExportCommand(), caseVerifyCommand())
}

// besideDesk runs f on the desk of a configuration file, whether serve runs or not.
func besideDesk(ctx context.Context, config string, f func(cfg Config, d *review.Desk) error) error {
	cfg, err := LoadConfig(config, os.Environ())
	if err != nil {
		return err
	}
	d, err := openBeside(ctx, cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	return f(cfg, d)
}

func caseListCommand() *cobra.Command {
	var config string
	var asJSON bool
	var f review.CaseFilter
	var state string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List cases, the newest first; works while serve runs",
		Example: "  resetdesk case list -state open -json\n  resetdesk case list -account A-1003 -limit 20",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Limit < 1 || f.Limit > 200 {
				return &exitError{exitUsage, errors.New("-limit is 1 to 200; go on with -after")}
			}
			f.State = review.State(state)
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				all, err := d.Cases(c.Context(), f)
				if review.KindOf(err) == review.Invalid {
					return &exitError{exitUsage, err}
				}
				if err != nil {
					return err
				}
				if asJSON {
					for _, s := range all {
						if err := printJSON(c, s); err != nil {
							return err
						}
					}
					return nil
				}
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "CASE\tSTATE\tACCOUNT\tUSER\tORIGIN\tOPENED\tCLOSED")
				for _, s := range all {
					closed := ""
					if !s.Closed.IsZero() {
						closed = s.Closed.UTC().Format(time.RFC3339)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Number, s.State, s.Account, s.User, s.Origin, s.Opened.UTC().Format(time.RFC3339), closed)
				}
				return w.Flush()
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&state, "state", "", "only cases in that state: open, held, cleared, …")
	c.Flags().StringVar(&f.Account, "account", "", "only cases of that account")
	c.Flags().StringVar(&f.User, "user", "", "only cases of that user")
	c.Flags().StringVar(&f.After, "after", "", "go on after the case with that number")
	c.Flags().IntVar(&f.Limit, "limit", 50, "at most so many, 1 to 200")
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line")
	return c
}

func caseShowCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:     "show RST-XXXXXX",
		Short:   "Show one case: where it stands, its checks and its timeline; works while serve runs",
		Example: "  resetdesk case show RST-8K2M4Q",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				v, err := d.CaseFromHost(c.Context(), strings.ToUpper(args[0]))
				if err != nil {
					return err
				}
				if asJSON {
					s, err := d.Summary(c.Context(), v.Number)
					if err != nil {
						return err
					}
					return printJSON(c, map[string]any{"case": s, "risk": v.Risk, "requirements": v.Requirements, "checks": v.Checks, "approvals": v.Approvals,
						"letters": v.Letters, "timeline": v.Timeline, "wait_until": v.WaitUntil, "hold_until": v.HoldUntil})
				}
				printCase(c, v)
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printCase(c *cobra.Command, v review.CaseView) {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	defer w.Flush()
	when := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
	fmt.Fprintf(w, "%s\t%s\n", v.Number, v.State)
	fmt.Fprintf(w, "account\t%s %s\n", v.AccountID, printable(v.AccountName))
	fmt.Fprintf(w, "user\t%s %s\n", v.UserID, printable(v.UserLogin))
	fmt.Fprintf(w, "opened\t%s\n", when(v.Opened))
	fmt.Fprintf(w, "risk\t%s: %s\n", v.Risk.Level, strings.Join(v.Risk.Reasons, " "))
	for _, r := range v.Requirements {
		fmt.Fprintf(w, "%s\t%s\n", r.State, strings.TrimSpace(strings.TrimSuffix(r.Title, ".")+". "+printable(r.Why)))
	}
	for _, k := range v.Checks {
		fmt.Fprintf(w, "%s\t%s: %s\n", k.Result, k.Title, printable(k.Evidence))
	}
	for _, e := range v.Timeline {
		fmt.Fprintf(w, "%s\t%s  %s  %s\n", when(e.At), e.Action, printable(e.Actor), printable(e.Detail))
	}
}

// printable keeps a terminal from obeying what a stranger wrote.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func caseExportCommand() *cobra.Command {
	var config, out string
	c := &cobra.Command{
		Use:   "export RST-XXXXXX -o FILE.zip",
		Short: "Write the evidence pack of a case: for people to read, for programs to check; works while serve runs",
		Long: "Write the evidence pack of a case: report.html for people, the mails as they came in, and what a program needs to\n" +
			"check all of it without the desk (resetdesk case verify). That it was taken is an event of the audit.",
		Example: "  resetdesk case export RST-8K2M4Q -o RST-8K2M4Q.zip",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			number := strings.ToUpper(args[0])
			if out == "" {
				return &exitError{exitUsage, errors.New("say with -o which file to write")}
			}
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				if err := exportCase(c.Context(), d, number, out); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "wrote %s; it has personal data and mails of the case: keep it accordingly\n", out)
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringVarP(&out, "output", "o", "", "the file to write; it must not exist")
	return c
}

// exportCase writes a pack to a file that was not there, whole or not at all.
func exportCase(ctx context.Context, d *review.Desk, number, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write pack: %s is there already", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".resetdesk-pack-*")
	if err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	defer os.Remove(f.Name())
	err = d.ExportCaseFromHost(ctx, number, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it replaces nothing
		return fmt.Errorf("write pack: %w", err)
	}
	return nil
}

func caseVerifyCommand() *cobra.Command {
	var key string
	var asJSON bool
	c := &cobra.Command{
		Use:     "verify FILE.zip -key PUBLIC-KEY",
		Short:   "Check an evidence pack; needs neither configuration nor database",
		Example: "  resetdesk case verify RST-8K2M4Q.zip -key 'reset.example.net/audit+1a2b3c4d+AbCd…'",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if key == "" {
				return &exitError{exitUsage, errors.New("say with -key which public key must have signed; resetdesk init and audit head -json print it")}
			}
			public, err := publicKey(Config{}, key)
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("verify pack: %w", err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return fmt.Errorf("verify pack: %w", err)
			}
			r, err := pack.Verify(f, info.Size(), public)
			if err != nil {
				return fmt.Errorf("verify pack: %w", err)
			}
			if asJSON {
				return printJSON(c, r)
			}
			fmt.Fprintf(c.OutOrStdout(), "OK: case %s, %s; %d files as they were signed, %d events in the audit of %d\ntaken out at %s by %s\n",
				r.Case, r.State, r.Files, r.Events, r.Head.Size, r.MadeAt.UTC().Format(time.RFC3339), printable(r.MadeBy))
			return nil
		},
	}
	c.Flags().StringVar(&key, "key", "", "the public key of the audit, or a file with it")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
