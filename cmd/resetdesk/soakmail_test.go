package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// A postbox makes the mail of a support address: two in a hundred ask for a reset,
// ten are from machines, few are large, the rest is about other things.
type postbox struct {
	w     *world
	rng   *rand.Rand
	users int
	n     int
	asked int    // users who asked so far
	marks []mark // of mails that were delivered and not removed
}

// A mark is where a mail lies and since when.
type mark struct {
	uid imap.UID
	at  time.Time
}

// next is one mail, its Message-ID and the user for whom it asks. The first hundred have one of everything.
func (p *postbox) next() (id, user string, raw []byte) {
	p.n++
	switch k := p.n % 100; {
	case k == 10 && p.asked < p.users:
		id = p.id("request")
		user, raw = fmt.Sprintf("U-%d", p.asked), requestMail(p.asked, id)
		p.asked++
		return id, user, raw
	case k == 40 && p.asked > 0: // somebody asks again
		id = p.id("again")
		i := max(0, p.asked-1-p.rng.IntN(20))
		return id, fmt.Sprintf("U-%d", i), requestMail(i, id)
	case k == 70 && p.n%200 > 100:
		id, raw = p.forged()
	case k == 80 && p.n%200 < 100:
		id, raw = p.withScan(200 << 10)
	case p.n%4000 == 1290: // beside the 4 KB of the others
		id, raw = p.withScan(2 << 20)
	case k%10 == 5:
		id, raw = p.automatic()
	default:
		id, raw = p.ordinary()
	}
	return id, "", raw
}

func (p *postbox) id(kind string) string { return fmt.Sprintf("%s%d@mail.example", kind, p.n) }

func (p *postbox) head(from, subject, id, more string) string {
	return strings.ReplaceAll(fmt.Sprintf("Return-Path: <bounce@mail.example>\nReceived: from mail.example by mx.host.example with ESMTPS id %[1]d; %[2]s\nFrom: %[3]s\nTo: support@host.example\n"+
		"Subject: %[4]s\nDate: %[2]s\nMessage-ID: <%[5]s>\nMIME-Version: 1.0\n%[6]s\n", p.n, time.Now().Format(time.RFC1123Z), from, subject, id, more), "\n", "\r\n")
}

const plain = "Content-Type: text/plain; charset=utf-8\n"

// ordinary is a mail about something else, some of them from users of ours.
func (p *postbox) ordinary() (string, []byte) {
	id, from := p.id("ordinary"), fmt.Sprintf("customer%d@elsewhere%d.example", p.rng.IntN(900), p.rng.IntN(900))
	if p.n%30 == 0 {
		from = fmt.Sprintf("admin@company%d.example", p.rng.IntN(p.users))
	}
	subject := words[p.rng.IntN(len(words))] + " and " + words[p.rng.IntN(len(words))]
	return id, []byte(p.head(from, subject, id, plain) + p.text(1<<10+p.rng.IntN(3<<10)))
}

// automatic is a mail of a machine: a newsletter, an answer to nobody, a notice.
func (p *postbox) automatic() (string, []byte) {
	id := p.id("automatic")
	more := []string{"Auto-Submitted: auto-replied\n", "Precedence: bulk\nList-Id: <news.shop.example>\n", "Auto-Submitted: auto-generated\n"}[p.rng.IntN(3)]
	subject := []string{"Out of office", "Your offers this week", "Two-factor authentication was switched on"}[p.rng.IntN(3)]
	return id, []byte(p.head("robot@shop.example", subject, id, more+plain) + p.text(1<<10))
}

// forged is a request of somebody else in a user's name; none may open a case.
func (p *postbox) forged() (string, []byte) {
	id, i := p.id("forged"), p.rng.IntN(p.users)
	from := fmt.Sprintf([]string{
		"Admin <admin@cornpany%d.example>",
		"\"admin@company%d.example\" <mallory@stranger.example>",
		"Admin <admin@company%[1]d.example>, Mallory <mallory@stranger.example>",
		"Admin <admin@company%[1]d.example>\nFrom: Mallory <mallory@stranger.example>",
		"mallory@stranger.example\nReply-To: admin@company%d.example",
	}[p.rng.IntN(5)], i)
	text := fmt.Sprintf("Please reset the two-factor authentication of user%d.\r\n", i)
	return id, []byte(p.head(from, fmt.Sprintf("2FA reset for user%d", i), id, plain) + text)
}

// withScan is a mail with an attachment of that size, whose subject makes the desk
// read it.
func (p *postbox) withScan(size int) (string, []byte) {
	id := p.id("scan")
	blob := make([]byte, size*3/4)
	for i := range blob {
		blob[i] = byte(p.rng.Uint32())
	}
	var lines strings.Builder
	for text := base64.StdEncoding.EncodeToString(blob); text != ""; {
		n := min(76, len(text))
		lines.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return id, []byte(p.head("scanner@elsewhere.example", "Two-factor form, signed", id, "Content-Type: multipart/mixed; boundary=frontier\n") +
		"--frontier\r\nContent-Type: text/plain\r\n\r\nSee the scan.\r\n\r\n--frontier\r\nContent-Type: application/pdf; name=scan.pdf\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + lines.String() + "--frontier--\r\n")
}

var words = strings.Fields("invoice server domain order backup website certificate mailbox transfer quota renewal database contract traffic price upload payment upgrade downtime")

func (p *postbox) text(size int) string {
	var b strings.Builder
	for n := 1; b.Len() < size; n++ {
		b.WriteString(words[p.rng.IntN(len(words))])
		b.WriteString(map[bool]string{true: "\r\n", false: " "}[n%9 == 0])
	}
	return b.String() + "\r\n"
}
