package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/spf13/cobra"
)

func reviewerCommand() *cobra.Command {
	var config, name, role string
	var asJSON bool
	add := &cobra.Command{
		Use:     "add EMAIL",
		Short:   "Invite a reviewer: prints a one-time link, good for 72 hours",
		Example: "  resetdesk reviewer add mia@example.net -name Mia -role reviewer -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if name == "" {
				name, _, _ = strings.Cut(args[0], "@")
			}
			return withDesk(c.Context(), config, func(cfg Config, d *review.Desk) error {
				link, err := invite(c.Context(), cfg, d, args[0], name, review.Role(role))
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, map[string]string{"email": args[0], "role": role, "link": link})
				}
				fmt.Fprintf(c.OutOrStdout(), "%s may set a password and a second factor here, once, within 72 hours:\n%s\n", args[0], link)
				return nil
			})
		},
	}
	configFlag(add, &config)
	add.Flags().StringVar(&name, "name", "", "how colleagues know the person")
	add.Flags().StringVar(&role, "role", "reviewer", "viewer, auditor, reviewer, lead or admin")
	add.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return group("reviewer", "The people who review cases", add, reviewerListCommand(), reviewerSwitchCommand(false), reviewerSwitchCommand(true), reviewerRecoverCommand())
}

func invite(ctx context.Context, cfg Config, d *review.Desk, email, name string, role review.Role) (string, error) {
	token, err := d.Invite(ctx, "host", email, name, role)
	if err != nil {
		return "", err
	}
	return inviteLink(cfg, token), nil
}

// A personJSON is a reviewer as -json prints one. It has no secrets.
type personJSON struct {
	Email    string      `json:"email"`
	Name     string      `json:"name"`
	Role     review.Role `json:"role"`
	State    string      `json:"state"` // active, invited, expired or disabled
	Factor   bool        `json:"second_factor"`
	Passkeys int         `json:"passkeys"`
	SSO      bool        `json:"sso"`
	Sessions int         `json:"sessions"`
	Seen     *time.Time  `json:"last_seen"`
}

func describePerson(p review.Person) personJSON {
	j := personJSON{Email: p.Email, Name: p.Name, Role: p.Role, State: "active", Factor: p.Enrolled, Passkeys: len(p.Keys), SSO: p.SSO, Sessions: len(p.Sessions)}
	switch {
	case !p.Disabled.IsZero():
		j.State = "disabled"
	case !p.Joined() && p.Invited.IsZero():
		j.State = "expired"
	case !p.Joined():
		j.State = "invited"
	}
	if !p.Seen.IsZero() {
		j.Seen = &p.Seen
	}
	return j
}

func reviewerListCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the reviewers: role, state, factors, sessions, last seen; works while serve runs",
		Example: "  resetdesk reviewer list -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				people, err := d.HostPeople(c.Context())
				if err != nil {
					return err
				}
				all := []personJSON{}
				for _, p := range people {
					all = append(all, describePerson(p))
				}
				if asJSON {
					return printJSON(c, all)
				}
				for _, p := range all {
					seen := "never"
					if p.Seen != nil {
						seen = p.Seen.UTC().Format("2006-01-02 15:04 UTC")
					}
					fmt.Fprintf(c.OutOrStdout(), "%-9s %-9s %-32s sessions %d, last seen %s\n", p.Role, p.State, p.Email, p.Sessions, seen)
				}
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func reviewerSwitchCommand(on bool) *cobra.Command {
	var config string
	use, short, said := "disable EMAIL", "Shut a reviewer out: all sessions end, and nothing signs in any more", "is disabled; all sessions have ended"
	if on {
		use, short, said = "enable EMAIL", "Let a disabled reviewer in again, with the same password and factors", "may sign in again"
	}
	verb, _, _ := strings.Cut(use, " ")
	c := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  resetdesk reviewer " + verb + " tom@example.net -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				if err := d.HostDisable(c.Context(), args[0], on); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), args[0], said)
				return nil
			})
		},
	}
	configFlag(c, &config)
	return c
}

func reviewerRecoverCommand() *cobra.Command {
	var config, reason string
	var asJSON bool
	c := &cobra.Command{
		Use:   "recover EMAIL",
		Short: "Bring back an admin who lost the second factor, when no two other admins are left",
		Long: "Bring back an admin who lost the second factor, when no two other admins are left to reset it on the page.\n" +
			"The reviewer becomes an enabled admin; password, authenticator, backup codes, passkeys and sessions end, and the\n" +
			"one-time link that is printed sets them anew. It is in the audit with the reason, and every admin is told, by mail\n" +
			"when serve runs again, and at the next sign-in. Stop serve first.",
		Example: "  resetdesk reviewer recover mia@example.net -reason \"lost the phone, known in person\" -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return &exitError{exitUsage, fmt.Errorf("say why with -reason; the audit keeps it")}
			}
			return withDesk(c.Context(), config, func(cfg Config, d *review.Desk) error {
				p, token, err := d.Recover(c.Context(), args[0], reason)
				if err != nil {
					return err
				}
				link := inviteLink(cfg, token)
				if asJSON {
					return printJSON(c, map[string]string{"email": p.Email, "link": link})
				}
				fmt.Fprintf(c.OutOrStdout(), "%s is an admin and may set a password and a second factor here, once, within 72 hours:\n%s\nAll admins are told.\n", p.Email, link)
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&reason, "reason", "", "why, and how you know that it is the person")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func inviteLink(cfg Config, token string) string {
	return strings.TrimRight(cfg.Server.BaseURL, "/") + "/invite/" + token
}
