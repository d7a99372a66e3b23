package review_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// shown writes pieces with their marks: "[jane 1]", "{shown}".
func shown(pieces []review.Piece) string {
	var b strings.Builder
	for _, p := range pieces {
		switch {
		case len(p.Who) > 0:
			fmt.Fprintf(&b, "[%s %s]", p.Text, strings.Trim(fmt.Sprint(p.Who), "[]"))
		case p.Link != "":
			fmt.Fprintf(&b, "{%s}", p.Text)
		default:
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// The reviewer sees where a mail names users, which words are somebody else's, and
// which links lead elsewhere.
func TestMarks(t *testing.T) {
	for name, c := range map[string]struct{ subject, text, wantSubject, want, forwarded, named string }{
		"login, name and e-mail": {"2FA of jane", "Please reset the 2FA of Jane Doe, jane@acme.example, she lost her phone.",
			"2FA of [jane 1]", "Please reset the 2FA of [Jane Doe 1], [jane@acme.example 1], she lost her phone.", "", "1 jane"},
		"letters of two bytes": {"2FA", "Früh häßlich: bitte die Zwei-Faktor-Anmeldung von jane zurücksetzen, Äpfel.",
			"2FA", "Früh häßlich: bitte die Zwei-Faktor-Anmeldung von [jane 1] zurücksetzen, Äpfel.", "", "1 jane"},
		"two people": {"2FA", "Please reset the 2FA of jane and of Anna Admin, both phones are gone.",
			"2FA", "Please reset the 2FA of [jane 1] and of [Anna Admin 2], both phones are gone.", "", "1 jane 2 anna"},
		"an endorsed forward": {"Fwd: help", "Can you sort this out?\n\n---------- Forwarded message ----------\nFrom: Jane <jane@acme.example>\nSubject: help\n\nI, jane, lost my phone. Please get my 2FA reset.",
			"Fwd: help", "Can you sort this out?", "help\n\nI, [jane 1], lost my phone. Please get my 2FA reset.", "1 jane"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				h.deliver(request("anna@acme.example", c.subject, c.text))
				m := h.onlyCase().Mails[0]
				whole := ""
				for _, p := range m.TextPieces {
					whole += p.Text
				}
				if whole != m.Text {
					t.Errorf("the pieces are %q, the text is %q", whole, m.Text)
				}
				var named []string
				for _, u := range m.Named {
					named = append(named, fmt.Sprint(u.Number, " ", u.Login))
				}
				got := [4]string{shown(m.SubjectPieces), shown(m.TextPieces), shown(m.ForwardedPieces), strings.Join(named, " ")}
				if got != [4]string{c.wantSubject, c.want, c.forwarded, c.named} {
					t.Errorf("shown as %q", got)
				}
			})
		})
	}
}

func TestLinkMarks(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.deliver(strings.Replace(request("anna@acme.example", "2FA reset", `<p>Please reset the 2FA of jane, see <a href="https://evil.example/x">https://panel.example/x</a>, she lost her phone.</p>`),
			"text/plain", "text/html", 1))
		if got := shown(h.onlyCase().Mails[0].TextPieces); got != "Please reset the 2FA of [jane 1], see {https://panel.example/x}, she lost her phone." {
			t.Errorf("shown as %q", got)
		}
	})
}
