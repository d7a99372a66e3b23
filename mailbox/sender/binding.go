package sender

import (
	"net/mail"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/message"
)

// Time windows of sender-verification 4, conditions 2a and 3.
const (
	clockSkew = 15 * time.Minute
	fresh     = 24 * time.Hour
	stale     = 72 * time.Hour
)

// receivedAt is when the mail came in, by the best clock of our own there is:
// the boundary Received field, else the one the caller gives (INTERNALDATE),
// else the present. None of them may lie in the future.
func receivedAt(h *head, r *Request) time.Time {
	at := r.Received
	if i := boundaryField(h, r.Trust); i >= 0 {
		if t, ok := stamp(h.fields[i].value); ok {
			at = t
		}
	}
	if at.IsZero() || at.After(r.Now.Add(clockSkew)) {
		return r.Now
	}
	return at
}

// stamp is the date of a Received field, which follows its only semicolon outside
// comments (RFC 5321 4.4). A second one may be a stranger's: a first line with a
// leading space has become the end of this field (sender-verification 3.1).
func stamp(value string) (time.Time, bool) {
	s := scanner{s: unfold(value)}
	for s.space() && s.i < len(s.s) && s.s[s.i] != ';' {
		s.i++
	}
	if !s.next(';') {
		return time.Time{}, false
	}
	t, err := mail.ParseDate(strings.Trim(s.s[s.i:], " \t"))
	return t, err == nil
}

// bound lists what keeps a passing signature from authenticating
// (sender-verification 4, 2c, 2e, 2f, 3 and 4.4).
func (c *checker) bound(s *signature) []string {
	var out []string
	partial := func(code string) { out = append(out, code) }
	if strings.HasPrefix(s.Algorithm, "rsa") && s.KeyBits < rsaGood {
		partial("D_KEY_WEAK")
	}
	if s.domain != c.f.domain {
		partial("D_RELAXED")
	}
	s.boundBy = c.boundBy(s)
	for _, must := range [...]struct{ name, missing, unsigned string }{
		{"subject", "B_NO_SUBJECT", "B_UNSIGNED_SUBJECT"},
		{"date", "", "B_UNSIGNED_DATE"}, // a missing Date is R_DATE
		{"message-id", "B_NO_MESSAGE_ID", "B_UNSIGNED_MESSAGE_ID"},
		{"reply-to", "", "B_UNSIGNED_REPLY_TO"},
		{"sender", "", "B_UNSIGNED_SENDER"},
		{"to", "", "B_UNSIGNED_TO"},
		{"cc", "", "B_UNSIGNED_CC"},
	} {
		value, present := c.h.get(must.name)
		if must.name == "message-id" && strings.Trim(value, "<> \t") == "" {
			present = false // an empty one names nothing
		}
		switch {
		case !present && must.missing != "":
			partial(must.missing)
		case !present || s.signed[must.name]:
		case s.boundBy == "nonce" && (must.name == "to" || must.name == "cc"): // sender-verification 4, 2e
		default:
			partial(must.unsigned)
		}
	}
	if s.boundBy == "" {
		partial("B_RCPT")
	}
	if s.SignedAt != 0 {
		out = append(out, c.aged(time.Unix(s.SignedAt, 0))...)
	}
	value, _ := c.h.get("date")
	date, err := mail.ParseDate(value)
	if err != nil {
		return append(out, "R_DATE")
	}
	return append(out, c.aged(date)...)
}

// boundBy says what binds a signature to our mailbox (sender-verification 4,
// 2f): "nonce" for a reference of ours, "to" or "cc", or "" for nothing. The
// reference is looked for first, since it binds more.
func (c *checker) boundBy(s *signature) string {
	if len(c.nonces) > 0 && c.quotedIn(s) {
		return "nonce"
	}
	for _, name := range []string{"to", "cc"} {
		if s.signed[name] && boundTo(c.h, name, c.r.Mailboxes) {
			return name
		}
	}
	return ""
}

// quotedIn reports whether one of our references stands in what s signed.
func (c *checker) quotedIn(s *signature) bool {
	subject, _ := c.h.get("subject")
	if s.signed["subject"] && c.quotes(message.Header([]byte("Subject: "+subject+"\r\n\r\n")).Subject) {
		return true
	}
	// How the body is to be read must be signed too (sender-verification 4.5).
	return !c.bodyUnbound(s) && c.quotes(c.text())
}

// text is what the body says, read once.
func (c *checker) text() string {
	if c.words == nil {
		words := message.Read(c.r.Raw).Full
		c.words = &words
	}
	return *c.words
}

// quotes reports whether text holds one of our references as a word of its own.
func (c *checker) quotes(text string) bool {
	for _, token := range c.nonces {
		for rest := text; ; {
			i := strings.Index(rest, token)
			if i < 0 {
				break
			}
			end := i + len(token)
			if (i == 0 || !isAlnum(rest[i-1])) && (end == len(rest) || !isAlnum(rest[end])) {
				return true
			}
			rest = rest[i+1:]
		}
	}
	return false
}

// aged judges Date or t= against the time of receipt.
func (c *checker) aged(at time.Time) []string {
	switch age := c.ref.Sub(at); {
	case age < -clockSkew:
		return []string{"R_DATE"}
	case age > stale:
		return []string{"R_STALE"}
	case age > fresh:
		return []string{"R_AGED"}
	}
	return nil
}

// bodyUnbound reports whether the octets of the body are signed but not how
// they are to be read (sender-verification 4.5).
func (c *checker) bodyUnbound(s *signature) bool {
	for _, name := range []string{"content-type", "content-transfer-encoding"} {
		if _, present := c.h.get(name); present && !s.signed[name] {
			return true
		}
	}
	return false
}

// worst is where codes put a verdict that stood at Authenticated.
func worst(codes []string) State {
	s := Standing{Authenticated}
	for _, code := range codes {
		s.lower(forces(code))
	}
	return s.state
}
