package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// Draft is a letter before it is written down. Names, subject and texts may hold anything; nothing in them can add a
// header or a recipient.
type Draft struct {
	From, To   mail.Address
	ReplyTo    mail.Address // zero: no Reply-To
	Subject    string
	MessageID  string    // required, with or without angle brackets; it makes a repeat recognisable
	InReplyTo  string    // a stranger's Message-ID: left out when it is malformed
	References []string  // strangers' Message-IDs: malformed ones are left out, the last 20 stay
	Date       time.Time // required
	Language   string    // Content-Language (RFC 3282), empty: none

	// AutoSubmitted is "auto-replied", "auto-generated" (RFC 3834 5) or empty.
	AutoSubmitted string

	Text string // required
	HTML string // empty: the letter is text only

	// Headers are further fields. A field that Compose writes itself, or a value with a control character, is an error.
	Headers map[string]string
}

// Longest subject and display name in bytes; both end up on folded header lines.
const (
	subjectCap = 300
	nameCap    = 120
)

// Compose writes d as an RFC 5322 message: multipart/alternative with the text first, quoted-printable UTF-8, CRLF. The
// same draft gives the same bytes. An error means that the draft itself is wrong.
func Compose(d Draft) ([]byte, error) {
	id, err := checkDraft(d)
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	text, html := lines(d.Text), lines(d.HTML)
	m := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP),
		gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(boundaryOf(id, text, html)))
	m.SetAddrHeaderFromMailAddress(gomail.HeaderFrom, named(d.From))
	m.SetAddrHeaderFromMailAddress(gomail.HeaderTo, named(d.To))
	if d.ReplyTo.Address != "" {
		m.SetAddrHeaderFromMailAddress(gomail.HeaderReplyTo, named(d.ReplyTo))
	}
	m.Subject(clip(printable(d.Subject), subjectCap))
	m.SetMessageIDWithValue(id)
	m.SetDateWithValue(d.Date.UTC())
	for name, value := range fields(d) {
		m.SetGenHeader(gomail.Header(name), value)
	}
	m.SetBodyString(gomail.TypeTextPlain, text)
	if html != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, html)
	}
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	return out.Bytes(), nil
}

// checkDraft returns the bare Message-ID of a draft that can be written.
func checkDraft(d Draft) (string, error) {
	for _, a := range []string{d.From.Address, d.To.Address, d.ReplyTo.Address} {
		if a != "" && !plainAddress(a) {
			return "", errors.New("an address is not a plain one")
		}
	}
	id, ok := messageID(d.MessageID)
	switch {
	case d.From.Address == "" || d.To.Address == "":
		return "", errors.New("from and to are needed")
	case !ok:
		return "", errors.New("message-id is missing or malformed")
	case d.Date.IsZero():
		return "", errors.New("date is missing")
	case strings.TrimSpace(d.Text) == "":
		return "", errors.New("text is missing")
	case d.AutoSubmitted != "" && d.AutoSubmitted != "auto-replied" && d.AutoSubmitted != "auto-generated":
		return "", fmt.Errorf("auto-submitted %q is unknown", d.AutoSubmitted)
	case strings.Trim(d.Language, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" ||
		len(d.Language) > 35:
		return "", fmt.Errorf("language %q is malformed", clip(d.Language, 40))
	}
	for name, value := range d.Headers {
		if !fieldName(name) || written[strings.ToLower(name)] {
			return "", fmt.Errorf("header %q is malformed or not for the caller to set", clip(name, 80))
		}
		if value == "" || len(value) > 998 || strings.IndexFunc(value, unicode.IsControl) >= 0 {
			return "", fmt.Errorf("header %q has an unusable value", name)
		}
	}
	return id, nil
}

// written are the fields that Compose writes, or that nobody should.
var written = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "sender": true, "reply-to": true, "subject": true,
	"message-id": true, "in-reply-to": true, "references": true, "date": true, "mime-version": true,
	"content-type": true, "content-transfer-encoding": true, "content-language": true, "auto-submitted": true,
	"x-auto-response-suppress": true, "return-path": true, "received": true, "precedence": true,
}

// fields are the header fields beside addresses, subject, date and Message-ID. Precedence is not among them: a letter
// about security must not be filtered as bulk.
func fields(d Draft) map[string]string {
	f := map[string]string{"X-Auto-Response-Suppress": "All"}
	for name, value := range d.Headers {
		f[name] = value
	}
	if d.AutoSubmitted != "" {
		f["Auto-Submitted"] = d.AutoSubmitted
	}
	if d.Language != "" {
		f["Content-Language"] = d.Language
	}
	if id, ok := messageID(d.InReplyTo); ok {
		f["In-Reply-To"] = "<" + id + ">"
	}
	var refs []string
	for _, r := range d.References {
		if id, ok := messageID(r); ok {
			refs = append(refs, "<"+id+">")
		}
	}
	if len(refs) > 0 {
		f["References"] = strings.Join(refs[max(0, len(refs)-20):], " ")
	}
	return f
}

// messageID returns id without its angle brackets, if it is one that can be repeated safely (RFC 5322 3.6.4).
func messageID(id string) (string, bool) {
	id = strings.TrimSpace(id)
	if inner, ok := strings.CutPrefix(id, "<"); ok {
		id = strings.TrimSuffix(inner, ">")
	}
	local, domain, ok := strings.Cut(id, "@")
	odd := strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }) >= 0
	return id, ok && local != "" && domain != "" && !odd && len(id) <= 250
}

// fieldName tells whether name can be a header field's name (RFC 5322 3.6.8), of a sensible length.
func fieldName(name string) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	return name != "" && len(name) <= 60 && strings.IndexFunc(name, odd) < 0
}

// plainAddress tells whether a is local@domain in plain ASCII, without quoting: nothing in it can end the address, add
// a parameter or begin a second recipient.
func plainAddress(a string) bool {
	local, domain, ok := strings.Cut(a, "@")
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"\\<>()[],;:@", r) }
	return ok && local != "" && domain != "" && len(a) <= 254 &&
		strings.IndexFunc(local, odd) < 0 && strings.IndexFunc(domain, odd) < 0
}

func named(a mail.Address) *mail.Address {
	return &mail.Address{Name: clip(printable(a.Name), nameCap), Address: a.Address}
}

// printable replaces what has no business in a header: control characters, line and paragraph separators, and the
// invisible ones that reorder or hide text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
}

// lines writes every line end as \n, which the encoder turns into CRLF.
func lines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// boundaryOf derives the boundary from the Message-ID, so that the same letter has the same bytes. It occurs in neither
// text.
func boundaryOf(id, text, html string) string {
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "boundary %d %s", n, id))
		b := "part-" + hex.EncodeToString(sum[:16])
		if !strings.Contains(text, b) && !strings.Contains(html, b) {
			return b
		}
	}
}
