package doctor_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/doctor"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// many writes n headers; %d in a line is the number of the mail.
func many(n int, lines ...string) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = []byte(strings.ReplaceAll(strings.Join(lines, "\r\n"), "%d", fmt.Sprint(i)) + "\r\n\r\n")
	}
	return out
}

// TestAdvice reads the shapes of real mail systems, and what a flood of forged
// mails can and cannot make of the advice.
func TestAdvice(t *testing.T) {
	const from = "From: a%d@sender%d.example"
	for _, c := range []struct {
		name    string
		headers [][]byte
		want    sender.Trust
	}{
		{"Postfix with a milter that writes on top", many(20, "Authentication-Results: mx.host.example; dkim=pass header.d=sender%d.example",
			"Received: from out.sender%d.example (x by y [192.0.2.1])\r\n by mx.host.example (Postfix); now", "Received: from a by b%d.sender%d.example; now", from),
			sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"mx.host.example"}, Boundary: 1, By: []string{"mx.host.example"}, Position: sender.AboveBoundary}},
		{"OpenDKIM below", many(20, "Received: from out.sender%d.example by mx.host.example; now", "Authentication-Results: MX.host.example (a; b) ; dkim=pass", from),
			sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"mx.host.example"}, Boundary: 1, By: []string{"mx.host.example"}, Position: sender.BelowBoundary}},
		{"Exchange Online", many(20, "Received: from a by m%d.prod.outlook.com; now", "Received: from a by m%d.outlook.com; now", "Authentication-Results: spf=pass smtp.mailfrom=x; dkim=pass", from),
			sender.Trust{Mode: sender.TrustExchange, Boundary: 2, Position: sender.BelowBoundary}},
		{"Exchange behind our own relay", many(20, "Received: from a by store.host.example; now", "Authentication-Results: spf=pass smtp.mailfrom=x; dkim=pass", "Received: from b%d by mx.host.example; now", from),
			sender.Trust{Mode: sender.TrustExchange, Boundary: 2, By: []string{"mx.host.example"}, Position: sender.AboveBoundary}},
		{"a flood that claims a second hop of its own", many(20, "Received: from x by mx.host.example; now", "Authentication-Results: evil.example; dkim=pass", "Received: from y by evil.example; now", from),
			sender.Trust{Mode: sender.TrustOff, Boundary: 1, By: []string{"mx.host.example"}, Position: sender.AboveBoundary}},
		{"a flood that claims an id of no domain", many(20, "Received: from x by mx.host.example; now", "Authentication-Results: localhost; dkim=pass", from),
			sender.Trust{Mode: sender.TrustOff, Boundary: 1, By: []string{"mx.host.example"}, Position: sender.AboveBoundary}},
		{"too few", many(4, "Received: from x by mx.host.example; now", from), sender.Trust{Mode: sender.TrustOff, Position: sender.AboveBoundary}},
		{"nothing at all", nil, sender.Trust{Mode: sender.TrustOff, Position: sender.AboveBoundary}},
	} {
		found, got := doctor.JudgeTrust(sender.Trust{}, c.headers)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: advises %+v, want %+v", c.name, got, c.want)
		}
		if got.Mode != sender.TrustOff && !strings.Contains(found.Fix, "canary") {
			t.Errorf("%s: %q advises trust without the canary", c.name, found.Fix)
		}
	}
}

// FuzzOrder: headers are strangers' text, and what is said of them is plain.
func FuzzOrder(f *testing.F) {
	f.Add([]byte("Received: from (by (x)\\) by y; z\r\nAuthentication-Results: (a) b; c=d\r\n e: f\r\nFrom : x\r\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		found, _ := doctor.JudgeTrust(sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"x"}, Boundary: 1}, [][]byte{header, header, header, header, header, header})
		var out bytes.Buffer
		if err := found.Print(&out, true); err != nil {
			t.Fatal(err)
		}
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%q is written to the terminal", r)
			}
		}
	})
}
