package bounce_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/bounce"
)

const ours = "rst-8k2m4q.notice.7h3k9qw2m5xn@host.example"

// The samples, a line for each form: run with -v for the table.
func TestForms(t *testing.T) {
	const it = "it@acme.example"
	tests := []struct {
		file, form string
		action     bounce.Action
		class      bounce.Class
		address    string
	}{
		{"dsn-failed", "rfc3464", bounce.Failed, bounce.Unknown, it},
		{"dsn-delayed", "rfc3464", bounce.Delayed, bounce.Network, it},
		{"dsn-delivered", "rfc3464", bounce.Delivered, bounce.Other, it},
		{"dsn-relayed", "rfc3464", bounce.Delivered, bounce.Other, it},
		{"dsn-expanded", "rfc3464", bounce.Delivered, bounce.Other, it},
		{"dsn-full", "rfc3464", bounce.Failed, bounce.Full, it},
		{"dsn-policy", "rfc3464", bounce.Failed, bounce.Refused, it},
		{"dsn-many", "rfc3464", bounce.Failed, bounce.Closed, it},
		{"dsn-eai", "rfc3464", bounce.Failed, bounce.Other, "jürgen@bücher.example"},
		{"dsn-base64", "rfc3464", bounce.Failed, bounce.Unknown, it},
		{"dsn-malformed", "rfc3464", bounce.Failed, bounce.Unknown, it},
		{"dsn-noaction", "rfc3464", bounce.Delayed, bounce.Full, it},
		{"dsn-nested", "rfc3464", bounce.Failed, bounce.Unknown, it},
		{"qmail", "qmail", bounce.Failed, bounce.Unknown, it},
		{"exim", "exim", bounce.Failed, bounce.Unknown, it},
		{"exim-warning", "exim", bounce.Delayed, bounce.Network, it},
		{"exchange", "exchange", bounce.Failed, bounce.Unknown, it},
		{"exchange-de", "exchange", bounce.Failed, bounce.Full, it},
		{"exchange-2013-html", "exchange", bounce.Failed, bounce.Unknown, it},
		{"postfix", "postfix", bounce.Failed, bounce.Unknown, it},
		{"sendmail", "sendmail", bounce.Failed, bounce.Unknown, it},
		{"sendmail-warning", "sendmail", bounce.Delayed, bounce.Network, it},
		{"domino", "domino", bounce.Failed, bounce.Unknown, it},
		{"gmail", "gmail", bounce.Failed, bounce.Full, it},
		{"yahoo", "yahoo", bounce.Failed, bounce.Unknown, it},
		{"gmx", "gmx", bounce.Failed, bounce.Unknown, it},
		{"aol", "aol", bounce.Failed, bounce.Closed, it},
		{"courier", "courier", bounce.Failed, bounce.Unknown, it},
		{"mailenable", "mailenable", bounce.Failed, bounce.Closed, it},
		{"mimecast", "mimecast", bounce.Failed, bounce.Unknown, it},
		{"groupwise", "groupwise", bounce.Failed, bounce.Closed, it},
		{"mdaemon", "mdaemon", bounce.Failed, bounce.Unknown, it},
		{"quota", "quota", bounce.Failed, bounce.Full, it},
		{"german", "german", bounce.Failed, bounce.Unknown, it},
		{"dutch", "dutch", bounce.Failed, bounce.Full, it},
		{"french", "french", bounce.Failed, bounce.Unknown, it},
		{"spanish", "spanish", bounce.Failed, bounce.Full, it},
		{"italian", "italian", bounce.Failed, bounce.Full, it},
		{"plain", "plain", bounce.Failed, bounce.Refused, it},
		{"verp-only", "plain", bounce.Failed, bounce.Other, it},
	}
	forms := map[string]bool{}
	for _, tt := range tests {
		raw := sample(t, tt.file)
		r, ok := bounce.Read(raw)
		if !ok {
			t.Errorf("%-18s is not read as a bounce", tt.file)
			continue
		}
		w := r.Worst()
		forms[r.Form] = true
		t.Logf("%-18s %-10s %-9s %-8s %-7s %-22s ids %d  %.60q", tt.file, r.Form, w.Action, w.Class, w.Status, w.Address, len(r.IDs), w.Words)
		if r.Form != tt.form || w.Action != tt.action || w.Class != tt.class || w.Address != tt.address {
			t.Errorf("%s: %s %s %s %q, want %s %s %s %q", tt.file, r.Form, w.Action, w.Class, w.Address, tt.form, tt.action, tt.class, tt.address)
		}
		if tt.file == "verp-only" {
			if len(r.IDs) != 0 || !slices.Contains(r.To, "support+b9-abcdefghijklmnop@host.example") {
				t.Errorf("%s: ids %q, to %q", tt.file, r.IDs, r.To)
			}
		} else if !slices.Equal(r.IDs, []string{ours}) {
			t.Errorf("%s: Message-IDs %q, want ours", tt.file, r.IDs)
		}
		if head, _, _ := strings.Cut(string(raw), "\n\n"); !bounce.Smells([]byte(head)) {
			t.Errorf("%s: its header does not smell of a bounce, so its body is never read", tt.file)
		}
		// The same mail as servers write it.
		crlf, ok := bounce.Read([]byte(strings.ReplaceAll(string(raw), "\n", "\r\n")))
		if !ok || crlf.Worst().Action != tt.action || crlf.Worst().Class != tt.class || !slices.Equal(crlf.IDs, r.IDs) {
			t.Errorf("%s with CRLF: %t %+v", tt.file, ok, crlf)
		}
	}
	for _, f := range bounce.Forms() {
		if !forms[f] {
			t.Errorf("form %s has no sample", f)
		}
	}
}

