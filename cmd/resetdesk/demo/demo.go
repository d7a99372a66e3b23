// Package demo is "resetdesk demo": the whole story of a lost phone in one
// process, to be played in a browser, with nothing to configure.
//
// What the visitor sees is the product: the real desk on a real database, the
// real watcher and postman over real sockets to mail servers in this process,
// the real pages. Around them stand three small sets that a product cannot
// bring: a control panel (totp/panel is embedded in it
// as any panel would), a page to write to support with and to read what
// went out, and a pretend phone. They take no short cut: a mail comes in through
// the mailbox, a decision through the desk's pages, a letter out through SMTP.
//
// Two things differ from a real installation, and every page says so: the
// waiting period is seconds instead of hours, and the DNS is a table in memory,
// because the senders' domains do not exist. It listens on loopback only: its
// passwords are printed on the screen.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Options say how the demo runs. The zero value is sane.
type Options struct {
	// Listen is the loopback host:port of the first page; the panel and the desk
	// take the two ports behind it, or free ones. Default 127.0.0.1:8080, or a
	// free port when that one is taken. With localhost as its host the addresses have
	// that name, which passkeys need.
	Listen string
	// Dir keeps the database and its keys, and must not hold a database yet.
	// Default: a temporary directory that is removed at the end.
	Dir  string
	Out  io.Writer     // where the addresses are printed; default: nowhere
	Log  *slog.Logger  // default: discard
	Wait time.Duration // the waiting period at every risk level; default 20 s
}

// Run plays the demo until ctx is done and then returns nil. When it has printed
// the addresses to o.Out, all of them answer. It returns an error when a port or
// the directory cannot be used.
func Run(ctx context.Context, o Options) error {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wait <= 0 {
		o.Wait = 20 * time.Second
	}
	s := &stage{Options: o}
	err := s.build(ctx)
	if err == nil {
		err = s.play(ctx)
	}
	if err = errors.Join(err, s.end()); err != nil && ctx.Err() == nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// play runs every part until ctx is done or one of them fails.
func (s *stage) play(ctx context.Context) error {
	if _, err := io.WriteString(s.Out, s.programme()); err != nil {
		return fmt.Errorf("print addresses: %w", err)
	}
	return together(ctx, s.desk.Run, s.watcher.Run, s.postman.Run,
		s.web(s.guideLine, s.guidePages()), s.web(s.panelLine, s.panelPages()), s.web(s.deskLine, s.deskPages))
}

// together runs all parts; when the first one ends, the others are told to.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	errs := make([]error, len(parts))
	for i, part := range parts {
		all.Go(func() {
			defer stop()
			if err := part(ctx); !errors.Is(err, context.Canceled) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// web returns a part that serves h on l and ends within two seconds.
func (s *stage) web(l net.Listener, h http.Handler) func(context.Context) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn)}
	return func(ctx context.Context) error {
		ended := make(chan struct{})
		context.AfterFunc(ctx, func() {
			defer close(ended)
			patience, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer stop()
			if server.Shutdown(patience) != nil {
				_ = server.Close() // a browser that holds a connection open is cut off
			}
		})
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve pages: %w", err)
		}
		<-ended
		return nil
	}
}

// listen opens the three listeners. Only the first port is one that somebody may
// have asked for.
func (s *stage) listen() error {
	asked := s.Listen != ""
	if !asked {
		s.Listen = "127.0.0.1:8080"
	}
	host, text, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q is not like 127.0.0.1:8080", s.Listen)
	}
	if host == "localhost" || host == "" {
		s.name, host = host, "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return fmt.Errorf("listen: %s is not loopback, and the passwords of the demo are no secret: use 127.0.0.1", host)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return fmt.Errorf("listen: %q is no port", text)
	}
	if s.guideLine, err = s.listenAt(host, port, !asked); err != nil {
		return err
	}
	at := func(n int) int {
		if port == 0 || port+n > 65535 {
			return 0
		}
		return port + n
	}
	if s.panelLine, err = s.listenAt(host, at(1), true); err != nil {
		return err
	}
	s.deskLine, err = s.listenAt(host, at(2), true)
	return err
}

func (s *stage) listenAt(host string, port int, orFree bool) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil && orFree && port != 0 {
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.atEnd(func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil // its web server closed it
	})
	return l, nil
}
