package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/resetdesk/resetdesk/review"
)

// EvidenceConfig is one [[policy.evidence]]: a row of evidence of the operator's own.
type EvidenceConfig struct {
	Name, Title, Why, How string
	MandatoryAt           []string // risk levels at which it must be answered before anybody approves
}

var evidenceKeys = []string{"name", "title", "why", "how", "mandatory_at"}

// readEvidence reads the tables of [[policy.evidence]].
func readEvidence(value any) (all []EvidenceConfig, problem string) {
	tables, ok := value.([]any)
	if !ok {
		return nil, "is " + kindOf(value) + ", write each row as a table of its own under [[policy.evidence]]"
	}
	for i, t := range tables {
		table, ok := t.(map[string]any)
		if !ok {
			return nil, "holds " + kindOf(t) + ", write each row as a table of its own under [[policy.evidence]]"
		}
		var e EvidenceConfig
		texts := map[string]*string{"name": &e.Name, "title": &e.Title, "why": &e.Why, "how": &e.How}
		for _, key := range slices.Sorted(maps.Keys(table)) {
			switch to := texts[key]; {
			case key == "mandatory_at":
				levels, ok := table[key].([]any)
				if !ok {
					return nil, fmt.Sprintf(`number %d: mandatory_at is %s, write a list: ["medium", "high"]`, i+1, kindOf(table[key]))
				}
				for _, l := range levels {
					e.MandatoryAt = append(e.MandatoryAt, fmt.Sprint(l))
				}
			case to == nil:
				return nil, fmt.Sprintf("number %d: unknown key %q%s", i+1, key, instead(key, evidenceKeys))
			default:
				if *to, ok = table[key].(string); !ok {
					return nil, fmt.Sprintf("number %d: %s is %s, write a text in quotation marks", i+1, key, kindOf(table[key]))
				}
			}
		}
		all = append(all, e)
	}
	return all, ""
}

var (
	evidenceName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	riskLevels   = []review.RiskLevel{review.Low, review.Medium, review.High}
)

// maxEvidence keeps the page of a case one that a person reads.
const maxEvidence = 12

func (l *loader) checkEvidence(all []EvidenceConfig) {
	complain := func(e EvidenceConfig, format string, args ...any) {
		l.complain("policy.evidence", "row %q: %s", e.Name, fmt.Sprintf(format, args...))
	}
	if len(all) > maxEvidence {
		l.complain("policy.evidence", "has %d rows, write at most %d: people stop reading longer lists", len(all), maxEvidence)
	}
	seen := map[string]bool{}
	for _, e := range all {
		switch {
		case !evidenceName.MatchString(e.Name):
			complain(e, "name is 1 to 40 of a-z, 0-9, - and _, such as callback")
		case seen[e.Name]:
			complain(e, "stands there twice")
		case e.Title == "" || len(e.Title) > 80:
			complain(e, `write a title of at most 80 characters, such as "Called back the number on file"`)
		case len(e.Why) > 300:
			complain(e, "write a why of at most 300 characters")
		case !slices.Contains(review.Hows, review.How(e.How)):
			complain(e, "how is %q, write one of callback, invoice, pin, dns, second_admin, free", e.How)
		}
		if once := e.How; (once == "dns" || once == "second_admin") && seen["how "+once] {
			complain(e, "how %s stands there twice, and one row of it is all that the desk can ask for", once)
		}
		seen[e.Name], seen["how "+e.How] = true, true
		for _, level := range e.MandatoryAt {
			if !slices.Contains(riskLevels, review.RiskLevel(level)) {
				complain(e, "mandatory_at holds %q, write low, medium or high", level)
			}
		}
	}
}

// rules are the rows as the desk knows them.
func rules(all []EvidenceConfig) []review.EvidenceRule {
	var out []review.EvidenceRule
	for _, e := range all {
		r := review.EvidenceRule{Name: e.Name, Title: e.Title, Why: e.Why, How: review.How(e.How)}
		for _, level := range e.MandatoryAt {
			r.At = append(r.At, review.RiskLevel(level))
		}
		out = append(out, r)
	}
	return out
}
