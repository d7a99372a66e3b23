package review

import "time"

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
	Imitations        time.Duration // a mail that imitated the address within this before the request is High
	NoticeGrace       time.Duration // a notice that the mail server puts off for so long counts as out
	// VouchedWait is the waiting period of Low, if it is shorter, when the panel
	// vouches for the user's password: it saw it verified from VouchedWithin before
	// the request on.
	VouchedWait, VouchedWithin time.Duration
	// VoteLifetime is how long a vote counts: from the moment of the vote, or from
	// the end of the waiting period that it has to outlast. An owner who confirms
	// later finds the desk asking for a fresh look.
	VoteLifetime time.Duration
	// Evidence are the operator's own rows, in the order of the page.
	Evidence []EvidenceRule
	// Alone lets the reviewer who opened a case by hand be the only one who approves
	// it, where one approval is enough; the audit says so. Else somebody else has to.
	Alone bool
}

// The presets of design 4.
var (
	Balanced  = preset("balanced", Tier{1, 2 * time.Hour}, Tier{1, 12 * time.Hour}, Tier{2, 24 * time.Hour}, 0)
	Cautious  = preset("cautious", Tier{2, 24 * time.Hour}, Tier{2, 48 * time.Hour}, Tier{2, 72 * time.Hour}, 24*time.Hour)
	SmallTeam = alone("small-team", Tier{1, 4 * time.Hour}, Tier{1, 24 * time.Hour}, Tier{1, 72 * time.Hour}, 4*time.Hour)
)

func preset(name string, low, medium, high Tier, vouched time.Duration) Policy {
	const day = 24 * time.Hour
	return Policy{Name: name, Low: low, Medium: medium, High: high, Hold: 72 * time.Hour, LinkLifetime: day,
		CaseLifetime: 14 * day, FreshAddress: 14 * day, RepeatReset: 30 * day, Imitations: 14 * day,
		NoticeGrace: 4 * time.Hour, VouchedWait: vouched, VouchedWithin: day, VoteLifetime: day}
}

// alone is a preset for one person on duty.
func alone(name string, low, medium, high Tier, vouched time.Duration) Policy {
	p := preset(name, low, medium, high, vouched)
	p.Alone = true
	return p
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
	State             State
	HeldReason        string
	Threat            bool      // the switch of the desk is on
	FrozenUntil       time.Time // until then no user of the account is reset; zero: not frozen
	FrozenReason      string
	Account, User     string    // "" while unresolved
	Verdict, Match    string    // of the mail that opened the case; fromPanel or byHand if none did
	PasswordGiven     bool      // who asked in the panel proved a password there
	Enrolled          bool      // the user's second factor is on
	UserAddress       bool      // the user has an address of his own, for the pass
	ConfirmedAt       time.Time // the owner's yes of this round
	Objected          bool      // the owner's no of this round
	OtherVotes        int       // those of Votes that are not of who opened the case by hand
	Votes             int       // distinct persons whose vote of this round and generation has not expired
	VotedAt           time.Time // the newest of these votes
	Evidence          []Proof   // the newest row of each name, of this round
	NoticesOutAt      time.Time // zero until every notice is sent or given up
	AskRefused        bool      // every acknowledgement of this round was refused or came back and none was answered: the owner has to be asked again
	Opened, Watched   time.Time // Watched: from when an accepted code is contrary evidence
	VerifiedAt        time.Time // the user's last accepted code
	AddressSince      time.Time // of the registered address that asked
	ImportedAt        time.Time // of the account: its first addresses are not a change
	UserChanged       time.Time // when the user's own address, where the pass goes, was last changed; zero: never
	ContactEnded      time.Time // when an address of the account was last taken away; zero: never
	LastReset         time.Time // an earlier reset of this user
	Quarantined       int       // mails that imitated this address lately
	LoggedInAt        time.Time // the panel saw a login with the second factor; zero: none since Watched
	VouchedAt         time.Time // the panel saw the user's password verified; zero: not since Policy.VouchedWithin before Opened
	Circular          string    // the domain of the account on which the registered address lives, "" if none
	Sharing           int       // other accounts with the same registered address
	Cases30, Cases365 int       // earlier cases of the account within 30 and 365 days before Opened
	LastOutcome       State     // of the newest of them, "" if there is none
}

