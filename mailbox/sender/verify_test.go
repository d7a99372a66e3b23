package sender_test

import (
	"bytes"
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// known is a Resolver over a zone, for where no wire is needed.
type known zone

func (k known) LookupTXT(_ context.Context, name string) ([]string, error) {
	if r, ok := k[strings.TrimSuffix(name, ".")]; ok {
		return r, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// TestLibrarySigner lets go-msgauth sign, so that the signer of this test
// cannot be wrong in the same way as the verifier.
func TestLibrarySigner(t *testing.T) {
	n := startDNS(t, defaultZone())
	for _, canon := range []dkim.Canonicalization{"simple", "relaxed"} {
		var out bytes.Buffer
		m := base()
		m.top = nil
		err := dkim.Sign(&out, strings.NewReader(m.raw()), &dkim.SignOptions{
			Domain: "legit.example", Selector: "sel", Signer: keys.rsa2048,
			HeaderCanonicalization: canon, BodyCanonicalization: canon, HeaderKeys: strings.Split(baseSigned, ":"),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := request(n, out.String())
		r.Trust.Boundary, r.Received = 0, clock
		// The library stamps its own clock into t=.
		r.Now = time.Now()
		r.Received = r.Now
		v := sender.Verify(context.Background(), r)
		if len(v.Signatures) != 1 || v.Signatures[0].Result != sender.Pass {
			t.Errorf("%s: %+v %v", canon, v.Signatures, v.Reasons)
		}
	}
}

// TestEvidence looks at everything else a verdict carries.
func TestEvidence(t *testing.T) {
	n := startDNS(t, defaultZone())
	v := verify(n, base().raw(base().sign(sig{d: "attack.example", key: keys.attacker}), base().sign(sig{extra: "t=1795428000; "})))
	if v.State() != sender.Authenticated || v.From != registered || v.Registered != registered || v.MessageID != "m1@legit.example" || len(v.SHA256) != 64 {
		t.Errorf("%+v", v)
	}
	if len(v.Signatures) != 2 || v.Signatures[0].Result != sender.NotChecked || v.Signatures[0].Reason != "D_NOT_ALIGNED" {
		t.Fatalf("signatures %+v", v.Signatures)
	}
	s := v.Signatures[1]
	if s.Result != sender.Pass || s.KeyBits != 2048 || s.SignedAt != 1795428000 || s.KeyRecord != rsaRecord(keys.rsa2048, "") || s.BodyHash == "" || len(s.SignedHeaders) != 9 {
		t.Errorf("signature %+v", s)
	}
	if len(v.Fingerprints) != 1 || !strings.HasPrefix(v.Fingerprints[0], "legit.example/sel/") {
		t.Errorf("fingerprints %v", v.Fingerprints)
	}
	if q := n.questions(); !slices.Equal(q, []string{"sel._domainkey.legit.example"}) {
		t.Errorf("asked %v; only the key of the From domain may be looked up", q)
	}
	b, err := json.Marshal(v)
	var back sender.Verdict
	if err != nil || json.Unmarshal(b, &back) != nil || back.State() != v.State() || !strings.Contains(string(b), `"verdict":"authenticated","match":"exact"`) {
		t.Errorf("JSON %s", b)
	}
}

// TestFingerprintSurvivesRespelling: a copy with other unsigned fields and
// another folding of b= is the same signature.
func TestFingerprintSurvivesRespelling(t *testing.T) {
	n := startDNS(t, defaultZone())
	line := base().sign(sig{})
	first := verify(n, base().raw(line))
	copied := base()
	copied.top = append(copied.top, "X-Other: 1")
	second := verify(n, copied.raw(line[:len(line)-20]+"\r\n "+line[len(line)-20:]))
	if len(first.Fingerprints) != 1 || !slices.Equal(first.Fingerprints, second.Fingerprints) || first.SHA256 == second.SHA256 {
		t.Errorf("%v and %v", first.Fingerprints, second.Fingerprints)
	}
	second.Lower("R_REPLAY")
	if second.State() != sender.Quarantine {
		t.Errorf("state %s", second.State())
	}
}

func TestTemporaryFailure(t *testing.T) {
	n := startDNS(t, zone{"sel._domainkey.legit.example": {"SERVFAIL"}, "sel._domainkey.attack.example": {"SERVFAIL"}})
	mail := base().raw(base().sign(sig{}))
	if v := verify(n, mail); v.State() != sender.Deferred || !slices.Contains(v.Reasons, "D_TEMPERROR") {
		t.Errorf("%s %v, want deferred", v.State(), v.Reasons)
	}
	last := request(n, mail)
	last.LastTry = true
	if v := sender.Verify(context.Background(), last); v.State() != sender.Unverified || !slices.Contains(v.Reasons, "D_UNANSWERED") {
		t.Errorf("last try: %s %v, want unverified", v.State(), v.Reasons)
	}
	stranger := base().with("From: ann@attack.example")
	if v := verify(n, stranger.raw(stranger.sign(sig{d: "attack.example"}))); v.State() != sender.Unverified {
		t.Errorf("stranger: %s, want unverified: no key could make it better", v.State())
	}
	dead := request(n, mail)
	dead.Resolver = &sender.DNS{Server: "127.0.0.1:1", Timeout: 100 * time.Millisecond}
	if v := sender.Verify(context.Background(), dead); v.State() != sender.Deferred {
		t.Errorf("dead server: %s, want deferred", v.State())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v := sender.Verify(ctx, request(n, mail)); v.State() != sender.Deferred {
		t.Errorf("cancelled: %s, want deferred", v.State())
	}
	half := defaultZone()
	half["sel._domainkey.legit.example"] = []string{"SERVFAIL"}
	n.set(half)
	both := base().raw(base().sign(sig{}), base().sign(sig{a: "ed25519-sha256", s: "ed", key: keys.ed}))
	if v := verify(n, both); v.State() != sender.Authenticated {
		t.Errorf("another signature passes: %s %v", v.State(), v.Reasons)
	}
}

// mute is a name server that never answers.
type mute struct{ asked *int }

func (m mute) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	*m.asked++
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestMuteNameServer: a stranger's name server is not asked at all, and one of a
// registered domain has five seconds for all signatures together.
func TestMuteNameServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		judge := func(m *eml, s ...sig) (sender.Verdict, time.Duration) {
			var lines []string
			for _, s := range s {
				lines = append(lines, m.sign(s))
			}
			begin := time.Now()
			v := sender.Verify(t.Context(), sender.Request{Raw: []byte(m.raw(lines...)), Registered: []string{registered},
				Mailboxes: []string{mailbox}, Now: clock, Trust: sender.Trust{Boundary: 1}, Resolver: mute{&asked}})
			return v, time.Since(begin)
		}
		v, took := judge(base().with("From: ann@attack.example"), sig{d: "attack.example", s: "a"}, sig{d: "attack.example", s: "b"})
		if asked != 0 || took != 0 || v.State() != sender.Unverified || v.Signatures[0].Result != sender.NotChecked {
			t.Errorf("a stranger: %d questions, %s, %s, %+v", asked, took, v.State(), v.Signatures)
		}
		v, took = judge(base(), sig{s: "a"}, sig{s: "b"}, sig{s: "c"})
		if asked == 0 || took > 5*time.Second || v.State() != sender.Deferred {
			t.Errorf("a registered address: %d questions, %s, %s", asked, took, v.State())
		}
	})
}

// TestDNS reads records over UDP and, when cut, over TCP.
func TestDNS(t *testing.T) {
	long := "v=DKIM1; n=" + strings.Repeat("x", 3000) + "; p="
	n := startDNS(t, zone{"a.example": {long}, "b.example": {`a;"b\c`, "two"}, "c.example": {}, "d.example": {"SERVFAIL"}})
	d := &sender.DNS{Server: n.addr, Timeout: 2 * time.Second}
	ctx := context.Background()
	if got, err := d.LookupTXT(ctx, "a.example."); err != nil || len(got) != 1 || got[0] != long {
		t.Errorf("long record: %d records, %v", len(got), err)
	}
	if got, err := d.LookupTXT(ctx, "b.example."); err != nil || !slices.Equal(got, []string{`a;"b\c`, "two"}) {
		t.Errorf("two records: %q %v", got, err)
	}
	for name, notFound := range map[string]bool{"c.example.": true, "nx.example.": true, "d.example.": false} {
		_, err := d.LookupTXT(ctx, name)
		if e, ok := err.(*net.DNSError); !ok || e.IsNotFound != notFound || e.IsTemporary == notFound {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

func TestTruncated(t *testing.T) {
	n := startDNS(t, defaultZone())
	r := request(n, base().raw(base().sign(sig{})))
	r.Truncated = true
	v := sender.Verify(context.Background(), r)
	if v.State() != sender.Unverified || v.Match != sender.MatchExact || !slices.Contains(v.Reasons, "T_TRUNCATED") {
		t.Errorf("%s %v", v.State(), v.Reasons)
	}
	if q := n.questions(); len(q) != 0 {
		t.Errorf("asked %v for a signature that cannot be checked", q)
	}
}

type panicking struct{}

func (panicking) LookupTXT(context.Context, string) ([]string, error) { panic("boom") }

func TestPanicIsQuarantine(t *testing.T) {
	v := sender.Verify(context.Background(), sender.Request{
		Raw: []byte(base().raw(base().sign(sig{}))), Registered: []string{registered}, Mailboxes: []string{mailbox},
		Now: clock, Trust: sender.Trust{Boundary: 1}, Resolver: panicking{},
	})
	if v.State() != sender.Quarantine || !slices.Contains(v.Reasons, "X_PANIC") {
		t.Errorf("%s %v", v.State(), v.Reasons)
	}
}

// TestLattice: the zero verdict is the worst, and whatever reasons come in
// whatever order, a verdict ends where the worst of them forces it.
func TestLattice(t *testing.T) {
	order := []sender.State{sender.Authenticated, sender.Partial, sender.Unverified, sender.Deferred, sender.Automated, sender.Quarantine}
	for i, a := range order {
		for j, b := range order {
			if a.AtLeast(b) != (i <= j) {
				t.Errorf("AtLeast(%s, %s)", a, b)
			}
		}
	}
	table := append(sender.Reasons(), sender.Reason{Code: "Z_UNKNOWN", Forces: sender.Quarantine})
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		v, want := sender.Start(), 0
		for range rnd.IntN(6) {
			r := table[rnd.IntN(len(table))]
			before := v.State()
			v.Lower(r.Code)
			if !before.AtLeast(v.State()) {
				t.Fatalf("%s raised %s to %s", r.Code, before, v.State())
			}
			if r.Forces != sender.Flag {
				want = max(want, slices.Index(order, r.Forces))
			}
		}
		if v.State() != order[want] {
			t.Fatalf("%v ended at %s, want %s", v.Reasons, v.State(), order[want])
		}
	}
	var zero sender.Verdict
	if zero.Lower("B_RCPT"); zero.State().AtLeast(sender.Automated) {
		t.Errorf("the zero verdict became %q", zero.State())
	}
}

// TestNothingRaises: the place of a verdict is set where it starts, where worse
// takes the place of better, and where it is read back; nowhere else.
func TestNothingRaises(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var set, made []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					for _, to := range n.Lhs {
						if sel, ok := to.(*ast.SelectorExpr); ok && (sel.Sel.Name == "state" || sel.Sel.Name == "Standing") {
							set = append(set, fn.Name.Name)
						}
					}
				case *ast.CompositeLit:
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Standing" {
						made = append(made, fn.Name.Name)
					}
				}
				return true
			})
		}
	}
	slices.Sort(set)
	slices.Sort(made)
	if !slices.Equal(set, []string{"UnmarshalText", "lower"}) || !slices.Equal(made, []string{"Verify", "worst"}) {
		t.Errorf("set by %v, made by %v", set, made)
	}
}

