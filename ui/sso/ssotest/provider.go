// Package ssotest is a provider of OpenID Connect for tests: it speaks the code
// flow with PKCE as the standards say, signs what it says, and lies on demand.
// Whoever comes is signed in at once.
package ssotest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ClientID and Secret are those of the one client.
const (
	ClientID = "resetdesk"
	Secret   = "client secret"
)

// A Provider is the server. Its fields are the lies, and may be changed between
// requests. Without any it is honest.
type Provider struct {
	Issuer string
	User   map[string]any // claims of whoever comes; "sub" must be among them

	Thin      bool                                  // the ID token has the subject alone
	Info      map[string]any                        // what the user information says instead
	Claims    func(map[string]any)                  // changes those of the ID token
	Sign      func(p *Provider, text []byte) string // signs the ID token otherwise
	Redirect  func(url.Values)                      // changes what the browser brings back
	NoISS     bool                                  // RFC 9207 is not known
	Forgetful bool                                  // codes work again and again, without a verifier
	Down      bool                                  // answers nothing but errors

	mu       sync.Mutex
	kid      int
	key      *rsa.PrivateKey
	codes    map[string]url.Values
	Exchange []url.Values // what came to the token endpoint
	Asked    int          // requests
}

// New makes a provider for a person.
func New(issuer string, user map[string]any) (*Provider, error) {
	p := &Provider{Issuer: issuer, User: user, codes: map[string]url.Values{}}
	return p, p.Rotate()
}

// Rotate takes a new key; the one before is gone.
func (p *Provider) Rotate() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.kid = key, p.kid+1
	return nil
}

// KeyID names the key of this moment.
func (p *Provider) KeyID() string { return fmt.Sprintf("key-%d", p.kid) }

// PublicPEMLike is the public key as bytes, which an HMAC must never take as its key.
func (p *Provider) PublicPEMLike() []byte { return x509.MarshalPKCS1PublicKey(&p.key.PublicKey) }

// SignWith signs with the right algorithm and any key and key ID.
func SignWith(key any, alg jose.SignatureAlgorithm, kid string, text []byte) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

// ServeHTTP is the provider. It is one at a time, so that lies do not race.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Asked++
	if p.Down {
		http.Error(w, "out of order", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(w, map[string]any{"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
			"jwks_uri": p.Issuer + "/keys", "userinfo_endpoint": p.Issuer + "/userinfo", "response_types_supported": []string{"code"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
			"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": !p.NoISS})
	case "/keys":
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: p.KeyID(), Algorithm: "RS256", Use: "sig"}}})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	case "/userinfo":
		if p.Info != nil {
			answer(w, p.Info)
			return
		}
		answer(w, p.User)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // to a reader who left
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		http.Error(w, "no request for a code with PKCE", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if !p.NoISS {
		back.Set("iss", p.Issuer)
	}
	if p.Redirect != nil {
		p.Redirect(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.Exchange = append(p.Exchange, r.PostForm)
	refuse := func(why string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]string{"error": why})
	}
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if plain, err := url.QueryUnescape(secret); err != nil || id != ClientID || plain != Secret && secret != Secret {
		refuse("invalid_client")
		return
	}
	asked, known := p.codes[r.PostForm.Get("code")]
	if !known || r.PostForm.Get("redirect_uri") != asked.Get("redirect_uri") {
		refuse("invalid_grant")
		return
	}
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !p.Forgetful {
		delete(p.codes, r.PostForm.Get("code"))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
			refuse("invalid_grant")
			return
		}
	}
	now := time.Now()
	claims := map[string]any{}
	if !p.Thin {
		maps.Copy(claims, p.User)
	}
	maps.Copy(claims, map[string]any{"iss": p.Issuer, "aud": ClientID, "sub": p.User["sub"], "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": asked.Get("nonce")})
	if p.Claims != nil {
		p.Claims(claims)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		refuse("server_error")
		return
	}
	sign := p.Sign
	if sign == nil {
		sign = func(p *Provider, text []byte) string { return SignWith(p.key, jose.RS256, p.KeyID(), text) }
	}
	answer(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": sign(p, text)})
}

// Client reaches the provider without a socket.
func (p *Provider) Client() *http.Client { return &http.Client{Transport: direct{p}} }

type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}
