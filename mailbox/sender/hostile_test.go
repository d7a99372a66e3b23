package sender_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// TestHostileSizes: whatever somebody sends is judged in bounded time and memory,
// no better than it should be, and the next mail goes on.
func TestHostileSizes(t *testing.T) {
	n := startDNS(t, defaultZone())
	fields := func(count int, line string) string {
		m := base()
		m.head = append(m.head, slices.Repeat([]string{line}, count)...)
		return m.raw()
	}
	var signatures []string
	for i := range 1000 {
		signatures = append(signatures, fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; d=legit.example; s=s%d; h=From; bh=AAAA; b=AAAA", i))
	}
	large := base()
	large.body = strings.Repeat(strings.Repeat("x", 76)+"\r\n", 60<<20/78)
	newlines := base()
	newlines.body = strings.Repeat("\r\n", 10<<20)
	folds := base().with("X-A: b" + strings.Repeat("\r\n "+strings.Repeat("a", 60), 3000))
	every := base().with("X-A: b" + strings.Repeat("\r\n c", 60_000))
	all := sig{h: baseSigned + ":X-A", a: "ed25519-sha256", s: "ed", key: keys.ed}
	parts := base().with(`Content-Type: multipart/mixed; boundary="b"`)
	parts.body = strings.Repeat("--b\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n", 50_000)
	results := base()
	results.top = append(slices.Repeat([]string{myID + "dkim=pass header.d=legit.example (" + strings.Repeat("(", 900)}, 100), results.top...)
	for _, c := range []struct {
		name string
		raw  string
		want sender.State
		code string
	}{
		{"60 MB", signed(large, sig{}), unverified, "T_TOO_BIG"},
		{"200,000 fields", fields(200_000, "X-A: b"), quarantine, "H_TOO_BIG"},
		{"1,100 fields", fields(1_100, "X-A: b"), quarantine, "H_TOO_MANY"},
		{"200,000 empty names", fields(200_000, ":"), quarantine, "H_BAD_NAME"},
		{"900 signatures", base().raw(signatures[:900]...), quarantine, "D_TOO_MANY"},
		{"1,000 signatures", base().raw(signatures...), quarantine, "H_TOO_MANY"},
		{"20 MB of line ends", signed(newlines, sig{}), unverified, "D_BODY_NEWLINES"}, // refused before any hash, which no server's word heals
		{"3,000 folds", folds.raw(folds.sign(sig{})), authenticated, ""},
		{"60,000 folds, signed 8 times", every.raw(slices.Repeat([]string{every.sign(all)}, 8)...), authenticated, ""},
		{"50,000 nested parts", signed(parts, sig{h: required}), quarantine, "B_MIME_HIDDEN_TEXT"},
		{"100 open comments", results.raw(results.sign(sig{})), authenticated, "A_SYNTAX"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		v := verify(n, c.raw)
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		codes := append(slices.Clone(v.Reasons), v.Flags...)
		if v.State() != c.want || c.code != "" && !slices.Contains(codes, c.code) {
			t.Errorf("%s: %s %v, want %s %s", c.name, v.State(), codes, c.want, c.code)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 5*time.Second || used > uint64(64+4*(len(c.raw)>>20)) {
			t.Errorf("%s took %s and %d MiB", c.name, took, used)
		}
		if v := verify(n, signed(base(), sig{})); v.State() != authenticated {
			t.Errorf("the mail after %s: %s %v", c.name, v.State(), v.Reasons)
		}
	}
}
