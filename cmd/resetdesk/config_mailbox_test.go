package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// further is a configuration with a second and a third mailbox.
const further = `
[mailboxes.sales]
user = "sales@example.net"
password_file = "sales.password"
addresses = ["sales@example.net"]
folders = ["INBOX", "Junk"]

[mailboxes.old]
host = "127.0.0.1"
security = "plain"
user = "old@example.net"
password_file = "old.password"
backlog = "open"
`

// What a further mailbox does not say is as in [mailbox], but for what belongs
// to its user, and for its host's port and security.
func TestFurtherMailboxes(t *testing.T) {
	first := strings.Replace(ExampleConfig(Example{}), "folders = [", "port = 1993\nboundary = 2\ndedicated = true\nfolders = [", 1)
	env := []string{"RESETDESK_MAILBOXES_SALES_BOUNDARY=3", "RESETDESK_MAILBOXES_OLD_PASSWORD=secret", "RESETDESK_MAILBOXES_ENV_USER=env@example.net",
		"RESETDESK_MAILBOXES_ENV_PASSWORD=p", "RESETDESK_MAILBOXES_ENV_FOLDERS=INBOX, Spam"}
	c, err := LoadConfig(write(t, first+further), env)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range c.boxes() {
		w := m.watcher()
		got = append(got, strings.Join([]string{m.Section, w.Mailbox, w.User, w.Host, string(w.Security), strings.Join(w.Folders, "+"), m.Backlog, filepath.Base(m.PasswordFile)}, " "))
		if w.Port != map[string]int{"mailboxes.old": 143}[m.Section] && m.Section == "mailboxes.old" || w.Port != 1993 && m.Section != "mailboxes.old" {
			t.Errorf("%s: port %d", m.Section, w.Port)
		}
		if want := map[string]int{"mailboxes.sales": 3}[m.Section]; want != 0 && m.Boundary != want || want == 0 && m.Boundary != 2 || !w.Dedicated {
			t.Errorf("%s: boundary %d, dedicated %v", m.Section, m.Boundary, w.Dedicated)
		}
	}
	want := `mailbox support@example.net support@example.net imap.example.net tls INBOX park mailbox.password
mailboxes.env env@example.net env@example.net imap.example.net tls INBOX+Spam park .
mailboxes.old old@example.net old@example.net 127.0.0.1 plain INBOX open old.password
mailboxes.sales sales@example.net sales@example.net imap.example.net tls INBOX+Junk park sales.password`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if a := c.addresses(); strings.Join(a, " ") != "support@example.net sales@example.net" {
		t.Errorf("addresses %q", a)
	}
	if p, err := c.Mailboxes["old"].SignIn(t.Context()); err != nil || p != "secret" {
		t.Errorf("password %q, %v", p, err)
	}
	if s := subject("x", c); len(s.Boxes) != 4 || len(s.Secrets) != 3 {
		t.Errorf("%d mailboxes, secrets %q", len(s.Boxes), s.Secrets)
	}
}

