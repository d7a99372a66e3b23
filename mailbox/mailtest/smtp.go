package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// SMTPOptions say how an in-process SMTP server is reached. The zero value is a plain-text server that takes any mail
// from anybody who can reach it.
type SMTPOptions struct {
	User, Password string                        // when set, MAIL needs a sign-in
	Tokens         func(user, token string) bool // when set too, the sign-in is by a token, and no password helps
	Mechanisms     []string                      // for Tokens; default XOAUTH2 and OAUTHBEARER
	TLS            *tls.Config                   // offers STARTTLS, or speaks TLS at once when Implicit
	Implicit       bool                          //
	Listener       net.Listener                  // default: a fresh one on 127.0.0.1
	Keep           int                           // how many mails to keep, the oldest go first; default 1000
}

// Delivered is a mail that the server took.
type Delivered struct {
	From, To string
	Raw      []byte
	At       time.Time
}

// Step is a moment of an SMTP transaction at which a fault may strike.
type Step string

// The steps, in order. At Dot the letter has arrived, but is not stored; at Stored it is, and the answer is not out:
// a fault there is "done, but reported as failed".
const (
	Connect Step = "connect"
	Auth    Step = "auth"
	Mail    Step = "mail"
	Rcpt    Step = "rcpt"
	Data    Step = "data"
	Dot     Step = "dot"
	Stored  Step = "stored"
)

// SMTPFault is what happens at a Step: a reply with Code and Text, or Cut, or Hang.
type SMTPFault struct {
	Code  int
	Text  string
	Cut   bool // the connection is closed
	Hang  bool // nothing is answered any more
	Times int  // how often; 0: once, negative: for ever
}

// SMTP is an in-process SMTP server. Its methods may be called at any time, from any goroutine.
type SMTP struct {
	User, Password string

	wire   *wire
	server *smtp.Server
	done   chan struct{}
	keep   int
	tokens func(user, token string) bool
	mechs  []string

	mu     sync.Mutex
	news   chan struct{} // closed and replaced at every delivery
	mails  []Delivered
	total  int
	faults map[Step]SMTPFault
	tell   func(Delivered)
	heard  func(Answer)
}

// NewSMTP starts a server. The caller closes it.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	l := o.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("start smtp: %w", err)
		}
	}
	if o.Implicit {
		l = tls.NewListener(l, o.TLS)
		o.TLS = nil
	}
	if o.Keep <= 0 {
		o.Keep = 1000
	}
	s := &SMTP{
		User: o.User, Password: o.Password, tokens: o.Tokens, mechs: o.Mechanisms, wire: newWire(l), done: make(chan struct{}), keep: o.Keep,
		news: make(chan struct{}), faults: make(map[Step]SMTPFault),
	}
	if s.mechs == nil {
		s.mechs = []string{"XOAUTH2", sasl.OAuthBearer}
	}
	s.wire.before = s.judge
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		if f, ok := s.strike(Connect); ok {
			return nil, s.apply(c, f)
		}
		return &smtpSession{s: s, c: c}, nil
	}))
	s.server.Domain = "mailtest.example"
	s.server.AllowInsecureAuth = true
	s.server.TLSConfig = o.TLS
	s.server.ErrorLog = quiet
	s.server.MaxMessageBytes = 32 << 20
	s.server.EnableDSN = true
	s.server.ReadTimeout, s.server.WriteTimeout = 5*time.Minute, time.Minute
	go func() {
		defer close(s.done)
		_ = s.server.Serve(s.wire) // ends with Close; nothing else can end a loopback listener
	}()
	return s, nil
}

// Addr is the server's host:port.
func (s *SMTP) Addr() string { return s.wire.Addr().String() }

// Close stops the server and every connection.
func (s *SMTP) Close() error {
	err := s.server.Close()
	s.wire.end() // the library forgets a listener that it was not yet serving
	<-s.done
	return err
}

// Mails are the mails taken so far, oldest first, as far as they are kept.
func (s *SMTP) Mails() []Delivered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivered(nil), s.mails...)
}

// Wait waits until n mails have been taken since the start, and returns those kept. After timeout it returns what there
// is and an error.
func (s *SMTP) Wait(n int, timeout time.Duration) ([]Delivered, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for {
		s.mu.Lock()
		total, news, mails := s.total, s.news, append([]Delivered(nil), s.mails...)
		s.mu.Unlock()
		if total >= n {
			return mails, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return mails, fmt.Errorf("%d of %d mails after %v", total, n, timeout)
		}
	}
}

// OnMail lets f see every mail as it is taken, before the client hears so. nil ends that.
func (s *SMTP) OnMail(f func(Delivered)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = f
}

