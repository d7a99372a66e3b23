package doctor

import (
	"context"
	"slices"
	"strings"
)

// checkBounces looks at where letters come back to that do not arrive.
func (s *Subject) checkBounces(ctx context.Context) Finding {
	if s.Bounces == "" {
		return ok("null return path: letters that a server takes and cannot deliver are not heard of; smtp.bounce_address makes them come back")
	}
	local, domain, _ := strings.Cut(strings.ToLower(s.Bounces), "@")
	bare, _, _ := strings.Cut(local, "+")
	if !slices.ContainsFunc(s.Addresses, func(a string) bool {
		return strings.EqualFold(a, bare+"@"+domain) || strings.EqualFold(a, local+"@"+domain)
	}) {
		return warn("set smtp.bounce_address to an address that is delivered into a watched mailbox, and name that in mailbox.addresses",
			"%s is no address of a watched mailbox (mailbox.addresses)", s.Bounces)
	}
	records, _, err := s.ask(ctx, domain)
	if err != nil {
		return warn("set dns.resolver to a resolver that answers", "%s; its SPF record is not known: %v", s.Bounces, err)
	}
	if only(records, "v=spf1") == "" {
		return warn(domain+`. TXT "v=spf1 mx -all"   (name the servers that send for you)`, "%s: %s has no SPF record", s.Bounces, domain)
	}
	return ok("%s", s.Bounces)
}

// checkDKIM compares the key that signs letters with its record in the DNS.
func (s *Subject) checkDKIM(ctx context.Context) Finding {
	sig, err := s.Signature()
	if err != nil {
		return fail("resetdesk keys dkim -new rsa -config "+s.Config, "%v", err)
	}
	if sig == nil {
		return ok("letters are not signed here; check 10 says whether the mail server has keys")
	}
	records, _, err := s.ask(ctx, sig.Name())
	if err != nil {
		return warn("set dns.resolver to a resolver that answers", "%v", err)
	}
	if err := sig.Published(records); err != nil {
		return fail(sig.Name()+`. TXT "`+sig.Record()+`"`, "%s: %v, so no letter that is signed verifies", sig.Name(), err)
	}
	return ok("%s has the key that signs", sig.Name())
}

// checkLetters writes every letter with sample data.
func (s *Subject) checkLetters(context.Context) Finding {
	text, err := s.Letters()
	if err != nil {
		lines := strings.Split(err.Error(), "\n")
		return fail("mend these, then run resetdesk letters check -config "+s.Config+"\n"+strings.Join(lines[1:], "\n"), "%s", lines[0])
	}
	return ok("%s", text)
}
