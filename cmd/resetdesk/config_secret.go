package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// redacted stands for a secret wherever one would be printed.
const redacted = "redacted"

// A Secret is a text that no log, error or dump shows. Reveal is the one way to
// its value. (It is a func within, so that %#v and reflection find no bytes.)
type Secret struct{ reveal func() string }

func newSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Reveal returns the value, "" if there is none.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String returns "redacted", or "" for no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format is String for every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText is String, for JSON and TOML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// SignIn returns the password of the mailbox, read anew so that a changed file
// needs no restart. It fits mailbox.WatcherConfig.Password.
func (m MailboxConfig) SignIn(context.Context) (string, error) {
	return readPassword(m.Password, m.PasswordFile)
}

// SignIn returns the password for sending, read anew. It fits
// mailbox.PostmanConfig.Password.
func (s SMTPConfig) SignIn(context.Context) (string, error) {
	return readPassword(s.Password, s.PasswordFile)
}

// maxSecret bounds a secret file, in bytes.
const maxSecret = 64 << 10

// readPassword reads a secret of one line.
func readPassword(value Secret, file string) (string, error) {
	raw, err := readSecret(value, file)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	if !value.IsZero() {
		return raw, nil
	}
	s := strings.TrimRight(raw, "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return "", errors.New("read password: " + file + " must hold the password on one line and nothing else")
	}
	return s, nil
}

// readSecret returns value, or else what file holds.
func readSecret(value Secret, file string) (string, error) {
	if !value.IsZero() {
		return value.Reveal(), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(raw) > maxSecret {
		err = errors.New(file + " is far longer than a secret")
	}
	return string(raw), err
}

// expand replaces ${CREDENTIALS_DIRECTORY}, which systemd sets for
// LoadCredential=, in the path of a secret.
func (l *loader) expand(key, path string) string {
	const name = "${CREDENTIALS_DIRECTORY}"
	if strings.Contains(path, name) {
		dir := l.env["CREDENTIALS_DIRECTORY"]
		if dir == "" {
			l.complain(key, "names %s, which is not set; systemd sets it for services with LoadCredential=", name)
			return path
		}
		path = strings.ReplaceAll(path, name, dir)
	}
	if strings.Contains(path, "${") {
		l.complain(key, "is %q; only %s is replaced", path, name)
	}
	return l.resolve(path)
}