func TestBadFurtherMailboxes(t *testing.T) {
	for text, want := range map[string]string{
		"[mailboxes.sales]\npassword_file = \"p\"":                                          "mailboxes.sales.user: is missing",
		"[mailboxes.sales]\nuser = \"sales@example.net\"":                                   "mailboxes.sales.password_file: is missing, write the file that holds the password, or set RESETDESK_MAILBOXES_SALES_PASSWORD",
		"[mailboxes.sales]\nuser = \"support@example.net\"\npassword_file = \"p\"":          "is that of [mailbox] too",
		"[mailboxes.sales]\nuser = \"s@example.net\"\npassword = \"hunter2\"":               "does not belong into this file",
		"[mailboxes.sales]\nusr = \"s@example.net\"":                                        "mailboxes.sales.usr: unknown key; did you mean user?",
		"[mailboxes.Sales]\nuser = \"s@example.net\"\npassword_file = \"p\"":                "is no name for a mailbox",
		"[mailboxes.sales]\nuser = \"s@example.net\"\nport = \"x\"\npassword_file = \"p\"":  "mailboxes.sales.port: is",
		"[mailboxes.sales]\nuser = \"s@example.net\"\nfolders = []\npassword_file = \"p\"":  "mailboxes.sales.folders: is empty",
		"[mailboxes.a]\nuser = \"s@example.net\"\nhost = \"h.example\"\nsecurity=\"plain\"": "plain is for loopback only",
		"[mailboxes.sales]\nuser = \"s@example.net\"\nfolders = [\"INBOX\", \"inbox\"]":     "mailboxes.sales.folders: lists \"inbox\" twice",
		"[[mailboxes]]\nuser = \"s@example.net\"":                                           "mailboxes: is a section",
		"[mailboxes]\nuser = \"s@example.net\"":                                             "mailboxes.user: is a section, write [mailboxes.user]",
	} {
		_, err := LoadConfig(write(t, ExampleConfig(Example{})+"\n"+text+"\n"), nil)
		var bad *ConfigError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
			continue
		}
		if bad.Problems[0].Line == 0 && !strings.Contains(want, "is missing") {
			t.Errorf("%q: no line: %v", text, err)
		}
	}
	if _, err := LoadConfig(write(t, ExampleConfig(Example{})+further), []string{"RESETDESK_MAILBOXES_SALES_USR=x"}); err == nil || !strings.Contains(err.Error(), "unknown variable; did you mean RESETDESK_MAILBOXES_SALES_USER?") {
		t.Errorf("a variable that is no key: %v", err)
	}
}

// Two mailboxes on two real servers, one with two folders, into one desk: every
// mail once under its own name, one light each, and the doctor looks at both.
func TestTwoMailboxes(t *testing.T) {
	p := newPractice(t)
	second, err := mailtest.StartDovecot(filepath.Join(p.dir, "second"))
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { second.Stop() })
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(second.Addr(), ":")
	text = append(text, "\n[mailboxes.second]\nhost = \"127.0.0.1\"\nsecurity = \"plain\"\nport = "+port+"\nuser = \"second@host.example\"\npassword_file = \"second.password\"\nfolders = [\"INBOX\", \"Junk\"]\n"...)
	for name, content := range map[string][]byte{p.config: text, filepath.Join(p.dir, "second.password"): []byte(second.Password + "\n")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mail := []byte("From: a@b.example\r\nSubject: hello\r\n\r\nx\r\n")
	if err := errors.Join(p.dovecot.Deliver(mail, mail), second.Deliver(mail), second.DeliverTo("Junk", mail, mail, mail)); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadConfig(p.config, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := openDesk(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	watching := watchers(cfg, desk, slog.New(slog.DiscardHandler))
	for _, w := range watching {
		done := make(chan error, 1)
		go func() { done <- w.Run(t.Context()) }()
		t.Cleanup(func() { <-done })
	}
	want := map[string]int{p.dovecot.User + "/INBOX": 2, "second@host.example/INBOX": 1, "second@host.example/Junk": 3}
	read := func() bool {
		r, err := desk.MailReportFromHost(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, d := range r.Days {
			if d.Received > want[d.Mailbox+"/"+d.Folder] {
				t.Fatalf("%+v", d)
			}
			got += d.Received
		}
		return got == 6 && len(lateFolders(cfg, r.Looks, time.Now())) == 0
	}
	for end := time.Now().Add(30 * time.Second); !read(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not all mails came: %+v", watching[1].Status())
		}
	}
	lights := mailLights(watching, &mailbox.Postman{})
	if len(lights) != 3 || !lights[0].OK || !strings.HasPrefix(lights[1].Text, "Mailbox second@host.example connected") {
		t.Errorf("%+v", lights)
	}
	out, code := p.call("-only", "mailbox")
	if code != 0 || !strings.Contains(out, "[mailbox] "+p.dovecot.User) || !strings.Contains(out, "[mailboxes.second] second@host.example at 127.0.0.1; INBOX has 1 mail; Junk has 3 mails") {
		t.Errorf("code %d\n%s", code, out)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, code := p.call("-only", "mailbox"); code != 1 || !strings.Contains(out, "[mailboxes.second] ") || !bytes.Contains([]byte(out), []byte("FAIL")) {
		t.Errorf("one is gone: code %d\n%s", code, out)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
}
