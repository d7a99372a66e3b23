package main

import "testing"

func TestGaps(t *testing.T) {
	const good = "=== RUN   TestA\n    a_test.go:7: seed 4\n--- PASS: TestA (0.00s)\nPASS\nok  \tx\t0.1s\n"
	for _, c := range []struct{ name, out, lines, want string }{
		{"whole", good, `seed \d+`, ""},
		{"no lines asked for", good, "", ""},
		{"a line's beginning", good, `^--- PASS`, ""},
		{"another line", good, `kills \d+`, "no figure was printed"},
		{"skipped", good + "--- SKIP: TestB (0.00s)\n    b_test.go:1: needs root\n", `seed \d+`, "--- SKIP: TestB"},
		{"a part skipped", good + "--- PASS: TestB (0.00s)\n    --- SKIP: TestB/nginx (0.00s)\n", `seed \d+`, "--- SKIP: TestB/nginx"},
		{"nothing run", "testing: warning: no tests to run\nPASS\nok  \tx\t0.1s [no tests to run]\n", "", "testing: warning: no tests to run, ok  \tx\t0.1s [no tests to run]"},
		{"no test files", good + "?   \ty\t[no test files]\n", "", "?   \ty\t[no test files]"},
	} {
		if got := gaps(c.out, c.lines); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
