package simulation

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

func (w *town) newID() string { return fmt.Sprintf("m%d@mail.example", len(w.mails)) }

func (w *town) mail(from, subject, id, text string) []byte {
	head := ""
	if id != "" {
		head = "Message-ID: <" + id + ">\n"
	}
	return []byte(strings.ReplaceAll(fmt.Sprintf("From: %s\nTo: support@host.example\nSubject: %s\nDate: %s\n%sContent-Type: text/plain; charset=utf-8\n\n%s\n",
		from, subject, time.Now().Format(time.RFC1123Z), head, text), "\n", "\r\n"))
}

func (w *town) request(i int, id string) []byte {
	raw := w.mail(fmt.Sprintf("Admin <admin@company%d.example>", i), fmt.Sprintf("2FA reset for user%d", i), id,
		fmt.Sprintf("Hello, user%d lost the phone and has no backup codes. Please reset the two-factor authentication of user%d. Serial %d.", i, i, len(w.mails)))
	if i == strict {
		raw = w.sign(i, raw)
	}
	return raw
}

// ask2FA writes a request; most mail servers sign it.
func (w *town) ask2FA() string {
	i := w.rng.IntN(accounts)
	raw, signed := w.request(i, w.newID()), i == strict
	if !signed && w.rng.IntN(3) > 0 {
		raw, signed = w.sign(i, raw), true
	}
	said := w.deliver(raw, false)
	w.mails[len(w.mails)-1].signed = signed
	return said
}

// deliver puts a mail into the mailbox.
func (w *town) deliver(raw []byte, forged bool) string {
	uid, err := w.imap.Append("INBOX", raw)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mails = append(w.mails, &sentMail{uid: uid, raw: raw, forged: forged})
	first, _, _ := strings.Cut(string(raw), "\r\n")
	return fmt.Sprintf("%d %s", uid, first)
}

// askAgain asks again: with no Message-ID, one that was used, or as a new mail.
func (w *town) askAgain() string {
	i := w.rng.IntN(accounts)
	return w.deliver(w.request(i, []string{"", "m0@mail.example", w.newID()}[w.rng.IntN(3)]), false)
}

// forge writes mails that look as if an admin had.
func (w *town) forge() string {
	i := w.rng.IntN(accounts)
	from := fmt.Sprintf([]string{
		"Admin <admin@cornpany%d.example>",
		"\"admin@company%d.example\" <mallory@stranger.example>",
		"Admin <admin@company%[1]d.example>, Mallory <mallory@stranger.example>",
		"Admin <admin@company%[1]d.example>\nFrom: Mallory <mallory@stranger.example>",
		"Admin <\u0430dmin@company%d.example>",
		"mallory@stranger.example\nReply-To: admin@company%d.example",
	}[w.rng.IntN(6)], i)
	if w.rng.IntN(3) == 0 {
		return w.forgeStrict()
	}
	raw := w.mail(from, fmt.Sprintf("2FA reset for user%d", i), w.newID(), fmt.Sprintf("Please reset the two-factor authentication of user%d.", i))
	if w.rng.IntN(2) == 0 {
		raw = w.sign(accounts, raw)
	}
	return w.deliver(raw, true)
}

// forgeStrict writes under the very address of an admin whose domain signs all mail:
// without a signature, with a stranger's, and with that of another text.
func (w *town) forgeStrict() string {
	raw := w.mail(fmt.Sprintf("Admin <admin@company%d.example>", strict), "2FA reset", w.newID(), fmt.Sprintf("Please reset the two-factor authentication of user%d.", strict))
	switch w.rng.IntN(3) {
	case 0:
		raw = w.sign(accounts, raw)
	case 1:
		raw = bytes.Replace(w.sign(strict, raw), []byte("Please reset"), []byte("Now reset"), 1)
	}
	return w.deliver(raw, true)
}

// poison sends what parsers choke on, or what the server will not hand out.
func (w *town) poison() string {
	i := w.rng.IntN(accounts)
	raw := w.request(i, w.newID())
	switch w.rng.IntN(6) {
	case 0:
		raw = []byte(strings.Replace(string(raw), "Content-Type: text/plain; charset=utf-8", "Content-Type: multipart/mixed; boundary=\"\xff\"", 1))
	case 1:
		raw = append([]byte("X-Long: "+strings.Repeat("a b ", 6000)+"\r\n"), raw...)
	}
	said := w.deliver(raw, false)
	m := w.mails[len(w.mails)-1]
	switch n := 1 + w.rng.IntN(3); w.rng.IntN(5) {
	case 0:
		w.imap.Hide(m.uid, n)
	case 1:
		w.imap.Garbage(m.uid, n)
	case 2:
		w.imap.RefuseMail(m.uid, n)
	case 3:
		w.imap.Flagged(m.uid, n)
	}
	w.faults++
	return said
}

// colleague reads mails, and takes some away.
func (w *town) colleague() string {
	if len(w.mails) == 0 {
		return "finds none"
	}
	m := w.mails[w.rng.IntN(len(w.mails))]
	if m.gone {
		return "finds it gone"
	}
	if w.rng.IntN(3) > 0 {
		if err := w.imap.Mark("INBOX", m.uid); err != nil {
			w.t.Fatal(err)
		}
		w.marked[m.uid] = true
		return fmt.Sprintf("reads %d", m.uid)
	}
	if err := w.imap.Expunge("INBOX", m.uid); err != nil {
		w.t.Fatal(err)
	}
	m.gone = true
	return fmt.Sprintf("moves %d", m.uid)
}

// rebuild makes the folder anew, with the mails that were in it.
func (w *town) rebuild() string {
	if err := w.imap.Recreate("INBOX"); err != nil {
		w.t.Fatal(err)
	}
	clear(w.marked)
	old := w.mails
	for _, m := range old {
		if !m.gone {
			m.gone = true // under its old identity
			w.deliver(m.raw, m.forged)
		}
	}
	w.faults++
	return fmt.Sprintf("%d mails", len(w.mails)-len(old))
}
