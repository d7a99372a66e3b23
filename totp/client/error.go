package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// An Error is a refusal of the API that has no meaning in package totp: a key
// without the scope, a member that is wrong, an account that changed.
type Error struct {
	Status    int
	Kind      string // the name of the problem, such as "scope"; see /api/v1/problems
	Title     string
	Detail    string
	Field     string // the member that is wrong
	Scope     string // the scope that is missing
	Reference string // of an internal error, for the operator of the desk
	Faults    []Fault

	retryAfter time.Duration
	until      time.Time
	action     string
	drift      time.Duration
}

// A Fault is one of several: of a user of an account, counted from 1.
type Fault struct {
	Line   int    `json:"line"`
	Detail string `json:"detail"`
}

// ErrOutcomeUnknown says that the server was cut between the act and its answer.
// Read the state to see whether it was done, before you do it again.
var ErrOutcomeUnknown = errors.New("it is not known whether the request was carried out")

// Error says what was refused and why.
func (p *Error) Error() string {
	s := fmt.Sprintf("%s (%d %s)", p.Title, p.Status, p.Kind)
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	for _, f := range p.Faults {
		s += fmt.Sprintf("\n%d: %s", f.Line, f.Detail)
	}
	return s
}

// readProblem reads the body of a refusal. A proxy may have written anything.
func readProblem(status int, text []byte) *Error {
	var m struct {
		Type       string    `json:"type"`
		Title      string    `json:"title"`
		Detail     string    `json:"detail"`
		Field      string    `json:"field"`
		Scope      string    `json:"scope"`
		Reference  string    `json:"reference"`
		Errors     []Fault   `json:"errors"`
		RetryAfter int64     `json:"retry_after"`
		Until      time.Time `json:"until"`
		Action     string    `json:"action"`
		Drift      int64     `json:"drift"`
	}
	if json.Unmarshal(text, &m) != nil || m.Title == "" {
		return &Error{Status: status, Kind: "none", Title: "The answer is not one of the API: " + http.StatusText(status)}
	}
	_, kind, _ := strings.Cut(m.Type, "#")
	return &Error{Status: status, Kind: kind, Title: m.Title, Detail: m.Detail, Field: m.Field, Scope: m.Scope, Reference: m.Reference, Faults: m.Errors,
		retryAfter: time.Duration(m.RetryAfter) * time.Second, until: m.Until, action: m.Action, drift: time.Duration(m.Drift) * time.Second}
}

// meanings are the problems that are errors of package totp.
var meanings = map[string]error{
	"unknown-user":     totp.ErrUnknownUser,
	"not-enrolled":     totp.ErrNotEnrolled,
	"pass-required":    totp.ErrPassRequired,
	"pass-invalid":     totp.ErrInvalidPass,
	"proof-required":   totp.ErrProofRequired,
	"frozen":           totp.ErrFrozen,
	"expired":          totp.ErrExpired,
	"conflict":         totp.ErrConflict,
	"required":         totp.ErrRequired,
	"too-many-devices": totp.ErrTooManyDevices,
	"last-device":      totp.ErrLastDevice,
	"device-name":      totp.ErrDeviceName,
	"outcome-unknown":  ErrOutcomeUnknown,
}

// meaning returns the error of package totp that the problem stands for, or the
// problem.
func (p *Error) meaning() error {
	switch p.Kind {
	case "code-invalid":
		return wrongCode(p.drift)
	case "code-used":
		return &totp.UsedError{RetryAfter: p.retryAfter}
	case "locked":
		return &totp.LockedError{RetryAfter: p.retryAfter}
	case "hold":
		return &totp.HoldError{Action: totp.Action(p.action), Until: p.until}
	}
	if err := meanings[p.Kind]; err != nil {
		return err
	}
	return p
}

func wrongCode(drift time.Duration) error {
	if drift != 0 {
		return &totp.DriftError{Drift: drift}
	}
	return totp.ErrInvalidCode
}
