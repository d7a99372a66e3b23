package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

// exampleMails are a handful of mails for an operator's eyes, by name.
func exampleMails() (map[string]string, sendertest.Zone) {
	key := ed25519.NewKeyFromSeed([]byte("thirty-two octets of a test seed"))
	own := &sendertest.Signer{Domain: "legit.example", Selector: "sel", Key: key, Headers: "From:To:Cc:Reply-To:Subject:Date:Message-ID:MIME-Version:Content-Type", Dated: true}
	exchange := &sendertest.Signer{Domain: "legit.example", Selector: "selector1", Key: key, Headers: "From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck"}
	attack := &sendertest.Signer{Domain: "1egit.example", Selector: "sel", Key: key, Headers: own.Headers}
	z := sendertest.Zone{"_dmarc.legit.example": {"v=DMARC1; p=reject"}}
	own.Publish(z)
	exchange.Publish(z)
	attack.Publish(z)
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	write := func(s *sendertest.Signer, from, results string, lines ...string) string {
		mail := "From: " + from + "\r\nTo: reset@support.example\r\nSubject: 2FA reset\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <m1@legit.example>\r\n" +
			strings.Join(append(lines, ""), "\r\n") + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\nplease reset the 2FA of jdoe, the phone is lost.\r\n"
		signature := ""
		if s != nil {
			signature = s.Sign(mail, at)
		}
		return "Return-Path: <admin@legit.example>\r\nAuthentication-Results: mx.support.example; " + results + "\r\n" +
			"Received: from out.legit.example (out.legit.example [192.0.2.10]) by mx.support.example\r\n with ESMTPS id 4Xy1 for <reset@support.example>; Mon, 23 Nov 2026 10:00:05 +0000\r\n" +
			signature + "Received: from hop by out.legit.example; Mon, 23 Nov 2026 10:00:01 +0000\r\n" + mail
	}
	return map[string]string{
		"authenticated": write(own, `"Ann Admin" <admin@legit.example>`, "dkim=pass header.d=legit.example; spf=pass smtp.mailfrom=legit.example"),
		"amber":         write(exchange, "=?utf-8?q?Ann_=D0=90dmin?= <admin@legit.example>", "dkim=pass header.d=legit.example", "Reply-To: ann@private.example", "X-MS-Exchange-SenderADCheck: 1"),
		"lookalike":     write(attack, "admin@1egit.example", "dkim=pass header.d=1egit.example"),
		"two-senders":   "From: \x1b[31ma@legit.example\r\n" + write(own, "admin@legit.example", "dkim=none"),
		"forged":        write(nil, "admin@legit.example", "dkim=none; spf=fail smtp.mailfrom=legit.example", "Authentication-Results: mx.support.example; dkim=pass header.d=legit.example"),
		"unsigned":      write(nil, "admin@legit.example", "dkim=none; spf=fail smtp.mailfrom=legit.example"),
	}, z
}

