package intent_test

import (
	"testing"

	"github.com/resetdesk/resetdesk/review/intent"
)

// Mails that were read wrongly when they were first seen.
func TestTiredPeople(t *testing.T) {
	for _, c := range []struct {
		want          bool
		subject, text string
	}{
		{true, "my own login", "New phone, old one traded in at the shop before I thought about it. The six digit number it wants lives on the old phone. What now? Could you switch it off for me please, I'll set it up again tonight.\nSarah"},
		{false, "codes for the alarm", "The engineer changed the six digit number for the office alarm. Does that affect our hosting invoice address?"},
		{false, "grazie", "Tutto a posto, Nicolò ha riconfigurato il secondo fattore sul nuovo telefono e ora entra. Grazie per la velocità!"},
		{false, "fattura e codice", "Buongiorno, ci serve il codice destinatario per la fattura elettronica, quello che abbiamo ha 6 cifre e il sistema non lo accetta. Potete reimpostarlo nella nostra anagrafica?"},
		{false, "telemóvel novo da Inês", "Olá, a Inês tem um telemóvel novo mas os códigos passaram bem. Só precisamos de saber como imprimir novos códigos de recuperação no painel."},
		{true, "queria saber como resolver", "A Inês perdeu o telemóvel e gostava de saber como fazemos: o painel pede o código do autenticador. Podem remover o segundo fator da conta ines?"},
		{false, "obrigado", "Obrigado, o Rui já conseguiu configurar o autenticador no telemóvel novo e entrou sem problemas."},
		{false, "nouveau téléphone", "Bastien a un nouveau téléphone, comment fait-il pour transférer l'application d'authentification depuis l'ancien ?"},
	} {
		if r := intent.Classify(c.subject, c.text); r.Request != c.want {
			t.Errorf("%s: request %v, score %.2f, %+v", c.subject, r.Request, r.Score, r.Signals)
		}
	}
}
