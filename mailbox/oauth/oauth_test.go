package oauth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/mailbox/oauth"
)

const user = "reset@support.example"

func issuer(t testing.TB) *mailtest.Issuer {
	t.Helper()
	i, err := mailtest.NewIssuer(user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func text(s string) oauth.Secret {
	return func(context.Context) (string, error) { return s, nil }
}

func source(t testing.TB, c oauth.Config) *oauth.Source {
	t.Helper()
	s, err := oauth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// key makes a service account and the JSON of its key.
func key(t testing.TB, tokenURL string) (*rsa.PrivateKey, string) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "desk@project.example", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURL})
	if err != nil {
		t.Fatal(err)
	}
	return k, string(b)
}

func microsoft(i *mailtest.Issuer, secret string) oauth.Config {
	return oauth.Config{Kind: oauth.Microsoft, Tenant: "t.example", ClientID: i.ClientID, ClientSecret: text(secret), TokenURL: i.TokenURL()}
}

func TestKindsGetTokens(t *testing.T) {
	i := issuer(t)
	k, account := key(t, i.TokenURL())
	i.Key = &k.PublicKey
	for name, c := range map[string]oauth.Config{
		"microsoft": microsoft(i, i.Secret),
		"google":    {Kind: oauth.Google, User: user, ServiceAccount: text(account)},
		"refresh": {Kind: oauth.RefreshToken, ClientID: i.ClientID, ClientSecret: text(i.Secret),
			RefreshToken: text(i.Refresh), TokenURL: i.TokenURL()},
	} {
		s := source(t, c)
		for range 3 { // the later ones come from memory, or by the refresh token's successor
			token, err := s.Token(t.Context())
			if err != nil || token != i.Last() {
				t.Errorf("%s: %q, %v", name, token, err)
			}
			s.Refused(token)
		}
	}
	if n := i.Issued(); n != 9 {
		t.Errorf("%d tokens", n)
	}
}

