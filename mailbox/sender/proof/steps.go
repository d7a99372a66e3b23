package proof

import (
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// Step is one of the checks, in the order in which they are made.
type Step struct {
	Title string `json:"title"`
	// Outcome is "passed", "noted", "lowered" or "not reached".
	Outcome  string    `json:"outcome"`
	Findings []Finding `json:"findings"`
}

// Finding is one code with its meaning.
type Finding struct {
	Code string `json:"code"`
	// To is where it puts the verdict at best, "" for what lowers nothing.
	To       sender.State `json:"to"`
	Staff    string       `json:"staff"`
	Operator string       `json:"operator"`
}

// The outcomes of a step.
const (
	Passed     = "passed"
	Noted      = "noted"
	Lowered    = "lowered"
	NotReached = "not reached"
)

// order is what is looked at, one after the other, and the beginnings of the
// codes that belong there. Longer beginnings win.
var order = []struct {
	title string
	codes []string
	// late steps are not reached when no sender could be read.
	late bool
}{
	{"The whole mail was read", []string{"T_"}, false},
	{"Structure of the header", []string{"H_"}, false},
	{"One plain sender address", []string{"F_"}, true},
	{"Display name", []string{"F_DISPLAY_"}, true},
	{"Registered address", []string{"F_NOT_REGISTERED", "F_LOOKALIKE", "F_CASE_"}, true},
	{"Other fields that name a sender", []string{"F_SENDER_DIFF", "F_REPLYTO_DIFF", "F_RESENT"}, true},
	{"Written by a person", []string{"M_"}, true},
	{"Results of our own mail server", []string{"A_"}, true},
	{"Signature of the sender's domain", []string{"D_", "S_"}, true},
	{"What the signature binds", []string{"B_"}, true},
	{"Fresh, and not seen before", []string{"R_"}, true},
	{"Policy of the sender's domain", []string{"P_"}, true},
	{"Our own checks", []string{"X_"}, false},
}

// stepOf finds the step that a code belongs to.
func stepOf(code string) int {
	best, length := len(order)-1, 0
	for i, o := range order {
		for _, c := range o.codes {
			if len(c) > length && strings.HasPrefix(code, c) {
				best, length = i, len(c)
			}
		}
	}
	return best
}

// steps tells how the verdict came about.
func steps(v sender.Verdict) []Step {
	forced := map[string]sender.State{}
	for _, r := range sender.Reasons() {
		forced[r.Code] = r.Forces
	}
	out := make([]Step, len(order))
	for i, o := range order {
		out[i] = Step{Title: o.title, Outcome: Passed, Findings: []Finding{}}
		if o.late && v.From == "" {
			out[i].Outcome = NotReached
		}
	}
	add := func(code string, lowers bool) {
		s := &out[stepOf(code)]
		f := Finding{Code: code}
		f.Staff, f.Operator = sender.Describe(code)
		if lowers {
			if f.To = forced[code]; f.To == sender.Flag { // F_DISPLAY_SPOOF is either
				f.To = sender.Quarantine
			}
			s.Outcome = Lowered
		} else if s.Outcome != Lowered {
			s.Outcome = Noted
		}
		s.Findings = append(s.Findings, f)
	}
	for _, code := range v.Reasons {
		add(code, true)
	}
	for _, code := range v.Flags {
		add(code, false)
	}
	passes := slices.ContainsFunc(v.Signatures, func(s sender.Signature) bool { return s.Result == sender.Pass })
	for i, o := range order {
		signed := o.codes[0] == "B_" || o.codes[0] == "R_" || o.codes[0] == "D_"
		asked := o.codes[0] != "P_" || passes || !v.DMARC.QueriedAt.IsZero()
		trusted := o.codes[0] != "A_" || len(v.Results.Trusted) > 0
		if (signed && !passes || !asked || !trusted) && out[i].Outcome == Passed {
			out[i].Outcome = NotReached
		}
	}
	last := len(out) - 1 // our own checks are worth a line only when they broke
	if len(out[last].Findings) == 0 {
		out = out[:last]
	}
	return out
}
