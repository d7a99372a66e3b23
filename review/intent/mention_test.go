package intent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review/intent"
)

var staff = []intent.Person{
	{ID: "U1", Login: "jdoe", Email: "jane.doe@acme.example", Name: "Jane Doe"},
	{ID: "U2", Login: "info", Email: "info@acme.example", Name: "Info"},
	{ID: "U3", Login: "j.mueller", Email: "hm@acme.example", Name: "Jörg Müller"},
	{ID: "U4", Login: "reset", Email: "", Name: ""},
	{ID: "U5", Login: "anna", Email: "anna@acme.example", Name: "Anna-Lena van den Berg"},
	{ID: "U6", Login: "will", Email: "", Name: "Will"},
	{ID: "U7", Login: "1234", Email: "", Name: ""},
	{ID: "U8", Login: "dev-lena_2", Email: "o'brien@acme.example", Name: "Pat O'Brien"},
}

func TestMentions(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"please reset jdoe.":                  "U1 login jdoe",
		"please reset JDOE's code":            "U1 login JDOE",
		"@jdoe and (jdoe)":                    "U1 login jdoe, U1 login jdoe",
		"jdoes jdoe2 xjdoe jdoe_x":            "",
		"write to jane.doe@acme.example.":     "U1 email jane.doe@acme.example",
		"<Jane.Doe@ACME.example>":             "U1 email Jane.Doe@ACME.example",
		"jdoe@other.example":                  "",
		"anna@acme.example":                   "U5 email anna@acme.example",
		"Anna needs help":                     "U5 login Anna",
		"for Jane Doe, please":                "U1 name Jane Doe",
		"for Doe, Jane":                       "U1 name Doe, Jane",
		"Hello Jane. Doe is ill":              "",
		"JÖRG MUELLER and Jo\u0308rg Müller":  "U3 name JÖRG MUELLER, U3 name Jo\u0308rg Müller",
		"Anna Lena van den Berg":              "U5 login Anna, U5 name Anna Lena van den Berg",
		"j.mueller!":                          "U3 login j.mueller",
		"for dev-lena_2, thanks":              "U8 login dev-lena_2",
		"o'brien@acme.example":                "U8 email o'brien@acme.example",
		"Pat O’Brien":                         "U8 name Pat O’Brien",
		"please reset my code, more info":     "",
		"I will call you":                     "",
		"the user will call you":              "",
		"user: will":                          "U6 login will",
		"user info":                           "U2 login info",
		"User: info":                          "U2 login info",
		"gebruiker info":                      "U2 login info",
		"gebruikersnaam is info":              "U2 login info",
		"Benutzer info bitte":                 "U2 login info",
		"mein Benutzername lautet: info":      "U2 login info",
		"l'utilisateur « info » svp":          "U2 login info",
		"for “info” please":                   "U2 login info",
		"für „reset“ bitte":                   "U4 login reset",
		"users: info, reset and 1234":         "U2 login info, U4 login reset, U7 login 1234",
		"users:\n- info\n- reset\n":           "U2 login info, U4 login reset",
		"call 1234":                           "",
		"info@elsewhere.example":              "",
		"reset user. Info follows":            "",
		"unknown \xff jdoe \xf0\x9f\x98 jdoe": "U1 login jdoe, U1 login jdoe",
	} {
		var got []string
		for _, m := range intent.Mentions(text, staff) {
			got = append(got, fmt.Sprintf("%s %s %s", m.ID, m.Field, text[m.Start:m.End]))
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%q:\n got %s\nwant %s", text, g, want)
		}
	}
}

// TestSharedLogin holds that two people of one login are both found.
func TestSharedLogin(t *testing.T) {
	got := intent.Mentions("reset webteam", []intent.Person{{ID: "B", Login: "webteam"}, {ID: "A", Login: "WebTeam"}})
	if len(got) != 2 || got[0].ID != "A" || got[1].ID != "B" {
		t.Errorf("got %v", got)
	}
}

// TestMentionsAreBounded holds that a name in every word, shared by many people,
// is no flood, and that the first places in the text are the ones kept.
func TestMentionsAreBounded(t *testing.T) {
	people := []intent.Person{{ID: "U", Login: "uwe"}}
	for i := range 2000 {
		people = append(people, intent.Person{ID: fmt.Sprintf("J%04d", i), Login: "jane", Email: fmt.Sprintf("jane%d@acme.example", i), Name: "Jane"})
	}
	got := intent.Mentions("uwe and "+strings.Repeat("jane ", 10_000), people)
	if len(got) != 1000 || got[0].ID != "U" || got[1].ID != "J0000" || got[999].Start != len("uwe and ") {
		t.Errorf("%d mentions, the first %+v, the last %+v", len(got), got[:min(len(got), 2)], got[max(0, len(got)-1):])
	}
}

func FuzzMentions(f *testing.F) {
	f.Add("users: info, jdoe's \xff o'brien@acme.example")
	f.Add("'''jdoe'''--..@@")
	f.Fuzz(func(t *testing.T, text string) {
		last := -1
		for _, m := range intent.Mentions(text, staff) {
			if m.Start < last || m.End <= m.Start || m.End > len(text) {
				t.Fatalf("mention %+v in %d bytes after %d", m, len(text), last)
			}
			last = m.Start
		}
	})
}

// BenchmarkMentions shows that the text costs the same whatever the number of
// people: only the roster grows.
func BenchmarkMentions(b *testing.B) {
	text := strings.Repeat("Please reset the authenticator of jdoe, he lost it. ", 100)
	for _, n := range []int{10, 100, 1000} {
		people := make([]intent.Person, n)
		for i := range people {
			people[i] = intent.Person{ID: fmt.Sprint(i), Login: fmt.Sprintf("login%d", i), Email: fmt.Sprintf("u%d@acme.example", i), Name: fmt.Sprintf("Jane%d Doe", i)}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				intent.Mentions(text, people)
			}
		})
	}
}
