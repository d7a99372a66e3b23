package mailtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A uidList is Dovecot's dovecot-uidlist of version 3: which file of a Maildir has which UID.
type uidList struct {
	head  []string // fields; the next UID is the one behind an N
	next  uint32
	mails []uidLine
}

type uidLine struct {
	uid  uint32
	rest string // extensions and :file name
}

func (d *Dovecot) uidList() string { return filepath.Join(d.MailDir, "dovecot-uidlist") }

func (d *Dovecot) readUIDs() (l uidList, err error) {
	text, err := os.ReadFile(d.uidList())
	if err != nil {
		return l, fmt.Errorf("read the list of uids: %w", err)
	}
	head, mails, _ := strings.Cut(string(text), "\n")
	l.head = strings.Fields(head)
	for _, f := range l.head {
		if n, ok := strings.CutPrefix(f, "N"); ok {
			next, err := strconv.ParseUint(n, 10, 32)
			if err != nil {
				return l, fmt.Errorf("read the list of uids: %w", err)
			}
			l.next = uint32(next)
		}
	}
	for line := range strings.Lines(mails) {
		number, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		uid, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return l, fmt.Errorf("read the list of uids: %w", err)
		}
		l.mails = append(l.mails, uidLine{uint32(uid), rest})
	}
	return l, nil
}

func (d *Dovecot) writeUIDs(l uidList) error {
	var b strings.Builder
	for i, f := range l.head {
		if strings.HasPrefix(f, "N") {
			f = fmt.Sprintf("N%d", l.next)
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f)
	}
	b.WriteByte('\n')
	for _, m := range l.mails {
		fmt.Fprintf(&b, "%d %s\n", m.uid, m.rest)
	}
	return errors.Join(os.WriteFile(d.uidList(), []byte(b.String()), 0o600), d.Own(d.uidList()))
}

// GiveAgain puts raw into the INBOX under the UID of a mail that is there, and gives that one the next free UID, as
// Dovecot 2.3 does by itself when it is killed while it takes a mail in. Open connections to the folder end.
func (d *Dovecot) GiveAgain(uid uint32, raw []byte) error {
	return d.without(func() error {
		l, err := d.readUIDs()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%d.M%dP1.again", time.Now().Unix(), l.next)
		for i, m := range l.mails {
			if m.uid == uid {
				l.mails[i].rest = ":" + name
				l.mails = append(l.mails, uidLine{l.next, m.rest})
				l.next++
				path := filepath.Join(d.MailDir, "cur", name+":2,")
				return errors.Join(os.WriteFile(path, raw, 0o600), d.Own(path), d.writeUIDs(l))
			}
		}
		return fmt.Errorf("give a uid again: there is no mail %d", uid)
	}, "dovecot.index*")
}

// PutBack makes the INBOX what it was when uid was its last mail, as who puts back a backup. Open connections to the
// folder end.
func (d *Dovecot) PutBack(uid uint32) error {
	return d.without(func() error {
		l, err := d.readUIDs()
		if err != nil {
			return err
		}
		for len(l.mails) > 0 && l.mails[len(l.mails)-1].uid > uid {
			last := l.mails[len(l.mails)-1]
			_, name, _ := strings.Cut(last.rest, ":")
			files, err := filepath.Glob(filepath.Join(d.MailDir, "*", name+"*"))
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := os.Remove(f); err != nil {
					return err
				}
			}
			l.mails = l.mails[:len(l.mails)-1]
		}
		l.next = uid + 1
		return d.writeUIDs(l)
	}, "dovecot.index*")
}
