package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Arrows point down only (design 3): cmd/resetdesk -> ui -> review -> mailbox,
// totp; and mailbox and totp know nothing of ours but their own subfolders.
func TestArrowsPointDown(t *testing.T) {
	const module = "github.com/resetdesk/resetdesk"
	floors := map[string][]string{ // room -> the rooms of ours it may use
		"":        {},
		"totp":    {"totp"},
		"mailbox": {"mailbox"},
		"review":  {"", "review", "mailbox", "totp"},
		"ui":      {"", "ui", "review", "mailbox", "totp"},
		"cmd":     {"", "cmd", "ui", "review", "mailbox", "totp"},
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	room := func(path string) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), "/")
		return name
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		allowed, known := floors[room(paths[0])]
		if !known {
			t.Errorf("%s: no such room in the house", paths[0])
		}
		for _, dep := range paths[1:] {
			if dep != module && !strings.HasPrefix(dep, module+"/") {
				continue
			}
			seen++
			ok := false
			for _, a := range allowed {
				ok = ok || room(dep) == a
			}
			if !ok {
				t.Errorf("%s imports %s: that arrow runs up", paths[0], dep)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d arrows were seen; go list does not show the house", seen)
	}
}
