package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	lib "github.com/emersion/go-message"
	"github.com/emersion/go-message/charset"
)

// Read reads a whole mail. It never fails: what cannot be read becomes a
// Problem.
func Read(raw []byte) (m Message) {
	r := reader{m: &m, html: maxHTML}
	defer r.rescue()
	h, body := r.open(raw)
	if body == nil && len(h) == 0 {
		body = raw // no header at all
	}
	texts := r.part(h, body, 0)
	m.Full, m.HTMLOnly = r.join(texts)
	m.Text, m.Quoted = strip(m.Full)
	m.Forwarded, m.ForwardedFrom = forwarded(m.Subject, m.Full)
	return m
}

// Header reads a bare header block, of a mail whose body was not fetched. It
// never fails.
func Header(raw []byte) (m Message) {
	r := reader{m: &m}
	defer r.rescue()
	r.open(raw)
	return m
}

// Subject is the Subject of [Header], for who wants no more of a header block.
func Subject(raw []byte) (subject string) {
	r := reader{m: &Message{}}
	defer r.rescue()
	h, _, _, _ := split(raw)
	return r.decode(h.get("subject"))
}

// reader holds what is spent while one mail is read.
type reader struct {
	m     *Message
	parts int
	html  int // octets of HTML still to be looked at
}

func (r *reader) rescue() {
	if p := recover(); p != nil {
		r.problem(fmt.Sprintf("reading stopped at an internal error: %v", p))
	}
}

func (r *reader) problem(text string) {
	if !slices.Contains(r.m.Problems, text) {
		r.m.Problems = append(r.m.Problems, text)
	}
}

// open reads the header of the mail itself.
func (r *reader) open(raw []byte) (header, []byte) {
	h, body, junk, long := split(raw)
	if junk {
		r.problem("the header contains a line that is no header line")
	}
	if long {
		r.problem("the header is longer than 256 KiB; the rest of it was not read")
	}
	r.fill(h)
	return h, body
}

// text is what one text part says.
type text struct {
	s    string
	html bool
}

// part reads one part and those below it. The depth is counted here, before
// any library sees the part.
func (r *reader) part(h header, body []byte, depth int) []text {
	if r.parts++; r.parts > maxParts {
		r.problem("the mail has more than 200 parts; the rest was not read")
		return nil
	}
	kind, params := mediaType(h.get("content-type"))
	if kind == "" {
		kind = "text/plain" // RFC 2045 5.2
	}
	disposition, dparams := mediaType(h.get("content-disposition"))
	name := dparams["filename"]
	if name == "" {
		name = params["name"]
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		if depth >= maxDepth {
			r.problem("the mail is nested more than 20 levels deep; what is below was not read")
			return nil
		}
		return r.multipart(kind, params["boundary"], body, depth)
	case disposition != "attachment" && name == "" && shown(kind):
		return r.leaf(h, kind, body)
	}
	r.attachment(h, kind, name, body)
	return nil
}

// shown reports whether a part of that type is text to read.
func shown(kind string) bool {
	switch kind {
	case "text/plain", "text/html", "text/enriched", "text/markdown", "text/x-markdown", "text/richtext":
		return true
	}
	return false
}

// mediaType reads Content-Type or Content-Disposition (RFC 2045 5.1) as far as
// it goes: a damaged parameter list does not hide the type or the boundary.
func mediaType(value string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(value)
	if err == nil {
		return kind, params
	}
	kind, rest, _ := strings.Cut(value, ";")
	params = make(map[string]string)
	for p := range strings.SplitSeq(rest, ";") {
		k, v, _ := strings.Cut(p, "=")
		k = strings.ToLower(strings.TrimSpace(k))
		if _, twice := params[k]; !twice {
			params[k] = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return strings.ToLower(strings.TrimSpace(kind)), params
}

// multipart reads the parts of a multipart (RFC 2046 5.1).
func (r *reader) multipart(kind, boundary string, body []byte, depth int) []text {
	bodies, outside := cut(body, boundary)
	if len(bodies) == 0 {
		r.problem("a multipart has no parts; it is shown as plain text")
		return r.leaf(nil, "text/plain", body)
	}
	if outside {
		r.problem("there is text outside the parts of the mail, which mail programs do not show")
	}
	var all, plain, html []text
	for _, b := range bodies {
		if r.parts >= maxParts {
			r.parts++
			r.problem("the mail has more than 200 parts; the rest was not read")
			break
		}
		h, body, junk, _ := split(b)
		if body == nil && junk { // a part that forgot its empty line
			h, body = nil, b
		}
		texts := r.part(h, body, depth+1)
		all = append(all, texts...)
		if len(texts) == 0 || blank(texts) {
			continue
		}
		if slices.ContainsFunc(texts, func(t text) bool { return t.html }) {
			html = texts
		} else if plain == nil {
			plain = texts
		}
	}
	switch {
	case kind != "multipart/alternative":
		return all
	case plain != nil:
		return plain
	}
	return html
}

func blank(texts []text) bool {
	return !slices.ContainsFunc(texts, func(t text) bool { return strings.TrimSpace(t.s) != "" })
}

// cut splits a multipart body at its boundary lines. outside says that there
// is more than the usual one line before the first or anything after the last.
func cut(body []byte, boundary string) (parts [][]byte, outside bool) {
	if boundary == "" {
		return nil, false
	}
	start, preamble := -1, 0
	pos := 0
	for pos < len(body) && len(parts) <= maxParts {
		line, next := body[pos:], len(body)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], pos+i+1
		}
		is, last := delimiter(line, boundary)
		switch {
		case is:
			if start >= 0 {
				parts = append(parts, trimEOL(body[start:pos]))
			}
			if start = next; last {
				return parts, preamble > 1 || len(bytes.TrimSpace(body[next:])) > 0
			}
		case start < 0 && len(bytes.TrimSpace(line)) > 0:
			preamble++
		}
		pos = next
	}
	if start >= 0 && len(parts) <= maxParts {
		parts = append(parts, body[start:])
	}
	return parts, preamble > 1
}

