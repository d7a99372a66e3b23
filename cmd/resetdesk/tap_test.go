package main

import (
	"bytes"
	"io"
	"mime"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// A tap stands between the program and a server, and tells what passes, in the order of
// each connection.
type tap struct {
	net.Listener
	to     string
	listen func() listener // a fresh one for each connection
}

// A listener hears what passes one connection. Its methods are called one at a time.
type listener interface {
	client([]byte)
	server([]byte)
}

func newTap(t *testing.T, to string, listen func() listener) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &tap{l, to, listen}
	go p.accept()
	return p
}

func (p *tap) accept() {
	for {
		near, err := p.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			near.Close()
			continue
		}
		l, one := p.listen(), &sync.Mutex{}
		go carry(far, near, one, l.client)
		go carry(near, far, one, l.server)
	}
}

// carry tells of bytes before it hands them on: what they cause comes later.
func carry(to, from net.Conn, one *sync.Mutex, tell func([]byte)) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			one.Lock()
			tell(buf[:n])
			one.Unlock()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// notices are the moments at which the IMAP server spoke of a number of mails.
type notices struct {
	mu sync.Mutex
	at []time.Time
}

func (n *notices) client([]byte) {}

func (n *notices) server(b []byte) {
	if bytes.Contains(b, []byte(" EXISTS\r\n")) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.at = append(n.at, time.Now())
	}
}

// after is the first notice since then.
func (n *notices) after(then time.Time) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, at := range n.at {
		if at.After(then) {
			return at, true
		}
	}
	return time.Time{}, false
}

// accepted are the letters that the SMTP server took, with the moment of its 250.
type accepted struct {
	mu  sync.Mutex
	all []taken
}

type taken struct {
	receipt
	at time.Time
}

// since are those behind the first n.
func (a *accepted) since(n int) []taken {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[n:len(a.all):len(a.all)]
}

// A transaction is what the client said since the last letter was taken.
type transaction struct {
	said []byte
	into *accepted
}

func (x *transaction) client(b []byte) { x.said = append(x.said, b...) }

func (x *transaction) server(b []byte) {
	if !bytes.HasSuffix(x.said, []byte("\r\n.\r\n")) {
		return
	}
	at, said := time.Now(), string(x.said)
	x.said = nil
	if !bytes.HasPrefix(b, []byte("250")) {
		return
	}
	_, to, _ := strings.Cut(said, "RCPT TO:<")
	to, data, _ := strings.Cut(to, ">")
	_, data, _ = strings.Cut(data, "DATA\r\n")
	m, err := mail.ReadMessage(strings.NewReader(strings.ReplaceAll(data, "\r\n..", "\r\n.")))
	if err != nil {
		return
	}
	l := taken{receipt{to: to}, at}
	l.subject, _ = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	text, _ := io.ReadAll(m.Body)
	l.text = strings.ReplaceAll(string(text), "=\r\n", "")
	x.into.mu.Lock()
	defer x.into.mu.Unlock()
	x.into.all = append(x.into.all, l)
}
