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
	reply    Reply // what it says in a reply
}

// endorsement is the rule by which a writer makes a forwarded request their own.
const endorsement = "endorses-forward"

const anyFactor = factor | code | backup

// The patterns that need no word of any one language stand here; those of the
// languages are in the folder lexicon.
var rules = []rule{
	// What speaks for a request.
	{endorsement, 0, 0, []string{"<ask> [8] <help>", "<help> [6] <ask>", "<ask> [8] <action>"}, ""},
	{"about-self", 0, 0, []string{"<mine> [1] <device|factor|code|backup|signin>"}, ""},
	{"about-other", 0, 0, []string{"<other> [3] <device|factor|loss|backup>", "<device|factor> [2] <other>"}, ""},
	{"names-factor", 0.7, 0, []string{"<factor>"}, ""},
	{"asks-reset", 3.2, 0, []string{"<action> [10] <factor>", "<factor> [12] <action>"}, ""},
	{"asks-code-reset", 3.0, 0, []string{"<code> [1] <action>", "<action> [4] <code>", "<ask> [2] <code> [4] <action>"}, ""},
	{"asks-reset-both", 3.2, 0, nil, ""},
	{"asks-removal", 1.9, anyFactor, []string{"<ask> [8] <action>", "<action> [3] <ask>"}, ""},
	{"lost-device", 1.9, anyFactor, []string{"<device> [6] <loss|fresh>", "<fresh> [3] <device>", "<not> [4] <device>", "<loss> [3] <device>", "<loss> [5] <factor>"}, ""},
	{"no-backup-codes", 1.3, 0, []string{"<not> [5] <backup>", "<backup> [7] <not|loss>", "<not> [5] <code>"}, ""},
	{"cannot-sign-in", 1.2, anyFactor, []string{"<not> [5] <signin>", "<signin> [3] <not>"}, ""},
	{"asked-for-code", 1.0, 0, nil, ""},
	{"asks-help", 1.0, anyFactor, []string{"<ask> [1] <signin>"}, ""},
	{"short-and-plain", 0.4, anyFactor, nil, ""},
	// What speaks against it.
	{"says-not", -5, 0, nil, ""},
	{"no-longer-needed", -4, 0, []string{"<found> [3] <device>"}, Withdraw},
	{"works-again", -4, 0, []string{"<works> [3] <again>", "<again> [2] <works>"}, Thanks},
	{"thanks-it-works", 0, 0, []string{"<thanks> [16] <works>", "<works> [10] <thanks>"}, Thanks},
	{"thanks-for-reset", -6, 0, nil, Thanks},
	{"still-has-factor", -3, 0, nil, ""},
	{"asks-setup", -3, 0, []string{"<how> [8] <enable>", "<ask> [8] <enable> [6] <factor>", "<ask> [4] <factor> [8] <enable>"}, ""},
	{"asks-in-general", -3.5, 0, nil, ""},
	{"asks-status", -3, 0, nil, Question},
	{"already-done", -2, 0, nil, ""},
	{"our-own-letter", -5, 0, nil, ""},
	{"security-notice", -4, 0, nil, ""},
	{"phishing", -4, 0, nil, ""},
	{"asks-how", -3, 0, []string{"<how> <action>"}, ""},
	{"asks-new-user", -3, 0, nil, ""},
	{"received-a-mail", -3, 0, nil, ""},
	{"looks-suspicious", -4, 0, nil, ""},
	{"asks-whether-genuine", -4, 0, nil, ""},
	{"newsletter", -5, 0, nil, ""},
	{"domain-code", -4, 0, []string{"<code> [6] <domain>"}, ""},
	{"marketing-code", -4, 0, []string{"<shop> [3] <code>", "<code> [6] <shop>"}, ""},
	{"other-software", -2.5, 0, nil, ""},
	{"other-service", -5, 0, nil, ""},
	{"about-the-api", -2.5, 0, nil, ""},
	{"password-only", -1.5, 0, nil, ""},
	{"cancels-contract", -3, 0, nil, ""},
	{"objects", -7, 0, nil, Object},
}

// compiled is a pattern of a rule.
type compiled struct {
	rule int
	spoken
}

// A term gives a class to a word, or takes it away.
type term struct {
	class class
	away  bool
	spoken
}

// tables is everything that the texts of this package compile to.
type tables struct {
	lexicon *lexicon
	terms   []term
	rules   []compiled
	smelly  []spoken
	begins  index // of the rules
}

var known = compileTables()

func compileTables() *tables {
	t := &tables{lexicon: newLexicon()}
	number := map[string]int{}
	for i, r := range rules {
		number[r.name] = i
		for _, p := range r.patterns {
			t.rules = append(t.rules, compiled{i, t.spoken(every, p)})
		}
	}
	for _, p := range smelly {
		t.smelly = append(t.smelly, t.spoken(every, p))
	}
	for n, language := range languages {
		for _, l := range lines(language) {
			t.learn(1<<n, l, number)
		}
	}
	t.lexicon.settle()
	t.begins = newIndex(t.rules)
	return t
}

func (t *tables) learn(in tongue, l line, number map[string]int) {
	switch l.section {
	case "[words]":
		t.lexicon.add(in, l.name, l.text)
	case "[terms]":
		name, away := strings.CutPrefix(l.name, "-")
		t.terms = append(t.terms, term{classOf(name), away, t.spoken(in, l.text)})
	case "[rules]":
		i, ok := number[l.name]
		switch {
		case l.name == "smell":
			t.smelly = append(t.smelly, t.spoken(in, l.text))
		case ok:
			t.rules = append(t.rules, compiled{i, t.spoken(in, l.text)})
		default:
			panic("intent: no rule " + l.name)
		}
	default:
		panic("intent: no section " + l.section)
	}
}

func (t *tables) spoken(in tongue, line string) spoken {
	return spoken{in, t.lexicon.compile(line)}
}
