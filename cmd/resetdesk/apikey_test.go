package main

import (
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
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
