package ui_test

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

var hrefs = regexp.MustCompile(`(?:href|action)="(/accounts/[^"?]*)"`)

// Account numbers come from the operator's own system and may have any character.
// Each account's links lead to it, as a browser resolves them.
func TestOddAccountNumbers(t *testing.T) {
	ids := []string{"a/b", "äb", ".", "..", "...", "%2F", "%2e%2e", "~..", "~", "a?b#c", `a"b<i>`, "a&amp;b", "a;b", "a\\b", "../../sign-out", "+"}
	inHouse(t, func(t *testing.T, h *house) {
		var file strings.Builder
		file.WriteString(accountsFile)
		for i, id := range ids {
			n := string(rune('a' + i))
			file.WriteString(`"` + strings.ReplaceAll(id, `"`, `""`) + `",Number ` + n + ` Ltd,en,X-` + n + `,x` + n + `,x` + n + "@odd.example,admin,0\n")
		}
		h.importFile(file.String())
		rita, _ := h.signIn("rita", review.Admin)
		for i := range ids {
			name := "Number " + string(rune('a'+i)) + " Ltd"
			list := rita.get("/accounts?q=x"+string(rune('a'+i))+"@odd.example").want(t, 200, name)
			path := follow(t, list.body)
			page := rita.get(path).want(t, 200, name)
			rita.get(path+"?tab=addresses").want(t, 200, name)
			for _, m := range hrefs.FindAllStringSubmatch(page.body, -1) {
				rita.get(resolved(t, m[1])).want(t, 200, name)
			}
			rita.post(path+"/erase", "reason", "asked for").leads(t, path)
		}
	})
}

// follow returns where the one link to an account on the page leads.
func follow(t *testing.T, body string) string {
	t.Helper()
	found := hrefs.FindAllStringSubmatch(body, -1)
	if len(found) != 1 {
		t.Fatalf("%d links to accounts", len(found))
	}
	return resolved(t, found[0][1])
}

// resolved is the path that a browser asks for: it takes steps out of the path, and
// knows them when they are escaped too (WHATWG URL 4.4, double-dot URL path segment).
func resolved(t *testing.T, path string) string {
	t.Helper()
	u, err := url.Parse(html.UnescapeString(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, segment := range strings.Split(u.EscapedPath(), "/") {
		if slices.Contains([]string{".", "..", "%2e", "%2e%2e", ".%2e", "%2e."}, strings.ToLower(segment)) {
			t.Fatalf("a browser takes %s out of %s", segment, path)
		}
	}
	return u.EscapedPath()
}
