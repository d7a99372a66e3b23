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

// Standing is a place on the lattice that can only fall. The zero value stands
// at Quarantine; none but Verify starts one higher.
type Standing struct{ state State }

// lower puts s at to, if that is worse than where it stands. Nothing raises.
func (s *Standing) lower(to State) {
	if to.rank() < s.state.rank() {
		s.state = to
	}
}

// MarshalText and UnmarshalText keep a standing with the evidence of its mail.
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.state), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Standing) UnmarshalText(b []byte) error {
	s.state = State(b)
	return nil
}

// Verdict is what is known about the sender of one mail, with its evidence.
type Verdict struct {
	Standing Standing `json:"verdict"`
	Match    Match    `json:"match"`
	// From is the addr-spec as written; "" when the gate or the grammar
	// refused it.
	From string `json:"from"`
	// Registered is the registered address From matched or imitated.
	Registered string `json:"registered"`
	// Reasons are the codes that lowered the verdict, in order of discovery, and
	// Flags those worth a look that lowered nothing. The table of [Reasons]
	// explains both.
	Reasons []string `json:"reasons"`
	Flags   []string `json:"flags"`
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
	// Boundary is the Received field that our first mail server wrote, unfolded;
	// "" if it is not known. ReceivedAt is the time of receipt that counted.
	Boundary   string    `json:"boundary"`
	ReceivedAt time.Time `json:"received_at"`
	// BoundBy is what binds the best signature to our mailbox: "to", "cc",
	// "nonce" or "".
	BoundBy string `json:"bound_by"`
	// Results is what our own mail server found out.
	Results AuthResults `json:"results"`
	// DMARC is the policy of the From domain, if it was asked for.
	DMARC Policy `json:"dmarc"`
}

// State is where the mail stands.
func (v Verdict) State() State { return v.Standing.state }

// Lower records a reason and puts the verdict where the table of [Reasons] says
// that this reason forces it, if that is worse than where it stands. There is no
// function that raises.
func (v *Verdict) Lower(code string) {
	v.Standing.lower(forces(code))
	if !slices.Contains(v.Reasons, code) {
		v.Reasons = append(v.Reasons, code)
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
	// the mail again later needs it. KeyFlags is its t=.
	KeyRecord string `json:"key_record"`
	KeyFlags  string `json:"key_flags"`
	// QueriedAt is when DNS gave the record, zero if it was not asked. DNSSEC
	// says that the resolver vouched for the answer (the AD bit); evidence only.
	QueriedAt time.Time `json:"queried_at"`
	DNSSEC    bool      `json:"dnssec"`
	// BodyHash is bh=, in base64.
	BodyHash string `json:"body_hash"`
}

// AuthResults is what Authentication-Results fields (RFC 8601) say.
type AuthResults struct {
	// Trusted are the fields in the trusted position, verbatim but unfolded.
	Trusted []string `json:"trusted"`
	// Untrusted is how many others there are. Whoever wrote the mail may have
	// written those.
	Untrusted int `json:"untrusted"`
	// Results are the results of the trusted fields.
	Results []AuthResult `json:"results"`
}

// AuthResult is one result of a trusted Authentication-Results field.
type AuthResult struct {
	Method string `json:"method"` // lower case, such as "dkim"
	Result string `json:"result"` // lower case, such as "pass"
	// Properties are what the result is about, such as "header.d", in lower case.
	Properties map[string]string `json:"properties"`
}

// Policy is what DMARC (RFC 9989) says about mail of the From domain.
type Policy struct {
	// Domain is where the record that applies was found, "" if there is none,
	// and Record its text.
	Domain string `json:"domain"`
	Record string `json:"record"`
	// Effective is "none", "quarantine" or "reject"; "" without a record.
	Effective string `json:"effective"`
	// QueriedAt is when DNS was asked, zero if it was not. DNSSEC as in
	// [Signature].
	QueriedAt time.Time `json:"queried_at"`
	DNSSEC    bool      `json:"dnssec"`
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
	// Trust says what of our own mail servers' work can be told from claims.
	Trust Trust
	// Nonces are unexpired references that our letters carry.
	Nonces []Nonce
	// Relaxed lets a signature of a parent or child of the From domain count, as
	// Partial with D_RELAXED.
	Relaxed bool
	// Strangers lets DNS be asked about domains that are no registered address's
	// too. Their name servers may be slow on purpose.
	Strangers bool
	// Resolver answers DNS. Without one no signature can pass.
	Resolver Resolver
	// LastTry says that the time for retries is over: what DNS cannot answer
	// now is Unverified and no longer Deferred.
	LastTry bool
}

// TrustMode says which Authentication-Results fields can be our own server's.
type TrustMode string

// The modes (sender-verification 5.1). The zero value is TrustOff.
const (
	// TrustOff: none counts, for good or ill.
	TrustOff TrustMode = "off"
	// TrustRFC8601: those with one of our authserv-ids in the trusted position.
	TrustRFC8601 TrustMode = "rfc8601"
	// TrustExchange: the one in the trusted position, which has no authserv-id.
	TrustExchange TrustMode = "exchange-online"
)

// TrustPosition is where our server puts its Authentication-Results.
type TrustPosition string

// The positions (sender-verification 5.3). The zero value is AboveBoundary.
const (
	// AboveBoundary: between the top and the boundary Received.
	AboveBoundary TrustPosition = "above-boundary"
	// BelowBoundary: right below the boundary Received, in one run. Counts only
	// with StripVerified.
	BelowBoundary TrustPosition = "below-boundary"
)

// Trust is the configuration of sender-verification 5.1. The zero value trusts
// nothing.
type Trust struct {
	Mode TrustMode
	// AuthservIDs are the names that our servers write into the field.
	AuthservIDs []string
	// Boundary is which Received field, counted from the top and from 1, our
	// first mail server wrote. 0 means unknown: then all of them are claims.
	Boundary int
	// By are the host names it writes behind "by"; empty means any.
	By       []string
	Position TrustPosition
	// StripVerified says that somebody saw our server delete fields with our
	// authserv-id that came from outside.
	StripVerified bool
}

// Nonce is a secret reference of a case, and the registered address whose
// letter carried it.
type Nonce struct{ Token, Address string }
