package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// session is one signed-in IMAP connection. Its commands are CAPABILITY, STARTTLS, LOGIN, AUTHENTICATE, LIST, EXAMINE, UID
// SEARCH, UID FETCH, NOOP, IDLE and LOGOUT, one at a time; nothing in it can change a mailbox.
//
// The library beneath has neither deadlines nor contexts: every command is announced to the guard first, and closing
// the guard ends whatever is under way.
type session struct {
	c    *imapclient.Client
	g    *guard
	conf WatcherConfig
	hint chan struct{}
	once sync.Once

	woken *imapclient.IdleCommand // has been told DONE, and the server's answer is still to come

	counted bool   // a look of this connection has got as far as
	mails   uint32 // the number of mails in the folder
}

// openSession connects and signs in. After any error the connection is closed.
func openSession(ctx context.Context, conf WatcherConfig, dial func(context.Context) (net.Conn, error),
	hint chan struct{}) (*session, error) {
	return twice(func() (*session, error) { return openSessionOnce(ctx, conf, dial, hint) })
}

func openSessionOnce(ctx context.Context, conf WatcherConfig, dial func(context.Context) (net.Conn, error),
	hint chan struct{}) (*session, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &session{g: newGuard(conn, conf.Command), conf: conf, hint: hint}
	defer context.AfterFunc(ctx, s.close)()
	if err := s.greet(ctx); err != nil {
		s.close()
		return nil, err
	}
	if err := s.signIn(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// greet brings the connection to the point where a password may be sent.
func (s *session) greet(ctx context.Context) error {
	s.g.expect(s.conf.Greeting, 1<<20)
	opts := &imapclient.Options{
		TLSConfig: tlsFor(s.conf.TLS, s.conf.Host),
		// The handler only leaves a token: a command from inside it would deadlock the library.
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(d *imapclient.UnilateralDataMailbox) {
				if d.NumMessages != nil {
					wake(s.hint)
				}
			},
		},
	}
	switch s.conf.Security {
	case StartTLS:
		c, err := imapclient.NewStartTLS(&capabilities{Conn: s.g}, opts)
		if err != nil {
			return fmt.Errorf("starttls: %w", err)
		}
		s.c = c
	case TLS:
		tc := tls.Client(s.g, opts.TLSConfig)
		if err := tc.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		s.c = imapclient.New(&capabilities{Conn: tc}, opts)
	default:
		s.c = imapclient.New(&capabilities{Conn: s.g}, opts)
	}
	s.g.expect(s.conf.Greeting, 1<<20)
	if err := s.c.WaitGreeting(); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	return nil
}

// signIn authenticates. An error that wraps errRefused means that the server turned the credentials down.
func (s *session) signIn(ctx context.Context) error {
	if s.c.State() == imap.ConnStateAuthenticated {
		return nil // PREAUTH: a tunnel has signed in already
	}
	if s.conf.Tokens != nil {
		return s.signInToken(ctx)
	}
	password, err := s.conf.Password(ctx)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	s.g.expect(s.conf.Command, 1<<20)
	caps := s.c.Caps()
	if caps.Has(imap.AuthCap("PLAIN")) {
		err = s.c.Authenticate(sasl.NewPlainClient("", s.conf.User, password))
	} else if caps.Has(imap.CapLoginDisabled) {
		return alarm{errors.New("the server offers no sign-in with a password on this connection")}
	} else {
		err = s.c.Login(s.conf.User, password).Wait()
	}
	var status *imap.Error
	if errors.As(err, &status) && refusal(status) {
		return fmt.Errorf("%w: %w", errRefused, status)
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return nil
}

// signInToken authenticates with a token; no password is sent then, whatever the server offers.
func (s *session) signInToken(ctx context.Context) error {
	s.g.expect(s.conf.Command, 1<<20)
	caps := s.c.Caps()
	port := s.conf.Port
	if port == 0 {
		port = defaultPort(s.conf.Security, 993, 143)
	}
	b, err := newBearer(ctx, s.conf.Tokens, s.conf.User, s.conf.Host, port, func(mech string) bool { return caps.Has(imap.AuthCap(mech)) })
	if err != nil {
		return err
	}
	s.g.expect(s.conf.Command, 1<<20)
	err = s.c.Authenticate(b)
	var status *imap.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && (refusal(status) || b.reason != nil && status.Type == imap.StatusResponseTypeBad):
		return b.refused(status.Text)
	case b.reason != nil && status == nil: // it hung up behind its reason
		return b.refused(err.Error())
	}
	return fmt.Errorf("sign in: %w", err)
}

// refusal tells a NO about the credentials from one about the server's own trouble (RFC 5530).
func refusal(e *imap.Error) bool {
	switch e.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit,
		imap.ResponseCodeServerBug, imap.ResponseCodeContactAdmin:
		return false
	}
	return e.Type == imap.StatusResponseTypeNo
}

