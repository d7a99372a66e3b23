package ui

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
)

// step returns the sign of a check of the sender. A check that lowered the
// verdict looks as bad as what it lowered it to.
func step(s proof.Step) sign {
	switch s.Outcome {
	case proof.Passed:
		return sign{"ok", "✔"}
	case proof.Noted:
		return sign{"calm", "▲"}
	case proof.NotReached:
		return sign{"calm", "–"}
	}
	for _, f := range s.Findings {
		if f.To != "" && !f.To.AtLeast(sender.Partial) {
			return sign{"bad", "✖"}
		}
	}
	return sign{"warn", "▲"}
}

// findings are what the checks found, in their order.
func findings(steps []proof.Step) []proof.Finding {
	var all []proof.Finding
	for _, s := range steps {
		all = append(all, s.Findings...)
	}
	return all
}

// outcome says in a word or two how a check ended.
func outcome(s proof.Step) string {
	switch s.Outcome {
	case proof.Passed:
		return "passed"
	case proof.Noted:
		return "look here"
	case proof.NotReached:
		return "not looked at"
	}
	worst := sender.Authenticated
	for _, f := range s.Findings {
		if f.To != "" && !f.To.AtLeast(worst) {
			worst = f.To
		}
	}
	return "lowers to: " + strings.ToLower(words(worst))
}

// coverSign returns the sign of a field in the table of what a signature covers.
func coverSign(state string) sign {
	switch state {
	case "signed":
		return sign{"ok", "✔"}
	case "sealed":
		return sign{"ok", "○"}
	case "unsigned":
		return sign{"warn", "✖"}
	}
	return sign{"calm", "–"}
}

// points names the characters of s outside printable ASCII, each with its code
// point, 40 at most.
func points(s string) []string {
	var out []string
	for _, r := range s {
		if r >= ' ' && r < unicode.MaxASCII {
			continue
		}
		if len(out) == 40 {
			return append(out, "…")
		}
		text := fmt.Sprintf("U+%04X", r)
		if !hidden(r) {
			text = string(r) + " " + text
		}
		out = append(out, text)
	}
	return out
}

// differ counts the fields that name another sender than From.
func differ(all []proof.Other) int {
	n := 0
	for _, o := range all {
		if o.Differs {
			n++
		}
	}
	return n
}
