package mailbox

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/textproto"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// compared is how many mails are compared at a time, the latest first.
const compared = 50

// known sees to it that the UIDs up to the cursor name the mails that were received under them. An alarm means that they
// will not for some time to come.
func (f *folder) known(ctx context.Context, s *session, box *imap.SelectData, p *place, cur Cursor, unread *uidQueue) error {
	if cur.UIDValidity == p.validity && s.puzzling(box, unread) {
		if err := f.compare(ctx, s, p, min(p.through, p.upper)); err != nil {
			return err
		}
	}
	s.counted, s.mails = true, box.NumMessages
	if p.upper < p.through {
		f.set(func(fs *FolderStatus) { fs.LastSweep = time.Time{} }) // its new mails may have UIDs that were never received
		if err := f.sweep(ctx, s, p); err != nil {
			return err
		}
		return alarm{fmt.Errorf("the folder's UIDs went backwards (UIDNEXT %d, read up to %d) under the same UIDVALIDITY: the mailbox "+
			"was put back from a backup, and its new mails are found late until it has a new UIDVALIDITY", box.UIDNext, p.through)}
	}
	return nil
}

// puzzling reports whether the folder may hold mails behind UIDs that are known: the connection is new, so the server
// may have been away, or the folder has grown by more mails than have new UIDs.
func (s *session) puzzling(box *imap.SelectData, unread *uidQueue) bool {
	return !s.counted || uint64(box.NumMessages) > uint64(s.mails)+uint64(count(unread.ranges))
}

// compare reads the mails to which the server gave a UID of another, at or below upTo. RFC 9051 2.3.1.1 forbids that, but
// Dovecot 2.3 does so when it is killed while it takes a mail in, and any server does whose folder was put back from a
// backup. It goes on downwards for as long as it finds some, or some that were found before: that may have been interrupted;
// and where none of the mails lies there any more, for people move away what is done, to the latest that does.
func (f *folder) compare(ctx context.Context, s *session, p *place, upTo uint32) error {
	defer f.apart(&f.reuseTrouble)()
	for upTo > 0 {
		known, err := f.inbox.Latest(ctx, f.source, p.validity, upTo, compared)
		if err != nil {
			return inboxError{fmt.Errorf("ask for the latest mails: %w", err)}
		}
		if len(known) == 0 {
			break
		}
		found, there, err := f.readReused(ctx, s, p, known)
		if err != nil {
			return err
		}
		if upTo = known[0].UID - 1; there == 0 {
			if upTo, err = s.latest(upTo); err != nil {
				return err
			}
			continue
		}
		if found == 0 && !slices.ContainsFunc(known, func(m Mail) bool { return m.Reuse > 0 }) {
			break
		}
	}
	f.trouble.last, f.trouble.suspect = 0, 0 // what broke the connection is remembered, and read alone for as long as we run
	return nil
}

// latest is the highest UID in the folder that is not above upTo, 0 if there is none.
func (s *session) latest(upTo uint32) (uint32, error) {
	if upTo == 0 {
		return 0, nil
	}
	listed, err := s.search(imap.UIDSet{{Start: 1, Stop: imap.UID(upTo)}})
	return highest(listed), err
}

// readReused compares known (ascending) with the server, and reads those mails that are others by now: found of the there
// that lie in the folder. A mail without a date broke connections when it was read, and is left alone.
func (f *folder) readReused(ctx context.Context, s *session, p *place, known []Mail) (found, there int, err error) {
	var asked, alone imap.UIDSet
	were := make(map[uint32][]Mail)
	for _, m := range known {
		were[m.UID] = append(were[m.UID], m)
		switch {
		case m.InternalDate.IsZero():
		case f.trouble.headers[m.UID] >= deathsToPlain:
			alone.AddNum(imap.UID(m.UID))
		default:
			asked.AddNum(imap.UID(m.UID))
		}
	}
	listed, err := s.search(asked)
	if err != nil {
		return 0, 0, err
	}
	there = count(listed) + count(alone)
	others := func(mails []headed) (other []headed) {
		for _, m := range mails {
			had := were[m.UID]
			if m.Unfetchable != "" {
				f.log.Warn("a known mail cannot be compared", "uid", m.UID, "reason", m.Unfetchable)
				continue
			}
			if oneOf(had, &m.Mail) {
				continue
			}
			m.Reuse, m.Backlog = had[len(had)-1].Reuse+1, false
			other = append(other, m)
		}
		if len(other) > 0 {
			f.log.Warn("the server gave a UID twice, the mails behind it are read now", "count", len(other), "first", other[0].UID)
		}
		found += len(other)
		return other
	}
	err = f.fill(ctx, s, p, &uidQueue{ranges: listed}, others)
	each(alone, func(uid uint32) {
		if err == nil {
			err = f.fill(ctx, s, p, &uidQueue{ranges: single(uid)}, others)
		}
	})
	return found, there, err
}

// oneOf reports whether m is one of the mails that had its UID. A server that makes up a Message-ID for a mail without one,
// each time another, is believed once.
func oneOf(had []Mail, m *Mail) bool {
	for i := range had {
		if sameMail(&had[i], m) || i > 0 && looksLike(&had[i], m) {
			return true
		}
	}
	return false
}

// sameMail tells a mail from another that has its UID: by the Message-ID, which no server changes, or else by when it
// came, where both are known, and what a reader would see of it: the server counts whole seconds, and two mails may come
// in one. Size is no witness: some servers guess it.
func sameMail(was, is *Mail) bool {
	if a, b := fieldsOf(was).Get("Message-ID"), fieldsOf(is).Get("Message-ID"); a != "" && b != "" {
		return a == b
	}
	if was.Header == nil {
		return sameTime(was, is)
	}
	return looksLike(was, is)
}

// looksLike reports whether two mails have all but the Message-ID in common that a reader would see.
func looksLike(was, is *Mail) bool {
	a, b := fieldsOf(was), fieldsOf(is)
	differs := func(field string) bool { return a.Get(field) != b.Get(field) }
	return sameTime(was, is) && !slices.ContainsFunc([]string{"From", "Subject", "Date"}, differs)
}

func sameTime(was, is *Mail) bool {
	return was.InternalDate.IsZero() || is.InternalDate.IsZero() || was.InternalDate.Unix() == is.InternalDate.Unix()
}

func fieldsOf(m *Mail) textproto.MIMEHeader {
	fields, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(m.Header))).ReadMIMEHeader() // what it could read
	return fields
}
