package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/spf13/cobra"
)

func lettersCommand() *cobra.Command {
	return group("letters", "The words of the letters: your own in place of the built-in ones", lettersCheck(), lettersPreview(), lettersExample())
}

// check says which words the letters have, and what is wrong with them.
func (c LettersConfig) check() (string, error) {
	l, err := letters.Load(c.Dir)
	switch {
	case err != nil:
		return "", err
	case len(l.Own()) == 0:
		return "the built-in words in every language", nil
	}
	return fmt.Sprintf("words of your own in %s (%s), the built-in ones elsewhere", strings.Join(l.Own(), ", "), c.Dir), nil
}

func lettersCheck() *cobra.Command {
	var config, dir string
	c := &cobra.Command{
		Use:   "check",
		Short: "Write every letter of your own files with sample data, and say what is wrong with them",
		Long: "Write every letter of your own files with sample data, and say what is wrong with them. serve does the same when\n" +
			"it starts. A file replaces a whole language: en.tmpl, de.tmpl, nl.tmpl, fr.tmpl or es.tmpl.",
		Example: "  resetdesk letters check -dir my-letters\n  resetdesk letters check -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			own := LettersConfig{Dir: dir}
			if dir == "" {
				cfg, err := LoadConfig(config, os.Environ())
				if err != nil {
					return err
				}
				own = cfg.Letters
			}
			text, err := own.check()
			if err == nil {
				_, err = fmt.Fprintln(c.OutOrStdout(), text)
			}
			return err
		},
	}
	lettersFlags(c, &config, &dir)
	return c
}

func lettersFlags(c *cobra.Command, config, dir *string) {
	configFlag(c, config)
	c.Flags().StringVar(dir, "dir", "", "the `folder` with your files; letters.dir when not given")
}

func lettersPreview() *cobra.Command {
	var config, dir, locale, kind string
	var asHTML, bare bool
	c := &cobra.Command{
		Use:     "preview",
		Short:   "Print a letter with sample data",
		Long:    "Print a letter with sample data. The letters are " + strings.Join(letters.Kinds, ", ") + ".",
		Example: "  resetdesk letters preview -locale nl -letter pass -dir my-letters",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				cfg, err := LoadConfig(config, os.Environ())
				if err != nil {
					return err
				}
				dir = cfg.Letters.Dir
			}
			l, err := letters.Load(dir)
			if err != nil {
				return err
			}
			kinds := letters.Kinds
			if kind != "" {
				kinds = []string{kind}
			}
			for _, kind := range kinds {
				subject, text, html, err := l.Preview(locale, kind, bare)
				if err != nil {
					return wrongUse("letters preview: %v", err)
				}
				if asHTML {
					text = html + "\n"
				}
				if _, err := fmt.Fprintf(c.OutOrStdout(), "Subject: %s\n\n%s\n", subject, text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	lettersFlags(c, &config, &dir)
	c.Flags().StringVar(&locale, "locale", "en", "the `language`: "+strings.Join(letters.Locales(), ", "))
	c.Flags().StringVar(&kind, "letter", "", "one `letter` instead of all")
	c.Flags().BoolVar(&asHTML, "html", false, "print the HTML part")
	c.Flags().BoolVar(&bare, "bare", false, "without phone, panel and all else that need not be known")
	return c
}

func lettersExample() *cobra.Command {
	var locale string
	c := &cobra.Command{
		Use:     "example",
		Short:   "Print the built-in file of a language, to begin your own with",
		Example: "  resetdesk letters example -locale de > my-letters/de.tmpl",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := letters.File(locale)
			if err != nil {
				return wrongUse("letters example: %v", err)
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().StringVar(&locale, "locale", "en", "the `language`: "+strings.Join(letters.Locales(), ", "))
	return c
}
