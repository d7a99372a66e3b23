package bounce

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode"
)

var (
	statusPattern  = regexp.MustCompile(`\b([245])\.(\d{1,3})\.(\d{1,3})\b`)
	replyPattern   = regexp.MustCompile(`\b(4[25]\d|5[05]\d)[ -]`)
	addressPattern = regexp.MustCompile(`[\pL\pN!#$%&*+/=?^_{|}~.'-]{1,64}@[\pL\pN.-]{1,190}\.[\pL\pN-]{2,60}`)
)

// status reads a message/delivery-status: blocks of fields, the first of them about the message, each other about one
// recipient (RFC 3464 2). A program that forgot the blank line between them is understood too.
func status(body []byte) []Recipient {
	var all []Recipient
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	for block := range bytes.SplitSeq(body, []byte("\n\n")) {
		e := cut(append(bytes.Clone(block), '\n', '\n'))
		action := e.get("action")
		if action == "" && e.get("status") == "" && e.get("final-recipient") == "" && e.get("original-recipient") == "" {
			continue
		}
		if len(all) == maxRecipients {
			break
		}
		all = append(all, recipient(e))
	}
	return all
}

func recipient(e entity) Recipient {
	r := Recipient{Address: address(e.get("original-recipient"))}
	if r.Address == "" {
		r.Address = address(e.get("final-recipient"))
	}
	diagnostic := e.get("diagnostic-code")
	if kind, rest, ok := strings.Cut(diagnostic, ";"); ok && len(kind) < 20 && !strings.Contains(kind, " ") {
		diagnostic = rest
	}
	r.Words = words(diagnostic)
	r.Status = statusPattern.FindString(e.get("status"))
	if r.Status == "" || strings.HasSuffix(r.Status, ".0.0") { // says nothing: the server's words may say more
		if s := statusPattern.FindString(diagnostic); s != "" {
			r.Status = s
		}
	}
	verb, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(e.get("action"))), " ")
	switch strings.TrimRight(verb, ";,(") {
	case "failed", "failure":
		r.Action = Failed
	case "delayed":
		r.Action = Delayed
	case "delivered", "relayed", "expanded":
		r.Action = Delivered
	default: // missing or unheard of: the code decides
		r.Action = map[byte]Action{'2': Delivered, '4': Delayed}[(r.Status + "5")[0]]
		if r.Action == "" {
			r.Action = Failed
		}
	}
	r.Class = classOf(r.Status, r.Words)
	return r
}

// address is that of "rfc822; a@b.example" or "utf-8; ..." (RFC 6533 3).
func address(value string) string {
	if _, a, ok := strings.Cut(value, ";"); ok {
		value = a
	}
	value = words(strings.Trim(strings.TrimSpace(value), "<>"))
	return value[:min(len(value), 254)]
}

// classOf judges by the enhanced status code (RFC 3463 3), and by the words where that says little.
func classOf(status, text string) Class {
	if _, code, ok := strings.Cut(status, "."); ok {
		switch code {
		case "1.1", "1.2", "1.3", "1.6", "1.10", "4.4":
			return Unknown
		case "2.2":
			return Full
		case "2.1":
			return Closed
		case "4.1", "4.2", "4.7":
			return Network
		}
		if strings.HasPrefix(code, "7.") {
			return Refused
		}
	}
	text = strings.ToLower(text)
	for _, c := range classWords {
		for _, w := range c.words {
			if strings.Contains(text, w) {
				return c.class
			}
		}
	}
	return Other
}

// classWords are looked for in this order.
var classWords = []struct {
	class Class
	words []string
}{
	{Full, []string{"mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded", "exceeded storage", "mail box full", "out of storage",
		"postfach ist voll", "postfach voll", "speicherplatz", "mailbox zit vol", "mailbox is vol", "postvak is vol", "boîte pleine", "boite pleine", "est pleine",
		"buzón lleno", "buzon lleno", "está lleno", "è piena", "storage limit", "quota"}},
	{Closed, []string{"disabled", "inactive", "deactivated", "suspended", "not accepting", "no longer accept", "gesperrt", "deaktiviert", "geblokkeerd", "désactivé", "desactiv"}},
	{Unknown, []string{"user unknown", "unknown user", "no such user", "no mailbox here", "does not exist", "doesn't exist", "not found", "unknown address", "unrouteable", "unknown recipient",
		"recipient unknown", "no such recipient", "doesn't have a", "not listed", "invalid recipient", "unbekannt", "existiert nicht", "nicht gefunden", "onbekend", "bestaat niet",
		"inconnu", "n'existe pas", "introuvable", "desconocid", "no existe", "unknown or illegal alias", "host unknown", "could not be found", "couldn't be found", "address rejected"}},
	{Refused, []string{"spam", "blocked", "blacklist", "blocklist", "policy", "rejected", "denied", "refused", "abgelehnt", "geweigerd", "refusé", "rechazad"}},
	{Network, []string{"timed out", "timeout", "connection", "could not connect", "retry", "unreachable", "nicht erreichbar", "onbereikbaar", "delivery time expired", "too long"}},
}

// words is text for people, of a stranger: one line, printable, at most 300 bytes.
func words(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= 300 {
		return s
	}
	for n := 300; ; n-- {
		if s[n]&0xC0 != 0x80 {
			return s[:n]
		}
	}
}

// decodeWords is a header value for people (RFC 2047).
func decodeWords(s string) string {
	if d, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		return d
	}
	return s
}
