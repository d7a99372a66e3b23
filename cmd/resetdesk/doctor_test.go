package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

// practice is an installation for the doctor: a real Dovecot, Postfix's
// smtp-sink, a name server, a health page and a filled database.
type practice struct {
	*world
	zone sendertest.Zone
}

func newPractice(t *testing.T) *practice {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), secrets: map[string]string{}}
	var err error
	if w.dovecot, err = mailtest.StartDovecot(filepath.Join(w.dir, "dovecot")); err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { w.dovecot.Stop() })
	if w.sink, err = mailtest.StartSMTPSink(filepath.Join(w.dir, "sink")); err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { w.sink.Stop() })
	w.configure()
	w.populate(2, 1)
	p := &practice{w, sendertest.Zone{
		"host.example": {"v=spf1 mx -all"}, "_dmarc.host.example": {"v=DMARC1; p=quarantine"}, "_domainkey.host.example": {},
	}}
	addr, stop, err := p.zone.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			w.Write([]byte("ok\n"))
		}
	}))
	t.Cleanup(page.Close)
	t.Setenv("RESETDESK_DNS_RESOLVER", addr)
	t.Setenv("RESETDESK_SERVER_BASE_URL", page.URL)
	return p
}

// deliver puts ordinary mails into the mailbox, as our server received them.
func (p *practice) deliver(n int) {
	p.t.Helper()
	posts, _ := sendertest.Ordinary(3, n)
	var mails [][]byte
	for _, post := range posts {
		mails = append(mails, post.Raw)
	}
	if err := p.dovecot.Deliver(mails...); err != nil {
		p.t.Fatal(err)
	}
}

// call runs doctor with the installation's configuration.
func (p *practice) call(args ...string) (string, int) {
	p.t.Helper()
	c := doctorCommand()
	var out bytes.Buffer
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(longFlags(append(args, "-config", p.config)))
	err := c.ExecuteContext(p.t.Context())
	return out.String(), codeOf(err)
}

var tomlLines = regexp.MustCompile(`(?m)^ +(?:fix )? *((?:boundary|boundary_by|trust_mode|trusted_authserv_ids|trust_position) = .*)$`)

