package chain

import (
	"crypto/rand"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NewKey makes a key for the audit of the desk at a host. Its two lines are the
// private and the public half.
func NewKey(host string) ([]byte, error) {
	name := strings.Map(func(r rune) rune {
		if r == '+' || r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, host) + "/audit"
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("make audit key: %w", err)
	}
	return []byte(private + "\n" + public + "\n"), nil
}
