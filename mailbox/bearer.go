package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/emersion/go-sasl"
	"github.com/wneessen/go-mail/smtp"
)

// Tokens are what a sign-in uses instead of a password (RFC 6750): mailbox/oauth has them. The methods may be called from
// any goroutine. An error of Token with a method Permanent() bool that says true needs a person.
type Tokens interface {
	// Token returns one that is good now.
	Token(ctx context.Context) (string, error)
	// Refused says that the server turned token down, and tells whether to try another at once.
	Refused(token string) (again bool)
	// Advice is what a person does when the server turned a good token down with answer.
	Advice(answer string) string
}

// The mechanisms for tokens.
const (
	xoauth2     = "XOAUTH2"
	oauthBearer = sasl.OAuthBearer // RFC 7628
)

// bearer is one sign-in with a token, for IMAP and SMTP alike.
type bearer struct {
	tokens       Tokens
	user, token  string
	mech         string
	first, after []byte // the initial response, and the answer to the server's reason
	reason       []byte // why the server refuses, in its own JSON; nil until it says so
}

// newBearer gets a token and picks a mechanism that the server has. RFC 7628 goes first; Exchange has only the other.
func newBearer(ctx context.Context, t Tokens, user, host string, port int, has func(mech string) bool) (*bearer, error) {
	b := &bearer{tokens: t, user: user}
	switch {
	case has(oauthBearer):
		b.mech, b.after = oauthBearer, []byte{1} // RFC 7628 3.2.3
	case has(xoauth2):
		b.mech, b.after = xoauth2, []byte{} // not nil, which go-mail takes for the end
	default:
		return nil, fmt.Errorf("%w: the server offers no sign-in with a token (neither XOAUTH2 nor OAUTHBEARER) on this connection. "+
			"Check host and port, or sign in with a password", errRefused)
	}
	if strings.ContainsFunc(user, unicode.IsControl) {
		return nil, fmt.Errorf("%w: the user name has control characters in it", errRefused)
	}
	token, err := t.Token(ctx)
	var p interface{ Permanent() bool }
	switch {
	case errors.As(err, &p) && p.Permanent():
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	case err != nil:
		return nil, fmt.Errorf("get an access token: %w", err)
	}
	b.token = token
	if b.mech == xoauth2 {
		b.first = []byte("user=" + user + "\x01auth=Bearer " + token + "\x01\x01")
		return b, nil
	}
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) // RFC 5801 4
	_, b.first, err = sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: name, Token: token, Host: host, Port: port}).Start()
	return b, err
}

// Start implements sasl.Client.
func (b *bearer) Start() (string, []byte, error) { return b.mech, b.first, nil }

// Next implements sasl.Client: the one challenge is the reason of a refusal, after whose answer the refusal itself comes.
func (b *bearer) Next(challenge []byte) ([]byte, error) {
	if b.reason != nil {
		return nil, errors.New("the server goes on after it has refused the token")
	}
	b.reason = append([]byte{}, challenge[:min(len(challenge), maxReason)]...)
	return b.after, nil
}

// smtpBearer is bearer as go-mail wants it.
type smtpBearer struct{ *bearer }

// Start implements smtp.Auth.
func (b smtpBearer) Start(*smtp.ServerInfo) (string, []byte, error) { return b.bearer.Start() }

// Next implements smtp.Auth.
func (b smtpBearer) Next(challenge []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	return b.bearer.Next(challenge)
}

// refused is the error of a server that turned the token down, saying answer.
func (b *bearer) refused(answer string) error {
	why := clip(longRun.ReplaceAllString(strings.ReplaceAll(answer, b.token, "..."), "..."), 120)
	if r := reasonText(bytes.ReplaceAll(b.reason, []byte(b.token), []byte("..."))); r != "" {
		why += " (" + r + ")"
	}
	return &tokenRefused{answer: why, next: b.tokens.Advice(why), again: b.tokens.Refused(b.token)}
}

// tokenRefused says that a server turned a token down. again: another token may fare better, on a fresh connection.
type tokenRefused struct {
	answer, next string
	again        bool
}

func (e *tokenRefused) Error() string {
	return fmt.Sprintf("%v: the server answered %q. %s", errRefused, e.answer, e.next)
}

func (e *tokenRefused) Unwrap() error { return errRefused }

// Advice is what a person does next.
func (e *tokenRefused) Advice() string { return e.next }

// twice runs open, and once more if the server turned down a token that another one may replace.
func twice[T any](open func() (T, error)) (T, error) {
	v, err := open()
	var r *tokenRefused
	if errors.As(err, &r) && r.again {
		return open()
	}
	return v, err
}

// Advice splits err into what happened and what a person does next; next is "" when err does not say.
func Advice(err error) (what, next string) {
	what = err.Error()
	var a interface{ Advice() string }
	if errors.As(err, &a) {
		next = a.Advice()
		what = strings.TrimSuffix(what, ". "+next)
	}
	return what, next
}

// maxReason bounds what is kept of a server's reason, in bytes.
const maxReason = 2 << 10

// longRun is what could be a token, or the part of one, that a server repeats.
var longRun = regexp.MustCompile(`[A-Za-z0-9._~+/=-]{64,}`)

// reasonText is the reason of a refusal (RFC 7628 3.2.2) for people: at most 120 bytes, printable.
func reasonText(raw []byte) string {
	var r struct {
		Status any    `json:"status"`
		Scope  string `json:"scope"`
	}
	text := string(raw)
	if json.Unmarshal(raw, &r) == nil && r.Status != nil {
		text = fmt.Sprintf("status %v", r.Status)
		if r.Scope != "" {
			text += ", scope " + r.Scope
		}
	}
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, ""))
	return clip(longRun.ReplaceAllString(strings.TrimSpace(text), "..."), 120)
}
