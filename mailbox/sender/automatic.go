package sender

import "strings"

// maxReceived is how many hops a mail may have before it is taken for a loop.
const maxReceived = 30

// automatic looks for the signs of mail that no person wrote
// (sender-verification 7, RFC 3834) and returns their codes. All of them can
// be forged, and all a forger gets is that the forgery is ignored.
func automatic(h *head, f from, r *Request) []string {
	var codes []string
	received := 0
	if r.nullReturnPath(h) {
		codes = append(codes, "M_NULL_RETURN_PATH")
	}
	for _, fd := range h.fields {
		value := unfold(fd.value)
		code := ""
		switch fd.name {
		case "auto-submitted":
			if firstToken(value) != "no" {
				code = "M_AUTO_SUBMITTED"
			}
		case "content-type":
			switch firstToken(value) {
			case "multipart/report", "message/delivery-status", "text/rfc822-headers":
				code = "M_REPORT"
			}
		case "precedence":
			switch firstToken(value) {
			case "bulk", "list", "junk", "auto_reply":
				code = "M_PRECEDENCE"
			}
		case "x-autoreply", "x-autorespond", "x-auto-reply-from":
			code = "M_AUTOREPLY"
		case "x-failed-recipients":
			code = "M_FAILED_RECIPIENTS"
		case "received":
			received++
		default:
			if strings.HasPrefix(fd.name, "list-") { // RFC 2369, RFC 2919; sender-verification 6
				code = "M_LIST"
			}
			if strings.HasPrefix(fd.name, "x-reset") && strings.HasSuffix(fd.name, "-instance") {
				code = "M_LOOP"
			}
		}
		if code != "" {
			codes = append(codes, code)
		}
	}
	if received > maxReceived {
		codes = append(codes, "M_HOPS")
	}
	if robot(f.local) {
		codes = append(codes, "M_ROBOT_SENDER")
	}
	if ours(h, f, r) {
		codes = append(codes, "M_LOOP")
	}
	return codes
}

// nullReturnPath reports whether the Return-Path that our own server wrote is
// "<>". With a boundary it stands above that; without one the topmost is
// taken for it.
func (r *Request) nullReturnPath(h *head) bool {
	received := 0
	for _, fd := range h.fields {
		switch fd.name {
		case "received":
			if received++; r.Trust.Boundary > 0 && received >= r.Trust.Boundary {
				return false
			}
		case "return-path":
			null := strings.Trim(unfold(fd.value), "< >\t") == ""
			if null || r.Trust.Boundary == 0 {
				return null
			}
		}
	}
	return false
}

// firstToken is the value up to a semicolon, a comment or a space, in lower
// case (RFC 3834 5).
func firstToken(value string) string {
	if i := strings.IndexAny(value, "; \t("); i >= 0 {
		value = value[:i]
	}
	return asciiLower(value)
}

// robot reports whether a local part belongs to no person.
func robot(local string) bool {
	switch asciiLower(local) {
	case "mailer-daemon", "postmaster", "no-reply", "noreply", "do-not-reply", "donotreply":
		return true
	}
	return false
}

// ours reports whether our own mail came back: From is one of our mailboxes,
// or the Message-ID was made under our domain by somebody who is not of it.
func ours(h *head, f from, r *Request) bool {
	_, idHost, _ := strings.Cut(asciiLower(messageID(h)), "@")
	for _, m := range r.Mailboxes {
		m = asciiLower(m)
		if m == asciiLower(f.addr) {
			return true
		}
		// A colleague with a registered address at our own domain has our
		// host in the Message-ID by right.
		_, domain, ok := strings.Cut(m, "@")
		if ok && domain != "" && idHost == domain && f.domain != domain {
			return true
		}
	}
	return false
}