// close ends the connection at once and waits for nothing. It may be called from any goroutine, more than once.
func (s *session) close() {
	s.once.Do(func() { _ = s.g.Close() })
}

// logout says goodbye; the connection is closed afterwards, whatever the server answers.
func (s *session) logout() {
	s.g.expect(5*time.Second, 1<<16)
	_ = s.c.Logout().Wait()
}

// lost explains why the connection is gone.
func (s *session) lost(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("the server closed the connection")
}

// examine opens the folder read-only (RFC 9051 6.3.3) and learns its UIDVALIDITY and UIDNEXT. Repeating it is the poll:
// then it follows DONE at once, and the answer to that comes first.
func (s *session) examine(name string) (*imap.SelectData, error) {
	s.g.expect(s.conf.Command, 1<<20)
	asked := s.c.Select(name, &imap.SelectOptions{ReadOnly: true})
	if idle := s.woken; idle != nil {
		s.woken = nil
		s.g.expect(min(s.conf.Command, 30*time.Second), 1<<20)
		if err := idle.Wait(); err != nil {
			return nil, fmt.Errorf("end idle: %w", err)
		}
		s.g.expect(s.conf.Command, 1<<20)
	}
	data, err := asked.Wait()
	if err != nil && strings.Contains(err.Error(), "authenticated but not connected") {
		// Exchange lets any token of the tenant in, and says so only here.
		return nil, alarm{fmt.Errorf("examine: %w. The sign-in went well, but user is no mailbox that the app may open: see its "+
			"spelling, the app's FullAccess to it, and that IMAP is on for it", err)}
	}
	if err != nil {
		return nil, fmt.Errorf("examine: %w", err)
	}
	return data, nil
}

// search lists those UIDs of set that exist, in ascending order.
func (s *session) search(set imap.UIDSet) (imap.UIDSet, error) {
	if len(set) == 0 {
		return nil, nil
	}
	var opts *imap.SearchOptions
	if s.c.Caps().Has(imap.CapESearch) {
		opts = &imap.SearchOptions{ReturnAll: true}
	}
	s.g.expect(s.conf.Command, 64<<20) // without ESEARCH a million mails are eight megabytes of numbers
	data, err := s.c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, opts).Wait()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	found, _ := data.All.(imap.UIDSet)
	if found.Dynamic() {
		return nil, errors.New("search: the server answered with an open range")
	}
	return found, nil
}

// doze waits without IDLE; it reports false when the connection or ctx ended.
func (s *session) doze(ctx context.Context, d time.Duration, kick, hint <-chan struct{}) bool {
	s.g.rest(d + s.conf.Command)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-kick:
	case <-hint:
	case <-s.c.Closed():
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// idle waits until there may be something new, at most d. With IDLE (RFC 2177) the server may end the wait; the next
// command is examine, which waits for the answer to DONE.
func (s *session) idle(ctx context.Context, d time.Duration, kick, hint <-chan struct{}) error {
	if !s.c.Caps().Has(imap.CapIdle) {
		if !s.doze(ctx, d, kick, hint) {
			return s.lost(ctx)
		}
		return nil
	}
	s.g.expect(s.conf.Command, 1<<20)
	cmd, err := s.c.Idle()
	if err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	alive := s.doze(ctx, d, kick, hint)
	s.g.expect(min(s.conf.Command, 30*time.Second), 1<<20)
	if err := cmd.Close(); err != nil || !alive {
		return errors.Join(s.lost(ctx), err)
	}
	s.woken = cmd
	return nil
}
