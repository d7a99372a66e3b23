package message

import (
	"regexp"
	"strings"
)

// maxForwards bounds how many mails inside each other are looked into.
const maxForwards = 5

// forwarded returns the words of the mails that full passes on: their subjects
// and their writers' own words, the outermost first, and who wrote the innermost.
// A mail program says that it forwards either above the older mail or in the
// subject only.
func forwarded(subject, full string) (text, from string) {
	var words []string
	for range maxForwards {
		s := newStripper(full)
		s.run()
		if s.history == len(s.lines) || !passesOn.MatchString(subject) && !passedOn.MatchString(strings.TrimSpace(s.lines[s.history])) {
			break
		}
		subject, from, full = s.inner()
		text, _ := strip(full)
		words = append(words, strings.TrimSpace(subject+"\n\n"+text))
	}
	return strings.Join(words, "\n\n"), from
}

// inner returns the subject, the writer and the text of the older mail.
func (s *stripper) inner() (subject, from, text string) {
	lines := unquote(s.lines[s.history:])
	if separator(strings.TrimSpace(lines[0])) {
		lines = lines[1:]
	}
	for len(lines) > 0 {
		line := strings.TrimSpace(lines[0])
		if line != "" && !fromLine.MatchString(line) && !headLine.MatchString(line) {
			break
		}
		if m := subjectLine.FindStringSubmatch(line); m != nil && subject == "" {
			subject = m[1]
		}
		if fromLine.MatchString(line) && from == "" {
			_, from, _ = strings.Cut(line, ":")
			from = strings.Trim(from, "* \t")
		}
		lines = lines[1:]
	}
	return subject, from, strings.Join(lines, "\n")
}

// unquote takes one ">" off lines that all have one, behind the first.
func unquote(lines []string) []string {
	plain := []string{lines[0]}
	for _, l := range lines[1:] {
		t := strings.TrimSpace(l)
		if t != "" && t[0] != '>' {
			return lines
		}
		plain = append(plain, strings.TrimPrefix(strings.TrimPrefix(t, ">"), " "))
	}
	return plain
}

var (
	// passesOn is how the subject of a forward begins.
	passesOn = regexp.MustCompile(`(?i)^\s*(?:fwd?|wg|tr|rv|i|pd|enc|doorst|vs|vl)\s*:`)
	// passedOn is the line above a forwarded mail.
	passedOn = regexp.MustCompile(`(?i)forward|doorgestuurd|weitergeleitet|transf[ée]r[ée]|réexpédié|reenviado|inoltrato|encaminhada|przekazan|przesłan`)
	// subjectLine is the subject in a copied header.
	subjectLine = regexp.MustCompile(`(?i)^\**(?:subject|betreff|onderwerp|objet|asunto|oggetto|assunto|ämne|emne|temat|předmět|aihe)\**\s*:\**\s*(.*)$`)
)
