package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// The canary is three mails that a careless mail server would pass on to us as
// a forger wrote them (sender-verification 5.8). It goes in by the way that
// strangers' mail takes, and is looked for in the mailbox.

// probe is one mail of the canary.
type probe struct {
	title string
	// top stands above the ordinary fields. ID is replaced by the authserv-id,
	// FROM by the address it claims.
	top string
}

var probes = []probe{
	{"forged Authentication-Results", "Authentication-Results: ID; dkim=pass header.d=canary.invalid; dmarc=pass header.from=canary.invalid\r\n"},
	{"field name with a space", "From : Intruder <intruder@canary.invalid>\r\n"},
	{"first line with a leading space", " From: Intruder <intruder@canary.invalid>\r\n"},
}

// Fate is what became of a probe on its way.
type Fate string

// The fates.
const (
	Rejected Fate = "rejected" // the mail server turned it down
	Stripped Fate = "stripped" // it arrived without what was forged
	AsSent   Fate = "as_sent"  // it arrived as it was sent
	Folded   Fate = "folded"   // the forged line became part of another field
	Missing  Fate = "missing"  // not in the mailbox
)

// Sent is one probe as it was handed in.
type Sent struct {
	Title    string `json:"title"`
	Accepted bool   `json:"accepted"`
	Answer   string `json:"answer"` // the server's
}

// Send hands in the canary through out and returns its id, which says also what
// was refused, and whether it went the way of strangers' mail. authserv is the
// name that the first probe claims to come from.
func (s *Subject) Send(ctx context.Context, out mailbox.PostmanConfig, strangers bool, authserv string) (id string, sent []Sent, err error) {
	if len(s.Addresses) == 0 {
		return "", nil, errors.New("send canary: mailbox.addresses is empty")
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", nil, fmt.Errorf("send canary: %w", err)
	}
	number := hex.EncodeToString(random[:])
	letters := ""
	for i, p := range probes {
		raw := s.probe(p, number, i+1, authserv)
		answer, err := mailbox.HandIn(ctx, out, mailbox.Letter{From: s.From, To: s.Addresses[0], Raw: raw})
		var refused *textproto.Error
		switch {
		case err == nil:
			letters += "a"
		case errors.As(err, &refused) && refused.Code >= 500:
			letters += "r"
			answer = fmt.Sprintf("%d %s", refused.Code, refused.Msg)
		default:
			return "", sent, fmt.Errorf("send canary: %w", err)
		}
		sent = append(sent, Sent{Title: p.title, Accepted: err == nil, Answer: answer})
	}
	return number + "-" + letters + "-" + map[bool]string{true: "mx", false: "own"}[strangers], sent, nil
}

// probe writes one mail of the canary.
func (s *Subject) probe(p probe, number string, n int, authserv string) []byte {
	mark := fmt.Sprintf("%s.%d", number, n)
	_, domain, _ := strings.Cut(s.From, "@")
	return []byte(strings.ReplaceAll(p.top, "ID", authserv) +
		"From: resetdesk doctor <" + s.From + ">\r\nTo: " + s.Addresses[0] + "\r\nSubject: resetdesk canary " + mark + "\r\n" +
		"Date: " + s.now().Format(time.RFC1123Z) + "\r\nMessage-ID: <canary." + mark + "@" + domain + ">\r\nAuto-Submitted: auto-generated\r\n" +
		"X-Resetdesk-Canary: " + mark + "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" +
		"This mail tries whether the mail server in front of this mailbox strips what a\r\nforger would write into a header. It asks for nothing; it may be deleted.\r\n")
}

func (s *Subject) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Arrived is one probe as it was found.
type Arrived struct {
	Title string   `json:"title"`
	Fate  Fate     `json:"fate"`
	Text  string   `json:"text"`
	Order []string `json:"order"` // the names of the fields, top first
	DKIM  string   `json:"dkim"`  // what became of a signature on the way
}

