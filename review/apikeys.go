package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Scope is something that a key of the API may do.
type Scope string

// The scopes of the API.
const (
	AccountsRead  Scope = "accounts:read"
	AccountsWrite Scope = "accounts:write"
	TOTPRead      Scope = "totp:read"
	TOTPEnroll    Scope = "totp:enroll"
	TOTPVerify    Scope = "totp:verify"
	CasesRead     Scope = "cases:read"
	CasesWrite    Scope = "cases:write"
	EventsRead    Scope = "events:read"
	SignalsWrite  Scope = "signals:write"
	WebhooksWrite Scope = "webhooks:write"
)

// Scopes are all scopes, in the order in which they are shown.
var Scopes = []Scope{AccountsRead, AccountsWrite, TOTPRead, TOTPEnroll, TOTPVerify, CasesRead, CasesWrite, EventsRead, SignalsWrite, WebhooksWrite}

// Means says in words what a scope lets a key do.
func (s Scope) Means() string {
	return map[Scope]string{
		AccountsRead: "read accounts, users and addresses", AccountsWrite: "write accounts, users and addresses",
		TOTPRead: "read whether and since when a user has a second factor", TOTPEnroll: "set second factors up and change them, with the user's proof",
		TOTPVerify: "check codes at a login", CasesRead: "read cases", CasesWrite: "open cases and add notes, never decide",
		EventsRead: "read what happened", SignalsWrite: "tell what the panel saw of a user", WebhooksWrite: "set webhooks up",
	}[s]
}

// An APIKey is a key of the API as it may be shown: everything but its token.
type APIKey struct {
	ID      int64          `json:"id"`
	Name    string         `json:"name"`
	Scopes  []Scope        `json:"scopes"`
	Allow   []netip.Prefix `json:"allow"` // where it may come from; empty: from anywhere
	Created time.Time      `json:"created_at"`
	Expires time.Time      `json:"expires_at,omitzero"` // zero: never
	Revoked time.Time      `json:"revoked_at,omitzero"`
	Used    time.Time      `json:"used_at,omitzero"` // to the minute
}

