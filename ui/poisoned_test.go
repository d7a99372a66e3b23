package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// lies are the headers by which a visitor, or a proxy that lets them through, could
// tell the desk another name, address or path of itself.
var lies = map[string]string{"X-Forwarded-Host": "evil.example", "X-Host": "evil.example", "X-Original-Host": "evil.example", "X-Forwarded-Server": "evil.example", "X-HTTP-Host-Override": "evil.example",
	"Forwarded": "for=203.0.113.9;host=evil.example;proto=http", "X-Forwarded-Proto": "http", "X-Forwarded-Scheme": "http", "X-Forwarded-Port": "8443", "X-Forwarded-Prefix": "//evil.example", "X-Original-URL": "/evil.example",
	"X-Rewrite-URL": "/evil.example", "X-Forwarded-For": "evil.example", "X-Real-IP": "evil.example", "Via": "1.1 evil.example", "Referer": "https://evil.example/", "True-Client-IP": "evil.example", "Base-Url": "https://evil.example"}

// A liar tells them with every request.
type liar struct{ direct }

func (l liar) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range lies {
		r.Header.Set(name, value)
	}
	return l.direct.RoundTrip(r)
}

// No letter and no answer has the name that a header brought, whatever is done with
// them: every route, and a case from the confirmation to the letters of its reset.
func TestNoHeaderPoisonsALetter(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		h.signIn("sam", review.Lead)
		targets, number := h.targets()
		rita.client.Transport = liar{direct{h.pages}}
		cells := newTally(t, "poisoned headers")
		look := func(what string, a answer) {
			t.Helper()
			cells.ask(what, "admin", "all of them")
			text := a.body
			for name, values := range a.header {
				text += name + strings.Join(values, " ")
			}
			if a.status >= 500 || strings.Contains(text, "evil.example") || strings.Contains(text, "8443") || strings.Contains(a.header.Get("Location"), ":") {
				cells.errorf("%s repeats a header: %d to %q", what, a.status, a.header.Get("Location"))
			}
		}
		confirm := h.link("anna@acme.example")
		look("POST /r/{token}", rita.post("/r/"+confirm, "answer", "yes"))
		path := "/cases/" + number + "/approve"
		look("POST "+path, rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "called", "code", h.fresh(r.Holder))...))
		look("POST invitation", rita.post("/settings/reviewers/new", "email", "nora@host.example", "name", "Nora", "role", "viewer", "code", h.fresh(r.Holder)))
		look("POST reset", rita.post("/settings/reviewers/2/reset", "reason", "lost", "code", h.fresh(r.Holder)))
		for _, x := range targets {
			form := everything(number, h.fresh(r.Holder))
			form.Set("next", "/")
			if x.path != "/events" && last(x.route) == 0 {
				look(x.route, rita.do(rita.request(x.method, x.path, form)))
			}
		}
		h.work()
		links := 0
		for _, l := range h.letters {
			if strings.Contains(l.text, "evil.example") || strings.Contains(l.text, "http://") || strings.Contains(l.text, ":8443") {
				cells.errorf("a letter to %s has it", l.to)
			}
			links += strings.Count(l.text, base+"/")
		}
		if state := h.text(`SELECT state FROM reset_case WHERE number = '` + number + `'`); state != "cleared" || links < 8 {
			t.Errorf("the case is %s, its letters have %d links", state, links)
		}
		cells.end(130)
	})
}
