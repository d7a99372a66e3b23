// Package intent answers two questions about the words of a mail: does it ask
// to reset somebody's second factor, and whom does it name.
//
// The answer is made of explained rules, never of an opaque model: a text is
// cut into words once, words are given meanings ("a second factor", "to
// remove", "lost"), and a table of readable patterns over those meanings adds
// or takes away weight. Every pattern that fired is returned as a [Signal]
// together with the words it fired on, so that a reviewer sees why a mail was
// taken for a request and a maintainer sees which line of the table to change.
//
// English, Dutch, German, French, Spanish, Italian, Polish and Portuguese are
// understood, with accents or without, umlauts or their spelling in two letters,
// letters of other alphabets that look the same, hyphens, line breaks inside
// words and single typing errors. The words and patterns of each language are a
// file in the folder lexicon; rules.go says what they weigh.
//
// The package is pure: it reads no clock, no network and no state, its answer
// depends on its arguments alone, and no input makes it fail or run longer than
// linear time. Its answer starts work and never proves anything (design 2,
// promise 3): a request it misses is parked where people see it, and a mail it
// takes for a request by mistake waits for a reviewer.
package intent

import "slices"

// Words are those of a mail, as mailbox/message takes it apart.
type Words struct {
	Subject   string
	Text      string // the writer's own unquoted words
	Forwarded string // somebody else's words that the writer passes on
	// ForwardedFrom is who wrote those, as the forward says. It proves nothing.
	ForwardedFrom string
}

// Signal is one reason for or against taking a text for a request.
type Signal struct {
	Name      string  `json:"name"`                // which rule, such as "asks-reset"
	Text      string  `json:"text"`                // the words found, as the writer wrote them
	Weight    float64 `json:"weight"`              // positive for a request, negative against
	Forwarded bool    `json:"forwarded,omitempty"` // the words are not the writer's own
}

// Result is what [Words.Classify] found.
type Result struct {
	Request   bool     `json:"request"`             // the text asks for a reset
	Score     float64  `json:"score"`               // 0 to 1, at least 0.5 for a request: the sum of the weights on a logistic scale
	Language  string   `json:"language"`            // "en", "nl", ..., or "" when the words do not tell
	Forwarded bool     `json:"forwarded,omitempty"` // the request stands in what was forwarded, and the writer endorses it
	Self      bool     `json:"self,omitempty"`      // the writer's own words are about the writer's own telephone or login
	Reply     Reply    `json:"reply,omitempty"`     // what the words say if they answer a letter about a request
	Signals   []Signal `json:"signals"`
}

// Reply is what an answer to a letter of ours says. It is a hint for a person and
// decides nothing.
type Reply string

// The kinds of replies, the weightiest first: a text with two is of the first.
const (
	Object   Reply = "object"   // that was not us
	Withdraw Reply = "withdraw" // no longer needed
	Thanks   Reply = "thanks"   // it works again
	Question Reply = "question" // is there any news
)

var replies = [...]Reply{Object, Withdraw, Thanks, Question}

// before tells whether r weighs more than o.
func (r Reply) before(o Reply) bool {
	i, j := slices.Index(replies[:], r), slices.Index(replies[:], o)
	return i >= 0 && (j < 0 || i < j)
}
