package mailtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// IMAPOptions say how an in-process IMAP server is reached. The zero value is a plain-text server for the user
// "reset@support.example" with the password "secret" and an empty INBOX.
type IMAPOptions struct {
	User, Password string
	Folders        []string    // beside INBOX
	TLS            *tls.Config // offers STARTTLS, or speaks TLS at once when Implicit
	Implicit       bool
	Listener       net.Listener // default: a fresh one on 127.0.0.1
}

// IMAP is an in-process IMAP server with one user. Its methods may be called at any time, from any goroutine.
type IMAP struct {
	User, Password string

	wire   *wire
	server *imapserver.Server
	mem    *imapmemserver.User
	done   chan struct{}

	mu      sync.Mutex
	refuse  error
	faults  map[uint32]*uidFault
	nouid   bool
	signIns int
	command func(string) Fault
}

// uidFault is what is wrong with one mail.
type uidFault struct {
	kind  string // "conceal", "hide", "garbage", "no" or "flags"
	times int    // how often, negative: always
}

// NewIMAP starts a server. The caller closes it.
func NewIMAP(o IMAPOptions) (*IMAP, error) {
	if o.User == "" {
		o.User, o.Password = "reset@support.example", "secret"
	}
	l := o.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("start imap: %w", err)
		}
	}
	if o.Implicit {
		l = tls.NewListener(l, o.TLS)
		o.TLS = nil
	}
	s := &IMAP{
		User: o.User, Password: o.Password, wire: newWire(l), mem: imapmemserver.NewUser(o.User, o.Password),
		done: make(chan struct{}), faults: make(map[uint32]*uidFault),
	}
	for _, f := range append([]string{"INBOX"}, o.Folders...) {
		if err := s.mem.Create(f, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("create folder: %w", err), l.Close())
		}
	}
	s.wire.before = s.judge
	s.server = imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{s: s, c: c}, nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapESearch: {}, imap.CapUIDPlus: {}},
		TLSConfig:    o.TLS,
		InsecureAuth: true,
		Logger:       quiet,
	})
	go func() {
		defer close(s.done)
		_ = s.server.Serve(s.wire) // ends with Close; nothing else can end a loopback listener
	}()
	return s, nil
}

// Addr is the server's host:port.
func (s *IMAP) Addr() string { return s.wire.Addr().String() }

// Close stops the server and every connection.
func (s *IMAP) Close() error {
	err := s.server.Close()
	s.wire.end() // the library forgets a listener that it was not yet serving
	<-s.done
	return err
}

// Append puts a mail into folder and returns its UID. The server repairs a mail that is none (no header, no bytes at
// all): for such mails use Dovecot.
func (s *IMAP) Append(folder string, raw []byte) (uint32, error) {
	return s.AppendAt(folder, raw, time.Time{})
}

// AppendAt is Append with an INTERNALDATE of the caller's choice; the zero time is now.
func (s *IMAP) AppendAt(folder string, raw []byte, date time.Time) (uint32, error) {
	data, err := s.mem.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: date})
	if err != nil {
		return 0, fmt.Errorf("append: %w", err)
	}
	return uint32(data.UID), nil
}

// Recreate deletes folder and makes a new one of that name: no mails, a new UIDVALIDITY, UIDs from 1 on.
func (s *IMAP) Recreate(folder string) error {
	if err := s.mem.Delete(folder); err != nil {
		return fmt.Errorf("delete folder: %w", err)
	}
	if err := s.mem.Create(folder, nil); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	s.wire.cutAll()
	return nil
}

// Expunge deletes mails from folder, as another client would.
func (s *IMAP) Expunge(folder string, uids ...uint32) error {
	sess := imapmemserver.NewUserSession(s.mem)
	if _, err := sess.Select(folder, &imap.SelectOptions{}); err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	var set imap.UIDSet
	for _, u := range uids {
		set.AddNum(imap.UID(u))
	}
	flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := sess.Store(nil, set, flags, &imap.StoreOptions{}); err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	if err := sess.Expunge(nil, &set); err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	return sess.Close()
}

