package intent

import "strings"

// answers and passes are what mail programs put before the subject of a reply and
// of a forward, in lower case.
var (
	answers = set("re aw antw antwort odp rif sv ref res r")
	passes  = set("fw fwd wg tr rv i pd enc doorst vs vl fs")
)

// origin is whose words a subject is.
type origin int

const (
	firsthand origin = iota
	reply            // those of a mail that is answered
	forward          // those of a mail that is passed on
)

// subjectOf takes the prefixes off a subject. The outermost decides.
func subjectOf(subject string) (origin, string) {
	from := firsthand
	for range 10 {
		prefix, rest, ok := strings.Cut(subject, ":")
		prefix, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(prefix)), "[") // "Re[2]:"
		prefix = strings.TrimSpace(prefix)
		switch {
		case !ok || !answers[prefix] && !passes[prefix]:
			return from, subject
		case from == firsthand && passes[prefix]:
			from = forward
		case from == firsthand:
			from = reply
		}
		subject = strings.TrimSpace(rest)
	}
	return from, subject
}

// numbered tells whether a subject carries a case number, as our letters do.
func numbered(subject string) bool { return strings.Contains(strings.ToUpper(subject), "RST-") }

// smelly is what makes a subject line worth a look at the body. A factor, a code
// or backup codes are enough alone; so is a reset that is not of a password or a
// server, somebody locked out, and a lost device.
// The languages add words of their own.
var smelly = []string{
	"<factor|backup|code>",
	"<action>",
	"<device> [6] <loss|fresh>", "<loss|fresh> [4] <device>",
	"<not> [4] <signin>", "<signin> [4] <not>",
}

// SmellsOf2FA is the liberal test on a decoded subject line: could this mail be
// about a second factor, a lost device or a lost way in? It decides only whether
// a body is fetched at all (design 2, promise 1), so it says yes when in doubt.
// The password or the server that is to be reset is the one doubt it settles.
func SmellsOf2FA(subject string) bool {
	p := cutWords(clip(subject))
	p.mean()
	p.terms()
	p.bind()
	for i := range p.words {
		for _, s := range known.smelly {
			if s.tongue&p.spoken == 0 {
				continue
			}
			if _, ok := s.match(p.words, i); ok {
				return true
			}
		}
	}
	return false
}
