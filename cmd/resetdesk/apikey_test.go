package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

func TestReadKey(t *testing.T) {
	k, err := readKey("panel", []string{"totp:verify", " totp:read"}, []string{"192.0.2.10", "2001:db8::1/32"}, "365d")
	if err != nil || len(k.Scopes) != 2 || k.Scopes[1] != review.TOTPRead || joinNetworks(k.Allow) != "192.0.2.10/32,2001:db8::/32" ||
		time.Until(k.Expires) < 364*24*time.Hour {
		t.Errorf("%+v, %v", k, err)
	}
	for _, bad := range [][2]string{{"192.0.2.300", ""}, {"", "never"}, {"", "-1d"}} {
		var allow []string
		if bad[0] != "" {
			allow = []string{bad[0]}
		}
		if _, err := readKey("panel", nil, allow, bad[1]); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestKeyState(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, k := range map[string]review.APIKey{
		"live":               {},
		"until 2027-01-03":   {Expires: now.AddDate(0, 0, 1)},
		"expired 2027-01-01": {Expires: now.AddDate(0, 0, -1)},
		"revoked 2027-01-02": {Expires: now.AddDate(0, 0, 1), Revoked: now},
	} {
		if got := keyState(k, now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A key as an operator makes, lists and revokes it; its token opens the API that
// serve would serve, and is on no list.
func TestAPIKeyCommands(t *testing.T) {
	config := write(t, ExampleConfig(Example{BaseURL: "http://127.0.0.1:1"}))
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Write(filepath.Join(filepath.Dir(config), "resetdesk.keys")); err != nil {
		t.Fatal(err)
	}
	said := func(code int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := rootCommand()
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(longFlags(append(args, "-config", config)))
		if got := exitCode(root.ExecuteContext(t.Context())); got != code {
			t.Errorf("%q: exit code %d, want %d: %s", args, got, code, out.String())
		}
		return out.String()
	}
	token := regexp.MustCompile(`rdk_[0-9A-Z]{52}`).FindString(said(0, "apikey", "add", "panel", "-scope", "accounts:read,totp:verify", "-allow", "127.0.0.1"))
	if token == "" {
		t.Fatal("no token")
	}
	said(exitFailed, "apikey", "add", "panel")
	said(exitFailed, "apikey", "add", "panel", "-scope", "cases:approve")
	said(exitUsage, "apikey", "add", "panel", "-scope", "totp:read", "-allow", "here")
	said(exitUsage, "apikey", "revoke", "panel")
	call := func() int {
		t.Helper()
		status := 0
		err := withDesk(t.Context(), config, func(cfg Config, d *review.Desk) error {
			api, err := openAPI(cfg, d, nil)
			if err != nil {
				return err
			}
			r := httptest.NewRequest("GET", "http://127.0.0.1:1/api/v1/accounts", nil)
			r.RemoteAddr = "127.0.0.1:4711"
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			status = w.Code
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if got := call(); got != http.StatusOK {
		t.Errorf("the key gets %d", got)
	}
	if s := said(0, "apikey", "list"); strings.Contains(s, token) || !strings.Contains(s, "127.0.0.1/32") || !strings.Contains(s, "live") {
		t.Error(s)
	}
	said(0, "apikey", "revoke", "1")
	said(exitFailed, "apikey", "revoke", "1")
	if got := call(); got != http.StatusUnauthorized {
		t.Errorf("the revoked key gets %d", got)
	}
	var list []review.APIKey
	if err := json.Unmarshal([]byte(said(0, "apikey", "list", "-json")), &list); err != nil || len(list) != 1 || list[0].Revoked.IsZero() || list[0].Used.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}
