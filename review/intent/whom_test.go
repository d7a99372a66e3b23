package intent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review/intent"
)

// TestWhom holds who is meant, and what is left to the owner.
func TestWhom(t *testing.T) {
	twins := []intent.Account{{ID: "A-1", People: []intent.Person{
		{ID: "1", Login: "me", Email: "mia.keller@bakker.example"}, {ID: "2", Login: "kim1", Name: "Kim Lee"}, {ID: "3", Login: "kim2", Name: "Kim Lee"}, {ID: "4", Login: "anna", Name: "Anna Smith"}, {ID: "5", Login: "ab", Name: "Anna Berger"},
	}}}
	for _, c := range []struct {
		name, text string
		of         []intent.Account
		want       string
	}{
		{"nobody", "Please reset the 2FA.", accounts[:1], "A-1003"},
		{"a login", "Please reset the 2FA of sam.", accounts[:1], "A-1003 sam"},
		{"capitals", "PLEASE RESET THE 2FA OF SAM OKAFOR", accounts[:1], "A-1003 sam"},
		{"two users", "Please reset the 2FA of sam and Lucia Fernandez.", accounts[:1], "A-1003 sam lucia99"},
		{"the writer and another", "I am Mia Keller. Please reset the 2FA of sam.", accounts[:1], "A-1003 sam"},
		{"the writer's own telephone", "I lost my phone. Please reset the 2FA.", accounts[:1], "A-1003 self"},
		{"a colleague's telephone", "I am writing since my colleague lost her phone. Please reset the 2FA.", accounts[:1], "A-1003"},
		{"no request", "I lost my phone.", accounts[:1], "A-1003"},
		{"several accounts", "I lost my phone. Please reset the 2FA.", accounts, ""},
		{"a user of one of them", "Please reset the 2FA of shop2044.", accounts, "A-2044 shop2044"},
		{"a number of one of them", "I lost my phone. Please reset the 2FA for A-2044.", accounts, "A-2044 self2"},
		{"a name of one of them", "A phone got lost at Studio Nord. Please reset the 2FA.", accounts, "A-2044"},
		{"common words", "Will you please reset the 2FA? For more info, support may test it with admin in de van.", accounts[:1], "A-1003"},
		{"common words as logins", "Please reset the 2FA of user: info and \"may\".", accounts[:1], "A-1003 info may"},
		{"two people of one name", "Please reset the 2FA of Kim Lee.", twins, "A-1"},
		{"a name with somebody's login in it", "Please reset the 2FA of Anna Berger.", twins, "A-1 5"},
		{"signature", "Please reset the 2FA, the phone is gone.\n\nKind regards,\nSam Okafor\nBakker Media\nsam.okafor@bakker.example\n", accounts[:1], "A-1003"},
		{"signature after thanks", "Please reset the 2FA, the phone is gone.\nThanks!\nSam", accounts[:1], "A-1003"},
		{"user in the postscript", "Please reset the 2FA.\n\nMit freundlichen Grüßen\nJörg Müller\n\nPS: der Benutzer ist sam", accounts[:1], "A-1003 sam"},
		{"marked below the signature", "Please reset the 2FA.\n\nRegards\nMia\n\nUser: sam", accounts[:1], "A-1003 sam"},
		{"thanks at the beginning", "Thanks\nfor the quick help last week.\nToday: please reset the 2FA of sam.", accounts[:1], "A-1003 sam"},
		{"greeting", "Hello Sam,\nplease reset the 2FA of lucia99.", accounts[:1], "A-1003 lucia99"},
		{"elision", "Merci de réinitialiser la double authentification de l'utilisateur d'dev-lena", accounts[:1], "A-1003 dev-lena"},
	} {
		w := intent.Words{Text: c.text}
		r := w.Classify()
		found := r.Whom(w, r.AccountsNamed(w, c.of), "Mia.Keller@bakker.example")
		got := found.Account
		for _, target := range found.Targets {
			got = strings.TrimSpace(got + " " + target.User)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q; places %+v, signals %v", c.name, got, c.want, found.Places, r.Signals)
		}
		for _, p := range found.Places {
			if s := c.text[p.Start:p.End]; p.Part != intent.InText || strings.TrimSpace(s) != s || s == "" {
				t.Errorf("%s: place %+v is %q", c.name, p, s)
			}
		}
	}
}

// FuzzWhom holds that the places lie in the text, whatever it is.
func FuzzWhom(f *testing.F) {
	f.Add("Please reset sam\n\nRegards\nSam\nPS: sam", "Anna Berger \xff wrote: sam")
	f.Fuzz(func(t *testing.T, text, forwarded string) {
		w := intent.Words{Subject: "Fwd: " + text, Text: text, Forwarded: forwarded, ForwardedFrom: forwarded}
		r := w.Classify()
		parts := map[string]string{intent.InSubject: w.Subject, intent.InText: text, intent.InForwarded: forwarded, intent.InSender: forwarded}
		for _, p := range r.Whom(w, r.AccountsNamed(w, accounts), "mia.keller@bakker.example").Places {
			if p.Start >= p.End || p.End > len(parts[p.Part]) {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// BenchmarkWhom5KB reads a text of 5 KB as the desk does: what it asks for, and whom of the writer's accounts, of ten
// users each, it names. The accounts of others are not looked at: an index finds the writer's.
func BenchmarkWhom5KB(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			of := make([]intent.Account, n)
			for i := range of {
				of[i] = intent.Account{ID: fmt.Sprintf("A-%d", 1000+i), Name: fmt.Sprintf("Firm%d Ltd", i)}
				for u := range 10 {
					of[i].People = append(of[i].People, intent.Person{ID: fmt.Sprint(u), Login: fmt.Sprintf("login%d-%d", i, u), Name: fmt.Sprintf("Jane%d Doe%d", u, i)})
				}
			}
			w := intent.Words{Subject: "2FA reset", Text: "Please reset the 2FA of login0-3.\n\n" + fiveKB()}
			b.SetBytes(int64(len(w.Text)))
			for b.Loop() {
				r := w.Classify()
				if found := r.Whom(w, r.AccountsNamed(w, of), "owner@acme.example"); len(found.Targets) != 1 {
					b.Fatalf("%+v", found)
				}
			}
		})
	}
}