func TestSeveralRecipients(t *testing.T) {
	r, _ := bounce.Read(sample(t, "dsn-many"))
	var got []string
	for _, c := range r.Recipients {
		got = append(got, c.Address+" "+string(c.Action)+" "+c.Status)
	}
	want := []string{"boss@acme.example delivered 2.1.5", "it@acme.example failed 5.2.1", "old@acme.example delayed 4.2.2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a person or a vacation program writes is no bounce, whatever it quotes.
func TestNoBounce(t *testing.T) {
	for _, file := range []string{"no-vacation", "no-person"} {
		if r, ok := bounce.Read(sample(t, file)); ok {
			t.Errorf("%s is read as %+v", file, r)
		}
	}
}

// The worst that a megabyte can hold costs what an ordinary mail costs, about.
func TestCost(t *testing.T) {
	for name, unit := range map[string]string{"addresses": "a@b.c ", "open tags": "<a ", "long local parts": strings.Repeat("a", 64) + "@", "fields": "message-id: <a@b>\n",
		"dots": "1.1.", "words": "mailbox is not full ", "lines": "\n>"} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		for _, kind := range []string{"text/plain", "text/html", "message/delivery-status", "message/rfc822"} {
			start := time.Now()
			bounce.Read([]byte("From: mailer-daemon@x.example\nSubject: failure notice\nContent-Type: " + kind + "\n\nundeliverable\n" + text))
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("%s as %s: %s", name, kind, d)
			} else if d > 200*time.Millisecond {
				t.Logf("%s as %s: %s", name, kind, d)
			}
		}
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FuzzRead: whatever comes, what is said of it stays within its bounds.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(sample(f, strings.TrimSuffix(filepath.Base(file), ".eml")))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, ok := bounce.Read(raw)
		bounce.Smells(raw)
		if !ok {
			return
		}
		if len(r.Recipients) == 0 || len(r.Recipients) > 50 || len(r.IDs)+len(r.Marks) > 40 || len(r.To) > 50 {
			t.Fatalf("%d recipients, %d ids, %d marks, %d to", len(r.Recipients), len(r.IDs), len(r.Marks), len(r.To))
		}
		for _, c := range r.Recipients {
			if len(c.Words) > 300 || len(c.Address) > 320 || strings.ContainsAny(c.Words+c.Address, "\r\n\x00\x1b") {
				t.Errorf("%q %q", c.Address, c.Words)
			}
			if c.Action != bounce.Failed && c.Action != bounce.Delayed && c.Action != bounce.Delivered {
				t.Errorf("action %q", c.Action)
			}
		}
	})
}
