package review

import (
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
)

// A Reviewer is one person of the support staff.
type Reviewer struct {
	ID     int64
	Name   string
	Email  string
	Role   Role
	Holder string // the reviewer's id in package totp, "staff:<n>", after a reset "staff:<n>:<m>"
	// Of the one who is signed in:
	Passkeys int // how many there are
	Preferences
}

// Preferences are how a reviewer wants the pages.
type Preferences struct {
	Keys bool // single keys are shortcuts
	UTC  bool // times are in UTC, not in the browser's zone
}

// State is the state of a case (design 4).
type State string

// The states of a case.
const (
	StateOpen        State = "open"
	StateHeld        State = "held"
	StateClearing    State = "clearing"
	StateCleared     State = "cleared"
	StateUndone      State = "undone"
	StateRejected    State = "rejected"
	StateWithdrawn   State = "withdrawn"
	StateDuplicate   State = "duplicate"
	StateNotARequest State = "not_a_request"
	StateExpired     State = "expired"
)

var states = []State{StateOpen, StateHeld, StateClearing, StateCleared, StateUndone, StateRejected, StateWithdrawn, StateDuplicate, StateNotARequest, StateExpired}

// Closed reports whether no further decision can be made.
func (s State) Closed() bool { return s != StateOpen && s != StateHeld && s != StateClearing }

// Tab is one list of the queue page.
type Tab string

// The tabs of the queue page. Review, Owner, Waiting and Held divide the open
// cases by what they wait for; Closed are decided cases; Parked and Quarantine
// are mails without a case. Mine are the open cases that the reviewer claimed.
const (
	TabReview     Tab = "review"
	TabOwner      Tab = "owner"
	TabWaiting    Tab = "waiting"
	TabHeld       Tab = "held"
	TabMine       Tab = "mine"
	TabClosed     Tab = "closed"
	TabParked     Tab = "parked"
	TabQuarantine Tab = "quarantine"
)

// A QueueFilter chooses what one page of the queue shows; empty parts choose all.
// Query and Account look through all lists, whatever the tab.
type QueueFilter struct {
	Tab     Tab
	Risk    RiskLevel
	Verdict string // of the sender check, "panel" or "hand"
	Claim   string // "none", "mine" or "any"
	Account string // its number
	Query   string // words: beginnings of case number, account, user, address, Message-ID
	After   string // the Next of the page before
}

// Found reports whether the filter looks through all lists.
func (f QueueFilter) Found() bool { return f.Query != "" || f.Account != "" }

// A QueuePage is one page of the queue. Cases is filled for lists of cases, Mails
// for lists of mails.
type QueuePage struct {
	QueueFilter
	Counts map[Tab]int
	Cases  []QueueRow
	Mails  []MailRow
	Next   string    // cursor of the next page; "" at the end
	More   bool      // more were found than can be shown: the query should say more
	At     time.Time // when it was read, for [Desk.Pulse]
}

// A QueueRow is one case in the queue.
type QueueRow struct {
	Number      string
	Version     int64
	State       State
	Tab         Tab
	AccountID   string // "" while unresolved
	AccountName string
	UserLogin   string // "" while unresolved
	Requester   string
	Verdict     string // sender verdict of the mail that opened it; "panel" or "hand" if none did
	Match       string // "" if none did
	Subject     string
	Excerpt     string
	Risk        RiskLevel
	Reason      string // the first one of the risk
	Opened      time.Time
	Due         time.Time // end of the waiting period, or expiry; of a closed case when it was closed
	WaitsFor    string    // in words
	Approvals   int
	Needed      int
	ClaimedBy   string // a reviewer's name; "" if nobody's
	Mine        bool   // claimed by who looks
}

// A MailRow is one mail that has no case.
type MailRow struct {
	ID       int64     `json:"id"`
	Received time.Time `json:"received"`
	From     string    `json:"from"`
	Subject  string    `json:"subject"`
	Excerpt  string    `json:"excerpt"`
	Fate     string    `json:"fate"`
	Reason   string    `json:"reason"`
	Verdict  string    `json:"sender"`
}

// RiskLevel is Low, Medium or High.
type RiskLevel string

// The risk levels (design 4).
const (
	Low    RiskLevel = "low"
	Medium RiskLevel = "medium"
	High   RiskLevel = "high"
)

// Risk is a level, never without its reasons in words.
type Risk struct {
	Level   RiskLevel `json:"level"`
	Reasons []string  `json:"reasons"`
}

// ReqState says how far a requirement is.
type ReqState string

// The states of a requirement. Failed cannot become met by waiting.
const (
	Met    ReqState = "met"
	Unmet  ReqState = "open"
	Failed ReqState = "failed"
)

// A Requirement is one safeguard of the transition that clears. The desk clears
// when all are met.
type Requirement struct {
	Name  string   `json:"name"`
	Title string   `json:"title"`
	State ReqState `json:"state"`
	Why   string   `json:"why"`
}

// A Check is one row of evidence for the reviewer.
type Check struct {
	Title    string
	Result   string // pass, warn, fail, unknown
	Evidence string
	Why      string // why it matters
}

