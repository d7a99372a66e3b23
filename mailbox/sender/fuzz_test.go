package sender_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// agree: what the gate accepts, net/mail reads in the same way.
func agree(t *testing.T, raw []byte) {
	t.Helper()
	addr, codes := sender.Gate(raw)
	if (addr == "") != (len(codes) > 0) {
		t.Fatalf("address %q with codes %v", addr, codes)
	}
	if addr == "" {
		return
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("net/mail cannot read what the gate accepts: %v", err)
	}
	if n := len(m.Header["From"]); n != 1 {
		t.Fatalf("net/mail sees %d From fields", n)
	}
	list, err := mail.ParseAddressList(m.Header.Get("From"))
	// net/mail knows fewer charsets than the second opinion asked it with.
	if err != nil && strings.Contains(err.Error(), "charset") {
		return
	}
	if err != nil || len(list) != 1 || list[0].Address != addr {
		t.Fatalf("gate %q, net/mail %v %v", addr, list, err)
	}
	if l, d, err := sender.ParseAddrSpec(addr); err != nil || l+"@"+d != addr {
		t.Fatalf("%q is no addr-spec", addr)
	}
}

func FuzzGate(f *testing.F) {
	for _, e := range examples() {
		if len(e.raw) < 4096 {
			f.Add([]byte(e.raw))
		}
	}
	f.Fuzz(agree)
}

// sound holds for every verdict about a mutation of the signed BASE.
func sound(t *testing.T, raw []byte) sender.Verdict {
	t.Helper()
	v := sender.Verify(context.Background(), sender.Request{
		Raw: raw, Registered: []string{registered}, Mailboxes: []string{mailbox},
		Now: clock, Trust: sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"mx.support.example"}, Boundary: 1}, Resolver: known(defaultZone()),
	})
	for _, code := range v.Reasons {
		if s, _ := sender.Describe(code); s == "" || code == "X_PANIC" {
			t.Fatalf("reason %s", code)
		}
	}
	if v.State() != sender.Authenticated {
		return v
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Subject": "2FA reset for account 123", "Date": "Mon, 23 Nov 2026 10:00:00 +0000", "Message-Id": "<m1@legit.example>",
	} {
		if got := m.Header[name]; len(got) != 1 || strings.Join(strings.Fields(got[0]), " ") != want {
			t.Fatalf("authenticated with %s %q", name, got)
		}
	}
	if len(m.Header["From"]) != 1 || v.From != registered || v.Match != sender.MatchExact || len(v.Reasons) > 0 || len(v.Fingerprints) == 0 {
		t.Fatalf("authenticated: %+v", v)
	}
	return v
}

func FuzzVerify(f *testing.F) {
	for _, e := range examples() {
		if len(e.raw) < 4096 && e.zone == nil && !strings.Contains(strings.ToLower(e.raw), "x-auto-response") &&
			e.state != sender.Authenticated {
			f.Add([]byte(e.raw))
		}
	}
	f.Add([]byte(base().raw(base().sign(sig{a: "ed25519-sha256", s: "ed", key: keys.ed}))))
	f.Fuzz(func(t *testing.T, raw []byte) { sound(t, raw) })
}

// TestMutations changes the signed BASE at random in the ways of a forger and
// looks at what is still authenticated.
func TestMutations(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	good := []byte(base().raw(base().sign(sig{})))
	inserts := []string{"\r\n", " ", "\r", "\n", ":", ";", "From: x@attack.example\r\n", "\r\nSubject: bob\r\n", "b=", "l=1;", "\x00",
		"Reply-To: x@attack.example\r\n", "\r\n From: x@attack.example", "(", `"`, "\t", "@", "<", ">", "DKIM-Signature: v=1\r\n"}
	counts := make(map[sender.State]int)
	for range 6_000 {
		raw := bytes.Clone(good)
		for range 1 + rnd.IntN(2) {
			at := rnd.IntN(len(raw))
			switch rnd.IntN(4) {
			case 0:
				raw[at] ^= byte(1 << rnd.IntN(8))
			case 1:
				raw = append(raw[:at], raw[at+1:]...)
			case 2:
				raw = append(raw[:at:at], append([]byte(inserts[rnd.IntN(len(inserts))]), raw[at:]...)...)
			case 3: // before a line
				at = bytes.LastIndexByte(raw[:at+1], '\n') + 1
				raw = append(raw[:at:at], append([]byte(inserts[rnd.IntN(len(inserts))]), raw[at:]...)...)
			}
		}
		v := sound(t, raw)
		counts[v.State()]++
	}
	for _, s := range []sender.State{sender.Authenticated, sender.Unverified, sender.Quarantine} {
		if counts[s] == 0 {
			t.Errorf("no mutation came out %s: %v", s, counts)
		}
	}
}

