package mailbox_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/resetdesk/resetdesk/mailbox"
)

// FuzzServer puts a server's answers into a stranger's hand: each part of the input, cut at NUL bytes, answers one line
// of the watcher. Whatever comes, the watcher neither panics nor hangs nor breaks the contract of Inbox.
func FuzzServer(f *testing.F) {
	const (
		hello   = "* OK [CAPABILITY IMAP4rev1] hi\r\n"
		signed  = "T1 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n"
		opened  = "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 9] n\r\nT2 OK [READ-ONLY] done\r\n"
		found   = "* SEARCH 2 3 8\r\nT3 OK done\r\n"
		header  = "* 1 FETCH (UID 2 RFC822.SIZE 9 INTERNALDATE \"23-Nov-2026 10:00:00 +0000\" BODY[HEADER.FIELDS (From)]<0> {6}\r\na: b\r\n)\r\n"
		rest    = "* 2 FETCH (UID 3 RFC822.SIZE 99999999 BODY[HEADER.FIELDS (From)]<0> NIL)\r\n* 3 FETCH (UID 8 BODY[HEADER]<0> \"2FA\")\r\nT4 OK done\r\n"
		listed  = "* SEARCH 3\r\nT5 OK done\r\n"
		nothing = "T6 NO [SERVERBUG] broken\r\n"
		body    = "* 3 FETCH (UID 8 BODY[] {3}\r\nabc)\r\nT7 OK done\r\n"
	)
	all := []string{hello, signed, opened, found, header + rest, listed, nothing, body}
	f.Add(bytes.Join(parts(all), []byte{0}))
	f.Add([]byte(hello + "\x00T1 NO [AUTHENTICATIONFAILED] no\r\n"))
	f.Add([]byte(hello + "\x00" + signed + "\x00* OK [UIDVALIDITY 4294967295] v\r\n* OK [UIDNEXT 4294967295] n\r\nT2 OK done\r\n" +
		"\x00* ESEARCH (TAG \"T3\") UID ALL 1:4294967295\r\n* SEARCH 4294967295 0\r\nT3 OK done\r\n\x00* 1 FETCH (UID 4294967295 BODY[HEADER] {99999999999}\r\n"))
	f.Add([]byte("* PREAUTH hi\r\n\x00T1 OK\r\n\x00* BYE\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		// In virtual time: every deadline of the watcher passes at once.
		synctest.Test(t, func(t *testing.T) { faceServer(t, bytes.Split(input, []byte{0})) })
	})
}

func faceServer(t *testing.T, answers [][]byte) {
	c := config("127.0.0.1:1", "u", "p")
	c.Backoff = func(int) time.Duration { return time.Hour }
	c.Poll = 0
	w := &mailbox.Watcher{Config: c, Inbox: newShelf(t)}
	over := make(chan struct{})
	dialled := false
	w.SetDial(func(context.Context) (net.Conn, error) {
		if dialled {
			return nil, net.ErrClosed
		}
		dialled = true
		mine, theirs := net.Pipe()
		go func() {
			defer close(over)
			answer(theirs, answers)
		}()
		return mine, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-over:
	case <-time.After(time.Duration(len(answers)+1) * 15 * time.Minute):
		t.Error("the watcher hangs on its server")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func parts(list []string) (out [][]byte) {
	for _, s := range list {
		out = append(out, []byte(s))
	}
	return out
}

// answer plays the server until its answers are used up.
func answer(c net.Conn, answers [][]byte) {
	defer c.Close()
	r := bufio.NewReader(c)
	for i, a := range answers {
		if i > 0 {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		if _, err := c.Write(a); err != nil {
			return
		}
	}
}

func FuzzReasonText(f *testing.F) {
	f.Add([]byte(`{"status":"401","schemes":"bearer","scope":"https://mail.example/"}`))
	f.Add([]byte(`{"status":{"a":[1]},"scope":"` + strings.Repeat("t", 300) + `"}`))
	f.Add([]byte("\xff\x00\r\nA1 OK " + strings.Repeat("é", 200)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := mailbox.ReasonText(raw)
		if len(got) > 120 || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(got, strings.Repeat("t", 64)) {
			t.Errorf("%q", got)
		}
	})
}
