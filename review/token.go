package review

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// crockford is Crockford's base32 alphabet: no I, L, O, U to misread.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// randomText returns n random symbols of Crockford base32, 5 bits each.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = crockford[b[i]&31]
	}
	return string(b)
}

// newToken returns a secret of 260 bits for a link or a session.
func newToken() string { return randomText(52) }

// hashToken is what the database keeps of a token.
func hashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

func encodeBytes(b []byte) string          { return hex.EncodeToString(b) }
func decodeBytes(s string) ([]byte, error) { return hex.DecodeString(s) }
func micros(t time.Time) int64             { return t.UnixMicro() }
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
