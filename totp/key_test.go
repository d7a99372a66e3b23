package totp_test

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/resetdesk/resetdesk/totp"
)

// The vectors of RFC 6238 Appendix B. Its text names one secret of 20 bytes for
// all; as erratum 2866 says, SHA-256 and SHA-512 use 32 and 64 bytes of it.
func TestRFC6238Vectors(t *testing.T) {
	secrets := map[totp.Algorithm]int{totp.SHA1: 20, totp.SHA256: 32, totp.SHA512: 64}
	for _, v := range []struct {
		unix int64
		code [3]string
	}{
		{59, [3]string{"94287082", "46119246", "90693936"}},
		{1111111109, [3]string{"07081804", "68084774", "25091201"}},
		{1111111111, [3]string{"14050471", "67062674", "99943326"}},
		{1234567890, [3]string{"89005924", "91819424", "93441116"}},
		{2000000000, [3]string{"69279037", "90698825", "38618901"}},
		{20000000000, [3]string{"65353130", "77737706", "47863826"}},
	} {
		for a, size := range secrets {
			secret := strings.Repeat("1234567890", 7)[:size]
			k, err := totp.Restore(base32.StdEncoding.EncodeToString([]byte(secret)),
				totp.Options{Issuer: "rfc", Account: "x", Algorithm: a, Digits: 8})
			if err != nil {
				t.Fatal(err)
			}
			step, ok := k.Verify(v.code[a], time.Unix(v.unix, 0), 0)
			if !ok || step != v.unix/30 {
				t.Errorf("%v at %d: step %d, %v; want %d", a, v.unix, step, ok, v.unix/30)
			}
		}
	}
}

