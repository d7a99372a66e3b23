package review

import (
	"fmt"
	"strings"
	"time"
)

func require(name, title string, state ReqState, why string) Requirement {
	return Requirement{Name: name, Title: title, State: state, Why: why}
}

func senderRequirement(f Facts) Requirement {
	const title = "The From line names exactly a registered address"
	exact := f.Match == "exact" || f.Match == "case_variant"
	switch f.Verdict {
	case fromPanel:
		const title = "The request came through the control panel"
		if exact {
			return require("sender", title, Met, "It proves no more than a mail: the registered address has to confirm.")
		}
		return require("sender", title, Failed, "The address that has to confirm is no registered address of the account any more.")
	case byHand:
		const title = "The request was written down by a reviewer"
		if exact {
			return require("sender", title, Met, "It proves nothing: the registered address has to confirm.")
		}
		return require("sender", title, Failed, "The address that has to confirm is no registered address of the account any more.")
	case "authenticated", "partial", "unverified":
		if exact {
			return require("sender", title, Met, "Sender check: "+f.Verdict+".")
		}
		return require("sender", title, Failed, "The From address is not a registered address of the account.")
	}
	return require("sender", title, Failed, "Sender check: "+f.Verdict+". This mail can never lead to a reset.")
}

func resolvedRequirement(f Facts) Requirement {
	const title = "Account and user are known"
	switch {
	case f.Account == "":
		return require("user", title, Unmet, "Several accounts have this address; choose the one that is meant.")
	case f.User == "":
		return require("user", title, Unmet, "The mail names no user; the owner or you choose who is meant.")
	}
	return require("user", title, Met, "")
}

func enrolledRequirement(f Facts) Requirement {
	const title = "Two-factor authentication is on"
	switch {
	case f.User == "":
		return require("enrolled", title, Unmet, "Known when the user is.")
	case !f.Enrolled:
		return require("enrolled", title, Failed, "The user has no second factor: there is nothing to reset.")
	case !f.UserAddress:
		return require("enrolled", title, Failed, "The user has no e-mail address on file for the enrollment pass: import one first.")
	}
	return require("enrolled", title, Met, "")
}

func confirmedRequirement(f Facts) Requirement {
	const title = "The owner confirmed through the link"
	switch {
	case f.Objected:
		return require("confirmed", title, Failed, "An owner said: that was not us.")
	case f.AskRefused:
		return require("confirmed", title, Unmet, "The letter with the link was refused or came back: nobody may have it.")
	case f.ConfirmedAt.IsZero():
		return require("confirmed", title, Unmet, "A link was mailed to the registered address and is not answered.")
	}
	return require("confirmed", title, Met, "Confirmed at "+f.ConfirmedAt.Format("2006-01-02 15:04 MST")+".")
}

func approvalsRequirement(f Facts, j Judgement) Requirement {
	needed := j.Approvals
	title := "Approval by a reviewer"
	if needed > 1 {
		title = fmt.Sprintf("Approval by %d different reviewers", needed)
	}
	if f.Votes < needed {
		return require("approvals", title, Unmet, fmt.Sprintf("%d of %d.", f.Votes, needed))
	}
	if f.Verdict == byHand && f.OtherVotes == 0 && !j.Alone {
		return require("approvals", title, Unmet, "Only who opened the case by hand approved it; somebody else has to as well.")
	}
	return require("approvals", title, Met, "")
}

func waitingRequirement(f Facts, j Judgement, now time.Time) Requirement {
	const title = "Waiting period since the notices"
	vouched := ""
	if j.Vouched {
		vouched = "It is the shorter one: the panel saw the user's password verified."
	}
	switch {
	case f.AskRefused:
		return require("waiting", title, Unmet, "It begins when the owner was asked, and the mail server refused the confirm letter or sent it back. Ask the owner again.")
	case j.WaitUntil.IsZero():
		return require("waiting", title, Unmet, strings.TrimSpace("It begins when the notices are out. "+vouched))
	case now.Before(j.WaitUntil):
		return require("waiting", title, Unmet, strings.TrimSpace("It ends at "+j.WaitUntil.UTC().Format("2006-01-02 15:04 MST")+". "+vouched))
	}
	return require("waiting", title, Met, vouched)
}

// evidenceRequirement asks for the rows that the operator made mandatory at this
// risk. A row that failed stops the case, mandatory or not.
func evidenceRequirement(f Facts, p Policy, j *Judgement) Requirement {
	const title = "Every mandatory row of evidence is answered"
	var missing []string
	for _, rule := range p.Evidence {
		proof := f.proof(rule.Name)
		if proof.Result == "fail" {
			return require("evidence", title, Failed, "It failed: "+rule.Title+".")
		}
		if !rule.Mandatory(j.Risk.Level) {
			continue
		}
		j.Mandatory++
		if proof.Result != "pass" {
			missing = append(missing, rule.Title)
		}
	}
	for _, proof := range f.Evidence { // of a rule that the configuration has no more
		if proof.Result == "fail" {
			return require("evidence", title, Failed, "It failed: "+proof.Name+".")
		}
	}
	switch {
	case len(missing) > 0:
		return require("evidence", title, Unmet, "Not answered yet: "+strings.Join(missing, ", ")+".")
	case j.Mandatory == 0:
		return require("evidence", title, Met, "The policy asks for none at this risk.")
	}
	return require("evidence", title, Met, "")
}

func nothingHeldRequirement(f Facts, j Judgement, now time.Time) Requirement {
	const title = "Nothing that speaks against it"
	switch {
	case f.State == StateHeld:
		return require("held", title, Failed, strings.TrimSpace("The case is on hold. "+f.HeldReason))
	case j.Contrary != "":
		return require("held", title, Failed, j.Contrary)
	case now.Before(f.FrozenUntil):
		return require("held", title, Unmet, strings.TrimSpace("Resets of this account are frozen until "+stamp(f.FrozenUntil)+". "+f.FrozenReason))
	}
	return require("held", title, Met, "")
}
