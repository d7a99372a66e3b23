// Package chain is the mathematics of the audit: how its events hang together,
// what a signed head says of them, and how one event is proved to belong to a
// head without the others. It is pure and knows neither database nor files.
//
// Each event carries the SHA-256 of its fields and of the hash before it, so a
// change anywhere changes every hash after it. Over these hashes stands the
// Merkle tree of RFC 6962 (golang.org/x/mod/sumdb/tlog), so that an event and its
// head need some 20 hashes between them and not all the events.
package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// An Event is one row of the audit.
type Event struct {
	Seq     int64  `json:"seq"` // from 1, without gaps
	At      int64  `json:"at"`  // UTC microseconds
	Actor   string `json:"actor"`
	Action  string `json:"action"`
	Object  string `json:"object"`
	Detail  string `json:"detail"`  // JSON
	IP      string `json:"ip"`      // where the actor was, "" if nowhere
	Request string `json:"request"` // which request of a page or program it was, "" if none
	Prev    Hash   `json:"prev"`
	Hash    Hash   `json:"hash"`
}

// Sum is the hash that the event must have: SHA-256 over its fields, each behind
// its length, and the hash of the event before it.
func (e Event) Sum() Hash {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	part(binary.BigEndian.AppendUint64(nil, uint64(e.Seq)))
	part(binary.BigEndian.AppendUint64(nil, uint64(e.At)))
	for _, s := range []string{e.Actor, e.Action, e.Object, e.Detail, e.IP, e.Request} {
		part([]byte(s))
	}
	part(e.Prev[:])
	return Hash(h.Sum(nil))
}

// A Fault is the first thing that is wrong with a chain.
type Fault struct {
	Seq  int64
	What string
}

func (f *Fault) Error() string { return f.What }

func fault(seq int64, format string, args ...any) error {
	return &Fault{seq, fmt.Sprintf(format, args...)}
}

// A Follower takes the events of a chain one after the other and knows its head.
// Its zero value is before the first event.
type Follower struct {
	at    int64 // of the last event
	last  Hash
	size  int64
	peaks []tlog.Hash // of the complete subtrees, the largest first
}

// Take checks that e is the next event. After an error the follower is of no use.
func (f *Follower) Take(e Event) error {
	switch want := f.size + 1; {
	case e.Seq > want:
		return fault(want, "event %d is missing", want)
	case e.Seq < want:
		return fault(e.Seq, "event %d is there twice", e.Seq)
	case e.Prev != f.last:
		return fault(e.Seq, "event %d does not follow event %d", e.Seq, e.Seq-1)
	case e.Hash != e.Sum():
		return fault(e.Seq, "event %d was changed", e.Seq)
	}
	node := Leaf(e.Hash)
	for n := f.size; n&1 == 1; n >>= 1 {
		top := len(f.peaks) - 1
		node, f.peaks = tlog.NodeHash(f.peaks[top], node), f.peaks[:top]
	}
	f.peaks = append(f.peaks, node)
	f.size, f.last, f.at = e.Seq, e.Hash, e.At
	return nil
}

// Head is the head of the events taken so far.
func (f *Follower) Head() Head {
	h := Head{Size: f.size, Last: f.last, Root: sha256.Sum256(nil)} // RFC 6962 2.1: the empty tree
	if n := len(f.peaks); n > 0 {
		root := f.peaks[n-1]
		for i := n - 2; i >= 0; i-- {
			root = tlog.NodeHash(f.peaks[i], root)
		}
		h.Root = Hash(root)
	}
	return h
}

// Leaf is the leaf of the tree for an event with this hash.
func Leaf(hash Hash) tlog.Hash { return tlog.RecordHash(hash[:]) }

// Proves reports whether proof shows the event to be in the chain that ends with
// head: the event has the hash of its own fields, and the tree of the head has
// it in its place.
func Proves(proof []Hash, head Head, e Event) error {
	if e.Hash != e.Sum() {
		return fault(e.Seq, "event %d was changed", e.Seq)
	}
	if e.Seq < 1 || e.Seq > head.Size {
		return fault(e.Seq, "event %d is not among the %d events of the signed head", e.Seq, head.Size)
	}
	path := make(tlog.RecordProof, len(proof))
	for i, h := range proof {
		path[i] = tlog.Hash(h)
	}
	if err := tlog.CheckRecord(path, head.Size, tlog.Hash(head.Root), e.Seq-1, Leaf(e.Hash)); err != nil {
		return fault(e.Seq, "event %d is not in the chain of the signed head", e.Seq)
	}
	return nil
}
