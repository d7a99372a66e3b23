// Package proof puts the evidence behind a sender.Verdict into the words and tables that people read: reviewers on the
// page of a case, operators in inspect. It is pure, decides nothing, and asks nobody. Every string may hold a
// stranger's text; whoever shows it escapes it for the medium.
package proof

import (
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// Evidence is what a verdict rests on, for people (sender-verification 8).
type Evidence struct {
	// Vouched says what is proved and by whom, NotProved what is not.
	Vouched   string `json:"vouched"`
	NotProved string `json:"not_proved"`
	// Steps are the checks in their order.
	Steps []Step `json:"steps"`
	// Name is the display name, decoded: chosen by the sender, not verified.
	Name string `json:"name"`
	// Shared says that strangers have addresses at the domain too, "" if nothing is known of that.
	Shared     string      `json:"shared"`
	Signatures []Signature `json:"signatures"`
	Binding    string      `json:"binding"`
	Freshness  []string    `json:"freshness"`
	Replay     string      `json:"replay"` // "" where nobody looked
	// Earlier tells of earlier mails from the address and with these signers, [] where nobody looked.
	Earlier []string           `json:"earlier"`
	Results sender.AuthResults `json:"results"`
	SPF     string             `json:"spf"`
	Policy  string             `json:"policy"` // DMARC in a sentence
	DMARC   sender.Policy      `json:"dmarc"`
	// Others are the fields that also name a sender.
	Others []Other `json:"others"`
	// Boundary is the Received field of our own server, Claimed the earlier ones, as whoever sent the mail claims.
	Boundary string   `json:"boundary"`
	Claimed  []string `json:"claimed"`
	SHA256   string   `json:"sha256"`
}

// Signature is a DKIM signature with what it covers.
type Signature struct {
	sender.Signature
	Words string    `json:"words"` // why it did not pass
	Cover []Covered `json:"cover"`
}

// Covered says of one field whether a signature covers it.
type Covered struct {
	Field string `json:"field"`
	// State is "signed", "unsigned" (present, and anybody may have changed it), "absent", or "sealed" (absent, and the
	// signature would break if somebody added it).
	State string `json:"state"`
}

// Other is a field beside From that names a sender.
type Other struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Differs bool   `json:"differs"` // names another address than From
}

// covered are the fields of the table of what a signature covers.
var covered = []string{"From", "To", "Cc", "Reply-To", "Sender", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}

// Of explains v. header is the header block of the mail, nil when it is no
// longer kept; what it alone can tell is then left out.
func Of(v sender.Verdict, header []byte) Evidence {
	fields := Fields(header)
	e := Evidence{
		Steps: steps(v), Name: displayName(fields), Signatures: []Signature{}, Freshness: []string{}, Others: []Other{}, Claimed: []string{}, Earlier: []string{},
		Results: v.Results, DMARC: v.DMARC, Boundary: v.Boundary, SHA256: v.SHA256, Binding: binding(v), SPF: spf(v.Results), Policy: policy(v.DMARC),
	}
	if e.Results.Trusted == nil {
		e.Results.Trusted = []string{}
	}
	if e.Results.Results == nil {
		e.Results.Results = []sender.AuthResult{}
	}
	_, domain, _ := strings.Cut(strings.ToLower(v.From), "@")
	if shared(domain) {
		e.Shared = domain + " gives addresses to everybody: only the provider vouches for the part before the @."
	}
	e.Vouched, e.NotProved = vouched(v, domain)
	for _, s := range v.Signatures {
		words, _ := sender.Describe(s.Reason)
		e.Signatures = append(e.Signatures, Signature{Signature: s, Words: words, Cover: cover(s, fields)})
	}
	e.Freshness = append(e.Freshness, freshness(v, fields)...)
	e.Others = append(e.Others, others(v.From, fields)...)
	past := v.Boundary == ""
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "received") {
			continue
		}
		if past {
			e.Claimed = append(e.Claimed, f.Value)
		}
		past = past || squeezed(f.Value) == squeezed(v.Boundary)
	}
	return e
}

// squeezed is s with its white space evened out, for comparing two foldings.
func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }

// displayName is the decoded phrase of From, "" if there is none.
func displayName(fields []Field) string {
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "from") {
			continue
		}
		phrase, _, found := strings.Cut(f.Value, "<")
		if i := strings.LastIndexByte(f.Value, '<'); i >= 0 {
			phrase = f.Value[:i]
		}
		if !found {
			return ""
		}
		phrase = strings.Trim(phrase, " \t")
		if n := len(phrase); n > 1 && phrase[0] == '"' && phrase[n-1] == '"' {
			phrase = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(phrase[1 : n-1])
		}
		if words, err := (&mime.WordDecoder{}).DecodeHeader(phrase); err == nil {
			return words
		}
		return phrase
	}
	return ""
}

// vouched says what a verdict proves, and what it does not.
func vouched(v sender.Verdict, domain string) (proved, not string) {
	const person = "which person wrote the mail, and whether that person may ask"
	switch v.State() {
	case sender.Authenticated:
		return fmt.Sprintf("The domain %s signed this exact message for our mailbox.", domain),
			fmt.Sprintf("This does not prove which person at %s wrote it.", domain)
	case sender.Partial:
		return fmt.Sprintf("The domain %s signed this message, but not everything that binds it to us: see what lowered the verdict.", domain),
			"Not proved: that the mail was meant for us as it stands, " + person + "."
	case sender.Deferred:
		return "Nothing yet: DNS did not answer a question that decides. It is asked again.", "Not proved: that the mail comes from the address it names."
	case sender.Automated:
		return "Nothing: a program wrote this mail. It is never a request and never answered.", "Not proved: that a person wrote it."
	case sender.Quarantine:
		return "Nothing: the mail is ambiguous, forged or repeated.", "Not proved: that it comes from the address it shows. Nothing in it can be relied on."
	}
	if v.Match == sender.MatchNone && v.From != "" {
		return "Nothing about an account: the mail does not come from a registered address.", "Not proved: " + person + "."
	}
	return "Nothing: no signature of the sender's domain holds.", "Not proved: that the mail comes from the address it names. Anybody can write a From line."
}

