package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
)

// maxAnswer bounds what a token endpoint may answer, in bytes.
const maxAnswer = 64 << 10

// grants asks token endpoints. Client id and secret go into the body, which every provider here takes: to find out by
// trying would spend a refresh token that is good for once.
type grants struct {
	c    Config
	wire http.RoundTripper

	mu      sync.Mutex
	onFile  string // the refresh token as it was read last
	rotated string // its successor, "" when the provider gave none
}

func (g *grants) microsoft(ctx context.Context) (grant, error) {
	secret, err := g.read(ctx, "client secret", g.c.ClientSecret)
	if err != nil {
		return grant{}, err
	}
	conf := clientcredentials.Config{
		ClientID: g.c.ClientID, ClientSecret: secret, AuthStyle: oauth2.AuthStyleInParams,
		TokenURL: or(g.c.TokenURL, "https://login.microsoftonline.com/"+g.c.Tenant+"/oauth2/v2.0/token"),
		Scopes:   []string{or(g.c.Scope, microsoftScope)},
	}
	_, issued, err := g.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) { return conf.Token(ctx) })
	return issued, err
}

func (g *grants) google(ctx context.Context) (grant, error) {
	text, err := g.read(ctx, "key of the service account", g.c.ServiceAccount)
	if err != nil {
		return grant{}, err
	}
	a, err := parseAccount([]byte(text))
	if err != nil {
		return grant{}, &Error{What: "the key of the service account is not usable: " + err.Error(), Stop: true,
			Next: "create a new key of type JSON in the Google Cloud console (IAM, Service accounts, Keys) and put the whole file in place"}
	}
	conf := jwt.Config{
		Email: a.Email, PrivateKey: []byte(a.Key), PrivateKeyID: a.KeyID, Subject: g.c.User,
		Scopes: strings.Fields(or(g.c.Scope, googleScope)), TokenURL: or(g.c.TokenURL, a.TokenURL), Audience: a.TokenURL,
	}
	_, issued, err := g.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) { return conf.TokenSource(ctx).Token() })
	return issued, err
}

// refresh trades the refresh token. A successor that the provider gives with it is kept in memory; a changed file wins.
func (g *grants) refresh(ctx context.Context) (grant, error) {
	onFile, err := g.read(ctx, "refresh token", g.c.RefreshToken)
	if err != nil {
		return grant{}, err
	}
	secret := ""
	if g.c.ClientSecret != nil {
		if secret, err = g.read(ctx, "client secret", g.c.ClientSecret); err != nil {
			return grant{}, err
		}
	}
	g.mu.Lock()
	if g.onFile != onFile {
		g.onFile, g.rotated = onFile, ""
	}
	present := or(g.rotated, onFile)
	g.mu.Unlock()
	conf := oauth2.Config{ClientID: g.c.ClientID, ClientSecret: secret,
		Endpoint: oauth2.Endpoint{TokenURL: g.c.TokenURL, AuthStyle: oauth2.AuthStyleInParams}}
	next, issued, err := g.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return conf.TokenSource(ctx, &oauth2.Token{RefreshToken: present}).Token()
	})
	var refused *Error
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err == nil && next != onFile:
		g.rotated = next
	case errors.As(err, &refused) && refused.Stop:
		g.rotated = "" // the one on file has another chance
	}
	return issued, err
}

// read returns a secret.
func (g *grants) read(ctx context.Context, name string, from Secret) (string, error) {
	s, err := from(ctx)
	if err != nil {
		return "", &Error{What: "the " + name + " cannot be read: " + err.Error(), Stop: true,
			Next: "check that the file is there and that the service may read it"}
	}
	return s, nil
}

// ask runs one exchange and turns what it brings into our words. next is the refresh token to use from now on.
func (g *grants) ask(ctx context.Context, exchange func(context.Context) (*oauth2.Token, error)) (next string, issued grant, err error) {
	w := &wire{base: g.wire}
	client := &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t, err := exchange(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return "", grant{}, explain(g.c.Kind, ctx, w.trouble(), err)
	}
	if !strings.EqualFold(t.Type(), "bearer") {
		return "", grant{}, &Error{What: "the token endpoint issued a token that is no bearer token", Stop: true}
	}
	return t.RefreshToken, grant{token: t.AccessToken, end: t.Expiry}, nil
}

// wire carries one exchange, bounds the answer and keeps the error of the network, which the library does not pass on.
type wire struct {
	base http.RoundTripper
	mu   sync.Mutex
	err  error
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(r)
	if err != nil {
		w.keep(err)
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, wire: w, left: maxAnswer}
	return resp, nil
}

func (w *wire) keep(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *wire) trouble() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// body is an answer of at most left bytes.
type body struct {
	io.ReadCloser
	wire *wire
	left int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		err = errors.New("the answer is far longer than a token needs")
	}
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		b.wire.keep(err)
	}
	return n, err
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
