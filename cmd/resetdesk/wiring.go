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

// openDesk opens the desk that cfg describes. lettersReady may be nil.
func openDesk(ctx context.Context, cfg Config, log *slog.Logger, lettersReady func()) (*review.Desk, error) {
	keys, err := totp.LoadKeyring(cfg.Keys.File)
	if err != nil {
		return nil, err
	}
	rc := review.Config{
		Path: cfg.Database.Path, Keys: keys, Log: log, Policy: policyOf(cfg.Policy), Brand: cfg.Server.Brand, Phone: cfg.Server.Phone,
		BaseURL: cfg.Server.BaseURL, Panel: cfg.Server.Panel, From: cfg.SMTP.Sender, Addresses: cfg.Mailbox.Addresses,
		OpenBacklog: cfg.Mailbox.Backlog == "open", AuthservIDs: cfg.Mailbox.AuthservIDs, Boundary: cfg.Mailbox.Boundary,
		LettersReady: lettersReady, UncertainWait: cfg.SMTP.UncertainWait,
		KeepBodies: cfg.Retention.MailBodies, KeepParked: cfg.Retention.Parked,
		TOTP: totp.Policy{Issuer: cfg.TOTP.Issuer, MandatoryFrom: cfg.TOTP.MandatoryFrom},
	}
	if len(rc.Addresses) == 0 {
		rc.Addresses = []string{strings.ToLower(cfg.SMTP.Sender.Address)}
	}
	if cfg.DNS.Resolver != "" {
		rc.Resolver = &sender.DNS{Server: cfg.DNS.Resolver}
	}
	return review.Open(ctx, rc)
}

// policyOf is the preset with what the file changes in it.
func policyOf(c PolicyConfig) review.Policy {
	p := map[string]review.Policy{"cautious": review.Cautious, "small-team": review.SmallTeam}[c.Preset]
	if p.Name == "" {
		p = review.Balanced
	}
	p.Threat = c.ThreatMode
	override(&p.Hold, c.Hold)
	override(&p.LinkLifetime, c.ConfirmLinkLifetime)
	override(&p.Low.Wait, c.Waiting.Low)
	override(&p.Medium.Wait, c.Waiting.Medium)
	override(&p.High.Wait, c.Waiting.High)
	override(&p.Low.Approvals, c.Approvals.Low)
	override(&p.Medium.Approvals, c.Approvals.Medium)
	override(&p.High.Approvals, c.Approvals.High)
	return p
}

// override sets *to where the file has a value.
func override[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func watcherConfig(cfg Config) mailbox.WatcherConfig {
	m := cfg.Mailbox
	return mailbox.WatcherConfig{Mailbox: m.User, Folders: m.Folders, Host: m.Host, Port: m.Port, Security: m.Security, User: m.User,
		Password: m.SignIn, Dedicated: m.Dedicated}
}

func postmanConfig(cfg Config) mailbox.PostmanConfig {
	s := cfg.SMTP
	return mailbox.PostmanConfig{Host: s.Host, Port: s.Port, Security: s.Security, User: s.User, Password: s.SignIn, UncertainWait: s.UncertainWait}
}
