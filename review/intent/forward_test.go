package intent_test

import (
	"testing"

	"github.com/resetdesk/resetdesk/review/intent"
)

const lost = "I lost my phone and have no backup codes. Please get my 2FA reset."

// TestForward holds that a forwarded request counts when the writer endorses it
// in words of their own, and that its words are marked as somebody else's.
func TestForward(t *testing.T) {
	for own, want := range map[string]bool{
		"": false, "FYI": false, "Is this from you?": false, "see below": false, "Please ignore this one, it is phishing.": false,
		"Sam found his phone, please do nothing.": false, "Is this a scam? Please look at it.": false,
		"Can you sort this out for Sam?": true, "Please handle.": true, "Could you take care of this?": true, "pls fix": true,
		"Please reset his 2FA": true,
	} {
		r := intent.Words{Subject: "Fwd: help", Text: own, Forwarded: lost}.Classify()
		if r.Request != want {
			t.Errorf("%q: request %v, signals %v", own, r.Request, r.Signals)
		}
		if !want {
			continue
		}
		for _, s := range r.Signals {
			if s.Name == "lost-device" && !s.Forwarded || s.Name == "endorses-forward" && s.Forwarded {
				t.Errorf("%q: %+v", own, s)
			}
		}
	}
	if r := (intent.Words{Subject: "Fwd: Invoice", Text: "Please handle.", Forwarded: "The invoice is wrong."}).Classify(); r.Request {
		t.Errorf("forwarded invoice: %v", r.Signals)
	}
}

// TestSubjects holds whose words a subject is.
func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		subject, text string
		want          bool
	}{
		{"Reset 2FA for jdoe please", "", true},
		{"Re: Reset 2FA for jdoe please", "", true},
		{"Re: Confirm your request to reset two-factor authentication (RST-8K2M4Q)", "", false},
		{"Re: Confirm your request to reset two-factor authentication", "ok", false},
		{"AW: Re: 2FA zurücksetzen", "mache ich", false},
		{"Re: 2FA", "Please reset it, my phone is gone.", true},
		{"Re: 2FA reset", "his phone is broken and the backup codes are gone too", true},
		{"Fwd: Reset 2FA for jdoe please", "", false},
		{"Fwd: Reset 2FA for jdoe please", "please do this", true},
	} {
		if r := intent.Classify(c.subject, c.text); r.Request != c.want {
			t.Errorf("%q, %q: request %v, signals %v", c.subject, c.text, r.Request, r.Signals)
		}
	}
}

// TestReplies holds what is read in answers to our letters.
func TestReplies(t *testing.T) {
	for text, want := range map[string]intent.Reply{
		"ok": "", "Please reset my 2FA": "",
		"That was not us!": "object", "Das waren wir nicht.": "object", "Wij hebben dit niet aangevraagd": "object", "Ce n'était pas nous": "object",
		"No fuimos nosotros": "object", "Non siamo stati noi": "object", "To nie my": "object", "Não fomos nós": "object",
		"please cancel": "withdraw", "hat sich erledigt": "withdraw", "he found the phone": "withdraw", "laat maar": "withdraw",
		"Il a retrouvé son téléphone": "withdraw", "ya no hace falta": "withdraw", "non serve più": "withdraw", "już nie trzeba": "withdraw", "já não é preciso": "withdraw",
		"Thanks, it works again": "thanks", "Danke, klappt wieder": "thanks", "het werkt weer": "thanks", "ça fonctionne maintenant": "thanks",
		"ya funciona": "thanks", "adesso funziona": "thanks", "już działa": "thanks", "já funciona": "thanks",
		"Any news?": "question", "Wie ist der Stand?": "question", "Hoe staat het ermee?": "question", "Où en est ma demande ?": "question",
		"¿Hay novedades?": "question", "Ci sono novità?": "question", "Czy są jakieś wieści?": "question", "Há novidades?": "question",
		"It works again, and that was not us.": "object",
	} {
		if r := intent.Classify("Re: RST-8K2M4Q", text); r.Reply != want {
			t.Errorf("%q: %q, signals %v", text, r.Reply, r.Signals)
		}
	}
}

// TestBadSpelling holds the languages against what people and programs do to
// them.
func TestBadSpelling(t *testing.T) {
	for _, text := range []string{
		"bitte zwei faktor zurücksetzen", "Bitte 2 Faktor zurueck setzen, danke", "ZURÜCKSETZEN BITTE 2FA", "please reset my autentificator",
		"Bitte die 2FA zur&uuml;cksetzen", "Merci de r&#233;initialiser la double authentification", "plеase rеsеt my 2FА", // Cyrillic е and А
		"ｐｌｅａｓｅ ｒｅｓｅｔ ｍｙ ２ＦＡ", "merci de reinitialiser l authentification a deux facteurs", "merci de réinitialiser l’authentification à deux facteurs",
		"por favor restablecer la autenticacion de dos factores", "resettare l'autenticazione a due fattori per favore", "prosze zresetowac uwierzytelnianie dwuskladnikowe",
		"por favor redefinir a autenticacao de dois fatores", "Hallo, mijn telefoon ist kaputt. Please reset my 2FA, merci",
		"Bonjour, je vous écris de la part de notre bureau de Bruxelles, un collègue qui ne parle pas le français demande ceci. Graag de tweestapsverificatie van zijn account uitzetten, hij is zijn toestel kwijt.",
		"PROSZĘ O RESET 2FA", "please re\u200bset my two\u00adfactor authentication", "Bitte Zwei\nFaktor\nAnmeldung\nzurücksetzen",
	} {
		if r := intent.Classify("", text); !r.Request {
			t.Errorf("%q: score %.2f, language %q, signals %v", text, r.Score, r.Language, r.Signals)
		}
	}
}
