package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// Config is the whole configuration. Each key is [section] name in the file and
// RESETDESK_SECTION_NAME in the environment, which wins. Durations are written
// with units: "90s", "2h", "14d". Relative paths start at the folder of the
// file. README and ExampleConfig explain the keys to operators.
type Config struct {
	Server   ServerConfig   `toml:"server"`
	Database DatabaseConfig `toml:"database"`
	Keys     KeysConfig     `toml:"keys"`
	Audit    AuditConfig    `toml:"audit"`
	Mailbox  MailboxConfig  `toml:"mailbox"`
	// Mailboxes are further ones, [mailboxes.NAME]. What one does not say is as in
	// [mailbox], but for its user, password, folders and addresses.
	Mailboxes map[string]*MailboxConfig `toml:"mailboxes"`
	SMTP      SMTPConfig                `toml:"smtp"`
	Letters   LettersConfig             `toml:"letters"`
	DNS       DNSConfig                 `toml:"dns"`
	Accounts  AccountsConfig            `toml:"accounts"`
	Policy    PolicyConfig              `toml:"policy"`
	TOTP      TOTPConfig                `toml:"totp"`
	API       APIConfig                 `toml:"api"`
	Retention RetentionConfig           `toml:"retention"`
	// Sources says of each key that is set where it is: a line of the file, or a
	// variable of the environment.
	Sources map[string]string `toml:"-"`
	// Given counts the keys that the file and the environment set.
	Given int `toml:"-"`
}

// ServerConfig is [server].
type ServerConfig struct {
	Listen         string    `toml:"listen"`    // host:port
	BaseURL        string    `toml:"base_url"`  // without a trailing slash
	Panel          string    `toml:"panel_url"` // where users sign in, "" if not told
	Brand          string    `toml:"brand"`     // the company, as users know it
	Phone          string    `toml:"phone"`     // "" if there is none
	TrustedProxies []string  `toml:"trusted_proxies"`
	Metrics        string    `toml:"metrics"` // host:port for monitors, "" for none
	SSO            SSOConfig `toml:"sso"`
	// Trusted is TrustedProxies as read.
	Trusted []netip.Prefix `toml:"-"`
}

// DatabaseConfig is [database].
type DatabaseConfig struct {
	Path string `toml:"path"`
}

// KeysConfig is [keys].
type KeysConfig struct {
	File string `toml:"file"`
}

// AuditConfig is [audit].
type AuditConfig struct {
	KeyFile   string `toml:"key_file"`      // signs heads of the audit; nothing is signed without it
	HeadsFile string `toml:"heads_file"`    // serve appends signed heads; "" for nowhere
	HeadsMail bool   `toml:"heads_by_mail"` // every admin gets one a day
}

// MailboxConfig is [mailbox].
type MailboxConfig struct {
	Host         string           `toml:"host"`
	Port         int              `toml:"port"` // 993 or 143 when not given
	Security     mailbox.Security `toml:"security"`
	User         string           `toml:"user"`
	PasswordFile string           `toml:"password_file"`
	SignInConfig
	Folders   []string `toml:"folders"`
	Dedicated bool     `toml:"dedicated"` // nothing but requests arrives there
	Addresses []string `toml:"addresses"` // our own, which requests are written to
	Backlog   string   `toml:"backlog"`   // "park" or "open"
	// What of our own mail servers' work can be told from claims
	// (sender-verification 5.1).
	Boundary      int                  `toml:"boundary"`    // which Received field from the top is our own, 0 unknown
	BoundaryBy    []string             `toml:"boundary_by"` // the hosts it is written by, empty for any
	TrustMode     sender.TrustMode     `toml:"trust_mode"`
	AuthservIDs   []string             `toml:"trusted_authserv_ids"`
	TrustPosition sender.TrustPosition `toml:"trust_position"`
	StripVerified bool                 `toml:"strip_verified"`
	Relaxed       bool                 `toml:"relaxed_alignment"` // d= may be a parent or child of the From domain
	// Password comes from RESETDESK_MAILBOX_PASSWORD; it cannot stand in the file.
	Password Secret `toml:"-"`
}