var asked = regexp.MustCompile(`asked \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)

// TestInspectGolden compares what an operator reads about a handful of mails,
// word for word. Run it with -update after a change, and read the difference.
func TestInspectGolden(t *testing.T) {
	mails, zone := exampleMails()
	resolver, stop, err := zone.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for name, mail := range mails {
		args := []string{"-registered", "admin@legit.example", "-mailbox", "reset@support.example", "-authserv", "mx.support.example",
			"-boundary", "1", "-resolver", resolver, "-now", "2026-11-23T10:00:10Z", "-"}
		got, err := inspect(t, mail, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			if r != '\n' && (r < ' ' || r > '~') {
				t.Errorf("%s: %q is written to the terminal", name, r)
				break
			}
		}
		got = asked.ReplaceAllString(got, "asked NOW")
		file := filepath.Join("testdata", "inspect", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		out, err := inspect(t, mail, append([]string{"-json"}, args...)...)
		var members map[string]json.RawMessage
		if err != nil || json.Unmarshal([]byte(out), &members) != nil || strings.Count(out, "\n") != 1 {
			t.Fatalf("%s: %v %s", name, err, out)
		}
		for _, key := range strings.Fields("file verdict match from reasons flags intent account users signatures mentions problems evidence") {
			if _, ok := members[key]; !ok {
				t.Errorf("%s: no member %s", name, key)
			}
		}
		if bytes.Contains(members["evidence"], []byte("null")) {
			t.Errorf("%s: evidence with null: %s", name, members["evidence"])
		}
	}
}

// TestInspectBadInput: nothing in a folder stops the rest, and no size matters.
func TestInspectBadInput(t *testing.T) {
	dir := t.TempDir()
	good := []byte("From: a@b.example\r\nSubject: hello\r\n\r\nhello\r\n")
	for name, content := range map[string][]byte{
		"1.eml": good, "3.eml": {}, "4.eml": bytes.Repeat([]byte("From: a@b.example\r\n\r\n0123456789abcdef"), 60<<20/37), "5.eml": good, "6.txt": good,
		"7.eml": bytes.Repeat([]byte{0}, 5000),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "2.eml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "8.eml"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := inspect(t, "", "-json", "-resolver", "127.0.0.1:1", dir)
	if codeOf(err) != exitFailed || !strings.Contains(err.Error(), "2.eml") {
		t.Errorf("code %d: %v", codeOf(err), err)
	}
	var files []string
	for line := range strings.Lines(out) {
		var r struct{ File, Verdict string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		files = append(files, strings.TrimPrefix(r.File, dir+"/")+" "+r.Verdict)
	}
	if got := strings.Join(files, ", "); got != "1.eml unverified, 3.eml quarantine, 4.eml unverified, 5.eml unverified, 7.eml quarantine" {
		t.Errorf("explained %s", got)
	}
	if out, err := inspect(t, "", "-"); err != nil || !strings.Contains(out, "H_NO_BLANK_LINE") {
		t.Errorf("an empty standard input: %v %s", err, out)
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	c := inspectCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetIn(closed)
	c.SetOut(&bytes.Buffer{})
	c.SetArgs([]string{"-"})
	if err := c.ExecuteContext(t.Context()); codeOf(err) != exitFailed {
		t.Errorf("a closed standard input: %v", err)
	}
}

// BenchmarkInspectFolder explains a folder of 5,000 ordinary mails; the bound is
// 2 ms a mail. BenchmarkReadFolder only reads the files.
func BenchmarkInspectFolder(b *testing.B) {
	dir, zone := folderOfMails(b, 5000)
	resolver, stop, err := zone.Serve()
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	for b.Loop() {
		c := inspectCommand()
		c.SetOut(&bytes.Buffer{})
		c.SetArgs(longFlags([]string{"-json", "-accounts", filepath.Join(dir, "accounts.csv"), "-mailbox", sendertest.Mailbox, "-authserv", sendertest.Authserv,
			"-boundary", "1", "-resolver", resolver, "-now", sendertest.Clock.Format(time.RFC3339), dir}))
		if err := c.ExecuteContext(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/5000/float64(b.N), "ms/mail")
}

func BenchmarkReadFolder(b *testing.B) {
	dir, _ := folderOfMails(b, 5000)
	for b.Loop() {
		files, _, err := mailsAt(dir)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			if _, _, err := readMail(f, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/5000/float64(b.N), "ms/mail")
}

func folderOfMails(tb testing.TB, n int) (string, sendertest.Zone) {
	tb.Helper()
	dir := tb.TempDir()
	posts, zone := sendertest.Ordinary(5, n/5)
	for range 4 { // signing costs more than what is measured
		posts = append(posts, posts[:n/5]...)
	}
	accounts := "account_id,account_name,locale,user_id,login,email,role,api_only\n"
	seen := map[string]bool{}
	for i, p := range posts {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.eml", i)), p.Raw, 0o600); err != nil {
			tb.Fatal(err)
		}
		if p.Registered && !seen[strings.ToLower(p.From)] {
			seen[strings.ToLower(p.From)] = true
			accounts += "A-" + strconv.Itoa(i) + ",Company " + strconv.Itoa(i) + ",en,U-" + strconv.Itoa(i) + ",login" + strconv.Itoa(i) + "," + p.From + ",admin,0\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "accounts.csv"), []byte(accounts), 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir, zone
}
