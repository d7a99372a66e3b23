package intent

import (
	"strings"
	"testing"
)

// TestLexicon holds that every listed word is one word, folded as in a text, and
// that an ending is long enough to be found.
func TestLexicon(t *testing.T) {
	for _, language := range languages {
		for _, l := range lines(language) {
			for f := range strings.FieldsSeq(l.text) {
				if l.section != "[words]" && (f[0] == '<' || f[0] == '[') {
					continue
				}
				for w := range strings.SplitSeq(f, "|") {
					stem, ending := strings.CutSuffix(strings.TrimPrefix(w, "~"), "*")
					p := cutWords(stem)
					if len(p.words) != 1 || string(p.text(&p.words[0])) != fold(stem) {
						t.Errorf("%s, %s: %q is no word", language, l.name, w)
					}
					if ending && (l.section != "[words]" || len(fold(stem)) < 4) {
						t.Errorf("%s, %s: %q is too short or in a pattern", language, l.name, w)
					}
				}
			}
		}
	}
}
