package mailbox

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// TestNoParenthesisInCapabilities: what would make the library read for ever ends the
// connection, and nothing else does, however it is cut into pieces.
func TestNoParenthesisInCapabilities(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		endless    bool
	}{
		{"untagged", "* CAPABILITY IMAP4rev1 (\r\n", true},
		{"stuck to a name", "* CAPABILITY IMAP4rev1(X)\r\n", true},
		{"at once", "* CAPABILITY(\r\n", true},
		{"with a number", "* 7 capability IDLE (\r\n", true},
		{"in a greeting", "* OK [CAPABILITY IMAP4rev1 (IDLE] hello\r\n", true},
		{"in a tagged answer", "* 3 EXISTS\r\nT4 OK [CAPABILITY IDLE  (] done\r\n", true},
		{"enabled", "* ENABLED (\r\n", true},
		{"after a literal", "* 1 FETCH (UID 1 BODY[] {4}\r\nabcd)\r\n* CAPABILITY (\r\n", true},
		{"an ordinary list", "* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN\r\n* 1 FETCH (UID 1)\r\n", false},
		{"text behind a code", "* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready\r\n", false},
		{"another code", "* OK [PERMANENTFLAGS (\\Seen)] (CAPABILITY\r\n", false},
		{"in a mail", "* 1 FETCH (UID 1 BODY[] {20}\r\n* CAPABILITY (\r\nabcd)\r\n", false},
		{"in a mail, not synchronizing", "* 1 FETCH (UID 1 BODY[] {20+}\r\n* CAPABILITY (\r\nabcd)\r\n", false},
		{"behind the literal of a line", "* 1 FETCH (BODY[] {2}\r\nab X {3}\r\n* C ENABLED (\r\n", false},
		{"a number in braces that is none", "* OK {5} X\r\n* CAPABILITY (\r\n", true},
		{"no literal at all", "* 1 FETCH (BODY[] {0}\r\n* CAPABILITY (\r\n", true},
		{"a long line", "* SEARCH " + strings.Repeat("1 ", 1000) + "CAPABILITY (\r\n", false},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
			c := &capabilities{Conn: reading{r: r}}
			got, err := io.ReadAll(c)
			if errors.Is(err, errCapabilities) != tt.endless || !tt.endless && string(got) != tt.text {
				t.Errorf("%s: %q, %v", tt.name, got, err)
			}
			if _, err := c.Read(make([]byte, 9)); tt.endless && !errors.Is(err, errCapabilities) {
				t.Errorf("%s: and then %v", tt.name, err)
			}
		}
	}
}

type reading struct {
	net.Conn
	r io.Reader
}

func (r reading) Read(p []byte) (int, error) { return r.r.Read(p) }
