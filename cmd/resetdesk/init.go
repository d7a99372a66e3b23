package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/spf13/cobra"
)

func initCommand() *cobra.Command {
	var dir, admin, name string
	var e Example
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a commented configuration, keys and an empty database; print the first reviewer's link",
		Long: "Write a commented configuration, keys and an empty database into a folder, and print the one-time link with\n" +
			"which the first reviewer sets a password and a second factor. What is there already stays as it is, so a\n" +
			"second run goes on where the first one stopped: edit the configuration, then run it again.",
		Example: "  resetdesk init -dir /etc/resetdesk -base-url https://reset.example.net -brand Example -imap imap.example.net -smtp smtp.example.net -address support@example.net\n" +
			"  resetdesk init -dir /etc/resetdesk -admin mia@example.net",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			path := filepath.Join(dir, "resetdesk.toml")
			fresh, err := writeConfig(path, e)
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if fresh {
				fmt.Fprintf(out, "wrote %s; say there where the mail is and who you are\n", path)
			}
			cfg, err := LoadConfig(path, os.Environ())
			if err != nil {
				return err
			}
			if err := writeKeys(cfg.Keys.File); err != nil {
				return err
			}
			public, err := writeAuditKey(cfg)
			if err != nil {
				return err
			}
			if err := showDKIM(out, cfg); err != nil {
				return err
			}
			if admin == "" {
				fmt.Fprintf(out, "keys are in %s; keep a copy of it apart from the database's backups\n", cfg.Keys.File)
				fmt.Fprintf(out, "the audit is signed with %s; keep its public half apart, heads and evidence packs are checked with it:\n%s\n", cfg.Audit.KeyFile, public)
				fmt.Fprintf(out, "next: edit %s, then: resetdesk init -dir %s -admin you@your.domain\n", path, dir)
				return nil
			}
			return withDesk(c.Context(), path, func(cfg Config, d *review.Desk) error {
				link, err := invite(c.Context(), cfg, d, admin, name, review.Admin)
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "the database is %s\nstart it: resetdesk serve -config %s\nthen the first reviewer, %s, sets a password and a second factor here, once, within 72 hours:\n%s\n",
					cfg.Database.Path, path, admin, link)
				return nil
			})
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the folder for all of it")
	c.Flags().StringVar(&admin, "admin", "", "the e-mail address of the first reviewer")
	c.Flags().StringVar(&name, "name", "Admin", "how colleagues know the first reviewer")
	c.Flags().StringVar(&e.BaseURL, "base-url", "", "where owners and staff open the pages")
	c.Flags().StringVar(&e.Brand, "brand", "", "your company, as your users know it")
	c.Flags().StringVar(&e.MailboxHost, "imap", "", "the IMAP server")
	c.Flags().StringVar(&e.SMTPHost, "smtp", "", "the SMTP server")
	c.Flags().StringVar(&e.Address, "address", "", "the address that requests are written to")
	return c
}

// writeConfig writes the commented example, unless the file is there.
func writeConfig(path string, e Example) (fresh bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, fmt.Errorf("write configuration: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("write configuration: %w", err)
	}
	_, err = f.WriteString(ExampleConfig(e))
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("write configuration: %w", err)
	}
	return true, nil
}

func writeKeys(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	keys, err := totp.NewKeyring()
	if err != nil {
		return err
	}
	return keys.Write(path)
}

// showDKIM prints the record for the DNS if letters are signed here.
func showDKIM(w io.Writer, cfg Config) error {
	d := cfg.SMTP.DKIM
	if d.KeyFile == "" {
		return nil
	}
	if err := newDKIMKey("rsa", d.KeyFile); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s, err := d.Signature()
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "letters are signed; publish this record:")
	return printRecord(w, s)
}
