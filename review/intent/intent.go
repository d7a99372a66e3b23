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
// English, Dutch and German are understood, with umlauts or their spelling in
// two letters, hyphens, line breaks inside words and single typing errors.
//
// The package is pure: it reads no clock, no network and no state, its answer
// depends on its arguments alone, and no input makes it fail or run longer than
// linear time. Its answer starts work and never proves anything (design 2,
// promise 3): a request it misses is parked where people see it, and a mail it
// takes for a request by mistake waits for a reviewer.
package intent

// Signal is one reason for or against taking a text for a request.
type Signal struct {
	Name   string  `json:"name"`   // which rule, such as "asks-reset"
	Text   string  `json:"text"`   // the words found, as the writer wrote them
	Weight float64 `json:"weight"` // positive for a request, negative against
}

// Result is what [Classify] found.
type Result struct {
	Request  bool     `json:"request"`  // the text asks for a reset
	Score    float64  `json:"score"`    // 0 to 1, at least 0.5 for a request: the sum of the weights on a logistic scale
	Language string   `json:"language"` // "en", "nl", "de", or "" when the words do not tell
	Signals  []Signal `json:"signals"`
}
