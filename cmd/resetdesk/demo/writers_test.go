package demo

import (
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

func testZone(t *testing.T) ([]*account, zone) {
	t.Helper()
	accounts, err := readAccounts()
	if err != nil {
		t.Fatal(err)
	}
	z, err := newZone(accounts)
	if err != nil {
		t.Fatal(err)
	}
	return accounts, z
}

// What the sender check says of each writer, in each language.
func TestVerdicts(t *testing.T) {
	accounts, z := testZone(t)
	want := map[string]struct {
		state sender.State
		match sender.Match
	}{
		"admin":     {sender.Authenticated, sender.MatchExact},
		"forged":    {sender.Unverified, sender.MatchExact},
		"lookalike": {sender.Quarantine, sender.MatchLookalike},
		"twofrom":   {sender.Quarantine, sender.MatchNone},
		"stranger":  {sender.Unverified, sender.MatchNone},
	}
	for _, a := range accounts {
		for _, r := range roles {
			c, err := prefilled(r, a)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.Subject+c.Text, "{{") || !strings.Contains(c.Text, a.loser().Login) {
				t.Errorf("%s of %s writes %q", r.Key, a.ID, c.Text)
			}
			raw, err := c.raw(z, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			v := sender.Verify(t.Context(), sender.Request{Raw: raw, Registered: []string{a.admin().Email},
				Mailboxes: []string{support}, Now: time.Now(), Resolver: z})
			if v.State() != want[r.Key].state || v.Match != want[r.Key].match {
				t.Errorf("%s of %s: %s %s %v", r.Key, a.ID, v.State(), v.Match, v.Reasons)
			}
		}
	}
}

// Nothing that a visitor types becomes a header, and all of it arrives.
func FuzzComposition(f *testing.F) {
	f.Add("2FA", "Hello\nFrom: x@y.example\n\n.\n")
	f.Add("a\r\nBcc: x@y.example", "ü")
	f.Add(strings.Repeat("ü", 90), strings.Repeat("long ", 500))
	accounts, err := readAccounts()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, subject, text string) {
		forged, _ := findRole("forged")
		raw, err := composition{forged, accounts[0], subject, text}.raw(zone{}, time.Now())
		if err != nil {
			return
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil || len(m.Header) != 8 || len(m.Header["From"]) != 1 {
			t.Fatalf("%v, header %v of %q", err, m, raw)
		}
		got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if plain := strings.Join(strings.Fields(strings.ToValidUTF8(subject, "\ufffd")), " "); err != nil || got != plain && strings.ToValidUTF8(subject, "") == subject && !strings.Contains(plain, "=?") {
			t.Errorf("subject %q became %q, %v", plain, got, err)
		}
		for line := range strings.Lines(string(raw)) {
			if len(line) > 998+2 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil || (!strings.ContainsAny(text, "\r\t ") && strings.TrimRight(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n") != strings.TrimRight(text, "\n")) {
			t.Errorf("text %q became %q, %v", text, body, err)
		}
	})
}
