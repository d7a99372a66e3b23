package sender_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

var update = flag.Bool("update", false, "write docs/verdicts.md anew")

// sections are the parts of docs/verdicts.md, by the letter of a code.
var sections = []struct{ letter, title string }{
	{"H", "The header block"}, {"F", "Who the mail says it is from"}, {"D", "Signatures"}, {"B", "What a signature binds"}, {"R", "Times and repeats"},
	{"A", "Results of our own mail server"}, {"S", "SPF"}, {"P", "The policy of the sender's domain"}, {"M", "Machine-made mail"}, {"T", "Size"}, {"X", "Our own checks"},
}

// page writes docs/verdicts.md from the table of reasons.
func page() string {
	var b strings.Builder
	b.WriteString(`# Verdicts and their reasons

Written from the table in mailbox/sender by ` + "`go test ./mailbox/sender -run TestReasonsPage -update`" + `; a test fails when it is stale. Every verdict starts
at *authenticated* and each reason can only lower it; the worst counts. A *note* lowers nothing. ` + "`resetdesk inspect mail.eml`" + ` says which
reasons a mail has, and the page of a mail shows them to staff.

| Verdict | What it means | What happens |
|---|---|---|
| ` + "`authenticated`" + ` | the sender's domain signed exactly this mail, to us, lately. It proves the domain, not the person | a case, still with the owner's confirmation and a person's review |
| ` + "`partial`" + ` | signed, but something that binds it to us is missing | a case of higher risk; the owner's confirmation decides |
| ` + "`unverified`" + ` | nothing proves where it comes from | as above |
| ` + "`deferred`" + ` | DNS did not answer | asked again, for a day at most |
| ` + "`automated`" + ` | a program wrote it | never a request, never answered |
| ` + "`quarantine`" + ` | forged, ambiguous or repeated | leads and admins see it; it is never approved |
`)
	for _, s := range sections {
		rows := ""
		for _, r := range sender.Reasons() {
			if !strings.HasPrefix(r.Code, s.letter+"_") {
				continue
			}
			to := string(r.Forces)
			if r.Forces == sender.Flag {
				to = "a note"
			}
			if r.Code == "F_DISPLAY_SPOOF" {
				to = "a note, or quarantine when it shows a registered address or its domain"
			}
			rows += "| `" + r.Code + "` | " + to + " | " + cell(r.Staff) + " | " + cell(r.Operator) + " |\n"
		}
		if rows != "" {
			b.WriteString("\n## " + s.title + "\n\n| Code | Lowers to | What staff read | What was found, and what operators do |\n|---|---|---|---|\n" + rows)
		}
	}
	return b.String()
}

func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`).Replace(s) }

// TestReasonsPage keeps docs/verdicts.md as the table is: one row a code.
func TestReasonsPage(t *testing.T) {
	const file = "../../docs/verdicts.md"
	want := page()
	for _, r := range sender.Reasons() {
		if strings.Count(want, "| `"+r.Code+"` |") != 1 {
			t.Errorf("%s has no row, or two", r.Code)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./mailbox/sender -run TestReasonsPage -update", file)
	}
}
