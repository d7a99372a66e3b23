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
// that the mail is in MIME format.
func usual(body []byte, boundary string) bool {
	preamble, _, _ := bytes.Cut(body, []byte("--"+boundary))
	line := strings.TrimSpace(string(preamble))
	low := strings.ToLower(line)
	return line == "" || len(line) <= 160 && strings.Contains(low, "mime") && (strings.Contains(low, "message") || strings.Contains(low, "multi")) &&
		!strings.ContainsAny(strings.Replace(line, "(RFC 4880 and 3156)", "", 1), "@:/0123456789\n") || line == openPGP
}

// openPGP is what PGP/MIME mailers write, with its slash.
const openPGP = "This is an OpenPGP/MIME signed message (RFC 4880 and 3156)"
