package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
	"golang.org/x/net/publicsuffix"
)

// fieldsOf cuts a header block into fields with their names in lower case.
func fieldsOf(header []byte) []proof.Field {
	fields := proof.Fields(header)
	for i := range fields {
		fields[i].Name = strings.ToLower(fields[i].Name)
	}
	return fields
}

// uncommented is s without its comments (RFC 5322 3.2.2).
func uncommented(s string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth = max(depth-1, 0)
		default:
			if depth == 0 {
				b.WriteByte(s[i])
			}
		}
	}
	return b.String()
}

// byHost is the server that wrote a Received field.
func byHost(value string) string {
	words := strings.Fields(uncommented(value))
	for i := range len(words) - 1 {
		if strings.EqualFold(words[i], "by") {
			return strings.ToLower(strings.TrimRight(words[i+1], ";"))
		}
	}
	return "?"
}

// authservOf is the id in front of an Authentication-Results field, "" for the
// form of Exchange Online, which has none (sender-verification 5.6).
func authservOf(value string) string {
	id, _, _ := strings.Cut(uncommented(value), ";")
	words := strings.Fields(id)
	if len(words) == 0 || strings.Contains(words[0], "=") {
		return ""
	}
	return strings.ToLower(words[0])
}

// order is how the headers of a mailbox are built from the top.
type order struct {
	mails   int
	hosts   []map[string]int       // by Received from the top: who wrote it
	results map[string]map[int]int // authserv-id -> Received fields above it -> how often
}

func orderOf(headers [][]byte) order {
	o := order{results: map[string]map[int]int{}}
	for _, h := range headers {
		o.mails++
		received := 0
		for _, f := range fieldsOf(h) {
			switch f.Name {
			case "received":
				if received == len(o.hosts) {
					o.hosts = append(o.hosts, map[string]int{})
				}
				o.hosts[received][byHost(f.Value)]++
				received++
			case "authentication-results":
				id := authservOf(f.Value)
				if o.results[id] == nil {
					o.results[id] = map[int]int{}
				}
				o.results[id][received]++
			}
		}
	}
	return o
}

// boundary guesses how many Received fields from the top are our own: those that
// one server, or servers of one domain, wrote in nine mails of ten, and that can
// belong together with the first. With few mails it does not guess. It is a guess
// from what strangers sent; the canary measures.
func (o order) boundary() int {
	first := ""
	for n, hosts := range o.hosts {
		total, most, host := 0, 0, ""
		for _, by := range []func(string) string{func(s string) string { return s }, registeredDomain} {
			counts := map[string]int{}
			total = 0
			for name, count := range hosts {
				total += count
				counts[by(name)] += count
			}
			for _, name := range slices.Sorted(maps.Keys(counts)) {
				if counts[name] > most {
					most, host = counts[name], name
				}
			}
			if most*10 >= total*9 {
				break
			}
		}
		if n == 0 {
			first = host
		}
		if o.mails < 5 || total*10 < o.mails*9 || most*10 < total*9 || !related(first, host) {
			return n
		}
	}
	return len(o.hosts)
}

// registeredDomain is the domain that somebody registered, or the whole name.
func registeredDomain(host string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}

// related tells whether two hosts can belong together: one registered domain, or
// a name that only its own network knows.
func related(a, b string) bool {
	if !strings.Contains(b, ".") {
		return true
	}
	return a == b || registeredDomain(a) == registeredDomain(b)
}

// lines describe the order for people.
func (o order) lines() []string {
	var out []string
	for i, hosts := range o.hosts[:min(len(o.hosts), 4)] {
		out = append(out, fmt.Sprintf("Received %d from the top was written by %s", i+1, commonest(hosts)))
	}
	for _, id := range slices.Sorted(maps.Keys(o.results)) {
		shown := id
		if id == "" {
			shown = "(no authserv-id: Exchange Online)"
		}
		for _, above := range slices.Sorted(maps.Keys(o.results[id])) {
			out = append(out, fmt.Sprintf("Authentication-Results of %s below %d Received in %d of %d mails", shown, above, o.results[id][above], o.mails))
		}
	}
	return out
}

func commonest(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var out []string
	for _, name := range names[:min(len(names), 3)] {
		out = append(out, fmt.Sprintf("%s (%d)", name, counts[name]))
	}
	if len(names) > 3 {
		out = append(out, fmt.Sprintf("%d others", len(names)-3))
	}
	return strings.Join(out, ", ")
}

