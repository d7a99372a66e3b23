package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/spf13/cobra"
)

func dkimCommand() *cobra.Command {
	var config, kind string
	var asJSON bool
	c := &cobra.Command{
		Use:   "dkim",
		Short: "Print the DNS record of the key that signs letters; -new makes the key",
		Long: "Print the DNS record of the key that signs letters ([smtp.dkim]). With -new the key is made first and written\n" +
			"into key_file, which must not be there yet. resetdesk doctor -only dkim compares record and key.",
		Example: "  resetdesk keys dkim -new rsa -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			d := cfg.SMTP.DKIM
			if d.KeyFile == "" {
				return errors.New("no key is configured: write [smtp.dkim] selector and key_file first")
			}
			if kind != "" {
				if err := newDKIMKey(kind, d.KeyFile); err != nil {
					return err
				}
			}
			s, err := d.Signature()
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w; make it: resetdesk keys dkim -new rsa -config %s", err, config)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c, map[string]string{"name": s.Name(), "type": "TXT", "value": s.Record(), "key_file": d.KeyFile})
			}
			return printRecord(c.OutOrStdout(), s)
		},
	}
	configFlag(c, &config)
	c.Flags().StringVar(&kind, "new", "", "make a key first, `rsa or ed25519`; receivers all verify rsa")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// newDKIMKey writes a key where none is.
func newDKIMKey(kind, file string) error {
	if kind != "rsa" && kind != "ed25519" {
		return wrongUse("keys dkim: -new is rsa or ed25519, not %q", kind)
	}
	text, err := mailbox.NewSignatureKey(kind)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w, and stays as it is; for a new key name another file and another selector", err)
	}
	if err != nil {
		return fmt.Errorf("write DKIM key: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write DKIM key: %w", err)
	}
	return nil
}

// printRecord writes the record as a zone file has it: a string of a TXT record
// holds 255 bytes (RFC 1035 3.3.14), and receivers join them.
func printRecord(w io.Writer, s *mailbox.Signature) error {
	text := ""
	for record := s.Record(); record != ""; {
		n := min(len(record), 200)
		text += fmt.Sprintf(" %q", record[:n])
		record = record[n:]
	}
	_, err := fmt.Fprintf(w, "%s. IN TXT (%s )\n", s.Name(), text)
	return err
}
