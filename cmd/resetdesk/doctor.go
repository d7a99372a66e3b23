package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/doctor"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	var config string
	var only []string
	var asJSON, detail bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything an installation stands on, and say what mends it",
		Long: `Check everything an installation stands on, and say what mends it. Nothing is changed:
the mailbox is opened with EXAMINE and BODY.PEEK[], the database read-only; it works
while serve runs. The checks keep their numbers; -only names some of them:
` + strings.Join(doctor.Names(), ", ") + `.

The exit code is 0 when nothing failed (warnings are no failure), else 1.`,
		Example: `  resetdesk doctor -config /etc/resetdesk/resetdesk.toml
  resetdesk doctor -only mailbox,trust -detail -config /etc/resetdesk/resetdesk.toml`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range only {
				if !slices.Contains(doctor.Names(), name) {
					return wrongUse("doctor: -only %q, want one of %s", name, strings.Join(doctor.Names(), ", "))
				}
			}
			return runDoctor(c, config, only, asJSON, detail)
		},
	}
	configFlag(c, &config)
	c.Flags().StringSliceVar(&only, "only", nil, "run these `checks` only")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&detail, "detail", false, "print what was seen, too")
	c.AddCommand(canaryCommand())
	return c
}

// runDoctor prints findings as they come; in JSON, all of them at the end.
func runDoctor(c *cobra.Command, config string, only []string, asJSON, detail bool) error {
	var tally doctor.Tally
	all := []doctor.Finding{}
	out := c.OutOrStdout()
	tell := func(f doctor.Finding) error {
		tally.Add(f)
		if asJSON {
			all = append(all, f)
			return nil
		}
		return f.Print(out, detail)
	}
	cfg, err := LoadConfig(config, os.Environ())
	var wrong *ConfigError
	switch {
	case errors.As(err, &wrong): // everything else stands on the configuration
		err = tell(doctor.Broken(wrong.Error(), "mend these lines, then run it again"))
	case err != nil:
		err = tell(doctor.Broken(err.Error(), "name the file with -config; resetdesk init writes one"))
	default:
		err = doctor.Examine(c.Context(), subject(config, cfg), only, tell)
	}
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	if asJSON {
		if err := printJSON(c, map[string]any{"checks": all, "failed": tally.Failed, "warnings": tally.Warnings}); err != nil {
			return err
		}
	} else if tally.Failed == 0 {
		if _, err := fmt.Fprintln(out, tally); err != nil {
			return err
		}
	}
	if tally.Failed > 0 {
		return &exitError{exitFailed, fmt.Errorf("doctor: %s", tally)}
	}
	return nil
}

// subject is the installation that a configuration describes.
func subject(path string, cfg Config) *doctor.Subject {
	s := &doctor.Subject{
		Config: path, Keys: cfg.Given, KeyFile: cfg.Keys.File, Database: cfg.Database.Path, Accounts: cfg.Accounts.File,
		Addresses: cfg.addresses(), Postman: postmanConfig(cfg), From: cfg.SMTP.Sender.Address, Bounces: cfg.SMTP.BounceAddress, Signature: cfg.SMTP.DKIM.Signature, Letters: cfg.Letters.check, Resolver: cfg.DNS.Resolver, BaseURL: cfg.Server.BaseURL,
	}
	for _, m := range cfg.boxes() {
		s.Boxes = append(s.Boxes, doctor.Box{Section: m.Section, Mailbox: m.watcher(), Folders: m.Folders, Trust: m.Trust()})
		if m.Section == "mailbox" || m.Tokens != cfg.Mailbox.Tokens {
			s.Secrets = append(s.Secrets, m.secretFiles()...)
		}
		if m.Auth == "password" && m.Password.IsZero() {
			s.Secrets = append(s.Secrets, m.PasswordFile)
		}
	}
	s.Box = s.Boxes[0]
	if f := cfg.Server.SSO.ClientSecretFile; f != "" && cfg.Server.SSO.ClientSecret.IsZero() {
		s.Secrets = append(s.Secrets, f)
	}
	if cfg.SMTP.Tokens != cfg.Mailbox.Tokens {
		s.Secrets = append(s.Secrets, cfg.SMTP.secretFiles()...)
	}
	if cfg.SMTP.Auth == "password" && cfg.SMTP.User != "" && cfg.SMTP.Password.IsZero() {
		s.Secrets = append(s.Secrets, cfg.SMTP.PasswordFile)
	}
	return s
}

func canaryCommand() *cobra.Command {
	return group("canary", "Try whether the mail server in front of the mailbox strips what forgers write", canarySend(), canaryCheck())
}

// canaryFlags are what both halves of the canary take.
type canaryFlags struct {
	config, authserv, via, id string
	json                      bool
}

func (f *canaryFlags) add(c *cobra.Command) {
	configFlag(c, &f.config)
	c.Flags().StringVar(&f.authserv, "authserv", "", "the `id` that your server writes into Authentication-Results; the configured one when not given")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *canaryFlags) load() (Config, *doctor.Subject, error) {
	cfg, err := LoadConfig(f.config, os.Environ())
	if err != nil {
		return cfg, nil, err
	}
	if f.authserv == "" && len(cfg.Mailbox.AuthservIDs) > 0 {
		f.authserv = cfg.Mailbox.AuthservIDs[0]
	}
	if f.authserv != "" && !sender.ValidAuthservID(f.authserv) {
		return cfg, nil, wrongUse("canary: -authserv is %q, want a name such as mx.example.net", f.authserv)
	}
	return cfg, subject(f.config, cfg), nil
}

