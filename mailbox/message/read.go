package message

// Read reads a whole mail. It never fails.
func Read(raw []byte) Message { return Message{} }

// Header reads a bare header block, of a mail whose body was not fetched.
func Header(raw []byte) Message { return Message{} }