// cover compares h= with the fields that are there.
func cover(s sender.Signature, fields []Field) []Covered {
	present := map[string]bool{}
	for _, f := range fields {
		present[strings.ToLower(f.Name)] = true
	}
	signed := map[string]bool{}
	for _, name := range s.SignedHeaders {
		signed[strings.ToLower(name)] = true
	}
	out := make([]Covered, 0, len(covered))
	for _, name := range covered {
		c := Covered{Field: name}
		switch in, there := signed[strings.ToLower(name)], present[strings.ToLower(name)]; {
		case in && (there || len(fields) == 0):
			c.State = "signed"
		case in:
			c.State = "sealed"
		case there:
			c.State = "unsigned"
		default:
			c.State = "absent"
		}
		out = append(out, c)
	}
	return out
}

// binding says what binds the best signature to our mailbox.
func binding(v sender.Verdict) string {
	switch v.BoundBy {
	case "to", "cc":
		return "Our mailbox stands in the signed " + map[string]string{"to": "To", "cc": "Cc"}[v.BoundBy] + "."
	case "nonce":
		return "The signed text carries the reference that we mailed to the registered address."
	}
	for _, s := range v.Signatures {
		if s.Result == sender.Pass {
			return "Nothing signed names our mailbox: the mail could be a copy of one that was written to somebody else."
		}
	}
	return "No signature holds, so nothing binds the mail to our mailbox."
}

// freshness compares the times that the mail claims with our own.
func freshness(v sender.Verdict, fields []Field) []string {
	var out []string
	if v.ReceivedAt.IsZero() {
		return nil
	}
	say := func(what string, at time.Time) {
		out = append(out, fmt.Sprintf("%s %s, %s", what, at.UTC().Format("2006-01-02 15:04:05 UTC"), apart(v.ReceivedAt.Sub(at))))
	}
	for _, f := range fields {
		if strings.EqualFold(f.Name, "date") {
			if at, err := mail.ParseDate(f.Value); err == nil {
				say("Date", at)
			} else {
				out = append(out, "Date cannot be read")
			}
		}
	}
	for _, s := range v.Signatures {
		if s.SignedAt > 0 && s.SignedAt < 1<<40 {
			say("Signed by "+s.Domain, time.Unix(s.SignedAt, 0))
		}
	}
	return append(out, "Received "+v.ReceivedAt.UTC().Format("2006-01-02 15:04:05 UTC")+map[bool]string{
		true: ", as our own server wrote", false: ", by the mailbox's clock"}[v.Boundary != ""])
}

// apart is how long before receipt something was, in words.
func apart(d time.Duration) string {
	when := "before it was received"
	if d < 0 {
		d, when = -d, "after it was received"
	}
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s %s", int(d.Seconds()), when)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min %s", int(d.Minutes()), when)
	case d < 72*time.Hour:
		return fmt.Sprintf("%d h %s", int(d.Hours()), when)
	}
	return fmt.Sprintf("%d days %s", int(d.Hours()/24), when)
}

// spf is what our own server found, and why it never counts.
func spf(r sender.AuthResults) string {
	for _, x := range r.Results {
		if x.Method == "spf" {
			return x.Result + ", says our own server. SPF is about the way, not about the author, and never lifts a verdict."
		}
	}
	return ""
}

// policy says what the domain asks for mail that fails.
func policy(p sender.Policy) string {
	switch {
	case p.QueriedAt.IsZero() && p.Record == "":
		return ""
	case p.Record == "":
		return "The domain publishes no DMARC policy."
	case p.Effective == "none":
		return "The domain asks for nothing to be done about unsigned mail in its name (p=none)."
	}
	return fmt.Sprintf("The domain asks to %s mail in its name that fails (DMARC).", map[string]string{"reject": "reject", "quarantine": "set apart"}[p.Effective])
}

// others lists the fields that name a sender too.
func others(from string, fields []Field) []Other {
	var out []Other
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		switch {
		case name == "return-path" || name == "reply-to" || name == "sender" || strings.HasPrefix(name, "resent-"):
			like := from
			if name == "return-path" { // bounces go where the domain likes
				_, like, _ = strings.Cut(from, "@")
			}
			out = append(out, Other{Name: f.Name, Value: f.Value, Differs: strings.Contains(name, "resent") || from != "" && !names(f.Value, like)})
		}
	}
	return out
}

// names reports whether a field holds this address and no other, or one address
// of this domain.
func names(value, addr string) bool {
	list, err := mail.ParseAddressList(value)
	if err != nil || len(list) != 1 {
		return false
	}
	local, domain, _ := strings.Cut(list[0].Address, "@")
	wantLocal, wantDomain, whole := strings.Cut(addr, "@")
	if !whole {
		wantLocal, wantDomain = local, addr
	}
	return local == wantLocal && strings.EqualFold(domain, wantDomain)
}
