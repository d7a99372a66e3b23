package ui

import (
	"context"

	"github.com/resetdesk/resetdesk/review"
)

// results are how a check of evidence can come out.
var results = []review.Choice{
	{Key: "pass", Title: "It holds: the person is who they say"},
	{Key: "unknown", Title: "Open: nobody could be reached, or it proved nothing"},
	{Key: "fail", Title: "It failed: something is wrong (the case is put on hold)"},
}

// evidenceActs are one act for each row of the operator's own.
func (s *site) evidenceActs() []act {
	var all []act
	for _, rule := range s.Desk.EvidenceRules() {
		a := act{Key: "evidence-" + rule.Name, Row: rule.Name, needs: decides, fits: undecided}
		switch rule.How {
		case review.DNSRecord:
			a.Label, a.Title, a.Verb = "Show the record…", "Look for a record on a domain of the account", "Look for it now"
			a.Consequence = "Whoever controls the domain publishes one of these TXT records. The desk looks for them and records what it sees; a record that is missing proves nothing against anybody."
			a.DNS, a.do = true, s.lookUp(rule)
		case review.SecondAdmin:
			a.Label, a.Title, a.Verb, a.fits = "Ask…", "Ask a second admin to vouch", "Send the link", isOpen
			a.Consequence = "Another admin of the account gets a link of his own to his registered address, and says there whether he knows of the request. A no puts the case on hold."
			a.Fields.Voucher, a.do = true, s.askToVouch(rule)
		default:
			a.Label, a.Title, a.Verb = "Record…", "Record: "+rule.Title, "Record it"
			a.Consequence = rule.Why
			a.Classes, a.Fields.Note, a.Fields.NoteNeeded, a.do = results, true, true, s.recordEvidence(rule)
		}
		all = append(all, a)
	}
	return all
}

func (s *site) recordEvidence(rule review.EvidenceRule) func(context.Context, review.Session, typed) (string, error) {
	return func(ctx context.Context, who review.Session, t typed) (string, error) {
		return "It is recorded.", s.Desk.RecordEvidence(ctx, who, review.Finding{
			Number: t.number, Version: t.Version, Name: rule.Name, Result: t.Class, Words: t.Note})
	}
}

func (s *site) lookUp(rule review.EvidenceRule) func(context.Context, review.Session, typed) (string, error) {
	return func(ctx context.Context, who review.Session, t typed) (string, error) {
		found, err := s.Desk.CheckDNS(ctx, who, review.Finding{Number: t.number, Version: t.Version, Name: rule.Name})
		if found {
			return "The record is there.", err
		}
		return "The record is not there yet. Look again later.", err
	}
}

func (s *site) askToVouch(rule review.EvidenceRule) func(context.Context, review.Session, typed) (string, error) {
	return func(ctx context.Context, who review.Session, t typed) (string, error) {
		return "The link is on its way.", s.Desk.AskToVouch(ctx, who, rule.Name, t.decision())
	}
}

// An evidenceRow is a row of the operator's own with what this reviewer can do about it.
type evidenceRow struct {
	review.EvidenceRow
	Act *act
}

func (s *site) rows(v review.CaseView, who review.Session) []evidenceRow {
	var all []evidenceRow
	acts := s.evidenceActs()
	for i, row := range v.Evidence {
		r := evidenceRow{EvidenceRow: row}
		if a := &acts[i]; a.needs.allows(who.Reviewer.Role) && a.fits(v) {
			r.Act = a
		}
		all = append(all, r)
	}
	return all
}
