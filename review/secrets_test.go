package review_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"github.com/resetdesk/resetdesk/review"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/resetdesk/resetdesk/review/pack"
)

// wide is s in UTF-16.
func wide(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		b.WriteByte(byte(u))
		b.WriteByte(byte(u >> 8))
	}
	return b.String()
}

func in64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// quotations are the ways in which mail programs and filters quote a secret that
// stands in a link of ours, by their names.
func quotations(number, link string) map[string]string {
	subject := "Re: " + number
	mail := func(head, body string) string {
		return strings.Replace(request("anna@acme.example", subject, body), "Content-Type: text/plain; charset=utf-8\n", head, 1)
	}
	plain := "Content-Type: text/plain; charset=utf-8\n"
	safe := "https://eur01.safelinks.example/?url=" + url.QueryEscape(link) + "&data=05"
	half := len(link) - 30
	body := "Yes, that was me.\n\n> " + link + "\n"
	html := `<p>Yes, that was me.</p><blockquote><a href="` + link + `">the page</a></blockquote>`
	return map[string]string{
		"plain":                   mail(plain, body),
		"quoted-printable":        mail("Content-Transfer-Encoding: quoted-printable\n"+plain, strings.Replace(body, link[half:], "=\n"+link[half:], 1)),
		"a broken line":           mail(plain, strings.Replace(body, link[half:], "\n> "+link[half:], 1)),
		"base64":                  mail("Content-Transfer-Encoding: base64\n"+plain, in64(body)),
		"UTF-16":                  mail("Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-16le\n", in64(wide(body))),
		"rewritten by a filter":   mail(plain, "Yes, that was me.\n\n> "+safe+"\n"),
		"on top":                  mail(plain, link+" says that I must confirm.\n"),
		"hidden behind words":     mail("Content-Type: text/html\n", html),
		"HTML in base64":          mail("Content-Type: multipart/alternative; boundary=b\n", "--b\n"+plain+"\n"+body+"\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n"+in64(html)+"\n--b--\n"),
		"an attached letter":      mail("Content-Type: multipart/mixed; boundary=b\n", "--b\n"+plain+"\nYes.\n--b\nContent-Type: application/octet-stream; name=letter.eml\nContent-Transfer-Encoding: base64\n\n"+in64("Subject: x\nContent-Transfer-Encoding: base64\n\n"+in64(body))+"\n--b--\n"),
		"in the subject":          strings.Replace(mail(plain, "Yes."), subject, subject+" "+link, 1),
		"in an encoded subject":   strings.Replace(mail(plain, "Yes."), subject, subject+" =?utf-8?B?"+in64(link)+"?=", 1),
		"the name of a file":      mail("Content-Type: multipart/mixed; boundary=b\n", "--b\n"+plain+"\nYes.\n--b\nContent-Type: image/png; name=\""+link+"\"\n\nx\n--b--\n"),
		"some other header field": strings.Replace(mail(plain, "Yes."), "Subject:", "X-Clicked: "+link+"\nSubject:", 1),
	}
}

// Promise 3: nobody of the staff can read the owner's link from a mail that quotes
// our letter, on a page or in an evidence pack, and so confirm for the owner.
func TestQuotedLinkIsHidden(t *testing.T) {
	k, change := withAuditKey(t)
	inHouse(t, change, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", lostPhone)
		token := confirmToken(t, letters, "anna@acme.example")
		for name, mail := range quotations(v.Number, "https://reset.example/r/"+token) {
			h.deliver(mail)
			m := slices.MaxFunc(h.view(v.Number).Mails, func(a, b review.MailView) int { return cmp.Compare(a.ID, b.ID) })
			if m.ID == 1 {
				t.Errorf("%s: the mail did not join the case", name)
			}
			shown := fmt.Sprintf("%+v %+v", m, m.Sender) + h.text(`SELECT subject || excerpt FROM assessment ORDER BY inbound_id DESC LIMIT 1`)
			if part := anyPart(shown, token); part != "" {
				t.Errorf("%s: the mail shows %q of the link:\n%s", name, part, shown)
			}
		}
		var b bytes.Buffer
		if err := h.desk.ExportCase(t.Context(), h.rita, v.Number, &b); err != nil {
			t.Fatal(err)
		}
		if _, err := pack.Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), k.Public()); err != nil {
			t.Fatal(err)
		}
		files := unzip(t, b.Bytes())
		for name, text := range files {
			if part := anyPart(string(text), token); part != "" {
				t.Errorf("%s of the pack has %q of the link", name, part)
			}
		}
		if files["mails/1.eml"] == nil || files["mails/2.eml"] != nil || !strings.Contains(string(files["report.html"]), "can still use") {
			t.Errorf("what is withheld: %d files", len(files))
		}
	})
}

// anyPart returns 20 letters of token that stand in s, plain or in base64.
func anyPart(s, token string) string {
	for i := 0; i+20 <= len(token); i++ {
		for lead := range 3 {
			coded := in64(strings.Repeat("x", lead) + token[i:i+20])
			for _, part := range []string{token[i : i+20], coded[4:24]} {
				if strings.Contains(s, part) {
					return part
				}
			}
		}
		if coded := in64(wide(token[i : i+20])); strings.Contains(s, coded[4:24]) {
			return coded
		}
	}
	return ""
}

// When nobody can use them any more, the mails of a case are in its pack as they came.
func TestPackHasWhatIsOver(t *testing.T) {
	_, change := withAuditKey(t)
	inHouse(t, change, func(t *testing.T, h *house) {
		v, letters := h.ask("anna@acme.example", lostPhone)
		h.deliver(quotations(v.Number, "https://reset.example/r/"+confirmToken(t, letters, "anna@acme.example"))["base64"])
		time.Sleep(15 * day)
		h.work()
		var b bytes.Buffer
		if err := h.desk.ExportCase(t.Context(), h.rita, v.Number, &b); err != nil {
			t.Fatal(err)
		}
		if unzip(t, b.Bytes())["mails/2.eml"] == nil {
			t.Error("the mail is withheld for ever")
		}
	})
}

// A user who quotes the enrollment pass keeps it to himself, too.
func TestQuotedPassIsHidden(t *testing.T) {
	_, change := withAuditKey(t)
	inHouse(t, change, func(t *testing.T, h *house) {
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		pass, _ := passIn(t, letters)
		h.deliver(request("anna@acme.example", "Re: "+v.Number, "Thanks, it works again. The pass was "+pass))
		var b bytes.Buffer
		if err := h.desk.ExportCase(t.Context(), h.rita, v.Number, &b); err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%+v", h.view(v.Number).Mails)
		for _, text := range unzip(t, b.Bytes()) {
			shown += string(text)
		}
		if !strings.Contains(shown, "The pass was ****-****") || strings.Contains(shown, pass[:14]) {
			t.Errorf("the pass is shown: %s", shown)
		}
	})
}