// Fault makes f happen at step from now on.
func (s *SMTP) Fault(step Step, f SMTPFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults[step] = f
}

// Heal ends all faults.
func (s *SMTP) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Commands are the lines clients have sent, without the letters; at most the last 10,000.
func (s *SMTP) Commands() []string { return s.wire.transcript() }

// Connections is how many connections were accepted so far.
func (s *SMTP) Connections() int { return s.wire.connections() }

// CutAll closes every open connection now.
func (s *SMTP) CutAll() { s.wire.cutAll() }

// CutAfter cuts each new connection once the server has sent n bytes on it; 0 ends that.
func (s *SMTP) CutAfter(n int64) { s.wire.setLimit(n, true) }

func (s *SMTP) strike(step Step) (SMTPFault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.faults[step]
	if !ok || f.Times == 0 {
		return f, false
	}
	if f.Times > 0 {
		f.Times--
		s.faults[step] = f
	}
	return f, true
}

// judge handles what go-smtp answers by itself: DATA, and the sign-in.
func (s *SMTP) judge(c *wireConn, line string) (Fault, string) {
	step := Step("")
	switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
	case "DATA":
		step = Data
	case "AUTH":
		step = Auth
	default:
		return Pass, ""
	}
	f, ok := s.strike(step)
	switch {
	case !ok:
		if step == Data {
			c.setRaw(true)
		}
		return Pass, ""
	case f.Cut:
		return Cut, ""
	case f.Hang:
		return Silent, ""
	}
	return Pass, fmt.Sprintf("%d %s\r\n", f.Code, f.Text)
}

// apply makes f happen on c and returns the reply, if there is one.
func (s *SMTP) apply(c *smtp.Conn, f SMTPFault) error {
	switch w, _ := c.Conn().(*wireConn); {
	case f.Cut:
		_ = c.Conn().Close()
		return errors.New("cut")
	case f.Hang && w != nil:
		w.goMute()
		<-w.gone // the client gives up first
		return errors.New("gone")
	}
	return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.NoEnhancedCode, Message: f.Text}
}

// smtpSession is one client's session.
type smtpSession struct {
	s        *SMTP
	c        *smtp.Conn
	in       bool
	from, to string
}

// AuthMechanisms implements smtp.AuthSession.
func (m *smtpSession) AuthMechanisms() []string {
	if m.s.User == "" {
		return nil
	}
	if m.s.tokens != nil {
		return m.s.mechs
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements smtp.AuthSession.
func (m *smtpSession) Auth(mech string) (sasl.Server, error) {
	if m.s.tokens != nil {
		return &tokenServer{mech: mech, check: func(user, token string) bool {
			m.in = m.s.tokens(user, token)
			return m.in
		}}, nil
	}
	check := func(user, password string) error {
		if user != m.s.User || password != m.s.Password {
			return smtp.ErrAuthFailed
		}
		m.in = true
		return nil
	}
	if mech == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// Mail implements smtp.Session.
func (m *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if f, ok := m.s.strike(Mail); ok {
		return m.s.apply(m.c, f)
	}
	if m.s.User != "" && !m.in {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	m.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (m *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.answers(to, nil)
	if f, ok := m.s.strike(Rcpt); ok {
		return m.s.apply(m.c, f)
	}
	if m.to != "" {
		to = m.to + "," + to
	}
	m.to = to
	return nil
}

// Data implements smtp.Session.
func (m *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if w, ok := m.c.Conn().(*wireConn); ok {
		defer w.setRaw(false)
	}
	if err != nil {
		return err // the client broke off: there was no dot
	}
	m.answers(m.to, raw)
	if f, ok := m.s.strike(Dot); ok {
		return m.s.apply(m.c, f)
	}
	m.s.store(Delivered{From: m.from, To: m.to, Raw: raw, At: time.Now()})
	if f, ok := m.s.strike(Stored); ok {
		return m.s.apply(m.c, f)
	}
	return nil
}

// Reset implements smtp.Session.
func (m *smtpSession) Reset() { m.from, m.to = "", "" }

// Logout implements smtp.Session.
func (m *smtpSession) Logout() error { return nil }

func (s *SMTP) store(d Delivered) {
	s.mu.Lock()
	tell := s.tell
	s.mails = append(s.mails, d)
	if len(s.mails) > s.keep {
		s.mails = append(s.mails[:0], s.mails[len(s.mails)-s.keep:]...)
	}
	s.total++
	close(s.news)
	s.news = make(chan struct{})
	s.mu.Unlock()
	if tell != nil {
		tell(d)
	}
}

// loginServer is the server side of AUTH LOGIN, which the SASL library lacks.
type loginServer struct {
	check func(user, password string) error
	user  string
	step  int
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
