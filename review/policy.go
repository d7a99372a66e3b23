package review

import (
	"fmt"
	"strings"
	"time"
)

// Tier is what a policy asks at one risk level.
type Tier struct {
	Approvals int           // distinct reviewers
	Wait      time.Duration // from the moment the notices are out
}

// Policy is what must hold before the desk clears (design 4). Owner
// confirmation is always required and therefore no field of it.
type Policy struct {
	Name              string
	Low, Medium, High Tier
	Threat            bool          // two approvals for everything, waiting doubled
	Hold              time.Duration // after a reset: undo possible, sensitive acts refused
	LinkLifetime      time.Duration // of the confirm link
	CaseLifetime      time.Duration // an open case expires then
	FreshAddress      time.Duration // a registered address younger than this is High
	RepeatReset       time.Duration // a second reset within this is High
	// VouchedWait is the waiting period of Low, if it is shorter, when the panel
	// vouches for the user's password: it saw it verified within a day.
	VouchedWait time.Duration
}

// The presets of design 4.
var (
	Balanced  = preset("balanced", Tier{1, 2 * time.Hour}, Tier{1, 12 * time.Hour}, Tier{2, 24 * time.Hour}, 0)
	Cautious  = preset("cautious", Tier{2, 24 * time.Hour}, Tier{2, 48 * time.Hour}, Tier{2, 72 * time.Hour}, 24*time.Hour)
	SmallTeam = preset("small-team", Tier{1, 4 * time.Hour}, Tier{1, 24 * time.Hour}, Tier{1, 72 * time.Hour}, 4*time.Hour)
)

func preset(name string, low, medium, high Tier, vouched time.Duration) Policy {
	const day = 24 * time.Hour
	return Policy{Name: name, Low: low, Medium: medium, High: high, Hold: 72 * time.Hour, LinkLifetime: day,
		CaseLifetime: 14 * day, FreshAddress: 14 * day, RepeatReset: 30 * day, VouchedWait: vouched}
}

// tier returns what p asks at level, threat mode included.
func (p Policy) tier(level RiskLevel) Tier {
	t := p.Low
	switch level {
	case Medium:
		t = p.Medium
	case High:
		t = p.High
	}
	if p.Threat {
		t.Approvals, t.Wait = max(2, t.Approvals), 2*t.Wait
	}
	return t
}

// Facts are everything that a judgement rests on, read in one transaction.
type Facts struct {
	State           State
	HeldReason      string
	Account, User   string    // "" while unresolved
	Verdict, Match  string    // of the mail that opened the case; fromPanel if none did
	PasswordGiven   bool      // who asked in the panel proved a password there
	Enrolled        bool      // the user's second factor is on
	UserAddress     bool      // the user has an address of his own, for the pass
	ConfirmedAt     time.Time // the owner's yes of this round
	Objected        bool      // the owner's no of this round
	Votes           int       // distinct approvals of this round and generation
	NoticesOutAt    time.Time // zero until every notice is sent or given up
	Opened, Watched time.Time // Watched: from when an accepted code is contrary evidence
	VerifiedAt      time.Time // the user's last accepted code
	AddressSince    time.Time // of the registered address that asked
	ImportedAt      time.Time // of the account: its first addresses are not a change
	UserChanged     time.Time // when the user's own address, where the pass goes, was last changed; zero: never
	ContactEnded    time.Time // when an address of the account was last taken away; zero: never
	LastReset       time.Time // an earlier reset of this user
	Quarantined     int       // mails that imitated this address lately
	LoggedInAt      time.Time // the panel saw a login with the second factor; zero: none since Watched
	VouchedAt       time.Time // the panel saw the user's password verified; zero: not since a day before Opened
}

// fromPanel is the verdict of a case that was asked for in the control panel: no
// mail was checked.
const fromPanel = "panel"

// vouchedFor is how long before a request a verified password vouches for it.
const vouchedFor = 24 * time.Hour

// signedIn reports whether somebody had the second factor after the request.
func (f Facts) signedIn() bool { return f.VerifiedAt.After(f.Watched) || !f.LoggedInAt.IsZero() }

// vouched reports whether the panel vouches for the user's password.
func (f Facts) vouched() bool {
	return !f.VouchedAt.IsZero() && f.Opened.Sub(f.VouchedAt) <= vouchedFor
}

// A Judgement is what policy says of the facts at one moment.
type Judgement struct {
	Risk         Risk
	Requirements []Requirement
	Approvals    int       // votes needed
	WaitUntil    time.Time // zero while the notices are not out
	Vouched      bool      // the panel vouches for the password, so the wait is the shorter one
	Contrary     string    // reason to hold the case at once, or ""
}

// Clears reports whether every requirement is met.
func (j Judgement) Clears() bool {
	for _, r := range j.Requirements {
		if r.State != Met {
			return false
		}
	}
	return len(j.Requirements) > 0
}

