package message

import (
	"regexp"
	"strings"
)

// strip separates the writer's own words from what a mail program or a company
// added around them. Nothing is lost: every line goes to one side or the
// other. It is a help for reading, no proof of who wrote what, since the
// marks it goes by can be typed by anybody.
func strip(full string) (text, quoted string) {
	s := newStripper(full)
	s.run()
	var own, rest []string
	for i, line := range s.lines {
		if s.cut[i] {
			rest = append(rest, line)
		} else {
			own = append(own, strings.TrimRight(line, " \t"))
		}
	}
	return tidy(own), strings.Trim(strings.Join(rest, "\n"), "\n")
}

// tidy joins lines with at most one empty line between any two.
func tidy(lines []string) string {
	s := strings.Trim(strings.Join(lines, "\n"), "\n")
	for strings.Contains(s, "\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n", "\n\n")
	}
	return s
}

type stripper struct {
	lines   []string
	cut     []bool
	own     bool // a line of the writer's was seen
	history int  // the line at which an older mail begins; the number of lines if none does
}

func newStripper(full string) *stripper {
	s := &stripper{lines: strings.Split(full, "\n")}
	s.cut, s.history = make([]bool, len(s.lines)), len(s.lines)
	return s
}

func (s *stripper) run() {
	for i := 0; i < len(s.lines); i++ {
		line := strings.TrimSpace(s.lines[i])
		switch {
		case line == "":
		case line[0] == '>':
			s.cut[i] = true
		case separator(line) || s.block(i):
			s.history = i
			s.rest(i)
			return
		case replyMark.MatchString(line):
			s.rest(i)
			return
		case line == "--" && s.own:
			s.rest(i)
			return
		case ownMark.MatchString(line):
			s.cut[i] = true
		case banner.MatchString(line) || s.own && disclaimer.MatchString(line):
			i = s.paragraph(i)
		default:
			if n := s.attribution(i); n > 0 {
				for j := range n {
					s.cut[i+j] = true
				}
				i += n - 1
				if !s.quoteFollows(i + 1) {
					s.rest(i + 1)
					return
				}
				continue
			}
			s.own = true
		}
	}
}

// rest cuts everything from line i, and a rule or blank lines above it.
func (s *stripper) rest(i int) {
	for j := i; j < len(s.lines); j++ {
		s.cut[j] = true
	}
	for i--; i >= 0 && (strings.TrimSpace(s.lines[i]) == "" || rule.MatchString(strings.TrimSpace(s.lines[i]))); i-- {
		s.cut[i] = true
	}
}

// paragraph cuts to the next empty line and returns its index.
func (s *stripper) paragraph(i int) int {
	for ; i < len(s.lines) && strings.TrimSpace(s.lines[i]) != ""; i++ {
		s.cut[i] = true
	}
	return i
}

// quoteFollows reports whether the next line with something on it is quoted.
func (s *stripper) quoteFollows(i int) bool {
	for ; i < len(s.lines); i++ {
		if line := strings.TrimSpace(s.lines[i]); line != "" {
			return line[0] == '>'
		}
	}
	return false
}

// attribution returns how many lines, from i, make up "On … wrote:"; 0 if
// there is none. Mail programs wrap it to as many as four, but then it begins
// with a word or a date of its own: the writer's words above must stay.
func (s *stripper) attribution(i int) int {
	joined := ""
	for n := 1; n <= 4 && i+n <= len(s.lines); n++ {
		line := strings.TrimSpace(s.lines[i+n-1])
		if line == "" || len(line) > 300 || n == 2 && !wrapped.MatchString(joined) {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + line)
		if !strings.HasSuffix(joined, ":") {
			continue
		}
		if !dated.MatchString(joined) {
			return 0
		}
		verb, begun := wrote.MatchString(joined), wrapped.MatchString(joined)
		address := named.MatchString(joined)
		switch {
		case verb && (begun || address), (verb || address) && s.quoteFollows(i+n):
			return n
		}
		return 0
	}
	return 0
}

// block reports whether line i begins a copied header ("From:", "Von:",
// "Van:" with at least two more of its kind below), as Outlook writes it.
func (s *stripper) block(i int) bool {
	if !fromLine.MatchString(strings.TrimSpace(s.lines[i])) {
		return false
	}
	more := 0
	for j := i + 1; j < len(s.lines) && j <= i+8; j++ {
		if headLine.MatchString(strings.TrimSpace(s.lines[j])) {
			more++
		}
	}
	return more >= 2
}

// separator reports whether a line says that an older mail follows.
func separator(line string) bool {
	return older.MatchString(line) || begin.MatchString(line)
}

