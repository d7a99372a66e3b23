package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

// A corpus is what a support mailbox holds: mails of 2 to 20 KB, one in fifty of
// them a request from the registered address of an account, signed by its domain,
// and a few of 5 to 25 MB. The same seed and number give the same mails, but for
// their signatures' dates.
type corpus struct {
	Mails, Requests, Huge int
	Bytes                 int64

	csv  strings.Builder
	zone sendertest.Zone
}

// fill writes n mails into the Maildir of a Dovecot that is not running, or has
// not looked yet.
func fill(d *mailtest.Dovecot, n int, seed uint64) (*corpus, error) {
	for _, sub := range []string{"cur", "new", "tmp"} {
		dir := filepath.Join(d.MailDir, sub)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := d.Own(dir); err != nil {
			return nil, err
		}
	}
	c := &corpus{zone: sendertest.Zone{}}
	c.csv.WriteString("account_id,account_name,locale,user_id,login,email,role,api_only\n")
	rnd := rand.New(rand.NewPCG(seed, uint64(n)))
	key := ed25519.NewKeyFromSeed([]byte("a key that signs for all of them"))
	start := time.Now().Add(-time.Duration(n) * time.Second)
	for i := range n {
		at := start.Add(time.Duration(i) * time.Second)
		raw := c.mail(rnd, key, i, at)
		c.Mails++
		c.Bytes += int64(len(raw))
		path := filepath.Join(d.MailDir, "cur", fmt.Sprintf("%d.M%dP1.host,S=%d:2,", at.Unix(), i, len(raw)))
		if err := os.WriteFile(path, []byte(raw), 0o644); err != nil {
			return nil, err
		}
		if err := os.Chtimes(path, at, at); err != nil { // Maildir: the file's time is INTERNALDATE
			return nil, err
		}
		if err := d.Own(path); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *corpus) mail(rnd *rand.Rand, key ed25519.PrivateKey, i int, at time.Time) string {
	switch {
	case i%50 == 7:
		return c.request(rnd, key, i, at)
	case i%2500 == 1234:
		c.Huge++
		return ordinary(rnd, i, at, 5<<20+rnd.IntN(20<<20))
	}
	return ordinary(rnd, i, at, 2<<10+rnd.IntN(18<<10))
}

// request is a mail of an account of its own, as real ones are: signed, a few lines, and a signature block.
func (c *corpus) request(rnd *rand.Rand, key ed25519.PrivateKey, i int, at time.Time) string {
	k := c.Requests
	c.Requests++
	domain := fmt.Sprintf("company%d.example", k)
	fmt.Fprintf(&c.csv, "A-%d,Company %d,en,U-%d,user%d,admin@%s,admin,0\n", k, k, k, k, domain)
	asks := []string{
		"my phone is gone and with it the authenticator. There are no backup codes. Please reset the two-factor authentication of user%d.",
		"Handy defekt, keine Backup-Codes mehr. Bitte die Zwei-Faktor-Authentifizierung von user%d zurücksetzen.",
		"mijn telefoon is gestolen en ik heb geen back-upcodes. Kunt u de tweestapsverificatie van user%d resetten?",
	}
	body := fmt.Sprintf("Hello,\n\n"+asks[rnd.IntN(len(asks))]+"\n\nThank you\n", k) +
		"-- \nThe admin of Company\n" + words(rnd, rnd.IntN(4<<10))
	s := sendertest.Signer{Domain: domain, Selector: "s1", Key: key, Headers: "from:to:subject:date:message-id", Dated: true}
	s.Publish(c.zone)
	c.zone["_dmarc."+domain] = []string{"v=DMARC1; p=reject"}
	mail := head(i, at, "admin@"+domain, "Two-factor reset for user"+fmt.Sprint(k), "text/plain; charset=utf-8", "8bit") +
		strings.ReplaceAll(body, "\n", "\r\n")
	return s.Sign(mail, at) + mail
}

// ordinary is a mail about something else: half of them with HTML, the large ones with an attachment.
func ordinary(rnd *rand.Rand, i int, at time.Time, size int) string {
	from := fmt.Sprintf("%s@customer%d.example", nouns[rnd.IntN(len(nouns))], rnd.IntN(5000))
	subject := nouns[rnd.IntN(len(nouns))] + " and " + nouns[rnd.IntN(len(nouns))]
	if size > 1<<20 {
		blob := make([]byte, size*3/4)
		for k := range blob {
			blob[k] = byte(rnd.Uint32())
		}
		return head(i, at, from, subject, "multipart/mixed; boundary=frontier", "7bit") +
			"--frontier\r\nContent-Type: text/plain\r\n\r\nSee the scan.\r\n\r\n--frontier\r\n" +
			"Content-Type: application/pdf; name=scan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped(blob) + "--frontier--\r\n"
	}
	text := words(rnd, size/2)
	if i%2 == 0 {
		return head(i, at, from, subject, "text/plain; charset=utf-8", "7bit") + strings.ReplaceAll(text+text, "\n", "\r\n")
	}
	return head(i, at, from, subject, "multipart/alternative; boundary=frontier", "7bit") +
		"--frontier\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n") +
		"\r\n--frontier\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>" + strings.ReplaceAll(text, "\n", "<br>\r\n") + "</p>\r\n--frontier--\r\n"
}

func head(i int, at time.Time, from, subject, kind, encoding string) string {
	date := at.UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000")
	return "Return-Path: <" + from + ">\r\nReceived: from mail." + from[strings.Index(from, "@")+1:] + " by mx.support.example with ESMTPS id " +
		fmt.Sprint(i) + "; " + date + "\r\nDate: " + date + "\r\nFrom: <" + from + ">\r\nTo: <support@host.example>\r\nSubject: " + subject +
		"\r\nMessage-ID: <" + fmt.Sprint(i) + "." + from + ">\r\nMIME-Version: 1.0\r\nContent-Type: " + kind +
		"\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n"
}

var nouns = strings.Fields(`invoice server domain order backup website certificate mailbox transfer quota renewal database contract
	traffic address price upload plugin payment upgrade downtime login nameserver delivery cancellation ticket`)

// words is about size bytes of lines of ordinary words.
func words(rnd *rand.Rand, size int) string {
	var b strings.Builder
	for line := 0; b.Len() < size; {
		w := nouns[rnd.IntN(len(nouns))]
		b.WriteString(w)
		if line += len(w) + 1; line > 66 {
			b.WriteByte('\n')
			line = 0
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func wrapped(blob []byte) string {
	text := base64.StdEncoding.EncodeToString(blob)
	var b strings.Builder
	for ; len(text) > 76; text = text[76:] {
		b.WriteString(text[:76] + "\r\n")
	}
	b.WriteString(text + "\r\n")
	return b.String()
}
