package oauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/oauth"
)

func FuzzServiceAccount(f *testing.F) {
	// No seed has a good key: with one, the fuzzer does little but check primes. TestKindsGetTokens has it.
	const good = `{"type":"service_account","client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n","token_uri":"https://oauth2.example/token"}`
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "https", "http", 1)))
	f.Add([]byte(strings.Replace(good, "service_account", "authorized_user", 1)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		email, at, err := oauth.ParseAccount(raw)
		if err == nil && (email == "" || oauth.CheckURL(at) != nil) {
			t.Errorf("accepted %q, %q", email, at)
		}
		if err != nil && (email != "" || len(err.Error()) > 200) {
			t.Errorf("%q, %v", email, err)
		}
	})
}

func FuzzCommandOutput(f *testing.F) {
	f.Add([]byte("token\n"))
	f.Add([]byte(`{"access_token":"x","expires_in":"3600"}`))
	f.Add([]byte("eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTU2NTAwMDB9.x"))
	now := time.Unix(1795646000, 0)
	f.Fuzz(func(t *testing.T, raw []byte) {
		token, _, err := oauth.ReadOutput(raw, now)
		if (token == "") != (err != nil) {
			t.Errorf("%q, %v", token, err)
		}
	})
}

func TestCommandOutputTellsItsEnd(t *testing.T) {
	now := time.Unix(1795646000, 0)
	for out, end := range map[string]time.Time{
		"token\n":                                {},
		`{"access_token":"x","expires_in":3600}`: now.Add(time.Hour),
		`{"access_token":"x"}`:                   {},
		"eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTU2NTAwMDB9.x\n": time.Unix(1795650000, 0),
		"a.b.c": {},
	} {
		if _, got, err := oauth.ReadOutput([]byte(out), now); !got.Equal(end) || err != nil {
			t.Errorf("%s: %v, %v", out, got, err)
		}
	}
}
