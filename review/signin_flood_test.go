package review_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// guess tries a wrong password and returns the answer as a stranger sees it.
func (h *house) guess(email, ip string) string {
	h.t.Helper()
	_, err := h.desk.SignIn(h.t.Context(), review.SignIn{Email: email, Password: "another long password", Code: "000000", IP: ip})
	if err == nil {
		h.t.Fatalf("%s got in with a wrong password", email)
	}
	return string(review.KindOf(err)) + ": " + err.Error()
}

// samFrom signs Sam in with everything right.
func (h *house) samFrom(ip string) error {
	h.t.Helper()
	_, err := h.desk.SignIn(h.t.Context(), review.SignIn{Email: "sam@host.example", Password: goodPassword, Code: h.fresh(h.sam.Reviewer.Holder), IP: ip})
	return err
}

// A stranger who guesses waits; the reviewer at another place does not.
func TestGuessesLockNobodyElseOut(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for range 20 { // the longest wait, again and again
			for range 6 {
				h.guess("sam@host.example", "203.0.113.9")
			}
			if err := h.samFrom("127.0.0.1"); err != nil {
				t.Fatalf("sam at the usual place: %v", err)
			}
			time.Sleep(15 * time.Minute)
		}
		if err := h.samFrom("198.51.100.1"); err != nil {
			t.Errorf("sam at a new place: %v", err)
		}
	})
}

// Networks wait, not single addresses of them.
func TestGuessesOfOneNetwork(t *testing.T) {
	for name, c := range map[string]struct{ from, same, other string }{
		"IPv4":         {"203.0.113.9", "203.0.113.200", "203.0.114.9"},
		"IPv6":         {"2001:db8:1:1::1", "2001:db8:1:ffff::2", "2001:db8:2:1::1"},
		"zone":         {"fe80::1%eth0", "fe80::2%eth1", "2001:db8::1"},
		"mapped":       {"::ffff:203.0.113.9", "203.0.113.7", "::ffff:203.0.114.9"},
		"no address":   {"", "unknown", "203.0.113.9"},
		"the IPv6 /32": {"2001:db8:1::1", "2001:db8:1:2::1", "2001:db8:3::1"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				for range 5 {
					h.guess("sam@host.example", c.from)
				}
				time.Sleep(30 * time.Second)
				h.guess("sam@host.example", c.from) // the sixth: a minute
				wantKind(t, "the same network", h.samFrom(c.same), review.TooMany)
				if err := h.samFrom(c.other); err != nil {
					t.Errorf("another network: %v", err)
				}
			})
		})
	}
}

// Whether an address is a reviewer's shows in no answer, from one network or
// from many, nor after a restart.
func TestGuessesTellNothing(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		answers := func(email string) (all []string) {
			for range 8 {
				all = append(all, h.guess(email, "203.0.113.9"))
			}
			for i := range 30 {
				all = append(all, h.guess(email, fmt.Sprintf("198.51.%d.9", i)))
			}
			return all
		}
		known, unknown := answers("sam@host.example"), answers("nobody@host.example")
		if !slices.Equal(known, unknown) {
			t.Errorf("a reviewer:\n%q\nnobody:\n%q", known, unknown)
		}
		h.reopen()
		known, unknown = answers("sam@host.example"), answers("nobody@host.example")
		if !slices.Equal(known, unknown) {
			t.Errorf("after a restart, a reviewer:\n%q\nnobody:\n%q", known, unknown)
		}
	})
}

// Guesses from many networks slow the places that a reviewer never signed in
// from, also after a restart, and no other.
func TestGuessesFromEverywhere(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		attack := func() {
			for i := range 20 {
				h.guess("sam@host.example", fmt.Sprintf("198.51.%d.9", i))
			}
			h.reopen()
		}
		attack()
		wantKind(t, "the right one at a new place", h.samFrom("203.0.113.9"), review.Denied)
		if err := h.samFrom("127.0.0.77"); err != nil {
			t.Fatalf("at the usual place: %v", err)
		}
		attack()
		time.Sleep(time.Minute)
		if err := h.samFrom("203.0.113.9"); err != nil {
			t.Errorf("at a new place a minute later: %v", err)
		}
		attack()
		if err := h.samFrom("203.0.113.10"); err != nil {
			t.Errorf("at the place that is not new any more: %v", err)
		}
	})
}

