package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/review/passkey"
	"github.com/resetdesk/resetdesk/review/prepared"
	"github.com/resetdesk/resetdesk/totp"
)

// Config is what a desk needs to work. Zero values take the defaults named.
type Config struct {
	Path    string          // the database file
	Shelf   *prepared.Shelf // keeps its connections beyond Close; default: none
	Keys    *totp.Keyring   // seals secrets and letters; kept outside the database
	Log     *slog.Logger    // default: discard
	Policy  Policy          // default: Balanced
	Brand   string          // the company, as users know it
	Phone   string          // where owners can call, "" if nowhere
	BaseURL string          // where the owner's pages are, without a trailing slash
	Panel   string          // where users sign in, "" if unknown
	From    mail.Address    // the support identity that writes the letters
	// BounceAddress is the envelope sender of letters, in the watched mailbox, so
	// that a letter that does not arrive comes back to be read. TokenPlace in it
	// makes it another address for each letter. "": the null reverse-path, and
	// nothing comes back.
	BounceAddress string
	Budget        Budget
	Letters       *letters.Set       // default: the built-in words
	Signature     *mailbox.Signature // of letters; nil: the mail server signs them, or nobody
	// Addresses are our own addresses: the ones that requests are written to.
	Addresses []string
	MailRules
	// Mailboxes are the rules of those mailboxes that have their own, by name.
	Mailboxes map[string]MailRules
	Resolver  sender.Resolver // default: the system's
	// LettersReady is called after a commit that queued letters, so that they
	// go out at once. It must not block.
	LettersReady func()
	// HooksReady is called after a commit, which may be news for a webhook. It must
	// not block.
	HooksReady func()
	// WebhookPlain lets webhooks have addresses that begin with http. Towards where,
	// the courier decides.
	WebhookPlain bool
	// UncertainWait is how long a letter whose fate nobody can know waits before
	// it is sent again after a crash (promises 3.3). Default 15 min.
	UncertainWait time.Duration
	// KeepBodies and KeepParked are how long the bytes of mails are kept: after
	// the case was closed, and of mails without a case. 0: for ever.
	KeepBodies, KeepParked time.Duration
	TOTP                   totp.Policy
	AuditKey               *chain.Key // signs heads of the audit; nil: nothing is signed
	HeadsByMail            bool       // every admin gets a signed head a day
	Passwords              Argon2     // of reviewers
	// OnlySSO lets nobody in by a password or a passkey. They stay second factors,
	// and sessions that began otherwise end.
	OnlySSO bool
}

// MailRules are what the desk goes by for the mails of a mailbox.
type MailRules struct {
	// OpenBacklog lets mails that were in the mailbox before the first look open
	// cases. By default they are only listed, and nobody is mailed.
	OpenBacklog bool
	// Trust says what of our own mail servers' work can be told from claims
	// (sender-verification 5.1), Relaxed whether a customer's mail may be signed
	// by a parent or child of its domain (4.4, D_RELAXED).
	Trust   sender.Trust
	Relaxed bool
}

// rules are those of a mailbox.
func (c *Config) rules(mailbox string) MailRules {
	if r, own := c.Mailboxes[mailbox]; own {
		return r
	}
	return c.MailRules
}

// A Desk is the whole of the review side, on one database. Its methods are safe
// for concurrent use.
type Desk struct {
	cfg       Config
	db        *database
	book      *totp.Book
	log       *slog.Logger
	dns       sender.Resolver // without a memory, for proofs
	epoch     string
	mail      chan struct{} // wakes the assessor
	clock     chan struct{} // wakes the clock
	assessing chan struct{} // held by who assesses
	decoy     string        // the hash of a password that nobody has
	tries     signInTries
	broken    atomic.Pointer[string] // why a template of the operator was passed over
	watch     auditWatch
	alarms    alarmWatch
	news      news
	passkeys  *passkey.Party // nil: they do not work at this address
}

// keptKeys is how many DNS records are remembered, each for its TTL.
const keptKeys = 4096

// Open opens the desk: it takes the lock on the database, checks its pragmas and
// schema, checks that the keys are the right ones, and makes ready whatever an
// earlier run left undone.
func Open(ctx context.Context, cfg Config) (*Desk, error) { return open(ctx, cfg, true) }

// OpenBeside opens the desk of a database that another process may own, for one
// act of a person on the host. Each method is one transaction, so both may write;
// but [Desk.Run] belongs to the owner.
func OpenBeside(ctx context.Context, cfg Config) (*Desk, error) { return open(ctx, cfg, false) }