// TestDoctor: a sound installation is called sound; its advice, taken word for
// word, is right; and the mailbox is not changed.
func TestDoctor(t *testing.T) {
	p := newPractice(t)
	p.deliver(40)
	out, code := p.call("-detail")
	if code != 0 || strings.Contains(out, "FAIL") || !strings.Contains(out, "0 failed, 1 warning") {
		t.Fatalf("code %d\n%s", code, out)
	}
	t.Log("\n" + out)
	advice := tomlLines.FindAllStringSubmatch(out, -1)
	want := `boundary = 1|boundary_by = ["mx.support.example"]|trust_mode = "rfc8601"|trusted_authserv_ids = ["mx.support.example"]|trust_position = "above-boundary"`
	var lines []string
	for _, m := range advice {
		lines = append(lines, m[1])
	}
	if strings.Join(lines, "|") != want {
		t.Fatalf("advice %q\nwant %q", strings.Join(lines, "|"), want)
	}
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("[mailbox]\n"), []byte("[mailbox]\n"+strings.Join(lines, "\n")+"\n"), 1)
	if err := os.WriteFile(p.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, code = p.call()
	if code != 0 || !strings.HasSuffix(out, "everything is well\n") || !strings.Contains(out, "trusted: mx.support.example") {
		t.Errorf("with its own advice: code %d\n%s", code, out)
	}
	out, code = p.call("-json", "-only", "mailbox,trust")
	var got struct {
		Checks []struct {
			Number       int
			Name, Result string
		}
		Failed, Warnings int
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || len(got.Checks) != 2 || got.Checks[1].Name != "trust" || got.Checks[1].Number != 8 {
		t.Errorf("code %d, %v: %s", code, err, out)
	}
	entries, err := os.ReadDir(filepath.Join(p.dovecot.MailDir, "cur"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "S") && strings.HasSuffix(e.Name(), "S") {
			t.Errorf("%s is marked as seen", e.Name())
		}
	}
}

// TestDoctorFinds breaks one thing at a time: the right check fails, with a way
// out, and the code is 1.
func TestDoctorFinds(t *testing.T) {
	p := newPractice(t)
	p.deliver(6)
	for _, c := range []struct {
		name, only, want string
		code             int
		do               func(t *testing.T)
	}{
		{"key file open to others", "files,keys", "chmod 600 ", 1, func(t *testing.T) { chmod(t, filepath.Join(p.dir, "desk.keys"), 0o644, 0o600) }},
		{"another key file", "keys", "never make a new one for an old database", 1, func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "other.keys")
			if err := writeKeys(other); err != nil {
				t.Fatal(err)
			}
			t.Setenv("RESETDESK_KEYS_FILE", other)
		}},
		{"wrong password", "mailbox", "check the user and the password file", 1, func(t *testing.T) { t.Setenv("RESETDESK_MAILBOX_PASSWORD", "wrong") }},
		{"no such folder", "mailbox", "mend mailbox.folders", 1, func(t *testing.T) { t.Setenv("RESETDESK_MAILBOX_FOLDERS", "None") }},
		{"no mail server", "mailbox", "connection refused", 1, func(t *testing.T) { t.Setenv("RESETDESK_MAILBOX_PORT", "1") }},
		{"no SMTP server", "smtp", "check host, port and security", 1, func(t *testing.T) { t.Setenv("RESETDESK_SMTP_PORT", "1") }},
		{"no resolver", "domain", "set dns.resolver", 1, func(t *testing.T) { t.Setenv("RESETDESK_DNS_RESOLVER", "127.0.0.1:1") }},
		{"a From domain without records", "domain", `_dmarc.other.example. TXT "v=DMARC1`, 0, func(t *testing.T) { t.Setenv("RESETDESK_SMTP_FROM", "x@other.example") }},
		{"no pages", "web", "start serve", 0, func(t *testing.T) { t.Setenv("RESETDESK_SERVER_BASE_URL", "http://127.0.0.1:1") }},
		{"no database", "database", "resetdesk init", 1, func(t *testing.T) { t.Setenv("RESETDESK_DATABASE_PATH", filepath.Join(t.TempDir(), "none.db")) }},
		{"no database either", "database", "restore the newest backup", 1, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "bad.db")
			if err := os.WriteFile(bad, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("RESETDESK_DATABASE_PATH", bad)
		}},
		{"wrong boundary", "trust", "Are boundary and position right?", 1, func(t *testing.T) {
			t.Setenv("RESETDESK_MAILBOX_TRUST_MODE", "rfc8601")
			t.Setenv("RESETDESK_MAILBOX_TRUSTED_AUTHSERV_IDS", "mx.support.example")
			t.Setenv("RESETDESK_MAILBOX_BOUNDARY", "1")
			t.Setenv("RESETDESK_MAILBOX_TRUST_POSITION", "below-boundary")
			t.Setenv("RESETDESK_MAILBOX_STRIP_VERIFIED", "true")
		}},
		{"misspelt id", "trust", "check the spelling", 0, func(t *testing.T) {
			t.Setenv("RESETDESK_MAILBOX_TRUST_MODE", "rfc8601")
			t.Setenv("RESETDESK_MAILBOX_TRUSTED_AUTHSERV_IDS", "mx.suport.example")
			t.Setenv("RESETDESK_MAILBOX_BOUNDARY", "1")
		}},
		{"unknown key", "", "mend these lines", 1, func(t *testing.T) { t.Setenv("RESETDESK_MAILBOX_HOSTT", "x") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do(t)
			args := []string{}
			if c.only != "" {
				args = []string{"-only", c.only}
			}
			out, code := p.call(args...)
			if code != c.code || !strings.Contains(out, c.want) || !strings.Contains(out, " fix ") {
				t.Errorf("code %d, want %d with %q:\n%s", code, c.code, c.want, out)
			}
			if strings.ContainsRune(out, '\x1b') {
				t.Errorf("an escape character in %q", out)
			}
		})
	}
	if _, code := p.call("-only", "everything"); code != exitUsage {
		t.Errorf("an unknown check ends with %d", code)
	}
}

