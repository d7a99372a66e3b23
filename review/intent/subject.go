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
