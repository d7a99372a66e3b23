package main

import (
	"context"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/oauth"
)

// SignInConfig is the part of [mailbox] and [smtp] about signing in otherwise
// than with a password.
type SignInConfig struct {
	Auth               string   `toml:"auth"` // "password" or an oauth.Kind; "" is password
	Tenant             string   `toml:"tenant"`
	ClientID           string   `toml:"client_id"`
	ClientSecretFile   string   `toml:"client_secret_file"`
	ServiceAccountFile string   `toml:"service_account_file"`
	RefreshTokenFile   string   `toml:"refresh_token_file"`
	TokenURL           string   `toml:"token_url"`
	Scope              string   `toml:"scope"`
	TokenCommand       []string `toml:"token_command"`
	// These come from the environment, as Password does.
	ClientSecret   Secret `toml:"-"`
	ServiceAccount Secret `toml:"-"`
	RefreshToken   Secret `toml:"-"`
	// Tokens is nil for a sign-in with a password.
	Tokens *oauth.Source `toml:"-"`
}

// uses tells which keys each way to sign in takes.
var uses = map[string][]string{
	"password":                 nil,
	string(oauth.Microsoft):    {"tenant", "client_id", "client_secret_file", "token_url", "scope"},
	string(oauth.Google):       {"service_account_file", "token_url", "scope"},
	string(oauth.RefreshToken): {"client_id", "client_secret_file", "refresh_token_file", "token_url"},
	string(oauth.Command):      {"token_command"},
}

// checkSignIn checks how section signs in, and makes the source of its tokens.
func (l *loader) checkSignIn(section string, a *SignInConfig, user string) {
	if a.Auth == "" {
		a.Auth = "password"
	}
	taken, known := uses[a.Auth]
	if !known {
		l.complain(section+".auth", "is %q, write password, microsoft, google, refresh_token or command", a.Auth)
		return
	}
	before := len(l.problems)
	files := map[string]*string{"client_secret_file": &a.ClientSecretFile, "service_account_file": &a.ServiceAccountFile, "refresh_token_file": &a.RefreshTokenFile}
	for name, file := range files {
		*file = l.expand(section+"."+name, *file)
	}
	has := map[string]bool{
		"tenant": a.Tenant != "", "client_id": a.ClientID != "", "token_url": a.TokenURL != "", "scope": a.Scope != "",
		"client_secret_file":   a.ClientSecretFile != "" || !a.ClientSecret.IsZero(),
		"service_account_file": a.ServiceAccountFile != "" || !a.ServiceAccount.IsZero(),
		"refresh_token_file":   a.RefreshTokenFile != "" || !a.RefreshToken.IsZero(),
		"token_command":        len(a.TokenCommand) > 0,
	}
	for name, given := range has {
		key := section + "." + name
		if given && !slices.Contains(taken, name) {
			l.complain(key, "is not used with auth = %q, delete it or write another auth", a.Auth)
		}
	}
	for _, name := range taken {
		optional := name == "scope" || name == "token_url" && a.Auth != string(oauth.RefreshToken) ||
			name == "client_secret_file" && a.Auth == string(oauth.RefreshToken)
		if !has[name] && !optional {
			l.complain(section+"."+name, "is missing, auth = %q needs it%s", a.Auth, orVariable(section, name))
		}
	}
	if a.TokenURL != "" {
		if err := oauth.CheckURL(a.TokenURL); err != nil {
			l.complain(section+".token_url", "is no address for secrets: %v", err)
		}
	}
	if a.Auth != "password" && user == "" {
		l.complain(section+".user", "is missing though auth is %s, write the mailbox's primary address", a.Auth)
	}
	if a.Auth != "password" && len(l.problems) == before {
		l.source(section, a, user)
	}
}

// orVariable names the variable that may hold the secret instead of a file.
func orVariable(section, name string) string {
	if stem, ok := strings.CutSuffix(name, "_file"); ok {
		return ": write the file that holds it, or set " + variable(section+"."+stem)
	}
	return ""
}

// source makes the source of tokens.
func (l *loader) source(section string, a *SignInConfig, user string) {
	c := oauth.Config{
		Kind: oauth.Kind(a.Auth), User: user, Tenant: a.Tenant, ClientID: a.ClientID, TokenURL: a.TokenURL, Scope: a.Scope, Command: a.TokenCommand,
		ServiceAccount: func(context.Context) (string, error) { return readSecret(a.ServiceAccount, a.ServiceAccountFile) },
		RefreshToken:   func(context.Context) (string, error) { return readPassword(a.RefreshToken, a.RefreshTokenFile) },
	}
	if a.ClientSecretFile != "" || !a.ClientSecret.IsZero() {
		c.ClientSecret = func(context.Context) (string, error) { return readPassword(a.ClientSecret, a.ClientSecretFile) }
	}
	var err error
	if a.Tokens, err = oauth.New(c); err != nil {
		l.complain(section+".auth", "cannot be used: %v", err)
	}
}

// inherit lets section sign in as [mailbox] does, when it has a user and no way of
// its own to sign in. Tokens are shared, unless they are for one address only.
func (l *loader) inherit(section string, a *SignInConfig, user string, password bool, m MailboxConfig) {
	own := l.given[section+".auth"] || password || a.Tenant+a.ClientID+a.TokenURL+a.Scope != "" || len(a.secretFiles())+len(a.TokenCommand) > 0
	if own || user == "" || m.Tokens == nil {
		l.checkSignIn(section, a, user)
		return
	}
	*a = m.SignInConfig
	if user != m.User && m.Auth == string(oauth.Google) {
		l.source(section, a, user)
	}
}

// secretFiles are the files that the sign-in reads.
func (a SignInConfig) secretFiles() (files []string) {
	for _, f := range []string{a.ClientSecretFile, a.ServiceAccountFile, a.RefreshTokenFile} {
		if f != "" {
			files = append(files, f)
		}
	}
	return files
}
