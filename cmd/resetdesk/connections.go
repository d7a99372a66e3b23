package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/doctor"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/ui"
)

// looked is how many of the newest mails of each folder a test reads the headers of.
const looked = 20

// connections are those that the page Connections can try.
func connections(cfg Config) (all []ui.Connection) {
	for _, m := range cfg.boxes() {
		all = append(all, ui.Connection{Name: "Mailbox " + m.User, Where: net.JoinHostPort(m.Host, strconv.Itoa(m.Port)), Settings: m.present(),
			Test: m.try})
	}
	return append(all, ui.Connection{Name: "Outgoing mail", Where: net.JoinHostPort(cfg.SMTP.Host, strconv.Itoa(cfg.SMTP.Port)), Sends: true,
		Test: func(ctx context.Context) (ui.Found, error) {
			return ui.Found{Words: "the server answers and accepts the sign-in"}, mailbox.TrySignIn(ctx, postmanConfig(cfg))
		}})
}

// present is what the configuration says of a mailbox, without its secrets.
func (m namedMailbox) present() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]\nhost = %s\nport = %d\nsecurity = %s\nuser = %s\nauth = %s\nfolders = %s\naddresses = %s\nboundary = %d\ntrust_mode = %s\n",
		m.Section, quoteTOML(m.Host), m.Port, quoteTOML(string(m.Security)), quoteTOML(m.User), quoteTOML(m.Auth), quotedList(m.Folders), quotedList(m.Addresses),
		m.Boundary, quoteTOML(string(m.TrustMode)))
	if len(m.AuthservIDs) > 0 {
		fmt.Fprintf(&b, "trusted_authserv_ids = %s\n", quotedList(m.AuthservIDs))
	}
	return b.String()
}

func quotedList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quoteTOML(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// try signs in, lists the folders, and reads the headers of the newest mails of
// those that are watched.
func (m namedMailbox) try(ctx context.Context) (ui.Found, error) {
	names, err := mailbox.Folders(ctx, m.watcher())
	if err != nil {
		return ui.Found{}, err
	}
	found := ui.Found{Lines: []string{"Folders there: " + strings.Join(names, ", ")}}
	var headers [][]byte
	for _, folder := range m.Folders {
		g, err := mailbox.Peek(ctx, m.watcher(), folder, looked, nil)
		if err != nil {
			return found, fmt.Errorf("folder %s: %w", folder, err)
		}
		for _, mail := range g.Newest {
			headers = append(headers, mail.Header)
		}
		found.Lines = append(found.Lines, fmt.Sprintf("%s holds %d mails", folder, g.Mails))
	}
	found.Words = "signed in, and can read " + strings.Join(m.Folders, ", ")
	seen, settings := doctor.Suggest(headers)
	found.Lines = append(found.Lines, seen...)
	if settings != "" {
		found.Paste = "[" + m.Section + "]\n" + settings
	}
	return found, nil
}