// Trust is what the sender check may believe of our own servers.
func (m MailboxConfig) Trust() sender.Trust {
	return sender.Trust{Mode: m.TrustMode, AuthservIDs: m.AuthservIDs, Boundary: m.Boundary, By: m.BoundaryBy,
		Position: m.TrustPosition, StripVerified: m.StripVerified}
}

// SMTPConfig is [smtp].
type SMTPConfig struct {
	Host         string           `toml:"host"`
	Port         int              `toml:"port"` // 465 or 587 when not given
	Security     mailbox.Security `toml:"security"`
	User         string           `toml:"user"` // "" for no sign-in
	PasswordFile string           `toml:"password_file"`
	SignInConfig
	From          string        `toml:"from"`
	UncertainWait time.Duration `toml:"uncertain_wait"` // promises 3.3
	BounceAddress string        `toml:"bounce_address"` // "" for the null reverse-path
	Budget        int           `toml:"budget"`         // letters that mail sets off, in an hour; 0 for no bound
	AccountBudget int           `toml:"account_budget"` // of which acknowledgements to one account
	DKIM          DKIMConfig    `toml:"dkim"`
	// Password comes from RESETDESK_SMTP_PASSWORD; it cannot stand in the file.
	Password Secret `toml:"-"`
	// Sender is From as read.
	Sender mail.Address `toml:"-"`
}

// DKIMConfig is [smtp.dkim]: signing by us, where the mail server does not. All
// three keys, or none.
type DKIMConfig struct {
	Domain   string `toml:"domain"`
	Selector string `toml:"selector"`
	KeyFile  string `toml:"key_file"`
}

// Signature reads the key; nil if none is configured.
func (d DKIMConfig) Signature() (*mailbox.Signature, error) {
	if d.KeyFile == "" {
		return nil, nil
	}
	return mailbox.LoadSignature(d.Domain, d.Selector, d.KeyFile)
}

// LettersConfig is [letters].
type LettersConfig struct {
	Dir string `toml:"dir"` // files of the operator's in place of built-in ones; "": none
}

// DNSConfig is [dns].
type DNSConfig struct {
	Resolver string `toml:"resolver"` // host:port, "" for the system's
}

// AccountsConfig is [accounts].
type AccountsConfig struct {
	File string `toml:"file"` // "" when accounts are imported by hand
}

// PolicyConfig is [policy]: a preset of design 4 and what differs from it.
type PolicyConfig struct {
	Preset              string          `toml:"preset"`
	ThreatMode          bool            `toml:"threat_mode"`
	Hold                *time.Duration  `toml:"hold"`
	ConfirmLinkLifetime *time.Duration  `toml:"confirm_link_lifetime"`
	CaseLifetime        *time.Duration  `toml:"case_lifetime"`
	VoteLifetime        *time.Duration  `toml:"vote_lifetime"`
	FreshAddress        *time.Duration  `toml:"fresh_address"` // an address that was changed within this is High
	RepeatReset         *time.Duration  `toml:"repeat_reset"`  // a second reset within this is High
	Imitations          *time.Duration  `toml:"imitations"`    // a mail that imitated the address within this is High
	VouchedWithin       *time.Duration  `toml:"vouched_within"`
	NoticeGrace         *time.Duration  `toml:"notice_grace"`
	Waiting             WaitingConfig   `toml:"waiting"`
	Approvals           ApprovalsConfig `toml:"approvals"`
	// Evidence are the rows of [[policy.evidence]]; they stand in the file only.
	Evidence []EvidenceConfig `toml:"evidence"`
}

// WaitingConfig is [policy.waiting]; nil keeps the preset's period.
type WaitingConfig struct {
	Low    *time.Duration `toml:"low"`
	Medium *time.Duration `toml:"medium"`
	High   *time.Duration `toml:"high"`
	// Vouched is that of Low when the panel vouches for the user's password.
	Vouched *time.Duration `toml:"vouched"`
}

