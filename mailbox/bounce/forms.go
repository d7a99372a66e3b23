package bounce

import (
	"regexp"
	"slices"
	"strings"
)

// form is a way of telling about a bounce without a delivery status. The first whose sign is in the text, or in the
// subject, is taken.
type form struct {
	name string
	sign *regexp.Regexp // in subject and text; (?i) and white space folded
	cut  string         // begins the returned letter, "" for none known
}

// forms are the known ones, the particular before the general.
var forms = []form{
	{"qmail", re(`this is the qmail-send program|hi\. this is the .{0,80}program at`), "--- Below this line is a copy of the message"},
	{"courier", re(`running the courier mail server|this is a delivery status notification from [^ ,]+,`), "---------- Original message"},
	{"gmx", re(`nicht zugestellt werden konnte, ist .{0,40}(gmx|web\.de)|eine von ihnen gesendete nachricht konnte nicht zugestellt|the header of the original message is following`), "--- The header of the original message is following. ---"},
	{"exim", re(`this message was created automatically by mail delivery software`), "------ This is a copy of"},
	{"postfix", re(`this is the (postfix|mail system) (program|at host)`), "--- Undelivered message"},
	{"sendmail", re(`the following addresses had (permanent|transient) .{0,20}errors|transcript of session follows`), "----- Original message follows"},
	{"exchange", re(`your message did not reach some or all of the intended recipients|delivery has failed to these recipients|konnte einige oder alle empfänger nicht erreichen|fehler bei der nachrichtenzustellung an folgende empfänger|uw bericht heeft enkele of alle geadresseerden niet bereikt|n'a pas pu être remis à (tous|certains)|no se pudo entregar a estos destinatarios|échec de la remise`), "Original message headers:"},
	{"domino", re(`your message .{0,300}was not delivered to:|what should you do\? .{0,400}domino`), ""},
	{"gmail", re(`delivery to the following recipients? (has been delayed|failed permanently)|address not found your message wasn't delivered|technical details of (permanent|temporary) failure`), "----- Original message -----"},
	{"yahoo", re(`sorry, we were unable to deliver your message to the following address`), "--- Below this line is a copy of the message"},
	{"aol", re(`your mail to the following recipients could not be delivered|the original message was received at .{0,200}aol`), "----- Original message"},
	{"mailenable", re(`message could not be delivered to some recipients|mailenable`), ""},
	{"mimecast", re(`mimecast|the following recipients? (have|has) (been rejected|failed)`), ""},
	{"groupwise", re(`the message that you sent was undeliverable to the following|groupwise`), ""},
	{"mdaemon", re(`the attached message had permanent fatal delivery errors|mdaemon`), "--- Returned message"},
	{"quota", re(`(mailbox|account|inbox|quota) .{0,60}(is full|over quota|exceeded|full)|mailbox full`), ""},
	{"german", re(`(nachricht|e-?mail|mail) .{0,120}(nicht zugestellt|unzustellbar|nicht ausgeliefert)|unzustellbar|postfach .{0,60}voll`), ""},
	{"dutch", re(`(bericht|e-?mail|mail) .{0,120}(niet (worden )?(bezorgd|afgeleverd)|onbestelbaar)|kon niet worden (bezorgd|afgeleverd)|onbestelbaar|(postvak|mailbox) .{0,40}\bvol\b`), ""},
	{"french", re(`message .{0,120}(n'a pas pu être (remis|délivré|distribué)|non (remis|délivré|distribué))|boîte .{0,60}pleine|échec de (la )?(remise|distribution)`), ""},
	{"spanish", re(`(mensaje|correo) .{0,120}(no (se )?(pudo|ha podido|fue)( ser)? entrega(r|do)|no entregado)|buzón .{0,60}lleno`), ""},
	{"italian", re(`messaggio .{0,120}(non (è stato|può essere) (recapitato|consegnato))|casella .{0,60}piena|mancato recapito`), ""},
	{"plain", re(`(could not|couldn't|cannot|can't|was not|wasn't|unable to|failed to|not) (be )?(yet )?(be )?(deliver|sent to)|undeliver|non-?deliver|delivery (status notification|failure|failed|problem|report)|returned (mail|to sender)|failure notice|permanent (fatal )?error|has been delayed|delivery delayed`), ""},
}

// Forms are the names of the free forms.
func Forms() []string {
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = f.name
	}
	return names
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(`(?is)` + s) }

// subjects are those under which bounces come.
var subjects = re(`^(undeliver|returned mail|failure notice|mail delivery (failed|failure|system|subsystem)|delivery (status notification|failure|notification|delayed|report)|non-?delivery|warning: (could not send|message .* delayed)|message (delivery failure|status - undeliverable|undeliverable)|unzustellbar|nicht zustellbar|onbestelbaar|niet bezorgd|niet afgeleverd|non remis|non distribu|échec de|retour(né)? à|no entregado|no se puede entregar|mancat[oa] (recapito|consegna)|\[?postmaster\]?|permanent delivery failure|delayed mail|delivery has failed|error sending|mailbox (is )?full|nondeliverable)`)

