package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/wneessen/go-mail/smtp"
)

// peekHeader bounds the header block that Peek reads of one mail, in bytes.
const peekHeader = 64 << 10

// Glimpse is what one look into a folder shows.
type Glimpse struct {
	Folder      string
	UIDValidity uint32
	Mails       uint32
	Idle        bool       // the server can say at once when mail comes (RFC 2177)
	Newest      []Glimpsed // newest first
}

// Glimpsed is one mail of a Glimpse.
type Glimpsed struct {
	UID      uint32
	Received time.Time // INTERNALDATE
	Header   []byte    // all of it, at most 64 KiB
	Raw      []byte    // the whole mail, at most 1 MiB; nil when it was not asked for
}

// Peek signs in once, opens a folder read-only and reads the headers of its newest n mails, and the whole of those whose
// header whole accepts (nil: of none). It keeps nothing, retries nothing and changes nothing: EXAMINE and BODY.PEEK[]
// alone. It is for a person who asks how the mailbox looks; the Watcher reads it for the desk.
func Peek(ctx context.Context, conf WatcherConfig, folder string, n int, whole func(header []byte) bool) (g Glimpse, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("look into %s: %w", folder, err)
		}
	}()
	conf = conf.withDefaults()
	if err := endpoint(conf.Host, conf.Port, conf.Security); err != nil {
		return g, err
	}
	if conf.Password == nil && conf.Tokens == nil {
		return g, errors.New("a password is needed")
	}
	s, err := knockIMAP(ctx, conf)
	if err != nil {
		return g, err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.close)()
	box, err := s.examine(folder)
	if err != nil {
		return g, err
	}
	g = Glimpse{Folder: folder, UIDValidity: box.UIDValidity, Mails: box.NumMessages, Idle: s.c.Caps().Has(imap.CapIdle)}
	set, err := s.newest(box, n)
	if err != nil {
		return g, err
	}
	if err := s.peekAt(&g, set, whole); err != nil {
		return g, err
	}
	s.logout()
	return g, nil
}

func knockIMAP(ctx context.Context, conf WatcherConfig) (*session, error) {
	addr := address(conf.Host, conf.Port, defaultPort(conf.Security, 993, 143))
	dial := func(ctx context.Context) (net.Conn, error) { return dialTCP(ctx, addr, conf.Dial, conf.Security) }
	return openSession(ctx, conf, dial, make(chan struct{}, 1))
}

// newest names the last n mails of the folder.
func (s *session) newest(box *imap.SelectData, n int) (imap.UIDSet, error) {
	if box.NumMessages == 0 || n <= 0 {
		return nil, nil
	}
	all, err := s.search(imap.UIDSet{{Start: 1, Stop: ^imap.UID(0)}})
	if err != nil {
		return nil, err
	}
	var set imap.UIDSet
	for i := len(all) - 1; i >= 0 && n > 0; i-- {
		r := all[i]
		if size := int(r.Stop-r.Start) + 1; size > n {
			r.Start = r.Stop - imap.UID(n) + 1
		}
		n -= int(r.Stop-r.Start) + 1
		set = append(set, r)
	}
	return set, nil
}

// peekAt fills g with the mails of set.
func (s *session) peekAt(g *Glimpse, set imap.UIDSet, whole func([]byte) bool) error {
	head := part{meta: true, most: peekHeader, section: imap.FetchItemBodySection{
		Specifier: imap.PartSpecifierHeader, Peek: true, Partial: &imap.SectionPartial{Size: peekHeader},
	}}
	wanted := imap.UIDSet{}
	at := map[uint32]int{}
	got := s.fetch(set, head, peekHeader, func(p piece) {
		at[p.uid] = len(g.Newest)
		g.Newest = append(g.Newest, Glimpsed{UID: p.uid, Received: p.date, Header: p.data})
		if whole != nil && whole(p.data) {
			wanted.AddNum(imap.UID(p.uid))
		}
	})
	if err := errors.Join(got.err, got.status); err != nil {
		return err
	}
	got = s.fetch(wanted, wholePart(), bodyCap, func(p piece) {
		if i, ok := at[p.uid]; ok {
			g.Newest[i].Raw = p.data
		}
	})
	slices.SortFunc(g.Newest, func(a, b Glimpsed) int { return cmp.Compare(b.UID, a.UID) })
	return errors.Join(got.err, got.status)
}

// TrySignIn connects to the SMTP server of conf, signs in and says goodbye. It sends no mail.
func TrySignIn(ctx context.Context, conf PostmanConfig) error {
	l, err := knockSMTP(ctx, conf)
	if err != nil {
		return err
	}
	defer l.close()
	l.quit()
	return nil
}

func knockSMTP(ctx context.Context, conf PostmanConfig) (*line, error) {
	conf = conf.withDefaults()
	conf.Command = min(conf.Command, time.Minute) // a person waits
	if err := endpoint(conf.Host, conf.Port, conf.Security); err != nil {
		return nil, err
	}
	if conf.User != "" && conf.Password == nil && conf.Tokens == nil {
		return nil, errors.New("a password for the user is needed")
	}
	addr := address(conf.Host, conf.Port, defaultPort(conf.Security, 465, 587))
	return openLine(ctx, conf, func(ctx context.Context) (net.Conn, error) { return dialTCP(ctx, addr, conf.Dial, conf.Security) })
}

// HandIn gives one mail to the SMTP server of conf, octet for octet, and returns what the server answered to its dot.
// It keeps no record and repeats nothing: it is for the probes of a person, never for letters. A mail that the server
// turned down is a *textproto.Error.
func HandIn(ctx context.Context, conf PostmanConfig, l Letter) (string, error) {
	if err := checkEnvelope(l); err != nil {
		return "", err
	}
	s, err := knockSMTP(ctx, conf)
	if err != nil {
		return "", err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.close)()
	for _, step := range []func() error{
		func() error { return s.c.Mail("<" + l.From + ">") },
		func() error { return s.c.Rcpt("<" + l.To + ">") },
	} {
		s.expect(s.conf.Command)
		if err := step(); err != nil {
			return "", err
		}
	}
	s.expect(s.conf.Command)
	w, err := s.c.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write(l.Raw); err != nil {
		return "", err
	}
	s.expect(s.conf.Command)
	if err := w.Close(); err != nil {
		return "", err
	}
	answer := ""
	if d, ok := w.(*smtp.DataCloser); ok {
		answer = d.ServerResponse()
	}
	s.quit()
	return answer, nil
}
