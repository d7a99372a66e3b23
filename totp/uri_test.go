package totp_test

import (
	"flag"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The labels that made trouble somewhere, and those that all have.
var goldenURIs = []struct {
	name    string
	options totp.Options
}{
	{"plain", totp.Options{Issuer: "Example", Account: "jane"}},
	{"mail address", totp.Options{Issuer: "Example", Account: "jane@acme.example"}},
	{"plus address", totp.Options{Issuer: "Example", Account: "jane+2fa@acme.example"}},
	{"spaces", totp.Options{Issuer: "Example Panel", Account: "Jane Doe"}},
	{"umlauts", totp.Options{Issuer: "Müller & Söhne GmbH", Account: "jürgen@müller.example"}},
	{"signs of a URI", totp.Options{Issuer: "A/B?C#D=100%", Account: "a&secret=AAAA"}},
	{"emoji", totp.Options{Issuer: "Hosting 🚀", Account: "👩‍💻"}},
	{"other parameters", totp.Options{Issuer: "Example", Account: "jane", Algorithm: totp.SHA512, Digits: 8, Period: 60}},
	{"bare label", totp.Options{Issuer: "Example Panel", Account: "jane@acme.example", BareLabel: true}},
}

const goldenSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// The URIs are part of the contract with every authenticator there is: they
// change only on purpose.
func TestGoldenURIs(t *testing.T) {
	var b strings.Builder
	for _, g := range goldenURIs {
		k, err := totp.Restore(goldenSecret, g.options)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(g.name + "\t" + k.URI() + "\n")
	}
	const file = "testdata/uris.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// A reading is how an authenticator takes a URI apart.
type reading struct {
	app string
	// plus: a + in the query is a space to it (form encoding), else it is a plus.
	plus bool
	// label: what it does with "issuer:account" in the label.
	label func(label, parameter string) (issuer, account string)
	// fixed: it makes codes of six digits, SHA-1 and 30 s, whatever the URI says.
	fixed bool
}

// splitFirst takes the prefix off the label and trusts the parameter before it.
func splitFirst(label, parameter string) (issuer, account string) {
	if prefix, rest, ok := strings.Cut(label, ":"); ok {
		issuer, account = prefix, strings.TrimLeft(rest, " ")
	} else {
		account = label
	}
	if parameter != "" {
		issuer = parameter
	}
	return issuer, account
}

// prefixFirst trusts the prefix before the parameter.
func prefixFirst(label, parameter string) (issuer, account string) {
	if parts := strings.Split(label, ":"); len(parts) == 2 {
		return parts[0], parts[1]
	}
	return parameter, label
}

// whole shows the label as it stands, beside the parameter.
func whole(label, parameter string) (issuer, account string) { return parameter, label }

// These are models: they follow what the makers document or publish as source
// about the form of the URI, not the apps themselves, which no test here can run.
var readings = []reading{
	{"Google Authenticator", true, splitFirst, false}, // its wiki: prefix and parameter, equal if both are there
	{"Apple Passwords", false, whole, false},          // shows the label; the parameter finds the site
	{"1Password", false, splitFirst, false},
	{"Bitwarden", true, whole, false}, // keeps the URI as it is, reads secret and parameters
	{"Aegis", true, prefixFirst, false},
	{"Microsoft Authenticator", true, splitFirst, true},
}

// Every documented reading finds the issuer, the account and the secret; where
// the label is shown whole, BareLabel keeps the issuer out of it. Nothing in a
// label becomes a parameter, and no reading of + matters.
func TestAppsReadURIs(t *testing.T) {
	for _, g := range goldenURIs {
		k, err := totp.Restore(goldenSecret, g.options)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			u, err := url.Parse(k.URI())
			if err != nil || u.Scheme != "otpauth" || u.Host != "totp" {
				t.Fatalf("%s: %v", k.URI(), err)
			}
			query := parameters(t, u.RawQuery, r.plus)
			issuer, account := r.label(strings.TrimPrefix(u.Path, "/"), query["issuer"])
			want := g.options.Account
			if r.app == "Apple Passwords" || r.app == "Bitwarden" {
				if !g.options.BareLabel {
					want = g.options.Issuer + ":" + want
				}
			}
			if issuer != g.options.Issuer || account != want || query["secret"] != goldenSecret || len(query) != 5 {
				t.Errorf("%s, %s: issuer %q, account %q, %v", g.name, r.app, issuer, account, query)
			}
			if r.fixed {
				continue
			}
			digits, _ := strconv.Atoi(query["digits"])
			period, _ := strconv.Atoi(query["period"])
			if want := max(g.options.Digits, 6); digits != want || period != max(g.options.Period, 30) || query["algorithm"] != g.options.Algorithm.String() {
				t.Errorf("%s, %s: %v", g.name, r.app, query)
			}
		}
	}
}

// parameters reads a query, with + as a space or as a plus.
func parameters(t *testing.T, query string, plus bool) map[string]string {
	t.Helper()
	all := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		decode := url.PathUnescape
		if plus {
			decode = url.QueryUnescape
		}
		text, err := decode(value)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = text
	}
	return all
}

// New keys are as the policy says, the page shows them so again, and codes of
// eight digits are typed like any other; keys there are keep theirs.
func TestPolicyOfNewKeys(t *testing.T) {
	inBubble(t, func(d *desk) {
		old, codes := d.enroll(jane, totp.Proof{})
		var err error
		d.book, err = totp.Open(d.db, d.keys, totp.Policy{Issuer: "Example Panel", Algorithm: totp.SHA256, Digits: 8, Period: 60, BareLabel: true})
		d.must(err)
		time.Sleep(time.Minute)
		d.must(d.verify(at(old, time.Now())))
		e, err := d.book.Begin(d.Context(), jane, "jane", totp.Proof{Code: codes[0]})
		d.must(err)
		p, err := d.book.Pending(d.Context(), jane, e.ID)
		d.must(err)
		const form = "&issuer=Example%20Panel&algorithm=SHA256&digits=8&period=60"
		if p.Key.URI() != e.Key.URI() || !strings.HasPrefix(e.Key.URI(), "otpauth://totp/jane?secret=") || !strings.HasSuffix(e.Key.URI(), form) {
			d.Errorf("begun %s, shown %s", e.Key.URI(), p.Key.URI())
		}
		_, err = d.book.Confirm(d.Context(), jane, e.ID, at(e.Key, time.Now())[2:])
		d.wants("six of its digits", err, totp.ErrInvalidCode)
		code := at(e.Key, time.Now())
		_, err = d.book.Confirm(d.Context(), jane, e.ID, code[:4]+" "+code[4:])
		d.must(err)
		time.Sleep(10 * time.Minute)
		code = at(e.Key, time.Now())
		d.must(d.verify(code))
		if wait := d.wantsUsed("again", d.verify(code)); wait > time.Minute {
			d.Errorf("wait %v", wait)
		}
		time.Sleep(9 * time.Minute)
		d.drift("a slow device", d.verify(at(e.Key, time.Now().Add(-4*time.Minute))), -4*time.Minute)
		for _, p := range []totp.Policy{{Issuer: "a", Digits: 7}, {Issuer: "a", Period: 45}, {Issuer: "a", Algorithm: 9}, {Issuer: "a", Grace: -1}} {
			if _, err := totp.Open(d.db, d.keys, p); err == nil {
				d.Errorf("%+v accepted", p)
			}
		}
	})
}