// Mark sets \\Seen and \\Flagged on mails of folder, as a colleague does who reads them.
func (s *IMAP) Mark(folder string, uids ...uint32) error {
	sess := imapmemserver.NewUserSession(s.mem)
	if _, err := sess.Select(folder, &imap.SelectOptions{}); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	var set imap.UIDSet
	for _, u := range uids {
		set.AddNum(imap.UID(u))
	}
	flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen, imap.FlagFlagged}}
	if err := sess.Store(nil, set, flags, &imap.StoreOptions{}); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	return sess.Close()
}

// Count tells how many mails folder holds, and how many of them are \Seen.
func (s *IMAP) Count(folder string) (mails, seen int, err error) {
	d, err := s.mem.Status(folder, &imap.StatusOptions{NumMessages: true, NumUnseen: true})
	if err != nil {
		return 0, 0, fmt.Errorf("status: %w", err)
	}
	return int(*d.NumMessages), int(*d.NumMessages - *d.NumUnseen), nil
}

// Commands are the lines clients have sent, oldest first, with tags and all; at most the last 10,000.
func (s *IMAP) Commands() []string { return s.wire.transcript() }

// Connections is how many connections were accepted so far.
func (s *IMAP) Connections() int { return s.wire.connections() }

// SignIns is how many sign-ins were tried so far.
func (s *IMAP) SignIns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signIns
}

// OnCommand lets f decide what happens to every line a client sends from now on. nil passes everything.
func (s *IMAP) OnCommand(f func(line string) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.command = f
}

// CutAll closes every open connection now.
func (s *IMAP) CutAll() { s.wire.cutAll() }

// CutAfter cuts each new connection once the server has sent n bytes on it; 0 ends that.
func (s *IMAP) CutAfter(n int64) { s.wire.setLimit(n, true) }

// SilentAfter makes the server go silent on each new connection once it has sent n bytes; 0 ends that.
func (s *IMAP) SilentAfter(n int64) { s.wire.setLimit(n, false) }

// RefuseSignIn makes every sign-in fail with text (AUTHENTICATIONFAILED); the empty text ends that.
func (s *IMAP) RefuseSignIn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = nil
	if text != "" {
		s.refuse = &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeAuthenticationFailed, Text: text}
	}
}

// Hide makes the next n FETCHes of a mail return nothing for it, though it is still listed; n < 0: for ever.
func (s *IMAP) Hide(uid uint32, n int) { s.fault(uid, &uidFault{kind: "hide", times: n}) }

// Garbage makes the next n FETCHes of a mail answer with something that is not IMAP; n < 0: for ever.
func (s *IMAP) Garbage(uid uint32, n int) { s.fault(uid, &uidFault{kind: "garbage", times: n}) }

// RefuseMail makes the next n FETCHes that touch a mail end with NO after the other mails; n < 0: for ever.
func (s *IMAP) RefuseMail(uid uint32, n int) { s.fault(uid, &uidFault{kind: "no", times: n}) }

// Flagged makes the next n FETCHes of a mail announce its flags first, as a server does when another client has just
// set one; n < 0: always.
func (s *IMAP) Flagged(uid uint32, n int) { s.fault(uid, &uidFault{kind: "flags", times: n}) }

// Conceal keeps a mail from every SEARCH and FETCH, as a server does that has given out its UID but not stored it yet,
// until Reveal.
func (s *IMAP) Conceal(uid uint32) { s.fault(uid, &uidFault{kind: "conceal", times: -1}) }

// Reveal ends what is wrong with a mail.
func (s *IMAP) Reveal(uid uint32) { s.fault(uid, &uidFault{}) }

// NoValidity makes the server name no UIDVALIDITY.
func (s *IMAP) NoValidity(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nouid = on
}

func (s *IMAP) fault(uid uint32, f *uidFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[uid] = f
}

// strike tells which fault a mail has now, and counts it.
func (s *IMAP) strike(uid uint32) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[uid]
	if f == nil || f.times == 0 {
		return ""
	}
	if f.times > 0 {
		f.times--
	}
	return f.kind
}

func (s *IMAP) concealed(uid uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[uid]
	return f != nil && f.kind == "conceal"
}