// delimiter reports whether a line stands between two parts, or after the last.
func delimiter(line []byte, boundary string) (is, last bool) {
	if len(line) < 2 || line[0] != '-' || line[1] != '-' {
		return false, false
	}
	rest, is := bytes.CutPrefix(line[2:], []byte(boundary))
	rest = bytes.TrimRight(rest, " \t\r\n")
	last = is && string(rest) == "--"
	return is && (last || len(rest) == 0), last
}

// trimEOL removes the line end that belongs to the boundary below.
func trimEOL(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// decoded gives the octets of a part without its transfer encoding, text in
// UTF-8 where the charset is known.
func (r *reader) decoded(h header, body []byte) io.Reader {
	var lh lib.Header
	if v := h.get("content-type"); v != "" {
		lh.Set("Content-Type", v)
	}
	if v := encoding(h); v != "" {
		lh.Set("Content-Transfer-Encoding", v)
	}
	e, err := lib.New(lh, bytes.NewReader(body))
	if lib.IsUnknownCharset(err) {
		r.problem("a part is in a character set that is not known")
	} else if err != nil {
		r.problem("a part is in a transfer encoding that is not known")
	}
	return e.Body
}

// encoding is the transfer encoding in lower case, without comments.
func encoding(h header) string {
	v := strings.ToLower(h.get("content-transfer-encoding"))
	if i := strings.IndexAny(v, "; \t("); i >= 0 {
		v = v[:i]
	}
	return v
}

// leaf reads a text part.
func (r *reader) leaf(h header, kind string, body []byte) []text {
	html := kind == "text/html"
	limit := maxText
	if html {
		limit = r.html
	}
	b, err := io.ReadAll(io.LimitReader(r.decoded(h, body), int64(limit)+1))
	if err != nil {
		r.problem("the encoding of a part is damaged; it was read as far as possible")
		if encoding(h) == "quoted-printable" {
			b = r.lenient(h, body)
		}
	}
	if len(b) > limit {
		r.problem("the text is longer than what is read; the rest was not read")
		b = cutRunes(b, limit)
	}
	if !html {
		return []text{{s: r.clean(string(b))}}
	}
	r.html -= len(b)
	p := r.page(b)
	return []text{{s: p, html: true}}
}

// lenient decodes quoted-printable of which some escapes are broken, and
// leaves those as they stand.
func (r *reader) lenient(h header, body []byte) []byte {
	out := make([]byte, 0, min(len(body), maxHTML))
	for i := 0; i < len(body) && len(out) < maxHTML; i++ {
		if body[i] == '=' {
			rest := bytes.TrimLeft(body[i+1:], " \t\r")
			if len(rest) > 0 && rest[0] == '\n' {
				i = len(body) - len(rest)
				continue
			}
			var b [1]byte
			if i+2 < len(body) {
				if _, err := hex.Decode(b[:], body[i+1:i+3]); err == nil {
					out = append(out, b[0])
					i += 2
					continue
				}
			}
		}
		out = append(out, body[i])
	}
	_, params := mediaType(h.get("content-type"))
	if params["charset"] == "" {
		return out
	}
	in, err := charset.Reader(params["charset"], bytes.NewReader(out))
	if err != nil {
		return out
	}
	if utf, err := io.ReadAll(io.LimitReader(in, maxHTML)); err == nil {
		return utf
	}
	return out
}

// attachment measures a part and forgets its octets.
func (r *reader) attachment(h header, kind, name string, body []byte) {
	sum := sha256.New()
	clean := h
	if strings.HasPrefix(kind, "text/") { // the octets as sent, not as UTF-8
		clean = header{{"content-transfer-encoding", encoding(h)}, {"content-type", "application/octet-stream"}}
	}
	n, err := io.Copy(sum, r.decoded(clean, body))
	if err != nil {
		r.problem("the encoding of an attachment is damaged")
	}
	r.m.Attachments = append(r.m.Attachments, Attachment{
		Name: r.decode(name), Size: n, Type: r.decode(kind), SHA256: hex.EncodeToString(sum.Sum(nil)),
	})
}

// join makes one text of the parts shown.
func (r *reader) join(texts []text) (full string, htmlOnly bool) {
	var b strings.Builder
	plain := false
	for _, t := range texts {
		s := strings.Trim(t.s, "\n")
		if strings.TrimSpace(s) == "" {
			continue
		}
		htmlOnly = htmlOnly || t.html
		plain = plain || !t.html
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(s)
	}
	full = b.String()
	if len(full) > maxText {
		r.problem("the text is longer than what is read; the rest was not read")
		full = string(cutRunes([]byte(full), maxText))
	}
	return full, htmlOnly && !plain
}

// cutRunes shortens b to at most n octets without cutting a character.
func cutRunes(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}
