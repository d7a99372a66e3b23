// Package totp is the second factor of a control panel: enrolling an
// authenticator, verifying its codes, backup codes, and what a reset does to
// all of them.
//
// Most panels use a [Book], which keeps everything in SQL tables with the
// secrets sealed by a [Keyring] that lives outside the database. Those who
// store factors themselves use [Key] alone, which is pure: keep the step that
// [Key.Verify] returns and hand it back the next time.
//
// What a Book holds to:
//
//   - A code is accepted once, whatever the number of processes that ask at the
//     same moment (RFC 6238 5.2). The claim is one UPDATE that must hit one row.
//   - Every guess is counted before it is compared, codes of all kinds on one
//     counter, and no answer leaves before the count is durable.
//   - Nobody takes the second factor off but its user, with a code of it and
//     where no policy forbids it. Else it ends by being replaced by another one,
//     or by a reset; after a reset the next one needs the enrollment pass.
//   - Whatever happens to a user's factors is an [Event], written in the same
//     transaction, with its time and source.
//   - Secrets and codes are in no error, no log line and no %v of any type here.
//
// The tables are those of schema.sql (holder, credential, backup_set,
// backup_code, enrollment_pass, factor_event). The *sql.DB is expected to begin its
// transactions immediately (SQLite: _txlock=immediate). It may have a single
// connection: never call a Book while holding a transaction of the same handle.
package totp

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A refusal is an answer, not a fault: what was written before it, above all
// the count of the attempt, is committed.
type refusal string

func (r refusal) Error() string { return string(r) }

// Answers that callers branch on. Anything that is none of these, no
// [UsedError], [LockedError] or [HoldError], is a fault of the database or the
// keyring.
var (
	// ErrNotEnrolled: the user has no active factor and never lost one by a
	// reset (see ErrPassRequired), or has no pending enrollment to show.
	ErrNotEnrolled error = refusal("no second factor is enrolled")
	// ErrUnknownUser: no holder of that name was registered. It is an
	// ErrNotEnrolled too.
	ErrUnknownUser error = fmt.Errorf("unknown user: %w", ErrNotEnrolled)
	// ErrPassRequired: the factor was reset; enrolling needs the pass that was
	// mailed to the user. Never let such a user in on the password alone.
	ErrPassRequired error = refusal("an enrollment pass is required")
	// ErrInvalidPass: not the live pass of this user.
	ErrInvalidPass error = refusal("the enrollment pass is not valid")
	// ErrProofRequired: a factor is active, so the act needs one of its codes.
	ErrProofRequired error = refusal("a current code is required")
	// ErrInvalidCode: not a code of this user, or one that is not exact.
	ErrInvalidCode error = refusal("the code is not valid")
	// ErrFrozen: a reset of this user was taken back; a person must look first.
	ErrFrozen error = refusal("the user is frozen")
	// ErrExpired: the pending enrollment, or the right pass, is too old.
	ErrExpired error = refusal("expired")
	// ErrConflict: the state moved on, nothing was done.
	ErrConflict error = refusal("the state has changed meanwhile")
	// ErrRequired: a factor is mandatory for this user now, see [Policy].
	ErrRequired error = refusal("a second factor is mandatory")
	// ErrTooManyDevices: the user has two authenticators already.
	ErrTooManyDevices error = refusal("there are two authenticators already")
	// ErrLastDevice: the last authenticator is not removed; see [Book.TurnOff].
	ErrLastDevice error = refusal("it is the last authenticator")
	// ErrDeviceName: a name of at most 60 characters without control characters
	// is wanted.
	ErrDeviceName error = refusal("a device's name has at most 60 characters and no control characters")
)

// A DriftError says that a wrong code would have been right at another time, so
// that the clock of the device is off by about Drift: above zero it is fast,
// below zero slow. It is an [ErrInvalidCode], counted like any other: the code
// is never accepted, neither now nor later.
type DriftError struct{ Drift time.Duration }

func (e *DriftError) Error() string {
	if e.Drift < 0 {
		return fmt.Sprintf("the clock of the device is slow by about %s", -e.Drift)
	}
	return fmt.Sprintf("the clock of the device is fast by about %s", e.Drift)
}

// Unwrap makes it an [ErrInvalidCode].
func (e *DriftError) Unwrap() error { return ErrInvalidCode }

// A UsedError says that the code was right but its time step was used already,
// by this user or by somebody who shares the login. The next code of the
// authenticator will do. It is given only to those who sent a right code.
type UsedError struct {
	RetryAfter time.Duration // whole seconds, until the next code is on the screen
}

func (e *UsedError) Error() string {
	return fmt.Sprintf("this code was just used, wait %d s for the next one", int(e.RetryAfter/time.Second))
}

// A LockedError says that too many codes were wrong. Nothing was compared.
type LockedError struct {
	RetryAfter time.Duration // rounded up to whole seconds
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("too many wrong codes, try again in %s", e.RetryAfter)
}

