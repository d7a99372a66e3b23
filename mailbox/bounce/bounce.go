// Package bounce reads what a mail server writes about a letter that it could not deliver, or not yet: delivery status
// notifications (RFC 3464, RFC 6533) and the forms that servers made up before, beside and in spite of them. It is pure:
// no network, no clock, no state, and its cost is bounded by the size of the mail.
//
// Nothing here says that a report is true. Anybody can write one. What a report may be believed on is what it carries of
// the letter that came back, [Report.IDs] and [Report.Marks], and the address that it was sent to, [Report.To]: whoever
// compares these with what was sent knows that the writer has seen the letter, and no more than that.
package bounce

import "strings"

// Action is what became of a letter at one address (RFC 3464 2.3.3).
type Action string

// The actions. Relayed and expanded are told apart from delivered by nobody who reads this, so they count as delivered.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed" // the server goes on trying
	Delivered Action = "delivered"
)

// Class says in one word why an address failed.
type Class string

// The classes.
const (
	Unknown Class = "unknown" // there is no such address or domain
	Full    Class = "full"    // the mailbox is full
	Closed  Class = "closed"  // the mailbox exists and takes no mail
	Refused Class = "refused" // it is not taken from us: policy, spam, reputation
	Network Class = "network" // the server could not be reached in time
	Other   Class = "other"
)

// Report is one bounce.
type Report struct {
	Form       string      // which form it has, "rfc3464" or one of [Forms]
	Recipients []Recipient // what it says of which address; at least one
	IDs        []string    // Message-IDs of the returned letter, in lower case, without angle brackets
	Marks      []string    // values of the returned letter's field named in [Mark]
	To         []string    // the addresses that the report itself was sent to, in lower case
}

// Recipient is what a report says of one address. Address is "" where the report names none.
type Recipient struct {
	Address string // as the report writes it, without angle brackets; not to be mailed to, ever
	Action  Action
	Status  string // RFC 3463 code, "" if there is none
	Class   Class
	Words   string // the server's own, on one line, printable, at most 300 bytes
}

// Mark is the header field whose value Read returns as [Report.Marks].
const Mark = "X-Resetdesk-Instance"

// Worst returns the recipient that matters most: failed before delayed before delivered.
func (r Report) Worst() Recipient {
	rank := map[Action]int{Failed: 2, Delayed: 1}
	worst := r.Recipients[0]
	for _, c := range r.Recipients[1:] {
		if rank[c.Action] > rank[worst.Action] {
			worst = c
		}
	}
	return worst
}

// Read reads a mail; ok is false if it is no bounce. It never fails: what cannot be read is passed over.
func Read(raw []byte) (r Report, ok bool) {
	top := cut(raw)
	w := walk{seen: map[string]bool{}}
	w.entity(top, 0)
	form, recipients := "rfc3464", w.recipients
	if len(recipients) == 0 {
		var rest string
		if form, recipients, rest = freeForm(top, w.text); form == "" {
			return Report{}, false
		}
		w.returned(rest)
	}
	if len(recipients) > maxRecipients {
		recipients = recipients[:maxRecipients]
	}
	return Report{Form: form, Recipients: recipients, IDs: w.ids, Marks: w.marks, To: sentTo(top)}, true
}

// Smells reports from a mail's header alone whether it may be a bounce, so that its body is worth reading. It is liberal.
func Smells(header []byte) bool {
	top := cut(append(append([]byte{}, header...), "\r\n\r\n"...))
	kind, _ := media(top.get("content-type"))
	if kind == "multipart/report" || kind == "message/delivery-status" || top.get("x-failed-recipients") != "" {
		return true
	}
	for _, path := range top.all("return-path") {
		if strings.Trim(path, "<> \t") == "" {
			return true
		}
	}
	return fromRobot(top) || subjectOf(top) != ""
}

// Marks are the values of the [Mark] fields of a mail itself.
func Marks(raw []byte) []string { return cut(raw).all(strings.ToLower(Mark)) }

// sentTo are the addresses in the fields that name a mail's recipients.
func sentTo(e entity) []string {
	var all []string
	for _, name := range []string{"to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "apparently-to"} {
		for _, value := range e.all(name) {
			for _, a := range addressPattern.FindAllString(value, maxRecipients) {
				if len(all) < maxRecipients {
					all = append(all, strings.ToLower(strings.Trim(a, ".")))
				}
			}
		}
	}
	return all
}
