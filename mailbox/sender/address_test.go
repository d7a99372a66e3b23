package sender_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

func TestEnrollable(t *testing.T) {
	for addr, ok := range map[string]bool{
		"admin@legit.example": true, "a.b+c@x.co.uk": true, "Admin@Legit.Example": true,
		"admin@co.uk": false, "admin@CO.UK": false, "admin@github.io": false, "admin@example": false,
		"admin": false, "a b@legit.example": false, "a@b@legit.example": false, `"a"@legit.example`: false, "": false,
	} {
		if err := sender.Enrollable(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestLookalike(t *testing.T) {
	regs := []string{"other@else.example", registered, "info@modern-wallet.com"}
	for addr, want := range map[string]string{
		"admin@1egit.example": registered, "admin@LEGlT.example": registered, "ADMIN@leglt.example": registered,
		"admin@l\u0435git.example": registered, "admin@xn--lgit-u4d.example": registered, "admin@l\u00e9git.example": registered,
		"admin@legit.exmaple": registered, "admin@le-git.example": registered, "admin@legitt.exampl": registered,
		"admin@\uff4c\uff45\uff47\uff49\uff54.example": registered,
		"info@modem-vvallet.com":                       "info@modern-wallet.com", "info@rnodern-wallet.com": "info@modern-wallet.com",
		"admin@legit.example": "", "Admin@Legit.example": "", "admin+x@legit.example": "", "adm.in@legit.example": "", "ann@legit.example": "",
		"ann@1egit.example": "", "admin@attack.example": "", "admin@sub.legit.example": "", "admin": "", "": "", "@": "",
	} {
		got, ok := sender.Lookalike(addr, regs)
		if got != want || ok != (want != "") {
			t.Errorf("%q imitates %q, want %q", addr, got, want)
		}
	}
}

func TestSkeleton(t *testing.T) {
	for a, b := range map[string]string{
		"paypal.com": "paypa1.com", "google.com": "g\u043e\u043egle.com", "modern.com": "modem.com", "world.com": "vvorld.com",
		"legit.example": "LEGIT.EXAMPLE", "m\u00fcnchen.de": "xn--mnchen-3ya.de",
	} {
		if sender.Skeleton(a) != sender.Skeleton(b) {
			t.Errorf("%q (%q) and %q (%q) differ", a, sender.Skeleton(a), b, sender.Skeleton(b))
		}
	}
	for a, b := range map[string]string{"legit.example": "legal.example", "ab.com": "ba.com", "bank.com": "tank.com"} {
		if sender.Skeleton(a) == sender.Skeleton(b) {
			t.Errorf("%q and %q are the same", a, b)
		}
	}
}

// TestFoldPairs puts every pair of letters that Unicode folds together into
// addresses: the comparison takes none for the other, but for ASCII case,
// which is a variant in the local part.
func TestFoldPairs(t *testing.T) {
	n, wrong := 0, 0
	for r := rune('!'); r <= unicode.MaxRune; r++ {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			n++
			reg := fmt.Sprintf("a%cb@c%cd.example", r, 'x')
			v := verdict(fmt.Sprintf("a%cb@c%cd.example", f, 'x'), reg)
			ascii := r < 0x80 && f < 0x80
			if ascii != (v.Match == sender.MatchCaseVariant) || v.Match == sender.MatchExact {
				wrong++
				t.Errorf("local part: %U against %U is %s", f, r, v.Match)
			}
			v = verdict(fmt.Sprintf("a@c%cd.example", f), fmt.Sprintf("a@c%cd.example", r))
			if ascii != (v.Match == sender.MatchExact) {
				wrong++
				t.Errorf("domain: %U against %U is %s", f, r, v.Match)
			}
			if wrong > 10 {
				t.FailNow()
			}
		}
	}
	if n < 2000 {
		t.Errorf("only %d pairs", n)
	}
}

// verdict judges an unsigned mail from addr.
func verdict(addr, reg string) sender.Verdict {
	return sender.Verify(context.Background(), sender.Request{
		Raw: []byte("From: " + addr + "\r\n\r\n"), Registered: []string{reg}, Now: clock,
	})
}

func TestCandidates(t *testing.T) {
	for header, want := range map[string]string{
		"From: admin@legit.example":                                           "admin@legit.example",
		"From: Ann <Admin@Legit.Example>\r\n":                                 "admin@legit.example",
		"Subject: about admin@legit.example.\r\n":                             "admin@legit.example",
		"From : admin@legit.example":                                          "admin@legit.example",
		" From: admin@legit.example":                                          "admin@legit.example",
		"From: admin@\r\n legit.example":                                      "admin@legit.example",
		"From: admin @ legit . example":                                       "admin@legit.example",
		"From: admin(x)@legit.example":                                        "admin@legit.example",
		"From: admin(@legit.example":                                          "admin@legit.example",
		`From: "admin"@legit.example`:                                         "admin@legit.example",
		`From: "admin@legit.example" <x@attack.example>`:                      "admin@legit.example",
		"From: =?utf-8?B?YWRtaW5AbGVnaXQuZXhhbXBsZQ==?=":                      "admin@legit.example",
		"From: =?utf-8?q?admin?=@legit.example":                               "admin@legit.example",
		"From: admin\uff20legit.example":                                      "admin@legit.example",
		"From: admin@l\u0435git.example":                                      "admin@l\u0435git.example",
		"Return-Path: <bounce+admin=legit.example@relay.example>":             "admin@legit.example",
		"To: Group: admin@legit.example, b@c.example;":                        "admin@legit.example",
		"X-Odd: mailto:admin@legit.example?x":                                 "admin@legit.example",
		"JUNK admin@legit.example\nFrom: x":                                   "admin@legit.example",
		"References: <m1@legit.example>":                                      "m1@legit.example",
		"Cc: " + strings.Repeat("x@y.example, ", 900) + "admin@legit.example": "admin@legit.example",
	} {
		if got := sender.Candidates([]byte(header)); !slices.Contains(got, want) {
			t.Errorf("%q gives %q", header, got)
		}
	}
	if got := sender.Candidates([]byte("From: nobody\r\n\r\nadmin@legit.example")); len(got) != 0 {
		t.Errorf("the body was read: %q", got)
	}
	var many strings.Builder
	for i := range 9000 {
		fmt.Fprintf(&many, "X: a%d@b.example\r\n", i)
	}
	got := sender.Candidates([]byte(many.String() + "From: admin@legit.example\r\n"))
	if len(got) > 1000 || got[0] != registered {
		t.Errorf("%d candidates, the first %q", len(got), got[0])
	}
	if got := sender.Candidates([]byte("X: " + strings.Repeat("@", 200_000))); len(got) != 0 {
		t.Errorf("%d candidates of nothing", len(got))
	}
}

// TestClaimed: only what names a sender is claimed, the author first, and a
// crowd in a display name or above From hides nobody.
func TestClaimed(t *testing.T) {
	crowd := func(name string) string {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, "%s%d@crowd.example ", name, i)
		}
		return b.String()
	}
	for _, c := range []struct {
		header, first string
		n             int
	}{
		{"To: a@b.example\r\nX: c@d.example\r\nFrom: admin@legit.example\r\n", registered, 1},
		{"From: \"admin@legit.example\" <x@attack.example>\r\n", "x@attack.example", 2},
		{"From: " + crowd("a") + "<admin@legit.example>\r\n", registered, 20},
		{"Sender: " + crowd("a") + "\r\nReply-To: " + crowd("b") + "\r\nFrom: admin@legit.example\r\n", registered, 20},
		{"Reply-To: admin@legit.example\r\nCc: " + crowd("a"), registered, 1},
		{"Resent-From: admin@legit.example\r\n", registered, 1},
		{"Cc: admin@legit.example\r\n", "", 0},
	} {
		got := sender.Claimed([]byte(c.header))
		if len(got) != c.n || c.n > 0 && got[0] != c.first {
			t.Errorf("%.80q claims %q, want %d, %q first", c.header, got, c.n, c.first)
		}
	}
}

func TestMisspelt(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"legit.example", "legit.example"}:        false,
		{"LEGIT.example", "legit.example"}:        false,
		{"legit.exampel", "legit.example"}:        true,
		{"legti.exampel", "legit.example"}:        true,
		{"elgti.exampel", "legit.example"}:        false,
		{"egit.exampl", "legit.example"}:          true,
		{"egit.examp", "legit.example"}:           false,
		{"legit.example.de", "legit.example"}:     false,
		{"xn--lgit-9gb.example", "legit.example"}: true,
		{"example.legit", "legit.example"}:        false,
		{"", "ab"}:                                true,
		{"ba", "ab"}:                              true,
	} {
		if got := sender.Misspelt(pair[0], pair[1]); got != want {
			t.Errorf("%q for %q: %t", pair[0], pair[1], got)
		}
	}
}
