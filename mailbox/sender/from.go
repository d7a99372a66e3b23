package sender

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"strings"
	"unicode"

	"github.com/emersion/go-message/charset"
)

// from is a From field that went through the grammar.
type from struct {
	addr   string
	local  string
	domain string // lower case
	phrase string // as written, quotes and all
}

// readFrom applies the grammar of sender-verification 3.2 and asks net/mail
// for a second opinion. code is "" or why the field is refused.
func readFrom(h *head) (f from, code string) {
	value, ok := h.get("from")
	if !ok {
		return from{}, "F_MISSING"
	}
	f, code = parseFrom(value)
	if code != "" {
		return from{}, code
	}
	addr, _, code := secondOpinion(value)
	if code != "" {
		return from{}, code
	}
	if addr != f.addr {
		return from{}, "F_DISAGREE"
	}
	return f, ""
}

// parseFrom reads a From value that is unfolded and trimmed:
//
//	from-value = addr-spec / [ phrase ] "<" addr-spec ">"
//	phrase     = one complete quoted-string / text without specials
//
// Anything else RFC 5322 allows (lists, groups, routes, comments) is refused,
// because mail programs disagree about whom it shows.
func parseFrom(value string) (from, string) {
	addr, phrase := value, ""
	if open := strings.LastIndexByte(value, '<'); open >= 0 {
		if !strings.HasSuffix(value, ">") {
			return from{}, "F_TRAILING"
		}
		addr = value[open+1 : len(value)-1]
		phrase = strings.Trim(value[:open], " \t")
		if !validPhrase(phrase) {
			return from{}, "F_PHRASE"
		}
	}
	local, domain, err := ParseAddrSpec(addr)
	if err != nil {
		return from{}, "F_ADDR"
	}
	return from{addr: addr, local: local, domain: asciiLower(domain), phrase: phrase}, ""
}

// validPhrase reports whether a display name has one reading only.
func validPhrase(s string) bool {
	if !strings.HasPrefix(s, `"`) {
		return !strings.ContainsAny(s, "<>@,;:\"()[]\\")
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i == len(s)-1
		}
	}
	return false
}

// unquote returns the content of a phrase.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// secondOpinion reads value as net/mail does. code is "F_CHARSET" for an
// encoded word nobody can decode, "F_DISAGREE" for any other refusal.
func secondOpinion(value string) (addr, name, code string) {
	d := newDecoder()
	p := mail.AddressParser{WordDecoder: &d.WordDecoder}
	a, err := p.Parse(value)
	switch {
	case d.unknown:
		return "", "", "F_CHARSET"
	case err != nil:
		return "", "", "F_DISAGREE"
	}
	return a.Address, a.Name, ""
}

// decoder decodes encoded words (RFC 2047) in the charsets of the WHATWG and
// remembers that it met one it does not know.
type decoder struct {
	mime.WordDecoder
	unknown bool
}

func newDecoder() *decoder {
	d := new(decoder)
	d.CharsetReader = func(name string, r io.Reader) (io.Reader, error) {
		out, err := charset.Reader(name, r)
		d.unknown = d.unknown || err != nil
		return out, err
	}
	return d
}

// readings returns the texts a mail program may show for a phrase: as
// net/mail decodes it, as written, and with encoded words decoded even inside
// quotes, as many programs do although RFC 2047 5 forbids it.
func (f from) readings(value string) []string {
	out := []string{unquote(f.phrase)}
	if _, name, code := secondOpinion(value); code == "" {
		out = append(out, name)
	}
	if s, err := newDecoder().DecodeHeader(unquote(f.phrase)); err == nil {
		out = append(out, s)
	}
	return out
}

// spoof looks at the display name (sender-verification 3.2). quarantine says
// that it names a registered address or its domain; spoofed that it contains
// what belongs into addresses only; bidi that it contains code points that
// reorder or hide text.
func (f from) spoof(value string, registered []string) (quarantine, spoofed, bidi bool) {
	if printable(f.phrase) && !strings.ContainsAny(f.phrase, "@<>") && !strings.Contains(f.phrase, "=?") {
		return false, false, false // one reading, and nothing in it
	}
	for _, s := range f.readings(value) {
		bidi = bidi || strings.ContainsFunc(s, invisible)
		if !strings.ContainsAny(s, "@<>\r\n\x00\uff20\ufe6b") {
			continue
		}
		if asciiLower(strings.Trim(s, "'<> \t")) == asciiLower(f.addr) {
			continue
		}
		spoofed = true
		low, skel := asciiLower(s), Skeleton(s)
		for _, r := range registered {
			_, domain, ok := strings.Cut(asciiLower(r), "@")
			if ok && domain != "" && (strings.Contains(low, domain) || strings.Contains(skel, Skeleton(domain))) {
				quarantine = true
			}
		}
	}
	return quarantine, spoofed, bidi
}

// invisible reports whether r is a control, a bidirectional control or of no
// width.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cc, r) && r != '\t' || unicode.Is(unicode.Cf, r) ||
		unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) ||
		r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' || unicode.Is(unicode.Variation_Selector, r)
}

// differs reports whether a field that names one mailbox is present and names
// another one than addr, or cannot be read by the strict grammar.
func differs(h *head, name, addr string) bool {
	value, ok := h.get(name)
	if !ok {
		return false
	}
	f, code := parseFrom(value)
	return code != "" || !sameAddr(f.addr, addr)
}

// boundTo reports whether one of our mailboxes stands as an addr-spec in the
// To or Cc field of that name. A list net/mail cannot read binds nothing.
func boundTo(h *head, name string, mailboxes []string) bool {
	value, ok := h.get(name)
	if !ok {
		return false
	}
	// A name in a charset nobody knows does not change who is addressed.
	p := mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}}
	list, err := p.ParseList(value)
	if err != nil {
		return false
	}
	for _, a := range list {
		for _, m := range mailboxes {
			if asciiLower(a.Address) == asciiLower(m) && m != "" {
				return true
			}
		}
	}
	return false
}

// messageID returns the Message-ID without brackets, "" if there is none of
// the plain form (RFC 5322 3.6.4).
func messageID(h *head) string {
	value, _ := h.get("message-id")
	id, ok := bytes.CutPrefix([]byte(value), []byte("<"))
	id, ok2 := bytes.CutSuffix(id, []byte(">"))
	if !ok || !ok2 || len(id) == 0 || bytes.ContainsAny(id, "<> \t") {
		return ""
	}
	return string(id)
}