func open(ctx context.Context, cfg Config, owner bool) (*Desk, error) {
	if cfg.Keys == nil || cfg.Path == "" {
		return nil, errors.New("open desk: a database path and keys are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Policy.Name == "" && cfg.Policy.Low == (Tier{}) {
		cfg.Policy = Balanced
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	dns := cfg.Resolver
	cfg.Resolver = sender.NewCache(cfg.Resolver, keptKeys)
	if cfg.UncertainWait <= 0 {
		cfg.UncertainWait = 15 * time.Minute
	}
	if cfg.Letters == nil {
		cfg.Letters = letters.BuiltIn()
	}
	if cfg.TOTP.Issuer == "" {
		cfg.TOTP.Issuer = cfg.Brand
	}
	if cfg.Passwords == (Argon2{}) {
		cfg.Passwords = rfc9106
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	db, err := openDatabase(ctx, cfg.Path, cfg.Shelf, owner)
	if err != nil {
		return nil, err
	}
	d := &Desk{cfg: cfg, db: db, log: cfg.Log, dns: dns, epoch: randomText(16),
		mail: make(chan struct{}, 1), clock: make(chan struct{}, 1), assessing: make(chan struct{}, 1),
		decoy: cfg.Passwords.decoy()}
	if d.passkeys, err = passkey.New(cfg.BaseURL, cfg.Brand); err != nil {
		d.log.Info("no passkeys", "reason", err)
	}
	if err := d.checkKeys(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	d.cfg.TOTP.Noted = func() { wake(d.clock) }
	if d.book, err = totp.Open(db.write, cfg.Keys, d.cfg.TOTP); err != nil {
		return nil, errors.Join(err, db.close())
	}
	if !owner {
		return d, nil
	}
	if err := d.policyChanged(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	err = d.update(ctx, "refresh lists", func(tx *sql.Tx) error { return judgeAnew(ctx, tx) })
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	return d, nil
}

// Close ends the desk. Whatever was in progress is taken up by the next start.
func (d *Desk) Close() error { return d.db.close() }

// Book returns the second factors that this desk guards.
func (d *Desk) Book() *totp.Book { return d.book }

// Run assesses mail and keeps the clock until ctx ends. The clock never waits for
// the mail: a case is held or cleared in time whatever strangers send. Any step
// may be cut by a crash; the next Run goes on from the rows.
func (d *Desk) Run(ctx context.Context) error {
	var clock sync.WaitGroup
	clock.Go(func() {
		var purged time.Time
		d.repeat(ctx, "the clock pauses", d.clock, func() error {
			err := d.Tick(ctx)
			if time.Since(purged) > time.Hour && ctx.Err() == nil {
				err = errors.Join(err, d.purge(ctx), d.forgetAnswers(ctx), d.mailHead(ctx))
				purged = time.Now()
			}
			return err
		})
	})
	clock.Go(func() { d.watchAudits(ctx) })
	d.repeat(ctx, "the assessor pauses", d.mail, func() error { return d.assessWaiting(ctx) })
	clock.Wait()
	return ctx.Err()
}

// repeat does step at once, every 2 s and whenever it is woken, until ctx ends.
func (d *Desk) repeat(ctx context.Context, trouble string, wake <-chan struct{}, step func() error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-timer.C:
		}
		if err := step(); err != nil && ctx.Err() == nil {
			d.log.Error(trouble, "error", err)
		}
		timer.Reset(2 * time.Second)
	}
}

// Work does everything that is due now: it assesses every waiting mail and lets
// the clock move the cases. A mail that cannot be assessed does not stop the
// others.
func (d *Desk) Work(ctx context.Context) error {
	return errors.Join(d.assessWaiting(ctx), d.Tick(ctx))
}

// nudge wakes both loops of Run. Correctness never depends on it.
func (d *Desk) nudge() {
	wake(d.mail)
	wake(d.clock)
}

func wake(loop chan<- struct{}) {
	select {
	case loop <- struct{}{}:
	default:
	}
}

func (d *Desk) lettersReady() {
	if d.cfg.LettersReady != nil {
		d.cfg.LettersReady()
	}
}

// update runs f in one write transaction. f must not touch the network.
func (d *Desk) update(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := d.db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return err
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := d.settle(ctx, tx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	d.news.tell()
	if d.cfg.HooksReady != nil {
		d.cfg.HooksReady()
	}
	return nil
}

// snapshot runs f in one read transaction.
func (d *Desk) snapshot(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := d.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return err
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
