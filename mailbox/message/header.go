package message

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// maxIDs bounds References and In-Reply-To.
const maxIDs = 100

// field is a header field, name in lower case, value unfolded.
type field struct{ name, value string }

// header is a header block as far as it could be read.
type header []field

// get returns the first field of a name, as every mail program shows it.
func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (h header) count(name string) (n int) {
	for _, f := range h {
		if f.name == name {
			n++
		}
	}
	return n
}

// split cuts raw at the first empty line. It takes any line ending, and a mail
// without an empty line is all header. junk says that a line was no field,
// long that the header was cut at its limit.
func split(raw []byte) (h header, body []byte, junk, long bool) {
	var value []byte // of the field being read, so that folds cost no copies
	flush := func() {
		if len(h) > 0 && h[len(h)-1].value == "" {
			h[len(h)-1].value = string(bytes.Trim(value, " \t"))
		}
	}
	defer flush()
	for pos := 0; pos < len(raw); {
		line, next := raw[pos:], len(raw)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], pos+i+1
		}
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			return h, raw[next:], junk, long
		}
		if pos = next; pos > maxHeader {
			long = true // go on looking for the body, keep nothing
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			value = append(append(value, ' '), bytes.Trim(line, " \t")...)
			junk = junk || len(h) == 0
			continue
		}
		name, first, ok := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimRight(name, " \t"); !ok || len(name) == 0 {
			junk = true
			continue
		}
		flush()
		h = append(h, field{name: strings.ToLower(string(name))})
		value = append([]byte(nil), first...)
	}
	return h, nil, junk, long
}

// fill takes what is shown of a header into m.
func (r *reader) fill(h header) {
	m := r.m
	for _, f := range []struct {
		name string
		to   *string
	}{
		{"from", &m.From}, {"sender", &m.Sender}, {"reply-to", &m.ReplyTo},
		{"to", &m.To}, {"cc", &m.Cc}, {"subject", &m.Subject},
	} {
		*f.to = r.decode(h.get(f.name))
		if h.count(f.name) > 1 {
			r.problem("the header has more than one field " + f.name + "; the first is shown")
		}
	}
	if ids := messageIDs(h.get("message-id")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	m.InReplyTo = messageIDs(h.get("in-reply-to"))
	m.References = messageIDs(h.get("references"))
	if d := h.get("date"); d != "" {
		t, err := mail.ParseDate(d)
		if err != nil {
			r.problem("the date cannot be read")
		}
		m.Date = t
	}
}

// decode makes a field value readable: encoded words (RFC 2047) decoded, one
// line, valid UTF-8.
func (r *reader) decode(value string) string {
	if len(value) > maxText {
		value = value[:maxText]
		r.problem("a header field is too long and was cut")
	}
	d := mime.WordDecoder{CharsetReader: func(name string, in io.Reader) (io.Reader, error) {
		return charset.Reader(name, in)
	}}
	s, err := d.DecodeHeader(value)
	if err != nil {
		r.problem("a header field is in a character set that is not known")
		s = value
	}
	return string(cutRunes([]byte(strings.Join(strings.Fields(r.clean(s)), " ")), maxText))
}

// messageIDs finds the identifiers between angle brackets (RFC 5322 3.6.4).
func messageIDs(value string) []string {
	var ids []string
	for len(ids) < maxIDs {
		_, rest, ok := strings.Cut(value, "<")
		id, after, ok2 := strings.Cut(rest, ">")
		if !ok || !ok2 {
			break
		}
		if id = strings.TrimSpace(strings.ToValidUTF8(id, "\ufffd")); id != "" && len(id) <= 998 {
			ids = append(ids, id)
		}
		value = after
	}
	return ids
}

// clean makes s valid UTF-8 with newlines as the only line ends, and without
// controls and characters of no width.
func (r *reader) clean(s string) string {
	if !utf8.ValidString(s) {
		r.problem("some characters could not be decoded and are shown as \ufffd")
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return c
		case c < ' ' || c >= 0x7f && c < 0xa0:
			return -1
		case c == 0xad || c == 0x200b || c == 0x200c || c == 0x2060 || c == 0xfeff:
			return -1
		case c == 0xa0 || c == 0x202f:
			return ' '
		case c == 0x2028 || c == 0x2029:
			return '\n'
		}
		return c
	}, s)
}
