package browser_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	bits "encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// openProvider starts a provider that others wrote, with a form to sign in: the
// example of github.com/zitadel/oidc. Its ID tokens are thin.
func openProvider(t *testing.T, desk string) (issuer string) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	storage.RegisterClients(storage.WebClient("resetdesk", "client secret", desk+"/sign-in/sso/callback"))
	handler = exampleop.SetupServer(server.URL, storage.NewStorage(storage.NewUserStore(server.URL)), slog.New(slog.DiscardHandler), false)
	return server.URL
}

// freePort is a port that nobody has at this moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// openDesk starts "resetdesk serve" for a person who is invited, and returns the
// link of the invitation.
func openDesk(t *testing.T, port, admin string, env ...string) (invitation string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("build the program: %v", err)
	}
	dir := t.TempDir()
	init, err := exec.Command(path, "init", "-dir", dir, "-base-url", "http://localhost:"+port, "-admin", admin, "-name", "Tess").CombinedOutput()
	if err != nil {
		t.Fatalf("init: %v\n%s", err, init)
	}
	out := &screen{}
	program := exec.Command(path, "serve", "-only", "web", "-config", filepath.Join(dir, "resetdesk.toml"))
	program.Env = append(append(os.Environ(), "RESETDESK_SERVER_LISTEN=127.0.0.1:"+port), env...)
	program.Stdout, program.Stderr = out, out
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	t.Cleanup(func() {
		_ = program.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			_ = program.Process.Kill()
			t.Error("the desk does not end")
		}
		if t.Failed() {
			t.Logf("the desk wrote\n%s", out)
		}
	})
	for begun := time.Now(); time.Since(begun) < 30*time.Second && len(ended) == 0; time.Sleep(20 * time.Millisecond) {
		if strings.Contains(out.String(), "serving pages") {
			return regexp.MustCompile(`http://localhost:\d+/invite/\w+`).FindString(string(init))
		}
	}
	t.Fatalf("the desk does not serve:\n%s", out)
	return ""
}

// codeOf computes the code of a key (RFC 6238).
func codeOf(t *testing.T, key string, at time.Time) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.ReplaceAll(key, " ", "")))
	if err != nil {
		t.Fatalf("the key is %q: %v", key, err)
	}
	h := hmac.New(sha1.New, raw)
	h.Write(bits.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := h.Sum(nil)
	return fmt.Sprintf("%06d", bits.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// Single sign-on at a provider that others wrote: an invitation binds by its form,
// the desk's own second factor follows, and the next time the groups of the user
// information say who is what. The program is the real one, configured by its
// environment, and the provider is another site to the browser.
func TestSingleSignOn(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	port := freePort(t)
	desk := "http://localhost:" + port
	issuer := openProvider(t, desk)
	invitation := openDesk(t, port, "test-user2@zitadel.ch", "RESETDESK_SERVER_SSO_ISSUER="+issuer, "RESETDESK_SERVER_SSO_CLIENT_ID=resetdesk",
		"RESETDESK_SERVER_SSO_CLIENT_SECRET=client secret", "RESETDESK_SERVER_SSO_NAME=Zitadel",
		"RESETDESK_SERVER_SSO_GROUPS_CLAIM=preferred_username", "RESETDESK_SERVER_SSO_ROLES_ADMIN=test-user2", "RESETDESK_SERVER_SSO_ROLES_LEAD=somebody")
	h := house{issuer, issuer, desk}
	v := &visitor{house: h, test: t, t: t, browser: browser, watch: newWatch(h), used: map[string]bool{}, script: true}
	defer v.end()
	d := v.openTab()
	login := func(user, password string) {
		d.fill(thing{`//input[@name="username"]`, "user name"}, user).fill(thing{`//input[@name="password"]`, "password"}, password)
	}
	var key string
	v.scene("invitation", func() {
		d.visit(invitation).look("invitation").press(link("continue with Zitadel")).shows("Username:")
		login("test-user2", "wrong")
		d.press(button("Login")).shows("Username:")
		login("test-user2", "verysecure")
		d.press(button("Login")).shows("Your second factor", "Set it up").look("factor-first")
		d.press(link("Set it up")).press(button("Set it up"))
		d.evaluate(`document.querySelector("#tfa-key").textContent`, &key)
		d.fill(field("Code of 6 digits"), codeOf(t, key, time.Now().Add(-30*time.Second))).press(button("Confirm")).shows("Save your backup codes")
		d.choose(field("I have saved them")).press(button("Finish")).shows("Single sign-on told us who you are").look("factor")
		d.visit(desk + "/").shows("Your second factor") // nothing opens without it
		d.fill(field("Code from your authenticator"), codeOf(t, key, time.Now())).press(button("Continue")).shows("Sign out", "Tess admin")
	})
	v.scene("next time", func() {
		d.press(button("Sign out"))
		d.visit(desk + "/sign-in?next=/settings/reviewers").look("sign-in-sso").press(link("Continue with Zitadel"))
		login("test-user2", "verysecure")
		d.press(button("Login")).shows("Your second factor")
		d.fill(field("Code from your authenticator"), codeOf(t, key, time.Now().Add(30*time.Second))).press(button("Continue")).shows("Reviewers", "single sign-on").look("reviewers-sso")
		d.visit(desk + "/settings").shows("who works here")
		d.visit(desk + "/profile").shows("none; you come by single sign-on").look("profile-sso")
	})
	v.scene("somebody without a group", func() {
		d.press(button("Sign out"))
		d.visit(desk + "/sign-in").press(link("Continue with Zitadel"))
		login("test-user@127.0.0.1", "verysecure")
		d.refused(401, button("Login")).shows("Your groups give you no role at the desk").look("sign-in-no-role")
	})
}
