package sender_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

const (
	registered = "admin@legit.example"
	mailbox    = "reset@support.example"
	required   = "From:To:Subject:Date:Message-ID"
	baseSigned = "From:To:Cc:Reply-To:Subject:Date:Message-ID:MIME-Version:Content-Type"
)

// clock is the present of all worked examples (t=1795428000 and 10 s).
var clock = time.Date(2026, 11, 23, 10, 0, 10, 0, time.UTC)

// keys are made once: key generation is what costs time here.
var keys struct {
	rsa2048, rsa1024, attacker *rsa.PrivateKey
	ed                         ed25519.PrivateKey
}

func TestMain(m *testing.M) {
	keys.rsa2048 = must(rsa.GenerateKey(rand.Reader, 2048))
	keys.attacker = must(rsa.GenerateKey(rand.Reader, 2048))
	keys.rsa1024 = must(rsa.GenerateKey(rand.Reader, 1024))
	// The same in every process, so that what the fuzzer keeps stays signed.
	keys.ed = ed25519.NewKeyFromSeed([]byte("thirty-two octets of a test seed"))
	os.Exit(m.Run())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rsaRecord is the key record of k; extra tags go in front of p=.
func rsaRecord(k *rsa.PrivateKey, extra string) string {
	der := must(x509.MarshalPKIXPublicKey(&k.PublicKey))
	return "v=DKIM1; " + extra + "p=" + base64.StdEncoding.EncodeToString(der)
}

func edRecord(k ed25519.PrivateKey) string {
	return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

// zone is what the name server knows: TXT records by name without last dot.
// A record "SERVFAIL" makes the server fail for that name.
type zone map[string][]string

func defaultZone() zone {
	return zone{
		"sel._domainkey.legit.example":     {rsaRecord(keys.rsa2048, "")},
		"weak._domainkey.legit.example":    {rsaRecord(keys.rsa1024, "")},
		"ed._domainkey.legit.example":      {edRecord(keys.ed)},
		"sel._domainkey.sub.legit.example": {rsaRecord(keys.rsa2048, "")},
		"sel._domainkey.attack.example":    {rsaRecord(keys.attacker, "")},
		"sel._domainkey.1egit.example":     {rsaRecord(keys.attacker, "")},
		"_dmarc.legit.example":             {"v=DMARC1; p=reject"},
		"_dmarc.attack.example":            {"v=DMARC1; p=reject"},
	}
}

// nameServer is a real DNS server on loopback.
type nameServer struct {
	addr string
	mu   sync.Mutex
	zone zone
	seen []string
}

func (n *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name := strings.TrimSuffix(strings.ToLower(q.Question[0].Name), ".")
	n.mu.Lock()
	n.seen = append(n.seen, name)
	records, known := n.zone[name]
	n.mu.Unlock()
	a := new(dns.Msg)
	a.SetReply(q)
	if !known {
		a.Rcode = dns.RcodeNameError
	}
	for _, r := range records {
		if r == "SERVFAIL" {
			a.Rcode = dns.RcodeServerFailure
			continue
		}
		a.Answer = append(a.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
			Txt: pieces(r),
		})
	}
	if _, tcp := w.RemoteAddr().(*net.TCPAddr); !tcp && a.Len() > 1232 {
		a.Truncate(1232)
	}
	_ = w.WriteMsg(a)
}

// pieces cuts a record into the strings of at most 255 octets it is sent in,
// with the escapes of zone files.
func pieces(s string) []string {
	var out []string
	for len(s) > 200 {
		out, s = append(out, s[:200]), s[200:]
	}
	out = append(out, s)
	for i := range out {
		out[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(out[i])
	}
	return out
}

func (n *nameServer) questions() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.seen...)
}

func (n *nameServer) set(z zone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.zone, n.seen = z, nil
}

func startDNS(tb testing.TB, z zone) *nameServer {
	tb.Helper()
	n := &nameServer{zone: z}
	udp, tcp := samePort(tb)
	n.addr = udp.LocalAddr().String()
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: n}, {Listener: tcp, Handler: n}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		tb.Cleanup(func() { _ = s.Shutdown() })
	}
	return n
}

// samePort listens on one port of loopback for UDP and TCP.
func samePort(tb testing.TB) (net.PacketConn, net.Listener) {
	tb.Helper()
	for range 50 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp
		}
		_ = tcp.Close()
	}
	tb.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// request is BASE's surroundings for a mail.
func request(n *nameServer, raw string) sender.Request {
	return sender.Request{
		Raw: []byte(raw), Registered: []string{registered}, Mailboxes: []string{mailbox},
		Now: clock, Strangers: true, Trust: sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"mx.support.example"}, Boundary: 1},
		Resolver: &sender.DNS{Server: n.addr, Timeout: 2 * time.Second},
	}
}

func verify(n *nameServer, raw string) sender.Verdict {
	return sender.Verify(context.Background(), request(n, raw))
}

// eml is a mail under construction: the header lines the author wrote, and
// what stands above them.
type eml struct {
	top  []string // fields above the signatures
	head []string // the author's fields
	body string
}

