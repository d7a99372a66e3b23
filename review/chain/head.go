package chain

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A Hash is a SHA-256, hex in text.
type Hash [32]byte

// MarshalText is hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText is strict: 64 digits and nothing else.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("a hash has %d digits, not %d", 2*len(h), len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// A Head says what the audit was at one moment: how many events, the root of the
// tree over them, and the hash of the last one.
type Head struct {
	Size int64     `json:"size"`
	Root Hash      `json:"root"`
	Last Hash      `json:"last"`
	At   time.Time `json:"at"` // when it was signed
}

// text is the head as a checkpoint of a transparency log (c2sp.org/tlog-checkpoint):
// origin, size, root, and two lines of our own.
func (h Head) text(origin string) string {
	return fmt.Sprintf("%s\n%d\n%s\nlast %s\nat %s\n", origin, h.Size, base64.StdEncoding.EncodeToString(h.Root[:]),
		h.Last, h.At.UTC().Format(time.RFC3339))
}

func parseHead(text, origin string) (Head, error) {
	var h Head
	lines := strings.Split(text, "\n")
	if len(lines) != 6 || lines[5] != "" {
		return h, errors.New("a head has five lines")
	}
	if lines[0] != origin {
		return h, fmt.Errorf("the head is of %q, not of %q", lines[0], origin)
	}
	var err error
	if h.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || h.Size < 0 {
		return h, errors.New("the head has no size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(h.Root) {
		return h, errors.New("the head has no root")
	}
	h.Root = Hash(root)
	last, ok := strings.CutPrefix(lines[3], "last ")
	if err := h.Last.UnmarshalText([]byte(last)); err != nil || !ok {
		return h, errors.New("the head has no last hash")
	}
	at, ok := strings.CutPrefix(lines[4], "at ")
	if h.At, err = time.Parse(time.RFC3339, at); err != nil || !ok {
		return h, errors.New("the head has no time")
	}
	if h.text(origin) != text {
		return h, errors.New("the head is not written as we write heads")
	}
	return h, nil
}

// A Key signs heads (Ed25519, golang.org/x/mod/sumdb/note).
type Key struct {
	signer note.Signer
	public string
}

// ParseKey reads what [NewKey] wrote.
func ParseKey(text []byte) (*Key, error) {
	private, public, ok := strings.Cut(strings.TrimSpace(string(text)), "\n")
	s, err := note.NewSigner(strings.TrimSpace(private))
	if err != nil || !ok {
		return nil, errors.New("this is no audit key: resetdesk init writes one")
	}
	k := &Key{s, strings.TrimSpace(public)}
	v, err := note.NewVerifier(k.public)
	if err != nil || v.KeyHash() != s.KeyHash() || v.Name() != s.Name() {
		return nil, errors.New("the two lines of the audit key do not belong together")
	}
	return k, nil
}

// Public is the line with which everybody can check heads.
func (k *Key) Public() string { return k.public }

// Sign signs a head.
func (k *Key) Sign(h Head) ([]byte, error) {
	b, err := note.Sign(&note.Note{Text: h.text(k.signer.Name())}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign head: %w", err)
	}
	return b, nil
}

// Open checks a signed head against a public key.
func Open(signed []byte, public string) (Head, error) {
	n, name, err := open(signed, public)
	if err != nil {
		return Head{}, err
	}
	return parseHead(n.Text, name)
}

func open(signed []byte, public string) (*note.Note, string, error) {
	v, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return nil, "", errors.New("this is no public key of an audit: it looks like name+01234567+AbCd…")
	}
	n, err := note.Open(signed, note.VerifierList(v))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return nil, "", errors.New("it was signed by another key")
	case err != nil:
		return nil, "", errors.New("it is not signed by this key, or was changed")
	}
	return n, v.Name(), nil
}

// headLines are the lines of a head before its signatures, the empty one included.
const headLines = 6

// Split takes a file of heads apart, one after the other as they were appended.
// What stands around them is passed over, and so are the marks of a quotation: the
// file may be the text of a mail. It checks nothing.
func Split(file []byte) [][]byte {
	var heads [][]byte
	var head []byte
	signed := false
	for line := range bytes.Lines(bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n"))) {
		line = bytes.TrimLeft(line, "> \t")
		if len(line) == 0 || line[0] == '\n' {
			line = []byte("\n")
		}
		if signed && !bytes.HasPrefix(line, []byte("— ")) {
			heads, head, signed = append(heads, head), nil, false
		}
		if head == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if bytes.HasPrefix(line, []byte("— ")) && !signed {
			head = lastLines(head, headLines)
		}
		head = append(head, line...)
		signed = signed || bytes.HasPrefix(line, []byte("— "))
	}
	if signed || len(heads) == 0 && len(head) > 0 { // what has no signature is a head at most if nothing else is
		heads = append(heads, head)
	}
	return heads
}

// lastLines returns the end of a text that ends with a line.
func lastLines(text []byte, n int) []byte {
	at := len(text)
	for ; n > 0 && at > 0; n-- {
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
	}
	return text[at:]
}

// sumText is a statement about bytes elsewhere.
func sumText(origin, kind string, sum Hash) string {
	return fmt.Sprintf("%s %s\n%s\n", origin, kind, sum)
}

// SignSum signs the SHA-256 of something of that kind.
func (k *Key) SignSum(kind string, sum Hash) ([]byte, error) {
	b, err := note.Sign(&note.Note{Text: sumText(k.signer.Name(), kind, sum)}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", kind, err)
	}
	return b, nil
}

// OpenSum checks what [Key.SignSum] wrote.
func OpenSum(signed []byte, public, kind string, sum Hash) error {
	n, name, err := open(signed, public)
	if err != nil {
		return err
	}
	if n.Text != sumText(name, kind, sum) {
		return fmt.Errorf("what was signed is another %s, or it was changed", kind)
	}
	return nil
}
