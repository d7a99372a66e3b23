package main

import (
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/ui"
)

// mailLights says in words how the mail is doing: a lamp for each mailbox and
// one for letters. A lamp that does not burn says what is wrong and since when;
// the page says beside it what to do.
func mailLights(watchers []*mailbox.Watcher, postman *mailbox.Postman) []ui.Line {
	var lines []ui.Line
	for _, w := range watchers {
		name := "Mailbox"
		if len(watchers) > 1 {
			name += " " + w.Config.User
		}
		lines = append(lines, mailLight(name, w.Status(), time.Now()))
	}
	p := postman.Status()
	out := ui.Line{OK: !p.Alarm && p.LastError == "", Text: "Outgoing mail works"}
	if p.LastError != "" {
		out.Text = "Outgoing mail: " + p.LastError
	}
	return append(lines, out)
}

func mailLight(name string, s mailbox.Status, now time.Time) ui.Line {
	light := ui.Line{OK: s.Connected && !s.Alarm, Text: name + " connected"}
	var late []string
	for _, f := range s.Folders {
		if words := f.Overdue(now); words != "" {
			late = append(late, f.Source.Folder+": "+words)
		}
	}
	switch {
	case len(late) > 0:
		light.Text = name + ", " + strings.Join(late, "; ") + "."
		if s.LastError != "" {
			light.Text += " The last error was: " + strings.TrimRight(s.LastError, ".") + "."
		}
		light.Text += " The mails are safe on the server and come in as soon as it can be read."
	case s.LastError != "" && s.Alarm:
		light.Text = name + ": " + s.LastError
	case s.LastError != "":
		light.Text = name + lastLook(", last read at ", s) + ": " + strings.TrimRight(s.LastError, ".") + ". It is tried again by itself"
	case !s.Connected:
		light.Text = name + ": connecting"
	default:
		light.At = s.LastPoll
	}
	return light
}

func lastLook(words string, s mailbox.Status) string {
	if s.LastPoll.IsZero() {
		return ""
	}
	return words + s.LastPoll.UTC().Format("15:04 UTC")
}
