package oauth

import (
	"context"
	"time"
)

// NewSource returns a source over fetch, so that a test can run it in virtual time.
func NewSource(fetch func(context.Context) (token string, end time.Time, err error)) *Source {
	return &Source{kind: Command, timeout: 30 * time.Second, fetch: func(ctx context.Context) (grant, error) {
		t, end, err := fetch(ctx)
		return grant{t, end}, err
	}}
}

// ParseAccount is parseAccount.
func ParseAccount(text []byte) (email, tokenURL string, err error) {
	a, err := parseAccount(text)
	return a.Email, a.TokenURL, err
}

// ReadOutput is readOutput.
func ReadOutput(text []byte, now time.Time) (token string, end time.Time, err error) {
	g, err := readOutput(text, now)
	return g.token, g.end, err
}
