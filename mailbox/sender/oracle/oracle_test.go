package oracle_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mjl-/mox/dkim"
	"github.com/mjl-/mox/dns"
	"github.com/mjl-/mox/message"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

var quiet = slog.New(slog.DiscardHandler)

// court is the two judges with the same DNS before them: ours asks a real name
// server on loopback, mox a table of the same records.
type court struct {
	zone     sendertest.Zone
	resolver sender.Resolver
	mox      dns.MockResolver
	known    []string // registered addresses
}

func newCourt(tb testing.TB, z sendertest.Zone, wire bool) *court {
	tb.Helper()
	c := &court{zone: z, resolver: z, mox: dns.MockResolver{TXT: map[string][]string{}}}
	for name, records := range z {
		c.mox.TXT[name+"."] = records
	}
	if wire {
		addr, stop, err := z.Serve()
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(stop)
		c.resolver = &sender.DNS{Server: addr}
	}
	return c
}

// judge gives our verdict, and holds it against everybody else's reading.
func (c *court) judge(t *testing.T, raw []byte) sender.Verdict {
	t.Helper()
	v := sender.Verify(context.Background(), sender.Request{
		Raw: raw, Registered: c.known, Mailboxes: []string{sendertest.Mailbox}, Now: sendertest.Clock,
		Trust: sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{sendertest.Authserv}, Boundary: sendertest.Boundary}, Resolver: c.resolver,
	})
	for _, r := range v.Reasons {
		if r == "X_PANIC" {
			t.Fatalf("a check panicked on\n%q", raw)
		}
	}
	if !v.State().AtLeast(sender.Partial) {
		return v
	}
	// Partial mails have a passing signature too, but for one case, so that they are held to all
	// of this but the gate, whose every hit is worse than partial.
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s, and net/mail cannot read it: %v\n%q", v.State(), err, raw)
	}
	if n := len(m.Header["From"]); n != 1 {
		t.Fatalf("%s with %d From fields\n%q", v.State(), n, raw)
	}
	if list, err := m.Header.AddressList("From"); err == nil && (len(list) != 1 || list[0].Address != v.From) {
		t.Fatalf("%s: From is %q, net/mail reads %v\n%q", v.State(), v.From, list, raw)
	} else if err != nil && !strings.Contains(err.Error(), "charset") { // net/mail knows few of them
		t.Fatalf("%s: net/mail refuses From: %v\n%q", v.State(), err, raw)
	}
	if !slices.Contains(v.Reasons, "A_MTA_ONLY") { // there our server vouches for what nobody can check again
		c.second(t, v, raw)
	}
	if v.State() == sender.Authenticated && len(v.Reasons) > 0 {
		t.Fatalf("authenticated in spite of %v\n%q", v.Reasons, raw)
	}
	return v
}

// second asks mox for its opinion of a mail that we say its domain signed.
func (c *court) second(t *testing.T, v sender.Verdict, raw []byte) {
	t.Helper()
	_, domain, _ := strings.Cut(strings.ToLower(v.From), "@")
	results, err := dkim.Verify(context.Background(), quiet, c.mox, false, dkim.DefaultPolicy, bytes.NewReader(raw), false)
	if err != nil {
		t.Fatalf("%s, and mox cannot check it: %v\n%q", v.State(), err, raw)
	}
	passed := false
	for _, r := range results {
		passed = passed || r.Status == dkim.StatusPass && r.Sig.Domain.ASCII == domain
	}
	if !passed {
		t.Fatalf("%s, and mox has no pass for %s: %+v\n%q", v.State(), domain, results, raw)
	}
	addr, _, _, err := message.From(quiet, true, bytes.NewReader(onlyFrom(raw)), nil)
	if err != nil {
		t.Fatalf("%s, and mox reads no From: %v\n%q", v.State(), err, raw)
	}
	if got := addr.Localpart.String() + "@" + addr.Domain.ASCII; got != asciiDomain(v.From) {
		t.Fatalf("%s: From is %q, mox reads %q\n%q", v.State(), v.From, got, raw)
	}
}

// asciiDomain writes the domain of an address in small letters, as mox does.
func asciiDomain(addr string) string {
	local, domain, _ := strings.Cut(addr, "@")
	return local + "@" + strings.ToLower(domain)
}

// old finds encoded words in charsets that mox does not know; it then reads no
// address at all.
var old = regexp.MustCompile(`(?i)=\?(gb2312|koi8-r|iso-2022-jp|windows-125\d|iso-8859-\d+)\?[bq]\?[^?]*\?=`)

// onlyFrom is the header without the fields that say how the body is to be read,
// which mox also refuses to misread and which have no say in who wrote the mail.
func onlyFrom(raw []byte) []byte {
	var out bytes.Buffer
	keep := true
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			name := bytes.ToLower(line)
			keep = !bytes.HasPrefix(name, []byte("content-")) && !bytes.HasPrefix(name, []byte("mime-"))
		}
		if keep {
			out.Write(old.ReplaceAllLiteral(line, []byte("name")))
		}
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

