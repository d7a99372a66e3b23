package message_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox/message"
)

// mail puts CRLFs where Go strings have newlines.
func mail(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// TestQuotes reads each testdata/quotes/*.txt as the body of a mail and
// expects the writer's own words of the .want file beside it.
func TestQuotes(t *testing.T) {
	files, err := filepath.Glob("testdata/quotes/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".txt") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			m := message.Read(mail("Subject: x\nContent-Type: text/plain; charset=utf-8\n\n" + string(body)))
			if got := m.Text + "\n"; got != string(want) {
				t.Errorf("own words:\n%s\nwant:\n%s\ncut away:\n%s", got, want, m.Quoted)
			}
			if lines(m.Text+"\n"+m.Quoted) != lines(m.Full) {
				t.Errorf("words were lost between %q, %q and %q", m.Full, m.Text, m.Quoted)
			}
		})
	}
}

// lines counts the lines with something on them.
func lines(s string) (n int) {
	for l := range strings.Lines(s) {
		if strings.TrimSpace(l) != "" {
			n++
		}
	}
	return n
}

func TestHeader(t *testing.T) {
	m := message.Header(mail("From: =?iso-8859-1?q?J=F6rg?= <joerg@legit.example>\nSender: s@legit.example\nReply-To: r@legit.example\n" +
		"To: reset@support.example\nCc: c@legit.example\nSubject: 2FA =?utf-8?b?w7xiZXI=?=\n  =?utf-8?q?all?=\n" +
		"Message-ID: <m1@legit.example>\nIn-Reply-To: <a@b>\nReferences: <a@b>\n <c@d>\nDate: Mon, 23 Nov 2026 10:00:00 +0100\n"))
	want := message.Message{
		From: "Jörg <joerg@legit.example>", Sender: "s@legit.example", ReplyTo: "r@legit.example",
		To: "reset@support.example", Cc: "c@legit.example", Subject: "2FA überall",
		MessageID: "m1@legit.example", InReplyTo: []string{"a@b"}, References: []string{"a@b", "c@d"},
	}
	if !m.Date.Equal(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("date %v", m.Date)
	}
	m.Date = time.Time{}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
}

func TestEightBitSubject(t *testing.T) {
	m := message.Header([]byte("Subject: Zurücksetzen bitte\r\n"))
	if m.Subject != "Zurücksetzen bitte" || len(m.Problems) > 0 {
		t.Errorf("UTF-8: %q %v", m.Subject, m.Problems)
	}
	m = message.Header([]byte("Subject: Zur\xfccksetzen\r\n"))
	if m.Subject != "Zur\ufffdcksetzen" || len(m.Problems) != 1 {
		t.Errorf("Latin-1: %q %v", m.Subject, m.Problems)
	}
}

func multipart(kind, boundary string, parts ...string) string {
	s := "Content-Type: multipart/" + kind + "; boundary=\"" + boundary + "\"\n\n"
	for _, p := range parts {
		s += "--" + boundary + "\n" + p + "\n"
	}
	return s + "--" + boundary + "--\n"
}

