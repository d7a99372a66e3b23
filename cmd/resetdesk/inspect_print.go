package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
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
	Registered string             `json:"registered"` // what From is, or imitates
	Evidence   proof.Evidence     `json:"evidence"`
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

// sheet is a text of labelled lines.
type sheet struct{ strings.Builder }

// line writes one line. A label that repeats is left out by its caller.
func (s *sheet) line(label, format string, args ...any) {
	fmt.Fprintf(s, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
}

// list writes lines of which only the first has the label.
func (s *sheet) list(label string, lines []string) {
	for _, l := range lines {
		s.line(label, "%s", l)
		label = ""
	}
}

// quote writes a stranger's text so that it cannot speak to the terminal: what is
// no printable ASCII becomes its escape.
func quote(s string) string {
	const most = 1000
	if len(s) > most {
		return fmt.Sprintf("%+q and %d more bytes", s[:most], len(s)-most)
	}
	return fmt.Sprintf("%+q", s)
}

// text explains the verdict line by line. What comes from the mail is quoted.
func (r inspection) text() string {
	s := &sheet{}
	fmt.Fprintf(s, "%s\n", strings.Trim(quote(r.File), `"`))
	s.line("Verdict", "%s: %s", r.Verdict, verdicts[r.Verdict])
	e := r.Evidence
	s.line("Proved", "%s", e.Vouched) // holds the From domain, which is plain ASCII
	s.line("", "%s", e.NotProved)
	r.sender(s)
	s.steps(e.Steps)
	for i, sig := range e.Signatures {
		s.signature(i+1, sig)
	}
	r.evidence(s)
	r.request(s)
	return s.String()
}

// sender writes who the mail says it is from.
func (r inspection) sender(s *sheet) {
	if r.From == "" {
		s.line("From", "no address that can be read without doubt")
	} else {
		s.line("From", "%s, %s", quote(r.From), matches[r.Match])
	}
	if r.Registered != "" && r.Registered != r.From {
		s.line("Registered", "%s", quote(r.Registered))
		for _, d := range proof.Differences(r.From, r.Registered) {
			s.line("", "From has %s", d)
		}
	}
	if r.Evidence.Name != "" {
		s.line("Name", "%s, chosen by the sender, not verified", quote(r.Evidence.Name))
		for _, p := range proof.Points(r.Evidence.Name) {
			s.line("", "holds %s", strings.Trim(quote(p), `"`))
		}
	}
	if r.Evidence.Shared != "" {
		s.line("Shared", "%s", strings.Trim(quote(r.Evidence.Shared), `"`))
	}
}

// steps writes the checks in their order, what each found, and where it put the
// verdict.
func (s *sheet) steps(steps []proof.Step) {
	for i, step := range steps {
		label := ""
		if i == 0 {
			label = "Checked"
		}
		stands := step.Outcome
		for _, f := range step.Findings {
			if f.To != "" {
				stands = "lowers it"
			}
		}
		s.line(label, "%2d %-11s %s", i+1, stands, step.Title)
		for _, f := range step.Findings {
			to := "a note"
			if f.To != "" {
				to = "to " + string(f.To)
			}
			s.line("", "               %s, %s: %s", f.Code, to, f.Staff)
			s.line("", "               %s", f.Operator)
		}
	}
}

// signature writes one DKIM signature and what it covers.
func (s *sheet) signature(n int, sig proof.Signature) {
	s.line("Signature", "%d %s: d=%s s=%s a=%s, %d bits", n, strings.ReplaceAll(sig.Result, "_", " "), quote(sig.Domain), quote(sig.Selector), quote(sig.Algorithm), sig.KeyBits)
	if sig.Words != "" {
		s.line("", "  %s: %s", sig.Reason, sig.Words)
	}
	by := map[string][]string{}
	for _, c := range sig.Cover {
		by[c.State] = append(by[c.State], c.Field)
	}
	for _, state := range []string{"signed", "sealed", "unsigned", "absent"} {
		if len(by[state]) > 0 {
			s.line("", "  %-8s  %s", state, strings.Join(by[state], " "))
		}
	}
	if sig.KeyRecord != "" {
		secured := ""
		if sig.DNSSEC {
			secured = ", DNSSEC"
		}
		s.line("", "  key       %s (asked %s%s)", quote(sig.KeyRecord), sig.QueriedAt.UTC().Format("2006-01-02 15:04:05 UTC"), secured)
	}
}

// evidence writes the rest of what the verdict rests on.
func (r inspection) evidence(s *sheet) {
	e := r.Evidence
	s.line("Recipient", "%s", e.Binding)
	times := make([]string, len(e.Freshness))
	for i, t := range e.Freshness {
		times[i] = strings.Trim(quote(t), `"`)
	}
	s.list("Times", times)
	for i, trusted := range e.Results.Trusted {
		s.line([]string{"Results", ""}[min(i, 1)], "trusted: %s", quote(trusted))
	}
	forged := ""
	for _, code := range r.Reasons {
		if code == "A_FORGED" {
			forged = "; at least one is forged in our server's name"
		}
	}
	if e.Results.Untrusted > 0 || len(e.Results.Trusted) == 0 {
		s.line("Results", "trusted: %d, untrusted: %d%s", len(e.Results.Trusted), e.Results.Untrusted, forged)
	}
	if e.SPF != "" {
		s.line("SPF", "%s", strings.Trim(quote(e.SPF), `"`))
	}
	if e.Policy != "" {
		s.line("DMARC", "%s", e.Policy)
	}
	if e.DMARC.Record != "" {
		s.line("", "%s at %s, effective: %s", quote(e.DMARC.Record), quote(e.DMARC.Domain), e.DMARC.Effective)
	}
	for _, o := range e.Others {
		differs := ""
		if o.Differs {
			differs = ", not the From address"
		}
		s.line("Also", "%s: %s%s", strings.Trim(quote(o.Name), `"`), quote(o.Value), differs)
	}
	if e.Boundary != "" {
		s.line("Way", "our own server: %s", quote(e.Boundary))
	}
	for i, hop := range e.Claimed {
		s.line([]string{"Claimed", ""}[min(i, 1)], "%s", quote(hop))
	}
	s.line("SHA-256", "%s", e.SHA256)
}

// request writes what the mail asks for, and for whom.
func (r inspection) request(s *sheet) {
	asks := "does not ask for a reset"
	if r.Intent.Request {
		asks = "asks for a reset"
	}
	if r.Intent.Forwarded {
		asks = "passes on a request for a reset"
	}
	s.line("Intent", "%s (score %.2f, %s)", asks, r.Intent.Score, cmp.Or(intent.Language(r.Intent.Language), "language not clear"))
	for _, signal := range r.Intent.Signals {
		s.line("", "%+.1f %s %s%s", signal.Weight, signal.Name, quote(signal.Text), map[bool]string{true: ", forwarded"}[signal.Forwarded])
	}
	if r.Account != nil {
		s.line("Account", "%s", *r.Account)
	}
	for _, m := range r.Mentions {
		s.line("Names", "%s by %s %s", m.User, m.Field, quote(m.Text))
	}
	for _, p := range r.Problems {
		s.line("Problem", "%s", quote(p))
	}
}
