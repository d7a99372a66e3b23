package sender_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// The example of RFC 8463 A.3, its ed25519 signature.
const rfc8463 = `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
`

// TestVectors: published signatures verify, by the library and by our own hand.
func TestVectors(t *testing.T) {
	raw := []byte(strings.ReplaceAll(rfc8463, "\n", "\r\n"))
	const record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	v := sender.Verify(context.Background(), sender.Request{
		Raw: raw, Registered: []string{"joe@football.example.com"}, Now: time.Unix(1528637999, 0),
		Resolver: known{"brisbane._domainkey.football.example.com": {record}},
	})
	if len(v.Signatures) != 1 || v.Signatures[0].Result != sender.Pass {
		t.Errorf("RFC 8463: %+v", v.Signatures)
	}
	if pass, judged := sender.OwnCheck(raw, record); !pass || !judged {
		t.Error("RFC 8463 by our own hand")
	}
}

// agreeOnSignature holds our own cryptography against the library's.
func agreeOnSignature(t *testing.T, raw []byte, record string) (pass bool) {
	t.Helper()
	pass, judged := sender.OwnCheck(raw, record)
	if !judged {
		return false
	}
	results, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(string) ([]string, error) { return []string{record}, nil }})
	if err != nil || len(results) != 1 {
		t.Fatalf("the library does not judge what we do: %v %v\n%q", results, err, raw)
	}
	if (results[0].Err == nil) != pass {
		t.Fatalf("pass %t by our own hand, the library says %v\n%q", pass, results[0].Err, raw)
	}
	return pass
}

// ownMail signs a mail with the library, of a shape chosen by rnd.
func ownMail(t testing.TB, rnd *rand.Rand) []byte {
	t.Helper()
	canon := []dkim.Canonicalization{"simple", "relaxed"}
	words := []string{"a", " ", "  ", "\t", "\r\n", "\r\n\r\n", "x  y", ".", "Hello", "\r\n "}
	var body strings.Builder
	for range rnd.IntN(12) {
		body.WriteString(words[rnd.IntN(len(words))])
	}
	mail := fmt.Sprintf("X-One:  a\t b \r\nFrom: admin@legit.example\r\nX-Two:\r\n  folded\r\n\tonce more \r\nSubject: %s\r\nTo: x@y.example\r\nX-One: again\r\n\r\n%s",
		strings.Repeat("s ", rnd.IntN(4)), body.String())
	keysOf := [][]string{{"From", "Subject", "To"}, {"From", "X-One", "X-One", "X-Two"}, {"From", "From", "X-One", "None", "Subject"}}
	var out bytes.Buffer
	err := dkim.Sign(&out, strings.NewReader(mail), &dkim.SignOptions{Domain: "legit.example", Selector: "ed", Signer: keys.ed,
		HeaderCanonicalization: canon[rnd.IntN(2)], BodyCanonicalization: canon[rnd.IntN(2)], HeaderKeys: keysOf[rnd.IntN(len(keysOf))]})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestOwnCrypto: by our own hand and by the library, the same mails pass, of each
// canonical form, whole and changed.
func TestOwnCrypto(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	inserts := []string{" ", "\t", "\r\n", "\r\n ", "x", ";", "X-One: new\r\n"}
	record, passed, failed := edRecord(keys.ed), 0, 0
	for range 3000 {
		raw := ownMail(t, rnd)
		if !agreeOnSignature(t, raw, record) {
			if _, judged := sender.OwnCheck(raw, record); judged {
				t.Fatalf("a fresh signature fails\n%q", raw)
			}
			continue
		}
		at := rnd.IntN(len(raw))
		if rnd.IntN(2) == 0 {
			raw[at] ^= 1 << rnd.IntN(7)
		} else {
			raw = append(raw[:at:at], append([]byte(inserts[rnd.IntN(len(inserts))]), raw[at:]...)...)
		}
		if agreeOnSignature(t, raw, record) {
			passed++
		} else {
			failed++
		}
	}
	if passed < 50 || failed < 500 {
		t.Errorf("%d changed mails pass and %d do not", passed, failed)
	}
}

func FuzzOwnCrypto(f *testing.F) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 8 {
		f.Add(ownMail(f, rnd))
	}
	f.Add([]byte(strings.ReplaceAll(rfc8463, "\n", "\r\n")))
	record := edRecord(keys.ed)
	f.Fuzz(func(t *testing.T, raw []byte) { agreeOnSignature(t, raw, record) })
}

func FuzzAuthRes(f *testing.F) {
	for _, seed := range []string{"mx 1; dkim=pass (a) header.d=b.example reason=\"x;\\\"\"; none", "spf=pass smtp.mailfrom=a@b.example; dmarc=pass action=none", "mx; none"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, value string, exchange bool) {
		results, ok := sender.ParseAuthRes(value, exchange)
		if !ok {
			return
		}
		if len(value) > 8<<10 || strings.ContainsFunc(strings.ReplaceAll(value, "\r\n", ""), func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
			t.Errorf("read %q", value)
		}
		for _, r := range results {
			if r.Method == "" || r.Result == "" || strings.ContainsAny(r.Method+r.Result, " ();=\"'") {
				t.Errorf("%q says %+v", value, r)
			}
		}
		// A comment in front of a semicolon changes nothing.
		commented := strings.Replace(value, "; ", " (a; dmarc=pass header.from=x.example); ", 1)
		if again, ok := sender.ParseAuthRes(commented, exchange); ok && !strings.ContainsAny(value, `("\`) && len(again) != len(results) {
			t.Errorf("%q says %+v, with a comment %+v", value, results, again)
		}
	})
}

func FuzzDMARC(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; np=quarantine; psd=n; t=y; aspf=s; rua=mailto:a@b.example")
	f.Add("v=DMARC1;p=none;p=none")
	f.Fuzz(func(t *testing.T, record string) {
		policy, ok := sender.ParseDMARC(record)
		if !strings.Contains(record, "DMARC1") && ok || !ok && policy != "" {
			t.Errorf("%q: %q %t", record, policy, ok)
		}
		switch policy {
		case "", "none", "quarantine", "reject":
		default:
			t.Errorf("%q asks for %q", record, policy)
		}
	})
}