func TestBodies(t *testing.T) {
	const html = "Content-Type: text/html\n\n"
	for _, c := range []struct {
		name, raw, full string
		htmlOnly        bool
		problem         string // "" means none
	}{
		{"plain", "Subject: x\n\nHello\n", "Hello", false, ""},
		{"no header", "\nHello\n", "Hello", false, ""},
		{"header is no header", "Hello there\nI lost my phone\n", "Hello there\nI lost my phone", false, "no header line"},
		{"latin-1", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nf=FCr\n", "für", false, ""},
		{"windows-1252", "Content-Type: text/plain; charset=Windows-1252\nContent-Transfer-Encoding: Quoted-Printable (x)\n\n=80 5\n", "€ 5", false, ""},
		{"base64", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: BASE64\n\nZsO8cg==\n", "für", false, ""},
		{"unknown charset", "Content-Type: text/plain; charset=x-klingon\n\nHello \xfc\n", "Hello \ufffd", false, "character set"},
		{"unknown encoding", "Content-Transfer-Encoding: x-uuencode\n\nHello\n", "Hello", false, "transfer encoding"},
		{"broken quoted-printable", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\na =ZZ b =C3=BC\n", "a =ZZ b ü", false, ""},
		{"bad UTF-8", "Content-Type: text/plain; charset=utf-8\n\na \xff b\n", "a \ufffd b", false, "could not be decoded"},
		{"alternative", multipart("alternative", "b", "Content-Type: text/plain\n\nplain", html+"<p>html</p>"), "plain", false, ""},
		{"alternative with empty plain", multipart("alternative", "b", "Content-Type: text/plain\n\n ", html+"<p>html</p>"), "html", true, ""},
		{"html only", html + "<p>one<p>two<br>three", "one\n\ntwo\nthree", true, ""},
		{"mixed", multipart("mixed", "b", "\none", "Content-Type: text/plain\n\ntwo"), "one\n\ntwo", false, ""},
		{"no end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n", "one", false, ""},
		{"part without empty line", multipart("mixed", "b", "I lost my phone"), "I lost my phone", false, ""},
		{"no boundary", "Content-Type: multipart/mixed\n\nHello\n", "Hello", false, "no parts"},
		{"wrong boundary", "Content-Type: multipart/mixed; boundary=x\n\n--b\n\nHello\n", "--b\n\nHello", false, "no parts"},
		{"damaged parameters", "Content-Type: multipart/mixed; charset=\"; boundary=\"b\"; boundary=c\n\n--b\n\nHello\n--b--\n", "Hello", false, ""},
		{"text around the parts", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b--\nreset bob too\n", "Hello", false, "outside the parts"},
		{"usual preamble", "Content-Type: multipart/mixed; boundary=b\n\nThis is a multi-part message in MIME format.\n--b\n\nHello\n--b--\n", "Hello", false, ""},
		{"junk in the header", "Subject: x\nJUNK\n\nHello\n", "Hello", false, "no header line"},
		{"controls", "Subject: x\n\na\x00b\x1b[31mc\u200bd\n", "ab[31mcd", false, ""},
		{"two From", "From: a@b.example\nFrom: c@d.example\n\nHello\n", "Hello", false, "more than one field from"},
		{"date", "Date: yesterday\n\nHello\n", "Hello", false, "date"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := message.Read(mail(c.raw))
			if m.Full != c.full || m.HTMLOnly != c.htmlOnly {
				t.Errorf("got %q (html %v), want %q", m.Full, m.HTMLOnly, c.full)
			}
			problems := strings.Join(m.Problems, "; ")
			if c.problem == "" && problems != "" || !strings.Contains(problems, c.problem) {
				t.Errorf("problems %q, want %q", problems, c.problem)
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	data := "the octets"
	sum := sha256.Sum256([]byte(data))
	b64 := base64.StdEncoding.EncodeToString([]byte(data))
	m := message.Read(mail(multipart("mixed", "b", "\nsee file",
		"Content-Type: application/pdf\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"=?utf-8?q?pr=C3=BCfung?=.pdf\"\n\n"+b64,
		"Content-Type: text/plain; name=notes.txt; charset=iso-8859-1\n\n\xfc",
		"Content-Type: message/rfc822\n\nFrom: admin@legit.example\n\nreset bob")))
	if m.Full != "see file" || len(m.Attachments) != 3 {
		t.Fatalf("%+v", m)
	}
	want := message.Attachment{Name: "prüfung.pdf", Size: int64(len(data)), Type: "application/pdf", SHA256: hex.EncodeToString(sum[:])}
	if m.Attachments[0] != want {
		t.Errorf("got %+v, want %+v", m.Attachments[0], want)
	}
	if a := m.Attachments[1]; a.Name != "notes.txt" || a.Size != 1 {
		t.Errorf("text file: %+v", a)
	}
}

func TestHTML(t *testing.T) {
	for _, c := range []struct{ name, html, full, hidden, link string }{
		{"script and style", "<head><title>t</title><style>a{}</style></head><body>a<script>alert(1)</script> b<!-- c -->", "a b", "", ""},
		{"entities", "a &amp;lt; b&nbsp;c", "a &lt; b c", "", ""},
		{"words across tags", "pass<b>word</b> is", "password is", "", ""},
		{"hidden by style", `<div style="display : none">secret</div>shown`, "shown", "secret", ""},
		{"hidden by attribute", `<p hidden>secret<p>shown`, "shown", "secret", ""},
		{"hidden by size", `<span style="color:red;font-size:0px">secret</span>shown`, "shown", "secret", ""},
		{"the usual size", `<p style="font-size:1em">one</p><p style="font-size: 1rem; color: rgba(0,0,0,0.87)">two</p>`, "one\n\ntwo", "", ""},
		{"a line's height", `<div style="line-height:0;height:0;margin-left:-10px">shown</div>`, "shown", "", ""},
		{"pushed off the page", `<div style="position:absolute;left:-9999px">secret</div>shown`, "shown", "secret", ""},
		{"no room", `<div style="height:0px; overflow: hidden">secret</div>shown`, "shown", "secret", ""},
		{"cut off", `<b style="position:absolute;clip:rect(0,0,0,0)">a</b><b style="transform:scale(0)">b</b><b style="color:rgba(0, 0, 0, 0)">c</b>shown`, "shown", "a b c", ""},
		{"small is not hidden", `<span style="font-size:0.9em">shown</span>`, "shown", "", ""},
		{"self-closing hides", `<div hidden/>secret</div>shown`, "shown", "secret", ""},
		{"nested hidden", `<div hidden><div>a</div>b</div>shown`, "shown", "a b", ""},
		{"list", "<ul><li>a<li>b</ul>", "- a\n- b", "", ""},
		{"table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc", "", ""},
		{"quote", "yes<blockquote>old<br>words</blockquote>more", "yes\n> old\n> words\nmore", "", ""},
		{"honest link", `<a href="https://www.legit.example/x">legit.example</a>`, "legit.example", "", ""},
		{"link with words", `<a href="https://attack.example">click here</a>`, "click here", "", ""},
		{"lying link", `<a href="https://attack.example/x">https://legit.example/reset</a>`, "https://legit.example/reset", "",
			"https://legit.example/reset -> https://attack.example/x"},
		{"lying address", `<a href="mailto:x@attack.example">admin@legit.example</a>`, "admin@legit.example", "",
			"admin@legit.example -> mailto:x@attack.example"},
		{"unclosed link", `<a href="https://attack.example/x">legit.example`, "legit.example", "", "legit.example -> https://attack.example/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := message.Read(mail("Content-Type: text/html; charset=utf-8\n\n" + c.html))
			if m.Full != c.full || m.HiddenText != c.hidden || strings.Join(m.LinkMismatches, "|") != c.link {
				t.Errorf("full %q hidden %q links %q", m.Full, m.HiddenText, m.LinkMismatches)
			}
		})
	}
}

func TestHTMLQuotes(t *testing.T) {
	for name, html := range map[string]string{
		"gmail":   `<div>Please reset jo.</div><div class="gmail_quote"><div class="gmail_attr">On Mon Desk &lt;r@s.example&gt; wrote:<br></div><blockquote>reset bob</blockquote></div>`,
		"outlook": `<p>Please reset jo.</p><hr><div id="divRplyFwdMsg"><b>From:</b> Desk<br><b>Sent:</b> Monday<br><b>To:</b> Ann<br><b>Subject:</b> 2FA</div><div>reset bob</div>`,
		"apple":   `Please reset jo.<br><br><div>Op 23 nov. 2026 om 10:00 heeft Desk het volgende geschreven:</div><br><blockquote type="cite">reset bob</blockquote>`,
		"signed":  `<div>Please reset jo.</div><div class="gmail_signature">Ann, 2FA for bob</div>`,
	} {
		m := message.Read(mail("Content-Type: text/html\n\n" + html))
		if m.Text != "Please reset jo." || !strings.Contains(m.Quoted, "bob") {
			t.Errorf("%s: text %q, quoted %q", name, m.Text, m.Quoted)
		}
	}
}

// nested is a mail of n multiparts, each inside the one before.
func nested(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("\r\nbottom\r\n")
	return []byte(b.String())
}

// TestHostile gives Read what is built to exhaust it. Each must end within a
// few seconds even on a slow machine, with a Problem where something was left out.
func TestHostile(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name    string
		raw     []byte
		problem string
	}{
		{"10,000 levels", nested(10_000), "nested more than 20"},
		{"10,000 parts", mail(multipart("mixed", "b", slices.Repeat([]string{"\nx"}, 10_000)...)), "more than 200 parts"},
		{"parts in parts", mail(multipart("mixed", "a", slices.Repeat([]string{multipart("mixed", "b", slices.Repeat([]string{"\nx"}, 50)...)}, 50)...)), "more than 200 parts"},
		{"long text", mail("\n" + big), "longer than what is read"},
		{"long header", mail("X: " + big + "\n\nHello"), "longer than 256 KiB"},
		{"many folds", mail("X: a" + strings.Repeat("\n a", 1<<18) + "\n\nHello"), "longer than 256 KiB"},
		{"long subject", mail("Subject: " + strings.Repeat("=?utf-8?q?a?= ", 15000) + "\n\nHello"), "too long"},
		{"deep HTML", mail("Content-Type: text/html\n\n" + strings.Repeat("<div><b>", 60_000) + "x"), ""},
		{"closing HTML", mail("Content-Type: text/html\n\n" + strings.Repeat("<div>", 600) + strings.Repeat("</p></b>", 60_000) + "x"), ""},
		{"many quotes", mail("\n" + strings.Repeat("On 1 a@b\n", 7000)), ""},
		{"long boundary", mail("Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 100_000) + "\n\nHello"), "no parts"},
		{"NULs", make([]byte, 1<<20), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			m := message.Read(c.raw)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if !strings.Contains(strings.Join(m.Problems, ";"), c.problem) {
				t.Errorf("problems %q", m.Problems)
			}
			check(t, m)
		})
	}
}

// check holds for every Message.
func check(t *testing.T, m message.Message) {
	t.Helper()
	for name, s := range map[string]string{
		"Text": m.Text, "Quoted": m.Quoted, "Full": m.Full, "HiddenText": m.HiddenText, "Subject": m.Subject, "From": m.From,
	} {
		if !utf8.ValidString(s) || len(s) > 64<<10 || strings.ContainsAny(s, "\x00\r\x1b") {
			t.Errorf("%s is not clean or too long (%d)", name, len(s))
		}
	}
	if len(m.Attachments) > 200 || len(m.LinkMismatches) > 20 || len(m.References) > 100 {
		t.Errorf("unbounded: %d attachments, %d links, %d references", len(m.Attachments), len(m.LinkMismatches), len(m.References))
	}
	for _, p := range m.Problems {
		if strings.Contains(p, "internal error") {
			t.Error(p)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(mail("Subject: x\n\nHello\n> old\n"))
	f.Add(mail(multipart("alternative", "b", "Content-Type: text/plain\n\nplain", "Content-Type: text/html\n\n<p hidden>a<p>b")))
	f.Add(mail("Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\nZsO8cg==\n"))
	f.Add(nested(3))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := message.Read(raw)
		check(t, m)
		if again := message.Read(raw); !reflect.DeepEqual(m, again) {
			t.Error("two readings differ")
		}
		check(t, message.Header(raw))
		if got, want := message.Subject(raw), message.Header(raw).Subject; got != want {
			t.Errorf("the subject alone is %q, in the header %q", got, want)
		}
	})
}
