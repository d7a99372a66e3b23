package panel_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The program of the manual is the example, word for word, so that it compiles
// and runs.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/panel.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, hour, _ := strings.Cut(string(manual), "\n## In an hour\n")
	hour, _, _ = strings.Cut(hour, "\n## ")
	parts := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(hour, -1)
	if len(parts) != 5 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, p := range parts {
		if !strings.Contains(string(example), p[1]) {
			t.Errorf("the example does not have\n%s", p[1])
		}
	}
}
