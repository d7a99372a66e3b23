package intent

import "strings"

// signoffs are how people close a letter, and thanks what some close it with.
// Both are compared with the first words of a line, folded.
var (
	signoffs = phrases(`kind regards|best regards|warm regards|with kind regards|regards|best wishes|best|sincerely|yours|yours sincerely|
		yours faithfully|yours truly|cheers|br|rgds|met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|
		hartelijke groet|hartelijke groeten|groet|groeten|groetjes|mvg|hoogachtend|gr|mit freundlichen gruessen|freundliche gruesse|
		mit freundlichem gruss|viele gruesse|liebe gruesse|beste gruesse|schoene gruesse|gruesse|gruss|mfg|lg|vg|hochachtungsvoll|
		cordialement|bien cordialement|bien a vous|salutations|meilleures salutations|sinceres salutations|veuillez agreer|sincerement|
		saludos|un saludo|saludos cordiales|atentamente|cordialmente|distinti saluti|cordiali saluti|saluti|un saluto|cordialita|
		pozdrawiam|z powazaniem|pozdrowienia|serdecznie pozdrawiam|com os melhores cumprimentos|melhores cumprimentos|cumprimentos|
		atenciosamente|abraco|abracos|att`)
	closingThanks = phrases(`thanks|thank you|many thanks|thx|bedankt|alvast bedankt|dank|danke|vielen dank|besten dank|merci|merci d avance|
		gracias|muchas gracias|grazie|grazie mille|dziekuje|dzieki|obrigado|obrigada|muito obrigado|muito obrigada`)
	greetings = phrases(`hi|hello|hey|dear|good morning|good afternoon|hoi|hallo|beste|geachte|goedemorgen|goedemiddag|dag|moin|guten tag|
		guten morgen|liebe|lieber|sehr geehrte|sehr geehrter|servus|bonjour|salut|bonsoir|cher|chere|hola|buenos dias|buenas|estimado|
		estimada|ciao|salve|buongiorno|gentile|egregio|czesc|hej|witam|dzien dobry|szanowny|szanowna|ola|oi|bom dia|boa tarde|caro|cara|prezado`)
)

// phrases is a set of phrases; spaces part their words.
func phrases(list string) map[string]bool {
	m := map[string]bool{}
	for p := range strings.SplitSeq(list, "|") {
		m[strings.Join(strings.Fields(p), " ")] = true
	}
	return m
}

// A signature goes on for so many lines of text at most.
const maxSignature = 10

// span is a range of bytes.
type span struct{ start, end int }

// asides are the parts of a text whose names name nobody: the greeting, and what
// follows a sign-off, up to a postscript. A signature is at the end: a sign-off in
// front of a long text is none, nor are thanks in front of a sentence.
func asides(text string) []span {
	var all []span
	signed, below, first, weak := -1, 0, true, false
	for at := 0; at < len(text); {
		line := text[at:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		words := firstWords(line)
		switch {
		case len(words) == 0:
		case first && len(words) <= 4 && begins(words, greetings) > 0:
			all = append(all, span{at, at + len(line)})
		case signed >= 0 && isPostscript(words):
			all = append(all, span{signed, at})
			signed = -1
		case signed >= 0:
			if below++; below > maxSignature || weak && len(words) > 5 {
				signed = -1
			}
		default:
			if signoff(words) > 0 {
				signed, below, weak = at, 0, begins(words, closingThanks) > 0
			}
		}
		first = first && len(words) == 0
		at += len(line)
	}
	if signed >= 0 {
		all = append(all, span{signed, len(text)})
	}
	return all
}

// firstWords returns the first words of a line, folded, eight at most.
func firstWords(line string) []string {
	if len(line) > 200 {
		line = line[:200]
	}
	p := cutWords(line)
	var words []string
	for i := range p.words[:min(len(p.words), 8)] {
		words = append(words, string(p.text(&p.words[i])))
	}
	return words
}

// begins tells how many words of a line a phrase takes, the longest one.
func begins(words []string, list map[string]bool) int {
	for n := min(len(words), 4); n > 0; n-- {
		if list[strings.Join(words[:n], " ")] {
			return n
		}
	}
	return 0
}

// signoff tells how many words of a line close a letter; a name may follow.
func signoff(words []string) int {
	if n := begins(words, signoffs); n > 0 && len(words)-n <= 3 {
		return n
	}
	if n := begins(words, closingThanks); n > 0 && len(words)-n <= 2 {
		return n
	}
	return 0
}

func isPostscript(words []string) bool {
	return words[0] == "ps" || words[0] == "nb" || len(words) > 1 && words[0] == "p" && words[1] == "s"
}
