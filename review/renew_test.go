package review_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// A password gets a new hash at the sign-in when the cost is another one, and only
// when everything is right.
func TestRenewPassword(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		stored := func() string { return h.text(`SELECT password FROM reviewer WHERE email = 'sam@host.example'`) }
		before := stored()
		if err := h.samFrom("127.0.0.1"); err != nil || stored() != before {
			t.Fatalf("the same cost: %v", err)
		}
		h.cfg.Passwords = review.Argon2{KiB: 128, Passes: 2, Threads: 1}
		h.reopen()
		h.guess("sam@host.example", "203.0.113.9")
		if _, err := h.desk.SignIn(t.Context(), review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: "000000", IP: "203.0.113.9"}); err == nil || stored() != before {
			t.Fatalf("a wrong code: %v", err)
		}
		for range 2 {
			if err := h.samFrom("127.0.0.1"); err != nil {
				t.Fatal(err)
			}
			if now := stored(); !strings.HasPrefix(now, "$argon2id$v=19$m=128,t=2,p=1$") || now == before {
				t.Errorf("stored is %s", now)
			}
		}
	})
}

// Wrong answers for one reviewer's passkeys wait, from one network and no other.
func TestPasskeyTries(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		a := h.addPasskey(h.sam, "blue key")
		try := func(ip string) error {
			_, err := h.desk.SignInByPasskey(t.Context(), h.askSignIn(a), review.Entry{IP: ip})
			return err
		}
		a.Origin = "https://evil.example"
		for i := range 5 {
			wantKind(t, fmt.Sprint("wrong ", i), try("203.0.113.9"), review.Denied)
		}
		a.Origin = "https://reset.example"
		wantKind(t, "the right one from there", try("203.0.113.10"), review.TooMany)
		if err := try("198.51.100.1"); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
		if n := h.count(`SELECT count(*) FROM passkey_use`); n != 1 {
			t.Errorf("%d answers were written down", n)
		}
	})
}