// fromPanel is the verdict of a case that was asked for in the control panel: no
// mail was checked.
const fromPanel = "panel"

// byHand is the verdict of a case that a reviewer opened, for a call or a ticket.
const byHand = "hand"

// signedIn reports whether somebody had the second factor after the request.
func (f Facts) signedIn() bool { return f.VerifiedAt.After(f.Watched) || !f.LoggedInAt.IsZero() }

// vouched reports whether the panel vouches for the user's password.
func (f Facts) vouched(p Policy) bool {
	return !f.VouchedAt.IsZero() && f.Opened.Sub(f.VouchedAt) <= p.VouchedWithin
}

// A Judgement is what policy says of the facts at one moment.
type Judgement struct {
	Risk         Risk
	Requirements []Requirement
	Approvals    int       // votes needed
	WaitUntil    time.Time // zero while the notices are not out
	Vouched      bool      // the panel vouches for the password, so the wait is the shorter one
	Contrary     string    // reason to hold the case at once, or ""
	VotesUntil   time.Time // until when a vote of now would count
	Alone        bool      // nobody but who opened the case by hand approved, and the policy lets that be
	Mandatory    int       // rows of evidence that must be answered
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

// open reports whether a requirement waits for somebody.
func (j Judgement) open(name string) bool {
	for _, r := range j.Requirements {
		if r.Name == name {
			return r.State == Unmet
		}
	}
	return false
}

// maxVote is how long the schema lets a vote count at most.
const maxVote = 90 * 24 * time.Hour

// Judge computes risk and requirements. It is pure: the same facts, policy and
// time always give the same judgement.
func Judge(f Facts, p Policy, now time.Time) Judgement {
	p.Threat = p.Threat || f.Threat
	j := Judgement{Risk: risk(f, p)}
	tier := p.tier(j.Risk.Level)
	j.Approvals = tier.Approvals
	j.Alone = f.Verdict == byHand && f.OtherVotes == 0 && p.Alone && j.Approvals == 1
	if j.Risk.Level == Low && f.vouched(p) && p.VouchedWait < tier.Wait {
		j.Vouched, tier.Wait = true, p.VouchedWait
	}
	j.VotesUntil = now.Add(tier.Wait + p.VoteLifetime)
	if !f.NoticesOutAt.IsZero() {
		j.WaitUntil = f.NoticesOutAt.Add(tier.Wait)
		for _, t := range []time.Time{f.Watched, f.ConfirmedAt, f.VotedAt} {
			if t.After(now) { // the clock was set back: nothing is cleared before what it rests on
				j.WaitUntil = latest(j.WaitUntil, t)
			}
		}
		j.VotesUntil = latest(now, j.WaitUntil).Add(p.VoteLifetime)
	}
	if last := now.Add(maxVote); j.VotesUntil.After(last) { // the clock ran far ahead when the notices went out
		j.VotesUntil = last
	}
	if f.signedIn() {
		j.Contrary = "The user signed in with the second factor after the request came in."
	}
	if f.UserChanged.After(f.Watched) || f.ContactEnded.After(f.Watched) {
		j.Contrary = "An address of the account was changed after the request came in."
	}
	j.Requirements = []Requirement{
		senderRequirement(f), resolvedRequirement(f), enrolledRequirement(f), confirmedRequirement(f),
		approvalsRequirement(f, j), waitingRequirement(f, j, now), evidenceRequirement(f, p, &j), nothingHeldRequirement(f, j, now),
	}
	return j
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
