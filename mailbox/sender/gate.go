package sender

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Limits of the header block (sender-verification 1).
const (
	maxHeader     = 256 << 10
	maxFields     = 1000
	maxLine       = 998 // octets without CRLF, RFC 5322 2.1.1
	maxSignatures = 8
	maxMessage    = 25 << 20
)

// field is one header field as the gate read it.
type field struct {
	name  string // lower case
	value string // everything after the colon, folds included, without the last CRLF
	raw   []byte // the whole field with its last CRLF
}

// head is a header block that went through the gate.
type head struct {
	fields []field
	// size is the length of the block, without the empty line that ends it.
	size int
	text string // the block
	hits []string
	// folds is how many continuation lines there are.
	folds int
	// eightBit says that some octet was above 127.
	eightBit bool
}

// hit records a code once.
func (h *head) hit(code string) {
	for _, c := range h.hits {
		if c == code {
			return
		}
	}
	h.hits = append(h.hits, code)
}

// all returns the fields of a name (lower case), top first.
func (h *head) all(name string) []field {
	var out []field
	for _, f := range h.fields {
		if f.name == name {
			out = append(out, f)
		}
	}
	return out
}

// get returns the value of the only field of that name, unfolded and without
// outer spaces and tabs. For names that the gate lets appear more than once it
// is the topmost.
func (h *head) get(name string) (string, bool) {
	for _, f := range h.fields {
		if f.name == name {
			return unfold(f.value), true
		}
	}
	return "", false
}

// single lists the fields of which a second one is quarantined
// (sender-verification 3.1, H_DUP_x). Signers need not oversign them.
var single = [...]struct{ name, code string }{
	{"from", "H_DUP_FROM"},
	{"sender", "H_DUP_SENDER"},
	{"reply-to", "H_DUP_REPLY_TO"},
	{"to", "H_DUP_TO"},
	{"cc", "H_DUP_CC"},
	{"subject", "H_DUP_SUBJECT"},
	{"date", "H_DUP_DATE"},
	{"message-id", "H_DUP_MESSAGE_ID"},
	{"in-reply-to", "H_DUP_IN_REPLY_TO"},
	{"references", "H_DUP_REFERENCES"},
	{"content-type", "H_DUP_CONTENT_TYPE"},
	{"content-transfer-encoding", "H_DUP_CONTENT_TRANSFER_ENCODING"},
	{"mime-version", "H_DUP_MIME_VERSION"},
}

// folded lists the names that must not begin a continuation line
// (H_FOLDED_HEADER): a first line with a leading space has become part of the
// field that our own server put above it.
var folded = [][]byte{
	[]byte("from"), []byte("sender"), []byte("to"), []byte("date"), []byte("subject"), []byte("reply-to"),
	[]byte("return-path"), []byte("received"), []byte("authentication-results"), []byte("dkim-signature"),
}

// readHead is the gate of sender-verification 3.1. It reads the octets up to
// the first CRLFCRLF and knows no other grammar than lines, names and folds:
// a block it accepts is one that every parser splits in the same way. The
// codes of what it found are in hits; with any of them nothing else in head
// may decide.
func readHead(raw []byte) *head {
	h := new(head)
	block := raw
	switch end := headEnd(raw); {
	case end >= 0:
		block = raw[:end]
	case len(raw) > maxHeader:
		h.hit("H_TOO_BIG")
		block = raw[:maxHeader]
	default:
		h.hit("H_NO_BLANK_LINE")
	}
	h.size = len(block)
	h.octets(block)
	h.text = string(block)
	h.fields = make([]field, 0, 32)

	// A field begins at start; it ends where a line begins that is no fold.
	start, quiet := -1, false
	for pos := 0; pos < len(block); {
		line := block[pos:]
		next := len(block)
		if i := lineEnd(line); i >= 0 {
			line = line[:i]
			next = pos + i + len(crlf)
		}
		if len(line) > maxLine {
			h.hit("H_LINE_TOO_LONG")
		}
		isFold := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		if isFold {
			h.folds++
		}
		switch {
		case isFold && pos == 0:
			h.hit("H_LEADING_WSP")
		case isFold && len(trimWSP(line)) == 0:
			h.hit("H_WS_ONLY_LINE")
		case isFold:
			if !quiet && looksLikeField(line) {
				h.hit("H_FOLDED_HEADER")
			}
		default:
			h.add(block, start, pos)
			start = pos
			quiet = isSignature(line)
		}
		pos = next
	}
	h.add(block, start, len(block))
	h.duplicates()
	return h
}

var crlf = []byte("\r\n")

// lineEnd is where the first CRLF of b begins, -1 if there is none.
func lineEnd(b []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		if i += from; i > 0 && b[i-1] == '\r' {
			return i - 1
		}
		from = i + 1
	}
}

// headEnd returns the length of the header block with its last CRLF, or -1
// if no empty line ends it within the limit.
func headEnd(raw []byte) int {
	if bytes.HasPrefix(raw, crlf) {
		return 0
	}
	window := raw[:min(len(raw), maxHeader+2)]
	if i := bytes.Index(window, []byte("\r\n\r\n")); i >= 0 {
		return i + len(crlf)
	}
	return -1
}