func (s *IMAP) faulty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults) > 0
}

func (s *IMAP) judge(_ *wireConn, line string) (Fault, string) {
	s.mu.Lock()
	f := s.command
	s.mu.Unlock()
	if f == nil {
		return Pass, ""
	}
	return f(line), ""
}

// imapSession is a session of the in-memory server with the faults laid over it.
type imapSession struct {
	*imapmemserver.UserSession // nil before the sign-in
	s                          *IMAP
	c                          *imapserver.Conn
}

// Close implements imapserver.Session.
func (m *imapSession) Close() error {
	if m.UserSession == nil {
		return nil
	}
	return m.UserSession.Close()
}

// Login implements imapserver.Session.
func (m *imapSession) Login(user, password string) error {
	m.s.mu.Lock()
	m.s.signIns++
	refuse := m.s.refuse
	m.s.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	if err := m.s.mem.Login(user, password); err != nil {
		return err
	}
	m.UserSession = imapmemserver.NewUserSession(m.s.mem)
	return nil
}

// Select implements imapserver.Session.
func (m *imapSession) Select(name string, o *imap.SelectOptions) (*imap.SelectData, error) {
	data, err := m.UserSession.Select(name, o)
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if err == nil && m.s.nouid {
		data.UIDValidity = 0
	}
	return data, err
}

// Search implements imapserver.Session.
func (m *imapSession) Search(kind imapserver.NumKind, c *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	data, err := m.UserSession.Search(kind, c, o)
	if err != nil || !m.s.faulty() {
		return data, err
	}
	var shown imap.UIDSet
	for _, uid := range data.AllUIDs() {
		if !m.s.concealed(uint32(uid)) {
			shown.AddNum(uid)
		}
	}
	if _, ok := data.All.(imap.UIDSet); ok {
		data.All = shown
	}
	return data, nil
}

// Fetch implements imapserver.Session.
func (m *imapSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	if _, ok := set.(imap.UIDSet); !ok || !m.s.faulty() {
		return m.fetch(w, set, o)
	}
	found, err := m.Search(imapserver.NumKindUID, &imap.SearchCriteria{UID: []imap.UIDSet{set.(imap.UIDSet)}},
		&imap.SearchOptions{ReturnAll: true})
	if err != nil {
		return err
	}
	uids := found.AllUIDs()
	var after error
	for _, uid := range uids {
		one := imap.UIDSetNum(uid)
		switch m.s.strike(uint32(uid)) {
		case "hide":
			continue
		case "no":
			after = &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeServerBug, Text: "Internal error"}
			continue
		case "garbage":
			_, err := fmt.Fprintf(m.c.NetConn(), "* 1 FETCH (UID %d \x00\x01 {x BODY[\r\n", uid)
			return err
		case "flags":
			if err := m.fetch(w, one, &imap.FetchOptions{UID: true, Flags: true}); err != nil {
				return err
			}
		}
		if err := m.fetch(w, one, o); err != nil {
			return err
		}
	}
	return after
}

// fetch ends the session when the connection broke in the middle of a mail: the library would keep the lock of the
// half-written answer and then wait for it for ever, which stops the time of a bubble.
func (m *imapSession) fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	err := m.UserSession.Fetch(w, set, o)
	var said *imap.Error
	if err != nil && !errors.As(err, &said) {
		runtime.Goexit()
	}
	return err
}

// literal is a mail being appended.
type literal struct{ *bytes.Reader }

// Size implements imap.LiteralReader.
func (l literal) Size() int64 { return l.Reader.Size() }

// Verb is the command of a client's line without its tag, "UID FETCH" for example, in capitals; "" when the line is not
// a command but the continuation of one.
func Verb(line string) string {
	if strings.EqualFold(line, "DONE") {
		return "DONE"
	}
	f := strings.Fields(strings.ToUpper(line))
	if len(f) < 2 || !strings.HasPrefix(f[0], "T") {
		return ""
	}
	if f[1] == "UID" && len(f) > 2 {
		return "UID " + f[2]
	}
	return f[1]
}
