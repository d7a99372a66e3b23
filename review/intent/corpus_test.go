package intent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review/intent"
)

// sample is one mail of the corpus, and whether it asks for a reset.
type sample struct {
	want          bool
	subject, text string
}

// read parses "== yes SUBJECT" and "== no SUBJECT", each followed by the text.
func read(t testing.TB, name string) []sample {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "corpus", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for i, part := range strings.Split("\n"+string(raw), "\n== ")[1:] {
		head, text, _ := strings.Cut(part, "\n")
		verdict, subject, _ := strings.Cut(head, " ")
		if verdict != "yes" && verdict != "no" {
			t.Fatalf("%s: mail %d begins with %q", name, i+1, head)
		}
		all = append(all, sample{verdict == "yes", subject, strings.TrimSpace(text)})
	}
	return all
}

// TestCorpus holds recall and precision over both parts of the corpus at 0.95 or
// better, in each language and of the held-out part as a whole.
func TestCorpus(t *testing.T) {
	for _, part := range []string{"tuned", "heldout"} {
		var all tally
		for _, language := range []string{"en", "nl", "de"} {
			one := judge(t, language, part)
			t.Logf("%s %s: recall %.3f, precision %.3f of %d mails", language, part, one.recall(), one.precision(), one.mails)
			all.add(one)
		}
		t.Logf("all %s: recall %.3f, precision %.3f of %d mails", part, all.recall(), all.precision(), all.mails)
		if all.recall() < 0.95 || all.precision() < 0.95 {
			t.Errorf("%s: recall %.3f, precision %.3f: want both at least 0.95", part, all.recall(), all.precision())
		}
	}
}

type tally struct{ mails, hit, missed, alarm, tongue int }

func (a *tally) add(b tally) {
	a.mails += b.mails
	a.hit += b.hit
	a.missed += b.missed
	a.alarm += b.alarm
	a.tongue += b.tongue
}

func (a tally) recall() float64    { return float64(a.hit) / float64(a.hit+a.missed) }
func (a tally) precision() float64 { return float64(a.hit) / float64(a.hit+a.alarm) }

func judge(t *testing.T, language, part string) tally {
	t.Helper()
	var n tally
	mails := read(t, language+"."+part+".txt")
	if len(mails) < 30 {
		t.Fatalf("%s.%s: only %d mails", language, part, len(mails))
	}
	for _, m := range mails {
		n.mails++
		r := intent.Classify(m.subject, m.text)
		switch {
		case m.want && r.Request:
			n.hit++
		case m.want:
			n.missed++
			t.Logf("%s %s missed (%.2f): %s\n%s\n%v", language, part, r.Score, m.subject, m.text, r.Signals)
		case r.Request:
			n.alarm++
			t.Logf("%s %s false alarm (%.2f): %s\n%s\n%v", language, part, r.Score, m.subject, m.text, r.Signals)
		}
		if m.text != "" && r.Language != language {
			n.tongue++
			t.Logf("%s %s: language %q of: %s\n%s", language, part, r.Language, m.subject, m.text)
		}
	}
	if n.tongue*20 > n.mails {
		t.Errorf("%s %s: %d of %d mails taken for another language", language, part, n.tongue, n.mails)
	}
	return n
}
