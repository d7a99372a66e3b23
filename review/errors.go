package review

import (
	"errors"
	"time"
)

// Kind sorts the errors that people see.
type Kind string

// The kinds of [Error].
const (
	NotFound Kind = "not_found"
	Invalid  Kind = "invalid"  // the input is wrong; Field names it
	Denied   Kind = "denied"   // the person may not do this
	Stale    Kind = "stale"    // the case changed since the page was loaded
	Conflict Kind = "conflict" // the case cannot do this in its state
	TooMany  Kind = "too_many" // wait and try again
)

// An Error carries text for people. Every other error of the desk is internal
// and its text is for operators only.
type Error struct {
	Kind    Kind
	Field   string // the form field, for Invalid
	Message string
	Wait    time.Duration // for TooMany: how long, 0 if unknown
}

// Error returns the text for people.
func (e *Error) Error() string { return e.Message }

// KindOf returns the kind of err, "" if it is internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func fail(k Kind, message string) error { return &Error{Kind: k, Message: message} }

func invalid(field, message string) error {
	return &Error{Kind: Invalid, Field: field, Message: message}
}

var errStale = fail(Stale, "This case changed since you opened the page. Read what is new below, then decide again.")
