package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"
)

const inspectAccounts = `account_id,account_name,locale,user_id,login,email,role,api_only
A-1003,Legit,nl,U-1,admin,admin@legit.example,admin,false
A-1003,Legit,nl,U-17,jdoe,jdoe@legit.example,user,false
A-1004,Other,en,U-20,boss,boss@other.example,admin,false
A-1005,Third,en,U-30,chief,boss@other.example,admin,false
`

// signer makes mails that verify against a DNS server on loopback.
type signer struct {
	key      ed25519.PrivateKey
	resolver string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	ready := make(chan struct{})
	server := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg)
		a.SetReply(q)
		switch name := strings.ToLower(q.Question[0].Name); {
		case name == "sel._domainkey.legit.example.":
			a.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{record}}}
		case strings.HasPrefix(name, "broken."):
			a.Rcode = dns.RcodeServerFailure
		default:
			a.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(a)
	})}
	go server.ActivateAndServe()
	<-ready
	t.Cleanup(func() { server.Shutdown() })
	return &signer{key, conn.LocalAddr().String()}
}

// now is the time to judge at. The signer dates its signatures itself.
func now() string { return time.Now().UTC().Format(time.RFC3339) }

func (s *signer) sign(t *testing.T, from, subject, text, selector string) string {
	t.Helper()
	mail := "From: " + from + "\r\nTo: reset@support.example\r\nSubject: " + subject + "\r\nDate: " + time.Now().UTC().Format(time.RFC1123Z) + "\r\n" +
		"Message-ID: <m1@legit.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(mail), &dkim.SignOptions{
		Domain: "legit.example", Selector: selector, Signer: s.key, HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed",
		HeaderKeys: []string{"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// inspect runs the command and returns what it printed.
func inspect(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	c := inspectCommand()
	var out bytes.Buffer
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetIn(strings.NewReader(stdin))
	c.SetArgs(longFlags(args))
	err := c.ExecuteContext(context.Background())
	return out.String(), err
}

func codeOf(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.code
	}
	return exitFailed
}

// A mail straight from a Maildir has LF alone: its signature holds. One bare LF among CRLFs is an attack as ever.
func TestInspectMaildir(t *testing.T) {
	s := newSigner(t)
	mail := s.sign(t, "Ann <admin@legit.example>", "2FA reset", "Please reset the 2FA of jdoe.", "sel")
	for _, c := range []struct{ name, mail, verdict, problem string }{
		{"wire", mail, "authenticated", `"problems":[]`},
		{"maildir", strings.ReplaceAll(mail, "\r\n", "\n"), "authenticated", "it was read with CRLF"},
		{"one bare LF", strings.Replace(mail, "\r\nSubject", "\nSubject", 1), "quarantine", "H_BARE_LF"},
	} {
		file := filepath.Join(t.TempDir(), "mail")
		if err := os.WriteFile(file, []byte(c.mail), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := inspect(t, "", "-json", "-registered", "admin@legit.example", "-mailbox", "reset@support.example", "-authserv", "mx.support.example",
			"-boundary", "1", "-resolver", s.resolver, "-now", now(), file)
		if err != nil || !strings.Contains(out, `"verdict":"`+c.verdict+`"`) || !strings.Contains(out, c.problem) {
			t.Errorf("%s: %v, want %s with %s: %s", c.name, err, c.verdict, c.problem, out)
		}
	}
}

// TestInspect runs the contract of design 6 on a folder.
func TestInspect(t *testing.T) {
	s := newSigner(t)
	dir := t.TempDir()
	put := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	accounts := put("accounts.csv", inspectAccounts)
	put("1.eml", s.sign(t, "Ann <admin@legit.example>", "2FA reset", "Graag de 2FA van gebruiker jdoe resetten, zijn telefoon is stuk.\n\nGroet, admin", "sel"))
	put("2.eml", "From: a@legit.example\r\nFrom: admin@legit.example\r\nSubject: x\r\n\r\nx\r\n")
	put("3.eml", "From: boss@other.example\r\nSubject: lunch\r\n\r\nSee you at noon.\r\n")
	put("4.eml", s.sign(t, "admin@1egit.example", "2FA reset", "Please reset my 2FA.", "sel"))
	put("notes.txt", "no mail")
	out, err := inspect(t, "", "-json", "-accounts", accounts, "-mailbox", "reset@support.example", "-authserv", "mx.support.example",
		"-boundary", "1", "-resolver", s.resolver, "-now", now(), dir)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []string{
		`"verdict":"authenticated","match":"exact","from":"admin@legit.example","reasons":[],"flags":[]|"request":true|"language":"nl"|"account":"A-1003","users":["U-17"]|"result":"pass"|"problems":[]`,
		`"verdict":"quarantine"|"from":""|"reasons":["H_DUP_FROM"]|"account":null,"users":[],"signatures":[],"mentions":[]`,
		`"verdict":"unverified","match":"exact"|"request":false|"account":null|several accounts|A-1004, A-1005`,
		`"verdict":"quarantine","match":"lookalike"|"account":null`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	for i, line := range lines {
		if !json.Valid([]byte(line)) || !strings.HasPrefix(line, `{"file":"`) {
			t.Errorf("line %d is %s", i+1, line)
		}
		for part := range strings.SplitSeq(want[i], "|") {
			if !strings.Contains(line, part) {
				t.Errorf("no %s in line %d: %s", part, i+1, line)
			}
		}
	}
}

// TestInspectForPeople holds that the plain form says every reason in words and
// that a mail cannot write to the terminal.
func TestInspectForPeople(t *testing.T) {
	s := newSigner(t)
	out, err := inspect(t, s.sign(t, "admin@legit.example", "=?utf-8?q?reset_=1B[31m_2FA?=", "Please reset my\x1b[2J 2FA.", "sel"),
		"-registered", "admin@legit.example", "-mailbox", "reset@support.example", "-resolver", s.resolver, "-now", now(), "-")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Verdict    authenticated: ", `From       "admin@legit.example", exactly`, "asks for a reset (score", "+3.2 asks-reset"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.ContainsRune(out, '\x1b') {
		t.Errorf("an escape character in %q", out)
	}
	out, err = inspect(t, "From: a@b.example\r\nFrom: c@d.example\r\n\r\n", "-")
	if err != nil || !strings.Contains(out, "H_DUP_FROM, to quarantine: The mail names two senders.") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestInspectPassesOverPipes: what is no file does not hold up a folder, and a
// pipe that nobody writes to does not outlive the command.
func TestInspectPassesOverPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "1.eml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "2.eml"), []byte("From: a@b.example\r\n\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(target string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var out bytes.Buffer
		c := inspectCommand()
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetOut(&out)
		c.SetArgs(longFlags([]string{"-json", "-resolver", "127.0.0.1:9", target}))
		err := c.ExecuteContext(ctx)
		return out.String(), err
	}
	if out, err := run(dir); err != nil || strings.Count(out, "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := run(pipe); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // lets the reader go
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

func TestInspectExitCodes(t *testing.T) {
	s := newSigner(t)
	mail := filepath.Join(t.TempDir(), "1.eml")
	if err := os.WriteFile(mail, []byte(s.sign(t, "admin@legit.example", "2FA", "x", "broken")), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "accounts.csv")
	if err := os.WriteFile(bad, []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want int
		args []string
	}{
		{exitUsage, nil},
		{exitUsage, []string{mail, mail}},
		{exitUsage, []string{"-now", "today", mail}},
		{exitUsage, []string{"-resolver", "127.0.0.1", mail}},
		{exitUsage, []string{"-registered", "nobody", mail}},
		{exitUsage, []string{"-boundary", "-1", mail}},
		{exitUsage, []string{"-trust", "all", mail}},
		{exitUsage, []string{"-position", "somewhere", mail}},
		{exitFailed, []string{filepath.Join(t.TempDir(), "none.eml")}},
		{exitFailed, []string{t.TempDir()}},
		{exitFailed, []string{"-accounts", bad, mail}},
		{exitLater, []string{"-registered", "admin@legit.example", "-resolver", s.resolver, "-now", now(), mail}},
		{0, []string{"-registered", "admin@legit.example", "-resolver", s.resolver, "-now", now(), filepath.Dir(mail)}},
	} {
		if out, err := inspect(t, "", c.args...); codeOf(err) != c.want {
			t.Errorf("%q: code %d, want %d: %v\n%s", c.args, codeOf(err), c.want, err, out)
		}
	}
}

// TestInspectTrust: -authserv and -boundary let our own server's fields count,
// above the boundary unless told otherwise; -nonce is a reference of ours.
func TestInspectTrust(t *testing.T) {
	s := newSigner(t)
	const received = "Received: from a by mx.support.example; "
	conflict := "Authentication-Results: mx.support.example; dkim=fail header.d=legit.example\r\n"
	signed := s.sign(t, "admin@legit.example", "Re: 7F3K-Q2MX-9DTA-4B6C", "Please reset my 2FA.", "sel")
	above, below := conflict+received+time.Now().Format(time.RFC1123Z)+"\r\n"+signed, received+time.Now().Format(time.RFC1123Z)+"\r\n"+conflict+signed
	for _, c := range []struct{ mail, args, want string }{
		{above, "", `"verdict":"authenticated"`},
		{above, "-authserv mx.support.example -boundary 1", `"A_CONFLICT"`},
		{above, "-authserv mx.support.example -boundary 1 -trust off", `"verdict":"authenticated"`},
		{above, "-authserv mx.support.example", `"A_NO_BOUNDARY"`},
		{below, "-authserv mx.support.example -boundary 1", `"A_FORGED"`},
		{below, "-authserv mx.support.example -boundary 1 -position below-boundary -strip-verified", `"A_CONFLICT"`},
		{below, "-authserv mx.support.example -boundary 1 -position below-boundary", `"verdict":"authenticated"`},
		{below, "-authserv mx.support.example -boundary 1 -boundary-by other.example -position below-boundary", `"A_FORGED"`},
		{signed, "-nonce 7F3K-Q2MX-9DTA-4B6C", `"flags":["B_NONCE"]`},
		{signed, "-nonce 0000-0000-0000-0000", `"flags":[]`},
	} {
		args := append([]string{"-json", "-registered", "admin@legit.example", "-mailbox", "reset@support.example", "-resolver", s.resolver, "-now", now()},
			strings.Fields(c.args)...)
		out, err := inspect(t, c.mail, append(args, "-")...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%q: no %s in %v %s", c.args, c.want, err, out)
		}
	}
}
