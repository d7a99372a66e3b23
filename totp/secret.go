package totp

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

var unpadded = base32.StdEncoding.WithPadding(base32.NoPadding)

func writeRedacted(w io.Writer)     { _, _ = io.WriteString(w, redacted) }
func redactedJSON() ([]byte, error) { return json.Marshal(redacted) }

// A Secret is the shared secret of an authenticator. It prints, logs and
// marshals as "[redacted]"; only [Secret.Base32] gives it away.
type Secret struct{ raw []byte }

// Base32 returns the secret as authenticators take it: RFC 4648 base32, upper
// case, no padding. Show it to its user and to nobody else.
func (s Secret) Base32() string { return unpadded.EncodeToString(s.raw) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format prints "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue keeps a secret out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps a secret out of JSON.
func (Secret) MarshalJSON() ([]byte, error) { return redactedJSON() }

// MarshalText keeps a secret out of every text encoding.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// String returns "[redacted]".
func (Key) String() string { return redacted }

// GoString returns "[redacted]".
func (Key) GoString() string { return redacted }

// Format prints "[redacted]", whatever the verb.
func (Key) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue keeps a key out of logs.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps a key out of JSON.
func (Key) MarshalJSON() ([]byte, error) { return redactedJSON() }

// MarshalText keeps a key out of every text encoding.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// String returns "[redacted]".
func (Keyring) String() string { return redacted }

// GoString returns "[redacted]".
func (Keyring) GoString() string { return redacted }

// Format prints "[redacted]", whatever the verb.
func (Keyring) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue keeps a keyring out of logs.
func (Keyring) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps a keyring out of JSON.
func (Keyring) MarshalJSON() ([]byte, error) { return redactedJSON() }
