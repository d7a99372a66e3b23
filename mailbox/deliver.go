package mailbox

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// headed is a mail whose header has been read.
type headed struct {
	Mail
	whole bool // Raw has been read already
}

// Words for mails that do not come.
const (
	sayHidden  = "the server lists this mail, but does not hand it out"
	sayKills   = "the connection breaks each time this mail is read"
	sayDeleted = "it was deleted before its body could be read"
	sayRefused = "the server refuses to hand out this mail: "
)

// headers reads the headers of set. Every UID of set ends in the result, in dropped (the pass is full: read it in the
// next one) or is gone from the folder.
func (f *folder) headers(s *session, p *place, set imap.UIDSet) (mails []headed, dropped []uint32, err error) {
	if uid := highest(set); count(set) == 1 {
		switch d := f.trouble.headers[uid]; {
		case d >= deathsToSkip:
			return []headed{f.unfetchable(p, uid, sayKills)}, nil, nil
		case d >= deathsToPlain:
			m, err := f.plain(s, p, uid)
			return m, nil, err
		}
	}
	var held int
	seen := make(map[uint32]bool)
	keep := func(got piece) {
		if got.data == nil || seen[got.uid] {
			return
		}
		seen[got.uid] = true
		if held > 2*heldBytes {
			dropped = append(dropped, got.uid)
			return
		}
		held += len(got.data)
		mails = append(mails, headed{Mail: Mail{
			UID: got.uid, InternalDate: got.date, Size: got.size, Header: got.data, Backlog: got.uid <= p.backlog,
		}})
	}
	res := s.fetch(set, headerPart(), int64(count(set))*headerCap, keep)
	if res.err != nil || res.status != nil && len(mails) == 0 {
		return nil, nil, f.trouble.died(set, seen, false, cmpErr(res.err, res.status))
	}
	lost, err := f.missing(s, set, seen, headerPart(), keep, res.status)
	if err != nil {
		return nil, nil, err
	}
	if len(seen) > 0 {
		f.deaths = 0
	}
	for _, l := range lost {
		if l.listed {
			mails = append(mails, f.unfetchable(p, l.uid, l.why))
		}
	}
	slices.SortFunc(mails, func(a, b headed) int { return int(int64(a.UID) - int64(b.UID)) })
	return cutAt(mails, dropped)
}

// cutAt moves the mails behind the first dropped one to dropped: the cursor passes a mail only when all before it are
// done.
func cutAt(mails []headed, dropped []uint32) ([]headed, []uint32, error) {
	if len(dropped) == 0 {
		return mails, nil, nil
	}
	first := slices.Min(dropped)
	n := len(mails)
	for n > 0 && mails[n-1].UID > first {
		n--
		dropped = append(dropped, mails[n].UID)
	}
	return mails[:n], dropped, nil
}

// vanished is a mail that did not come with the others.
type vanished struct {
	uid    uint32
	listed bool   // it still exists
	why    string // in words, when listed
}

// missing asks once more for what set should have brought but did not: all together, then each alone. An unsolicited
// FETCH answer (somebody set a flag) makes the library drop the real one, so a gap is not unusual.
func (f *folder) missing(s *session, set imap.UIDSet, seen map[uint32]bool, p part, keep func(piece),
	status error) ([]vanished, error) {
	var gap imap.UIDSet
	var lost []vanished
	each(set, func(uid uint32) {
		if !seen[uid] {
			gap.AddNum(imap.UID(uid))
		}
	})
	if len(gap) == 0 {
		return nil, nil
	}
	listed, err := s.search(gap)
	if err != nil {
		return nil, err
	}
	body := p.section.Specifier == imap.PartSpecifierNone
	ask := func(set imap.UIDSet) (error, error) {
		res := s.fetch(set, p, int64(count(set))*int64(p.most), keep)
		if res.err != nil {
			return nil, f.trouble.died(set, seen, body, res.err)
		}
		return res.status, nil
	}
	if count(listed) > 1 {
		if _, err := ask(listed); err != nil {
			return nil, err
		}
	}
	each(gap, func(uid uint32) {
		if err != nil || seen[uid] {
			return
		}
		v := vanished{uid: uid, listed: listed.Contains(imap.UID(uid)), why: sayHidden}
		if v.listed {
			if status, err = ask(single(uid)); status != nil {
				v.why = sayRefused + status.Error()
			}
		}
		if !seen[uid] {
			lost = append(lost, v)
		}
	})
	return lost, err
}