// TestRefusalsSayWhatToDo holds the words for what operators meet, and that no secret is in them.
func TestRefusalsSayWhatToDo(t *testing.T) {
	i := issuer(t)
	_, account := key(t, i.TokenURL())
	google := oauth.Config{Kind: oauth.Google, User: user, ServiceAccount: text(account)}
	refresh := oauth.Config{Kind: oauth.RefreshToken, ClientID: i.ClientID, ClientSecret: text(i.Secret), RefreshToken: text("hunter2-refresh"), TokenURL: i.TokenURL()}
	for _, c := range []struct {
		name       string
		conf       oauth.Config
		code, text string
		want       string
	}{
		{"wrong secret", microsoft(i, "hunter2"), "", "", "create a new one in Entra"},
		{"expired secret", microsoft(i, "hunter2"), "invalid_client", "AADSTS7000222: The provided client secret keys are expired.", "create a new one in Entra"},
		{"consent", microsoft(i, i.Secret), "invalid_grant", "AADSTS65001: no consent", "Grant admin consent"},
		{"unknown app", microsoft(i, i.Secret), "unauthorized_client", "AADSTS700016: not found", "Check tenant and client_id"},
		{"foreign key", google, "", "", "create a new key"},
		{"delegation", google, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method", "Domain-wide delegation"},
		{"no such user", google, "invalid_grant", "Invalid email or User ID", "primary address"},
		{"revoked", refresh, "", "", "get a new one"},
		{"an echo", microsoft(i, "hunter2"), "odd", "you sent " + strings.Repeat("x", 5000) + "\x00\n", "refused: odd (you sent ...)"},
	} {
		i.Refuse(c.code, c.text)
		s := source(t, c.conf)
		before := i.Asked()
		_, err := s.Token(t.Context())
		var e *oauth.Error
		if !errors.As(err, &e) || !e.Permanent() || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 480 {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, again := s.Token(t.Context()); again == nil || i.Asked() != before+1 {
			t.Errorf("%s: asked %d times: no pause after a failure", c.name, i.Asked()-before)
		}
	}
}

func TestFaultsPass(t *testing.T) {
	i := issuer(t)
	for fault, want := range map[mailtest.IssuerFault]string{
		mailtest.IssuerHang: "did not answer in time", mailtest.IssuerGarbage: "holds no token", mailtest.IssuerEndless: "far longer",
		mailtest.IssuerDown: "answered 500", mailtest.IssuerLost: "EOF", mailtest.IssuerRedirect: "not followed",
	} {
		i.Fault(fault)
		c := microsoft(i, i.Secret)
		c.Timeout = 200 * time.Millisecond
		before := i.Asked()
		_, err := source(t, c).Token(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || i.Asked() != before+1 {
			t.Errorf("%s: %v, asked %d times", fault, err, i.Asked()-before)
		}
		var e *oauth.Error
		if errors.As(err, &e) && e.Permanent() != (fault == mailtest.IssuerRedirect) {
			t.Errorf("%s: permanent %v", fault, e.Permanent())
		}
	}
}

// TestOneRefreshForAll lets many callers want a token at once, and some give up.
func TestOneRefreshForAll(t *testing.T) {
	i := issuer(t)
	s := source(t, microsoft(i, i.Secret))
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if n%5 == 0 {
				cancel()
			}
			if token, err := s.Token(ctx); err == nil && !i.Good(user, token) || err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%q, %v", token, err)
			}
		})
	}
	all.Wait()
	if token, err := s.Token(t.Context()); err != nil || token != i.Last() {
		t.Errorf("%q, %v", token, err)
	}
	if n := i.Issued(); n > 2 { // one more if all who waited first had given up
		t.Errorf("%d tokens", n)
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	counter := filepath.Join(dir, "count")
	run := func(script string, timeout time.Duration) *oauth.Source {
		return source(t, oauth.Config{Kind: oauth.Command, Command: []string{"/bin/sh", "-c", script, "sh", counter}, Timeout: timeout})
	}
	t.Setenv("RESETDESK_MAILBOX_PASSWORD", "hunter2")
	s := run(`echo run >> "$1"; echo "tok$RESETDESK_MAILBOX_PASSWORD"`, 0)
	for range 3 {
		if token, err := s.Token(t.Context()); token != "tok" || err != nil {
			t.Errorf("%q, %v", token, err)
		}
	}
	if b, err := os.ReadFile(counter); err != nil || string(b) != "run\n" {
		t.Errorf("ran: %q, %v", b, err)
	}
	secret := strings.Repeat("s3cr3t", 10)
	for script, want := range map[string]string{
		"echo no account >&2; exit 3":        "failed with exit status 3 (no account)",
		"echo " + secret + " >&2; exit 1":    "exit status 1 (...)",
		"sleep 60 & sleep 60":                "did not end within",
		"yes":                                "far more than a token",
		"true":                               "printed nothing",
		"printf 'a b'":                       "blanks",
		`printf '{"access_token":7}'`:        "without an access_token",
		`printf '{"access_token":"%s"' oops`: "without an access_token",
	} {
		began := time.Now()
		_, err := run(script, 300*time.Millisecond).Token(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) && !(script == "yes" && strings.Contains(err.Error(), "did not end")) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", script, err)
		}
		if time.Since(began) > 5*time.Second {
			t.Errorf("%s: took %v", script, time.Since(began))
		}
	}
	// What the command started ends with it.
	if _, err := run(`sleep 60 & echo $! > "$1"; wait`, 300*time.Millisecond).Token(t.Context()); err == nil {
		t.Error("a token from nowhere")
	}
	b, err := os.ReadFile(counter)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("process %d lives on", child)
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	missing := source(t, oauth.Config{Kind: oauth.Command, Command: []string{filepath.Join(dir, "none")}})
	if _, err := missing.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "token_command") {
		t.Errorf("missing: %v", err)
	}
}

// TestSourceHidesItsToken tries the usual ways of printing.
func TestSourceHidesItsToken(t *testing.T) {
	i := issuer(t)
	s := source(t, microsoft(i, "client secret"))
	if _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "source", s)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "source", s, "within", struct{ S *oauth.Source }{s})
	asJSON, err := json.Marshal(map[string]any{"source": s})
	all := log.String() + string(asJSON) + fmt.Sprintf("%v %+v %#v %s %x", s, s, s, s, s)
	if err != nil || strings.Contains(all, i.Last()) || strings.Contains(all, "client secret") || !strings.Contains(all, "Microsoft 365") {
		t.Errorf("%s, %v", all, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]oauth.Config{
		"kind":     {Kind: "magic"},
		"tenant":   {Kind: oauth.Microsoft, Tenant: "../x", ClientID: "c", ClientSecret: text("s")},
		"http":     {Kind: oauth.RefreshToken, ClientID: "c", RefreshToken: text("r"), TokenURL: "http://login.example/token"},
		"userinfo": {Kind: oauth.RefreshToken, ClientID: "c", RefreshToken: text("r"), TokenURL: "https://a:b@login.example/token"},
		"program":  {Kind: oauth.Command},
		"user":     {Kind: oauth.Google, ServiceAccount: text("{}")},
	} {
		if _, err := oauth.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