func generate(t testing.TB) totp.Key {
	t.Helper()
	k, err := totp.Generate(totp.Options{Issuer: "Example", Account: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// T4: one step on either side, not two. T2: no step up to after.
func TestVerifyWindow(t *testing.T) {
	k, now := generate(t), time.Unix(1_800_000_010, 0)
	step := now.Unix() / 30
	for d := int64(-3); d <= 3; d++ {
		code := at(k, now.Add(time.Duration(d)*30*time.Second))
		got, ok := k.Verify(code, now, 0)
		if want := d >= -1 && d <= 1; ok != want || (ok && got != step+d) {
			t.Errorf("code of step %+d: step %d, %v", d, got, ok)
		}
		if _, ok := k.Verify(code, now, step+d); ok {
			t.Errorf("code of step %+d accepted again", d)
		}
	}
}

// Codes are exact ASCII digits: no trimming, no other script, no sign.
func TestVerifyExact(t *testing.T) {
	k, now := generate(t), time.Unix(1_800_000_010, 0)
	code := at(k, now)
	wide, arabic := "", ""
	for _, r := range code {
		wide += string('０' + r - '0')
		arabic += string('٠' + r - '0')
	}
	for _, c := range []string{"", code[:5], code + "0", " " + code, code + " ", code + "\n", code[:3] + " " + code[3:],
		code[:3] + "\x00" + code[3:], "+" + code[1:], "-" + code[1:], wide, arabic, "0x" + code[2:], code[:5] + "٣", code[:4] + "½"} {
		if _, ok := k.Verify(c, now, 0); ok {
			t.Errorf("%q accepted", c)
		}
	}
	if _, ok := k.Verify(code, now, 0); !ok {
		t.Error("the exact code is refused")
	}
	if _, ok := k.Verify(code, time.Unix(-40, 0), 0); ok {
		t.Error("accepted before 1970")
	}
}

// Equal codes in neighbouring steps: the newest unused step is taken, so that
// the pair is good once and not twice.
func TestVerifyAdjacentEqualCodes(t *testing.T) {
	k, err := totp.Restore("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", totp.Options{Issuer: "rfc", Account: "x"})
	if err != nil {
		t.Fatal(err)
	}
	const s = int64(910738) // the first step of this key that repeats the code of the one before
	last := at(k, time.Unix(s*30, 0))
	if at(k, time.Unix((s-1)*30, 0)) != last {
		t.Fatal("no equal neighbours")
	}
	got, ok := k.Verify(last, time.Unix((s-1)*30, 0), 0)
	if !ok || got != s {
		t.Fatalf("step %d, %v; want the newer step %d", got, ok, s)
	}
	for _, now := range []int64{s - 1, s, s + 1} {
		if got, ok := k.Verify(last, time.Unix(now*30, 0), s); ok {
			t.Errorf("accepted again at step %d as %d", now, got)
		}
	}
	if got, ok := k.Verify(last, time.Unix(s*30, 0), s-1); !ok || got != s {
		t.Errorf("after %d: step %d, %v; want %d", s-1, got, ok, s)
	}
}

// A key without a secret accepts nothing (the primitive would), and none can be
// restored. T1: no secret below 112 bits, new ones have 160.
func TestEmptySecretRefused(t *testing.T) {
	o := totp.Options{Issuer: "Example", Account: "jane"}
	var zero totp.Key
	empty, _ := otp.NewKeyFromURL("otpauth://totp/x?secret=")
	code := atURL(empty, time.Unix(60, 0))
	if _, ok := zero.Verify(code, time.Unix(60, 0), 0); ok {
		t.Error("the code of the empty secret is accepted")
	}
	for _, s := range []string{"", "====", "  ", "AAAAAAAA", strings.Repeat("A", 21), "0189", "é"} {
		if _, err := totp.Restore(s, o); err == nil {
			t.Errorf("secret %q restored", s)
		}
	}
	if zero.URI() != "" {
		t.Error("the zero key has a URI")
	}
	if _, err := zero.SVG(); err == nil {
		t.Error("the zero key has a picture")
	}
	raw, err := base32.StdEncoding.DecodeString(generate(t).Secret().Base32())
	if err != nil || len(raw) != 20 {
		t.Errorf("a new secret has %d bytes, %v", len(raw), err)
	}
}

func TestGenerateIsNew(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := generate(t).Secret().Base32()
		if seen[s] {
			t.Fatal("a secret came twice")
		}
		seen[s] = true
	}
}

// The URI says the same to two other parsers, also with characters that
// separate parts of a URI.
func TestURI(t *testing.T) {
	for _, o := range []totp.Options{
		{Issuer: "Example", Account: "jane@acme.example"},
		{Issuer: "AT&T = 100% + ?#/", Account: "a&secret=AAAA b+c"},
		{Issuer: "Müller GmbH", Account: "jürgen", Algorithm: totp.SHA256, Digits: 8, Period: 60},
	} {
		k, err := totp.Generate(o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := otp.NewKeyFromURL(k.URI())
		if err != nil {
			t.Fatal(err)
		}
		if p.Issuer() != o.Issuer || p.AccountName() != o.Account || p.Secret() != k.Secret().Base32() ||
			p.Algorithm().String() != o.Algorithm.String() || p.Type() != "totp" {
			t.Errorf("%+v: %q %q %v", o, p.Issuer(), p.AccountName(), p.Algorithm())
		}
		if o.Period != 0 && (p.Period() != 60 || p.Digits() != 8) {
			t.Errorf("period %d, digits %d", p.Period(), p.Digits())
		}
		u, err := url.Parse(k.URI())
		if err != nil || u.Path != "/"+o.Issuer+":"+o.Account || len(u.Query()) != 5 || strings.Contains(k.URI(), "+") {
			t.Errorf("%v %v", u, err)
		}
	}
	for _, o := range []totp.Options{{}, {Issuer: "a"}, {Account: "a"}, {Issuer: "a:b", Account: "c"}, {Issuer: "a", Account: "b:c"},
		{Issuer: "a", Account: "b\n"}, {Issuer: "a", Account: "\xff"}, {Issuer: strings.Repeat("a", 200), Account: "b"},
		{Issuer: "a", Account: "b", Digits: 7}, {Issuer: "a", Account: "b", Period: 31}, {Issuer: "a", Account: "b", Algorithm: 3}} {
		if _, err := totp.Generate(o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
}

func TestGroupedReadsBack(t *testing.T) {
	k := generate(t)
	if len(k.Grouped()) != 39 || strings.Count(k.Grouped(), " ") != 7 {
		t.Fatal("not eight groups of four")
	}
	back, err := totp.Restore(strings.ToLower(k.Grouped()), totp.Options{Issuer: "Example", Account: "jane"})
	if err != nil || back.URI() != k.URI() {
		t.Error("typing the groups gives another key", err)
	}
}

// T5: nothing that prints, logs or marshals gives a secret away.
func TestRedaction(t *testing.T) {
	k := generate(t)
	ring, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	secret := k.Secret().Base32()
	proof := totp.Proof{Code: "123456", Pass: "PASS-WORD"}
	things := []any{k, &k, k.Secret(), totp.Enrollment{Key: k}, &totp.Enrollment{Key: k}, ring, *ring, proof, &proof,
		struct{ P totp.Proof }{proof}, []totp.Key{k}}
	log := slog.New(slog.NewJSONHandler(&file, nil))
	text := slog.New(slog.NewTextHandler(&file, nil))
	for _, x := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&file, verb+"\n", x)
		}
		log.Info("x", "x", x)
		text.Info("x", "x", x)
		b, err := json.Marshal(x)
		if err != nil {
			t.Errorf("%T: %v", x, err)
		}
		file.Write(b)
	}
	out := file.String()
	raw, _ := base32.StdEncoding.DecodeString(secret)
	for _, s := range []string{secret, string(raw), fmt.Sprintf("%x", raw), fmt.Sprintf("%v", raw)[1:20], "123456", "PASS-WORD", "AES", "aead"} {
		if strings.Contains(out, s) {
			t.Errorf("found %q in\n%s", s, out)
		}
	}
	if !strings.Contains(out, "[redacted]") {
		t.Error("nothing was redacted")
	}
}

func FuzzVerify(f *testing.F) {
	for _, s := range []string{"", "123456", " 12345", "１２３４５６", "12345\x00", "000000000000"} {
		f.Add(s, int64(1_800_000_000), int64(0))
	}
	k, err := totp.Restore("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", totp.Options{Issuer: "rfc", Account: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, code string, unix, after int64) {
		unix = unix % (1 << 40)
		step, ok := k.Verify(code, time.Unix(unix, 0), after)
		if !ok {
			return
		}
		if step <= after || step < unix/30-1 || step > unix/30+1 || code != at(k, time.Unix(step*30, 0)) {
			t.Errorf("%q accepted at %d as step %d, after %d", code, unix, step, after)
		}
	})
}
