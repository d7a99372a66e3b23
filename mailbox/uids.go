package mailbox

import "github.com/emersion/go-imap/v2"

// uidQueue are UIDs still to be read, ascending, as ranges: a hundred thousand mails in a row cost eight bytes.
type uidQueue struct{ ranges imap.UIDSet }

func (q *uidQueue) empty() bool { return len(q.ranges) == 0 }

// head is the lowest UID. The queue must not be empty.
func (q *uidQueue) head() uint32 { return uint32(q.ranges[0].Start) }

// take removes the n lowest UIDs, but none above last, and returns them. n is at least 1.
func (q *uidQueue) take(n int, last uint32) imap.UIDSet {
	var set imap.UIDSet
	for n > 0 && len(q.ranges) > 0 {
		r := &q.ranges[0]
		if uint32(r.Start) > last {
			break
		}
		stop := uint32(r.Stop)
		if room := uint64(r.Start) + uint64(n) - 1; uint64(stop) > room {
			stop = uint32(room)
		}
		stop = min(stop, last)
		set = append(set, imap.UIDRange{Start: r.Start, Stop: imap.UID(stop)})
		n -= int(stop - uint32(r.Start) + 1)
		if stop == uint32(r.Stop) {
			q.ranges = q.ranges[1:]
		} else {
			r.Start = imap.UID(stop) + 1
		}
	}
	return set
}

// putBack returns UIDs that were taken but not read.
func (q *uidQueue) putBack(uids []uint32) {
	var set imap.UIDSet
	for _, u := range uids {
		set.AddNum(imap.UID(u))
	}
	set.AddSet(q.ranges)
	q.ranges = set
}

// count is how many UIDs are in set.
func count(set imap.UIDSet) int {
	var n uint64
	for _, r := range set {
		n += uint64(r.Stop) - uint64(r.Start) + 1
	}
	return int(min(n, 1<<40))
}

// highest is the highest UID of an ascending set, 0 when it is empty.
func highest(set imap.UIDSet) uint32 {
	if len(set) == 0 {
		return 0
	}
	return uint32(set[len(set)-1].Stop)
}

// each calls f for every UID of set. The counter is wider than a UID, so that the last possible one ends the loop.
func each(set imap.UIDSet, f func(uint32)) {
	for _, r := range set {
		for u := uint64(r.Start); u <= uint64(r.Stop); u++ {
			f(uint32(u))
		}
	}
}

// single is the set of one UID.
func single(uid uint32) imap.UIDSet { return imap.UIDSetNum(imap.UID(uid)) }
