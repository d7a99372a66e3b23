package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/review"
	"github.com/spf13/cobra"
	"strings"
)

// withDesk opens the desk of a configuration file, runs f and closes it again.
// While serve runs, the desk is taken and the error says so.
func withDesk(ctx context.Context, config string, f func(cfg Config, d *review.Desk) error) error {
	cfg, err := LoadConfig(config, os.Environ())
	if err != nil {
		return err
	}
	d, err := openDesk(ctx, cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		return err
	}
	defer d.Close()
	return f(cfg, d)
}

func configFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "config", "resetdesk.toml", "the configuration file")
}

func printJSON(c *cobra.Command, v any) error {
	return json.NewEncoder(c.OutOrStdout()).Encode(v)
}

func accountsCommand() *cobra.Command {
	var config string
	var dryRun, force, asJSON bool
	imp := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Make the accounts those of a file",
		Long: "Make the accounts those of a file: " + "account_id,account_name,locale,user_id,login,email,role,api_only, a row a user,\n" +
			"and optionally notify (addresses separated by ;) and full_name. While serve runs, name the file in\n" +
			"[accounts] file instead: serve imports it whenever it changes.",
		Example: "  resetdesk accounts import accounts.csv -config /etc/resetdesk/resetdesk.toml -dry-run",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				r, err := importAccounts(c.Context(), d, args[0], force, dryRun)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, map[string]any{"accounts": r.Accounts, "users": r.Users, "added": r.Added, "changed": r.Changed, "removed": r.Removed,
						"addresses_added": r.AddressesAdded, "addresses_ended": r.AddressesEnded, "dry_run": r.DryRun}) // as the API says it
				}
				verb := "imported"
				if r.DryRun {
					verb = "would import"
				}
				fmt.Fprintf(c.OutOrStdout(), "%s %d accounts with %d users: %d new, %d users removed, %d addresses new, %d ended\n",
					verb, r.Accounts, r.Users, r.Added, r.Removed, r.AddressesAdded, r.AddressesEnded)
				return nil
			})
		},
	}
	configFlag(imp, &config)
	imp.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would change")
	imp.Flags().BoolVar(&force, "force", false, "allow the removal of more than a fifth of the users")
	imp.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return group("accounts", "The accounts, users and addresses that the desk guards", imp, accountsListCommand(), accountsRequireCommand(), accountsShowCommand())
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and schema number",
		Example: "  resetdesk version -json",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			v := map[string]any{"version": "unreleased", "commit": "", "go": "", "schema": resetdesk.Version}
			if info, ok := debug.ReadBuildInfo(); ok {
				v["go"] = info.GoVersion
				if info.Main.Version != "" && info.Main.Version != "(devel)" {
					v["version"] = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v["commit"] = s.Value
					}
				}
			}
			if asJSON {
				return printJSON(c, v)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s, %s, schema %d\n", strings.TrimSpace(fmt.Sprintf("resetdesk %s %s", v["version"], v["commit"])), v["go"], resetdesk.Version)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
