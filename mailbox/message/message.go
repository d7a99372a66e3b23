// Package message turns the raw bytes of a mail into parts a person can read.
//
// It is pure and it never fails: bad input is normal input, and what cannot be
// read becomes a sentence in Problems. Everything is bounded (promises
// appendix B): 20 levels of MIME, 200 parts, 256 KiB of header, 64 KiB of
// text. The same bytes always give the same Message.
//
// Nothing in here proves anything. The addresses are decoded for a person's
// eye; who wrote the mail is for package sender to say, from the raw bytes.
package message

import "time"

// Limits of Read (promises appendix B).
const (
	maxDepth  = 20
	maxParts  = 200
	maxHeader = 256 << 10
	maxText   = 64 << 10
	maxHTML   = 512 << 10
)

// Message is a mail as far as it could be read. All text is valid UTF-8
// without control characters other than tab and newline.
type Message struct {
	// From, Sender, ReplyTo, To, Cc are the header fields, decoded for display
	// only and never to be used in a decision.
	From, Sender, ReplyTo, To, Cc string
	// Subject is decoded, on one line.
	Subject string
	// MessageID, InReplyTo and References are without angle brackets.
	MessageID             string
	InReplyTo, References []string
	// Date is what the Date field claims; zero if absent or unreadable.
	Date time.Time
	// Text is the writer's own words: quoted history, signatures, disclaimers
	// and what mail programs write around a reply are cut away. It may be
	// empty though Full is not (a bare forward).
	Text string
	// Quoted is what was cut away from Full to make Text.
	Quoted string
	// Forwarded is what of it the writer passes on from somebody else: that
	// person's own words and subject, without the headers around them.
	Forwarded string
	// ForwardedFrom is the From line above the innermost of those words. Like
	// all of them it can be typed by anybody.
	ForwardedFrom string
	// Full is the whole decoded text: the plain part where there is one, else
	// text made from HTML.
	Full string
	// HTMLOnly says that Full was made from HTML.
	HTMLOnly bool
	// HiddenText is text that an HTML part carries but does not show.
	HiddenText string
	// LinkMismatches lists links whose text names another host than the one
	// they lead to, as "shown -> real".
	LinkMismatches []string
	// Attachments are all other parts. They are never opened.
	Attachments []Attachment
	// Problems says in words what could not be read, or not wholly.
	Problems []string
}

// Attachment is a part that is not text to read. Its bytes are not kept.
type Attachment struct {
	Name string // file name as claimed, for display only; "" if none
	Size int64  // decoded octets
	Type string // media type as claimed, lower case
	// SHA256 is the hash of the decoded octets, in hex.
	SHA256 string
}