func chmod(t *testing.T, path string, mode, back os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(path, back) })
}

const serverHop = "Received: from somewhere by mx.support.example with ESMTP id 1 for <support@host.example>; Mon, 23 Nov 2026 10:00:05 +0000\r\n"

// TestCanary sends the probes through a mail server that is careless, careful,
// or refuses them, and reads them back from a real mailbox.
func TestCanary(t *testing.T) {
	p := newPractice(t)
	mx, err := mailtest.NewSMTP(mailtest.SMTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mx.Close() })
	forged := regexp.MustCompile(`(?m)^Authentication-Results: mx\.support\.example.*\r\n`)
	spaced := regexp.MustCompile(`(?m)^From :.*\r\n`)
	for _, c := range []struct {
		name  string
		carry func(raw []byte) []byte
		fault *mailtest.SMTPFault
		code  int
		want  []string
		never string
	}{
		{"careless", func(raw []byte) []byte { return raw }, nil, exitFailed,
			[]string{"as sent   it arrived with the forged field", "as sent   it arrived with the disguised field", "folded    the line became part of received", "leave strip_verified = false"}, "\n  strip_verified = true"},
		{"careful", func(raw []byte) []byte {
			raw = bytes.TrimLeft(spaced.ReplaceAll(forged.ReplaceAll(raw, nil), nil), " ")
			return append([]byte("Authentication-Results: mx.support.example; spf=none smtp.mailfrom=host.example\r\n"), raw...)
		}, nil, 0,
			[]string{"stripped  it arrived without the forged field", "forged results do not get through", "\n  boundary = 1\n  boundary_by = [\"mx.support.example\"]", "DKIM: not signed", "header: received, authentication-results, from, to", "\n  trusted_authserv_ids = [\"mx.support.example\"]\n  trust_position = \"below-boundary\"\n  strip_verified = true"}, "leave"},
		{"refusing", nil, &mailtest.SMTPFault{Code: 550, Text: "bad header\x1b[31m", Times: -1}, 0,
			[]string{"rejected  the server turned it down", "\n  strip_verified = true"}, "leave"},
		{"slow", func([]byte) []byte { return nil }, nil, exitLater, []string{"missing   accepted, and not in the mailbox", "try again"}, "\n  strip_verified = true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mx.Heal()
			if c.fault != nil {
				mx.Fault(mailtest.Dot, *c.fault)
			}
			mx.OnMail(func(d mailtest.Delivered) {
				if raw := c.carry(d.Raw); raw != nil {
					if err := p.dovecot.Deliver(append([]byte(serverHop), raw...)); err != nil {
						t.Error(err)
					}
				}
			})
			out, code := p.call("canary", "send", "-via", mx.Addr(), "-authserv", "mx.support.example")
			if code != 0 || strings.ContainsRune(out, '\x1b') {
				t.Fatalf("send: code %d\n%q", code, out)
			}
			_, id, _ := strings.Cut(out, "-id ")
			id, _, _ = strings.Cut(id, " ")
			out, code = p.call("canary", "check", "-id", id, "-authserv", "mx.support.example")
			if code != c.code {
				t.Errorf("check: code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if strings.Contains(out, c.never) {
				t.Errorf("%q in\n%s", c.never, out)
			}
		})
	}
	for _, id := range []string{"", "x", "0011223344556677-aa", "0011223344556677-xxx-mx", "0011223344556677-aaa", "0011223344556677-aaa-x"} {
		if _, code := p.call("canary", "check", "-id", id, "-authserv", "mx.support.example"); code != exitUsage {
			t.Errorf("id %q ends with %d", id, code)
		}
	}
}
