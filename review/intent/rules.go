package intent

import "strings"

// bias is what the weights have to outweigh: an ordinary mail is no request.
const bias = -2.5

// A rule adds its weight once, at the first place where one of its patterns
// matches. The table is the whole of what this package believes; changing a
// line of it changes a verdict, and the corpus in testdata says which.
type rule struct {
	name     string
	weight   float64
	needs    class // of which at least one word must stand somewhere in the mail
	patterns []string
}

const anyFactor = factor | code | backup

var rules = []rule{
	// What speaks for a request.
	{"names-factor", 0.7, 0, []string{"<factor>"}},
	{"asks-reset", 3.2, 0, []string{
		"<action> [10] <factor>", "<factor> [12] <action>", "<ask|factor> [4] <factor|ask> [6] runter|raus|eraf|af|weg",
		"<factor> [6] soll|muss|moet|mag|kann|kan [4] runter|raus|eraf|af|weg"}},
	{"asks-code-reset", 3.0, 0, []string{"<code> [1] <action>", "<action> [4] <code>", "<ask> [2] <code> [4] <action>"}},
	{"asks-reset-both", 3.2, 0, []string{"<elsewhere> [3] <object> [1] and|und|en [1] <factor>", "<object> and|und|en [1] <factor> [4] <elsewhere|action>"}},
	{"asks-removal", 1.6, anyFactor, []string{"<ask> [8] <action>", "<action> [3] <ask>", "<action> sie|u"}},
	{"lost-device", 1.9, anyFactor, []string{
		"<device> [6] <loss>", "<loss> [3] <device>", "<loss> [5] <factor>", "<device> [6] <not> [2] on|an|aan|mehr|meer",
		"<device> [3] uit|ausgeschaltet|off", "bag|tasche|tas [6] <loss>", "<factor> [8] <not> transfer|mitgenommen|overgezet"}},
	{"no-backup-codes", 1.3, 0, []string{
		"<not> [5] <backup>", "<backup> [7] <not|loss>", "<backup> [6] used|thrown|weggeworfen|aufgebraucht|verbraucht|op|weggegooid|onvindbaar|unauffindbar",
		"<factor|code> [4] used up", "<factor|code> [3] aufgebraucht|verbraucht", "<factor|code> zijn op", "<not> [5] <code>", "<code> [5] nie|nooit|never|<not> [3] aufgeschrieben|opgeschreven|notiert|written|save|saved|bewaard|gespeichert"}},
	{"cannot-sign-in", 1.2, anyFactor, []string{
		"<not> [5] <signin>", "<signin> [3] <not>", "locked|kept|shut out", "ausgesperrt|buitengesloten",
		"<not> [3] access|zugriff|zugang|toegang", "<not> [2] get|kan|can [2] in|into|rein", "<not> [3] in|ins|into [2] panel|paneel|kundenmenue"}},
	{"asked-for-code", 1.0, 0, []string{
		"asks|asking|wants|requires|prompts|verlangt|fragt|will|vraagt|gevraagd|vereist [4] <factor|code>",
		"<code|factor> [2] verlangt|gefordert|gevraagd|required|vereist", "<code> [8] <not> [2] accepted|akzeptiert|angenommen|geaccepteerd"}},
	{"asks-help", 1.0, anyFactor, []string{
		"help [1] me|us|mij|ons", "let|lassen|lasst|laat|laten [5] in|rein|hinein|binnen", "in laten", "binnen laten", "get [3] in|into", "was nun|jetzt|tun", "please advise", "possible|mogelijk|ermoeglichen [6] enter|login|inloggen|zugang|toegang|access", "um rat", "graag advies", "sort [2] out", "loesung", "klaeren|oplossen|solve|regeln|regelen|fix", "what now", "wat nu", "helfen sie", "helpen", "regain access", "back in|into", "what can you do", "was koennen sie",
		"wat kunnen jullie", "in mein|mijn [1] konto|account", "how can i get in"}},
	{"short-and-plain", 0.4, anyFactor, []string{"<factor|code> reset|resetten|zuruecksetzen"}},

	// What speaks against it.
	{"says-not", -5, 0, []string{
		"do|please not [2] <action>", "dont|never|niemals|nooit [2] <action>", "bitte nicht [2] <action>", "gelieve [4] niet [2] <action>",
		"keinen|keinem|geen fall|geval [2] zurueck|<action>", "<action> [8] auf keinen fall", "<action> [4] niet|nicht alstublieft|bitte"}},
	{"no-longer-needed", -4, 0, []string{
		"no|kein|geen reset|resetting [5] needed|required|necessary|noetig|nodig|erforderlich", "reset [3] <not> [2] noetig|nodig|needed|necessary",
		"nothing|niets|nichts [3] <action>", "never mind", "laat maar", "hat sich erledigt", "solved|opgelost|geloest|erledigt",
		"found|wiedergefunden|gefunden|gevonden [4] <device|backup>", "<device|backup> [5] found|wiedergefunden|gefunden|gevonden"}},
	{"works-again", -4, 0, []string{
		"works|working|klappt|funktioniert|geht|werkt|lukt [3] again|now|wieder|jetzt|weer|nu", "jetzt|nu [1] funktioniert|klappt|werkt",
		"can|kann|kan|could|konnte|kon [3] <signin> again|wieder|weer", "kann|kan [5] wieder|weer <signin>",
		"thank|thanks|bedankt|danke|dank [2] for|fuer|voor [4] <action|elsewhere>"}},
	{"still-has-factor", -3, 0, []string{
		"still have [2] <factor|device>", "<factor|device> [2] noch [3] <signin>", "<factor> nog", "<factor> [1] ich noch"}},
	{"asks-setup", -3, 0, []string{
		"how|wie|hoe|where|wo|waar [8] <enable>", "how|wie|hoe|where|wo|waar [4] <factor> [3] aan|on|ein", "<ask> [8] <enable> [6] <factor>", "<ask> [4] <factor> [8] <enable>",
		"tried|try|trying|versuche|versuchen|probeer|proberen [6] <factor|enable> [8] <enable|factor>", "enable|aktivieren|activeer <factor>",
		"create|erzeuge|erstelle|generate|maak [4] <backup>"}},
	{"asks-in-general", -3.5, 0, []string{
		"what happens", "was passiert", "wat gebeurt", "if|wenn|falls|als|when [8] loses|lose|verliert|verlieren|verliere|verliest|verlies",
		"who may|can|darf|mag|wer", "wer|wie darf|mag", "do you support", "unterstuetzen sie", "ondersteunen jullie|u", "<factor> [4] mandatory|pflicht|verplicht",
		"how does this work", "how do you", "hoe werkt", "wie geht das", "wie pruefen"}},
	{"asks-status", -3, 0, []string{
		"any|is|there [2] news|update|updates", "status [2] of|von|van", "gibt [3] neues|neuigkeiten|news", "al [1] nieuws|bekend|iets",
		"stand der|van", "answered me|us [1] yet", "niemand geantwortet", "niets gehoord"}},
	{"already-done", -2, 0, []string{
		"<factor> [2] was|wurde|wurden|werd|is [3] reset|zurueckgesetzt|gereset|deaktiviert|uitgeschakeld|disabled|removed"}},
	{"our-own-letter", -5, 0, []string{
		"we never ask [4] <object|code>", "wir fragen nie", "wij|we vragen nooit", "you did not ask for this", "sie waren das nicht",
		"hebt u hier niet om gevraagd", "you get this mail because"}},
	{"security-notice", -4, 0, []string{
		"if this was [1] you", "wenn sie das waren", "was u dit", "noticed a new", "neue anmeldung", "nieuwe aanmelding", "new sign in"}},
	{"phishing", -4, 0, []string{
		"click|klicken|klick|klik|klikt [6] link|below|here|hier|knop|button", "<factor> [4] expires|expired", "<factor> [4] heute ab",
		"<factor> [2] verloopt", "verify your account", "suspended|gesperrt|geblokkeerd within|binnen|binnen", "action required", "handlung erforderlich", "actie vereist"}},
	{"newsletter", -4, 0, []string{
		"unsubscribe", "hier abmelden", "afmelden [2] hier", "view [4] browser", "bekijk [4] browser", "browser ansehen", "in this issue|edition",
		"in dieser ausgabe", "in dit nummer", "newsletter|nieuwsbrief"}},
	{"domain-code", -4, 0, []string{
		"epp|authinfo|verhuiscode|autorisatiecode", "auth code|codes [6] <domain>", "authcode|authcodes [6] <domain>", "<code> [6] <domain>", "<domain> [4] authcode"}},
	{"marketing-code", -4, 0, []string{"<shop> [3] <code>", "kortingscode|gutscheincode|rabattcode|actiecode", "<code> [6] <shop>", "gutschein"}},
	{"other-software", -2.5, 0, []string{"wordpress|joomla|typo3|nextcloud|facebook|instagram|paypal|drupal|magento"}},
	{"about-the-api", -2.5, 0, []string{"<factor> [3] affect|auswirkungen|invloed", "affect|auswirkungen|invloed [6] <factor>", "api|whmcs [8] break|ausfaellt|stukgaat"}},
	{"password-only", -1.5, 0, []string{"forgot|forgotten|vergessen|vergeten [3] <object>", "<object> [2] vergessen|vergeten"}},
	{"cancels-contract", -3, 0, []string{"cancel [3] hosting|contract|package", "kuendigen|kuendigung|opzegging|zeggen [6] hostingpaket|vertrag|hostingpakket|contract|paket"}},
}

type compiled struct {
	rule int
	pattern
}

// mark gives a class to a word, or takes it away.
type mark struct {
	class class
	away  bool
}

// tables is everything that the texts of this package compile to.
type tables struct {
	lexicon *lexicon
	terms   []pattern
	marks   []mark // what each of the terms does
	rules   []compiled
	begins  index
}

var known = compileTables()

func compileTables() *tables {
	t := &tables{lexicon: newLexicon()}
	for _, x := range terms {
		t.terms = append(t.terms, t.lexicon.compile(x.pattern))
		name, away := strings.CutPrefix(x.class, "-")
		t.marks = append(t.marks, mark{classOf(name), away})
	}
	var all []pattern
	for i, r := range rules {
		for _, line := range r.patterns {
			p := t.lexicon.compile(line)
			t.rules = append(t.rules, compiled{i, p})
			all = append(all, p)
		}
	}
	t.begins = newIndex(all)
	return t
}
