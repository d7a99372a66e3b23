package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// openDesk opens the desk that cfg describes. lettersReady and hooksReady may be nil.
func openDesk(ctx context.Context, cfg Config, log *slog.Logger, lettersReady, hooksReady func()) (*review.Desk, error) {
	keys, err := totp.LoadKeyring(cfg.Keys.File)
	if err != nil {
		return nil, err
	}
	rc := review.Config{
		Path: cfg.Database.Path, Keys: keys, Log: log, Policy: cfg.Policy.Review(), Brand: cfg.Server.Brand, Phone: cfg.Server.Phone,
		BaseURL: cfg.Server.BaseURL, Panel: cfg.Server.Panel, From: cfg.SMTP.Sender, Addresses: cfg.Mailbox.Addresses,
		OpenBacklog: cfg.Mailbox.Backlog == "open", Trust: cfg.Mailbox.Trust(), Relaxed: cfg.Mailbox.Relaxed,
		LettersReady: lettersReady, HooksReady: hooksReady, WebhookPlain: len(cfg.API.WebhookPrivate) > 0, UncertainWait: cfg.SMTP.UncertainWait,
		KeepBodies: cfg.Retention.MailBodies, KeepParked: cfg.Retention.Parked,
		TOTP: cfg.TOTP.Policy(),
	}
	if len(rc.Addresses) == 0 {
		rc.Addresses = []string{strings.ToLower(cfg.SMTP.Sender.Address)}
	}
	if cfg.DNS.Resolver != "" {
		rc.Resolver = &sender.DNS{Server: cfg.DNS.Resolver}
	}
	return review.Open(ctx, rc)
}

func watcherConfig(cfg Config) mailbox.WatcherConfig {
	m := cfg.Mailbox
	c := mailbox.WatcherConfig{Mailbox: m.User, Folders: m.Folders, Host: m.Host, Port: m.Port, Security: m.Security, User: m.User,
		Password: m.SignIn, Dedicated: m.Dedicated}
	if m.Tokens != nil { // a nil source is no Tokens
		c.Tokens = m.Tokens
	}
	return c
}

func postmanConfig(cfg Config) mailbox.PostmanConfig {
	s := cfg.SMTP
	c := mailbox.PostmanConfig{Host: s.Host, Port: s.Port, Security: s.Security, User: s.User, Password: s.SignIn, UncertainWait: s.UncertainWait}
	if s.Tokens != nil {
		c.Tokens = s.Tokens
	}
	return c
}
