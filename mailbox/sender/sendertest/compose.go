package sendertest

import (
	"encoding/base64"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode"

	"golang.org/x/text/encoding/htmlindex"
)

// head writes the author's fields in the client's order, and with it the body,
// whose type they name.
func (w *writer) head() string {
	kind, encoding := w.content()
	reply := w.odds(35, "a reply")
	subject := w.text(pick(w, w.tongue.subjects), false)
	values := map[string]string{
		"from": w.from(), "to": w.to(), "subject": subject, "date": w.date(), "id": w.id(), "type": kind, "encoding": encoding, "self": w.self, "domain": w.domain,
	}
	if reply {
		values["references"], values["reply"] = w.references(), w.id()
	}
	if w.odds(12, "a Cc list") {
		var cc []string
		for i := range 1 + w.IntN(5) {
			cc = append(cc, fmt.Sprintf("%s <colleague%d@%s>", w.text(pick(w, w.tongue.names), true), i, w.domain))
		}
		values["cc"] = strings.Join(cc, ",\r\n\t")
	}
	var out strings.Builder
	for _, line := range w.client.fields {
		name, value, _ := strings.Cut(line, ":")
		if i := strings.IndexByte(value, '{'); i >= 0 {
			key := strings.TrimSuffix(value[i+1:], "}")
			if j := strings.IndexByte(value, '}'); j >= 0 {
				key = value[i+1 : j]
			}
			if values[key] == "" {
				continue
			}
			value = strings.Replace(value, "{"+key+"}", values[key], 1)
		}
		if w.client != &mutt && w.IntN(200) == 0 {
			name = strings.ToUpper(name)
		}
		out.WriteString(name + ":" + value + "\r\n")
	}
	return out.String()
}

func (w *writer) from() string {
	name := pick(w, w.tongue.names)
	switch w.IntN(20) {
	case 0:
		return w.self
	case 1:
		return "<" + w.self + ">"
	case 2:
		w.traits = append(w.traits, "the display name is the address")
		return `"` + w.self + `" <` + w.self + ">"
	case 3:
		return w.text(name, true) + "\r\n <" + w.self + ">"
	case 4:
		if name = strings.Map(ascii, name); strings.TrimSpace(name) != "" {
			return quoted(name) + " <" + w.self + ">"
		}
	}
	return w.text(name, true) + " <" + w.self + ">"
}

func ascii(r rune) rune {
	if r > unicode.MaxASCII {
		return -1
	}
	return r
}

func (w *writer) to() string {
	switch w.IntN(6) {
	case 0:
		return "Support <" + Mailbox + ">"
	case 1:
		return `"` + Mailbox + `" <` + Mailbox + ">"
	case 2:
		return "<" + Mailbox + ">"
	case 3:
		return w.text("Kundendienst, Büro", true) + "\r\n\t<" + Mailbox + ">, billing@support.example"
	}
	return Mailbox
}

// text writes words into a field: as they are, in encoded words of one charset
// or another, folded, or as raw octets.
func (w *writer) text(s string, phrase bool) string {
	if strings.Map(ascii, s) == s {
		if phrase && strings.ContainsAny(s, `,.()"<>@;:`) {
			return quoted(s)
		}
		return s
	}
	if w.odds(3, "raw UTF-8 in the header") {
		if phrase {
			return quoted(s)
		}
		return s
	}
	charset, octets := "UTF-8", s
	if w.odds(30, "an old charset in the header") {
		if old, ok := w.encode(s); ok {
			charset, octets = w.tongue.charset, old
		}
	}
	if charset != "UTF-8" { // a word must not end within a character: one word
		return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(octets)) + "?="
	}
	e := mime.QEncoding
	if w.IntN(2) == 0 {
		e = mime.BEncoding
	}
	words := strings.ReplaceAll(e.Encode(charset, s), "?= =?", "?=\r\n =?")
	if phrase {
		words = specials.Replace(words)
	}
	return words
}