// A CaseView is everything the case page shows, read in one snapshot.
type CaseView struct {
	Number, Requester      string
	State                  State
	Version                int64
	EvidenceHash           string // hex; the vote says that this was on the screen
	AccountID, AccountName string
	UserID, UserLogin      string
	UserName               string
	AccountChoices         []AccountChoice // while the account is open
	UserChoices            []UserChoice    // while the user is open
	InPanel                bool            // asked for in the control panel, not by mail
	Hand                   *HandView       // what a reviewer wrote down who opened it; nil if none did
	Requests               []PanelRequestView
	Notes                  []Note
	Risk                   Risk
	Requirements           []Requirement
	Checks                 []Check
	Mails                  []MailView // the opening mail first
	Approvals              []Vote
	Letters                []LetterView
	Timeline               []Event
	Opened, Expires        time.Time
	WaitUntil              time.Time // zero until the notices are out
	ApprovalsNeeded        int
	HeldBy, HeldReason     string
	HeldUntil              time.Time // when a person wants to look again; zero: no time was set
	FrozenUntil            time.Time // no user of the account is reset until then; zero or past: not frozen
	Claim                  CaseClaim // who works on it; zero: nobody
	Evidence               []EvidenceRow
	DNS                    []DNSTask       // records that would prove a domain of the account
	Vouchers               []AccountChoice // second admins who may be asked, masked
	Related                []AccountChoice // other cases of the account that are no duplicates
	ClosedAt               time.Time
	ClosedBy, CloseReason  string
	HoldUntil              time.Time  // of a cleared case: until then it can be undone
	Frozen                 bool       // the user is locked since an undo
	PassOpen               bool       // a pass was mailed and not used yet
	Enrolled               bool       // the user has an active factor now
	Contacts               []string   // masked, who is told
	Earlier, Later         []CaseLink // the closed case that this one comes back to; those that came back to this one
	ObjectedAfter          time.Time  // of a cleared case: a contact objected by mail since
	PreviewSubject         string     // the "cleared" mail as it would go out
	PreviewText            string
}

// A CaseLink names another case.
type CaseLink struct {
	Number string
	State  State
	Opened time.Time
}

// An AccountChoice is a candidate while the account is open.
type AccountChoice struct{ ID, Name string }

// A UserChoice is a user of the case's account.
type UserChoice struct{ ID, Login, Name string }

// A MailView is a mail as the reviewer reads it. All text is untrusted.
type MailView struct {
	ID                          int64
	Role                        string // opened, attached, replied or foreign, or the fate of a mail without a case
	Says                        string // what it says to its case: object, withdraw, thanks, question, facts, request, or ""
	Received                    time.Time
	FromLine, From, Registered  string // From is the address, Registered what it is compared with
	FromPoints                  string // non-ASCII characters of the From line by code point
	ReplyTo, To                 string
	Subject, Text, Quoted       string
	Forwarded, ForwardedFrom    string // somebody else's words that the writer passes on, and whose they claim to be
	ForwardCounts               bool   // the writer endorses them: they are the request
	SubjectPieces, TextPieces   []Piece
	ForwardedPieces             []Piece
	ForwarderPieces             []Piece
	Named                       []NamedUser
	Header, Source              string // raw, made printable
	Verdict, Match              string
	Reasons, Flags              []Reason
	Score                       float64
	Language                    string
	Signals                     []string
	HiddenText                  string
	LinkMismatches, Attachments []string
	Problems                    []string
	Truncated, HTMLOnly         bool
	Fate, FateReason            string
	Sender                      *proof.Evidence // nil while nobody has judged the mail
}

// MayOpen reports whether a person may make a case of the mail: it waits, and it
// says that it comes from a registered address.
func (m MailView) MayOpen() bool {
	match := sender.Match(m.Match)
	return m.Fate == "parked" && (match == sender.MatchExact || match == sender.MatchCaseVariant)
}

// A PanelRequestView is a request of the control panel as the reviewer reads it.
// Note and Agent are a stranger's text.
type PanelRequestView struct {
	Login, Role     string
	PasswordAt      time.Time // zero: the panel verified none
	Note, IP, Agent string
	Received        time.Time
}

// A Note is what the panel added to a case.
type Note struct {
	ID           int64
	Author, Text string
	At           time.Time
}

// A Reason is a code of mailbox/sender with its sentence for staff.
type Reason struct{ Code, Text string }

// A Vote is a recorded approval.
type Vote struct {
	Reviewer string
	At       time.Time
	Until    time.Time // it counts until then
	Reason   string
	Counts   bool // made in the present round, and not expired
}

// An EvidenceRow is a row of the operator's own, with its newest answer in the present
// round and what was answered before.
type EvidenceRow struct {
	EvidenceRule
	Proof     Proof // without a Result: not answered yet
	Mandatory bool  // at the risk of the case
}

// A LetterView is a letter of the case; the recipient is masked.
type LetterView struct {
	Kind, Recipient, Subject, State, Response string
	At                                        time.Time
	Attempt                                   int
}

// An Event is one audit event in words.
type Event struct {
	Seq           int64
	At            time.Time
	Actor, Action string
	Object        string
	Detail        string
	IP, Request   string // where it came from, "" if from no request
}

// An OwnerView is the page behind a link of a letter. Found is false for an
// unknown, foreign or expired link alike: such a page says nothing else.
type OwnerView struct {
	Found        bool
	Purpose      string // confirm, object, undo
	Locale       string
	Brand, Phone string
	Number       string
	Account      string // masked
	User         string // login; "" while unresolved
	Requester    string // masked
	InPanel      bool   // asked for in the control panel, not by mail
	By           string // "phone" or "ticket" if a reviewer wrote the request down
	Requested    time.Time
	Expires      time.Time
	State        State
	Step         int // 1 received, 2 confirmed, 3 review, 4 done
	CanAnswer    bool
	CanUndo      bool
	Answered     string // yes, no, or ""
	Choices      []UserChoice
	WaitUntil    time.Time
	Ahead        int // open cases before this one
}