// subjectOf is the subject, decoded, if bounces come under it.
func subjectOf(top entity) string {
	s := decodeWords(top.get("subject"))
	if subjects.MatchString(strings.TrimSpace(s)) {
		return s
	}
	return ""
}

// robots write bounces, and no letters.
var robots = re(`\b(mailer-daemon|postmaster|mail-daemon|maildaemon|mail\.delivery|mdaemon|noreply-bounce|bounce|microsoftexchange[0-9a-f]{16,40})[^@ ]{0,60}@`)

func fromRobot(top entity) bool {
	return robots.MatchString(top.get("from")) || robots.MatchString(top.get("sender")) ||
		slices.ContainsFunc(top.all("return-path"), func(p string) bool { return strings.Trim(p, "<> \t") == "" }) ||
		top.get("x-failed-recipients") != ""
}

var (
	still = re(`will (be retried|retry|keep trying|continue)|still (trying|being)|not yet been delivered|no action is required|this is a warning|warning message only|has been delayed|delivery delayed|transient|delayed|noch nicht zugestellt|weiterhin versuch|wird weiter versucht|nog niet (bezorgd|afgeleverd)|opnieuw geprobeerd|pas encore|nouvelles tentatives|todavía no|sigue intentando`)
	ended = re(`permanent|gave up|giving up|given up|failed|could not be delivered|returned to sender`)
)

// freeForm finds out which form a report without a delivery status has, and what it says. rest is where the header of
// the returned letter may stand in the text.
func freeForm(top entity, text string) (name string, all []Recipient, rest string) {
	if !fromRobot(top) && subjectOf(top) == "" {
		return "", nil, ""
	}
	report, rest := text, text
	folded := strings.Join(strings.Fields(decodeWords(top.get("subject"))+" "+report), " ")
	if len(folded) > maxSign {
		folded = strings.ToValidUTF8(folded[:maxSign], "")
	}
	for _, f := range forms {
		if !f.sign.MatchString(folded) {
			continue
		}
		name = f.name
		if f.cut != "" {
			if before, after, found := strings.Cut(text, f.cut); found {
				report, rest = before, after
			}
		}
		break
	}
	if name == "" {
		return "", nil, ""
	}
	report = beforeLetter(report)
	if len(report) > maxReport {
		report = strings.ToValidUTF8(report[:maxReport], "")
	}
	return name, told(top, report), rest
}

// letterBegins is the first header field of a returned letter in running text.
var letterBegins = regexp.MustCompile(`(?mi)^[>| \t]{0,8}(return-path|received|message-id|from):\s`)

// beforeLetter is the report without the letter that follows it.
func beforeLetter(text string) string {
	if at := letterBegins.FindStringIndex(text); at != nil && at[0] > 0 {
		return text[:at[0]]
	}
	return text
}

// told are the recipients that a report in words names, each with the words about it.
func told(top entity, report string) []Recipient {
	said := words(afterGreeting(report))
	action := Failed
	if still.MatchString(report) && !(ended.MatchString(report) && !strings.Contains(strings.ToLower(report), "warning")) {
		action = Delayed
	}
	one := Recipient{Action: action, Words: said, Status: statusPattern.FindString(report)}
	if one.Status != "" && one.Status[0] == '4' && !ended.MatchString(report) {
		one.Action = Delayed
	}
	one.Class = classOf(one.Status, report)
	addresses := addressPattern.FindAllString(top.get("x-failed-recipients"), maxRecipients)
	if len(addresses) == 0 {
		addresses = addressPattern.FindAllString(report, maxRecipients)
	}
	own := sentTo(top)
	var all []Recipient
	for _, a := range addresses {
		a = strings.Trim(a, ".'")
		if slices.Contains(own, strings.ToLower(a)) || robots.MatchString(a) ||
			slices.ContainsFunc(all, func(r Recipient) bool { return strings.EqualFold(r.Address, a) }) {
			continue
		}
		r := one
		r.Address = a
		if about := aboutAddress(report, a); about != "" {
			r.Words = about
			if c := classOf(statusPattern.FindString(about), about); len(addresses) > 1 && c != Other {
				r.Class = c
			}
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return []Recipient{one}
	}
	return all
}

// aboutAddress is what stands behind an address: the rest of its line and two lines below.
func aboutAddress(report, address string) string {
	_, after, _ := strings.Cut(report, address)
	var said []string
	for line := range strings.Lines(after) {
		if line = strings.TrimLeft(strings.TrimSpace(line), "\">]:;,.) "); line != "" {
			said = append(said, line)
		}
		if len(said) == 3 {
			break
		}
	}
	return words(strings.Join(said, " "))
}

// afterGreeting is the text from the first line that has an address or a code in it.
func afterGreeting(report string) string {
	for at := 0; at < len(report); {
		line, rest, _ := strings.Cut(report[at:], "\n")
		if replyPattern.MatchString(line) || statusPattern.MatchString(line) || strings.Contains(line, "@") {
			return report[at:]
		}
		at = len(report) - len(rest)
		if rest == "" {
			break
		}
	}
	return report
}