// Strangers cannot fill the memory with addresses.
func TestTriesAreBounded(t *testing.T) {
	if n, first, last := review.CountTries(review.MaxTries); n != review.MaxTries || !first || !last {
		t.Errorf("%d remembered, first %t, last %t", n, first, last)
	}
	if n, first, last := review.CountTries(review.MaxTries + 1); n != review.MaxTries || first || !last {
		t.Errorf("%d remembered, first %t, last %t", n, first, last)
	}
}

// Eight sign-ins wait for their turn to hash, no longer than their visitors do.
func TestPasswordQueue(t *testing.T) {
	h := newHouse(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := review.HoldHashes()
	wrong := review.SignIn{Email: "sam@host.example", Password: "another long password", IP: "203.0.113.9"}
	ended := make(chan error, 8)
	for range 8 {
		go func() {
			_, err := h.desk.SignIn(ctx, wrong)
			ended <- err
		}()
	}
	until(t, func() bool { return review.Hashing() == 10 })
	_, err := h.desk.SignIn(t.Context(), wrong)
	wantKind(t, "the ninth", err, review.TooMany)
	token, err := h.desk.Invite(t.Context(), "host", "ina@host.example", "Ina", review.Decider)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.desk.AcceptInvitation(t.Context(), token, goodPassword)
	wantKind(t, "a new password meanwhile", err, review.TooMany)
	cancel()
	for range 8 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a visitor who went: %v", err)
		}
	}
	release()
	for range 5 { // none of those tries was counted
		_, err := h.desk.SignIn(t.Context(), wrong)
		wantKind(t, "afterwards", err, review.Denied)
	}
	if n := review.Hashing(); n != 0 {
		t.Errorf("%d places are lost", n)
	}
}

func until(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it never happens")
		}
	}
}

// A link that ends while the password is hashed sets no password.
func TestInvitationEndsMeanwhile(t *testing.T) {
	for name, end := range map[string]func(h *house, token string){
		"finished": func(h *house, token string) {
			if err := h.desk.FinishInvitation(h.t.Context(), token); err != nil {
				h.t.Fatal(err)
			}
		},
		"disabled": func(h *house, token string) {
			if _, err := h.sql().ExecContext(h.t.Context(), `UPDATE reviewer SET disabled_at = 1 WHERE email = 'ina@host.example'`); err != nil {
				h.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, t.TempDir(), nil)
			token, r := h.invited()
			stored := func() string { return h.text(`SELECT password FROM reviewer WHERE email = 'ina@host.example'`) }
			before := stored()
			release := review.HoldHashes()
			ended := make(chan error, 1)
			go func() {
				_, err := h.desk.AcceptInvitation(t.Context(), token, "another long password")
				ended <- err
			}()
			until(t, func() bool { return review.Hashing() == 3 })
			end(h, token)
			release()
			wantKind(t, "the password of a link that ended", <-ended, review.NotFound)
			if stored() != before {
				t.Errorf("the password of %s changed", r.Name)
			}
		})
	}
}

// invited is a reviewer who did everything but finish.
func (h *house) invited() (token string, r review.Reviewer) {
	h.t.Helper()
	token, err := h.desk.Invite(h.t.Context(), "host", "ina@host.example", "Ina", review.Decider)
	if err != nil {
		h.t.Fatal(err)
	}
	if r, err = h.desk.AcceptInvitation(h.t.Context(), token, goodPassword); err != nil {
		h.t.Fatal(err)
	}
	h.enroll(r.Holder, "")
	return token, r
}

// The first sign-in ends the link, if its reader never came to its last page.
func TestInvitationEndsAtSignIn(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		token, r := h.invited()
		h.signIn("ina@host.example", r.Holder)
		_, err := h.desk.Invitation(t.Context(), token)
		wantKind(t, "the link", err, review.NotFound)
		_, err = h.desk.AcceptInvitation(t.Context(), token, "another long password")
		wantKind(t, "a new password", err, review.NotFound)
		wantKind(t, "finishing", h.desk.FinishInvitation(t.Context(), token), review.NotFound)
		h.fresh(r.Holder)
		h.signIn("ina@host.example", r.Holder)
	})
}
