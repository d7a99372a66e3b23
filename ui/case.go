package ui

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/resetdesk/resetdesk/review"
)

// A casePage is the case with what this reviewer can do about it.
type casePage struct {
	review.CaseView
	Acts     []act
	Rows     []evidenceRow // the operator's own rows of evidence
	Mine     bool          // the claim is this reviewer's
	MayVote  bool
	Headline string // the policy's result in a sentence
	Tone     string
	Previous string // numbers of the cases around it in its list
	Next     string
}

func (s *site) showCase(w http.ResponseWriter, r *http.Request, who review.Session) error {
	v, err := s.Desk.Case(r.Context(), who, r.PathValue("number"))
	if err != nil {
		return err
	}
	p := casePage{CaseView: v, MayVote: who.Reviewer.Role.Decides()}
	for _, a := range s.acts() {
		if a.Row == "" && a.needs.allows(who.Reviewer.Role) && a.fits(v) {
			p.Acts = append(p.Acts, a)
		}
	}
	p.Rows, p.Mine = s.rows(v, who), v.Claim.Live() && v.Claim.Reviewer == who.Reviewer.ID
	p.Headline, p.Tone = headline(v)
	if p.Previous, p.Next, err = s.Desk.Neighbours(r.Context(), v.Number); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "case", view{Title: v.Number, Body: p})
}

// headline says in one sentence where the case stands.
func headline(v review.CaseView) (text, tone string) {
	switch v.State {
	case review.StateOpen:
	case review.StateHeld:
		return "On hold: " + strings.TrimSuffix(v.HeldReason, ".") + ". Nothing is cleared until a person resumes it.", "warn"
	case review.StateClearing:
		return "Approved; the panel is being told to clear the factor.", "warn"
	case review.StateCleared:
		if !v.ObjectedAfter.IsZero() {
			return "The second factor was cleared, and a contact objects to it by mail. Call the number on file now. The link in the letter about the reset takes it back until " +
				day(v.HoldUntil) + ".", "bad"
		}
		return "The second factor was cleared.", "ok"
	case review.StateUndone:
		return "The owner said it was not them: the old factor is back and the user is frozen.", "bad"
	default:
		return "Closed: " + strings.ToLower(words(v.State)) + ".", "calm"
	}
	var failed, open []string
	for _, q := range v.Requirements {
		switch q.State {
		case review.Failed:
			failed = append(failed, q.Title)
		case review.Unmet:
			open = append(open, q.Title)
		}
	}
	if len(failed) > 0 {
		return "Blocked: " + strings.Join(failed, "; ") + ".", "bad"
	}
	if len(open) > 0 {
		return fmt.Sprintf("%d of %d requirements are met. Still open: %s.",
			len(v.Requirements)-len(open), len(v.Requirements), strings.Join(open, "; ")), "calm"
	}
	return "Every requirement is met.", "ok"
}

// approvals is the name of the requirement that votes fulfil.
const approvals = "approvals"

// voteWords names what one more approval would do: reset at once, be the first
// of several, or wait with the rest of the requirements.
func voteWords(a act, v review.CaseView) act {
	counted := 1
	for _, vote := range v.Approvals {
		if vote.Counts {
			counted++
		}
	}
	waits := 0
	for _, q := range v.Requirements {
		if q.State != review.Met && q.Name != approvals {
			waits++
		}
	}
	whom := fmt.Sprintf("%s of %s (%s)", v.UserLogin, v.AccountName, v.AccountID)
	effect := "the authenticator and all backup codes stop working, every session is signed out, and a one-time enrollment pass is mailed to the user's own registered address. A notice goes to every contact of the account."
	switch {
	case counted < v.ApprovalsNeeded:
		a.Title = "Approve the reset of two-factor authentication for " + whom
		a.Verb = fmt.Sprintf("Record approval %d of %d", counted, v.ApprovalsNeeded)
		if counted == 1 {
			a.Verb = "Record first approval"
		}
		a.Consequence = fmt.Sprintf("This is approval %d of %d. Nothing is reset yet: another person has to approve as well. Then %s", counted, v.ApprovalsNeeded, effect)
	case waits > 0:
		a.Title = "Approve the reset of two-factor authentication for " + whom
		a.Verb = "Approve the reset for " + v.AccountID
		a.Consequence = "The reset happens by itself as soon as the requirements that are still open are met. Then " + effect
	default:
		a.Title = "Reset two-factor authentication for " + whom
		a.Verb = "Reset 2FA for " + v.AccountID
		a.Consequence = "This happens at once: " + effect
	}
	return a
}

// showCaseSource serves the raw mail of a case as plain text: the page itself
// shows long mails shortened.
func (s *site) showCaseSource(w http.ResponseWriter, r *http.Request, who review.Session) error {
	v, err := s.Desk.Case(r.Context(), who, r.PathValue("number"))
	if err != nil {
		return err
	}
	for _, m := range v.Mails {
		if strconv.FormatInt(m.ID, 10) == r.PathValue("id") {
			return plain(w, m)
		}
	}
	return errNoPage
}

// plain writes a mail as text that no browser takes for anything else.
func plain(w http.ResponseWriter, m review.MailView) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`inline; filename="mail-%d.txt"`, m.ID))
	w.Write([]byte(visible(m.Source))) // an error here is a reader who left
	return nil
}
