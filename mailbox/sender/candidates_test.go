package sender_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// TestTightNeedsNoSqueeze holds that what is not squeezed, because nothing in it could
// come out of that, has the same tokens squeezed.
func TestTightNeedsNoSqueeze(t *testing.T) {
	alphabet := []string{"a", "b", "c", "a", "b", "c", "d.e", "@", "@", ".", " ", " ", "\t", "\v", "\r\n ", "<", ">", ",", "=", "+", "-", "\"", "\\", "(", ")", "\u00e9", "\u00a0", "\x00"}
	tight := 0
	for range 200_000 {
		var b strings.Builder
		for range 1 + rand.IntN(12) {
			b.WriteString(alphabet[rand.IntN(len(alphabet))])
		}
		plain, squeezed, ok := sender.TightTokens(b.String())
		if !ok {
			continue
		}
		tight++
		if !slices.Equal(plain, squeezed) {
			t.Fatalf("%q: %q, squeezed %q", b.String(), plain, squeezed)
		}
	}
	if tight < 10_000 {
		t.Errorf("only %d strings were tight", tight)
	}
}

func TestLooseFields(t *testing.T) {
	for header, want := range map[string][]string{
		"":                            nil,
		"a: b\r\nc: d\r\n\r\ne: f":    {"a: b", "c: d"},
		"a: b\n c\n\td\ne: f":         {"a: b c\td", "e: f"},
		" a: b\n c\nd: e":             {" a: b c", "d: e"},
		"a: b\r\n c":                  {"a: b c"},
		"a: b\nc: d\n e\nf: g\n h\ni": {"a: b", "c: d e", "f: g h", "i"},
	} {
		if got := sender.LooseFields([]byte(header)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}