// TestReceived: the boundary field goes before INTERNALDATE, and neither may
// lie in the future.
func TestReceived(t *testing.T) {
	late := base()
	late.top[2] = "Received: from x by mx.support.example; Fri, 27 Nov 2026 10:00:05 +0000"
	for _, c := range []struct {
		name     string
		boundary int
		received time.Time
		now      time.Time
		want     sender.State
	}{
		{"boundary", 1, time.Time{}, clock.AddDate(0, 0, 5), sender.Quarantine},
		{"INTERNALDATE", 0, clock, clock.AddDate(0, 0, 5), sender.Authenticated},
		{"INTERNALDATE, late", 0, clock.AddDate(0, 0, 4), clock.AddDate(0, 0, 5), sender.Quarantine},
		{"boundary in the future", 1, time.Time{}, clock, sender.Authenticated},
		{"boundary not there", 7, clock, clock.AddDate(0, 0, 5), sender.Authenticated},
	} {
		r := sender.Request{
			Raw: []byte(late.raw(late.sign(sig{}))), Registered: []string{registered}, Mailboxes: []string{mailbox},
			Now: c.now, Received: c.received, Trust: sender.Trust{Boundary: c.boundary}, Resolver: known(defaultZone()),
		}
		if v := sender.Verify(context.Background(), r); v.State() != c.want {
			t.Errorf("%s: %s %v, want %s", c.name, v.State(), v.Reasons, c.want)
		}
	}
}