// Has tells whether the key has a scope.
func (k APIKey) Has(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Admits tells whether the key may come from an address.
func (k APIKey) Admits(a netip.Addr) bool {
	return len(k.Allow) == 0 || slices.ContainsFunc(k.Allow, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// Live tells whether the key opens anything at a time.
func (k APIKey) Live(at time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || at.Before(k.Expires))
}

func (k APIKey) actor() string { return fmt.Sprintf("api:%d", k.ID) }

// tokenPrefix makes a token recognisable, for people and for secret scanners.
const tokenPrefix = "rdk_"

var errAPIKey = fail(Denied, "There is no such key, or it ended.")

func (k APIKey) check(now time.Time) error {
	if strings.TrimSpace(k.Name) == "" || len(k.Name) > 80 || plainText(k.Name) != "" {
		return invalid("name", "A key needs a name of at most 80 characters, so that people know what uses it.")
	}
	if len(k.Scopes) == 0 {
		return invalid("scopes", "A key needs at least one scope.")
	}
	for _, s := range k.Scopes {
		if !slices.Contains(Scopes, s) {
			return invalid("scopes", fmt.Sprintf("%q is no scope.", s))
		}
	}
	if !k.Expires.IsZero() && !k.Expires.After(now) {
		return invalid("expires", "The key would have ended already.")
	}
	return nil
}

// AddAPIKey makes a key as the host's operator does, and returns its token,
// which cannot be shown again. Name, Scopes, Allow and Expires of k count.
func (d *Desk) AddAPIKey(ctx context.Context, k APIKey) (APIKey, string, error) {
	return d.addAPIKey(ctx, "host", k, func(*sql.Tx) error { return nil })
}

// CreateAPIKey is [Desk.AddAPIKey] by an admin of the desk, with a fresh second
// factor.
func (d *Desk) CreateAPIKey(ctx context.Context, s Session, code string, k APIKey) (APIKey, string, error) {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return APIKey{}, "", err
	}
	if err := k.check(time.Now()); err != nil { // before the code is used up
		return APIKey{}, "", err
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return APIKey{}, "", err
	}
	return d.addAPIKey(ctx, s.actor(), k, func(tx *sql.Tx) error { return d.allow(ctx, tx, s, Administer) })
}

// addAPIKey asks may in the transaction that writes.
func (d *Desk) addAPIKey(ctx context.Context, actor string, k APIKey, may func(*sql.Tx) error) (APIKey, string, error) {
	now := time.Now()
	if err := k.check(now); err != nil {
		return APIKey{}, "", err
	}
	var allow []string
	for i, p := range k.Allow {
		k.Allow[i] = p.Masked()
		allow = append(allow, k.Allow[i].String())
	}
	var scopes []string
	k.Scopes = slices.DeleteFunc(slices.Clone(Scopes), func(s Scope) bool { return !k.Has(s) })
	for _, s := range k.Scopes {
		scopes = append(scopes, string(s))
	}
	token := tokenPrefix + newToken()
	k.Created = fromMicros(micros(now))
	err := d.update(ctx, "add API key", func(tx *sql.Tx) error {
		if err := may(tx); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `INSERT INTO api_key (name, hash, scopes, allow, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
			k.Name, hashToken(token), strings.Join(scopes, " "), strings.Join(allow, " "), micros(now), nullMicros(k.Expires)).Scan(&k.ID)
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, actor, "apikey.created", k.actor(), map[string]any{"name": k.Name, "scopes": scopes, "allow": allow})
		return err
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return k, token, nil
}

func nullMicros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}

// RevokeAPIKey ends a key at once, as the host's operator does.
func (d *Desk) RevokeAPIKey(ctx context.Context, id int64) error {
	return d.revokeAPIKey(ctx, "host", id)
}

// WithdrawAPIKey is [Desk.RevokeAPIKey] by an admin of the desk, with a fresh
// second factor.
func (d *Desk) WithdrawAPIKey(ctx context.Context, s Session, code string, id int64) error {
	if err := d.allow(ctx, d.db.read, s, Administer); err != nil {
		return err
	}
	if _, err := d.stepUp(ctx, s, code); err != nil {
		return err
	}
	return d.revokeAPIKey(ctx, s.actor(), id)
}

func (d *Desk) revokeAPIKey(ctx context.Context, actor string, id int64) error {
	return d.update(ctx, "revoke API key", func(tx *sql.Tx) error {
		now := time.Now()
		var name string
		err := tx.QueryRowContext(ctx, `UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING name`, id, micros(now)).Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return fail(NotFound, "There is no such key, or it was revoked before.")
		}
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, actor, "apikey.revoked", APIKey{ID: id}.actor(), map[string]any{"name": name})
		return err
	})
}

const apiKeyColumns = `id, name, scopes, allow, created_at, coalesce(expires_at, 0), coalesce(revoked_at, 0), coalesce(used_at, 0)`

func scanAPIKey(scan func(...any) error) (APIKey, error) {
	var k APIKey
	var scopes, allow string
	var created, expires, revoked, used int64
	if err := scan(&k.ID, &k.Name, &scopes, &allow, &created, &expires, &revoked, &used); err != nil {
		return k, err
	}
	for _, s := range strings.Fields(scopes) {
		k.Scopes = append(k.Scopes, Scope(s))
	}
	for _, s := range strings.Fields(allow) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return k, fmt.Errorf("API key %d: %w", k.ID, err)
		}
		k.Allow = append(k.Allow, p)
	}
	k.Created, k.Expires, k.Revoked, k.Used = fromMicros(created), fromMicros(expires), fromMicros(revoked), fromMicros(used)
	return k, nil
}

// APIKeys lists all keys, the newest first.
func (d *Desk) APIKeys(ctx context.Context) ([]APIKey, error) {
	var all []APIKey
	err := d.snapshot(ctx, "list API keys", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT `+apiKeyColumns+` FROM api_key ORDER BY id DESC`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			k, err := scanAPIKey(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, k)
		}
		return rows.Err()
	})
	return all, err
}

// APIKey returns the live key of a token, and notes that it was used, at most
// once a minute. Unknown, revoked and expired ones are the same error.
func (d *Desk) APIKey(ctx context.Context, token string) (APIKey, error) {
	if !strings.HasPrefix(token, tokenPrefix) {
		return APIKey{}, errAPIKey
	}
	k, err := scanAPIKey(d.db.read.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_key WHERE hash = $1`, hashToken(token)).Scan)
	now := time.Now()
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && !k.Live(now):
		return APIKey{}, errAPIKey
	case err != nil:
		return APIKey{}, fmt.Errorf("read API key: %w", err)
	}
	if minute := now.Truncate(time.Minute); minute.After(k.Used) {
		_, err := d.db.write.ExecContext(ctx, `UPDATE api_key SET used_at = $2 WHERE id = $1 AND coalesce(used_at, 0) < $2`, k.ID, micros(minute))
		if err != nil { // a full disk must not keep panels from asking
			d.log.Error("the use of an API key was not noted", "error", err)
		}
		k.Used = minute
	}
	return k, nil
}

// ParseNetwork reads an address or a network as people write it.
func ParseNetwork(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, invalid("allow", fmt.Sprintf("%q is no address or network such as 192.0.2.10 or 192.0.2.0/24.", s))
	}
	return p.Masked(), nil
}