// plain reads the beginning of a mail, and nothing else, when asking for its header fields kills the connection. If
// that works, the fields are cut from it.
func (f *folder) plain(s *session, p *place, uid uint32) ([]headed, error) {
	var mails []headed
	res := s.fetch(single(uid), headPart(), bodyHead, func(got piece) {
		if got.data == nil || mails != nil {
			return
		}
		m := headed{whole: true, Mail: Mail{
			UID: uid, Size: int64(len(got.data)), Header: decisive(got.data),
			Raw: got.data, Truncated: len(got.data) >= bodyHead, Backlog: uid <= p.backlog,
		}}
		mails = append(mails, m)
	})
	if len(mails) == 0 && (res.err != nil || res.status != nil) {
		return nil, f.trouble.died(single(uid), nil, false, cmpErr(res.err, res.status))
	}
	if len(mails) == 0 {
		mails = append(mails, f.unfetchable(p, uid, sayHidden))
	}
	return mails, nil
}

func (f *folder) unfetchable(p *place, uid uint32, why string) headed {
	return headed{whole: true, Mail: Mail{UID: uid, Unfetchable: clip(why, 500), Backlog: uid <= p.backlog}}
}

// deliver completes the mails of one pass and hands them on; end is the cursor behind them. The last of them may still
// be on their way to the Inbox when it returns: settle tells how that went.
func (f *folder) deliver(ctx context.Context, s *session, p *place, mails []headed, end uint32) error {
	if err := f.concerns(ctx, mails); err != nil {
		return err
	}
	for len(mails) > 0 {
		n := window(mails)
		if err := f.bodies(s, mails[:n]); err != nil {
			return err
		}
		if err := f.settle(); err != nil {
			return err
		}
		through := end
		if n < len(mails) {
			through = mails[n-1].UID
		}
		f.hand(ctx, p, mails[:n], through)
		mails = mails[n:]
	}
	return nil
}

// Limits of one batch and one question, in mails.
const batchMails = 500

// concerns asks the Inbox which bodies to fetch and marks the others as whole without one. What was cut off a header
// may be what matters, so a mail with such a header is read.
func (f *folder) concerns(ctx context.Context, mails []headed) error {
	if f.c.Dedicated {
		return nil
	}
	for chunk := range slices.Chunk(mails, batchMails) {
		var asked []int
		var list [][]byte
		for i := range chunk {
			if chunk[i].Unfetchable == "" {
				asked, list = append(asked, i), append(list, chunk[i].Header)
			}
		}
		if len(list) == 0 {
			continue
		}
		yes, err := f.inbox.Concerns(ctx, f.source, list)
		if err == nil && len(yes) != len(list) {
			err = fmt.Errorf("%d answers for %d headers", len(yes), len(list))
		}
		if err != nil {
			return inboxError{fmt.Errorf("ask which mails concern us: %w", err)}
		}
		for k, i := range asked {
			if !yes[k] && len(chunk[i].Header) < headerCap {
				chunk[i].whole, chunk[i].Raw, chunk[i].Truncated = true, nil, false
			}
		}
	}
	return nil
}

// weightOf is how many bytes of body to expect.
func weightOf(m *headed) int64 {
	switch {
	case m.whole:
		return int64(len(m.Raw))
	case m.Size > bodyCap:
		return bodyHead
	}
	return max(m.Size, 0)
}