func canarySend() *cobra.Command {
	var f canaryFlags
	c := &cobra.Command{
		Use:   "send",
		Short: "Send three probe mails to the watched mailbox and print their id",
		Long: `Send three probe mails to the watched mailbox and print their id: one with forged
Authentication-Results in your server's name, one with a disguised From field, one that
begins with a space. -via names the server that takes mail from the world for you (its
MX, port 25): only that way is tried what strangers' mail goes through. Without it the
configured SMTP server is used, which many mail systems treat as their own.`,
		Example: "  resetdesk doctor canary send -via mx.example.net:25 -authserv mx.example.net -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, s, err := f.load()
			if err != nil {
				return err
			}
			if f.authserv == "" {
				return wrongUse("canary send: say with -authserv whose results to forge (doctor -only trust -detail shows the ids that your mails carry)")
			}
			out, err := f.way(cfg)
			if err != nil {
				return err
			}
			id, sent, err := s.Send(c.Context(), out, f.via != "", f.authserv)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(c, map[string]any{"id": id, "probes": sent})
			}
			for i, p := range sent {
				word := map[bool]string{true: "accepted", false: "refused"}[p.Accepted]
				fmt.Fprintf(c.OutOrStdout(), "%2d %-33s %-8s  %s\n", i+1, p.Title, word, doctor.Plain(p.Answer))
			}
			fmt.Fprintf(c.OutOrStdout(), "in a minute: resetdesk doctor canary check -id %s -authserv %s -config %s\n", id, f.authserv, f.config)
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.via, "via", "", "the mail server to hand the probes to, `host:port`")
	return c
}

// way is the server that the probes are handed to: the configured one, or one
// of the world, where nobody signs in and STARTTLS protects what is no secret.
func (f *canaryFlags) way(cfg Config) (mailbox.PostmanConfig, error) {
	if f.via == "" {
		return postmanConfig(cfg), nil
	}
	host, port, err := net.SplitHostPort(f.via)
	number, failed := strconv.Atoi(port)
	if err != nil || failed != nil || !hostPort(f.via) {
		return mailbox.PostmanConfig{}, wrongUse("canary send: -via is %q, want host:port", f.via)
	}
	way := mailbox.PostmanConfig{Host: host, Port: number, Security: mailbox.StartTLS}
	if isLoopback(host) {
		way.Security = mailbox.Plain
	}
	return way, nil
}

func canaryCheck() *cobra.Command {
	var f canaryFlags
	c := &cobra.Command{
		Use:     "check",
		Short:   "Look for the probe mails in the mailbox and say what became of them",
		Long:    "Look for the probe mails in the mailbox, read-only, and say what became of them and whether\nstrip_verified may be set. The configuration is never edited. The exit code is 75 while a\nprobe is still missing, and 1 when forged results get through.",
		Example: "  resetdesk doctor canary check -id 5f2c9a1b7d3e0c44-aar-mx -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, s, err := f.load()
			if err != nil {
				return err
			}
			resolver := sender.Resolver(net.DefaultResolver)
			if cfg.DNS.Resolver != "" {
				resolver = &sender.DNS{Server: cfg.DNS.Resolver}
			}
			r, err := s.Check(c.Context(), f.id, f.authserv, resolver)
			if errors.Is(err, doctor.ErrCanaryID) {
				return &exitError{exitUsage, err}
			}
			if err != nil {
				return err
			}
			if err := f.print(c, r); err != nil {
				return err
			}
			switch {
			case r.Waiting:
				return &exitError{exitLater, errors.New("canary check: not everything has arrived")}
			case !r.Strip:
				return &exitError{exitFailed, errors.New("canary check: strip_verified must not be set")}
			}
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.id, "id", "", "the `id` that canary send printed")
	return c
}

func (f *canaryFlags) print(c *cobra.Command, r doctor.Report) error {
	if f.json {
		return printJSON(c, r)
	}
	out := c.OutOrStdout()
	for i, p := range r.Probes {
		fmt.Fprintf(out, "%2d %-33s %-8s  %s\n", i+1, p.Title, strings.ReplaceAll(string(p.Fate), "_", " "), doctor.Plain(p.Text))
		if len(p.Order) > 0 {
			fmt.Fprintf(out, "   header: %s\n", doctor.Plain(strings.Join(p.Order, ", ")))
		}
		if p.DKIM != "" {
			fmt.Fprintf(out, "   DKIM: %s\n", doctor.Plain(p.DKIM))
		}
	}
	_, err := fmt.Fprintln(out, r.Sentence)
	if err == nil && r.TOML != "" {
		_, err = fmt.Fprintf(out, "what it shows, for [mailbox]:\n  %s\n", strings.ReplaceAll(r.TOML, "\n", "\n  "))
	}
	return err
}
