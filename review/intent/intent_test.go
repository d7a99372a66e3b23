package intent_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/review/intent"
)

// TestSpellings holds that one request stays a request however it is spelt.
func TestSpellings(t *testing.T) {
	for _, text := range []string{
		"Please reset my 2FA", "please RESET my 2-FA", "Please reset my 2 FA", "Please reset my 2 f a.",
		"Please reset my two-factor authentication", "Please reset my two-\nfactor authentication",
		"Please reset my two‑factor login", "please reset my authentificator", "please reset my authenticater",
		"please reset my authen-\nticator", "please reset the autenticator", "Please reset our MFA.", "please reset my TOTP",
		"Please clear my Google Authenticator", "Please turn my second factor off", "code reset for jdoe please",
		"Bitte meine Zwei-Faktor-Anmeldung zurücksetzen", "Bitte meine Zweifaktor-Anmeldung zuruecksetzen",
		"Bitte meine 2-Faktor-Authentifizierung zuru\u0308cksetzen", "Bitte 2FA zurück\u00adsetzen", "Bitte 2FA zurücksetzten",
		"Bitte setzen Sie meinen zweiten Faktor zurück", "Bitte setze meine 2FA wieder zurueck", "Bitte schalten Sie TOTP ab",
		"Graag mijn tweestapsverificatie resetten", "Graag mijn twee-stapsverificatie resetten", "graag mijn tweestapsverficatie resetten",
		"Graag mijn twee-factor-authenticatie uitzetten", "Zet mijn 2FA uit a.u.b.", "Haal de authenticator er voor mij af",
	} {
		if r := intent.Classify("", text); !r.Request {
			t.Errorf("%q: score %.2f, signals %v", text, r.Score, r.Signals)
		}
		if r := intent.Classify(text, ""); !r.Request {
			t.Errorf("as subject: %q: score %.2f, signals %v", text, r.Score, r.Signals)
		}
	}
}

// TestNearMisses are one step from a request each.
func TestNearMisses(t *testing.T) {
	for _, text := range []string{
		"", "Hello", "Please reset my password", "Bitte setzen Sie mein Passwort zurück", "Graag mijn wachtwoord resetten",
		"Please reset the server", "Please do not reset my 2FA", "Bitte nicht meine 2FA zurücksetzen",
		"How do I set up 2FA?", "Wie richte ich 2FA ein?", "Hoe stel ik 2FA in?", "Please enable two-factor authentication for us",
		"Thanks for resetting my 2FA", "The auth code for the domain, please", "I lost my phone", "2FA",
		"Reset your password and turn on two-factor authentication.",
	} {
		if r := intent.Classify("", text); r.Request {
			t.Errorf("%q: score %.2f, signals %v", text, r.Score, r.Signals)
		}
	}
}

// TestSignals holds that a verdict comes with the writer's own words.
func TestSignals(t *testing.T) {
	r := intent.Classify("Zugang", "Bitte setzen Sie den zweiten\nFaktor zurück.")
	if !r.Request || r.Language != "de" {
		t.Fatalf("got %+v", r)
	}
	for _, s := range r.Signals {
		if s.Name == "asks-reset" {
			if s.Text != "setzen Sie den zweiten\nFaktor" || s.Weight <= 0 {
				t.Errorf("asks-reset says %q with %v", s.Text, s.Weight)
			}
			return
		}
	}
	t.Errorf("no asks-reset in %v", r.Signals)
}

func TestPasswordAndFactorTogether(t *testing.T) {
	for _, text := range []string{"Please reset password and 2FA for jdoe", "Bitte Passwort und 2FA zurücksetzen", "Graag wachtwoord en 2FA resetten"} {
		if r := intent.Classify("", text); !r.Request {
			t.Errorf("%q: score %.2f, signals %v", text, r.Score, r.Signals)
		}
	}
}