// Report is what the canary tells.
type Report struct {
	Probes []Arrived `json:"probes"`
	// Strangers says that it went the way of strangers' mail.
	Strangers bool `json:"strangers"`
	// Waiting says that something was accepted and is not in the mailbox yet.
	Waiting bool   `json:"waiting"`
	Strip   bool   `json:"strip"` // strip_verified may be set
	TOML    string `json:"toml"`  // lines for [mailbox]
	// Measured says that the lines hold also what the way of the probe showed.
	Measured bool   `json:"measured"`
	Sentence string `json:"sentence"`
}

// ErrCanaryID is returned for an id that Send did not make.
var ErrCanaryID = errors.New("check canary: this is not an id that canary send printed")

// Check looks for the canary in all folders, read-only.
func (s *Subject) Check(ctx context.Context, id, authserv string, resolver sender.Resolver) (Report, error) {
	number, letters, _ := strings.Cut(id, "-")
	letters, way, _ := strings.Cut(letters, "-")
	if _, err := hex.DecodeString(number); err != nil || len(number) != 16 || len(letters) != len(probes) || strings.Trim(letters, "ar") != "" || way != "mx" && way != "own" {
		return Report{}, ErrCanaryID
	}
	found := map[int]mailbox.Glimpsed{}
	for _, folder := range s.Folders {
		mine := func(header []byte) bool { return strings.Contains(string(header), number+".") }
		g, err := mailbox.Peek(ctx, s.Mailbox, folder, 1000, mine)
		if err != nil {
			return Report{}, fmt.Errorf("check canary: %w", err)
		}
		for _, m := range g.Newest {
			for n := range probes {
				if m.Raw != nil && strings.Contains(string(m.Header), fmt.Sprintf("resetdesk canary %s.%d", number, n+1)) {
					found[n] = m
				}
			}
		}
	}
	r := Report{Strangers: way == "mx"}
	for n, p := range probes {
		a := Arrived{Title: p.title, Order: []string{}}
		m, arrived := found[n]
		switch {
		case letters[n] == 'r':
			a.Fate, a.Text = Rejected, "the server turned it down: a forger's mail does not get in this way"
		case !arrived:
			a.Fate, a.Text, r.Waiting = Missing, "accepted, and not in the mailbox (yet); look into the spam folder too", true
		default:
			a = s.arrived(ctx, n, m, authserv, resolver)
		}
		r.Probes = append(r.Probes, a)
	}
	r.conclude(authserv)
	if m, ok := found[0]; ok && r.Strangers {
		r.measure(m.Raw)
	}
	return r, nil
}

// arrived judges one probe that is in the mailbox.
func (s *Subject) arrived(ctx context.Context, n int, m mailbox.Glimpsed, authserv string, resolver sender.Resolver) Arrived {
	a := Arrived{Title: probes[n].title, Fate: Stripped, Text: "it arrived without the forged field", Order: []string{}}
	for i, f := range fieldsOf(m.Raw) {
		if f.Name == "" {
			f.Name = "(no field)"
		}
		a.Order = append(a.Order, f.Name)
		switch {
		case n == 0 && f.Name == "authentication-results" && authservOf(f.Value) == strings.ToLower(authserv) && strings.Contains(f.Value, "canary.invalid"):
			a.Fate, a.Text = AsSent, "it arrived with the forged field: anybody can write results in your server's name"
		case n == 1 && f.Name == "from " && strings.Contains(f.Value, "canary.invalid"):
			a.Fate, a.Text = AsSent, "it arrived with the disguised field; we quarantine such mail (H_BAD_NAME)"
		case n == 2 && strings.Contains(f.Value, "From: Intruder"):
			a.Fate, a.Text = Folded, fmt.Sprintf("the line became part of %s; we quarantine such mail (H_FOLDED_HEADER)", f.Name)
		case n == 2 && i == 0 && f.Name == " from":
			a.Fate, a.Text = AsSent, "it arrived as the first line; we quarantine such mail (H_LEADING_WSP)"
		case n == 2 && f.Name == "from" && strings.Contains(f.Value, "canary.invalid"):
			a.Fate, a.Text = AsSent, "the space was taken away and the line became a second From; we quarantine such mail (H_DUP_FROM)"
		}
	}
	a.DKIM = s.signatureOf(ctx, m.Raw, resolver)
	return a
}

