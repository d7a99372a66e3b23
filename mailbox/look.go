package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
)

// place is where one look stands.
type place struct {
	validity uint32
	through  uint32 // committed
	upper    uint32 // the highest UID of this look
	backlog  uint32 // mails up to this UID were there before the first look
}

// look reads everything between the committed cursor and UIDNEXT. With nothing new it costs one round trip.
func (f *folder) look(ctx context.Context, s *session) error {
	box, err := s.examine(f.source.Folder)
	if err != nil {
		return err
	}
	if box.UIDValidity == 0 {
		return alarm{errors.New("the server gives this folder no UIDVALIDITY: mails cannot be told apart, so none is read")}
	}
	cur, err := f.inbox.Resume(ctx, f.source)
	if err != nil {
		return inboxError{fmt.Errorf("resume: %w", err)}
	}
	p, unread, err := f.plan(s, box, cur)
	if err != nil {
		return err
	}
	later := f.reuseTrouble.last != 0 // comparing broke the last connection: new mail does not wait for that
	if !later {
		if err := f.known(ctx, s, box, &p, cur, unread); err != nil {
			return err
		}
	}
	if cur.UIDValidity != p.validity {
		// The boundary is durable before any mail is: a restart in the middle of the backlog finds it again. And a
		// folder that was empty at the first look has been looked at.
		if cur.UIDValidity != 0 {
			f.log.Warn("uidvalidity changed, the folder is read again", "was", cur.UIDValidity, "is", p.validity)
		}
		f.trouble, f.sweepTrouble, f.reuseTrouble = trouble{}, trouble{}, trouble{}
		if err := f.receive(ctx, &p, p.through, nil); err != nil {
			return err
		}
	}
	f.found(&p, unread)
	if err := f.scan(ctx, s, &p, unread); err != nil {
		return err
	}
	if later {
		if err := f.known(ctx, s, box, &p, cur, unread); err != nil {
			return err
		}
	}
	if err := f.lookAgain(ctx, s, &p); err != nil {
		return err
	}
	if err := f.sweep(ctx, s, &p); err != nil {
		return err
	}
	return f.looked(ctx)
}

// plan compares the folder with the cursor: where this look starts, where it ends and which UIDs lie between.
func (f *folder) plan(s *session, box *imap.SelectData, cur Cursor) (place, *uidQueue, error) {
	p := place{validity: box.UIDValidity, through: cur.UID, backlog: cur.Backlog}
	unfinished := cur.UIDValidity == 0 || cur.UID < cur.Backlog
	if cur.UIDValidity != box.UIDValidity {
		p.through, p.backlog = 0, 0
	}
	unread := &uidQueue{}
	switch next := uint32(box.UIDNext); {
	case next == 0: // an old server: UIDNEXT is optional in RFC 3501
		found, err := s.search(imap.UIDSet{{Start: imap.UID(p.through) + 1, Stop: ^imap.UID(0)}})
		if err != nil {
			return p, nil, err
		}
		p.upper = max(highest(found), p.through)
		unread.ranges = found
	default:
		p.upper = next - 1
		if p.upper > p.through {
			found, err := s.search(imap.UIDSet{{Start: imap.UID(p.through) + 1, Stop: imap.UID(p.upper)}})
			if err != nil {
				return p, nil, err
			}
			unread.ranges = found
		}
	}
	if cur.UIDValidity != box.UIDValidity && unfinished {
		p.backlog = p.upper
		f.first = boundary{p.validity, p.upper}
	}
	if f.first.validity == p.validity {
		p.backlog = max(p.backlog, f.first.uid)
	}
	return p, within(unread, p.through, p.upper), nil
}

// within drops what lies outside (through, upper]: "n:*" names the last mail even when it is older than n.
func within(q *uidQueue, through, upper uint32) *uidQueue {
	var set imap.UIDSet
	for _, r := range q.ranges {
		r.Start, r.Stop = max(r.Start, imap.UID(through)+1), min(r.Stop, imap.UID(upper))
		if r.Start <= r.Stop {
			set = append(set, r)
		}
	}
	q.ranges = set
	return q
}

// passMails is the size of a pass: small enough that reading and receiving overlap, large enough that what the server
// takes to answer does not count.
const passMails = 1000

// scan reads the mails of unread in passes: headers, then the question which concern us, then bodies, then the Inbox.
// While the Inbox takes one pass, the next is read.
func (f *folder) scan(ctx context.Context, s *session, p *place, unread *uidQueue) (err error) {
	defer func() {
		err = cmpErr(err, f.settle())
		f.trouble.passed(p.through)
	}()
	for !unread.empty() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, last := f.trouble.limit(unread.head(), passMails)
		set := unread.take(n, last)
		mails, dropped, err := f.headers(s, p, set)
		if err != nil {
			return err
		}
		unread.putBack(dropped)
		end := p.upper
		if !unread.empty() {
			end = unread.head() - 1
		}
		if err := f.deliver(ctx, s, p, mails, end); err != nil {
			return err
		}
	}
	if err := f.settle(); err != nil {
		return err
	}
	if p.through < p.upper {
		return f.receive(ctx, p, p.upper, nil) // the range holds only mails that are gone
	}
	return nil
}
