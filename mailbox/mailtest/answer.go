package mailtest

import "strconv"

// Answer is what a client heard of a recipient, or of a whole letter after its dot.
type Answer struct {
	From, To string
	Raw      []byte // nil: of the recipient
	Code     int
}

// OnAnswer lets f see every answer to a recipient and to a whole letter that gets through to the client; one that is cut
// or withheld does not. The client may be ahead of f. nil ends that. Behind STARTTLS no answer is seen.
func (s *SMTP) OnAnswer(f func(Answer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = f
}

// answers has what is answered next seen by whoever asked for it.
func (m *smtpSession) answers(to string, raw []byte) {
	m.s.mu.Lock()
	heard := m.s.heard
	m.s.mu.Unlock()
	from := m.from
	c, ok := m.c.Conn().(*wireConn)
	if !ok || heard == nil {
		return
	}
	c.onReply(func(text []byte) {
		if code, err := strconv.Atoi(string(text[:min(len(text), 3)])); err == nil {
			heard(Answer{From: from, To: to, Raw: raw, Code: code})
		}
	})
}
