package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/spf13/cobra"
)

func backupCommand() *cobra.Command {
	var config, out string
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup -o FILE",
		Short: "Copy the database into a new file and check the copy; works while serve runs",
		Long: "Copy the database into a new file and check the copy: SQLite's own check, the schema, the whole audit.\n" +
			"The keys are not in it; keep a copy of them elsewhere. A plain copy of a running database loses data.",
		Example: "  resetdesk backup -o /backup/resetdesk-$(date +%F).db -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return &exitError{exitUsage, errors.New("say with -o which file to write")}
			}
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			b, err := review.BackUp(c.Context(), cfg.Database.Path, out)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c, b)
			}
			fmt.Fprintf(c.OutOrStdout(), "wrote %s: %d bytes, %d events of the audit, head %s\nsha256 %s\nthe keys are not in it: keep %s elsewhere\n",
				b.Path, b.Bytes, b.Audit.Seq, b.Audit.Hash, b.SHA256, cfg.Keys.File)
			return nil
		},
	}
	configFlag(c, &config)
	c.Flags().StringVarP(&out, "output", "o", "", "the file to write; it must not exist")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func restoreCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the database; refuses while serve runs",
		Long: "Put a backup in the place of the database, after checking it and that the keys open it. Refuses while serve runs.\n" +
			"What was there is kept beside it. What happened after the backup is forgotten: read the manual first.",
		Example: "  resetdesk restore /backup/resetdesk-2026-11-23.db -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			keys, err := totp.LoadKeyring(cfg.Keys.File)
			if err != nil {
				return err
			}
			b, kept, err := review.Restore(c.Context(), args[0], cfg.Database.Path, keys)
			if errors.Is(err, review.ErrInUse) {
				return &exitError{exitLater, err}
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c, map[string]any{"backup": b, "kept": kept})
			}
			fmt.Fprintf(c.OutOrStdout(), "restored %s: %d events of the audit, head %s\n", cfg.Database.Path, b.Audit.Seq, b.Audit.Hash)
			if kept != "" {
				fmt.Fprintf(c.OutOrStdout(), "what was there is %s\n", kept)
			}
			fmt.Fprintf(c.OutOrStdout(), "give the file to the service's user, then start serve\n")
			return nil
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func eraseCommand() *cobra.Command {
	var config, account, reason string
	var asJSON bool
	c := &cobra.Command{
		Use:   "erase -account ID -reason TEXT",
		Short: "Forget the bytes of the mails of an account's closed cases; works while serve runs",
		Long: "Forget the bytes and headers of all mails of an account's closed cases before their time. Decisions and the audit\n" +
			"stay: they prove what happened. Mails of open cases stay until these are decided; backups still have the bytes.",
		Example: "  resetdesk erase -account A-1003 -reason 'Anna Admin, by letter of 23 Nov 2026'",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if account == "" || reason == "" {
				return &exitError{exitUsage, errors.New("say with -account whose, and with -reason who asked for it")}
			}
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				n, err := d.EraseMailBodiesFromHost(c.Context(), account, reason)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, map[string]any{"account": account, "mails": n})
				}
				fmt.Fprintf(c.OutOrStdout(), "erased the bytes of %d mails of %s\n", n, account)
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&account, "account", "", "the account")
	c.Flags().StringVar(&reason, "reason", "", "who asked for it; the audit keeps it")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