// window is how many of the next mails have their bodies fetched together.
func window(mails []headed) int {
	var bytes int64
	bodies := 0
	for i := range mails {
		bytes += weightOf(&mails[i])
		if !mails[i].whole {
			bodies++
		}
		if i > 0 && (bytes > heldBytes || bodies > batchMails) {
			return i
		}
	}
	return len(mails)
}

// bodies fetches what is not whole yet: small mails whole, large ones in part.
func (f *folder) bodies(s *session, mails []headed) error {
	var small, large imap.UIDSet
	var bytes int64
	at := make(map[uint32]*headed)
	for i := range mails {
		m := &mails[i]
		if m.whole {
			continue
		}
		d := f.trouble.bodies[m.UID]
		switch {
		case d >= deathsToSkip:
			m.whole, m.Unfetchable = true, sayKills
			continue
		case d >= deathsToPlain || m.Size > bodyCap:
			large.AddNum(imap.UID(m.UID))
		default:
			small.AddNum(imap.UID(m.UID))
		}
		at[m.UID] = m
		bytes += weightOf(m)
	}
	if err := f.bodyOf(s, small, wholePart(), bytes, at); err != nil {
		return err
	}
	return f.bodyOf(s, large, headPart(), bytes+bodyHead, at)
}

// bodyOf fetches one part of every mail in set into at.
func (f *folder) bodyOf(s *session, set imap.UIDSet, p part, expect int64, at map[uint32]*headed) error {
	seen := make(map[uint32]bool)
	keep := func(got piece) {
		m := at[got.uid]
		if got.data == nil || m == nil || m.whole {
			return
		}
		seen[got.uid], m.whole, m.Raw = true, true, got.data
		if got.overflow && p.section.Partial == nil {
			m.Raw = bytes.Clone(got.data[:bodyHead]) // larger than the server had said
		}
		m.Truncated = got.overflow || p.section.Partial != nil && len(got.data) >= bodyHead
	}
	res := s.fetch(set, p, expect, keep)
	if res.err != nil || res.status != nil && len(seen) == 0 {
		return f.trouble.died(set, seen, true, cmpErr(res.err, res.status))
	}
	lost, err := f.missing(s, set, seen, p, keep, res.status)
	if err != nil {
		return err
	}
	for _, l := range lost {
		m := at[l.uid]
		m.whole, m.Unfetchable = true, clip(l.why, 500)
		if !l.listed {
			m.Unfetchable = sayDeleted
		}
	}
	return nil
}

// lookAgain asks once more for mails that were unfetchable and whose time has come. Success repeats the cursor.
func (f *folder) lookAgain(ctx context.Context, s *session, p *place) error {
	for _, a := range f.dueAgain(p.validity) {
		f.trouble.forget(a.uid)
		next := a
		next.tries++
		f.askAgain(next) // first, so that a broken connection counts as an attempt
		mails, _, err := f.headers(s, p, single(a.uid))
		if err != nil {
			return err
		}
		if err := f.concerns(ctx, mails); err != nil {
			return err
		}
		if err := f.bodies(s, mails); err != nil {
			return err
		}
		if len(mails) == 1 && mails[0].Unfetchable != "" {
			continue
		}
		if len(mails) == 1 {
			mails[0].Reuse = a.reuse
			if err := f.receive(ctx, p, p.through, []Mail{mails[0].Mail}); err != nil {
				return err
			}
		}
		f.again = slices.DeleteFunc(f.again, func(b again) bool { return b.uid == a.uid })
	}
	return nil
}

// cmpErr returns the first error that is not nil.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// clip cuts text to at most n bytes, at the border of a character, on one line.
func clip(text string, n int) string {
	text = string(bytes.ToValidUTF8([]byte(text), []byte("?")))
	text = string(bytes.Join(bytes.Fields([]byte(text)), []byte(" ")))
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n]
}
