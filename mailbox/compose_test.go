package mailbox_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
)

var update = flag.Bool("update", false, "write the golden files anew")

func draft() mailbox.Draft {
	return mailbox.Draft{
		From:      mail.Address{Name: "Prüfstelle", Address: "reset@support.example"},
		ReplyTo:   mail.Address{Address: "reset+rst-8k2m4q@support.example"},
		To:        mail.Address{Name: "Jan de Vries, \"admin\"", Address: "admin@legit.example"},
		Subject:   "Bestätigung: Zwei-Faktor-Anmeldung zurücksetzen [RST-8K2M4Q]",
		MessageID: "<r-17.ack@support.example>", InReplyTo: "<abc@legit.example>",
		References:    []string{"<first@legit.example>", "broken", "<abc@legit.example>"},
		Date:          time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		Language:      "de",
		AutoSubmitted: "auto-replied",
		Text:          "Guten Tag,\n\nwir haben Ihre Anfrage erhalten. Öffnen Sie bitte:\nhttps://desk.example/c/8K2M4Q\n\n-- \nSupport\n",
		HTML:          "<p>Guten Tag,</p>\n<p>wir haben Ihre Anfrage erhalten.</p>\n",
		Headers:       map[string]string{"X-Case": "RST-8K2M4Q"},
	}
}

func TestComposeGolden(t *testing.T) {
	for name, d := range map[string]mailbox.Draft{"both": draft(), "text": func() mailbox.Draft { d := draft(); d.HTML = ""; return d }()} {
		got, err := mailbox.Compose(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := mailbox.Compose(d)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("%s: the same draft gives different bytes, %v", name, err)
		}
		path := filepath.Join("testdata", "compose-"+name+".eml")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if i := bytes.IndexByte(bytes.ReplaceAll(got, []byte("\r\n"), nil), '\n'); i >= 0 || !bytes.HasSuffix(got, []byte("\r\n")) {
			t.Errorf("%s: a bare line end, or no last one", name)
		}
		checkFields(t, d, got)
	}
}

// checkFields fails unless the message has exactly the fields that Compose promises, once each, and the texts come out
// again as they went in.
func checkFields(t *testing.T, d mailbox.Draft, raw []byte) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("unreadable: %v\n%q", err, raw)
	}
	want := []string{"Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress"}
	if d.HTML == "" {
		want = append(want, "Content-Transfer-Encoding")
	}
	for name, on := range map[string]bool{"Reply-To": d.ReplyTo.Address != "", "Auto-Submitted": d.AutoSubmitted != "",
		"Content-Language": d.Language != "", "X-Case": d.Headers["X-Case"] != "",
		"In-Reply-To": m.Header.Get("In-Reply-To") != "", "References": m.Header.Get("References") != ""} {
		if on {
			want = append(want, name)
		}
	}
	got := slices.Sorted(maps.Keys(m.Header))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("fields %q, want %q", got, want)
	}
	for name, values := range m.Header {
		if len(values) != 1 {
			t.Errorf("%s occurs %d times", name, len(values))
		}
	}
	for name, addr := range map[string]string{"From": d.From.Address, "To": d.To.Address} {
		list, err := m.Header.AddressList(name)
		if err != nil || len(list) != 1 || list[0].Address != addr {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > 998 || bytes.IndexFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) >= 0 {
			t.Errorf("header line %q", line)
		}
	}
	checkTexts(t, d, m)
}

func checkTexts(t *testing.T, d mailbox.Draft, m *mail.Message) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	crlf := func(s string) string {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
		return strings.ReplaceAll(s, "\n", "\r\n")
	}
	if d.HTML == "" {
		b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil || kind != "text/plain" || string(b) != crlf(d.Text) {
			t.Errorf("%s, %v: %q, want %q", kind, err, b, crlf(d.Text))
		}
		return
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ kind, text string }{{"text/plain", d.Text}, {"text/html", d.HTML}} {
		p, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); err != nil || kind != want.kind || string(b) != crlf(want.text) {
			t.Errorf("%s, %v: %q, want %q", kind, err, b, crlf(want.text))
		}
	}
	if _, err := r.NextPart(); !errors.Is(err, io.EOF) {
		t.Errorf("a third part: %v", err)
	}
}

func TestComposeRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*mailbox.Draft){
		"from and to":       func(d *mailbox.Draft) { d.To.Address = "" },
		"not a plain one":   func(d *mailbox.Draft) { d.To.Address = "a@b.example, c@d.example" },
		"address is not":    func(d *mailbox.Draft) { d.ReplyTo.Address = "a@b.example\r\nBcc: c@d.example" },
		"message-id":        func(d *mailbox.Draft) { d.MessageID = "a b@c" },
		"date is missing":   func(d *mailbox.Draft) { d.Date = time.Time{} },
		"text is missing":   func(d *mailbox.Draft) { d.Text = " \n" },
		"auto-submitted":    func(d *mailbox.Draft) { d.AutoSubmitted = "no\r\nX: y" },
		"language":          func(d *mailbox.Draft) { d.Language = "de\r\nX: y" },
		"not for the calle": func(d *mailbox.Draft) { d.Headers = map[string]string{"bcc": "x@y.example"} },
		"malformed or not":  func(d *mailbox.Draft) { d.Headers = map[string]string{"X:Y": "z"} },
		"unusable value":    func(d *mailbox.Draft) { d.Headers = map[string]string{"X-A": "1\r\nBcc: x@y.example"} },
	} {
		d := draft()
		spoil(&d)
		if _, err := mailbox.Compose(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// FuzzCompose: whatever a stranger brings into a name, a subject or a reference, the letter has our fields and no other.
func FuzzCompose(f *testing.F) {
	f.Add("name", "subject", "<a@b>", "text", "<p>html</p>")
	f.Add("a\r\nBcc: x@y.example", "b\r\n\r\nbody", "<a@b>\r\nX: y", "\r\n.\r\n", "")
	f.Add("=?utf-8?q?x?=\"\\", "\u2028\u202Ex\x00", "a\nb@c", "--part-0\r\n", "--")
	f.Add(strings.Repeat("ä", 500), strings.Repeat("long", 400), strings.Repeat("r", 300)+"@x", "\r\r\n \n", "=")
	f.Fuzz(func(t *testing.T, name, subject, ref, text, html string) {
		d := draft()
		d.From.Name, d.To.Name, d.Subject, d.InReplyTo, d.References = name, name, subject, ref, []string{ref, "<ok@x.example>"}
		d.Text, d.HTML = "x"+text, html
		raw, err := mailbox.Compose(d)
		if err != nil {
			t.Fatal(err)
		}
		checkFields(t, d, raw)
	})
}
