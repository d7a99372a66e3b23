package sender

import (
	"net/mail"
	"strings"
	"time"
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
	if fields := h.all("received"); r.Trust.Boundary > 0 && len(fields) >= r.Trust.Boundary {
		// RFC 5321 4.4: the date follows the last semicolon.
		value := unfold(fields[r.Trust.Boundary-1].value)
		if i := strings.LastIndexByte(value, ';'); i >= 0 {
			if t, err := mail.ParseDate(strings.Trim(value[i+1:], " \t")); err == nil {
				at = t
			}
		}
	}
	if at.IsZero() || at.After(r.Now.Add(clockSkew)) {
		return r.Now
	}
	return at
}

// bound lists what keeps a passing signature from authenticating
// (sender-verification 4, 2c, 2e, 2f, 3 and 4.4).
func (c *checker) bound(s *signature) []string {
	var out []string
	partial := func(code string) { out = append(out, code) }
	if strings.HasPrefix(s.Algorithm, "rsa") && s.KeyBits < rsaGood {
		partial("D_KEY_WEAK")
	}
	for _, must := range [...]struct{ name, missing, unsigned string }{
		{"subject", "B_NO_SUBJECT", "B_UNSIGNED_SUBJECT"},
		{"date", "", "B_UNSIGNED_DATE"}, // a missing Date is R_DATE
		{"message-id", "B_NO_MESSAGE_ID", "B_UNSIGNED_MESSAGE_ID"},
		{"reply-to", "", "B_UNSIGNED_REPLY_TO"},
		{"sender", "", "B_UNSIGNED_SENDER"},
		{"to", "", "B_UNSIGNED_TO"},
		{"cc", "", "B_UNSIGNED_CC"},
	} {
		_, present := c.h.get(must.name)
		switch {
		case !present && must.missing != "":
			partial(must.missing)
		case present && !s.signed[must.name]:
			partial(must.unsigned)
		}
	}
	if !(s.signed["to"] && boundTo(c.h, "to", c.r.Mailboxes) || s.signed["cc"] && boundTo(c.h, "cc", c.r.Mailboxes)) {
		partial("B_RCPT")
	}
	if s.SignedAt != 0 {
		out = append(out, aged(c.ref.Sub(time.Unix(s.SignedAt, 0)))...)
	}
	return append(out, c.dated()...)
}

// dated judges the Date field against the time of receipt.
func (c *checker) dated() []string {
	value, _ := c.h.get("date")
	date, err := mail.ParseDate(value)
	if err != nil || date.After(c.ref.Add(clockSkew)) {
		return []string{"R_DATE"}
	}
	return aged(c.ref.Sub(date))
}

func aged(age time.Duration) []string {
	switch {
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