// TestStampOfAStranger: a first line with a leading space has become the end of our
// Received field. It must not make a replay of an old mail look fresh.
func TestStampOfAStranger(t *testing.T) {
	n := startDNS(t, defaultZone())
	for received, want := range map[string]sender.State{
		"from x (a; b) by mx.support.example (c; d)\r\n for <reset@support.example>; Sun, 19 Oct 2025 10:00:05 +0000 (UTC)":              sender.Authenticated,
		"from x by mx.support.example; Mon, 23 Nov 2026 10:00:05 +0000\r\n ; Sun, 19 Oct 2025 10:00:05 +0000":                            sender.Quarantine,
		"from x by mx.support.example; Mon, 23 Nov 2026 10:00:05 +0000 (UTC)\r\n (; Sun, 19 Oct 2025) ; Sun, 19 Oct 2025 10:00:05 +0000": sender.Quarantine,
		"from x;y by mx.support.example; Sun, 19 Oct 2025 10:00:05 +0000":                                                                sender.Quarantine, // not sure: the present counts
	} {
		old := base().with("Date: Sun, 19 Oct 2025 10:00:00 +0000")
		old.top[2] = "Received: " + received
		if v := verify(n, old.raw(old.sign(sig{}))); v.State() != want {
			t.Errorf("%s: %s %v, want %s", received, v.State(), v.Reasons, want)
		}
	}
}

