package sender

import (
	"context"
	"slices"
	"time"
)

// State is where a mail stands on the lattice. The zero value counts as
// Quarantine, so that a verdict nobody filled in is the worst one.
type State string

// The states, best first. "Worst wins" (sender-verification 2).
const (
	// Authenticated: every condition of sender-verification 4 holds. It proves
	// a domain, not a person.
	Authenticated State = "authenticated"
	// Partial: the From domain signed this message, but a binding is missing.
	Partial State = "partial"
	// Unverified: well formed, but nothing proves it came from the registered
	// address; also every mail from another address.
	Unverified State = "unverified"
	// Deferred: DNS could not answer a question that decides; ask again later.
	Deferred State = "deferred"
	// Automated: a bounce, an automatic reply, list mail or our own mail
	// coming back. Never a request, never answered.
	Automated State = "automated"
	// Quarantine: ambiguity, forgery or replay.
	Quarantine State = "quarantine"
)

// rank orders the states; what is not a state ranks with Quarantine.
func (s State) rank() int {
	switch s {
	case Authenticated:
		return 5
	case Partial:
		return 4
	case Unverified:
		return 3
	case Deferred:
		return 2
	case Automated:
		return 1
	}
	return 0
}

// AtLeast reports whether s stands as high as floor, or higher.
func (s State) AtLeast(floor State) bool { return s.rank() >= floor.rank() }

// Match says how the From address relates to the registered ones
// (sender-verification 3.3).
type Match string

// The matches.
const (
	// MatchExact: the local part is byte for byte the same, the domain too but
	// for ASCII case.
	MatchExact Match = "exact"
	// MatchCaseVariant: as exact, but the local part differs in ASCII case.
	MatchCaseVariant Match = "case_variant"
	// MatchLookalike: the same local part at a domain made to be misread.
	MatchLookalike Match = "lookalike"
	// MatchNone: another address, or none that could be read.
	MatchNone Match = "none"
)

// Verdict is what is known about the sender of one mail, with its evidence.
type Verdict struct {
	State State `json:"verdict"`
	Match Match `json:"match"`
	// From is the addr-spec as written; "" when the gate or the grammar
	// refused it.
	From string `json:"from"`
	// Registered is the registered address From matched or imitated.
	Registered string `json:"registered"`
	// Reasons are the codes that lowered the verdict, in order of discovery.
	Reasons []string `json:"reasons"`
	// Flags are codes worth a reviewer's look that lowered nothing.
	Flags []string `json:"flags"`
	// Signatures has one entry for each DKIM-Signature field, top first.
	Signatures []Signature `json:"signatures"`
	// Fingerprints names the passing signatures (domain, selector, hash of
	// b=). The caller looks them up: one seen before, under another mailbox
	// identity, is a replay: Lower(Quarantine, "R_REPLAY")
	// (sender-verification 4, condition 4).
	Fingerprints []string `json:"fingerprints"`
	// MessageID is the Message-ID without its angle brackets, for the same
	// look-up. "" if absent or malformed.
	MessageID string `json:"message_id"`
	// SHA256 is the hash of the raw bytes, in hex.
	SHA256 string `json:"sha256"`
}

// Lower puts the verdict at to, if that is worse than where it stands, and
// records the reason in any case. There is no function that raises.
func (v *Verdict) Lower(to State, reason string) {
	if to.rank() < v.State.rank() {
		v.State = to
	}
	if !slices.Contains(v.Reasons, reason) {
		v.Reasons = append(v.Reasons, reason)
	}
}

// flag records a code that lowers nothing.
func (v *Verdict) flag(code string) {
	if !slices.Contains(v.Flags, code) {
		v.Flags = append(v.Flags, code)
	}
}

// The results a Signature can have.
const (
	// Pass: the signature verifies and its key may be used.
	Pass = "pass"
	// Fail: it does not, or it may not be used (see Reason).
	Fail = "fail"
	// TempError: DNS gave no answer.
	TempError = "temperror"
	// NotChecked: it could not have decided anything and was not looked up.
	NotChecked = "not_checked"
)

// Signature is the evidence of one DKIM-Signature field (RFC 6376 3.5).
type Signature struct {
	Domain        string   `json:"domain"` // d=, as written
	Selector      string   `json:"selector"`
	Algorithm     string   `json:"algorithm"`
	KeyBits       int      `json:"key_bits"` // 0 if no key was read
	SignedHeaders []string `json:"signed_headers"`
	// SignedAt and Expires are t= and x= in Unix seconds, 0 if absent.
	SignedAt int64 `json:"signed_at"`
	Expires  int64 `json:"expires"`
	// Result is one of Pass, Fail, TempError, NotChecked.
	Result string `json:"result"`
	// Reason is the code of why it did not pass, "" if it did.
	Reason string `json:"reason"`
	// KeyRecord is the TXT record used. Keys rotate; whoever wants to verify
	// the mail again later needs it.
	KeyRecord string `json:"key_record"`
	// BodyHash is bh=, in base64.
	BodyHash string `json:"body_hash"`
}

// Resolver looks up TXT records. name is absolute and ends in a dot. Each
// element of the answer is one record, its strings joined. A name without TXT
// records is a *net.DNSError with IsNotFound; every other error counts as
// temporary. *DNS and *net.Resolver are Resolvers.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Request is one mail to judge and what is needed to judge it.
type Request struct {
	// Raw is the mail, octet for octet as BODY.PEEK[] gave it.
	Raw []byte
	// Truncated says that Raw is only the beginning of the mail.
	Truncated bool
	// Registered are the registered addresses the mail may be about: a small
	// list that the caller looked up by Candidates and Skeleton.
	Registered []string
	// Mailboxes are our own addresses, which a signature must bind.
	Mailboxes []string
	// Received is our own clock at receipt (IMAP INTERNALDATE); zero if not
	// known. The boundary Received field goes before it.
	Received time.Time
	// Now is the present. Zero means time.Now().
	Now time.Time
	// AuthservIDs are the names our own mail servers write into
	// Authentication-Results. Those fields are not used yet.
	AuthservIDs []string
	// Boundary is which Received field, counted from the top and from 1, our
	// first mail server wrote. 0 means unknown: then all of them are claims.
	Boundary int
	// Resolver answers DNS. Without one no signature can pass.
	Resolver Resolver
	// LastTry says that the time for retries is over: what DNS cannot answer
	// now is Unverified and no longer Deferred.
	LastTry bool
}