// advice reads it off the order: an id that at least half of the mails carry at
// one place, above our boundary or right below it (sender-verification 5.3).
func (o order) advice() sender.Trust {
	t := sender.Trust{Mode: sender.TrustOff, Boundary: o.boundary(), Position: sender.AboveBoundary}
	if t.Boundary > 0 {
		for _, host := range slices.Sorted(maps.Keys(o.hosts[t.Boundary-1])) {
			if o.hosts[t.Boundary-1][host]*10 >= o.mails && sender.ValidHost(host) {
				t.By = append(t.By, host)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(o.results)) {
		above, below := 0, 0
		for received, n := range o.results[id] {
			switch {
			case received < t.Boundary:
				above += n
			case received == t.Boundary && t.Boundary > 0:
				below += n
			}
		}
		position, n := sender.AboveBoundary, above
		if below > above {
			position, n = sender.BelowBoundary, below
		}
		if n*2 < o.mails || n == 0 || t.Mode != sender.TrustOff && t.Position != position {
			continue
		}
		switch {
		case id == "" && t.Mode == sender.TrustOff:
			t.Mode, t.Position = sender.TrustExchange, position
		case id != "" && sender.ValidAuthservID(id) && (position == sender.AboveBoundary || o.ours(id, t.Boundary)):
			t.Mode, t.Position = sender.TrustRFC8601, position
			t.AuthservIDs = append(t.AuthservIDs, id)
		}
	}
	return t
}

// ours tells whether an id below the boundary can be that of the server which
// wrote the boundary: the next line down is already a stranger's to write.
func (o order) ours(id string, boundary int) bool {
	for host := range o.hosts[boundary-1] {
		if host == id || registeredDomain(host) == registeredDomain(id) {
			return true
		}
	}
	return false
}

// lines writes trust as lines for the section [mailbox].
func lines(t sender.Trust) string {
	list := func(names []string) string {
		quoted := make([]string, len(names))
		for i, n := range names {
			quoted[i] = fmt.Sprintf("%q", n)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	out := fmt.Sprintf("boundary = %d", t.Boundary)
	if len(t.By) > 0 {
		out += "\nboundary_by = " + list(t.By)
	}
	if t.Mode == sender.TrustOff {
		return out
	}
	out += fmt.Sprintf("\ntrust_mode = %q", t.Mode)
	if len(t.AuthservIDs) > 0 {
		out += "\ntrusted_authserv_ids = " + list(t.AuthservIDs)
	}
	out += fmt.Sprintf("\ntrust_position = %q", t.Position)
	if t.Position == sender.BelowBoundary {
		out += "\n# strip_verified = true, only when the canary says so"
	}
	return out
}

// checkTrust compares what the configuration trusts with what the mails carry.
func (s *Subject) checkTrust(ctx context.Context) Finding {
	seen, err := s.look(ctx)
	if err != nil {
		return warn("see check 6", "not known: the mailbox cannot be read")
	}
	var headers [][]byte
	for _, folder := range s.Folders {
		for _, m := range seen[folder].Newest {
			headers = append(headers, m.Header)
		}
	}
	o := orderOf(headers)
	found := s.judgeTrust(o)
	found.Detail = o.lines()
	return found
}

func (s *Subject) judgeTrust(o order) Finding {
	a := o.advice()
	switch {
	case o.mails == 0:
		return ok("the mailbox is empty, so there is nothing to look at yet")
	case s.Trust.Mode != sender.TrustRFC8601 && s.Trust.Mode != sender.TrustExchange:
		return s.untrusting(o, a)
	}
	ids := s.Trust.AuthservIDs
	if s.Trust.Mode == sender.TrustExchange {
		ids = []string{""}
	}
	var missing, astray []string
	for _, id := range ids {
		inPlace, elsewhere := 0, 0
		for received, n := range o.results[strings.ToLower(id)] {
			if received < s.Trust.Boundary && s.Trust.Position != sender.BelowBoundary || received == s.Trust.Boundary && s.Trust.Position == sender.BelowBoundary {
				inPlace += n
			} else {
				elsewhere += n
			}
		}
		if inPlace == 0 {
			missing = append(missing, or(id, "a field without an authserv-id"))
		}
		if elsewhere > 0 && id != "" { // without an id, elsewhere is anybody's
			astray = append(astray, fmt.Sprintf("%s in %d", id, elsewhere))
		}
	}
	switch {
	case len(astray) > 0:
		return fail("such mail is quarantined as forged (A_FORGED). Are boundary and position right? The mails suggest:\n"+lines(a),
			"of %d mails, trusted ids stand outside the trusted place: %s", o.mails, strings.Join(astray, ", "))
	case len(missing) > 0:
		return warn("check the spelling, or set what the mails suggest:\n"+lines(a), "none of %d mails carries %s in the trusted place", o.mails, strings.Join(missing, ", "))
	case a.Boundary > 0 && s.Trust.Boundary > a.Boundary:
		return warn("check boundary; the mails suggest:\n"+lines(a), "Received %d from the top is written by many servers, so it can hardly be your own", s.Trust.Boundary)
	}
	return ok("boundary %d, trusted: %s, in %d mails", s.Trust.Boundary, or(strings.Join(s.Trust.AuthservIDs, ", "), "Exchange Online"), o.mails)
}

// untrusting is for a configuration that trusts no Authentication-Results.
func (s *Subject) untrusting(o order, a sender.Trust) Finding {
	switch {
	case a.Mode != sender.TrustOff && a.Boundary > 0:
		return warn("resetdesk doctor canary send -via MX:25 -config "+s.Config+", and when its check agrees, set in [mailbox]:\n"+lines(a),
			"nothing is trusted; the last %d mails carry %s, %s", o.mails, or(strings.Join(a.AuthservIDs, ", "), "results without an authserv-id (Exchange Online)"), a.Position)
	case a.Boundary > 0 && s.Trust.Boundary == 0:
		return warn("set in [mailbox]:\n"+lines(a), "no boundary is set, so every Received field counts as a claim; the last %d mails suggest %d", o.mails, a.Boundary)
	case o.mails < 5:
		return ok("no Authentication-Results is trusted; %d %s are too few to advise", o.mails, plural(o.mails, "mail"))
	}
	return ok("boundary %d, no Authentication-Results is trusted: signatures are checked here", s.Trust.Boundary)
}

// Suggest reads off the headers of a mailbox's newest mails what stands in them,
// for people, and which lines of a mailbox section would fit.
func Suggest(headers [][]byte) (seen []string, settings string) {
	o := orderOf(headers)
	if o.mails == 0 {
		return nil, ""
	}
	return o.lines(), lines(o.advice())
}
