package sender

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Verify judges one mail. It never fails: what goes wrong lowers the verdict,
// and a panic below it is Quarantine with X_PANIC. It looks up DNS through
// r.Resolver and nothing else, within ctx and at most 20 seconds.
func Verify(ctx context.Context, r Request) (v Verdict) {
	sum := sha256.Sum256(r.Raw)
	v = Verdict{State: Authenticated, Match: MatchNone, SHA256: hex.EncodeToString(sum[:])}
	defer func() {
		if recover() != nil {
			v.Lower(Quarantine, "X_PANIC")
		}
	}()
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	if r.Truncated {
		v.Lower(Unverified, "T_TRUNCATED")
	}
	h := readHead(r.Raw)
	for _, code := range h.hits {
		v.Lower(Quarantine, code)
	}
	if len(h.hits) > 0 {
		return v
	}
	f, code := readFrom(h)
	if code != "" {
		v.Lower(Quarantine, code)
		return v
	}
	v.From = f.addr
	v.MessageID = messageID(h)
	v.Lower(Unverified, "D_NONE")
	return v
}
