package ui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

func TestOwnerConfirms(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, confirm := h.request()
		b := h.browser()
		path := "/r/" + confirm
		a := b.get(path).want(t, 200, `<html lang="de">`, number, "A•••", "jane", "Ja, wir haben darum gebeten", "Nein, das waren wir nicht", "UTC")
		for _, input := range radio.FindAllString(a.body, -1) {
			if strings.Contains(input, "checked") {
				t.Errorf("preselected: %s", input)
			}
		}
		before := h.dump()
		b.post(path).want(t, http.StatusUnprocessableEntity, "Bitte wählen Sie eine der Antworten")
		b.post(path, "answer", "maybe").want(t, http.StatusUnprocessableEntity)
		b.post(path, "answer", "undo").want(t, http.StatusConflict)
		if h.dump() != before {
			t.Error("no answer changed the database")
		}
		b.post(path, "answer", "yes").leads(t, path)
		a = b.get(path).want(t, 200, "Sie haben diese Anfrage bestätigt")
		if strings.Contains(a.body, `value="yes"`) || !strings.Contains(a.body, `value="no"`) {
			t.Error("after a yes the page offers to stop, not to confirm again")
		}
		b.post(path, "answer", "no").leads(t, path)
		b.get(path).want(t, 200, "Die Anfrage ist angehalten", "Sie haben diese Anfrage gestoppt")
		rita, _ := h.signIn("rita", review.Decider)
		rita.get("/cases/"+number).want(t, 200, "On hold", "that was not us")
	})
}

// A letter in French or Spanish leads to a page in that language, from the
// question to the undo and to a link that is not valid.
func TestOwnerPagesInEveryLetterLanguage(t *testing.T) {
	for lang, words := range map[string][5]string{
		"fr": {"Oui, la demande vient de nous", "Non, la demande ne vient pas de nous", "Vous avez confirmé cette demande", "La demande ne venait pas de nous", "Ce lien n’est pas valable"},
		"es": {"Sí, hemos sido nosotros", "No, no hemos sido nosotros", "Usted ha confirmado esta solicitud", "No hemos sido nosotros", "Este enlace no es válido"},
	} {
		inHouse(t, func(t *testing.T, h *house) {
			h.importFile(strings.ReplaceAll(accountsFile, "GmbH,de", "GmbH,"+lang))
			number, confirm := h.request()
			page := fmt.Sprintf(`<html lang="%s">`, lang)
			h.browser().get("/r/"+confirm).want(t, 200, page, words[0], words[1])
			h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
			h.browser().get("/r/"+confirm).want(t, 200, page, words[2])
			rita, r := h.signIn("rita", review.Admin)
			path := "/cases/" + number + "/approve"
			rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "called", "code", h.fresh(r.Holder))...).leads(t, "/cases/"+number)
			h.work()
			h.browser().get("/r/"+h.link("anna@acme.example")).want(t, 200, page, words[3])
			gone := h.browser().request("GET", "/r/x", nil)
			gone.Header.Set("Accept-Language", lang+"-XX, en")
			h.browser().do(gone).want(t, http.StatusNotFound, page, words[4])
		})
	}
}

// When the mail did not say which user, the page asks, and asks again.
func TestOwnerChoosesTheUser(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll("U-4")
		time.Sleep(time.Minute)
		h.deliver("piet@beta.example", "2FA reset please", "Please reset our two-factor authentication, the phone is lost.")
		path := "/r/" + h.link("piet@beta.example")
		b := h.browser()
		b.get(path).want(t, 200, `<html lang="nl">`, "Wiens tweede factor is kwijt?", "sanne")
		b.post(path, "answer", "yes").want(t, http.StatusUnprocessableEntity, "Kies ook om wiens", `value="yes" required checked`)
		b.post(path, "answer", "yes", "user_id", "U-2").want(t, http.StatusUnprocessableEntity)
		b.post(path, "answer", "yes", "user_id", "U-4").leads(t, path)
		b.get(path).want(t, 200, "U hebt deze aanvraag bevestigd")
	})
}

func TestOwnerUndoes(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		number, confirm := h.request()
		rita, r := h.signIn("rita", review.Admin)
		h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
		path := "/cases/" + number + "/approve"
		rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "called", "code", h.fresh(r.Holder))...).leads(t, "/cases/"+number)
		h.work()
		undo := "/r/" + h.link("anna@acme.example")
		h.browser().get(undo).want(t, 200, "Das waren wir nicht: den alten zweiten Faktor wieder einsetzen", `value="undo"`)
		h.browser().post(undo, "answer", "undo").leads(t, undo)
		h.browser().get(undo).want(t, 200, "Der alte zweite Faktor gilt wieder")
		rita.get("/cases/"+number).want(t, 200, "the user is frozen", "Unfreeze the user")
		path = "/cases/" + number + "/unfreeze"
		rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "spoke with Anna", "code", h.fresh(r.Holder))...).leads(t, "/cases/"+number)
	})
}

// Nobody learns from the page whether a token was ever good.
func TestUnknownAndExpiredLinksAreAlike(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		_, confirm := h.request()
		time.Sleep(15 * 24 * time.Hour)
		show := func(a answer) string { return fmt.Sprint(a.status, a.header, a.body) }
		b := h.browser()
		expired := b.get("/r/"+confirm).want(t, http.StatusNotFound, "This link is not valid")
		for _, token := range []string{strings.Repeat("0", 52), "x", strings.ToLower(confirm), confirm[:51]} {
			if got := b.get("/r/" + token); show(got) != show(expired) {
				t.Errorf("unknown token differs:\n%s\n%s", show(got), show(expired))
			}
		}
		for _, choice := range []string{"yes", "no", "undo", ""} {
			old, never := b.post("/r/"+confirm, "answer", choice), b.post("/r/"+strings.Repeat("0", 52), "answer", choice)
			if show(old) != show(never) || show(old) != show(expired) {
				t.Errorf("answering %q differs:\n%s\n%s", choice, show(old), show(never))
			}
		}
		r := b.request("GET", "/r/x", nil)
		r.Header.Set("Accept-Language", "xx, de-AT;q=0.8")
		b.do(r).want(t, http.StatusNotFound, `<html lang="de">`, "Dieser Link ist nicht gültig")
	})
}
