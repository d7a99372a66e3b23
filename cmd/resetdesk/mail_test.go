package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// The report works beside the process that owns the database, and says with its
// exit code whether the books balance.
func TestMailReport(t *testing.T) {
	config := write(t, ExampleConfig(Example{BaseURL: "http://127.0.0.1:1"}))
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Write(filepath.Join(filepath.Dir(config), "resetdesk.keys")); err != nil {
		t.Fatal(err)
	}
	report := func(code int, args ...string) string {
		t.Helper()
		root, out := rootCommand(), bytes.Buffer{}
		root.SetOut(&out)
		root.SetArgs(longFlags(append([]string{"mail", "report", "-config", config}, args...)))
		if err := root.ExecuteContext(t.Context()); exitCode(err) != code {
			t.Errorf("%q: %v, want code %d", args, err, code)
		}
		return out.String()
	}
	report(1) // there is no database yet
	report(2, "-days", "0")
	cfg, err := LoadConfig(config, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := openDesk(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer desk.Close()
	if got := report(1); !strings.Contains(got, "the books balance: of 0 mails") || !strings.Contains(got, "support@example.net/INBOX was never looked at: does serve run") {
		t.Errorf("an empty desk:\n%s", got)
	}
	source := mailbox.Source{Mailbox: "support@example.net", Folder: "INBOX"}
	batch := func(through uint32, mails ...mailbox.Mail) {
		t.Helper()
		b := mailbox.Batch{Source: source, UIDValidity: 7, Through: through, Mails: mails}
		if err := desk.Receive(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	batch(1, mailbox.Mail{UID: 1, InternalDate: time.Now(), Header: []byte("Subject: x\r\n\r\n")})
	if err := desk.Looked(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	batch(2, mailbox.Mail{UID: 2, InternalDate: time.Now(), Header: []byte("Subject: 2FA\r\n\r\n"), Raw: []byte("Subject: 2FA\r\n\r\n")})
	if got := report(0); !strings.Contains(got, "of 2 mails received") || !strings.Contains(got, "has no fate yet: it came just now") {
		t.Errorf("one waits:\n%s", got)
	}
	var r review.MailReport
	if err := json.Unmarshal([]byte(report(0, "-json", "-days", "1")), &r); err != nil || r.Received != 2 || r.Fates["passed"] != 1 || r.Waiting != 1 || !r.Balanced {
		t.Errorf("%+v, %v", r, err)
	}
}

// What strangers wrote in a request of the backlog reaches the terminal as text.
func TestReportListsBacklog(t *testing.T) {
	var out bytes.Buffer
	printBacklog(&out, review.Backlog{Mails: 9, More: true, Requests: []review.MailRow{
		{ID: 4, Received: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), From: "anna@acme.example", Verdict: "unverified", Subject: "lost\x1b[2J phone"}}})
	got := out.String()
	for _, want := range []string{"of 9 mails", "mail 4 of 2026-11-01 from anna@acme.example (unverified): lost", "and more"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Errorf("%q commands the terminal", got)
	}
	out.Reset()
	printBacklog(&out, review.Backlog{Mails: 9})
	if out.Len() > 0 {
		t.Errorf("no request, and %q", out.String())
	}
}
