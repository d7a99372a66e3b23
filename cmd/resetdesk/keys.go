package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/spf13/cobra"
)

func keysCommand() *cobra.Command {
	var config string
	var drop, asJSON bool
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Seal everything with a new key",
		Long: "Seal everything with a new key: the key file gets a new first key, and secrets and letters are sealed anew\n" +
			"with it. Stop serve first, and the panel's processes that have the key file open; start them again afterwards.\n" +
			"It may be cut at any point: run it again, and it goes on with the same key. The older keys stay in the file,\n" +
			"for they open older backups; -drop-old takes out those that nothing in the database needs.",
		Example: "  resetdesk keys rotate -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := rotateKeys(c.Context(), config, drop)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c, r)
			}
			r.print(c.OutOrStdout())
			return nil
		},
	}
	rotate.Flags().BoolVar(&drop, "drop-old", false, "take keys that nothing uses any more out of the key file")
	list := &cobra.Command{
		Use:     "list",
		Short:   "Show the ids of the keys, and what each of them sealed; works while serve runs",
		Example: "  resetdesk keys list -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := listKeys(c.Context(), config)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c, all)
			}
			for i, k := range all {
				mark := "older"
				if i == 0 {
					mark = "seals"
				}
				fmt.Fprintf(c.OutOrStdout(), "%s  %s  %s\n", k.ID, mark, inWords(k.Rows, "nothing uses it"))
			}
			return nil
		},
	}
	for _, c := range []*cobra.Command{rotate, list} {
		configFlag(c, &config)
		c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	}
	return group("keys", "The keys that seal secrets and letters, and the one that signs letters", rotate, list, dkimCommand())
}

// A rotation is what a run of keys rotate did.
type rotation struct {
	Key      string         `json:"key"`      // the key that seals now
	New      bool           `json:"new"`      // made by this run
	Resealed map[string]int `json:"resealed"` // rows by table
	Dropped  []string       `json:"dropped"`
	Kept     []string       `json:"kept"` // older keys in the file
}

func (r rotation) print(w io.Writer) {
	if r.New {
		fmt.Fprintf(w, "new key %s\n", r.Key)
	} else {
		fmt.Fprintf(w, "key %s, of a rotation that was cut\n", r.Key)
	}
	fmt.Fprintf(w, "sealed anew: %s\n", inWords(r.Resealed, "nothing"))
	for _, id := range r.Dropped {
		fmt.Fprintf(w, "dropped key %s: backups of before open only with an older copy of the key file\n", id)
	}
	if len(r.Kept) > 0 {
		fmt.Fprintf(w, "still in the key file, for older backups: %s\n", strings.Join(r.Kept, ", "))
	}
	fmt.Fprintln(w, "keep a copy of the key file apart from the database, and start serve and the panel again")
}

// inWords lists how many rows of which table.
func inWords(rows map[string]int, none string) string {
	var words []string
	for _, table := range slices.Sorted(maps.Keys(rows)) {
		if rows[table] > 0 {
			words = append(words, fmt.Sprintf("%s %d", table, rows[table]))
		}
	}
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, ", ")
}

// rotateKeys makes a new key, unless an earlier run did and was cut before the
// end, writes the key file, and only then seals anything with it: so at every
// moment the key file opens all there is.
func rotateKeys(ctx context.Context, config string, drop bool) (r rotation, err error) {
	err = withDesk(ctx, config, func(cfg Config, d *review.Desk) error {
		keys, err := totp.LoadKeyring(cfg.Keys.File)
		if err != nil {
			return err
		}
		unfinished, err := d.Unsealed(ctx, keys)
		if err != nil {
			return err
		}
		if !unfinished {
			if keys, err = keys.Rotate(); err != nil {
				return err
			}
			if err := keys.Replace(cfg.Keys.File); err != nil {
				return err
			}
		}
		r = rotation{Key: keys.IDs()[0], New: !unfinished}
		if r.Resealed, err = d.Reseal(ctx, keys); err != nil {
			return fmt.Errorf("%w; the key file is in order: run keys rotate again to go on", err)
		}
		if drop {
			if keys, r.Dropped, err = dropKeys(ctx, d, keys, cfg.Keys.File); err != nil {
				return err
			}
		}
		r.Kept = keys.IDs()[1:]
		return nil
	})
	if errors.Is(err, review.ErrInUse) {
		err = &exitError{exitLater, err}
	}
	return r, err
}

// dropKeys takes the keys out of the file that sealed nothing that is there.
func dropKeys(ctx context.Context, d *review.Desk, keys *totp.Keyring, file string) (*totp.Keyring, []string, error) {
	used, err := d.KeysInUse(ctx)
	if err != nil {
		return keys, nil, err
	}
	var ids []string
	for _, k := range used {
		ids = append(ids, k.ID)
	}
	kept := keys.Keep(ids...)
	dropped := slices.DeleteFunc(keys.IDs(), func(id string) bool { return slices.Contains(kept.IDs(), id) })
	if len(dropped) == 0 {
		return keys, nil, nil
	}
	if err := kept.Replace(file); err != nil {
		return keys, nil, err
	}
	return kept, dropped, nil
}

// listKeys returns the keys of the file, the primary first, with their use.
func listKeys(ctx context.Context, config string) (all []review.KeyUse, err error) {
	err = besideDesk(ctx, config, func(cfg Config, d *review.Desk) error {
		keys, err := totp.LoadKeyring(cfg.Keys.File)
		if err != nil {
			return err
		}
		used, err := d.KeysInUse(ctx)
		if err != nil {
			return err
		}
		for _, id := range keys.IDs() {
			k := review.KeyUse{ID: id, Rows: map[string]int{}, Known: true}
			if i := slices.IndexFunc(used, func(u review.KeyUse) bool { return u.ID == id }); i >= 0 {
				k = used[i]
			}
			all = append(all, k)
		}
		return nil
	})
	return all, err
}
