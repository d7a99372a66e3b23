package bounce

import (
	"bytes"
	"encoding/base64"
	"html"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
)

// Limits of what is read of one mail.
const (
	maxDepth      = 8
	maxParts      = 60
	maxFields     = 300
	maxText       = 256 << 10 // of words that are searched
	maxReport     = 16 << 10  // of which the part about the recipients
	maxSign       = 4 << 10   // and the part that tells the form
	maxRecipients = 50
	maxIDs        = 20
)

// entity is a header and what follows it.
type entity struct {
	fields []field
	body   []byte
}

// field is one header field, unfolded, its name in lower case.
type field struct{ name, value string }

// cut parts raw into header and body. Lines may end with LF or CRLF, and what is no field is passed over.
func cut(raw []byte) entity {
	var e entity
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		raw = rest
		switch name, value, ok := bytes.Cut(line, []byte(":")); {
		case len(line) == 0:
			e.body = raw
			return e
		case (line[0] == ' ' || line[0] == '\t') && len(e.fields) > 0:
			if f := &e.fields[len(e.fields)-1]; len(f.value) < 4<<10 {
				f.value = strings.TrimSpace(f.value + " " + string(bytes.TrimSpace(line)))
			}
		case ok && len(e.fields) < maxFields:
			e.fields = append(e.fields, field{strings.ToLower(string(bytes.TrimSpace(name))), string(bytes.TrimSpace(value))})
		}
	}
	return e
}

// get is the first value of a field, "" if there is none.
func (e entity) get(name string) string {
	for _, f := range e.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (e entity) all(name string) []string {
	var values []string
	for _, f := range e.fields {
		if f.name == name {
			values = append(values, f.value)
		}
	}
	return values
}

// media is a content type and its parameters, in lower case but for the boundary. Of a malformed value what can be read
// is taken: bounces are written by old programs.
func media(value string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(value)
	if err == nil {
		return kind, params
	}
	kind, rest, _ := strings.Cut(value, ";")
	params = map[string]string{}
	for _, p := range strings.Split(rest, ";") {
		if name, v, ok := strings.Cut(p, "="); ok {
			params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return strings.ToLower(strings.TrimSpace(kind)), params
}

// decoded is the body without its transfer encoding; as much of it as can be read.
func (e entity) decoded() []byte {
	var r io.Reader
	switch strings.ToLower(e.get("content-transfer-encoding")) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(e.body))
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(e.body))
	default:
		return e.body
	}
	out, _ := io.ReadAll(io.LimitReader(r, 1<<20)) // what comes before the fault counts
	return out
}

// parts are the parts of a multipart. The last may lack its end.
func (e entity) parts(boundary string) []entity {
	if boundary == "" {
		return nil
	}
	var all []entity
	open := -1
	mark := []byte("--" + boundary)
	for at := 0; at < len(e.body) && len(all) < maxParts; {
		end := len(e.body)
		if i := bytes.IndexByte(e.body[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		line := bytes.TrimRight(e.body[at:end], " \t\r\n")
		last := bytes.HasPrefix(line, mark) && string(line[len(mark):]) == "--"
		if bytes.Equal(line, mark) || last {
			if open >= 0 {
				all = append(all, cut(e.body[open:at]))
			}
			open = end
			if last {
				return all
			}
		}
		at = end
	}
	if open >= 0 && len(all) < maxParts {
		all = append(all, cut(e.body[min(open, len(e.body)):]))
	}
	return all
}

// walk gathers what the parts of a mail say.
type walk struct {
	recipients []Recipient
	text       string // the words of the report, for people
	ids, marks []string
	parts      int
	seen       map[string]bool
}

// entity reads one part and those within it.
func (w *walk) entity(e entity, depth int) {
	if w.parts++; depth > maxDepth || w.parts > maxParts {
		return
	}
	kind, params := media(e.get("content-type"))
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		for _, p := range e.parts(params["boundary"]) {
			w.entity(p, depth+1)
		}
	case kind == "message/delivery-status" || kind == "message/global-delivery-status":
		w.recipients = append(w.recipients, status(e.decoded())...)
	case kind == "message/rfc822" || kind == "message/global": // RFC 6533 5
		w.letter(cut(e.decoded()), depth)
	case kind == "text/rfc822-headers" || kind == "message/global-headers" || kind == "message/rfc822-headers":
		w.letter(cut(append(bytes.Clone(e.decoded()), '\n', '\n')), depth)
	case strings.EqualFold(params["name"], "mime.822"): // Novell GroupWise
		w.letter(cut(e.decoded()), depth)
	case kind == "text/html":
		w.say(html.UnescapeString(untagged(string(clipBytes(e.decoded(), maxText)))))
	case kind == "" || strings.HasPrefix(kind, "text/"):
		w.say(string(clipBytes(e.decoded(), maxText)))
	}
}

// letter takes the identity of a returned letter. One that is itself a report belongs to a gateway that wraps them.
func (w *walk) letter(e entity, depth int) {
	w.identity(e)
	if kind, _ := media(e.get("content-type")); kind == "multipart/report" {
		w.entity(e, depth+1)
	}
}

func (w *walk) identity(e entity) {
	for _, v := range e.all("message-id") {
		w.keep(&w.ids, strings.ToLower(strings.Trim(v, "<> \t")))
	}
	for _, v := range e.all(strings.ToLower(Mark)) {
		w.keep(&w.marks, v)
	}
}

func (w *walk) keep(list *[]string, value string) {
	if value == "" || len(value) > 250 || len(*list) >= maxIDs || w.seen[value] {
		return
	}
	w.seen[value] = true
	*list = append(*list, value)
}

func (w *walk) say(text string) {
	if room := maxText - len(w.text); room > 0 {
		w.text += string(clipBytes([]byte(text), room)) + "\n"
	}
}

// returned finds the identity of a letter whose header stands in running text, quoted or indented maybe.
func (w *walk) returned(text string) {
	var head []byte
	for line := range strings.Lines(text) {
		bare := strings.TrimLeft(line, ">| \t")
		if name, _, ok := strings.Cut(bare, ":"); ok && (strings.EqualFold(name, "message-id") || strings.EqualFold(name, Mark)) {
			head = append(head, bare...)
		} else if strings.HasPrefix(bare, "<") && bytes.HasSuffix(bytes.TrimSpace(head), []byte(":")) { // folded after the name
			head = append(append(bytes.TrimRight(head, "\r\n"), ' '), bare...)
		}
	}
	w.identity(cut(append(head, "\n\n"...)))
}

func clipBytes(b []byte, n int) []byte { return b[:min(len(b), n)] }

// untagged is HTML without its tags. What has an @ in it is an address between angle brackets, and stays.
func untagged(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "<")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexAny(after, "<>")
		if end < 0 || after[end] == '<' || strings.Contains(after[:end], "@") && !strings.HasPrefix(after, "a ") {
			b.WriteByte('<')
			s = after
			continue
		}
		b.WriteByte(' ')
		s = after[end+1:]
	}
}