// ApprovalsConfig is [policy.approvals]; nil keeps the preset's number.
type ApprovalsConfig struct {
	Low    *int `toml:"low"`
	Medium *int `toml:"medium"`
	High   *int `toml:"high"`
}

// TOTPConfig is [totp].
type TOTPConfig struct {
	Issuer        string        `toml:"issuer"`         // the brand when not given
	MandatoryFrom time.Time     `toml:"mandatory_from"` // zero: not mandatory
	Grace         time.Duration `toml:"grace"`          // a user who is registered late has at least this long
	// Of new keys; the ones there are keep theirs.
	Algorithm string `toml:"algorithm"`
	Digits    int    `toml:"digits"`
	Period    int    `toml:"period"`     // seconds
	BareLabel bool   `toml:"bare_label"` // a label without the issuer before it
	Skew      int    `toml:"skew"`       // steps accepted on either side, of all keys
}

// APIConfig is [api].
type APIConfig struct {
	Enabled bool `toml:"enabled"`
	Rate    int  `toml:"rate"` // requests a second of one key
	// WebhookAllowPrivate are networks of the operator's own that webhooks may lead to.
	WebhookAllowPrivate []string `toml:"webhook_allow_private"`
	// WebhookPrivate is WebhookAllowPrivate as read.
	WebhookPrivate []netip.Prefix `toml:"-"`
}

// RetentionConfig is [retention].
type RetentionConfig struct {
	MailBodies time.Duration `toml:"mail_bodies"` // after the case is closed
	Parked     time.Duration `toml:"parked"`
}

const day = 24 * time.Hour

func defaultConfig() Config {
	return Config{
		Server:   ServerConfig{Listen: "127.0.0.1:8080"},
		Database: DatabaseConfig{Path: "resetdesk.db"},
		Keys:     KeysConfig{File: "resetdesk.keys"},
		Audit:    AuditConfig{KeyFile: "audit.key"},
		Mailbox: MailboxConfig{Security: mailbox.TLS, Folders: []string{"INBOX"}, Backlog: "park",
			TrustMode: sender.TrustOff, TrustPosition: sender.AboveBoundary},
		SMTP:      SMTPConfig{Security: mailbox.TLS, UncertainWait: 15 * time.Minute, Budget: 60, AccountBudget: 2},
		Policy:    PolicyConfig{Preset: "balanced"},
		TOTP:      TOTPConfig{Algorithm: "SHA1", Digits: 6, Period: 30, Skew: 1},
		API:       APIConfig{Enabled: true, Rate: 100},
		Retention: RetentionConfig{MailBodies: 30 * day, Parked: 7 * day},
	}
}

// maxConfigFile bounds the file, in bytes.
const maxConfigFile = 1 << 20

// LoadConfig reads the file at path and the environment (os.Environ()). An empty
// path reads the environment alone. The error is a *ConfigError with everything
// that is wrong at once, or a plain one when the file cannot be read. Secrets are
// not read here, so that the file can be checked where they are not mounted.
func LoadConfig(path string, environ []string) (Config, error) {
	c := defaultConfig()
	l := &loader{file: path, env: environment(environ)}
	if path != "" {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return Config{}, fmt.Errorf("read configuration: %s does not exist; resetdesk init writes one", path)
		}
		if err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxConfigFile {
			return Config{}, fmt.Errorf("read configuration: %s is not a file of at most %d KiB", path, maxConfigFile>>10)
		}
		if l.data, err = os.ReadFile(path); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
	}
	l.load(&c)
	c.Given, c.Sources = len(l.given), l.sources()
	if len(l.problems) > 0 {
		return Config{}, &ConfigError{File: path, Problems: l.sorted()}
	}
	return c, nil
}

// resolve makes a relative path start at the folder of the configuration file.
func (l *loader) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) || l.file == "" {
		return path
	}
	return filepath.Join(filepath.Dir(l.file), path)
}
