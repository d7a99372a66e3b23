package main

import (
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/sso"
)

// SSOConfig is [server.sso]: single sign-on of staff. Without an issuer there is
// none.
type SSOConfig struct {
	Issuer           string         `toml:"issuer"` // exactly as the provider writes it
	ClientID         string         `toml:"client_id"`
	ClientSecretFile string         `toml:"client_secret_file"` // "" for a public client
	Name             string         `toml:"name"`               // on the button; the host of the issuer when not given
	Scopes           []string       `toml:"scopes"`             // beside openid
	ACR              []string       `toml:"acr"`                // one of them must be in the token
	AMR              []string       `toml:"amr"`                // one of them must be in the token
	Only             bool           `toml:"only"`               // nobody signs in otherwise
	GroupsClaim      string         `toml:"groups_claim"`
	Roles            SSORolesConfig `toml:"roles"`
	// ClientSecret comes from RESETDESK_SERVER_SSO_CLIENT_SECRET.
	ClientSecret Secret `toml:"-"`
}

// SSORolesConfig is [server.sso.roles]: the groups of each role. With any, the
// groups govern.
type SSORolesConfig struct {
	Viewer   []string `toml:"viewer"`
	Auditor  []string `toml:"auditor"`
	Reviewer []string `toml:"reviewer"`
	Lead     []string `toml:"lead"`
	Admin    []string `toml:"admin"`
}

// groups are the lists, by the name of the role.
func (r SSORolesConfig) groups() map[string][]string {
	return map[string][]string{"viewer": r.Viewer, "auditor": r.Auditor, "reviewer": r.Reviewer, "lead": r.Lead, "admin": r.Admin}
}

// inOrder walks a map by its keys, so that the same file has the same errors.
func inOrder(m map[string][]string) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// roles says what each group makes of somebody.
func (r SSORolesConfig) roles() map[string]review.Role {
	all := map[string]review.Role{}
	for role, groups := range r.groups() {
		for _, g := range groups {
			all[g] = review.Role(role)
		}
	}
	return all
}

func (l *loader) checkSSO(c *SSOConfig) {
	c.ClientSecretFile = l.expand("server.sso.client_secret_file", c.ClientSecretFile)
	if c.Issuer == "" {
		for _, key := range slices.Sorted(maps.Keys(l.given)) {
			if strings.HasPrefix(key, "server.sso.") && key != "server.sso.issuer" {
				l.complain("server.sso.issuer", "is missing though there is %s; write the address of the provider such as https://id.example.net, or delete the section", key)
				return
			}
		}
		if !c.ClientSecret.IsZero() {
			l.complain("server.sso.issuer", "is missing though there is a client secret; write the address of the provider such as https://id.example.net")
		}
		return
	}
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(c.Issuer, "?#"):
		l.complain("server.sso.issuer", "is %q, write it as the provider does, such as https://id.example.net", c.Issuer)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		l.complain("server.sso.issuer", "is %q, write https:// (http is for loopback only)", c.Issuer)
	}
	l.required("server.sso.client_id", c.ClientID, "resetdesk")
	if len(c.Name) > 60 {
		l.complain("server.sso.name", "is %d bytes long, write at most 60: it stands on a button", len(c.Name))
	}
	if slices.Contains(c.Scopes, "offline_access") {
		l.complain("server.sso.scopes", "holds offline_access, delete it: the desk keeps no tokens")
	}
	roles := map[string]string{}
	for role, groups := range inOrder(c.Roles.groups()) {
		for _, g := range groups {
			if strings.TrimSpace(g) == "" {
				l.complain("server.sso.roles."+role, "holds an empty name, write the groups as the provider names them")
			}
			if roles[g] != "" {
				l.complain("server.sso.roles."+role, "holds %q, which is given a role before; name each group once", g)
			}
			roles[g] = role
		}
	}
	if l.given["server.sso.groups_claim"] && len(roles) == 0 && c.GroupsClaim != "" {
		l.complain("server.sso.groups_claim", "is not used without groups, write [server.sso.roles] with, for example, reviewer = [\"support\"]")
	}
}

// provider is what the pages ask, nil if there is no single sign-on. Nobody is
// asked yet: the desk starts whether the provider answers or not.
func (c SSOConfig) provider(baseURL string) (*sso.Provider, error) {
	if c.Issuer == "" {
		return nil, nil
	}
	p := sso.Config{Name: c.Name, Issuer: c.Issuer, ClientID: c.ClientID, BaseURL: baseURL, Scopes: c.Scopes,
		GroupsClaim: c.GroupsClaim, Roles: c.Roles.roles(), ACR: c.ACR, AMR: c.AMR}
	if c.ClientSecretFile != "" || !c.ClientSecret.IsZero() {
		p.Secret = func() (string, error) { return readPassword(c.ClientSecret, c.ClientSecretFile) }
	}
	return sso.New(p)
}