var (
	// rule is a line drawn across the mail.
	rule = regexp.MustCompile(`^[_\-=*]{5,}$`)
	// older: "-----Original Message-----" and its translations.
	older = regexp.MustCompile(`(?i)^[-_]{2,}\s*(?:original message|original appointment|forwarded message|forwarded by .*|` +
		`oorspronkelijk(?:e)? bericht|doorgestuurd bericht|origineel bericht|` +
		`urspr(?:ü|ue)ngliche (?:nachricht|e-?mail|mail)|original-?nachricht|weitergeleitete nachricht|` +
		`message (?:d'origine|d’origine|original|transf[ée]r[ée])|mensaje (?:original|reenviado)|` +
		`messaggio (?:originale|inoltrato)|mensagem (?:original|encaminhada)|ursprungligt meddelande|` +
		`original(?:e)? (?:meddelelse|melding)|oprindelig meddelelse|wiadomość oryginalna|(?:przekazana|przesłana dalej) wiadomość|wiadomość (?:przekazana|przesłana dalej)|původní zpráva|alkuperäinen viesti)\s*[-_]*$`)
	// begin: how Apple Mail announces a forwarded mail.
	begin = regexp.MustCompile(`(?i)^(?:begin forwarded message|begin doorgestuurd bericht|` +
		`anfang der weitergeleiteten (?:nachricht|e-?mail)|début du message (?:réexpédié|transféré)|inicio del mensaje reenviado|inizio (?:del )?messaggio inoltrato|início da mensagem (?:encaminhada|reencaminhada)|początek przekazywanej wiadomości)\s*:$`)
	// replyMark: help desks, our own letters among them, ask for replies above it.
	replyMark = regexp.MustCompile(`(?i)(?:reply|write|type your reply) above this line|antwoord(?:en)? boven deze (?:regel|lijn)|` +
		`antwort(?:en)? (?:bitte )?(?:sie )?(?:bitte )?(?:oberhalb|über) (?:von )?dieser (?:zeile|linie)`)
	// wrapped is how an attribution begins that may go over several lines.
	wrapped = regexp.MustCompile(`(?i)^(?:on|op|am|le|el|il|em|den|på|dnia|w dniu|dne|\d{1,4}[-./ ])`)
	// wrote ends the line above a quotation.
	wrote = regexp.MustCompile(`(?i)(?:^|\s)(?:wrote|schreef|geschreven|schrieb|geschrieben|écrit|escribió|scritto|escreveu|skrev|napisał|napsal|kirjoitti)(?:a|\(a\))?(?:\s.*)?:$`)
	// named is a line with an address that introduces a quotation in some
	// other language.
	named = regexp.MustCompile(`[<(\[][^<>()\[\] ]+@[^<>()\[\] ]+[>)\]]`)
	// dated: an attribution has a date or an address in it, a sentence of the
	// writer's ending in "wrote:" mostly has not.
	dated = regexp.MustCompile(`\d.*\d|@`)
	// fromLine begins a copied header, headLine goes on with it.
	fromLine = regexp.MustCompile(`(?i)^\**(?:from|von|van|de|da|från|fra|od|lähettäjä)\**\s*:\**\s*\S`)
	headLine = regexp.MustCompile(`(?i)^\**(?:sent|date|to|cc|subject|reply-to|importance|gesendet|datum|an|betreff|verzonden|verstuurd|aan|onderwerp|` +
		`envoyé|à|objet|enviado(?: el)?|fecha|para|asunto|inviato|data|a|oggetto|assunto|skickat|till|ämne|sendt|til|emne|wysłano|do|temat|odesláno|komu|předmět|lähetetty|vastaanottaja|aihe)\**\s*:`)
	// ownMark: single lines that telephones and filters add.
	ownMark = regexp.MustCompile(`(?i)^(?:sent from (?:my|outlook|mail|yahoo|proton).{0,60}|sent with .{0,40}|get outlook for .{0,20}|` +
		`(?:verzonden|verstuurd) (?:vanaf|met|via) .{0,60}|outlook voor (?:android|ios) downloaden.*|` +
		`von meinem .{0,40} gesendet\.?|gesendet (?:mit|von|aus) .{0,60}|outlook für (?:android|ios) (?:herunterladen|beziehen).*|diese nachricht wurde von .{0,40} gesendet.*|` +
		`envoyé (?:de|depuis) mon .{0,40}|enviado desde mi .{0,40}|inviato da(?:l mio)? .{0,40}|\[(?:external|extern|ext)\])$`)
	// banner: paragraphs that filters put on top.
	banner = regexp.MustCompile(`(?i)^[*_\s\[(]*(?:caution:? (?:this|external) e-?mail|warning:? this e-?mail|` +
		`this e-?mail (?:originated|came) from outside|external (?:e-?mail|sender):|` +
		`let op:? (?:dit|deze|externe) .*(?:extern|buiten)|achtung:? (?:diese|externe) .*(?:extern|außerhalb))`)
	// disclaimer: paragraphs that companies put below. They are cut whole, but
	// only under words of the writer's.
	disclaimer = regexp.MustCompile(`(?i)^[*_\s\[(]*(?:(?:disclaimer|confidentiality notice|legal notice|vertraulichkeitshinweis)\b|` +
		`(?:this|the information (?:contained |transmitted )?in this) (?:e-?mail|message|communication)\b.*(?:and any (?:attachments?|files)|is (?:strictly )?confidential|are confidential|intended (?:solely |only |exclusively )?for the (?:use|person|address|individual|recipient|named))|` +
		`if you are not the (?:intended|named)|if you (?:have )?received? this .*(?:in error|by mistake)|please consider the environment|` +
		`(?:dit (?:e-?mail)?bericht|deze e-?mail|de informatie (?:verzonden |opgenomen )?in)\b.*(?:vertrouwelijk|(?:uitsluitend|alleen|slechts) bestemd)|indien u niet de|denk aan het milieu|` +
		`(?:diese (?:e-?mail|nachricht)|der inhalt dieser (?:e-?mail|nachricht))\b.*(?:vertraulich|ausschließlich für)|(?:sollten|wenn) sie nicht der (?:richtige|beabsichtigte|adressat|empf)|bitte denken sie an die umwelt)`)
)