// Judge computes risk and requirements. It is pure: the same facts, policy and
// time always give the same judgement.
func Judge(f Facts, p Policy, now time.Time) Judgement {
	j := Judgement{Risk: risk(f, p)}
	tier := p.tier(j.Risk.Level)
	j.Approvals = tier.Approvals
	if j.Risk.Level == Low && f.vouched() && p.VouchedWait < tier.Wait {
		j.Vouched, tier.Wait = true, p.VouchedWait
	}
	if !f.NoticesOutAt.IsZero() {
		j.WaitUntil = f.NoticesOutAt.Add(tier.Wait)
	}
	if f.signedIn() {
		j.Contrary = "The user signed in with the second factor after the request came in."
	}
	if f.UserChanged.After(f.Watched) || f.ContactEnded.After(f.Watched) {
		j.Contrary = "An address of the account was changed after the request came in."
	}
	j.Requirements = []Requirement{
		senderRequirement(f), resolvedRequirement(f), enrolledRequirement(f), confirmedRequirement(f),
		approvalsRequirement(f, j.Approvals), waitingRequirement(j, now), nothingHeldRequirement(f, j),
	}
	return j
}

func risk(f Facts, p Policy) Risk {
	r := Risk{Level: Low}
	raise := func(l RiskLevel, reason string) {
		if l == High || r.Level == Low {
			r.Level = l
		}
		r.Reasons = append(r.Reasons, reason)
	}
	if f.AddressSince.After(f.ImportedAt) && f.Opened.Sub(f.AddressSince) < p.FreshAddress {
		raise(High, fmt.Sprintf("The registered address was changed %s before the request.", days(f.Opened.Sub(f.AddressSince))))
	}
	if !f.UserChanged.IsZero() && f.Opened.Sub(f.UserChanged) < p.FreshAddress {
		raise(High, "The user's own address, where the enrollment pass goes, was changed lately: "+stamp(f.UserChanged)+".")
	}
	if !f.ContactEnded.IsZero() && f.Opened.Sub(f.ContactEnded) < p.FreshAddress {
		raise(High, "An address of the account was taken away lately: "+stamp(f.ContactEnded)+".")
	}
	if !f.LastReset.IsZero() && f.Opened.Sub(f.LastReset) < p.RepeatReset {
		raise(High, fmt.Sprintf("The same user was reset %s earlier.", days(f.Opened.Sub(f.LastReset))))
	}
	if f.Quarantined > 0 {
		raise(High, "Mail that imitates this registered address came in lately: "+counted(f.Quarantined, "mail")+" in quarantine.")
	}
	if p.Threat {
		raise(High, "Threat mode is on.")
	}
	if doubt := doubtful(f); doubt != "" {
		if f.ConfirmedAt.IsZero() {
			raise(High, doubt+", and the owner has not confirmed yet.")
		} else {
			raise(Medium, doubt+", but the owner confirmed the request.")
		}
	}
	if f.Match == "case_variant" {
		raise(Medium, "The address is written in other capitals than the registered one.")
	}
	if len(r.Reasons) == 0 {
		r.Reasons = []string{"Nothing unusual was found."}
	}
	return r
}

// doubtful says why it is open who asked, "" if it is not.
func doubtful(f Facts) string {
	switch {
	case f.Verdict == fromPanel && !f.PasswordGiven:
		return "Who asked in the control panel proved no password there"
	case f.Verdict == fromPanel, f.Verdict == "authenticated":
		return ""
	}
	return "Nothing proves that the mail comes from the registered address"
}

// counted is "1 mail" or "2 mails".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func days(d time.Duration) string {
	switch n := int(d.Hours() / 24); n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}

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
	case f.ConfirmedAt.IsZero():
		return require("confirmed", title, Unmet, "A link was mailed to the registered address and is not answered.")
	}
	return require("confirmed", title, Met, "Confirmed at "+f.ConfirmedAt.Format("2006-01-02 15:04 MST")+".")
}

func approvalsRequirement(f Facts, needed int) Requirement {
	title := "Approval by a reviewer"
	if needed > 1 {
		title = fmt.Sprintf("Approval by %d different reviewers", needed)
	}
	if f.Votes < needed {
		return require("approvals", title, Unmet, fmt.Sprintf("%d of %d.", f.Votes, needed))
	}
	return require("approvals", title, Met, "")
}

func waitingRequirement(j Judgement, now time.Time) Requirement {
	const title = "Waiting period since the notices"
	vouched := ""
	if j.Vouched {
		vouched = "It is the shorter one: the panel saw the user's password verified."
	}
	switch {
	case j.WaitUntil.IsZero():
		return require("waiting", title, Unmet, strings.TrimSpace("It begins when the notices are out. "+vouched))
	case now.Before(j.WaitUntil):
		return require("waiting", title, Unmet, strings.TrimSpace("It ends at "+j.WaitUntil.UTC().Format("2006-01-02 15:04 MST")+". "+vouched))
	}
	return require("waiting", title, Met, vouched)
}

func nothingHeldRequirement(f Facts, j Judgement) Requirement {
	const title = "Nothing that speaks against it"
	switch {
	case f.State == StateHeld:
		return require("held", title, Failed, strings.TrimSpace("The case is on hold. "+f.HeldReason))
	case j.Contrary != "":
		return require("held", title, Failed, j.Contrary)
	}
	return require("held", title, Met, "")
}
