package main

import (
	"log/slog"
	"time"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/demo"
	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	var verbose bool
	c := &cobra.Command{
		Use:     "demo",
		Short:   "Play the whole story in a browser: everything embedded, nothing to configure",
		Example: "  resetdesk demo\n  resetdesk demo -listen 127.0.0.1:9000 -wait 5s\n  resetdesk demo -listen localhost:9000   with passkeys, which need a name",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Log = c.OutOrStdout(), slog.New(slog.DiscardHandler)
			if verbose {
				o.Log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			}
			return demo.Run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", "", "host:port of the first page (default 127.0.0.1:8080, or a free port)")
	c.Flags().StringVar(&o.Dir, "dir", "", "keep the database here (default: a temporary folder)")
	c.Flags().DurationVar(&o.Wait, "wait", 20*time.Second, "the waiting period")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log what happens")
	return c
}