// A HoldError says that a sensitive act has to wait for the end of the hold
// period after a reset.
type HoldError struct {
	Action Action
	Until  time.Time
}

func (e *HoldError) Error() string {
	return fmt.Sprintf("%s is on hold until %s", e.Action, e.Until.UTC().Format(time.RFC3339))
}

// refused tells an answer, whose transaction is committed, from a fault.
func refused(err error) bool {
	var r refusal
	var used *UsedError
	var locked *LockedError
	var hold *HoldError
	return errors.As(err, &r) || errors.As(err, &used) || errors.As(err, &locked) || errors.As(err, &hold)
}

// A Channel is the way a login comes in. The second factor belongs to the web.
type Channel int

// The channels of [Book.Verify].
const (
	Web Channel = iota
	API
)

// A Method is what proved a login.
type Method string

// The methods of a [Result].
const (
	MethodNone       Method = ""
	MethodTOTP       Method = "totp"
	MethodBackupCode Method = "backup_code"
)

// A Result tells how [Book.Verify] was satisfied.
type Result struct {
	Method    Method
	CodesLeft int  // unused backup codes; offer a new set at 3 and below
	Exempt    bool // nothing was asked, because of the channel; worth an audit event
}

// A Proof shows that the person who changes a factor may do so: a current code
// (authenticator or backup code) or, after a reset, the enrollment pass.
type Proof struct{ Code, Pass string }

// Format prints "[redacted]", whatever the verb.
func (Proof) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue keeps a proof out of logs.
func (Proof) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps a proof out of JSON.
func (Proof) MarshalJSON() ([]byte, error) { return redactedJSON() }

// An Action is something a panel may refuse during the hold after a reset.
type Action string

// Actions that an intruder does first. Any other name is guarded as well.
const (
	TransferDomain Action = "transfer domain"
	ChangeAddress  Action = "change address"
	ChangePassword Action = "change password"
	AddUser        Action = "add user"
	CreateAPIKey   Action = "create API key"
	TurnOff        Action = "turn off two-factor authentication"
	RemoveDevice   Action = "remove a device"
)

// A Policy holds the choices of an installation. The zero value of each field
// but Issuer is sane.
type Policy struct {
	Issuer          string        // name shown in the authenticator; required, no colon
	PendingLifetime time.Duration // of an unproved enrollment; 0: 15 minutes
	PassLifetime    time.Duration // of an enrollment pass, at most 48 hours; 0: 24 hours
	MandatoryFrom   time.Time     // a factor is mandatory from then, see [Require]; zero: not mandatory
	Grace           time.Duration // a user who is registered late has at least this long
	Skew            int           // steps accepted on either side; 0: 1 (RFC 6238 5.2), -1: none

	// Of new keys, as in [Options]; keys there are keep theirs.
	Algorithm      Algorithm
	Digits, Period int
	BareLabel      bool

	// Noted is called after a commit that wrote events, so that they are told
	// at once. It must not block.
	Noted func()
}

// options are those of a new key.
func (p Policy) options(account string) Options {
	return Options{Issuer: p.Issuer, Account: account, Algorithm: p.Algorithm, Digits: p.Digits, Period: p.Period, BareLabel: p.BareLabel}
}

// A duty is what a holder's row says about who must have a factor.
type duty struct {
	apiOnly          bool
	registered, from int64 // from: of this user; 0: as the policy says
}

// requiredFrom is the time from which the user must have a factor, zero: never.
func (p Policy) requiredFrom(d duty) time.Time {
	from := instant(d.from)
	if from.IsZero() {
		from = p.MandatoryFrom
	}
	if from.IsZero() || d.apiOnly || !from.Before(Never) {
		return time.Time{}
	}
	if grace := time.UnixMicro(d.registered).UTC().Add(p.Grace); p.Grace > 0 && grace.After(from) {
		return grace
	}
	return from
}

func (p Policy) required(d duty, now time.Time) bool {
	from := p.requiredFrom(d)
	return !from.IsZero() && !now.Before(from)
}

func (p Policy) complete() (Policy, error) {
	if _, err := p.options("account").complete(); err != nil {
		return p, err
	}
	if p.PendingLifetime == 0 {
		p.PendingLifetime = 15 * time.Minute
	}
	if p.PassLifetime == 0 {
		p.PassLifetime = 24 * time.Hour
	}
	if p.Grace < 0 || p.PendingLifetime < 0 || p.PassLifetime < 0 || p.PassLifetime > 48*time.Hour {
		return p, errors.New("a lifetime is out of range")
	}
	switch p.Skew {
	case 0:
		p.Skew = 1
	case -1:
		p.Skew = 0
	case 1:
	default:
		return p, errors.New("a skew of more than one step is not accepted")
	}
	return p, nil
}
