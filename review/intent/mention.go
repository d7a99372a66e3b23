package intent

// Person is somebody a text could name: a user of one of the accounts that the
// sender's address stands for. Empty fields name nobody.
type Person struct {
	ID    string // the user id, returned in [Mention]
	Login string
	Email string
	Name  string // full name, "Jane Doe"
}

// Mention is one place in a text that names a person.
type Mention struct {
	ID         string // the person's ID
	Field      string // "login", "email" or "name"
	Start, End int    // bytes in the text
}

// Mentions finds the people whom a text names as whole words, in the order of
// the text. A login that is also a common word (info, admin, support, reset, or
// any word of the stop lists) counts only when it is marked as a login: "user:
// info", "gebruiker info", "Benutzer info", or in quotation marks.
func Mentions(text string, people []Person) []Mention {
	return nil
}