// specials may not stand in an encoded word within a phrase (RFC 2047 5,
// rule 3).
var specials = strings.NewReplacer(",", "=2C", "(", "=28", ")", "=29", ".", "=2E", ":", "=3A", ";", "=3B", "@", "=40", "<", "=3C", ">", "=3E", `"`, "=22")

// encode writes s in the tongue's old charset, if that has all its characters.
func (w *writer) encode(s string) (string, bool) {
	e, err := htmlindex.Get(w.tongue.charset)
	if err != nil {
		return "", false
	}
	out, err := e.NewEncoder().String(s)
	return out, err == nil
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// content writes the body and returns what Content-Type and
// Content-Transfer-Encoding say of it.
func (w *writer) content() (kind, encoding string) {
	text := pick(w, w.tongue.bodies)
	if w.client.footer != "" {
		text += "\n" + w.client.footer + "\n"
	}
	if w.odds(8, "a forward below") {
		text += "\n---------- Forwarded message ---------\nFrom: Somebody Else <else@other.example>\nDate: Fri, 20 Nov 2026 at 11:02\nSubject: Fwd: login\nTo: " + w.self + "\n\nSee above.\n"
	}
	kind, encoding, body := w.leaf("plain", text)
	boundary := fmt.Sprintf("%s%016x", pick(w, []string{"000000000000", "_000_AM0PR04MB_", "Apple-Mail=_", "------------", "=_"}), w.Uint64())
	if w.client.html {
		html, htmlEncoding, htmlBody := w.leaf("html", "<html><head><meta charset=\"utf-8\"></head><body><p>"+strings.ReplaceAll(text, "\n", "<br>\n")+"</p></body></html>\n")
		body = part(boundary, kind, encoding, body) + part(boundary, html, htmlEncoding, htmlBody) + "--" + boundary + "--\r\n"
		kind, encoding = "multipart/alternative;\r\n\tboundary=\""+boundary+"\"", ""
	}
	if w.odds(10, "an attachment") {
		outer := "mixed-" + boundary
		file := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("%PDF-1.7 invoice ", 60)))
		body = part(outer, kind, encoding, body) + "--" + outer + "\r\nContent-Type: application/pdf; name=\"" + w.text("Rechnung 1182.pdf", false) +
			"\"\r\nContent-Disposition: attachment; filename=\"Rechnung 1182.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap(file) + "--" + outer + "--\r\n"
		kind, encoding = "multipart/mixed; boundary=\""+outer+"\"", ""
		if w.odds(30, "the usual preamble") {
			body = "This is a multi-part message in MIME format.\r\n" + body
		}
	}
	w.body = body
	return kind, encoding
}

func part(boundary, kind, encoding, body string) string {
	if encoding != "" {
		encoding = "Content-Transfer-Encoding: " + encoding + "\r\n"
	}
	return "--" + boundary + "\r\nContent-Type: " + kind + "\r\n" + encoding + "\r\n" + strings.TrimSuffix(body, "\r\n") + "\r\n"
}

// leaf encodes one text part.
func (w *writer) leaf(subtype, text string) (kind, encoding, body string) {
	charset := pick(w, []string{"utf-8", "UTF-8", `"UTF-8"`})
	if w.IntN(4) == 0 {
		if old, ok := w.encode(text); ok {
			charset, text = w.tongue.charset, old
		}
	}
	flowed := ""
	if w.client.flowed && subtype == "plain" {
		flowed = "; format=flowed"
	}
	kind = "text/" + subtype + "; charset=" + charset + flowed
	crlf := strings.ReplaceAll(text, "\n", "\r\n")
	switch w.IntN(3) {
	case 0:
		return kind, "base64", wrap(base64.StdEncoding.EncodeToString([]byte(crlf)))
	case 1:
		var b strings.Builder
		q := quotedprintable.NewWriter(&b)
		_, _ = q.Write([]byte(crlf)) // a strings.Builder takes everything
		_ = q.Close()
		return kind, "quoted-printable", b.String()
	}
	if strings.Map(ascii, text) == text {
		return kind, "7bit", crlf
	}
	return kind, "8bit", crlf
}

// wrap cuts base64 into lines of 76 characters.
func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s + "\r\n"
}
