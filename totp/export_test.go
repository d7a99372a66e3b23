package totp

// ReadBackupCode lets the fuzz target see what a typed code is read as.
func ReadBackupCode(typed string) (string, bool) { return readCode(typed, backupLength) }

// ParseKeyring lets the fuzz target feed the parser without files.
func ParseKeyring(text []byte) (*Keyring, error) { return parseKeyring(text) }
