package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/spf13/cobra"
)

func mailCommand() *cobra.Command {
	var config string
	var days int
	var asJSON bool
	report := &cobra.Command{
		Use:   "report",
		Short: "Hold the mails that came against what became of them; works while serve runs",
		Long: "Hold the mails that came against what became of them, by day and folder. Every mail must have one fate,\n" +
			"or wait for its assessment, and not for long. Ends with code 1 when the books do not balance,\n" +
			"or when a watched folder was not looked at for 15 minutes.",
		Example: "  resetdesk mail report -days 7 -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 1 || days > 36500 {
				return &exitError{exitUsage, fmt.Errorf("-days is a number from 1 to 36500, not %d", days)}
			}
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			r, err := review.ReadMailReport(c.Context(), cfg.Database.Path, days)
			if err != nil {
				return err
			}
			late := lateFolders(cfg, r.Looks, time.Now())
			if asJSON {
				err = printJSON(c, struct {
					review.MailReport
					Late []string `json:"late"` // folders that nobody reads, in words
				}{r, late})
			} else {
				err = printMailReport(c.OutOrStdout(), r, late)
			}
			switch {
			case err != nil:
				return err
			case !r.Balanced:
				return fmt.Errorf("the books do not balance: %d faults", len(r.Faults))
			case len(late) > 0:
				return fmt.Errorf("%d of the watched folders are not read", len(late))
			}
			return nil
		},
	}
	configFlag(report, &config)
	report.Flags().IntVar(&days, "days", 30, "so many days, today the last of them")
	report.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return group("mail", "The mails that were taken in, and what became of them", report)
}

// lateFolders says which of the configured folders were not looked at for a
// quarter of an hour.
func lateFolders(cfg Config, looks []review.MailLook, now time.Time) []string {
	late := []string{}
	for _, m := range cfg.boxes() {
		for _, folder := range m.Folders {
			look := review.MailLook{Mailbox: m.User, Folder: folder}
			for _, l := range looks {
				if l.Mailbox == look.Mailbox && l.Folder == folder {
					look = l
				}
			}
			if words := look.Late(now); words != "" {
				late = append(late, words)
			}
		}
	}
	return late
}

func printMailReport(w io.Writer, r review.MailReport, late []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(where string, received int, fates map[string]int, waiting int) {
		fmt.Fprintf(t, "%s\t%d\t", where, received)
		for _, f := range review.Fates {
			fmt.Fprintf(t, "%d\t", fates[f])
		}
		fmt.Fprintf(t, "%d\t\n", waiting)
	}
	fmt.Fprint(t, "day and folder\treceived\t")
	for _, f := range review.Fates {
		fmt.Fprintf(t, "%s\t", f)
	}
	fmt.Fprint(t, "waiting\t\n")
	for _, d := range r.Days {
		line(fmt.Sprintf("%s %s/%s", d.Day, d.Mailbox, d.Folder), d.Received, d.Fates, d.Waiting)
	}
	line("since "+r.Since, r.Received, r.Fates, r.Waiting)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range r.Unfated {
		if !m.Overdue {
			fmt.Fprintf(w, "mail %d (%s/%s, UID %d) has no fate yet: %s\n", m.ID, m.Mailbox, m.Folder, m.UID, m.Why)
		}
	}
	printBacklog(w, r.Backlog)
	for _, l := range late {
		fmt.Fprintf(w, "%s\n", l)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "%s\n", f)
	}
	if r.Balanced {
		fmt.Fprintf(w, "the books balance: of %d mails received since %s, %d have their fate and %d wait for it\n",
			r.Received, r.Since, r.Settled(), r.Waiting)
	}
	return nil
}

// printBacklog lists the requests that lay in the mailbox before the first start and
// that nobody has taken in yet.
func printBacklog(w io.Writer, b review.Backlog) {
	if len(b.Requests) == 0 {
		return
	}
	fmt.Fprintf(w, "of %d mails from before the first start, these ask for a reset; nobody was mailed about them. Take them in on the page Settings, Mail:\n", b.Mails)
	for _, m := range b.Requests {
		fmt.Fprintf(w, "  mail %d of %s from %s (%s): %s\n", m.ID, m.Received.UTC().Format(time.DateOnly), printable(m.From), m.Verdict, printable(m.Subject))
	}
	if b.More {
		fmt.Fprintln(w, "  and more")
	}
}
