package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const maxDepth = 8 // of JSON

// decode reads text into v, a pointer to a struct: one JSON object in UTF-8, of
// bounded depth, with no member that v does not have, none twice and none null.
func decode(text []byte, v any) error {
	if !utf8.Valid(text) {
		return badJSON("The body is not UTF-8.")
	}
	if err := walk(json.NewDecoder(bytes.NewReader(text))); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		if wrong.Field == "" {
			return errNoObject
		}
		return invalid(wrong.Field, fmt.Sprintf("%s is a JSON %s, which does not fit.", wrong.Field, wrong.Value))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return unknownMember(strings.Trim(name, `"`))
	}
	// It is JSON, and of all members only times read themselves.
	return invalid("", "A time is written as in 2026-11-23T10:00:00Z (RFC 3339).")
}

var errNoObject = badJSON("The body must be a JSON object.")

// A level is an object or an array that walk is in.
type level struct {
	names map[string]bool // nil in an array
	name  string          // of the member at hand; in an array of that which holds it
	key   bool            // a name comes next
}

// member takes the next name of an object. The decoder takes a name for a member
// also where it differs in letter case, or has a letter that folds to the right
// one. No name of ours has other letters than these, so one that has is unknown.
func (l *level) member(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return unknownMember(name)
	}
	if l.names[name] {
		return badJSON(fmt.Sprintf("The member %q stands twice.", clip(name)))
	}
	l.names[name], l.name, l.key = true, name, false
	return nil
}

// walk checks what a decoder does not: depth, repeated and folded members, null,
// one value alone.
func walk(d *json.Decoder) error {
	var stack []level
	for {
		t, err := d.Token()
		if err == io.EOF && len(stack) == 0 {
			return badJSON("The body is empty; send at least {}.")
		}
		if err != nil {
			return badJSON("The body is not JSON.")
		}
		if n := len(stack); n > 0 && stack[n-1].key {
			if name, ok := t.(string); ok {
				if err := stack[n-1].member(name); err != nil {
					return err
				}
				continue
			}
		}
		switch t {
		case nil:
			if len(stack) == 0 {
				return errNoObject
			}
			name := clip(stack[len(stack)-1].name)
			return invalid(name, fmt.Sprintf("null is no value here: leave %q out, or give it one.", name))
		case json.Delim('{'), json.Delim('['):
			if len(stack) == maxDepth {
				return badJSON("The body is nested too deeply.")
			}
			l := level{}
			if n := len(stack); n > 0 {
				l.name = stack[n-1].name
			}
			if t == json.Delim('{') {
				l.names, l.key = map[string]bool{}, true
			}
			stack = append(stack, l)
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 {
			break
		}
		if l := &stack[len(stack)-1]; l.names != nil {
			l.key = true
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return badJSON("More follows behind the JSON object.")
	}
	return nil
}
