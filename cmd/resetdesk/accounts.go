package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/spf13/cobra"
)

func accountsRequireCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "require ACCOUNT DATE|never|default",
		Short: "Say from when a second factor is mandatory in one account",
		Long: "Say from when a second factor is mandatory in one account, for the users it has and those it will have:\n" +
			"a day such as 2027-01-31, never, or default for what [totp] mandatory_from says.",
		Example: "  resetdesk accounts require A-1003 2027-01-31 -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := review.ParseAccountPolicy(args[1])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return withDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				if err := d.SetAccountPolicy(c.Context(), "host", args[0], p); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "account %s: a second factor is mandatory from: %s\n", args[0], p)
				return nil
			})
		},
	}
	configFlag(c, &config)
	return c
}

func accountsListCommand() *cobra.Command {
	var config, after string
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts with their users and addresses; works while serve runs",
		Example: "  resetdesk accounts list -limit 100 -after A-1003 -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return &exitError{exitUsage, errors.New("-limit is 1 to 1000; go on with -after")}
			}
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				all, err := d.Accounts(c.Context(), after, limit)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, all)
				}
				for _, a := range all {
					fmt.Fprintf(c.OutOrStdout(), "%-16s %-32s %d users\n", a.ID, a.Name, len(a.Users))
				}
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&after, "after", "", "go on behind this account")
	c.Flags().IntVar(&limit, "limit", 100, "how many, 1 to 1000")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func accountsShowCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ACCOUNT",
		Short:   "Show how an account and its users stand with their second factors; works while serve runs",
		Example: "  resetdesk accounts show A-1003 -json -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				a, err := d.AccountStanding(c.Context(), args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, a)
				}
				return printStanding(c, a)
			})
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printStanding(c *cobra.Command, a review.AccountStanding) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s (%s), a second factor is mandatory from: %s\n", a.Name, a.ID, a.Policy)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tLOGIN\tROLE\tSECOND FACTOR\tCODES LEFT\tMANDATORY FROM\tNOTES")
	for _, u := range a.Users {
		factor := "none"
		if u.Enrolled {
			factor = "since " + dayOf(u.Since)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", u.ID, u.Login, u.Role, factor, u.CodesLeft, dayOf(u.RequiredFrom), notes(u))
	}
	return w.Flush()
}

func notes(u review.UserStanding) string {
	var all []string
	for _, n := range []struct {
		is   bool
		text string
	}{{u.Removed, "removed"}, {u.APIOnly, "API only"}, {u.PassRequired, "needs the enrollment pass"}, {u.Frozen, "locked after an undo"},
		{u.LockedUntil != nil && u.LockedUntil.After(time.Now()), "too many wrong codes"}, {u.Required && !u.Enrolled, "overdue"}} {
		if n.is {
			all = append(all, n.text)
		}
	}
	return strings.Join(all, ", ")
}

func dayOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}
