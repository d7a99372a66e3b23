package review

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon2 is the cost of a password hash (RFC 9106). The zero value is the RFC's
// choice where memory is scarce: 64 MiB, 3 passes, 4 lanes.
type Argon2 struct {
	KiB     uint32 // memory
	Passes  uint32
	Threads uint8
}

// rfc9106 is the second recommended option of RFC 9106 section 4.
var rfc9106 = Argon2{KiB: 64 << 10, Passes: 3, Threads: 4}

const argonKey = 32 // bytes

// Two hashes run at a time and eight more wait, so that sign-ins exhaust neither
// memory nor connections: argonPlaces holds those who wait or run, argonSlots
// those who run.
var (
	argonSlots  = make(chan struct{}, 2)
	argonPlaces = make(chan struct{}, cap(argonSlots)+8)
)

// hashTurn waits for the turn to compute one hash, as long as ctx allows. With
// eight waiting already it refuses at once. Call leave when the hash is done.
func hashTurn(ctx context.Context) (leave func(), err error) {
	select {
	case argonPlaces <- struct{}{}:
	default:
		return nil, fail(TooMany, "Too many people sign in at this moment. Wait a few seconds and try again.")
	}
	select {
	case argonSlots <- struct{}{}:
		return func() { <-argonSlots; <-argonPlaces }, nil
	case <-ctx.Done():
		<-argonPlaces
		return nil, fmt.Errorf("wait for a password hash: %w", ctx.Err())
	}
}

// hash returns the hash of a password as a PHC string with a fresh salt. It
// waits for its turn.
func (a Argon2) hash(ctx context.Context, password string) (string, error) {
	leave, err := hashTurn(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, 16)
	rand.Read(salt)
	return a.with(salt, password), nil
}

// decoy returns what looks like the hash of a password, but was made of chance:
// to compare with it costs what a real one costs, and no password fits.
func (a Argon2) decoy() string {
	salt, key := make([]byte, 16), make([]byte, argonKey)
	rand.Read(salt)
	rand.Read(key)
	return a.phc(salt, key)
}

func (a Argon2) with(salt []byte, password string) string {
	return a.phc(salt, argon2.IDKey([]byte(password), salt, a.Passes, a.KiB, a.Threads, argonKey))
}

func (a Argon2) phc(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("%s$%s$%s", a.cost(), b.EncodeToString(salt), b.EncodeToString(key))
}

// cost is how a PHC string of it begins.
func (a Argon2) cost() string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d", a.KiB, a.Passes, a.Threads)
}

// A renewal is the hash of the same password at the cost of today, in place of one
// that is stored. It is empty where the cost is the same.
type renewal struct{ stored, hash string }

// renew hashes a password anew that fits a stored hash of another cost. Only the
// holder of a [hashTurn] calls it.
func (a Argon2) renew(stored, password string) renewal {
	if strings.HasPrefix(stored, a.cost()+"$") {
		return renewal{}
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return renewal{stored, a.with(salt, password)}
}

// checkPassword compares a password with a stored hash, at the cost that the
// hash itself names. Only the holder of a [hashTurn] calls it.
func checkPassword(stored, password string) bool {
	parts := strings.Split(stored, "$") // "", argon2id, v=19, m=…, salt, key
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return false
	}
	var a Argon2
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.KiB, &a.Passes, &a.Threads); err != nil || a.Passes == 0 || a.Threads == 0 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(a.with(salt, password)), []byte(stored)) == 1
}
