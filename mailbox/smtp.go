package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// grace is what a letter at its dot gets after the shutdown began.
const grace = 10 * time.Second

// line is one SMTP connection, signed in. Each step is a call of its own, so that the dot can wait for the Outbox.
type line struct {
	c    *smtp.Client
	g    *guard
	conf PostmanConfig
	used int         // letters that were accepted on it
	dot  atomic.Bool // a dot is out and its answer is not
	once sync.Once
}

// openLine connects, protects the connection and signs in. After an error the connection is closed.
func openLine(ctx context.Context, conf PostmanConfig, dial func(context.Context) (net.Conn, error)) (*line, error) {
	return twice(func() (*line, error) { return openLineOnce(ctx, conf, dial) })
}

func openLineOnce(ctx context.Context, conf PostmanConfig, dial func(context.Context) (net.Conn, error)) (*line, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// Within an SMTP answer silence is normal: a server may scan a mail for minutes before its 250.
	l := &line{g: newGuard(conn, max(conf.Command, conf.AfterDot)), conf: conf}
	defer context.AfterFunc(ctx, l.close)()
	if err := l.greet(ctx); err != nil {
		l.close()
		return nil, err
	}
	if err := l.signIn(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *line) greet(ctx context.Context) error {
	l.expect(l.conf.Command)
	conn := net.Conn(l.g)
	config := tlsFor(l.conf.TLS, l.conf.Host)
	if l.conf.Security == TLS {
		tc := tls.Client(l.g, config)
		if err := tc.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		conn = tc
	}
	c, err := smtp.NewClient(conn, l.conf.Host)
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	l.c = c
	c.SkipSMTPUTF8(true) // envelope addresses are ASCII, and no server needs to be asked for more
	l.expect(l.conf.Command)
	if err := c.Hello(l.conf.Hello); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if l.conf.Security == StartTLS {
		l.expect(l.conf.Command)
		if err := c.StartTLS(config); err != nil {
			return fmt.Errorf("starttls: %w", err)
		}
	}
	return nil
}

func (l *line) signIn(ctx context.Context) error {
	if l.conf.User == "" {
		return nil
	}
	offered, mechanisms := l.c.Extension("AUTH")
	if !offered {
		return fmt.Errorf("%w: the server offers none on this connection", errRefused)
	}
	if l.conf.Tokens != nil {
		return l.signInToken(ctx, strings.Fields(strings.ToUpper(mechanisms)))
	}
	password, err := l.conf.Password(ctx)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	l.expect(l.conf.Command)
	open := l.conf.Security == Plain // then the far end is this machine
	auth := smtp.PlainAuth("", l.conf.User, password, l.conf.Host, open)
	if m := " " + strings.ToUpper(mechanisms) + " "; !strings.Contains(m, " PLAIN ") && strings.Contains(m, " LOGIN ") {
		auth = smtp.LoginAuth(l.conf.User, password, l.conf.Host, open)
	}
	err = l.c.Auth(auth)
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 {
		return fmt.Errorf("%w: the server answered %d %q. Check the user name and the password, and that this account "+
			"may send mail", errRefused, reply.Code, reply.Msg)
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return nil
}

// signInToken authenticates with a token, by one of the mechanisms that the server offers.
func (l *line) signInToken(ctx context.Context, offered []string) error {
	port := l.conf.Port
	if port == 0 {
		port = defaultPort(l.conf.Security, 465, 587)
	}
	b, err := newBearer(ctx, l.conf.Tokens, l.conf.User, l.conf.Host, port, func(mech string) bool { return slices.Contains(offered, mech) })
	if err != nil {
		return err
	}
	l.expect(l.conf.Command)
	err = l.c.Auth(smtpBearer{b})
	var reply *textproto.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply) && reply.Code >= 500:
		return b.refused(fmt.Sprintf("%d %s", reply.Code, reply.Msg))
	case reply == nil && b.reason != nil:
		return b.refused(err.Error())
	}
	return fmt.Errorf("sign in: %w", err)
}

// expect limits the next answer to d and to 64 KiB.
func (l *line) expect(d time.Duration) { l.g.expect(d, 64<<10) }

// close ends the connection at once. It may be called from any goroutine, more than once.
func (l *line) close() {
	l.once.Do(func() { _ = l.g.Close() })
}

// stop is close for a shutdown: an answer to a dot may still come.
func (l *line) stop() {
	if l.dot.Load() {
		time.AfterFunc(grace, l.close)
		return
	}
	l.close()
}

func (l *line) quit() {
	l.expect(5 * time.Second)
	_ = l.c.Quit()
}

// attempt tries to send letter: the server's answer to the dot, or how it failed.
func (r *round) attempt(ctx context.Context, letter Letter) (string, *failure) {
	if err := checkEnvelope(letter); err != nil {
		return "", &failure{Outcome: Outcome{Phase: Refused, Text: err.Error()}}
	}
	for {
		if r.line == nil {
			l, err := openLine(ctx, r.c, r.dial)
			if err != nil {
				f := before(err)
				f.Phase, f.line, f.ours = Unsent, true, errors.Is(err, errRefused)
				return "", f
			}
			r.line = l
			r.connected(true)
		}
		fresh := r.line.used == 0
		response, f := r.hand(ctx, letter)
		if f != nil && f.stale && !fresh && ctx.Err() == nil {
			continue // the server had ended the old connection, and nothing of the letter was said on it
		}
		if f != nil {
			return "", &f.failure
		}
		return response, nil
	}
}

