package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

// openDesk opens the desk that cfg describes. lettersReady and hooksReady may be nil.
func openDesk(ctx context.Context, cfg Config, log *slog.Logger, lettersReady, hooksReady func()) (*review.Desk, error) {
	rc, err := reviewConfig(cfg, log, lettersReady, hooksReady)
	if err != nil {
		return nil, err
	}
	return review.Open(ctx, rc)
}

// openBeside opens it for one act, whether serve runs or not.
func openBeside(ctx context.Context, cfg Config) (*review.Desk, error) {
	rc, err := reviewConfig(cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		return nil, err
	}
	return review.OpenBeside(ctx, rc)
}

func reviewConfig(cfg Config, log *slog.Logger, lettersReady, hooksReady func()) (rc review.Config, err error) {
	keys, err := totp.LoadKeyring(cfg.Keys.File)
	if err != nil {
		return rc, err
	}
	auditKey, err := loadAuditKey(cfg, log)
	if err != nil {
		return rc, err
	}
	signature, err := cfg.SMTP.DKIM.Signature()
	if err != nil {
		return rc, err
	}
	letters, err := letters.Load(cfg.Letters.Dir)
	if err != nil {
		return rc, err
	}
	rc = review.Config{
		Letters:  letters,
		AuditKey: auditKey, HeadsByMail: cfg.Audit.HeadsMail, Path: cfg.Database.Path, Keys: keys, Log: log, Policy: cfg.Policy.Review(), Brand: cfg.Server.Brand, Phone: cfg.Server.Phone,
		BaseURL: cfg.Server.BaseURL, Panel: cfg.Server.Panel, From: cfg.SMTP.Sender, Addresses: cfg.addresses(),
		MailRules: cfg.Mailbox.rules(), Mailboxes: map[string]review.MailRules{},
		BounceAddress: cfg.SMTP.BounceAddress, Budget: review.Budget{Account: cfg.SMTP.AccountBudget, Hour: cfg.SMTP.Budget}, Signature: signature,
		LettersReady: lettersReady, HooksReady: hooksReady, WebhookPlain: len(cfg.API.WebhookPrivate) > 0, UncertainWait: cfg.SMTP.UncertainWait,
		KeepBodies: cfg.Retention.MailBodies, KeepParked: cfg.Retention.Parked,
		TOTP: cfg.TOTP.Policy(), OnlySSO: cfg.Server.SSO.Only,
	}
	for _, m := range cfg.Mailboxes {
		rc.Mailboxes[m.User] = m.rules()
	}
	if len(rc.Addresses) == 0 {
		rc.Addresses = []string{strings.ToLower(cfg.SMTP.Sender.Address)}
	}
	if cfg.DNS.Resolver != "" {
		rc.Resolver = &sender.DNS{Server: cfg.DNS.Resolver}
	}
	return rc, nil
}

// rules are what the desk goes by for the mails of this mailbox.
func (m MailboxConfig) rules() review.MailRules {
	return review.MailRules{OpenBacklog: m.Backlog == "open", Trust: m.Trust(), Relaxed: m.Relaxed}
}

// watchers are one for each mailbox.
func watchers(cfg Config, in mailbox.Inbox, log *slog.Logger) (all []*mailbox.Watcher) {
	for _, m := range cfg.boxes() {
		all = append(all, &mailbox.Watcher{Config: m.watcher(), Inbox: in, Log: log.With("mailbox", m.Section)})
	}
	return all
}

func (m MailboxConfig) watcher() mailbox.WatcherConfig {
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
