package proof_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

func verdict(raw []byte, zone sendertest.Zone, registered string) sender.Verdict {
	return sender.Verify(context.Background(), sender.Request{
		Raw: raw, Registered: []string{registered}, Mailboxes: []string{sendertest.Mailbox}, Now: sendertest.Clock,
		Trust: sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{sendertest.Authserv}, Boundary: sendertest.Boundary}, Resolver: zone,
	})
}

// Every verdict about ordinary mail is explained without a hole: what lowered it
// stands in a step, and the worst step is where it stands.
func TestOrdinaryMailIsExplained(t *testing.T) {
	posts, zone := sendertest.Ordinary(4, 300)
	for _, p := range posts {
		registered := "somebody@elsewhere.example"
		if p.Registered {
			registered = p.From
		}
		v := verdict(p.Raw, zone, registered)
		e := proof.Of(v, head(p.Raw))
		stands := sender.Authenticated
		var codes []string
		for _, s := range e.Steps {
			for _, f := range s.Findings {
				codes = append(codes, f.Code)
				if f.Staff == "" || f.Operator == "" {
					t.Errorf("%s is not explained", f.Code)
				}
				if f.To != "" && !f.To.AtLeast(stands) {
					stands = f.To
				}
			}
		}
		want := append(slices.Clone(v.Reasons), v.Flags...)
		slices.Sort(codes)
		slices.Sort(want)
		if stands != v.State() || !slices.Equal(codes, want) {
			t.Errorf("steps end at %s with %v, the verdict at %s with %v", stands, codes, v.State(), want)
		}
		if e.Vouched == "" || e.NotProved == "" || len(e.Signatures) != len(v.Signatures) {
			t.Errorf("%s: %+v", p.Client, e)
		}
	}
}

func head(raw []byte) []byte {
	h, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	return []byte(h + "\r\n\r\n")
}

// What an earlier version kept lacks most of it.
func TestOldEvidence(t *testing.T) {
	for _, text := range []string{`{}`, `{"verdict":"partial","match":"exact","from":"a@x.example","registered":"a@x.example","reasons":["B_RCPT","GONE"],"flags":null,
		"signatures":[{"domain":"x.example","selector":"s","result":"pass","signed_headers":["From"]}]}`} {
		var v sender.Verdict
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		e := proof.Of(v, nil)
		if e.Vouched == "" || len(e.Steps) == 0 {
			t.Errorf("%s: %+v", text, e)
		}
		if out, err := json.Marshal(e); err != nil || strings.Contains(string(out), "null") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestOthers(t *testing.T) {
	for value, differs := range map[string]bool{
		"<ann@x.example>": false, "Ann <ann@x.example>": false, "ann@X.EXAMPLE": false, "": true, "<>": true, "bob@x.example": true,
		"ann@x.example.evil": true, "ann@x.examples": true, "ann@x.example, eve@evil.example": true, "joann@x.example": true, `"ann@x.example" <eve@evil.example>`: true,
	} {
		e := proof.Of(sender.Verdict{From: "ann@x.example"}, []byte("Reply-To: "+value+"\r\n\r\n"))
		if len(e.Others) != 1 || e.Others[0].Differs != differs {
			t.Errorf("%q: %+v, want differs %v", value, e.Others, differs)
		}
	}
}

func TestName(t *testing.T) {
	for from, want := range map[string]string{
		"Ann Admin <a@x.example>": "Ann Admin", `"Admin, \"Ann\"" <a@x.example>`: `Admin, "Ann"`, "a@x.example": "", "<a@x.example>": "",
		"=?utf-8?q?M=C3=BCller?=\r\n <a@x.example>": "Müller",
	} {
		if e := proof.Of(sender.Verdict{}, []byte("From: "+from+"\r\n\r\n")); e.Name != want {
			t.Errorf("%q: %q, want %q", from, e.Name, want)
		}
	}
}

func TestSharedDomains(t *testing.T) {
	for domain, want := range map[string]bool{"gmail.com": true, "yahoo.co.uk": true, "hotmail.fr": true, "acme.example": false, "gmail.com.evil.example": false, "live.very.long.example": false} {
		if e := proof.Of(sender.Verdict{From: "a@" + domain}, nil); (e.Shared != "") != want {
			t.Errorf("%s: %q", domain, e.Shared)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("a@x.example", "From: =?utf-8?q?x?= <a@x.example>\r\nReceived: by b\r\nReply-To: <a@x.example.\r\n Sender : x\r\nDate: now\r\n")
	f.Fuzz(func(t *testing.T, from, header string) {
		e := proof.Of(sender.Verdict{From: from, Signatures: []sender.Signature{{SignedHeaders: strings.Split(header, "\r\n")}}}, []byte(header))
		if len(e.Steps) == 0 || len(e.Claimed) > strings.Count(header, "\n")+1 {
			t.Errorf("%+v", e)
		}
	})
}

// A header of many folds costs no more than its length: a stranger chooses both.
func TestFieldsOfManyFolds(t *testing.T) {
	got := proof.Fields([]byte("A:  x \r\n y\r\nB\r\n\t z\r\n" + "C: c\r\n" + strings.Repeat(" d\r\n", 200_000) + "\r\nD: not\r\n"))
	want := []proof.Field{{"A", "x y"}, {"", "B z"}, {"C", "c" + strings.Repeat(" d", 200_000)}}
	if !slices.Equal(got, want) {
		t.Errorf("%d fields", len(got))
	}
}
