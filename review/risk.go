package review

import (
	"fmt"
	"time"
)

func risk(f Facts, p Policy) Risk {
	r := Risk{Level: Low}
	raise := func(l RiskLevel, reason string) {
		if l == High || r.Level == Low {
			r.Level = l
		}
		r.Reasons = append(r.Reasons, reason)
	}
	if f.AddressSince.After(f.ImportedAt) && f.Opened.Sub(f.AddressSince) < p.FreshAddress {
		raise(High, fmt.Sprintf("The registered address was changed %s before the request.", days(f.Opened.Sub(f.AddressSince))))
	}
	if !f.UserChanged.IsZero() && f.Opened.Sub(f.UserChanged) < p.FreshAddress {
		raise(High, "The user's own address, where the enrollment pass goes, was changed lately: "+stamp(f.UserChanged)+".")
	}
	if !f.ContactEnded.IsZero() && f.Opened.Sub(f.ContactEnded) < p.FreshAddress {
		raise(High, "An address of the account was taken away lately: "+stamp(f.ContactEnded)+".")
	}
	if !f.LastReset.IsZero() && f.Opened.Sub(f.LastReset) < p.RepeatReset {
		raise(High, fmt.Sprintf("The same user was reset %s earlier.", days(f.Opened.Sub(f.LastReset))))
	}
	if f.Quarantined > 0 {
		raise(High, "Mail that imitates this registered address came in lately: "+counted(f.Quarantined, "mail")+" in quarantine.")
	}
	if p.Threat {
		raise(High, "Threat mode is on.")
	}
	if f.Circular != "" {
		raise(Medium, "The registered address lives on "+f.Circular+", a domain of this same account: who controls the account controls the mail that should prove it.")
	}
	if doubt := doubtful(f); doubt != "" {
		if f.ConfirmedAt.IsZero() {
			raise(High, doubt+", and the owner has not confirmed yet.")
		} else {
			raise(Medium, doubt+", but the owner confirmed the request.")
		}
	}
	if f.Match == "case_variant" {
		raise(Medium, "The address is written in other capitals than the registered one.")
	}
	if len(r.Reasons) == 0 {
		r.Reasons = []string{"Nothing unusual was found."}
	}
	return r
}

// doubtful says why it is open who asked, "" if it is not.
func doubtful(f Facts) string {
	switch {
	case f.Verdict == fromPanel && !f.PasswordGiven:
		return "Who asked in the control panel proved no password there"
	case f.Verdict == byHand:
		return "Nothing proves who called or wrote the ticket"
	case f.Verdict == fromPanel, f.Verdict == "authenticated":
		return ""
	}
	return "Nothing proves that the mail comes from the registered address"
}

// counted is "1 mail" or "2 mails".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func days(d time.Duration) string {
	switch n := int(d.Hours() / 24); n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}
