package main

import (
	"fmt"

	"github.com/resetdesk/resetdesk/review"
	"github.com/spf13/cobra"
)

func threatCommand() *cobra.Command {
	return group("threat", "Threat mode: two approvals for every reset, and all waiting periods doubled",
		threatShowCommand(), threatTurnCommand("on", true), threatTurnCommand("off", false))
}

func threatTurnCommand(use string, on bool) *cobra.Command {
	var config, reason string
	c := &cobra.Command{
		Use:   use,
		Short: "Turn threat mode " + use,
		Long: "Turn threat mode " + use + ", recorded in the audit as an act of the host.\n" +
			"While the desk runs it alone has the database: use the switch on its page \"Threat mode\" instead.",
		Example: "  resetdesk threat " + use + ` -reason "wave of forged requests" -config /etc/resetdesk/resetdesk.toml`,
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" {
				return &exitError{exitUsage, fmt.Errorf("say why with -reason; the audit keeps it")}
			}
			return withDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				if err := d.SwitchThreatOnHost(c.Context(), on, reason); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "threat mode is %s\n", use)
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return c
}

func threatShowCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:     "show",
		Short:   "Show whether threat mode is on, since when and why; works while serve runs",
		Example: "  resetdesk threat show -json -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				t, err := d.Threat(c.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, t)
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), t)
				return err
			})
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
