package ui

import (
	"net/http"
	"strings"

	"github.com/resetdesk/resetdesk/review"
)

type policyPage struct {
	Preset string
	Rules  []shownRule
	Threat review.Threat
}

type shownRule struct {
	review.PolicyRule
	Sources []string // where each of its keys comes from
}

// showPolicy shows every rule in a sentence, where its numbers come from, and what
// it did lately. Nothing is changed here: the configuration is, on the host.
func (s *site) showPolicy(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	rules, err := s.Desk.Rules(r.Context())
	if err != nil {
		return err
	}
	p := policyPage{Preset: s.Desk.PolicyName()}
	if p.Threat, err = s.Desk.Threat(r.Context()); err != nil {
		return err
	}
	for _, rule := range rules {
		p.Rules = append(p.Rules, shownRule{rule, s.sources(rule.Key)})
	}
	return s.render(w, r, http.StatusOK, "policy", view{Title: "Policy", Body: p})
}

// sources says where keys of the configuration, separated by commas, come from.
func (s *site) sources(keys string) []string {
	if keys == "" {
		return []string{"fixed"}
	}
	var all []string
	for key := range strings.SplitSeq(keys, ", ") {
		from := "the preset"
		if s.Source != nil && s.Source(key) != "" {
			from = s.Source(key)
		}
		all = append(all, key+": "+from)
	}
	return all
}
