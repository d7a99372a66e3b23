package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
)

// inspection is what inspect prints of one mail. The names and the order of the
// JSON keys are a contract (design 6); new keys go to the end.
type inspection struct {
	File       string             `json:"file"`
	Verdict    sender.State       `json:"verdict"`
	Match      sender.Match       `json:"match"`
	From       string             `json:"from"`
	Reasons    []string           `json:"reasons"`
	Flags      []string           `json:"flags"`
	Intent     intent.Result      `json:"intent"`
	Account    *string            `json:"account"`
	Users      []string           `json:"users"`
	Signatures []sender.Signature `json:"signatures"`
	Mentions   []mention          `json:"mentions"`
	Problems   []string           `json:"problems"`
}

// mention is a place that names a user, with the words.
type mention struct {
	User  string `json:"user"`
	Field string `json:"field"`
	Text  string `json:"text"`
	In    string `json:"in"`    // the part of the mail: subject, text, forwarded or forwarded_from
	Start int    `json:"start"` // bytes in that part
	End   int    `json:"end"`
}

// verdicts says in a sentence what each state means.
var verdicts = map[sender.State]string{
	sender.Authenticated: "a registered address, and its domain signed this mail for us",
	sender.Partial:       "the domain signed this mail, but something that binds it to us is missing",
	sender.Unverified:    "nothing proves that it came from a registered address",
	sender.Deferred:      "DNS could not answer a question that decides; try again later",
	sender.Automated:     "written by a machine; never a request, never answered",
	sender.Quarantine:    "ambiguous, forged or replayed; only a person may look at it",
}

var matches = map[sender.Match]string{
	sender.MatchExact:       "exactly a registered address",
	sender.MatchCaseVariant: "a registered address but for letter case",
	sender.MatchLookalike:   "made to be misread as a registered address",
	sender.MatchNone:        "not a registered address",
}

// text explains the verdict line by line. What comes from the mail is quoted, so
// that it cannot write to the terminal.
func (r inspection) text() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{label}, args...)...)
	}
	fmt.Fprintf(&b, "%s\n", r.File)
	line("Verdict", "%s: %s", r.Verdict, verdicts[r.Verdict])
	if r.From == "" {
		line("From", "no address that can be read without doubt")
	} else {
		line("From", "%q, %s", r.From, matches[r.Match])
	}
	for i, list := range [][]string{r.Reasons, r.Flags} {
		for _, code := range list {
			staff, operator := sender.Describe(code)
			line([]string{"Because", "Note"}[i], "%s: %s %s", code, staff, operator)
		}
	}
	for _, s := range r.Signatures {
		line("Signature", "%q, selector %q, %q, %d bits: %s %s", s.Domain, s.Selector, s.Algorithm, s.KeyBits, s.Result, s.Reason)
	}
	asks := "does not ask for a reset"
	if r.Intent.Request {
		asks = "asks for a reset"
	}
	if r.Intent.Forwarded {
		asks = "passes on a request for a reset"
	}
	language := cmp.Or(intent.Language(r.Intent.Language), "language not clear")
	line("Intent", "%s (score %.2f, %s)", asks, r.Intent.Score, language)
	for _, s := range r.Intent.Signals {
		line("", "%+.1f %s %q%s", s.Weight, s.Name, s.Text, map[bool]string{true: ", forwarded"}[s.Forwarded])
	}
	if r.Account != nil {
		line("Account", "%s", *r.Account)
	}
	for _, m := range r.Mentions {
		line("Names", "%s by %s %q", m.User, m.Field, m.Text)
	}
	for _, p := range r.Problems {
		line("Problem", "%q", p)
	}
	return b.String()
}
