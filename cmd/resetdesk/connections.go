package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/ui"
)

// connections are those that the page Connections can try.
func connections(cfg Config) (all []ui.Connection) {
	for _, m := range cfg.boxes() {
		all = append(all, ui.Connection{Name: "Mailbox " + m.User, Where: net.JoinHostPort(m.Host, strconv.Itoa(m.Port)),
			Test: func(ctx context.Context) (string, error) {
				for _, folder := range m.Folders {
					if _, err := mailbox.Peek(ctx, m.watcher(), folder, 1, nil); err != nil {
						return "", fmt.Errorf("folder %s: %w", folder, err)
					}
				}
				return "signed in, and can read " + strings.Join(m.Folders, ", "), nil
			}})
	}
	return append(all, ui.Connection{Name: "Outgoing mail", Where: net.JoinHostPort(cfg.SMTP.Host, strconv.Itoa(cfg.SMTP.Port)),
		Test: func(ctx context.Context) (string, error) {
			return "the server answers and accepts the sign-in", mailbox.TrySignIn(ctx, postmanConfig(cfg))
		}})
}