// signatureOf tells whether a signature that our outgoing server made was still
// good when the mail had reached the mailbox.
func (s *Subject) signatureOf(ctx context.Context, raw []byte, resolver sender.Resolver) string {
	if !strings.Contains(strings.ToLower(string(raw[:min(len(raw), peekHead)])), "\ndkim-signature:") {
		return "not signed"
	}
	// Read without the canary's own tricks: they are no business of the signature.
	v := sender.Verify(ctx, sender.Request{Raw: raw, Registered: []string{s.From}, Resolver: resolver, Now: s.now()})
	for _, sig := range v.Signatures {
		if sig.Result == sender.Pass {
			return "survived (" + sig.Domain + ")"
		}
	}
	for _, sig := range v.Signatures {
		if sig.Result != sender.NotChecked {
			words, _ := sender.Describe(sig.Reason)
			return "did not survive: " + words
		}
	}
	return "not checked: the mail is judged by its forged header first"
}

const peekHead = 64 << 10

// conclude says whether strip_verified may be set.
func (r *Report) conclude(authserv string) {
	first, third := r.Probes[0].Fate, r.Probes[2]
	switch {
	case authserv == "":
		r.Sentence = "no authserv-id was tried, so nothing is known about forged results"
	case !r.Strangers:
		r.Sentence = "the canary went through your own SMTP server; only -via, with the server that takes strangers' mail, proves anything about that"
	case first == Missing || third.Fate == Missing:
		r.Sentence = "not all of the canary has arrived; try again in a minute"
	case first == AsSent:
		r.Sentence = "your server lets forged results through: leave strip_verified = false, and have it delete Authentication-Results with its own name from incoming mail (RFC 8601 5)"
	case third.Fate == Folded && strings.Contains(third.Text, "authentication-results"):
		r.Sentence = "a forged line became part of your server's own results: leave strip_verified = false, and have it refuse mail that begins with a space"
	default:
		r.Strip, r.TOML = true, "strip_verified = true"
		r.Sentence = "forged results do not get through"
	}
}

// measure reads off a probe that arrived where our own servers write. Nobody else
// had it in hands: every Received field in it is ours (sender-verification 5.1).
func (r *Report) measure(raw []byte) {
	genuine := fieldsOf(raw)
	received, last := 0, ""
	for _, f := range genuine {
		if f.Name == "received" {
			received, last = received+1, byHost(f.Value)
		}
	}
	if received == 0 {
		return
	}
	t := sender.Trust{Mode: sender.TrustOff, Boundary: received, Position: sender.AboveBoundary}
	if sender.ValidHost(last) {
		t.By = []string{last}
	}
	above := 0
	for _, f := range genuine {
		id := authservOf(f.Value)
		switch {
		case f.Name == "received":
			above++
		case f.Name != "authentication-results" || strings.Contains(f.Value, "canary.invalid") || !sender.ValidAuthservID(id) && id != "":
		case above == received && !r.Strip: // below, where forged ones get through
		default:
			if above == received {
				t.Position = sender.BelowBoundary
			}
			if t.Mode = sender.TrustRFC8601; id == "" {
				t.Mode = sender.TrustExchange
			} else if !slices.Contains(t.AuthservIDs, id) {
				t.AuthservIDs = append(t.AuthservIDs, id)
			}
		}
	}
	r.Measured = true
	r.TOML = lines(t)
	if r.Strip {
		above, _, _ := strings.Cut(r.TOML, "\n#")
		r.TOML = above + "\nstrip_verified = true"
	}
}
