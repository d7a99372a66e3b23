package message

import (
	"bytes"
	"strings"
)

// Hides reports whether a body of the given Content-Type holds text that mail
// programs do not show: outside the parts of a multipart, at any depth. The one
// line that mailers put in front of the first part is not meant.
func Hides(contentType string, body []byte) bool {
	left := maxParts
	return hiding(contentType, body, 0, &left)
}

func hiding(contentType string, body []byte, depth int, left *int) bool {
	kind, params := mediaType(contentType)
	if !strings.HasPrefix(kind, "multipart/") {
		return false
	}
	parts, outside := cut(body, params["boundary"])
	if outside || len(parts) == 0 && len(bytes.TrimSpace(body)) > 0 || depth >= maxDepth {
		return true
	}
	if len(parts) > 0 && !usual(body, params["boundary"]) {
		return true
	}
	for _, p := range parts {
		if *left--; *left < 0 {
			return true
		}
		h, b, _, _ := split(p)
		if hiding(h.get("content-type"), b, depth+1, left) {
			return true
		}
	}
	return false
}

// usual reports whether what stands before the first part says no more than
// that the mail is in MIME format: it is a line of the words of such lines.
func usual(body []byte, boundary string) bool {
	line := strings.TrimSpace(strings.ToLower(string(preamble(body, boundary))))
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" .,-/()", r) }) {
		if !usualWords[word] {
			return false
		}
	}
	return true
}

var usualWords = func() map[string]bool {
	m := make(map[string]bool)
	for word := range strings.FieldsSeq(`a an and body consisting contains cryptographically e email encoded encrypted format formatted has in is
		mail message messages mime multi multipart multiple of openpgp part parts pgp rfc 2440 3156 4880 s signed the this version with`) {
		m[word] = true
	}
	return m
}()

// preamble is what stands before the line that begins the first part.
func preamble(body []byte, boundary string) []byte {
	pos := 0
	for line := range bytes.Lines(body) {
		if is, _ := delimiter(line, boundary); is {
			break
		}
		pos += len(line)
	}
	return body[:pos]
}
