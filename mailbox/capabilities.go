package mailbox

import (
	"errors"
	"net"
	"regexp"
	"strings"
)

// errCapabilities ends a connection whose server writes a parenthesis where it lists what it can do.
var errCapabilities = errors.New("the server lists a capability that no capability can be")

// capabilities is a connection that no parenthesis passes within a list of capabilities. go-imap v2.0.0-beta.8 takes
// one there for a space that it need not consume, and reads it for ever: no deadline ends that, for it asks the
// connection for nothing any more. What stands in a literal is not looked at, nor is what the library decrypts itself
// behind STARTTLS: a server that proved its name.
type capabilities struct {
	net.Conn
	failed  error
	head    []byte // of the present line, as far as it tells what the line is
	listing bool   // within the list
	skip    int64  // bytes left of a literal
	open    bool   // a "{" was the last that is no digit, so size may be that of a literal
	size    int64
}

// listBegin is a line up to where its list begins: an untagged response, or the code of any other.
var listBegin = regexp.MustCompile(`(?i)^\S+ (\d+ )?(CAPABILITY|ENABLED|(OK|NO|BAD|PREAUTH|BYE) ?\[CAPABILITY)$`)

// endsIn tells whether head ends in word, whatever its case: to ask that first is cheap, and hardly any line goes on.
func endsIn(head []byte, word string) bool {
	return len(head) >= len(word) && strings.EqualFold(string(head[len(head)-len(word):]), word)
}

// longestBegin bounds what is kept of a line.
const longestBegin = 80

func (c *capabilities) Read(p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	n, err := c.Conn.Read(p)
	for i := 0; i < n; i++ {
		if c.skip > 0 {
			k := min(c.skip, int64(n-i))
			c.skip -= k
			i += int(k) - 1
		} else if c.endless(p[i]) {
			c.failed = errCapabilities
			return 0, c.failed
		}
	}
	return n, err
}

// endless tells whether b is the parenthesis.
func (c *capabilities) endless(b byte) bool {
	switch {
	case b == '\n' && c.size > 0:
		c.skip, c.size, c.listing = c.size, 0, false
		c.head = append(c.head[:0], '\n') // goes on after the literal, and begins no response
		return false
	case b == '\n':
		c.head, c.listing, c.open = c.head[:0], false, false
		return false
	}
	c.literal(b)
	if c.listing {
		c.listing = b != ']'
		return b == '('
	}
	if len(c.head) < longestBegin {
		if b == ' ' || b == '(' {
			c.listing = (endsIn(c.head, "CAPABILITY") || endsIn(c.head, "ENABLED")) && listBegin.Match(c.head)
		}
		c.head = append(c.head, b)
	}
	return c.listing && b == '('
}

// literal follows a "{123}" at the end of a line (RFC 9051 4.3).
func (c *capabilities) literal(b byte) {
	switch {
	case b == '{':
		c.open, c.size = true, 0
	case c.open && b >= '0' && b <= '9':
		c.size = min(c.size*10+int64(b-'0'), 1<<40)
	case b == '}' || b == '+' || b == '\r':
		c.open = c.open && b == '+'
	default:
		c.open, c.size = false, 0
	}
}