func TestSmellsOf2FA(t *testing.T) {
	for subject, want := range map[string]bool{
		"2FA": true, "Re: two-factor": true, "Zwei-Faktor": true, "tweestapsverificatie": true, "lost my phone": true,
		"Handy verloren": true, "telefoon kwijt": true, "cannot log in": true, "Kann mich nicht anmelden": true, "kan niet inloggen": true,
		"Code reset": true, "reset": true, "Locked out": true, "backup codes": true, "Verification": true, "Authentificator": true, "login problem": true,
		"Téléphone volé": true, "double authentification": true, "réinitialisation A2F": true, "je ne peux plus me connecter": true, "accès bloqué": true,
		"perdí mi móvil": true, "autenticación de dos factores": true, "no puedo entrar": true, "códigos de respaldo": true,
		"telefono rubato": true, "autenticazione a due fattori": true, "non riesco ad accedere": true, "codici di backup": true,
		"zgubiłem telefon": true, "weryfikacja dwuetapowa": true, "nie mogę się zalogować": true, "reset kodów": true,
		"perdi o telemóvel": true, "autenticação de dois fatores": true, "não consigo entrar": true, "códigos de recuperação": true,
		"Facture 1182": false, "Factura de noviembre": false, "Fattura di novembre": false, "Faktura za listopad": false, "Fatura de novembro": false,
		"Mot de passe oublié": false, "Numéro de téléphone": false, "Reunión mañana": false, "Dzień dobry": false, "Reunião amanhã": false,
		"": false, "Invoice 1182": false, "Password reset": false, "Server reset": false, "Neue Telefonnummer": false, "Offerte": false,
		"DNS zone": false, "Frage zur Rechnung": false, "Meeting tomorrow": false,
	} {
		if got := intent.SmellsOf2FA(subject); got != want {
			t.Errorf("SmellsOf2FA(%q) = %v", subject, got)
		}
	}
}

// TestSubjectsOfTheCorpus holds the reason of the smell test: a request whose
// subject names the matter at all is never left unread.
func TestSubjectsOfTheCorpus(t *testing.T) {
	for _, language := range []string{"en", "nl", "de"} {
		for _, part := range []string{"tuned", "heldout"} {
			for _, m := range read(t, language+"."+part+".txt") {
				if m.want && intent.Classify(m.subject, "").Request && !intent.SmellsOf2FA(m.subject) {
					t.Errorf("%q does not smell", m.subject)
				}
			}
		}
	}
}

// TestLongText holds the bound and that the cost is linear: a megabyte of the
// worst words returns at once.
func TestLongText(t *testing.T) {
	r := intent.Classify("", strings.Repeat("reset 2fa not code ", 60_000))
	if !r.Request {
		t.Errorf("score %.2f, signals %v", r.Score, r.Signals)
	}
	if r := intent.Classify("", strings.Repeat("x ", 64<<10)+"please reset my 2fa"); r.Request {
		t.Error("text beyond the bound was read")
	}
}

// TestBadShape holds requests in texts of odd shapes.
func TestBadShape(t *testing.T) {
	for name, text := range map[string]string{
		"a line of 16 KiB":    strings.Repeat("blah ", 3200) + "please reset my 2FA",
		"100,000 words after": "please reset my 2FA. " + strings.Repeat("lorem ", 100_000),
		"one letter a line":   "please\nreset\nmy\n2FA\n" + strings.Repeat("x\n", 20_000),
		"no spaces":           "please reset my 2FA" + strings.Repeat("x", 60_000),
		"entities":            "please&nbsp;reset&nbsp;my&nbsp;2FA" + strings.Repeat("&amp;", 5000),
		"bad UTF-8":           "please \xff reset \xfe my 2FA",
		"right to left":       "\u202eplease reset my 2FA\u202c",
	} {
		if r := intent.Classify("", text); r.Request != (name != "no spaces") {
			t.Errorf("%s: request %v, signals %v", name, r.Request, r.Signals)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, s := range []string{"2FA zurück\u0308setzen", "authen-\nticator", "'", "\xff\xfe", "nr.", "a\u00ad", "\u0308a", "2 f a reset\n- x"} {
		f.Add("2FA", s)
	}
	f.Fuzz(func(t *testing.T, subject, text string) {
		r := intent.Classify(subject, text)
		if r.Score < 0 || r.Score > 1 || r.Request != (r.Score >= 0.5) && r.Score != 0.5 {
			t.Errorf("score %v, request %v", r.Score, r.Request)
		}
		for _, s := range r.Signals {
			if s.Text == "" || !utf8.ValidString(s.Text) {
				t.Errorf("signal %q without its words: %q", s.Name, s.Text)
			}
		}
		intent.SmellsOf2FA(subject)
	})
}

// fiveKB is a text of that length.
func fiveKB() string {
	var text strings.Builder
	for i := 0; text.Len() < 5<<10; i++ {
		text.WriteString(mails[i%len(mails)])
		text.WriteString("\n\n")
	}
	return text.String()[:5<<10]
}

func BenchmarkClassify5KB(b *testing.B) {
	s := fiveKB()
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		intent.Classify("2FA reset", s)
	}
}

var mails = []string{
	"Unfortunately my telephone fell down the stairs and the display is dead. Therefore I cannot read the code of the Authenticator application.",
	"Wir können uns nicht anmelden, weil der Kollege mit der Zwei-Faktor-App krank ist und sein Telefon ausgeschaltet hat.",
	"Sinds ik mijn telefoon heb hersteld vanaf een reservekopie worden de codes van de authenticator niet meer geaccepteerd.",
	"The quarterly infrastructure maintenance announcement concerns virtualization hypervisors, configuration and documentation.",
}