// handed is a failure of one transaction; stale means that it failed before the server took notice of the letter.
type handed struct {
	failure
	stale bool
}

// hand runs one transaction on the open line. After a failure the line is either clean again or dropped.
func (r *round) hand(ctx context.Context, letter Letter) (string, *handed) {
	l := r.line
	defer context.AfterFunc(ctx, l.stop)()
	// Where a bounce can come back it brings the header and no more: the letter may hold what only its recipient may
	// see (RFC 3461 4.3). Without DSN in the server's answer to EHLO nothing is asked for.
	full, when := "", ""
	if letter.From != "" {
		full, when = "HDRS", "FAILURE,DELAY"
	}
	l.c.SetDSNMailReturnOption(full)
	l.c.SetDSNRcptNotifyOption(when)
	steps := []func() error{
		func() error { return l.c.Mail("<" + letter.From + ">") },
		func() error { return l.c.Rcpt("<" + letter.To + ">") },
	}
	for i, step := range steps {
		l.expect(r.c.Command)
		if err := step(); err != nil {
			f := &handed{failure: *before(err), stale: i == 0 && gone(err)}
			r.clean(f.Code)
			return "", f
		}
	}
	l.expect(r.c.Command)
	w, err := l.c.Data()
	if err != nil {
		f := before(err)
		r.clean(f.Code)
		return "", &handed{failure: *f}
	}
	if _, err := w.Write(letter.Raw); err != nil {
		r.dropLine()
		return "", &handed{failure: *before(err)}
	}
	// From here the letter is whole on the wire but for its dot. The dot must not be written before the Outbox knows
	// that it will be: a crash after this line leaves "uncertain" behind, a crash before it "unsent".
	if err := r.Outbox.AtDot(ctx, letter.ID, letter.Attempt); err != nil {
		r.dropLine()
		f := before(fmt.Errorf("record that the dot comes next: %w", err))
		f.line = true // the Outbox is in trouble: do not run hot
		return "", &handed{failure: *f}
	}
	l.dot.Store(true)
	defer l.dot.Store(false)
	l.expect(r.c.AfterDot)
	err = w.Close()
	return r.answered(l, w, err)
}

// answered reads the verdict on the dot.
func (r *round) answered(l *line, w any, err error) (string, *handed) {
	var reply *textproto.Error
	switch {
	case err == nil:
		l.used++
		if d, ok := w.(*smtp.DataCloser); ok {
			return d.ServerResponse(), nil
		}
		return "", nil
	case errors.As(err, &reply) && reply.Code >= 200 && reply.Code < 300:
		l.used++
		return reply.Msg, nil
	case errors.As(err, &reply) && reply.Code >= 400 && reply.Code < 600:
		f := before(err)
		if f.Code == 421 {
			r.dropLine()
		}
		return "", &handed{failure: *f}
	}
	r.dropLine()
	text := "the connection broke after the whole letter was sent, before the server answered: " + err.Error()
	return "", &handed{failure: failure{Outcome: Outcome{Phase: Uncertain, Text: text}}}
}

// clean makes the line fit for the next letter after a refused step, or drops it.
func (r *round) clean(code int) {
	if code == 0 || code == 421 {
		r.dropLine()
		return
	}
	r.line.expect(r.c.Command)
	if err := r.line.c.Reset(); err != nil {
		r.dropLine()
	}
}

// before classifies an error that came before the dot, or an explicit refusal of it: 5xx is for good, but for the
// codes that speak about us and not about the letter; 4xx is for later; everything else was simply not sent.
func before(err error) *failure {
	f := &failure{Outcome: Outcome{Phase: Unsent, Text: err.Error()}}
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return f
	}
	f.Code = reply.Code
	switch {
	case reply.Code == 530 || reply.Code == 534 || reply.Code == 535 || reply.Code == 538: // RFC 4954 6
		f.line, f.ours = true, true
	case reply.Code >= 500 && reply.Code < 600:
		f.Phase = Refused
	case reply.Code >= 400 && reply.Code < 500:
		f.Phase = Deferred
	}
	return f
}

// gone tells whether the connection had ended before the step.
func gone(err error) bool {
	var reply *textproto.Error
	return !errors.As(err, &reply) || reply.Code == 421
}

// checkEnvelope refuses addresses that are more than a plain one: they could carry parameters or a second recipient
// into the SMTP dialogue.
func checkEnvelope(l Letter) error {
	for _, a := range []string{l.From, l.To} {
		if a != "" && !plainAddress(a) {
			return errors.New("an envelope address of this letter is not a plain address")
		}
	}
	if l.To == "" {
		return errors.New("this letter has no recipient")
	}
	return nil
}
