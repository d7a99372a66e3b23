package ui

import (
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// verbs say what somebody did to a case, after the name.
var verbs = map[string]string{
	"case.approved": "approved this case", "case.rejected": "rejected this case", "case.held": "put this case on hold", "case.resumed": "resumed this case",
	"case.withdrawn": "closed this case as withdrawn", "case.duplicate": "closed this case as a duplicate", "case.not_a_request": "closed this case as no request",
	"case.expired": "let this case expire", "case.cleared": "reset the second factor", "case.undone": "took the reset back", "case.asked": "asked the owner again",
	"case.resolved": "chose account and user", "case.claimed": "claimed this case", "case.taken_over": "took this case over", "case.released": "released this case",
	"case.vouching_asked": "asked a second admin", "evidence.recorded": "recorded evidence", "case.account_frozen": "froze the resets of the account",
	"case.account_unfrozen": "lifted the freeze of the account", "owner.yes": "confirmed the request", "owner.no": "said that it was not them",
	"mail.attached": "attached a mail", "case.hold_over": "ended the time of the hold", "case.noted": "added a note",
}

// happened is an event in a sentence: "Mia rejected this case 20 s ago."
func happened(e review.Event) string {
	verb, ok := verbs[e.Action]
	if !ok {
		verb = words(e.Action)
	}
	return visible(names[e.Actor].or(e.Actor)) + " " + verb + " " + moment(time.Since(e.At)) + " ago."
}

type name string

func (n name) or(other string) string {
	if n != "" {
		return string(n)
	}
	return other
}

// names are the actors that are no people of the desk.
var names = map[string]name{"owner": "The owner", "desk": "The desk", "clock": "The clock", "host": "The operator"}

// moment is a span that counts seconds while they matter.
func moment(d time.Duration) string {
	if d < 2*time.Minute {
		return d.Round(time.Second).String()
	}
	return span(d)
}
