package chain_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
	"golang.org/x/mod/sumdb/tlog"
)

// build makes a chain of n events, and the tree over it as package tlog stores it.
func build(n int) (events []chain.Event, nodes []tlog.Hash) {
	var prev chain.Hash
	reader := tlog.HashReaderFunc(func(ids []int64) (out []tlog.Hash, err error) {
		for _, id := range ids {
			out = append(out, nodes[id])
		}
		return out, nil
	})
	for i := range n {
		e := chain.Event{Seq: int64(i + 1), At: int64(1000 + i), Actor: "desk", Action: "case.opened", Object: "RST-000001", Detail: "{}", IP: "192.0.2.1", Prev: prev}
		e.Hash = e.Sum()
		prev = e.Hash
		more, err := tlog.StoredHashesForRecordHash(int64(i), chain.Leaf(e.Hash), reader)
		if err != nil {
			panic(err)
		}
		events, nodes = append(events, e), append(nodes, more...)
	}
	return events, nodes
}

func newKey(t testing.TB) *chain.Key {
	t.Helper()
	text, err := chain.NewKey("reset.example:8443")
	if err != nil {
		t.Fatal(err)
	}
	k, err := chain.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The follower's head is the one that package tlog computes, at every size, and
// every event is proved by it and no other is.
func TestHeadsAndProofs(t *testing.T) {
	events, nodes := build(70)
	reader := tlog.HashReaderFunc(func(ids []int64) (out []tlog.Hash, err error) {
		for _, id := range ids {
			out = append(out, nodes[id])
		}
		return out, nil
	})
	var f chain.Follower
	for _, e := range events {
		if err := f.Take(e); err != nil {
			t.Fatal(err)
		}
		head := f.Head()
		root, err := tlog.TreeHash(head.Size, reader)
		if err != nil || tlog.Hash(head.Root) != root {
			t.Fatalf("root of %d events: %v, want %v, %v", head.Size, head.Root, root, err)
		}
		for _, proved := range events[:e.Seq] {
			path, err := tlog.ProveRecord(head.Size, proved.Seq-1, reader)
			if err != nil {
				t.Fatal(err)
			}
			var proof []chain.Hash
			for _, h := range path {
				proof = append(proof, chain.Hash(h))
			}
			if err := chain.Proves(proof, head, proved); err != nil {
				t.Fatalf("event %d in %d: %v", proved.Seq, head.Size, err)
			}
			forged := proved
			forged.Actor = "owner"
			if chain.Proves(proof, head, forged) == nil {
				t.Fatalf("a changed event %d is proved", proved.Seq)
			}
			forged.Hash = forged.Sum()
			if chain.Proves(proof, head, forged) == nil {
				t.Fatalf("a changed event %d with a new hash is proved", proved.Seq)
			}
		}
	}
}

func TestSignedHeads(t *testing.T) {
	k, other := newKey(t), newKey(t)
	head := chain.Head{Size: 7, Root: chain.Hash{1}, Last: chain.Hash{2}, At: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
	signed, err := k.Sign(head)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := chain.Open(signed, k.Public()); err != nil || got != head {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := chain.Open(signed, other.Public()); err == nil {
		t.Fatal("another key opens it")
	}
	for i := range signed {
		bad := slices.Clone(signed)
		bad[i] ^= 1
		if got, err := chain.Open(bad, k.Public()); err == nil && got != head {
			t.Fatalf("with byte %d changed it says %+v", i, got)
		}
	}
	file := slices.Concat([]byte("\n"), signed, []byte("\n"), signed, signed, bytes.ReplaceAll(signed, []byte("\n"), []byte("\r\n")))
	heads := chain.Split(file)
	if len(heads) != 4 {
		t.Fatalf("%d heads", len(heads))
	}
	for _, h := range heads {
		if _, err := chain.Open(h, k.Public()); err != nil {
			t.Error(err)
		}
	}
	quoted := "> " + strings.ReplaceAll(strings.TrimSuffix(string(signed), "\n"), "\n", "\r\n> ")
	for _, mail := range []string{"Subject: head\n\nThis is what the audit was:\n\n" + string(signed) + "\nYou get this mail every day.\n", "On Monday you wrote:\r\n" + quoted + "\r\nthank you\r\n"} {
		heads := chain.Split([]byte(mail))
		if len(heads) != 1 {
			t.Fatalf("%d heads in %q", len(heads), mail)
		}
		if got, err := chain.Open(heads[0], k.Public()); err != nil || got != head {
			t.Errorf("in a mail: %+v, %v", got, err)
		}
	}
	if heads := chain.Split([]byte("no head\n")); len(heads) != 1 {
		t.Errorf("a file without a head is taken for an empty one: %q", heads)
	}
	for _, bad := range []string{"", "x", "PRIVATE+KEY+x\n", strings.Repeat("a\n", 9)} {
		if _, err := chain.ParseKey([]byte(bad)); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := newKey(f)
	signed, err := k.Sign(chain.Head{Size: 1, At: time.Unix(0, 0)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte("a\n\n— x y\n— z\nb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range chain.Split(b) {
			if len(h) == 0 {
				t.Fatal("an empty head")
			}
			if got, err := chain.Open(h, k.Public()); err == nil && (got.Size != 1 || got.Root != (chain.Hash{})) {
				t.Fatalf("nobody signed %+v", got)
			}
		}
	})
}
