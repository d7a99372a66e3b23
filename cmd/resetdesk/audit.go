package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	return group("audit", "The append-only record of everything the desk did", auditVerifyCommand(), auditHeadCommand())
}

func auditVerifyCommand() *cobra.Command {
	var config, heads, key string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Recompute the whole chain; works while serve runs",
		Long: "Recompute the whole chain and hold every decision against its event. Works while serve runs.\n" +
			"With signed heads that were kept elsewhere it finds every edit, deletion, reordering and truncation up to the\n" +
			"newest head. Without one it cannot see that the end was cut off or that all of it was written anew.",
		Example: "  resetdesk audit verify -config /etc/resetdesk/resetdesk.toml\n" +
			"  resetdesk audit verify -head /mnt/elsewhere/audit.heads -key 'reset.example.net/audit+1a2b3c4d+AbCd…'",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			var signed []chain.Head
			if heads != "" {
				if signed, err = readHeads(cfg, heads, key); err != nil {
					return err
				}
			}
			head, err := review.VerifyAuditFile(c.Context(), cfg.Database.Path, signed...)
			if err != nil {
				return err
			}
			anchored := int64(0)
			for _, h := range signed {
				anchored = max(anchored, h.Size)
			}
			if asJSON {
				return printJSON(c, map[string]any{"seq": head.Seq, "hash": head.Hash, "heads": len(signed), "anchored": anchored})
			}
			fmt.Fprintf(c.OutOrStdout(), "the chain of %d events is whole; head %s\n", head.Seq, head.Hash)
			if heads == "" {
				fmt.Fprintln(c.OutOrStdout(), "without a signed head (-head) nobody can tell whether its end was cut off or all of it written anew")
			} else {
				fmt.Fprintf(c.OutOrStdout(), "it is the chain of all %d signed heads; the newest vouches for the first %d events\n", len(signed), anchored)
			}
			return nil
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&heads, "head", "", "a file with signed heads, one or many")
	c.Flags().StringVar(&key, "key", "", "the public key of the audit, or a file with it; default: the second line of [audit] key_file")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func auditHeadCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:   "head",
		Short: "Print a signed head: what the audit is now; works while serve runs",
		Long: "Print a signed head: how many events there are, the root of the tree over them, and the hash of the last one.\n" +
			"Keep it where nobody who can write the database can write: in a mail, on paper, on another machine.",
		Example: "  resetdesk audit head -config /etc/resetdesk/resetdesk.toml | mail -s 'audit head' notary@example.net",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			k, err := loadAuditKey(cfg, nil)
			if err != nil {
				return err
			}
			if k == nil {
				return fmt.Errorf("there is no audit key at %s; resetdesk init writes one", cfg.Audit.KeyFile)
			}
			head, err := review.HeadOfFile(c.Context(), cfg.Database.Path)
			if err != nil {
				return err
			}
			signed, err := k.Sign(head)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c, map[string]any{"head": head, "signed": string(signed), "public_key": k.Public()})
			}
			_, err = c.OutOrStdout().Write(signed)
			return err
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// loadAuditKey reads the key of the audit, nil if there is none.
func loadAuditKey(cfg Config, log *slog.Logger) (*chain.Key, error) {
	text, err := os.ReadFile(cfg.Audit.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if log != nil {
			log.Warn("there is no audit key, so nothing is signed; resetdesk init writes one", "file", cfg.Audit.KeyFile)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read audit key: %w", err)
	}
	k, err := chain.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", cfg.Audit.KeyFile, err)
	}
	return k, nil
}

// writeAuditKey makes the key of the audit, unless it is there, and returns its
// public half.
func writeAuditKey(cfg Config) (string, error) {
	if k, err := loadAuditKey(cfg, nil); err != nil {
		return "", err
	} else if k != nil {
		return k.Public(), nil
	}
	base, err := url.Parse(cfg.Server.BaseURL)
	if err != nil {
		return "", fmt.Errorf("write audit key: %w", err)
	}
	text, err := chain.NewKey(base.Host)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(cfg.Audit.KeyFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("write audit key: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write audit key: %w", err)
	}
	k, err := chain.ParseKey(text)
	if err != nil {
		return "", err
	}
	return k.Public(), nil
}

// publicKey is a public key of an audit as it was given, or from the file that
// was; "" takes the desk's own.
func publicKey(cfg Config, given string) (string, error) {
	if given == "" {
		k, err := loadAuditKey(cfg, nil)
		if err == nil && k == nil {
			err = fmt.Errorf("say with -key which public key signs; there is no audit key at %s", cfg.Audit.KeyFile)
		}
		if err != nil {
			return "", err
		}
		return k.Public(), nil
	}
	if strings.Count(given, "+") >= 2 {
		return given, nil
	}
	text, err := os.ReadFile(given)
	if err != nil {
		return "", fmt.Errorf("-key is no public key and no file with one: %w", err)
	}
	if k, err := chain.ParseKey(text); err == nil {
		return k.Public(), nil
	}
	return strings.TrimSpace(string(text)), nil
}

// maxHeads bounds a file of heads: a head a minute for a year has 150 MB.
const maxHeads = 256 << 20

// readHeads reads a file of heads, each of which must be signed by the key.
func readHeads(cfg Config, path, key string) ([]chain.Head, error) {
	public, err := publicKey(cfg, key)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxHeads {
		return nil, fmt.Errorf("read heads: %s is no file of at most %d MiB", path, maxHeads>>20)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	var heads []chain.Head
	for i, signed := range chain.Split(text) {
		h, err := chain.Open(signed, public)
		if err != nil {
			return nil, fmt.Errorf("head %d of %s: %w", i+1, path, err)
		}
		heads = append(heads, h)
	}
	if len(heads) == 0 {
		return nil, fmt.Errorf("read heads: %s has none", path)
	}
	return heads, nil
}