func TestAmbiguousCase(t *testing.T) {
	r := sender.Request{
		Raw:        []byte(signed(base().with("From: ADMIN@legit.example"), sig{})),
		Registered: []string{registered, "Admin@legit.example"}, Mailboxes: []string{mailbox},
		Now: clock, Trust: sender.Trust{Boundary: 1}, Resolver: known(defaultZone()),
	}
	if v := sender.Verify(context.Background(), r); v.State() != sender.Unverified || !slices.Contains(v.Reasons, "F_CASE_AMBIGUOUS") {
		t.Errorf("%s %v", v.State(), v.Reasons)
	}
}

// TestCodes: every code in the sources is in the table, and nothing else is.
func TestCodes(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`^[A-Z]_[A-Z0-9_]+$`)
	used := map[string]bool{"R_REPLAY": true} // the caller's to find
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "reasons_table.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && code.MatchString(s) {
					used[s] = true
				}
			}
			return true
		})
	}
	table := map[string]bool{}
	for _, r := range sender.Reasons() {
		if table[r.Code] || r.Staff == "" || r.Operator == "" || !used[r.Code] {
			t.Errorf("%s is twice in the table, without words, or never used", r.Code)
		}
		table[r.Code] = true
	}
	for c := range used {
		if !table[c] {
			t.Errorf("%s is used but not in the table", c)
		}
	}
	if len(used) < 60 {
		t.Errorf("only %d codes found in the sources", len(used))
	}
}
