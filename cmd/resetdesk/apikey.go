package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/spf13/cobra"
)

func apiKeyCommand() *cobra.Command {
	return group("apikey", "The keys with which panels call the JSON API", apiKeyAdd(), apiKeyList(), apiKeyRevoke())
}

func apiKeyAdd() *cobra.Command {
	var config, lifetime string
	var scopes, allow []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key: prints its token, once",
		Long: "Make a key for a program of the panel: prints its token, once. Only its hash is kept. Scopes:\n  " +
			strings.Join(scopeNames(), " ") + "\nA key is never changed: to change one, make another and revoke the first.",
		Example: "  resetdesk apikey add panel -scope totp:verify,totp:enroll,totp:read -allow 192.0.2.10 -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			k, err := readKey(args[0], scopes, allow, lifetime)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return withDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				k, token, err := d.AddAPIKey(c.Context(), k)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, map[string]any{"key": k, "token": token})
				}
				fmt.Fprintf(c.OutOrStdout(), "key %d, %s, may: %s\nIts token, which is not shown again:\n%s\n", k.ID, k.Name, joinScopes(k.Scopes), token)
				return nil
			})
		},
	}
	configFlag(c, &config)
	c.Flags().StringSliceVar(&scopes, "scope", nil, "what the key may do, separated by commas")
	c.Flags().StringSliceVar(&allow, "allow", nil, "addresses or networks that it may come from; without it from anywhere")
	c.Flags().StringVar(&lifetime, "expires", "", "how long it lives, such as 365d; without it until it is revoked")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func scopeNames() []string {
	var names []string
	for _, s := range review.Scopes {
		names = append(names, string(s))
	}
	return names
}

func joinScopes(scopes []review.Scope) string {
	var names []string
	for _, s := range scopes {
		names = append(names, string(s))
	}
	return strings.Join(names, " ")
}

// readKey makes a key of what was typed.
func readKey(name string, scopes, allow []string, lifetime string) (review.APIKey, error) {
	k := review.APIKey{Name: name}
	for _, s := range scopes {
		k.Scopes = append(k.Scopes, review.Scope(strings.TrimSpace(s)))
	}
	for _, s := range allow {
		p, err := review.ParseNetwork(s)
		if err != nil {
			return k, err
		}
		k.Allow = append(k.Allow, p)
	}
	if lifetime != "" {
		d, err := parseDuration(lifetime)
		if err != nil || d <= 0 {
			return k, fmt.Errorf("-expires is %q, write for example 365d", lifetime)
		}
		k.Expires = time.Now().Add(d).UTC()
	}
	return k, nil
}

func apiKeyList() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List all keys, also those that ended; works while serve runs",
		Example: "  resetdesk apikey list -json",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return besideDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				keys, err := d.APIKeys(c.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c, keys)
				}
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tSTATE\tLAST USED\tFROM\tSCOPES")
				for _, k := range keys {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, keyState(k, time.Now()), day10(k.Used), joinNetworks(k.Allow), joinScopes(k.Scopes))
				}
				return w.Flush()
			})
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func keyState(k review.APIKey, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked " + day10(k.Revoked)
	case !k.Live(now):
		return "expired " + day10(k.Expires)
	case !k.Expires.IsZero():
		return "until " + day10(k.Expires)
	}
	return "live"
}

// day10 is a day in the ten characters of ISO 8601.
func day10(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

func joinNetworks(all []netip.Prefix) string {
	if len(all) == 0 {
		return "anywhere"
	}
	var text []string
	for _, p := range all {
		text = append(text, p.String())
	}
	return strings.Join(text, ",")
}

func apiKeyRevoke() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a key at once",
		Example: "  resetdesk apikey revoke 3 -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("%q is no number of a key; see: resetdesk apikey list", args[0])}
			}
			return withDesk(c.Context(), config, func(_ Config, d *review.Desk) error {
				if err := d.RevokeAPIKey(c.Context(), id); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "key %d is revoked\n", id)
				return nil
			})
		},
	}
	configFlag(c, &config)
	return c
}
