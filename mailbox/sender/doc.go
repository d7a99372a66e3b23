// Package sender judges who really wrote a mail. It is pure but for DNS.
//
// # The lattice
//
// A Verdict starts at Authenticated and every check can only lower it:
//
//	Authenticated > Partial > Unverified > Deferred > Automated > Quarantine
//
// The worst finding wins. A panic, a time-out, a parse error or a DNS failure
// lowers; there is no function that raises. Match (how the From address
// relates to the registered ones), Reasons (what lowered the verdict) and
// Flags (what a reviewer should see besides) are kept apart from the State.
//
// # Ten decisions
//
//  1. One thing alone can authenticate: a DKIM signature we verify ourselves
//     whose d= is exactly the From domain, over a single unambiguous From
//     that is the registered address, with our mailbox signed into it, fresh
//     and not seen before. SPF, DMARC, ARC, Return-Path, Reply-To, Sender,
//     the display name and Received never lift anything.
//  2. The gate comes first. It reads the header block byte by byte before any
//     library sees it; whatever two parsers might read differently is
//     quarantined.
//  3. go-msgauth/authres is not used: comments and quoted strings forge
//     results in it.
//  4. go-msgauth/dkim does canonicalisation and cryptography, behind our own
//     strict parsers of the signature and of the key record and a look-up
//     that hands it nothing but the record we checked. What it cannot judge is
//     verified by our own hand: an x= that lies behind the machine's
//     clock but not behind the one we are given, a tag other than b= whose
//     value contains "b=", and thousands of folds.
//  5. Authentication-Results of our own server are evidence and a brake. At
//     most they make a mail Partial whose signature broke on the way to us,
//     and only where the operator said which fields are our own.
//  6. DKIM proves a domain, not a person: an authenticated mail still goes to
//     people and to the owner's confirmation.
//  7. Addresses are compared as ASCII, byte by byte. No Unicode case folding,
//     no trimming, no IDNA mapping, no removal of +tags or dots.
//  8. Verdicts fall and never rise.
//  9. Automatic mail is sorted out before anybody could answer it.
//  10. DMARC (RFC 9989) can condemn a mail, never pass one.
//
// What remains open to the caller: the uniqueness of Fingerprints, MessageID
// and SHA256 (sender-verification 4, condition 4).
package sender
