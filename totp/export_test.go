package totp

import "testing"

// ResealOneByOne makes each row its own transaction until the test ends.
func ResealOneByOne(t testing.TB) {
	old := resealBatch
	resealBatch = 1
	t.Cleanup(func() { resealBatch = old })
}

// ReadBackupCode lets the fuzz target see what a typed code is read as.
func ReadBackupCode(typed string) (string, bool) { return readCode(typed, backupLength) }

// ParseKeyring lets the fuzz target feed the parser without files.
func ParseKeyring(text []byte) (*Keyring, error) { return parseKeyring(text) }

// ReadGuess lets the fuzz target see what is read of what is typed.
func ReadGuess(typed string) (Method, string, bool) {
	g, ok := readGuess(typed)
	return g.method, g.code, ok
}