// forger changes a mail the way a program of octets tells: each step takes
// three, what to do, and where.
func forger(mail []byte, program []byte) []byte {
	for ; len(program) >= 3 && len(mail) > 0; program = program[3:] {
		at := (int(program[1])<<8 | int(program[2])) % len(mail)
		op := program[0]
		insert := []byte(tricks[int(op>>2)%len(tricks)])
		switch op & 3 {
		case 0: // before a line of the header
			head := max(bytes.Index(mail, []byte("\r\n\r\n")), 0)
			at = bytes.LastIndexByte(mail[:min(at, head)], '\n') + 1
		case 1: // a bit
			mail = bytes.Clone(mail)
			mail[at] ^= 1 << (op >> 2 & 7)
			continue
		case 2: // an octet goes
			mail = append(mail[:at:at], mail[at+1:]...)
			continue
		}
		mail = append(mail[:at:at], append(insert, mail[at:]...)...)
	}
	return mail
}

// tricks are what forgers put into mails.
var tricks = []string{
	"From: x@attack.example\r\n", "From : x@attack.example\r\n", " From: x@attack.example\r\n", "From: admin@legit.example\r\n", "\r\nFrom: x@attack.example\r\n",
	"Subject: bob\r\n", "Reply-To: x@attack.example\r\n", "Sender: x@attack.example\r\n", "To: reset@support.example\r\n", "Cc: reset@support.example\r\n",
	"Date: Mon, 23 Nov 2026 09:59:00 +0000\r\n", "DKIM-Signature: v=1\r\n", "Content-Type: text/html\r\n", "Resent-From: x@attack.example\r\n",
	"\r\n", "\r", "\n", " ", "\t", "\x00", ":", ";", ",", "@", "<", ">", "(", ")", "\"", "\\", "=?utf-8?q?x?=", "l=1;", "xb=;", "b=", "d=attack.example; ", "\xc2\xa0", "\u200b", "\r\n \r\n", "\r\n\t",
	"Authentication-Results: mx.support.example; dmarc=pass header.from=legit.example\r\n", "Received: from a by b; Mon, 23 Nov 2026 10:00:05 +0000\r\n",
}

// TestOrdinary: both judges agree about thousands of mails that nobody forged,
// and what we authenticate mox passes.
func TestOrdinary(t *testing.T) {
	posts, zone := sendertest.Ordinary(2, 600)
	c := newCourt(t, zone, true)
	counts := map[sender.State]int{}
	for _, p := range posts {
		c.known = []string{p.From}
		counts[c.judge(t, p.Raw).State()]++
	}
	t.Log(counts)
	if counts[sender.Authenticated] < 200 {
		t.Errorf("only so few were authenticated: %v", counts)
	}
}

// bench is a small world for forgery: one customer with three signers, and the
// attacker with one.
type bench struct {
	*court
	signers []sendertest.Signer
}

const wide = "from:to:cc:reply-to:sender:subject:date:message-id:mime-version:content-type:content-transfer-encoding:in-reply-to:references"

func newBench(tb testing.TB, wire bool) *bench {
	ed := ed25519.NewKeyFromSeed([]byte("thirty-two octets of a test seed"))
	other := ed25519.NewKeyFromSeed([]byte("an attacker has thirty-two more!"))
	b := &bench{signers: []sendertest.Signer{
		{Domain: "legit.example", Selector: "a", Key: ed, Headers: wide},
		{Domain: "legit.example", Selector: "b", Key: ed, Headers: "From:To:Subject:Date:Message-ID", Canon: "simple/simple", Dated: true},
		{Domain: "legit.example", Selector: "c", Key: ed, Headers: "From:From:To:Subject:Date:Message-ID:Cc:Reply-To", Canon: "relaxed/simple"},
		{Domain: "attack.example", Selector: "a", Key: other, Headers: wide},
	}}
	for _, d := range []string{"sub.legit.example", "example", "legit.example.attack.example"} { // near the From domain, and not it
		b.signers = append(b.signers, sendertest.Signer{Domain: d, Selector: "a", Key: ed, Headers: wide})
	}
	for name, extra := range map[string]string{"x": "l=5; ", "y": "i=admin@attack.example; ", "z": "xb=; "} { // tags that must not count
		b.signers = append(b.signers, sendertest.Signer{Domain: "legit.example", Selector: name, Key: ed, Headers: wide, Extra: extra})
	}
	for _, name := range []string{"testing", "revoked", "double", "other", "service", "garbage"} { // keys that must not count
		b.signers = append(b.signers, sendertest.Signer{Domain: "legit.example", Selector: name, Key: ed, Headers: wide})
	}
	slices.SortFunc(b.signers[4:], func(x, y sendertest.Signer) int { return cmp.Compare(x.Domain+x.Selector, y.Domain+y.Selector) })
	z := sendertest.Zone{"_dmarc.legit.example": {"v=DMARC1; p=none"}}
	for _, s := range b.signers {
		s.Publish(z)
	}
	spoil := func(selector string, change func(record string) []string) {
		name := selector + "._domainkey.legit.example"
		z[name] = change(z[name][0])
	}
	spoil("testing", func(r string) []string { return []string{strings.Replace(r, "k=", "t=y; k=", 1)} })
	spoil("revoked", func(string) []string { return []string{"v=DKIM1; k=ed25519; p="} })
	spoil("double", func(r string) []string { return []string{r, r} })
	spoil("other", func(string) []string { return z["a._domainkey.attack.example"] })
	spoil("service", func(r string) []string { return []string{strings.Replace(r, "k=", "s=other; k=", 1)} })
	spoil("garbage", func(r string) []string { return []string{r + "="} })
	b.court = newCourt(tb, z, wire)
	b.known = []string{"admin@legit.example"}
	return b
}