// What an honest server writes about BASE, and about a mail that somebody at
// attack.example sent in its name.
const (
	baseResults = "Authentication-Results: mx.support.example; dkim=pass header.d=legit.example;" +
		" spf=pass smtp.mailfrom=admin@legit.example; dmarc=pass header.from=legit.example"
	spoofResults = "Authentication-Results: mx.support.example; dkim=none;" +
		" spf=pass smtp.mailfrom=any@attack.example; dmarc=fail header.from=legit.example"
)

func base() *eml {
	return &eml{
		top: []string{
			"Return-Path: <admin@legit.example>",
			baseResults,
			"Received: from out.legit.example (out.legit.example [192.0.2.10]) by mx.support.example\r\n" +
				" with ESMTPS id 4Xy1 for <reset@support.example>; Mon, 23 Nov 2026 10:00:05 +0000",
		},
		head: []string{
			`From: "Ann Admin" <admin@legit.example>`,
			"To: reset@support.example",
			"Subject: 2FA reset for account 123",
			"Date: Mon, 23 Nov 2026 10:00:00 +0000",
			"Message-ID: <m1@legit.example>",
			"MIME-Version: 1.0",
			"Content-Type: text/plain; charset=utf-8",
		},
		body: "Hello,\r\n\r\nplease reset the second factor of jo.\r\n",
	}
}

// spoofed is the mail as somebody without a key sends it.
func (m *eml) spoofed() *eml { return m.results(spoofResults) }

// results replaces the Authentication-Results field of our server; "" takes it
// away.
func (m *eml) results(line string) *eml {
	for i, l := range m.top {
		if strings.HasPrefix(l, "Authentication-Results:") {
			m.top = append(m.top[:i:i], m.top[i+1:]...)
			if line != "" {
				m.top = append([]string{line}, m.top...)
			}
			break
		}
	}
	return m
}

// with replaces the author's field of the same name, or adds one.
func (m *eml) with(line string) *eml {
	name := strings.ToLower(line[:strings.IndexByte(line, ':')+1])
	for i, l := range m.head {
		if strings.HasPrefix(strings.ToLower(l), name) {
			m.head[i] = line
			return m
		}
	}
	m.head = append(m.head, line)
	return m
}

func (m *eml) without(name string) *eml {
	for i, l := range m.head {
		if strings.HasPrefix(strings.ToLower(l), strings.ToLower(name)+":") {
			m.head = append(m.head[:i:i], m.head[i+1:]...)
			break
		}
	}
	return m
}

// raw is the mail as delivered, with the given signature fields.
func (m *eml) raw(signatures ...string) string {
	lines := append(append(append([]string{}, m.top...), signatures...), m.head...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + m.body
}

// sig describes a signature of the test signer. The zero value is SIG of the
// worked examples with baseSigned.
type sig struct {
	d, s, h, extra string
	a              string
	key            crypto.Signer
	edit           func(unsigned string) string // changes the field before it is signed
}

// sign makes a valid DKIM-Signature over the author's fields and the body,
// c=relaxed/simple. It is written from RFC 6376 3.4 and shares no code with
// what it tests.
func (m *eml) sign(s sig) string {
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&s.d, "legit.example")
	def(&s.s, "sel")
	def(&s.h, baseSigned)
	def(&s.a, "rsa-sha256")
	if s.key == nil {
		s.key = keys.rsa2048
	}
	body := strings.TrimRight(m.body, "\r\n") + "\r\n"
	bh := sha256.Sum256([]byte(body))
	field := "DKIM-Signature: v=1; a=" + s.a + "; c=relaxed/simple; d=" + s.d + "; s=" + s.s + "; " + s.extra +
		" h=" + s.h + "; bh=" + base64.StdEncoding.EncodeToString(bh[:]) + "; b="
	if s.edit != nil {
		field = s.edit(field)
	}
	var data bytes.Buffer
	used := make(map[string]int)
	for _, name := range strings.Split(s.h, ":") {
		name = strings.ToLower(strings.TrimSpace(name))
		skip := used[name]
		used[name]++
		for i := len(m.head) - 1; i >= 0; i-- {
			if strings.HasPrefix(strings.ToLower(m.head[i]), name+":") {
				if skip == 0 {
					data.WriteString(relaxed(m.head[i]) + "\r\n")
					break
				}
				skip--
			}
		}
	}
	data.WriteString(relaxed(field))
	sum := sha256.Sum256(data.Bytes())
	opts := crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		opts = crypto.Hash(0)
	}
	b := must(s.key.Sign(rand.Reader, sum[:], opts))
	return field + base64.StdEncoding.EncodeToString(b)
}

var wsp = regexp.MustCompile("[ \t\r\n]+")

func relaxed(field string) string {
	name, value, _ := strings.Cut(field, ":")
	return strings.ToLower(strings.TrimRight(name, " \t")) + ":" + strings.Trim(wsp.ReplaceAllString(value, " "), " ")
}
