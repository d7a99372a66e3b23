package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoteStays: a section that is written anew loses what was written into it, not
// the note on it, and leaves the others as they were.
func TestNoteStays(t *testing.T) {
	p := page{file: filepath.Join(t.TempDir(), "page.md"), head: "# Page\n", sections: []section{{name: "a"}, {name: "b"}}}
	text := func(a string) string {
		return "# Page\n\n<!-- a -->\n" + a + "<!-- end of a -->\n\n<!-- note on a -->\nOf every run.\n<!-- end of note -->\n" +
			"\n<!-- b -->\ntwo\n<!-- end of b -->\n\n<!-- note on b -->\nOf b.\n<!-- end of note -->\n"
	}
	if err := os.WriteFile(p.file, []byte(text("one\nOf this run.\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.put("a", "new\n"); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(p.file)
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != text("new\n") {
			t.Fatalf("the page is now\n%s", b)
		}
	}
}

// TestPagesAreTheGenerators: what the pages say about a section is what the next run
// would write. Only the figures are older.
func TestPagesAreTheGenerators(t *testing.T) {
	var wanted = map[string][]string{}
	for _, p := range []page{proof(), performance()} {
		wanted[p.file] = []string{p.head}
	}
	for _, f := range figures {
		wanted[proof().file] = append(wanted[proof().file], "## "+f.title+"\n\n"+f.about+"\n\n")
	}
	for _, m := range measures {
		wanted[performance().file] = append(wanted[performance().file], "## "+m.title+"\n\n"+m.about+"\n\n")
		for _, g := range m.goals {
			wanted[performance().file] = append(wanted[performance().file], "\n| "+g.text+" | ")
		}
	}
	for file, texts := range wanted {
		b, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(b), text) {
				t.Errorf("%s does not say: %s", file, text)
			}
		}
	}
}