func FuzzSignature(f *testing.F) {
	line := base().sign(sig{extra: "t=1; x=2; i=a@b.legit.example; darn=x; "})
	_, value, _ := strings.Cut(line, ":")
	f.Add(value)
	f.Fuzz(func(t *testing.T, value string) {
		d, s, code := sender.ParseSignatureField(value)
		if code == "" && strings.ContainsAny(d+s, "\x00'\"()@ \t\r\n/\\") {
			t.Errorf("d=%q s=%q", d, s)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(rsaRecord(keys.rsa2048, "t=s; "))
	f.Add(edRecord(keys.ed))
	f.Add("v=DKIM1; p=")
	f.Fuzz(func(t *testing.T, record string) {
		if code := sender.ParseKeyRecord(record); code == "" && strings.ContainsFunc(record, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
			t.Errorf("a key with more than printable ASCII: %q", record)
		}
	})
}

func FuzzCandidates(f *testing.F) {
	f.Add([]byte("From: \"a\" (b <admin@legit.example>\r\n =?utf-8?q?x?="))
	f.Fuzz(func(t *testing.T, header []byte) {
		got := sender.Candidates(header)
		if all, claimed := sender.Named(header); !slices.Equal(all, got) || !slices.Equal(claimed, sender.Claimed(header)) {
			t.Errorf("named %q, %q", all, claimed)
		}
		if len(got) > 1000 {
			t.Errorf("%d candidates", len(got))
		}
		// Liberal means: no stricter than the gate.
		if addr, _ := sender.Gate(append(header, "\r\n\r\n"...)); addr != "" {
			for _, c := range got {
				if c == strings.ToLower(addr) {
					return
				}
			}
			t.Errorf("%q is missing in %q", addr, got)
		}
	})
}

func BenchmarkGate(b *testing.B) {
	raw := []byte(base().raw(base().sign(sig{})))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if !sender.ReadHead(raw) {
			b.Fatal("refused")
		}
	}
}

// BenchmarkVerify judges a mail whose key is in the cache, and tells how many
// times as long that takes as the library's bare verification. 2 is the bound.
func BenchmarkVerify(b *testing.B) {
	raw := base().raw(base().sign(sig{}))
	z := defaultZone()
	r := request(&nameServer{}, raw)
	r.Resolver = sender.NewCache(&counting{z, time.Hour, map[string]int{}}, 100)
	opts := &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return z[name], nil }}
	b.SetBytes(int64(len(r.Raw)))
	var ours, library time.Duration // in turn, so that a busy machine slows both
	for b.Loop() {
		begin := time.Now()
		if v := sender.Verify(context.Background(), r); v.State() != sender.Authenticated {
			b.Fatal(v.Reasons)
		}
		between := time.Now()
		if v, err := dkim.VerifyWithOptions(strings.NewReader(raw), opts); err != nil || v[0].Err != nil {
			b.Fatal(err)
		}
		ours += between.Sub(begin)
		library += time.Since(between)
	}
	b.ReportMetric(float64(ours)/float64(library), "x-library")
}

// BenchmarkCandidates is what every header of a shared mailbox costs.
func BenchmarkCandidates(b *testing.B) {
	raw := []byte(base().with("Subject: =?utf-8?q?2FA_f=C3=BCr_jo?=").raw())
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		sender.Candidates(raw)
	}
}
