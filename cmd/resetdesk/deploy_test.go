package main

import (
	"os"
	"strings"
	"testing"
)

// The example for nginx never sends a browser to a name that the request brought:
// on port 80 every Host arrives, and a cache in between would keep the answer.
func TestNginxRedirectsToItsOwnName(t *testing.T) {
	file, err := os.ReadFile("../../docs/deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	redirects := 0
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "return 30") {
			continue
		}
		redirects++
		if !strings.Contains(line, "https://$server_name$request_uri") {
			t.Errorf("%s", line)
		}
	}
	if redirects == 0 {
		t.Error("no redirect to https")
	}
}
