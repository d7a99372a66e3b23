package review

import (
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

// argonSlots lets two hashes run at a time, so that sign-ins cannot exhaust
// memory.
var argonSlots = make(chan struct{}, 2)

// hash returns the hash of a password as a PHC string with a fresh salt.
func (a Argon2) hash(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	return a.with(salt, password)
}

func (a Argon2) with(salt []byte, password string) string {
	argonSlots <- struct{}{}
	defer func() { <-argonSlots }()
	key := argon2.IDKey([]byte(password), salt, a.Passes, a.KiB, a.Threads, 32)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", a.KiB, a.Passes, a.Threads, b.EncodeToString(salt), b.EncodeToString(key))
}

// checkPassword compares a password with a stored hash, at the cost that the
// hash itself names.
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