// octets looks for what no header may contain. Eight octets at a time are passed
// over when all are printable ASCII.
func (h *head) octets(block []byte) {
	i := 0
	for ; i+8 <= len(block); i += 8 {
		if !plain8(binary.LittleEndian.Uint64(block[i:])) {
			h.octetsAt(block, i, i+8)
		}
	}
	h.octetsAt(block, i, len(block))
}

// plain8 reports whether all octets of w are 0x20 to 0x7e. A borrow between
// octets can only make it say no.
func plain8(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	below := w - 0x20*ones        // sets the high bit of octets below 0x20
	del := (w ^ 0x7f*ones) - ones // and of 0x7f
	return (w|below|del)&highs == 0
}

func (h *head) octetsAt(block []byte, from, to int) {
	for i := from; i < to; i++ {
		switch kind[block[i]] {
		case octetPlain:
		case octetHigh:
			h.eightBit = true
		case octetCR:
			if i+1 == len(block) || block[i+1] != '\n' {
				h.hit("H_BARE_CR")
			}
		case octetLF:
			if i == 0 || block[i-1] != '\r' {
				h.hit("H_BARE_LF")
			}
		case octetNUL:
			h.hit("H_NUL")
		case octetCTL:
			h.hit("H_CTL")
		}
	}
}

const (
	octetPlain = iota
	octetHigh
	octetCR
	octetLF
	octetNUL
	octetCTL
)

var kind = func() (k [256]uint8) {
	for c := range k {
		switch {
		case c == 0:
			k[c] = octetNUL
		case c == '\r':
			k[c] = octetCR
		case c == '\n':
			k[c] = octetLF
		case c == '\t':
			k[c] = octetPlain
		case c < ' ' || c == 0x7f:
			k[c] = octetCTL
		case c > 0x7f:
			k[c] = octetHigh
		}
	}
	return k
}()

// add takes block[start:end] as one field.
func (h *head) add(block []byte, start, end int) {
	if start < 0 {
		return
	}
	raw := block[start:end]
	colon := bytes.IndexByte(raw, ':')
	if colon < 0 {
		h.hit("H_NO_COLON")
		return
	}
	if i := lineEnd(raw[:colon]); i >= 0 { // the first line has none, and a fold must not make up for it
		h.hit("H_NO_COLON")
	}
	if !validName(raw[:colon]) {
		h.hit("H_BAD_NAME")
		return
	}
	if len(h.fields) == maxFields {
		h.hit("H_TOO_MANY")
		return
	}
	h.fields = append(h.fields, field{
		name:  lowerName(h.text[start : start+colon]),
		value: strings.TrimSuffix(h.text[start+colon+1:end], "\r\n"),
		raw:   raw,
	})
}

// names are the fields that mails have, as they are usually written, so that a
// name costs no copy.
var names = func() map[string]string {
	m := make(map[string]string)
	for _, name := range strings.Fields(`From To Cc Subject Date Message-ID Message-Id MIME-Version Mime-Version Content-Type
		Content-Transfer-Encoding Received Return-Path DKIM-Signature Authentication-Results Reply-To Sender In-Reply-To
		References Delivered-To X-Received X-Mailer User-Agent ARC-Seal ARC-Message-Signature ARC-Authentication-Results
		X-Google-DKIM-Signature X-Gm-Message-State List-Id List-Unsubscribe Precedence Auto-Submitted`) {
		m[name] = asciiLower(name)
	}
	return m
}()

func lowerName(name string) string {
	if low, known := names[name]; known {
		return low
	}
	return asciiLower(name)
}

// validName reports whether name is a field name of RFC 5322 2.2: printable
// ASCII and no space before the colon.
func validName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}

// looksLikeField reports whether a continuation line reads like one of the
// fields in folded.
func looksLikeField(line []byte) bool {
	name, _, ok := bytes.Cut(trimWSP(line), []byte(":"))
	if !ok {
		return false
	}
	name = trimWSP(name)
	for _, f := range folded {
		if len(name) == len(f) && asciiLower(string(name)) == string(f) {
			return true
		}
	}
	return false
}

// isSignature reports whether a field may fold lists of field names: h= of
// DKIM-Signature, ARC-Message-Signature and their kin.
func isSignature(line []byte) bool {
	const suffix = "signature"
	end := bytes.IndexByte(line, ':')
	if end < len(suffix) {
		return false
	}
	for i := range suffix {
		if line[end-len(suffix)+i]|0x20 != suffix[i] {
			return false
		}
	}
	return true
}

// duplicates looks for second copies of what may appear once.
func (h *head) duplicates() {
	var seen [32]bool
	for _, f := range h.fields {
		which := singleIndex(f.name)
		if which < 0 {
			continue
		}
		if seen[which] {
			h.hit(single[which].code)
		}
		seen[which] = true
	}
}

// singleIndex is where name stands in single, -1 if it does not.
func singleIndex(name string) int {
	for i := range single {
		if single[i].name == name {
			return i
		}
	}
	return -1
}

// unfold removes the CRLFs of folds (RFC 5322 2.2.3) and the outer spaces and
// tabs. Nothing else is trimmed.
func unfold(value string) string {
	return strings.Trim(strings.ReplaceAll(value, "\r\n", ""), " \t")
}

func trimWSP(b []byte) []byte { return bytes.Trim(b, " \t") }