const letter = "From: \"Ann Admin\" <admin@legit.example>\r\nTo: reset@support.example\r\nSubject: 2FA reset for account 123\r\n" +
	"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <m1@legit.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
	"Hello,\r\n\r\nplease reset the second factor of jo.\r\n"

const received = "Received: from out.legit.example (out.legit.example [192.0.2.10]) by mx.support.example\r\n with ESMTPS id 4Xy1 for <reset@support.example>; Mon, 23 Nov 2026 10:00:05 +0000\r\n"

// forge lets the author's side change the mail, signs, lets the way change it,
// and has it judged.
func (b *bench) forge(t *testing.T, signer uint8, before, after []byte) sender.Verdict {
	t.Helper()
	mail := string(forger([]byte(letter), before))
	s := &b.signers[int(signer)%len(b.signers)]
	field := s.Sign(mail, sendertest.Clock)
	if signer&0x80 != 0 { // and a signature of the attacker's on top
		field = b.signers[3].Sign(mail, sendertest.Clock) + field
	}
	return b.judge(t, append([]byte(received), forger([]byte(field+mail), after)...))
}

// TestForgery throws chance programs at both judges.
func TestForgery(t *testing.T) {
	b := newBench(t, false)
	rnd := rand.New(rand.NewPCG(3, 4))
	counts := map[sender.State]int{}
	program := func(steps int) []byte {
		p := make([]byte, 3*steps)
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		return p
	}
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	for range n {
		counts[b.forge(t, uint8(rnd.Uint32()), program(rnd.IntN(3)), program(rnd.IntN(2))).State()]++
	}
	t.Log(counts)
	for _, s := range []sender.State{sender.Authenticated, sender.Partial, sender.Unverified, sender.Quarantine} {
		if counts[s] == 0 {
			t.Errorf("no forgery came out %s: %v", s, counts)
		}
	}
}

// TestKeysThatDoNotCount: nothing but the first three signers lifts a mail that
// nobody touched.
func TestKeysThatDoNotCount(t *testing.T) {
	b := newBench(t, true)
	for i, s := range b.signers {
		v := b.forge(t, uint8(i), nil, nil)
		if good := v.State().AtLeast(sender.Partial); good != (i < 3) {
			t.Errorf("%s/%s with %q: %s %v", s.Domain, s.Selector, s.Extra, v.State(), v.Reasons)
		}
	}
}

// FuzzForgery lets the fuzzer write the programs.
func FuzzForgery(f *testing.F) {
	b := newBench(f, false)
	for i := range tricks {
		f.Add(uint8(i), []byte{byte(i) << 2, 0, byte(7 * i)}, []byte{})
		f.Add(uint8(i), []byte{}, []byte{byte(i)<<2 | 3, 1, byte(11 * i)})
	}
	f.Fuzz(func(t *testing.T, signer uint8, before, after []byte) {
		if len(before)+len(after) < 300 {
			b.forge(t, signer, before, after)
		}
	})
}

// FuzzRaw lets the fuzzer write the mail above a signed one, and the octets
// within.
func FuzzRaw(f *testing.F) {
	b := newBench(f, false)
	for i := range b.signers {
		f.Add([]byte(received + b.signers[i].Sign(letter, sendertest.Clock) + letter))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { b.judge(t, raw) })
}

// TestMoxIsStrict keeps the oracle honest: the versions before v0.0.16 read the
// first of two From fields.
func TestMoxIsStrict(t *testing.T) {
	_, _, _, err := message.From(quiet, true, strings.NewReader("From: a@x.example\r\nFrom: b@y.example\r\n\r\n"), nil)
	if err == nil {
		t.Error("mox accepts two From fields; the module needs v0.0.16 or later")
	}
}

func TestMain(m *testing.M) {
	// Nothing here may ask the world: the judges have their own name servers.
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	os.Exit(m.Run())
}
